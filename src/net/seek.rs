//! Seeking those who are not linked, across NATs: word is left for each in the DHT
//! ([`super::rendezvous`]), theirs is read, and once both know of each other both NATs are opened
//! ([`super::punch`]) and one of the two dials.
//!
//! What is read and written often is what somebody seems to wait for; the rest costs a look every
//! few minutes.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use libp2p::{
    PeerId,
    identity::{PublicKey, ed25519},
    kad::{
        GetRecordOk, QueryId, QueryResult, Quorum, Record as DhtRecord,
    },
};
use socket2::SockRef;
use tokio::{
    sync::mpsc,
    task::{AbortHandle, spawn},
};

use super::{
    Net,
    address::{self, is_local},
    dialer::{Origin, Target},
    punch::{self, PROBE_LEN, Punch, Transmit},
    quic::{self, Datagram, multiaddress},
    rendezvous::{MAX_ADDRESSES, Place, Record, Side, epoch},
};
use crate::{identity::PairSecret, node::api::UnixMillis};

/// Those sought at a time; of more, any are left out.
pub const MAX_SOUGHT: usize = 1024;

/// Between two looks for somebody who may be waiting, counted from the answer to the last.
const FAST_READ: Duration = Duration::from_millis(700);

/// How long somebody may be waiting: after the own start, and after each newer word of theirs.
const FAST_FOR: Duration = Duration::from_secs(60);

/// Between two looks for somebody else: at first, and at most. It doubles.
const SLOW_READ: Duration = Duration::from_secs(30);
const SLOWEST_READ: Duration = Duration::from_secs(300);

/// An unchanged record is written anew after this: nodes that keep it come and go.
const WRITE_AGAIN: Duration = Duration::from_secs(1200);

/// Between two writings of one record: addresses are learned one after the other.
const WRITE_PAUSE: Duration = Duration::from_millis(150);

/// Clocks may differ by so much: within it of a new hour, both names are used.
const CLOCKS_DIFFER: UnixMillis = 120_000;

/// Older words are of a program that has ended.
const MAX_AGE: UnixMillis = 3 * 3600 * 1000;

/// After a way was found, or none, it is tried anew if there is still no link.
const AGAIN: Duration = Duration::from_secs(15);

/// Addresses remembered that were got through to.
const MAX_PUNCHED: usize = 64;

/// Datagrams on the sockets of punches that may wait.
const MAX_ARRIVED: usize = 256;

/// Queries of the DHT at a time, so that many contacts don't make many packets.
const MAX_QUERIES: usize = 16;

/// Somebody to find.
pub struct Sought {
    /// What the two share.
    pub secret: PairSecret,
    /// Which of the two is here.
    pub side: Side,
}

/// Names a seek: a hash of what the two share.
type SeekId = [u8; 32];

/// Everyone sought.
pub(super) struct Seeks {
    /// This run of the program, by a random number.
    run: u64,
    seeks: HashMap<SeekId, Seek>,
    queries: HashMap<QueryId, Query>,
    /// Addresses that a way was opened to, the last one last.
    punched: VecDeque<SocketAddr>,
    arrivals: mpsc::Sender<Arrived>,
    pub(super) arrived: mpsc::Receiver<Arrived>,
}

/// A datagram on a socket of a punch.
pub(super) struct Arrived {
    seek: SeekId,
    socket: usize,
    from: SocketAddr,
    bytes: Vec<u8>,
}

/// One who is sought.
struct Seek {
    secret: PairSecret,
    side: Side,
    punch: Punch,
    their: Option<Record>,
    /// The run of theirs that the own record is to name.
    seen: u64,
    written: HashMap<u64, (Record, Instant)>,
    writing: bool,
    reading: bool,
    read_due: Instant,
    read_pause: Duration,
    fast_until: Instant,
    sockets: Vec<Extra>,
    again: Option<Instant>,
}

/// A socket opened for a punch. Nobody reads from it any more when it is dropped.
struct Extra {
    socket: UdpSocket,
    reader: AbortHandle,
}

impl Drop for Extra {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// What a query of the DHT is for.
enum Query {
    /// Whom to give a record to.
    Closest { seek: SeekId, key: Vec<u8>, value: Vec<u8> },
    Write { seek: SeekId },
    Read { seek: SeekId, epoch: u64 },
}

impl Default for Seeks {
    fn default() -> Self {
        let (arrivals, arrived) = mpsc::channel(MAX_ARRIVED);
        Self {
            run: rand::random::<u64>().max(1),
            seeks: HashMap::new(),
            queries: HashMap::new(),
            punched: VecDeque::new(),
            arrivals,
            arrived,
        }
    }
}

impl Seeks {
    /// Whether a way to this address was opened.
    pub(super) fn is_punched(&self, remote: SocketAddr) -> bool {
        self.punched.contains(&remote)
    }

    /// When something is due, if the DHT can be asked.
    fn poll_timeout(&self) -> Option<Instant> {
        let punches = self.seeks.values().filter_map(|seek| seek.punch.poll_timeout());
        let again = self.seeks.values().filter_map(|seek| seek.again);
        let may_ask = self.queries.len() < MAX_QUERIES;
        let reads = self.seeks.values().filter(|seek| may_ask && !seek.reading);
        let writes = self.seeks.values().filter(|seek| may_ask && !seek.writing);
        let writes = writes.filter_map(Seek::write_due);
        punches.chain(again).chain(reads.map(|seek| seek.read_due)).chain(writes).min()
    }
}

impl Seek {
    fn new(sought: Sought, run: u64, now: Instant) -> Self {
        let Sought { secret, side } = sought;
        Self {
            punch: Punch::new(secret.clone(), side, run, rand::random()),
            secret,
            side,
            their: None,
            seen: 0,
            written: HashMap::new(),
            writing: false,
            reading: false,
            read_due: now,
            read_pause: SLOW_READ,
            fast_until: now + FAST_FOR,
            sockets: Vec::new(),
            again: None,
        }
    }

    fn write_due(&self) -> Option<Instant> {
        self.written.values().map(|(_, at)| *at + WRITE_AGAIN).min()
    }

    /// When to look next, after a look.
    fn next_read(&mut self, now: Instant) {
        self.reading = false;
        self.read_due = if now < self.fast_until {
            self.read_pause = SLOW_READ;
            now + FAST_READ
        } else {
            let pause = self.read_pause;
            self.read_pause = (pause * 2).min(SLOWEST_READ);
            now + pause
        };
    }
}

/// The hours whose names are in use now.
fn epochs(now: UnixMillis) -> Vec<u64> {
    let mut epochs = vec![epoch(now.saturating_sub(CLOCKS_DIFFER)), epoch(now + CLOCKS_DIFFER)];
    epochs.dedup();
    epochs
}

fn wall_clock() -> UnixMillis {
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
        if !self.swarm.behaviour().kad.is_enabled() {
            return;
        }
        let now = Instant::now();
        let ids: Vec<(SeekId, Sought)> = sought
            .into_iter()
            .take(MAX_SOUGHT)
            .map(|sought| (*blake3::hash(sought.secret.as_bytes()).as_bytes(), sought))
            .collect();
        let wanted: HashSet<SeekId> = ids.iter().map(|(id, _)| *id).collect();
        let run = self.seeks.run;
        self.seeks.seeks.retain(|id, _| wanted.contains(id));
        for (id, sought) in ids {
            self.seeks.seeks.entry(id).or_insert_with(|| Seek::new(sought, run, now));
        }
    }

    /// When [`Self::seek_due`] is to be called.
    pub(super) fn poll_seek_timeout(&self) -> Option<Instant> {
        if self.nodes.is_empty() || self.seeks.seeks.is_empty() {
            return None;
        }
        if self.observed.is_settled(Instant::now()) {
            self.seeks.poll_timeout()
        } else {
            self.observed.poll_timeout()
        }
    }

    /// Reads, writes and sends what is due.
    pub(super) fn seek_due(&mut self) {
        let now = Instant::now();
        if self.nodes.is_empty() || !self.observed.is_settled(now) {
            return;
        }
        let ids: Vec<_> = self.seeks.seeks.keys().copied().collect();
        let (external, mapping) = (self.observed.external(), self.observed.mapping());
        for id in ids {
            self.write_due(id, now);
            self.read_due(id, now);
            let run = self.seeks.run;
            if let Some(seek) = self.seeks.seeks.get_mut(&id) {
                if seek.again.is_some_and(|again| again <= now) {
                    seek.again = None;
                    seek.punch = Punch::new(seek.secret.clone(), seek.side, run, rand::random());
                    if let Some(their) = seek.their.clone() {
                        seek.punch.handle_record(now, their);
                    }
                }
                seek.punch.set_own(now, &external, mapping);
                seek.punch.handle_timeout(now);
            }
            self.carry_out(id, now);
        }
    }

    fn own_record(&self, seen: u64) -> Record {
        let local = self.listen.iter().filter(|a| address::is_quic(a)).filter_map(quic::socket_address);
        let local = local.filter(|a| is_local(a.ip()) && !a.ip().is_loopback());
        Record {
            time: 0,
            run: self.seeks.run,
            seen,
            peer: peer_key(&self.peer_id()),
            external: self.observed.external(),
            local: local.take(MAX_ADDRESSES).collect(),
            tcp: self.observed.tcp(),
            mapping: self.observed.mapping(),
        }
    }

    fn write_due(&mut self, id: SeekId, now: Instant) {
        let Some(seek) = self.seeks.seeks.get(&id) else { return };
        if seek.writing || self.seeks.queries.len() >= MAX_QUERIES {
            return;
        }
        let record = self.own_record(seek.seen);
        let time = wall_clock();
        let epochs = epochs(time);
        let due = epochs.iter().copied().find(|epoch| match seek.written.get(epoch) {
            None => true,
            Some((known, at)) => {
                let age = now.saturating_duration_since(*at);
                age >= WRITE_AGAIN || (*known != record && age >= WRITE_PAUSE)
            }
        });
        let Some(epoch) = due else { return };
        let place = Place::new(&seek.secret, seek.side, epoch);
        let written = place.write(&Record { time, ..record.clone() }, &mut rand::rng());
        let (Ok(value), key) = (written, place.key()) else { return };
        let Some(kad) = self.swarm.behaviour_mut().kad.as_mut() else { return };
        let query = kad.get_closest_peers(key.clone());
        self.seeks.queries.insert(query, Query::Closest { seek: id, key, value });
        if let Some(seek) = self.seeks.seeks.get_mut(&id) {
            seek.writing = true;
            seek.written.retain(|known, _| epochs.contains(known));
            seek.written.insert(epoch, (record, now));
        }
    }

    fn read_due(&mut self, id: SeekId, now: Instant) {
        let Some(seek) = self.seeks.seeks.get_mut(&id) else { return };
        if seek.reading || seek.read_due > now || self.seeks.queries.len() >= MAX_QUERIES {
            return;
        }
        seek.reading = true;
        for epoch in epochs(wall_clock()) {
            let key = Place::new(&seek.secret, seek.side.other(), epoch).key();
            if let Some(kad) = self.swarm.behaviour_mut().kad.as_mut() {
                let query = kad.get_record(key.into());
                self.seeks.queries.insert(query, Query::Read { seek: id, epoch });
            }
        }
    }

    /// A query of the DHT has got further.
    pub(super) fn handle_query(&mut self, query: QueryId, result: QueryResult, last: bool) {
        let now = Instant::now();
        match self.seeks.queries.get(&query) {
            None => {}
            Some(Query::Read { seek, epoch }) => {
                let (seek, epoch) = (*seek, *epoch);
                if let QueryResult::GetRecord(Ok(GetRecordOk::FoundRecord(found))) = result {
                    self.handle_found(seek, epoch, &found.record.value, now);
                }
                if last {
                    self.seeks.queries.remove(&query);
                    if let Some(seek) = self.seeks.seeks.get_mut(&seek) {
                        seek.next_read(now);
                    }
                }
            }
            Some(Query::Closest { .. }) if last => {
                let QueryResult::GetClosestPeers(result) = result else { return };
                let peers = match result {
                    Ok(ok) => ok.peers,
                    Err(libp2p::kad::GetClosestPeersError::Timeout { peers, .. }) => peers,
                };
                let mut to: Vec<PeerId> = peers.into_iter().map(|peer| peer.peer_id).collect();
                if to.is_empty() {
                    to = self.nodes.values().copied().collect();
                }
                let Some(Query::Closest { seek, key, value }) = self.seeks.queries.remove(&query)
                else {
                    return;
                };
                let record =
                    DhtRecord { key: key.into(), value, publisher: None, expires: None };
                if let Some(kad) = self.swarm.behaviour_mut().kad.as_mut() {
                    let query = kad.put_record_to(record, to.into_iter(), Quorum::One);
                    self.seeks.queries.insert(query, Query::Write { seek });
                }
            }
            Some(Query::Write { seek }) if last => {
                if let Some(seek) = self.seeks.seeks.get_mut(seek) {
                    seek.writing = false;
                    if matches!(result, QueryResult::PutRecord(Err(_))) {
                        // Nobody has it: it is written again soon.
                        seek.written.clear();
                    }
                }
                self.seeks.queries.remove(&query);
            }
            Some(_) => {}
        }
    }

    /// Something was found under the other's name.
    fn handle_found(&mut self, id: SeekId, epoch: u64, value: &[u8], now: Instant) {
        let Some(seek) = self.seeks.seeks.get_mut(&id) else { return };
        let place = Place::new(&seek.secret, seek.side.other(), epoch);
        let Ok(record) = place.read(value) else { return };
        let known = seek.their.as_ref().map_or(0, |their| their.time);
        if record.time <= known || record.time + MAX_AGE < wall_clock() {
            return;
        }
        tracing::debug!(mapping = ?record.mapping, mutual = record.seen == self.seeks.run, "word");
        seek.fast_until = now + FAST_FOR;
        seek.their = Some(record.clone());
        seek.punch.handle_record(now, record.clone());
        let external = self.observed.external();
        let same_nat =
            external.iter().any(|own| record.external.iter().any(|their| their.ip() == own.ip()));
        if same_nat && let Some(peer) = peer_id(&record.peer) {
            for local in record.local {
                self.dialer.add(now, Target::Peer(peer), Origin::Found, multiaddress(local));
            }
        }
        self.carry_out(id, now);
    }

    /// A datagram on a listening socket that is not QUIC.
    pub(super) fn handle_datagram(&mut self, datagram: &Datagram) {
        let Datagram { from, bytes, .. } = datagram;
        let seeks = &self.seeks.seeks;
        let id = seeks.iter().find(|(_, seek)| seek.punch.is_for(bytes)).map(|(id, _)| *id);
        if let Some(id) = id {
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
        if let Some(seek) = self.seeks.seeks.get_mut(&id)
            && seek.punch.handle_probe(now, socket, from, bytes)
        {
            self.carry_out(id, now);
        }
    }

    /// Does what a punch wants.
    fn carry_out(&mut self, id: SeekId, now: Instant) {
        while let Some(event) =
            self.seeks.seeks.get_mut(&id).and_then(|seek| seek.punch.poll_event())
        {
            tracing::debug!(?event, "punch");
            match event {
                punch::Event::Seen(run) => {
                    if let Some(seek) = self.seeks.seeks.get_mut(&id) {
                        seek.seen = run;
                    }
                    self.write_due(id, now);
                }
                punch::Event::Sockets(wanted) => self.open_sockets(id, wanted),
                punch::Event::Open { socket, remote, dials } => {
                    self.way_is_open(id, now, socket, remote, dials);
                }
                punch::Event::Failed(failure) => {
                    if let Some(seek) = self.seeks.seeks.get_mut(&id) {
                        seek.sockets.clear();
                        let worth_it = failure == punch::Failure::TimedOut;
                        seek.again = worth_it.then(|| now + AGAIN);
                    }
                }
            }
        }
        let Some(seek) = self.seeks.seeks.get_mut(&id) else { return };
        while let Some(transmit) = seek.punch.poll_transmit() {
            let Transmit { socket, to, ttl, bytes } = transmit;
            let listening;
            let from = if socket == 0 {
                listening = listening_socket(&self.sockets, to);
                listening.as_deref()
            } else {
                seek.sockets.get(socket - 1).map(|extra| &extra.socket)
            };
            if let Some(from) = from
                && let Err(error) = send(from, &bytes, to, ttl)
            {
                tracing::debug!(%error, "probe not sent");
            }
        }
    }

    fn open_sockets(&mut self, id: SeekId, wanted: usize) {
        let arrivals = self.seeks.arrivals.clone();
        let Some(seek) = self.seeks.seeks.get_mut(&id) else { return };
        let ipv6 = seek.their.iter().flat_map(|t| &t.external).all(SocketAddr::is_ipv6);
        while seek.sockets.len() + 1 < wanted.min(punch::SOCKETS) {
            match Extra::open(id, seek.sockets.len() + 1, ipv6, arrivals.clone()) {
                Ok(extra) => seek.sockets.push(extra),
                Err(error) => {
                    // The system allows no more: fewer only take longer.
                    tracing::debug!(%error, "no further socket");
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
        self.seeks.punched.push_back(remote);
        if self.seeks.punched.len() > MAX_PUNCHED {
            self.seeks.punched.pop_front();
        }
        let Some(seek) = self.seeks.seeks.get_mut(&id) else { return };
        seek.again = Some(now + AGAIN);
        let peer = seek.their.as_ref().and_then(|their| peer_id(&their.peer));
        let extra = socket.checked_sub(1).filter(|index| *index < seek.sockets.len());
        let extra = extra.map(|index| seek.sockets.swap_remove(index));
        seek.sockets.clear();
        let Some(peer) = peer.filter(|_| dials) else { return };
        if let Some(extra) = extra
            && let Ok(socket) = extra.socket.try_clone()
        {
            self.sockets.adopt(socket, remote);
        }
        let target = Target::Peer(peer);
        self.dialer.add(now, target.clone(), Origin::Contact, multiaddress(remote));
        self.dialer.resume(now, &target);
    }
}

impl Extra {
    fn open(
        seek: SeekId,
        number: usize,
        ipv6: bool,
        arrivals: mpsc::Sender<Arrived>,
    ) -> io::Result<Self> {
        let any = if ipv6 {
            SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))
        } else {
            SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))
        };
        let socket = UdpSocket::bind(any)?;
        socket.set_nonblocking(true)?;
        let reading = tokio::net::UdpSocket::from_std(socket.try_clone()?)?;
        let reader = spawn(async move {
            let mut bytes = [0; PROBE_LEN + 1];
            // An error is that of an earlier packet, as ICMP told it.
            loop {
                if let Ok((length, from)) = reading.recv_from(&mut bytes).await {
                    let bytes = bytes[..length].to_vec();
                    let arrived = Arrived { seek, socket: number, from, bytes };
                    if arrivals.send(arrived).await.is_err() {
                        return;
                    }
                }
            }
        });
        Ok(Self { socket, reader: reader.abort_handle() })
    }
}

/// The listening socket of the right IP version.
fn listening_socket(sockets: &quic::Sockets, to: SocketAddr) -> Option<Arc<UdpSocket>> {
    sockets.listening().into_iter().find(|socket| {
        socket.local_addr().is_ok_and(|local| {
            local.is_ipv6() == to.is_ipv6() && !(local.ip().is_loopback() && !to.ip().is_loopback())
        })
    })
}

/// Sends a datagram. The TTL is the socket's: what QUIC sends at that moment dies as well, and is
/// sent again.
fn send(from: &UdpSocket, bytes: &[u8], to: SocketAddr, ttl: Option<u8>) -> io::Result<()> {
    let Some(ttl) = ttl else { return from.send_to(bytes, to).map(drop) };
    let socket = SockRef::from(from);
    if to.is_ipv6() {
        let before = socket.unicast_hops_v6()?;
        socket.set_unicast_hops_v6(ttl.into())?;
        let sent = from.send_to(bytes, to);
        socket.set_unicast_hops_v6(before)?;
        sent.map(drop)
    } else {
        let before = from.ttl()?;
        from.set_ttl(ttl.into())?;
        let sent = from.send_to(bytes, to);
        from.set_ttl(before)?;
        sent.map(drop)
    }
}
