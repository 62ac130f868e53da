//! Sections 7, 9 and 18: the handshake patterns, as one table.

use Token::{E, Ee, Es, Psk, S, Se, Ss};

/// A word of a message pattern (sections 7.1 and 9.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Token {
    /// The sender's ephemeral public key.
    E,
    /// The sender's static public key, encrypted if there is a key yet.
    S,
    /// Diffie-Hellman of both ephemeral keys.
    Ee,
    /// Diffie-Hellman of the initiator's ephemeral and the responder's static key.
    Es,
    /// Diffie-Hellman of the initiator's static and the responder's ephemeral key.
    Se,
    /// Diffie-Hellman of both static keys.
    Ss,
    /// The next pre-shared key.
    Psk,
}

/// A handshake pattern.
#[derive(Debug, PartialEq, Eq)]
pub struct Pattern {
    /// Its name with modifiers: `XXpsk3`.
    pub name: &'static str,
    /// Whether the responder knows the initiator's static key beforehand.
    pub initiator_known: bool,
    /// Whether the initiator knows the responder's static key beforehand.
    pub responder_known: bool,
    /// The messages, the initiator's first, then in turn.
    pub messages: &'static [&'static [Token]],
}

impl Pattern {
    /// The row with this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        PATTERNS.iter().find(|pattern| pattern.name == name)
    }

    /// Between people who know each other's devices.
    pub const KK: &'static Self = &PATTERNS[0];
    /// Between people who know nothing of each other.
    pub const XX: &'static Self = &PATTERNS[1];
    /// Between the maker of an invite and its holder.
    pub const XX_PSK3: &'static Self = &PATTERNS[2];

    /// The full name of the protocol (section 8).
    pub fn protocol_name(&self) -> String {
        format!("Noise_{}_25519_ChaChaPoly_BLAKE2s", self.name)
    }

    /// How many pre-shared keys are mixed in.
    pub fn psks(&self) -> usize {
        self.tokens().filter(|&token| token == Psk).count()
    }

    /// Whether the initiator, or else the responder, has a static key.
    pub(super) fn has_static(&self, initiator: bool) -> bool {
        let known = if initiator { self.initiator_known } else { self.responder_known };
        let first = usize::from(!initiator);
        known || self.messages.iter().skip(first).step_by(2).any(|message| message.contains(&S))
    }

    fn tokens(&self) -> impl Iterator<Item = Token> {
        self.messages.iter().flat_map(|message| message.iter().copied())
    }
}

/// No static key is known beforehand.
const N: (bool, bool) = (false, false);
/// `-> s`: the initiator's is.
const I: (bool, bool) = (true, false);
/// `<- s`: the responder's is.
const R: (bool, bool) = (false, true);
/// Both are.
const B: (bool, bool) = (true, true);

const fn row(
    name: &'static str,
    known: (bool, bool),
    messages: &'static [&'static [Token]],
) -> Pattern {
    Pattern { name, initiator_known: known.0, responder_known: known.1, messages }
}

/// Every pattern. The first three are those of [`crate::session`]; the others are here because
/// official vectors for them exist, and check the three's common machinery.
#[rustfmt::skip]
pub static PATTERNS: &[Pattern] = &[
    row("KK",     B, &[&[E, Es, Ss], &[E, Ee, Se]]),
    row("XX",     N, &[&[E], &[E, Ee, S, Es], &[S, Se]]),
    row("XXpsk3", N, &[&[E], &[E, Ee, S, Es], &[S, Se, Psk]]),
    // Section 7.4, one-way.
    row("N",      R, &[&[E, Es]]),
    row("K",      B, &[&[E, Es, Ss]]),
    row("X",      R, &[&[E, Es, S, Ss]]),
    // Section 7.5, fundamental.
    row("NN",     N, &[&[E], &[E, Ee]]),
    row("NK",     R, &[&[E, Es], &[E, Ee]]),
    row("NX",     N, &[&[E], &[E, Ee, S, Es]]),
    row("KN",     I, &[&[E], &[E, Ee, Se]]),
    row("KX",     I, &[&[E], &[E, Ee, Se, S, Es]]),
    row("XN",     N, &[&[E], &[E, Ee], &[S, Se]]),
    row("XK",     R, &[&[E, Es], &[E, Ee], &[S, Se]]),
    row("IN",     N, &[&[E, S], &[E, Ee, Se]]),
    row("IK",     R, &[&[E, Es, S, Ss], &[E, Ee, Se]]),
    row("IX",     N, &[&[E, S], &[E, Ee, Se, S, Es]]),
    // Section 18.1, deferred.
    row("NK1",    R, &[&[E], &[E, Ee, Es]]),
    row("NX1",    N, &[&[E], &[E, Ee, S], &[Es]]),
    row("X1N",    N, &[&[E], &[E, Ee], &[S], &[Se]]),
    row("X1K",    R, &[&[E, Es], &[E, Ee], &[S], &[Se]]),
    row("XK1",    R, &[&[E], &[E, Ee, Es], &[S, Se]]),
    row("X1K1",   R, &[&[E], &[E, Ee, Es], &[S], &[Se]]),
    row("X1X",    N, &[&[E], &[E, Ee, S, Es], &[S], &[Se]]),
    row("XX1",    N, &[&[E], &[E, Ee, S], &[Es, S, Se]]),
    row("X1X1",   N, &[&[E], &[E, Ee, S], &[Es, S], &[Se]]),
    row("K1N",    I, &[&[E], &[E, Ee], &[Se]]),
    row("K1K",    B, &[&[E, Es], &[E, Ee], &[Se]]),
    row("KK1",    B, &[&[E], &[E, Ee, Se, Es]]),
    row("K1K1",   B, &[&[E], &[E, Ee, Es], &[Se]]),
    row("K1X",    I, &[&[E], &[E, Ee, S, Es], &[Se]]),
    row("KX1",    I, &[&[E], &[E, Ee, Se, S], &[Es]]),
    row("K1X1",   I, &[&[E], &[E, Ee, S], &[Se, Es]]),
    row("I1N",    N, &[&[E, S], &[E, Ee], &[Se]]),
    row("I1K",    R, &[&[E, Es, S], &[E, Ee], &[Se]]),
    row("IK1",    R, &[&[E, S], &[E, Ee, Se, Es]]),
    row("I1K1",   R, &[&[E, S], &[E, Ee, Es], &[Se]]),
    row("I1X",    N, &[&[E, S], &[E, Ee, S, Es], &[Se]]),
    row("IX1",    N, &[&[E, S], &[E, Ee, Se, S], &[Es]]),
    row("I1X1",   N, &[&[E, S], &[E, Ee, S], &[Se, Es]]),
    // Section 9.4, recommended pre-shared key patterns.
    row("Npsk0",  R, &[&[Psk, E, Es]]),
    row("Kpsk0",  B, &[&[Psk, E, Es, Ss]]),
    row("Xpsk1",  R, &[&[E, Es, S, Ss, Psk]]),
    row("NNpsk0", N, &[&[Psk, E], &[E, Ee]]),
    row("NNpsk2", N, &[&[E], &[E, Ee, Psk]]),
    row("NKpsk0", R, &[&[Psk, E, Es], &[E, Ee]]),
    row("NKpsk2", R, &[&[E, Es], &[E, Ee, Psk]]),
    row("NXpsk2", N, &[&[E], &[E, Ee, S, Es, Psk]]),
    row("XNpsk3", N, &[&[E], &[E, Ee], &[S, Se, Psk]]),
    row("XKpsk3", R, &[&[E, Es], &[E, Ee], &[S, Se, Psk]]),
    row("KNpsk0", I, &[&[Psk, E], &[E, Ee, Se]]),
    row("KNpsk2", I, &[&[E], &[E, Ee, Se, Psk]]),
    row("KKpsk0", B, &[&[Psk, E, Es, Ss], &[E, Ee, Se]]),
    row("KKpsk2", B, &[&[E, Es, Ss], &[E, Ee, Se, Psk]]),
    row("KXpsk2", I, &[&[E], &[E, Ee, Se, S, Es, Psk]]),
    row("INpsk1", N, &[&[E, S, Psk], &[E, Ee, Se]]),
    row("INpsk2", N, &[&[E, S], &[E, Ee, Se, Psk]]),
    row("IKpsk1", R, &[&[E, Es, S, Ss, Psk], &[E, Ee, Se]]),
    row("IKpsk2", R, &[&[E, Es, S, Ss], &[E, Ee, Se, Psk]]),
    row("IXpsk2", N, &[&[E, S], &[E, Ee, Se, S, Es, Psk]]),
];
