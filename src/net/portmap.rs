//! The router is asked to let others in at the ports listened on, so that even behind a symmetric
//! NAT one can be dialed: by PCP (RFC 6887), else NAT-PMP (RFC 6886), else UPnP. Over IPv6 its
//! firewall is: by PCP, else UPnP.
//!
//! ```text
//! Net ── PortMap ── locals ▶ tasks ── Held ┬─ crab_nat    PCP, NAT-PMP
//!            ◀ Mapped ──                   ├─ upnp ─ soap
//!                                          └─ pinhole     PCP over IPv6
//! ```
//!
//! Asked and believed is the default gateway alone. Mappings end by themselves soon after a
//! program that could not take them back, and are renewed long before that: only so is noticed
//! that a router was started anew and has forgotten them. Some routers keep them only for ever: what
//! was not taken back there is removed when the router is asked the next time, if this machine has the
//! same address then.

mod held;
mod pinhole;
mod soap;
mod upnp;

use std::{
    fmt,
    net::{IpAddr, SocketAddr, SocketAddrV6},
    time::{Duration, Instant},
};

use futures::future::join_all;
use tokio::{
    sync::watch,
    task::{JoinHandle, spawn_blocking},
    time::{sleep, timeout},
};

use self::held::Held;
use super::{
    address::{is_local, is_private, is_shared},
    way_out,
    ways_in::WaysIn,
};

/// What a mapping is asked for.
const LIFETIME: Duration = Duration::from_secs(1200);

/// How often a mapping is renewed.
const RENEW: Duration = Duration::from_secs(100);

/// A router that maps nothing is asked again after this, doubling …
const AGAIN: Duration = Duration::from_secs(10);
/// … up to this: somebody may have turned it on.
const SELDOM: Duration = Duration::from_secs(1200);

/// Whoever is lost has the router asked at once, but not more often than this.
const PAUSE: Duration = Duration::from_secs(5);

/// The addresses listened on come one after the other.
const SETTLE: Duration = Duration::from_millis(100);

/// How long taking the mappings back may hold up the end of the program.
const FAREWELL: Duration = Duration::from_secs(1);

/// A protocol with ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// QUIC's.
    Udp,
    /// The other one.
    Tcp,
}

/// An address listened on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Local {
    /// By what.
    pub transport: Transport,
    /// Where: behind a NAT of IPv4, or a firewall for IPv6.
    pub address: SocketAddr,
}

/// What the router does over a version of IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// It is not asked: only the local network is used, or there is no need.
    #[default]
    NotAsked,
    /// It has not answered yet.
    Asking,
    /// It lets nobody in.
    None,
    /// It would, but stands behind another NAT, so that it would not help.
    BehindAnother,
    /// It lets everybody in at a port, and this is how it was told.
    Maps(Protocol),
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAsked => f.write_str("not asked"),
            Self::Asking => f.write_str("unknown"),
            Self::None => f.write_str("none"),
            Self::BehindAnother => f.write_str("behind another NAT"),
            Self::Maps(protocol) => protocol.fmt(f),
        }
    }
}

/// How a router is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// The Port Control Protocol.
    Pcp,
    /// The NAT Port Mapping Protocol.
    NatPmp,
    /// Universal Plug and Play.
    Upnp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pcp => "PCP",
            Self::NatPmp => "NAT-PMP",
            Self::Upnp => "UPnP",
        })
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mapped {
    /// What the router does over IPv4.
    pub state: State,
    /// What its firewall for IPv6 does.
    pub firewall: State,
    /// Where everybody is let in.
    pub ways_in: WaysIn,
}

impl Mapped {
    /// What is known of a version of IP.
    /// Whether the router was told something that it may have to be told off again.
    fn is_asked(&self) -> bool {
        let is_idle = |state| matches!(state, State::NotAsked | State::None);
        !is_idle(self.state) || !is_idle(self.firewall)
    }

    fn version(&mut self, version: Version) -> (&mut State, [&mut Option<SocketAddr>; 2]) {
        let Self { state, firewall, ways_in } = self;
        let WaysIn { mapped, mapped_tcp, pinhole, pinhole_tcp } = ways_in;
        match version {
            Version::V4 => (state, [mapped, mapped_tcp]),
            Version::V6 => (firewall, [pinhole, pinhole_tcp]),
        }
    }

    /// The same, with this about a version of IP.
    fn with(mut self, version: Version, (state, outside): Answer) -> Self {
        let (known, addresses) = self.version(version);
        *known = state;
        for (known, outside) in addresses.into_iter().zip(outside) {
            *known = outside;
        }
        self
    }
}

/// A version of IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    V4,
    V6,
}

impl Version {
    const ALL: [Self; 2] = [Self::V4, Self::V6];

    fn of(address: SocketAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

/// What a router does over a version of IP, and where it lets everybody in by UDP and by TCP.
type Answer = (State, [Option<SocketAddr>; 2]);

/// See the module's documentation.
pub struct PortMap {
    locals: watch::Sender<Vec<Local>>,
    found: watch::Sender<Mapped>,
    mapped: watch::Receiver<Mapped>,
    /// Of IPv4 and of IPv6: neither waits for a router that is silent to the other.
    tasks: [JoinHandle<()>; 2],
    looked: Instant,
}

impl PortMap {
    /// Begins; nothing is asked before something is listened on.
    pub fn start() -> Self {
        let (locals, wanted) = watch::channel(Vec::new());
        let (found, mapped) = watch::channel(Mapped::default());
        let tasks =
            Version::ALL.map(|version| tokio::spawn(keep(version, wanted.clone(), found.clone())));
        Self { locals, found, mapped, tasks, looked: Instant::now() }
    }

    /// The network is another one, or these are listened on now; what serves best comes first.
    pub fn set(&self, locals: Vec<Local>) {
        let asked: Vec<_> = locals.iter().map(|local| Version::of(local.address)).collect();
        // First: what is answered to what was wanted before is of no interest then.
        self.locals.send_replace(locals);
        self.found.send_if_modified(|mapped| {
            let mut is_first = false;
            for version in asked {
                let (state, _) = mapped.version(version);
                if *state == State::NotAsked {
                    (*state, is_first) = (State::Asking, true);
                }
            }
            is_first
        });
    }

    /// Somebody was lost, perhaps with the mapping: the router is asked again.
    pub fn look_again(&mut self) {
        if self.looked.elapsed() >= PAUSE {
            self.looked = Instant::now();
            self.locals.send_modify(|_| {});
        }
    }

    /// What the router does now.
    pub fn mapped(&self) -> Mapped {
        *self.mapped.borrow()
    }

    /// Takes the mappings back, those too that are just being asked for, as far as the router does so within a second.
    pub async fn stop(self) {
        let Self { locals, mapped, mut tasks, .. } = self;
        drop(locals);
        let is_asked = mapped.borrow().is_asked();
        if !is_asked || timeout(FAREWELL, join_all(&mut tasks)).await.is_err() {
            tasks.iter().for_each(JoinHandle::abort);
        }
    }
}

/// Waits until what the router does changes. Dropping the future loses nothing.
pub async fn changed(portmap: Option<&mut PortMap>) {
    if let Some(portmap) = portmap
        && portmap.mapped.changed().await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}

/// The default gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Router {
    ip: IpAddr,
    /// The number of the interface that it is at.
    interface: u32,
    /// The address of this machine that it is asked from, as what it grants is for that.
    own: IpAddr,
}

impl Router {
    async fn find(version: Version) -> Option<Self> {
        // It reads the system's tables.
        let interface = spawn_blocking(netdev::get_default_interface).await.ok()?.ok()?;
        let gateway = interface.gateway?;
        match version {
            Version::V4 => {
                let ip = *gateway.ipv4.first()?;
                let own = interface.ipv4.iter().find(|network| network.contains(&ip))?.addr();
                Some(Self { ip: ip.into(), interface: interface.index, own: own.into() })
            }
            Version::V6 => {
                let ip = *gateway.ipv6.first()?;
                let own = way_out::ipv6()?.into();
                Some(Self { ip: ip.into(), interface: interface.index, own })
            }
        }
    }

    /// Where it listens at this port.
    fn at(self, port: u16) -> SocketAddr {
        match self.ip {
            IpAddr::V4(ip) => SocketAddr::from((ip, port)),
            IpAddr::V6(ip) => {
                // Most have an address of the link alone.
                let scope = if ip.is_unicast_link_local() { self.interface } else { 0 };
                SocketAddrV6::new(ip, port, 0, scope).into()
            }
        }
    }

    /// Whether what is listened on there can be reached only if it helps.
    fn shields(self, local: SocketAddr) -> bool {
        let is_own = local.ip() == self.own;
        is_own && if self.own.is_ipv4() { is_private(self.own) } else { !is_local(self.own) }
    }
}

/// A task: has the router let others in where it is listened, for as long as somebody wants it.
async fn keep(
    version: Version,
    mut wanted: watch::Receiver<Vec<Local>>,
    found: watch::Sender<Mapped>,
) {
    let mut held = Vec::new();
    let mut again = AGAIN;
    loop {
        let mut locals = wanted.borrow_and_update().clone();
        locals.retain(|local| Version::of(local.address) == version);
        let answer = if locals.is_empty() && held.is_empty() {
            Answer::default()
        } else {
            ask(version, &mut held, &locals).await
        };
        tracing::debug!(?version, ?answer, "port mapping");
        found.send_if_modified(|known| {
            let news = known.with(version, answer);
            // What was asked for may be of no interest any more.
            let is_news = *known != news && matches!(wanted.has_changed(), Ok(false));
            *known = if is_news { news } else { *known };
            is_news
        });
        let (_, outside) = answer;
        let is_well = outside != [None; 2] && !held.iter().any(|one| one.is_doubtful);
        let pause = if is_well { RENEW } else { again };
        again = if is_well { AGAIN } else { (again * 2).min(SELDOM) };
        tokio::select! {
            changed = wanted.changed() => {
                if changed.is_err() {
                    break;
                }
                again = AGAIN;
                sleep(SETTLE).await;
            }
            () = sleep(pause), if !locals.is_empty() => {}
        }
    }
    join_all(held.into_iter().map(Held::release)).await;
}

/// Renews what is held, and asks for what is not.
async fn ask(version: Version, held: &mut Vec<Held>, locals: &[Local]) -> Answer {
    let mut outside = [None; 2];
    let Some(router) = Router::find(version).await else {
        held.clear();
        return (State::None, outside);
    };
    // In a network that was left there is nobody to be told.
    held.retain(|one| one.router == router);
    let goes = held.extract_if(.., |one| !locals.contains(&one.local)).map(Held::release);
    join_all(goes.collect::<Vec<_>>()).await;
    let wanted: Vec<_> = locals.iter().filter(|local| router.shields(local.address)).collect();
    let mut state = if wanted.is_empty() { State::NotAsked } else { State::None };
    for local in wanted {
        let known = held.iter().position(|one| one.local == *local);
        let renewed = match known.map(|at| held.swap_remove(at)) {
            Some(known) => known.renew().await,
            None => None,
        };
        let one = match renewed {
            Some(one) => Some(one),
            None => Held::new(router, *local).await,
        };
        // Who does not let in at one does not at another.
        let Some(one) = one else { break };
        match reach(one.outside) {
            Reach::Everywhere => {
                state = State::Maps(one.protocol());
                outside[usize::from(local.transport == Transport::Tcp)] = Some(one.outside);
                held.push(one);
            }
            Reach::AnotherNat => {
                state = State::BehindAnother;
                one.release().await;
                break;
            }
            Reach::Nobody => one.release().await,
        }
    }
    (state, outside)
}

/// Whom an address that a router gives is of use to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Everywhere,
    /// Those behind the next NAT, which is a carrier's (RFC 6598) or another one at home.
    AnotherNat,
    Nobody,
}

fn reach(outside: SocketAddr) -> Reach {
    let is_no_host = match outside.ip() {
        IpAddr::V4(ip) => {
            let [first, ..] = ip.octets();
            if ip.is_private() || is_shared(ip) {
                return Reach::AnotherNat;
            }
            first == 0 || first >= 224 || ip.is_loopback() || ip.is_link_local()
        }
        // A pinhole is at an address of this machine.
        IpAddr::V6(_) => false,
    };
    // No messenger is dialed at a lower port.
    if is_no_host || outside.port() < 1024 { Reach::Nobody } else { Reach::Everywhere }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_router_says_counts_only_if_others_can_use_it() {
        for (outside, expected) in [
            ("203.0.113.7:4001", Reach::Everywhere),
            ("8.8.8.8:1024", Reach::Everywhere),
            ("10.0.0.1:4001", Reach::AnotherNat),
            ("192.168.178.2:4001", Reach::AnotherNat),
            ("100.64.0.1:4001", Reach::AnotherNat),
            ("100.127.255.254:4001", Reach::AnotherNat),
            ("100.128.0.1:4001", Reach::Everywhere),
            ("203.0.113.7:0", Reach::Nobody),
            ("203.0.113.7:1023", Reach::Nobody),
            ("0.0.0.0:4001", Reach::Nobody),
            ("127.0.0.1:4001", Reach::Nobody),
            ("169.254.1.1:4001", Reach::Nobody),
            ("224.0.0.1:4001", Reach::Nobody),
            ("255.255.255.255:4001", Reach::Nobody),
        ] {
            assert_eq!(reach(outside.parse().unwrap()), expected, "{outside}");
        }
    }

    #[tokio::test]
    async fn nothing_is_asked_before_there_is_something_to_map() {
        let mut map = PortMap::start();
        map.look_again();
        assert!(timeout(SETTLE * 3, changed(Some(&mut map))).await.is_err());
        assert_eq!(map.mapped(), Mapped::default());
        map.stop().await;
    }
}
