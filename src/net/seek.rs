//! Seeking those who are not linked, across NATs: word is left for each in the DHT
//! ([`super::rendezvous`]), theirs is read, and once both know of each other both NATs are opened
//! ([`super::punch`]) and one of the two dials.
//!
//! ```text
//! Net::seek ── Seek ─┬─ queries ── own record ▶ DHT ▶ theirs
//!                    ├─ Punch   ── probes ◀▶ sockets
//!                    └─ Dialer, with the socket that came through
//! ```
//!
//! Read and written often is what somebody seems to wait for; the rest costs a look now and then.

mod carrier;
mod name;
mod public;
mod queries;
mod sockets;
mod sought;
mod tcp;
mod way;

use std::{
    collections::HashMap,
    net::SocketAddr,
    time::{Duration, Instant, SystemTime},
};

use libp2p::{
    Multiaddr, PeerId,
    identity::{PublicKey, ed25519},
    kad::QueryId,
    request_response::OutboundRequestId,
    swarm::ConnectionId,
};
use tokio::sync::mpsc;

use self::{
    carrier::{AT_ONCE, Pace},
    queries::{MAX_QUERIES, Query},
    sockets::{Extra, send_from_listening},
    sought::{AGAIN, Seek},
    way::Ways,
};
pub use self::{
    sockets::Arrived,
    sought::{Search, Sought},
};
use super::{
    Net,
    address::{self, is_private},
    dht::Dht,
    dialer::{Origin, Target},
    punch::{self, Failure},
    quic::{self, Datagram, multiaddress},
    rate::Rate,
    rendezvous::{MAX_ADDRESSES, Mapping, Place, Record, epoch},
};
use crate::{
    identity::PairSecret,
    node::api::{Path, UnixMillis},
};

/// Those sought at a time; further ones are left out.
pub const MAX_SOUGHT: usize = 1024;

/// Clocks may differ by so much: within it of a new hour, both names are used.
const CLOCKS_DIFFER: UnixMillis = 120_000;

/// Between two looks at what is due, at least.
const TICK: Duration = Duration::from_millis(1);

/// Older words are of a program that has ended.
const MAX_AGE: UnixMillis = 3 * 3600 * 1000;

/// Punches with many sockets at a time: each takes 256 of the system's files.
const MAX_MANY: usize = 2;

/// Probes a second, of all punches together: five sprays over guessed ports at a time. What is
/// more is not sent; each is sent again anyway.
const PROBES_A_SECOND: u32 = 2000;

/// Datagrams on the sockets of punches that may wait.
const MAX_ARRIVED: usize = 256;

/// Names a seek: a hash of what the two share.
pub type SeekId = [u8; 32];

/// Everyone sought.
pub(super) struct Seeks {
    /// This run of the program, by a random number.
    run: u64,
    all: HashMap<SeekId, Seek>,
    queries: HashMap<(Dht, QueryId), Query>,
    /// Questions to single nodes: after whose word, and in which epoch.
    asks: HashMap<OutboundRequestId, (SeekId, u64)>,
    /// When the last word was written of those who were found: it says nothing any more.
    last_words: HashMap<SeekId, UnixMillis>,
    ways: Ways,
    probes: Rate,
    /// When the next look-up of many in the public DHT may begin, of an own name and of theirs.
    own_turn: Instant,
    their_turn: Instant,
    /// When to look what is due; none: nothing is. Kept, as it is asked for at each message.
    due: Option<Instant>,
    /// When it was looked last.
    asked: Instant,
    arrivals: mpsc::Sender<Arrived>,
    pub(super) arrived: mpsc::Receiver<Arrived>,
}

impl Default for Seeks {
    fn default() -> Self {
        let (arrivals, arrived) = mpsc::channel(MAX_ARRIVED);
        Self {
            run: rand::random::<u64>().max(1),
            all: HashMap::new(),
            queries: HashMap::new(),
            asks: HashMap::new(),
            last_words: HashMap::new(),
            ways: Ways::default(),
            probes: Rate::new(PROBES_A_SECOND, PROBES_A_SECOND / 10, Instant::now()),
            own_turn: Instant::now(),
            their_turn: Instant::now(),
            due: None,
            asked: Instant::now(),
            arrivals,
            arrived,
        }
    }
}

impl Seeks {
    /// Whether there is place for what is asked at once: for two hours, or of two kinds.
    fn may_query(&self) -> bool {
        self.queries.len() + 2 <= MAX_QUERIES
    }

    /// The network is another one: what was tried in vain is tried again.
    pub(super) fn reset(&mut self, now: Instant) {
        for seek in self.all.values_mut() {
            seek.again_pause = AGAIN;
            seek.hurry(now);
            seek.write_anew(now);
            seek.names.values_mut().for_each(|name| name.ends(now));
        }
        self.touch(now);
    }

    /// A dial failed, perhaps one of a seek.
    pub(super) fn dial_failed(&mut self, dial: ConnectionId) {
        let now = Instant::now();
        for opening in self.all.values_mut().filter_map(|seek| seek.tcp.as_mut()) {
            opening.failed(dial, now);
        }
        self.touch(now);
    }

    /// Something has changed that may make something due.
    pub(super) fn touch(&mut self, now: Instant) {
        self.due = Some(now);
    }

    /// When something is due.
    fn poll_timeout(&self, may_ask: [bool; 2]) -> Option<Instant> {
        let seeks = self.all.values();
        seeks.filter_map(|seek| seek.poll_timeout(may_ask)).min()
    }

    /// Between two looks for one who may be waiting, and for one who does not seem to be there.
    fn read_pauses(&self, dht: Dht, now: Instant) -> (Duration, Duration) {
        let waiting = self.all.values().filter(|seek| now < seek.fast_until).count();
        let all = count(self.all.len());
        let (fast, slow) = Pace::of(dht).pauses(count(waiting), all);
        // Many who are sought since the same moment would be looked for at the same time for ever.
        let part = if all > AT_ONCE { rand::random_range(0.5..1.5) } else { 1.0 };
        (fast, slow.mul_f64(part))
    }

    /// Within which time everybody has their turn when an epoch begins.
    fn turns(&self, dht: Dht) -> Duration {
        Pace::of(dht).turns(count(self.all.len()))
    }
}

fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The hours whose names are in use now.
fn epochs(now: UnixMillis) -> Vec<u64> {
    let mut epochs = vec![epoch(now.saturating_sub(CLOCKS_DIFFER)), epoch(now + CLOCKS_DIFFER)];
    epochs.dedup();
    epochs
}

pub(super) fn wall_clock() -> UnixMillis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The PeerId of an Ed25519 key.
fn peer_id(key: &[u8; 32]) -> Option<PeerId> {
    let key = ed25519::PublicKey::try_from_bytes(key).ok()?;
    Some(PublicKey::from(key).to_peer_id())
}

/// The Ed25519 key that is in a PeerId of ours.
fn peer_key(peer: &PeerId) -> [u8; 32] {
    peer.to_bytes().last_chunk().copied().unwrap_or_default()
}

impl Net {
    /// From now on exactly these are sought.
    pub fn seek(&mut self, sought: Vec<Sought>) {
        if !Dht::ALL.into_iter().any(|dht| self.dht(dht).is_some()) {
            return;
        }
        let now = Instant::now();
        let wanted: HashMap<SeekId, Sought> = sought
            .into_iter()
            .take(MAX_SOUGHT)
            .map(|sought| (*blake3::hash(sought.secret.as_bytes()).as_bytes(), sought))
            .collect();
        let Seeks { all, last_words, run, .. } = &mut self.seeks;
        all.retain(|id, seek| {
            let stays = wanted.contains_key(id);
            if !stays {
                let last = seek.their.as_ref().map_or(0, |their| their.time);
                last_words.insert(*id, last.max(seek.after));
            }
            stays
        });
        if last_words.len() > MAX_SOUGHT {
            last_words.clear();
        }
        for (id, sought) in wanted {
            let after = last_words.get(&id).copied().unwrap_or_default();
            all.entry(id).or_insert_with(|| Seek::new(sought, *run, after, now));
        }
        self.seeks.touch(now);
        if !self.seeks.all.is_empty() {
            // With nobody to look for, nobody is asked.
            self.join_public_dht();
        }
    }

    /// How the search for this person goes; none: they are not sought.
    pub fn search(&self, secret: &PairSecret) -> Option<Search> {
        let id = *blake3::hash(secret.as_bytes()).as_bytes();
        let is_mapped = self.mapped().ways_in.is_any();
        let search = self.seeks.all.get(&id).map(|seek| seek.search(self.seeks.run));
        search.map(|search| Search { is_mapped: search.is_mapped || is_mapped, ..search })
    }

    /// When [`Self::seek_due`] is to be called.
    pub(super) fn poll_seek_timeout(&self) -> Option<Instant> {
        // As soon as enough is known, everything that waits for it is due.
        [self.seeks.due, self.observed.poll_timeout().filter(|at| *at > self.seeks.asked)]
            .into_iter()
            .flatten()
            .min()
    }

    /// Which DHTs can be asked, and there is something to tell.
    fn may_ask(&mut self, now: Instant) -> [bool; 2] {
        let ready = self.observed.is_settled(now) && self.seeks.may_query();
        Dht::ALL.map(|dht| ready && self.has_nodes(dht))
    }

    /// Reads, writes and sends what is due.
    pub(super) fn seek_due(&mut self) {
        let now = Instant::now();
        if self.poll_seek_timeout().is_none_or(|due| due > now) {
            return;
        }
        self.seeks.due = None;
        self.seeks.asked = now;
        let may_ask = self.may_ask(now);
        let (external, mapping) = (self.observed.external(), self.mapping());
        // Of many, whose turn is overdue comes first.
        let all = self.seeks.all.iter();
        let mut ids: Vec<_> = all.map(|(id, seek)| (seek.read_due(may_ask), *id)).collect();
        ids.sort_unstable();
        let run = self.seeks.run;
        let mut own = self.own_record();
        let mut seeks = self.seeks.all.iter();
        let mut counting = seeks.find(|(_, seek)| seek.punch.is_counting()).map(|(id, _)| *id);
        for (_, id) in ids {
            let Some(seek) = self.seeks.all.get_mut(&id) else { continue };
            seek.punch.set_own(now, &external, mapping);
            // Else its turn comes with the next attempt.
            seek.punch.may_count(counting.is_none_or(|other| other == id));
            if seek.poll_timeout(may_ask).is_some_and(|due| due <= now) {
                if seek.again.take_if(|again| *again <= now).is_some() {
                    seek.begin_anew(run, now);
                    seek.punch.set_own(now, &external, mapping);
                }
                seek.punch.handle_timeout(now);
                counting = counting.or(seek.punch.is_counting().then_some(id));
                if self.open_tcp(id, now)
                    && let Some(seek) = self.seeks.all.get_mut(&id)
                {
                    seek.tcp = None;
                    seek.is_over(now);
                }
            }
            for (dht, _) in Dht::ALL.into_iter().zip(may_ask).filter(|(_, may)| *may) {
                self.write_due(dht, id, &mut own, now);
                self.read_due(dht, id, now);
            }
            self.carry_out(id, now);
        }
        // Unless one of them has just seen somebody, of which its record is to tell.
        if self.seeks.due.is_none_or(|due| due < now) {
            let may_ask = self.may_ask(now);
            let due = self.seeks.poll_timeout(may_ask);
            // Whatever stays due is looked at again soon, and not in a busy loop.
            self.seeks.due = due.map(|due| due.max(now + TICK));
        }
        self.expect_probes();
    }

    /// What there is to be said to anybody; whom one has seen is to be added.
    fn own_record(&self) -> Record {
        let listen = self.listen.iter().filter_map(quic::socket_address);
        let local = listen.filter(|address| is_private(address.ip()));
        Record {
            time: 0,
            run: self.seeks.run,
            seen: 0,
            peer: peer_key(&self.peer_id()),
            external: self.observed.foreseen(),
            local: local.take(MAX_ADDRESSES).collect(),
            tcp: self.observed.tcp(),
            mapping: self.mapping(),
            ways_in: self.mapped().ways_in,
        }
    }

    /// How a link leads to the other side.
    pub(super) fn path(&self, address: &Multiaddr, dialed: bool) -> Path {
        let plain = address::path(address);
        let Some(remote) = address::socket(address) else { return plain };
        let lets_in = self.mapped().ways_in.udp(remote.is_ipv6()).is_some();
        self.seeks.ways.to(remote).path(remote, plain, dialed, lets_in)
    }

    /// Something was found under the other's name. Returns whether it is genuine.
    fn handle_found(&mut self, id: SeekId, epoch: u64, value: &[u8], now: Instant) -> bool {
        let Some(seek) = self.seeks.all.get_mut(&id) else { return false };
        let place = Place::new(&seek.secret, seek.side.other(), epoch);
        let Ok(record) = place.read(value) else { return false };
        let known = seek.their.as_ref().map_or(seek.after, |their| their.time.max(seek.after));
        if record.time <= known || record.time.saturating_add(MAX_AGE) < wall_clock() {
            return true;
        }
        let before = seek.their.clone();
        tracing::debug!(mapping = ?record.mapping, mutual = record.seen == self.seeks.run, "word");
        if seek.their.as_ref().is_none_or(|their| their.run != record.run) {
            seek.again_pause = AGAIN;
            seek.tcp = None;
        }
        if seek.again.is_some() {
            // They have begun anew.
            seek.again = None;
            seek.their = Some(record.clone());
            seek.begin_anew(self.seeks.run, now);
        } else {
            let was_idle = !seek.punch.is_under_way() && seek.tcp.is_none();
            seek.punch.handle_record(now, record.clone());
            if was_idle && record.seen == self.seeks.run {
                // They begin anew, and may have used up what was written for the time before.
                seek.write_anew(now);
            }
        }
        seek.may_wait(now);
        seek.their = Some(record.clone());
        self.dial_mapped(&record, before.as_ref(), now);
        let own = self.observed.external();
        let same_nat = own.iter().any(|own| record.external.iter().any(|o| o.ip() == own.ip()));
        let peer = peer_id(&record.peer).filter(|peer| same_nat && !self.is_connected(peer));
        if let Some(peer) = peer {
            for local in record.local {
                self.dialer.add(now, Target::Peer(peer), Origin::Found, multiaddress(local));
            }
        }
        self.expect_probes();
        self.carry_out(id, now);
        true
    }

    /// Has them dialed where their router lets everybody in: nothing has to be opened first. Where
    /// it did before that word, it does no more.
    fn dial_mapped(&mut self, record: &Record, before: Option<&Record>, now: Instant) {
        // Of what was said before nothing is left to be dialed, so that one who says a new thing
        // each time takes the place of nobody else.
        if let Some((before, peer)) = before.and_then(|b| Some((b, peer_id(&b.peer)?)))
            && !self.is_connected(&peer)
        {
            for old in before.ways_in.multiaddresses() {
                self.dialer.expired(&Target::Peer(peer), &old);
            }
        }
        // Somebody else's name is easily said.
        let Some(peer) = peer_id(&record.peer).filter(|peer| !self.is_connected(peer)) else {
            return;
        };
        for address in record.ways_in.multiaddresses() {
            if let Some(remote) = address::socket(&address) {
                self.seeks.ways.mapped(remote);
            }
            self.dialer.add(now, Target::Peer(peer), Origin::Found, address);
        }
    }

    /// Has the probes of those who are sought handed out, and no others.
    fn expect_probes(&self) {
        self.sockets.expect(self.seeks.all.values().filter_map(|seek| seek.punch.tag()).collect());
    }

    /// A datagram on a listening socket that looks like a probe.
    pub(super) fn handle_datagram(&mut self, datagram: &Datagram) {
        let Datagram { from, bytes } = datagram;
        let mut all = self.seeks.all.iter();
        let id = all.find(|(_, seek)| seek.punch.tag().is_some_and(|tag| bytes.starts_with(&tag)));
        if let Some(id) = id.map(|(id, _)| *id) {
            self.handle_probe(id, 0, *from, bytes);
        }
    }

    /// A datagram on a socket of a punch.
    pub(super) fn handle_arrived(&mut self, arrived: Arrived) {
        let Arrived { seek, socket, from, bytes } = arrived;
        self.handle_probe(seek, socket, from, &bytes);
    }

    fn handle_probe(&mut self, id: SeekId, socket: usize, from: SocketAddr, bytes: &[u8]) {
        let now = Instant::now();
        if let Some(seek) = self.seeks.all.get_mut(&id)
            && seek.punch.handle_probe(now, socket, from, bytes)
        {
            if socket == 0 {
                self.came_from(from);
            }
            self.carry_out(id, now);
            self.seeks.touch(now);
        }
    }

    /// Does what a punch wants.
    fn carry_out(&mut self, id: SeekId, now: Instant) {
        while let Some(event) = self.seeks.all.get_mut(&id).and_then(|seek| seek.punch.poll_event())
        {
            tracing::debug!(?event, "punch");
            match event {
                punch::Event::Seen(run) => {
                    if let Some(seek) = self.seeks.all.get_mut(&id) {
                        seek.seen = run;
                    }
                    self.seeks.touch(now);
                }
                punch::Event::Sockets(wanted) => self.open_sockets(id, wanted),
                punch::Event::Open { socket, remote, dials } => {
                    self.way_is_open(id, now, socket, remote, dials);
                }
                punch::Event::Failed(failure) => self.punch_failed(id, now, failure),
            }
        }
        while let Some(transmit) =
            self.seeks.all.get_mut(&id).and_then(|seek| seek.punch.poll_transmit())
        {
            if !self.seeks.probes.allows(now) {
                tracing::trace!("a probe too many");
                continue;
            }
            tracing::trace!(socket = transmit.socket, to = %transmit.to, ttl = ?transmit.ttl, "probe");
            let Some(seek) = self.seeks.all.get(&id) else { return };
            let sent = match transmit.socket.checked_sub(1) {
                None => send_from_listening(&self.sockets, &transmit),
                Some(extra) => seek.sockets.get(extra).map_or(Ok(()), |s| s.send(&transmit)),
            };
            if let Err(error) = sent {
                tracing::debug!(%error, "probe not sent");
            }
        }
    }

    fn punch_failed(&mut self, id: SeekId, now: Instant, failure: Failure) {
        let own = self.own_record();
        let Some(seek) = self.seeks.all.get_mut(&id) else { return };
        self.observed.took(seek.punch.ports_taken());
        seek.sockets.clear();
        seek.failure = Some(failure);
        seek.last_punch = wall_clock();
        match failure {
            Failure::TimedOut => seek.is_over(now),
            // It is tried again when one of the networks becomes another one.
            Failure::BothUnforeseeable => {}
            Failure::Blocked => {
                // Both must know of each other: an older word is of a program that has ended.
                let run = self.seeks.run;
                let possible = seek
                    .their
                    .as_ref()
                    .is_some_and(|their| their.seen == run && tcp::is_possible(&own, their));
                if possible && seek.tcp.is_none() {
                    seek.tcp = Some(tcp::Opening::new(now));
                }
            }
        }
    }

    fn open_sockets(&mut self, id: SeekId, wanted: usize) {
        let arrivals = self.seeks.arrivals.clone();
        let others = self.seeks.all.iter().filter(|(o, s)| **o != id && !s.sockets.is_empty());
        let too_many = others.count() >= MAX_MANY;
        let Some(seek) = self.seeks.all.get_mut(&id) else { return };
        if too_many {
            // Its turn comes with the next attempt.
            seek.punch.stay_alone();
            return;
        }
        let ipv6 = seek.their.iter().flat_map(|t| &t.external).all(SocketAddr::is_ipv6);
        while seek.sockets.len() + 1 < wanted.min(punch::SOCKETS) {
            match Extra::open(id, seek.sockets.len() + 1, ipv6, arrivals.clone()) {
                Ok(extra) => seek.sockets.push(extra),
                Err(error) => {
                    // The system allows no more: fewer only take longer.
                    tracing::debug!(%error, "no further socket");
                    if seek.sockets.is_empty() {
                        seek.punch.stay_alone();
                    }
                    return;
                }
            }
        }
    }

    fn way_is_open(
        &mut self,
        id: SeekId,
        now: Instant,
        socket: usize,
        remote: SocketAddr,
        dials: bool,
    ) {
        let their = self.seeks.all.get(&id).and_then(|seek| seek.their.as_ref());
        let both_public = self.mapping() == Mapping::None
            && their.is_some_and(|their| their.mapping == Mapping::None);
        if !both_public {
            self.seeks.ways.opened(remote);
        }
        let Some(seek) = self.seeks.all.get_mut(&id) else { return };
        self.observed.took(seek.punch.ports_taken());
        seek.is_over(now);
        seek.failure = None;
        seek.last_punch = wall_clock();
        let extra = socket.checked_sub(1).and_then(|index| seek.sockets.get(index));
        let through = extra.and_then(|extra| extra.hand_over().ok());
        seek.sockets.clear();
        let peer = seek.their.as_ref().and_then(|their| peer_id(&their.peer));
        let Some(peer) = peer.filter(|_| dials) else { return };
        if let Some(socket) = through {
            self.sockets.adopt(socket, remote);
        }
        let target = Target::Peer(peer);
        self.dialer.add(now, target.clone(), Origin::Contact, multiaddress(remote));
        self.dialer.resume(now, &target);
    }
}

#[cfg(test)]
mod tests;
