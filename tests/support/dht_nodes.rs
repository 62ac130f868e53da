//! Nodes of a DHT made of libp2p's own parts, as many as wanted: this very test program, run again
//! in a namespace. Some of them lie.

pub mod liar;

use std::{
    borrow::Cow,
    io::{BufRead as _, BufReader},
    net::Ipv4Addr,
    process::{Child, ChildStdin, Stdio},
    str::FromStr,
    sync::{Arc, Mutex},
};

use entrenous::net::{dht::Dht, rendezvous::ipns};
use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm, SwarmBuilder, Transport,
    core::muxing::StreamMuxerBox,
    identify,
    identity::Keypair,
    kad::{
        self, ProviderRecord, Record, RecordKey,
        store::{MemoryStore, RecordStore, Result},
    },
    noise,
    request_response::{Event, Message},
    swarm::{NetworkBehaviour, SwarmEvent, behaviour::toggle::Toggle},
    tcp, yamux,
};
use tokio::task::JoinSet;

use super::{
    lab::{again, run},
    nat::{Public, behind},
};

/// On one host.
pub const MAX_NODES: u16 = 80;

/// Set in the processes that are nodes.
const ROLE: &str = "ENTRENOUS_DHT_NODES";

/// What a node does with what it is to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Honesty {
    /// Keeps it, and gives it back.
    Honest,
    /// Takes it, and has nothing.
    Forgetful,
    /// Gives back something else.
    Lying,
    /// Makes up nodes that are closer, others each time.
    Inventing,
    /// Knows of nobody but those who lie about other nodes.
    Selfish,
}

impl Honesty {
    /// Whether it lies about other nodes.
    fn lies_about_nodes(self) -> bool {
        matches!(self, Self::Inventing | Self::Selfish)
    }
}

/// Who of the nodes is honest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mix {
    NobodyLies,
    /// One of all; the rest lie about what they keep, or forget it.
    OneIsHonest,
    /// Of each host's, all but two, who lie about other nodes.
    FewLie,
    /// So many of the six that are known at first, who lie about other nodes.
    FirstLie(u16),
}

impl Mix {
    const ALL: [Self; 6] = [
        Self::NobodyLies,
        Self::OneIsHonest,
        Self::FewLie,
        Self::FirstLie(3),
        Self::FirstLie(4),
        Self::FirstLie(5),
    ];

    /// What the node of this number is, of so many on the first host or another one.
    fn honesty(self, number: u16, count: u16, on_first: bool) -> Honesty {
        if let Self::FirstLie(liars) = self {
            let place = first(count).into_iter().position(|first| first == number);
            let place = place.map(|place| 2 * place + usize::from(!on_first));
            return match place.filter(|place| *place < usize::from(liars)) {
                None => Honesty::Honest,
                Some(place) if place % 3 == 1 => Honesty::Selfish,
                Some(_) => Honesty::Inventing,
            };
        }
        let honest = match self {
            Self::OneIsHonest => u16::from(on_first),
            Self::FewLie => count - 2,
            _ => count,
        };
        match self {
            _ if number < honest => Honesty::Honest,
            Self::FewLie if number.is_multiple_of(2) => Honesty::Selfish,
            Self::FewLie => Honesty::Inventing,
            _ if number.is_multiple_of(2) => Honesty::Forgetful,
            _ => Honesty::Lying,
        }
    }
}

/// Of so many nodes on one host, those that are known at first: one of [`Mix::FewLie`] first.
fn first(count: u16) -> [u16; 3] {
    let last = count - 1;
    [last, last / 2, 0]
}

/// Nodes on one host.
pub struct Nodes {
    /// Where each listens, by QUIC, and under which name.
    pub addresses: Vec<String>,
    /// What they were given to keep: the name and the record, both as hex.
    kept: Arc<Mutex<Vec<(String, String)>>>,
    child: Child,
    // It ends when this closes.
    _stdin: ChildStdin,
}

impl Drop for Nodes {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Nodes {
    /// Starts so many on each host.
    pub fn start(dht: Dht, hosts: &[Public], count: u16, mix: Mix) -> Vec<Self> {
        let ips: Vec<&str> = hosts.iter().map(|host| host.ipv4.as_str()).collect();
        let mix = Mix::ALL.iter().position(|known| *known == mix).unwrap();
        let role = format!("{} {mix} {count} {}", dht as usize, ips.join(" "));
        hosts.iter().map(|host| Self::on(&host.namespace, &host.ipv4, &role, count)).collect()
    }

    fn on(namespace: &str, ip: &str, role: &str, count: u16) -> Self {
        assert!(count <= MAX_NODES);
        for number in 0..count {
            let own = ip_of(ip.parse().unwrap(), number);
            run(&format!("ip -n {namespace} addr add {own}/32 dev eth0"));
        }
        let mut child = again(namespace, ROLE, &format!("{ip} {role}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        let kept: Arc<Mutex<Vec<_>>> = Arc::default();
        let keep = Arc::clone(&kept);
        std::thread::spawn(move || {
            for line in lines.map_while(std::result::Result::ok) {
                let (name, record) = line.split_once(' ').unwrap();
                keep.lock().unwrap().push((name.to_owned(), record.to_owned()));
            }
        });
        let ip: Ipv4Addr = ip.parse().unwrap();
        let addresses = (0..count)
            .map(|number| format!("{}/p2p/{}", address(ip, number), key(ip, number).1))
            .collect();
        let stdin = child.stdin.take().unwrap();
        Self { addresses, kept, child, _stdin: stdin }
    }

    /// Three of them, which are known at first.
    pub fn first(&self) -> impl Iterator<Item = &String> {
        let count = u16::try_from(self.addresses.len()).unwrap();
        first(count).into_iter().map(|number| &self.addresses[usize::from(number)])
    }

    /// What they were given to keep since this was asked last: names and records.
    pub fn take_kept(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let kept = std::mem::take(&mut *self.kept.lock().unwrap());
        let bytes = |hex: &String| hex::decode(hex).unwrap();
        kept.iter().map(|(name, record)| (bytes(name), bytes(record))).collect()
    }
}

/// If this process was started to be nodes, is that until its standard input ends, and returns
/// true.
pub fn run_if_nodes() -> bool {
    let Ok(role) = std::env::var(ROLE) else { return false };
    let words: Vec<&str> = role.split(' ').collect();
    let number = |at: usize| usize::from_str(words[at]).unwrap();
    let ips: Vec<Ipv4Addr> = words[4..].iter().map(|ip| ip.parse().unwrap()).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (dht, mix, count) = (Dht::ALL[number(1)], Mix::ALL[number(2)], number(3));
    runtime.block_on(serve(
        dht,
        words[0].parse().unwrap(),
        &ips,
        (u16::try_from(count).unwrap(), mix),
    ));
    true
}

async fn serve(dht: Dht, ip: Ipv4Addr, ips: &[Ipv4Addr], (count, mix): (u16, Mix)) {
    let mut nodes = JoinSet::new();
    let all = ips.iter().flat_map(|ip| (0..count).map(|number| (*ip, number)));
    let liars =
        all.filter(|(ip, number)| mix.honesty(*number, count, *ip == ips[0]).lies_about_nodes());
    let liars: Vec<_> =
        liars.map(|(ip, number)| (key(ip, number).1, address(ip, number))).collect();
    for number in 0..count {
        let honesty = mix.honesty(number, count, ip == ips[0]);
        let mut swarm = node(dht, ip, number, honesty);
        for ip in ips {
            for other in 0..count {
                let (_, peer) = key(*ip, other);
                if let Some(kad) = swarm.behaviour_mut().kad.as_mut() {
                    kad.add_address(&peer, address(*ip, other));
                }
            }
        }
        let liars = liars.clone();
        let live = async move {
            loop {
                match swarm.select_next_some().await {
                    SwarmEvent::ListenerClosed { reason, .. } => {
                        panic!("node {number}: {reason:?}");
                    }
                    SwarmEvent::Behaviour(BehaviourEvent::Liar(Event::Message {
                        message: Message::Request { request, channel, .. },
                        ..
                    })) => {
                        let answer = liar::answer(&request, &liars, honesty == Honesty::Inventing);
                        if let Some(liar) = swarm.behaviour_mut().liar.as_mut() {
                            let _ = liar.send_response(channel, answer);
                        }
                    }
                    _ => {}
                }
            }
        };
        nodes.spawn(live);
    }
    println!("ready");
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
    tokio::pin!(ended);
    tokio::select! {
        _ = &mut ended => std::process::exit(0),
        Some(node) = nodes.join_next() => panic!("a node ended: {node:?}"),
    }
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    identify: identify::Behaviour,
    kad: Toggle<kad::Behaviour<Store>>,
    liar: Toggle<liar::Behaviour>,
}

fn node(dht: Dht, ip: Ipv4Addr, number: u16, honesty: Honesty) -> Swarm<Behaviour> {
    let (key, peer) = key(ip, number);
    let mut config = kad::Config::new(dht.protocol());
    config.set_replication_interval(None).set_publication_interval(None);
    config.set_periodic_bootstrap_interval(None);
    let store = Store { kept: MemoryStore::new(peer), honesty };
    let mut kad = kad::Behaviour::with_config(peer, store, config);
    kad.set_mode(Some(kad::Mode::Server));
    let lies = honesty.lies_about_nodes();
    let liar = lies.then(|| liar::behaviour(dht.protocol())).into();
    let kad = (!lies).then_some(kad).into();
    let identify = identify::Config::new("ipfs/0.1.0".to_owned(), key.public());
    let identify = identify::Behaviour::new(identify);
    let mut swarm = SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_other_transport(|key| {
            libp2p_quic::tokio::Transport::new(libp2p_quic::Config::new(key))
                .map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)))
        })
        .unwrap()
        .with_behaviour(|_| Behaviour { identify, kad, liar })
        .unwrap()
        .with_swarm_config(|config| {
            config.with_idle_connection_timeout(std::time::Duration::from_secs(60))
        })
        .build();
    swarm.listen_on(address(ip, number)).unwrap();
    swarm.listen_on(format!("/ip4/{}/tcp/5000", ip_of(ip, number)).parse().unwrap()).unwrap();
    swarm
}

/// Each node is in a network of its own, as it would be elsewhere.
pub fn ip_of(host: Ipv4Addr, number: u16) -> Ipv4Addr {
    let [.., last] = host.octets();
    let [a, b] = behind(last);
    Ipv4Addr::new(a, b, u8::try_from(number).unwrap(), 1)
}

fn address(host: Ipv4Addr, number: u16) -> Multiaddr {
    format!("/ip4/{}/udp/5000/quic-v1", ip_of(host, number)).parse().unwrap()
}

/// A key that everybody here can compute.
fn key(ip: Ipv4Addr, number: u16) -> (Keypair, PeerId) {
    let seed = blake3::hash(format!("{ip} {number}").as_bytes());
    let key = Keypair::ed25519_from_bytes(*seed.as_bytes()).unwrap();
    let peer = key.public().to_peer_id();
    (key, peer)
}

/// What a node keeps. As on Amino, only records that prove themselves, the newest of each.
struct Store {
    kept: MemoryStore,
    honesty: Honesty,
}

impl Store {
    /// What a liar says is kept there: a record of its own make, an old one with a bit turned,
    /// one cut short, or one far too long.
    fn lie(&self, key: &RecordKey) -> Record {
        let true_value = self.kept.get(key).map(|record| record.value.clone());
        let mut value = true_value.unwrap_or_else(|| vec![0; 700]);
        match rand::random_range(0..4) {
            0 => value = ipns::write(&Keypair::generate_ed25519(), &[0; 512], 1 << 42).unwrap(),
            1 => value[100] ^= 1,
            2 => value.truncate(value.len() / 2),
            _ => value.resize(10_000, 0),
        }
        Record { key: key.clone(), value, publisher: None, expires: None }
    }
}

impl RecordStore for Store {
    type RecordsIter<'a> = <MemoryStore as RecordStore>::RecordsIter<'a>;
    type ProvidedIter<'a> = <MemoryStore as RecordStore>::ProvidedIter<'a>;

    fn get(&self, key: &RecordKey) -> Option<Cow<'_, Record>> {
        match self.honesty {
            Honesty::Honest => self.kept.get(key),
            Honesty::Forgetful => None,
            Honesty::Lying => Some(Cow::Owned(self.lie(key))),
            Honesty::Inventing | Honesty::Selfish => unreachable!("they keep nothing"),
        }
    }

    fn put(&mut self, record: Record) -> Result<()> {
        let newer = |old: Cow<'_, Record>| {
            let sequence =
                |record: &Record| ipns::read(record.key.as_ref(), &record.value).unwrap().sequence;
            sequence(&old) < sequence(&record)
        };
        let proven = ipns::read(record.key.as_ref(), &record.value).is_ok();
        // A liar keeps the first that it sees, and so an old one.
        let wanted = self.kept.get(&record.key).is_none_or(newer);
        if !proven || !wanted {
            return Err(kad::store::Error::ValueTooLarge);
        }
        println!("{} {}", hex::encode(&record.key), hex::encode(&record.value));
        self.kept.put(record)
    }

    fn remove(&mut self, key: &RecordKey) {
        self.kept.remove(key);
    }

    fn records(&self) -> Self::RecordsIter<'_> {
        self.kept.records()
    }

    fn add_provider(&mut self, record: ProviderRecord) -> Result<()> {
        self.kept.add_provider(record)
    }

    fn providers(&self, key: &RecordKey) -> Vec<ProviderRecord> {
        self.kept.providers(key)
    }

    fn provided(&self) -> Self::ProvidedIter<'_> {
        self.kept.provided()
    }

    fn remove_provider(&mut self, key: &RecordKey, peer: &PeerId) {
        self.kept.remove_provider(key, peer);
    }
}
