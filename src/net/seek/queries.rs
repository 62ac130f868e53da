//! Reading and writing the records of those sought in the DHT.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use libp2p::{
    PeerId,
    kad::{
        GetClosestPeersError, GetRecordOk, PeerInfo, PutRecordError, QueryId, QueryResult, Quorum,
        Record as DhtRecord,
    },
};

use super::{SeekId, carrier::Pace, epochs, public::End, wall_clock};
use crate::net::{
    Net,
    dht::{Dht, QUERY_TIMEOUT},
    rendezvous::{Place, Record, Side},
};

/// Queries at a time, so that many contacts don't make many packets.
pub const MAX_QUERIES: usize = 24;

/// A node that does not answer holds no look up for longer.
const READ_PATIENCE: Duration = Duration::from_millis(1500);

/// So many nodes that answer with a genuine record are enough: the newest of a few is the
/// newest, but for nodes that have not got it yet.
const ENOUGH: u32 = 3;

/// How long to wait for a look-up, or for its turn, before it is begun again.
const LOOKUP_PATIENCE: Duration = Duration::from_secs(1);

/// After a record could be left nowhere in our own DHT.
const WRITE_RETRY: Duration = Duration::from_secs(3);

/// What a query is for.
pub enum Query {
    /// Whom to give a record to.
    Closest { key: Vec<u8>, value: Vec<u8>, at_hand: HashSet<PeerId> },
    /// Giving it to them.
    Write { seek: SeekId },
    /// Giving it to more than those who must have it.
    WriteMore,
    /// In the public DHT: who stands closest to a name.
    Nodes { seek: SeekId, side: Side, epoch: u64 },
    /// Looking for the other's.
    Read { seek: SeekId, epoch: u64, found: u32 },
}

impl Net {
    /// Leaves word for somebody, if it is due.
    pub(super) fn write_due(&mut self, dht: Dht, id: SeekId, own: &mut Record, now: Instant) {
        if !self.seeks.may_query() {
            return;
        }
        let within = self.seeks.turns(dht);
        let Some(seek) = self.seeks.all.get_mut(&id) else { return };
        own.seen = seek.seen;
        let (time, fast) = (wall_clock(), now < seek.fast_until);
        let carrier = seek.carrier(dht);
        if !fast {
            carrier.draw_turn(time, within, now);
        }
        let Some(epoch) = carrier.epoch_to_write(&epochs(time), own, fast, now) else { return };
        let record = own.clone();
        let side = seek.side;
        let place = Place::new(&seek.secret, side, epoch);
        let keepers = if dht == Dht::Public { self.keepers(id, side, epoch) } else { Vec::new() };
        if dht == Dht::Public && keepers.is_empty() {
            let turn = if fast { now } else { self.seeks.own_turn };
            if let Some(seek) = self.seeks.all.get_mut(&id) {
                seek.carrier(dht).write_later(turn.max(now + LOOKUP_PATIENCE));
            }
            return;
        }
        let written = Record { time, ..record.clone() };
        let (Ok(value), key) = (place.write(&written, &mut rand::rng()), place.key()) else {
            return;
        };
        tracing::debug!(?dht, epoch, "leaves word");
        // Those of our own at hand have it at once; those whose place it is within a query more.
        let at_hand = self.connected(Dht::Own);
        let Some(kad) = self.dht_mut(dht) else { return };
        let in_dht = dht_record(key.clone(), value.clone());
        if dht == Dht::Own {
            let put = kad.put_record_to(in_dht, at_hand.clone().into_iter(), Quorum::All);
            let closest = kad.get_closest_peers(key.clone());
            let queries = &mut self.seeks.queries;
            queries.insert((dht, put), Query::Write { seek: id });
            queries.insert((dht, closest), Query::Closest { key, value, at_hand });
        } else {
            let put = kad.put_record_to(in_dht, keepers.into_iter(), Quorum::All);
            self.seeks.queries.insert((dht, put), Query::Write { seek: id });
        }
        if let Some(seek) = self.seeks.all.get_mut(&id) {
            seek.wrote(dht, &epochs(time), (epoch, record), now);
        }
    }

    /// Looks whether somebody left word, if it is due.
    pub(super) fn read_due(&mut self, dht: Dht, id: SeekId, now: Instant) {
        let (may_query, within) = (self.seeks.may_query(), self.seeks.turns(dht));
        let Some(seek) = self.seeks.all.get_mut(&id) else { return };
        let carrier = seek.carrier(dht);
        if carrier.read_due > now || !may_query {
            return;
        }
        // One more look may overtake one that a silent node holds up, and no further one.
        let held_up = std::mem::replace(&mut carrier.is_reading, true);
        carrier.read_due = now + if held_up { QUERY_TIMEOUT } else { READ_PATIENCE };
        let (secret, own, other) = (seek.secret.clone(), seek.side, seek.side.other());
        let fast = now < seek.fast_until;
        let mut is_put_off = dht == Dht::Public && !fast && !within.is_zero();
        for epoch in epochs(wall_clock()) {
            if dht == Dht::Public {
                is_put_off &= !self.ask(id, other, epoch);
                self.renew_keepers(id, own, epoch);
                continue;
            }
            let key = Place::new(&secret, other, epoch).key();
            if let Some(kad) = self.dht_mut(dht) {
                tracing::debug!(epoch, "looks for word");
                let query = kad.get_record(key.into());
                self.seeks.queries.insert((dht, query), Query::Read { seek: id, epoch, found: 0 });
            }
        }
        if is_put_off && let Some(seek) = self.seeks.all.get_mut(&id) {
            // So many are being looked up that those who are next would take all that there is.
            let pause = Pace::of(dht).put_off(within);
            seek.carrier(dht).read_due = now + pause.mul_f64(rand::random());
        }
    }

    /// A query has got further.
    pub(in crate::net) fn handle_query(
        &mut self,
        dht: Dht,
        id: QueryId,
        result: QueryResult,
        last: bool,
    ) {
        let now = Instant::now();
        self.seeks.touch(now);
        if let QueryResult::GetRecord(Ok(GetRecordOk::FoundRecord(record))) = &result
            && let Some(Query::Read { seek, epoch, found }) = self.seeks.queries.get_mut(&(dht, id))
        {
            let (seek, epoch, before) = (*seek, *epoch, *found);
            let genuine = self.handle_found(seek, epoch, &record.record.value, now);
            if let Some(Query::Read { found, .. }) = self.seeks.queries.get_mut(&(dht, id)) {
                *found += u32::from(genuine);
            }
            if genuine
                && before + 1 >= ENOUGH
                && let Some(kad) = self.dht_mut(dht)
                && let Some(mut query) = kad.query_mut(&id)
            {
                query.finish();
            }
        }
        if !last {
            return;
        }
        let was_cut = self.dht_mut(dht).is_some_and(|kad| kad.was_cut(&id));
        match self.seeks.queries.remove(&(dht, id)) {
            None | Some(Query::WriteMore) => {}
            Some(Query::Read { seek, .. }) => {
                let pauses = self.seeks.read_pauses(dht, now);
                if let Some(seek) = self.seeks.all.get_mut(&seek) {
                    seek.has_read(dht, now, pauses);
                }
            }
            Some(Query::Nodes { seek, side, epoch }) => {
                let end = match result {
                    QueryResult::GetClosestPeers(Ok(_)) if was_cut => End::Doubtful,
                    QueryResult::GetClosestPeers(Ok(_)) => End::Complete,
                    _ => End::Incomplete,
                };
                self.handle_nodes(seek, (side, epoch), closest(result), end);
            }
            Some(Query::Closest { key, value, at_hand }) => {
                let peers = closest(result).into_iter().map(|peer| peer.peer_id);
                let others: Vec<_> = peers.filter(|peer| !at_hand.contains(peer)).collect();
                if let Some(kad) = self.dht_mut(dht)
                    && !others.is_empty()
                {
                    let record = dht_record(key, value);
                    let query = kad.put_record_to(record, others.into_iter(), Quorum::All);
                    self.seeks.queries.insert((dht, query), Query::WriteMore);
                }
            }
            Some(Query::Write { seek }) => {
                let few = match result {
                    QueryResult::PutRecord(Err(
                        PutRecordError::QuorumFailed { success, .. }
                        | PutRecordError::Timeout { success, .. },
                    )) => success.len() < dht.enough_keepers(),
                    _ => false,
                };
                if let Some(seek) = self.seeks.all.get_mut(&seek).filter(|_| few) {
                    let again = match dht {
                        Dht::Own => now + WRITE_RETRY,
                        Dht::Public => seek.is_not_kept(now),
                    };
                    seek.carrier(dht).write_anew(again);
                }
            }
        }
    }
}

fn closest(result: QueryResult) -> Vec<PeerInfo> {
    match result {
        QueryResult::GetClosestPeers(Ok(ok)) => ok.peers,
        QueryResult::GetClosestPeers(Err(GetClosestPeersError::Timeout { peers, .. })) => peers,
        _ => Vec::new(),
    }
}

/// `publisher` would name the writer.
fn dht_record(key: Vec<u8>, value: Vec<u8>) -> DhtRecord {
    DhtRecord { key: key.into(), value, publisher: None, expires: None }
}
