//! The project's own Kademlia DHT: everybody is a client of it, nodes that are told to serve it.
//! It stores nothing but IPNS records that prove themselves, of at most a kilobyte each.

use std::{
    borrow::Cow,
    num::NonZeroUsize,
    time::{Duration, Instant, SystemTime},
};

use libp2p::{
    PeerId, StreamProtocol, identify,
    identity::PublicKey,
    kad::{
        Behaviour, BucketInserts, Caching, Config, Mode, Record, StoreInserts,
        store::{MemoryStore, MemoryStoreConfig, RecordStore},
    },
};

use super::rendezvous::ipns;

/// The protocol of our DHT.
pub const PROTOCOL: StreamProtocol = StreamProtocol::new("/entrenous/kad/1.0.0");

/// What identify says that is spoken here.
const IDENTIFY: &str = "/entrenous/1";

/// Records that a node stores: 4 MiB. When one more comes, that which ends first goes.
pub const MAX_RECORDS: usize = 4096;

/// A record is stored for so long, whatever it says itself: its owner, if there, has written anew.
const STORED_FOR: Duration = Duration::from_secs(2 * 3600);

/// How long a query may take. On a network of many nodes that come and go, most that answer at
/// all answer well within this.
pub const QUERY_TIMEOUT: Duration = Duration::from_secs(10);

/// How many nodes keep each record.
const REPLICATION: NonZeroUsize = NonZeroUsize::new(20).unwrap();

/// The DHT, as a client unless it is to serve.
pub fn behaviour(peer: PeerId, serve: bool) -> Behaviour<MemoryStore> {
    let store = MemoryStore::with_config(
        peer,
        MemoryStoreConfig {
            max_records: MAX_RECORDS,
            max_value_bytes: ipns::MAX_RECORD,
            max_providers_per_key: 0,
            max_provided_keys: 0,
        },
    );
    let mut config = Config::new(PROTOCOL);
    config
        .set_query_timeout(QUERY_TIMEOUT)
        .set_replication_factor(REPLICATION)
        .disjoint_query_paths(true)
        .set_record_ttl(None)
        .set_publication_interval(None)
        .set_replication_interval(None)
        .set_provider_publication_interval(None)
        .set_record_filtering(StoreInserts::FilterBoth)
        .set_kbucket_inserts(BucketInserts::Manual)
        .set_caching(Caching::Disabled)
        .set_periodic_bootstrap_interval(None);
    let mut behaviour = Behaviour::with_config(peer, store, config);
    behaviour.set_mode(Some(if serve { Mode::Server } else { Mode::Client }));
    behaviour
}

/// Identify: how nodes of the DHT tell us our own address. It says nothing of us but the key and
/// what is spoken.
pub fn identify(key: PublicKey) -> identify::Behaviour {
    let config = identify::Config::new(IDENTIFY.to_owned(), key)
        .with_agent_version(String::new())
        .with_hide_listen_addrs(true)
        .with_cache_size(0);
    identify::Behaviour::new(config)
}

/// Stores what somebody wants stored, if it proves itself and is newer than what is there.
/// Returns whether it was stored.
pub fn store(behaviour: &mut Behaviour<MemoryStore>, mut record: Record) -> bool {
    let Ok(new) = ipns::read(record.key.as_ref(), &record.value) else { return false };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    if u128::from(new.valid_until) < now.as_millis() {
        return false;
    }
    let store = behaviour.store_mut();
    let known = store.get(&record.key).map(Cow::into_owned);
    if let Some(known) = &known
        && let Ok(known) = ipns::read(known.key.as_ref(), &known.value)
        && known.sequence >= new.sequence
    {
        return false;
    }
    if known.is_none() && store.records().count() >= MAX_RECORDS {
        let first = store.records().min_by_key(|record| record.expires);
        if let Some(key) = first.map(|record| record.key.clone()) {
            store.remove(&key);
        }
    }
    record.publisher = None;
    record.expires = Some(Instant::now() + STORED_FOR);
    store.put(record).is_ok()
}

#[cfg(test)]
mod tests {
    use libp2p::identity::Keypair;

    use super::*;

    fn record(key: &Keypair, sequence: u64) -> Record {
        let value = ipns::write(key, &[1; 512], sequence).unwrap();
        Record::new(ipns::key(&key.public().to_peer_id()), value)
    }

    fn now() -> u64 {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        u64::try_from(now.as_millis()).unwrap()
    }

    fn node() -> Behaviour<MemoryStore> {
        behaviour(PeerId::random(), true)
    }

    #[test]
    fn only_what_proves_itself_and_is_newer_is_stored() {
        let (mut node, key, now) = (node(), Keypair::generate_ed25519(), now());
        assert!(store(&mut node, record(&key, now)));
        assert!(!store(&mut node, record(&key, now)), "the same again");
        assert!(!store(&mut node, record(&key, now - 1)), "an older one");
        assert!(store(&mut node, record(&key, now + 1)));
        let other = Keypair::generate_ed25519();
        let forged = Record { key: record(&key, now).key, ..record(&other, now + 9) };
        assert!(!store(&mut node, forged));
        let mut bent = record(&other, now);
        bent.value[100] ^= 1;
        assert!(!store(&mut node, bent));
        let mut long = record(&other, now);
        long.value.resize(ipns::MAX_RECORD + 1, 0);
        assert!(!store(&mut node, long));
        assert!(!store(&mut node, Record::new(b"/pk/x".to_vec(), vec![1])));
        assert!(!store(&mut node, record(&other, 1_000_000)), "it ended long ago");
        assert_eq!(node.store_mut().records().count(), 1);
    }

    #[test]
    fn over_the_bound_the_one_that_ends_first_goes() {
        let (mut node, now) = (node(), now());
        let first = record(&Keypair::generate_ed25519(), now);
        let key = first.key.clone();
        assert!(store(&mut node, first));
        for _ in 0..MAX_RECORDS {
            assert!(store(&mut node, record(&Keypair::generate_ed25519(), now)));
        }
        assert_eq!(node.store_mut().records().count(), MAX_RECORDS);
        assert!(node.store_mut().get(&key).is_none());
    }
}
