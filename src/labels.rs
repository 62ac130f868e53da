//! Every domain-separation label of the protocol, in one place.
//!
//! A label is never reused for a second purpose and never changed: a new meaning gets a new
//! version number. The strings follow the advice of BLAKE3's `derive_key`: hard-coded, globally
//! unique, application first.

/// Signed by an identity: the certificate of one of its devices.
pub const CERTIFICATE: &str = "entrenous 1 device certificate";
/// The secret that two devices share, from their static Diffie-Hellman.
pub const PAIR_SECRET: &str = "entrenous 1 pair secret";
/// The stand-in for a pair secret while an invite is open.
pub const INVITE_PAIR_SECRET: &str = "entrenous 1 invite pair secret";
/// The pre-shared key of the invite handshake, from the invite's secret.
pub const INVITE_PSK: &str = "entrenous 1 invite psk";
/// The key of hail tags, from a pair secret.
pub const HAIL_KEY: &str = "entrenous 1 hail key";
/// The key under whose name a rendezvous record lies, from a pair secret.
pub const RENDEZVOUS_NAME: &str = "entrenous 1 rendezvous name";
/// The key that seals a rendezvous record, from a pair secret.
pub const RENDEZVOUS_SEAL: &str = "entrenous 1 rendezvous seal";
/// The key of probes, from a pair secret.
pub const PROBE_KEY: &str = "entrenous 1 probe key";
/// The prologue of every handshake.
pub const PROLOGUE: &str = "entrenous 1 prologue";
/// The traffic keys of a session, from the handshake hash, both Noise keys and the ML-KEM secret.
pub const TRAFFIC_KEYS: &str = "entrenous 1 traffic keys";
/// The safety number of two identities.
pub const SAFETY_NUMBER: &str = "entrenous 1 safety number";
/// The identifier of the direct conversation of two identities.
pub const DIRECT_CONVERSATION: &str = "entrenous 1 direct conversation";
/// The identifier (hash) of an entry.
pub const ENTRY_ID: &str = "entrenous 1 entry id";
/// The hash of an entry's body.
pub const BODY_HASH: &str = "entrenous 1 body hash";
/// What names the content of an offered file, on its own disk alone: from root, key and sizes.
pub const FILE_CONTENT: &str = "entrenous 1 file content";
/// The key under which a device marks its own entries.
pub const OWN_MARK_KEY: &str = "entrenous 1 own mark key";
/// The key that wraps a profile's database key, from the passphrase.
pub const DATABASE_WRAP: &str = "entrenous 1 database wrap";
