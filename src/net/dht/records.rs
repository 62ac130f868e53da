//! What a node of the project's own DHT stores.

use std::{
    borrow::Cow,
    collections::HashMap,
    net::IpAddr,
    time::{Duration, Instant, SystemTime},
};

use libp2p::kad::{Record, store::RecordStore as _};

use super::Behaviour;
use crate::net::rendezvous::ipns;

/// Records that a node stores: 4 MiB. When one more comes, one of the network goes that has
/// stored the most, so that nobody can wash out what others have stored.
pub const MAX_RECORDS: usize = 4096;

/// A record is stored for so long, whatever it says itself: its owner, if there, has written anew.
const STORED_FOR: Duration = Duration::from_secs(2 * 3600);

impl Behaviour {
    /// Stores what somebody in this network wants stored, if it proves itself and is newer than
    /// what is there. Returns whether it was stored.
    pub fn store(&mut self, mut record: Record, network: IpAddr) -> bool {
        let Ok(new) = ipns::read(record.key.as_ref(), &record.value) else { return false };
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        if u128::from(new.valid_until) < now.as_millis() {
            return false;
        }
        let store = self.kad.store_mut();
        let known = store.get(&record.key).map(Cow::into_owned);
        if let Some(known) = &known
            && let Ok(known) = ipns::read(known.key.as_ref(), &known.value)
            && known.sequence >= new.sequence
        {
            return false;
        }
        if known.is_none() && self.sources.len() >= MAX_RECORDS {
            self.make_room();
        }
        record.publisher = None;
        record.expires = Some(Instant::now() + STORED_FOR);
        let key = record.key.clone();
        let stored = self.kad.store_mut().put(record).is_ok();
        if stored {
            self.sources.insert(key, network);
        }
        stored
    }

    /// Drops what is out of date; if nothing is, the oldest of the network that has the most.
    fn make_room(&mut self) {
        let now = Instant::now();
        let store = self.kad.store_mut();
        let expired = store.records().filter(|record| record.is_expired(now));
        for key in expired.map(|record| record.key.clone()).collect::<Vec<_>>() {
            store.remove(&key);
        }
        // When it is asked for one that is out of date, kad drops it by itself.
        self.sources.retain(|key, _| store.get(key).is_some());
        if self.sources.len() < MAX_RECORDS {
            return;
        }
        let mut counts: HashMap<IpAddr, usize> = HashMap::new();
        for network in self.sources.values() {
            *counts.entry(*network).or_default() += 1;
        }
        let most = counts.into_iter().max_by_key(|(_, count)| *count).map(|(network, _)| network);
        let of_most = store
            .records()
            .filter(|record| self.sources.get(&record.key).copied() == most)
            .min_by_key(|record| record.expires);
        if let Some(key) = of_most.map(|record| record.key.clone()) {
            store.remove(&key);
            self.sources.remove(&key);
        }
    }
}
