//! The router is asked to let others in at the ports listened on, so that even behind a symmetric
//! NAT one can be dialed: by PCP (RFC 6887), else NAT-PMP (RFC 6886), else UPnP. Over IPv6 its
//! firewall is: by PCP.
//!
//! ```text
//! Net ── PortMap ── locals ▶ tasks ┬─ crab_nat    PCP, NAT-PMP
//!            ◀ Mapped ──           ├─ upnp ─ soap
//!                                  └─ pinhole    PCP over IPv6
//! ```
//!
//! Asked and believed is the default gateway alone. Mappings end by themselves soon after a
//! program that could not take them back, and are renewed long before that: only so is noticed
//! that a router was started anew and has forgotten them.

mod held;
mod pinhole;
mod soap;
mod upnp;

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, SocketAddrV6},
    time::{Duration, Instant},
};

use futures::future::join_all;
use tokio::{
    sync::watch,
    task::{JoinHandle, spawn_blocking},
    time::{sleep, timeout},
};

use self::{
    held::Held,
    pinhole::{Firewall, Pinhole},
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
    /// Where.
    pub address: SocketAddrV4,
}

/// All addresses listened on that a router can make reachable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Behind a NAT.
    pub ipv4: Vec<Local>,
    /// Behind a firewall.
    pub ipv6: Vec<(Transport, SocketAddrV6)>,
}

impl Wanted {
    fn is_empty(&self) -> bool {
        self.ipv4.is_empty() && self.ipv6.is_empty()
    }
}

/// What the router does over IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// It is not asked: only the local network is used, or there is no need.
    #[default]
    NotAsked,
    /// It has not answered yet.
    Asking,
    /// It maps no ports.
    None,
    /// It would, but stands behind another NAT, so that it would not help.
    BehindAnother,
    /// It maps the port, and this is how it was told.
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
    /// The outside address for UDP.
    pub udp: Option<SocketAddr>,
    /// The outside address for TCP.
    pub tcp: Option<SocketAddr>,
    /// The address for UDP at which the firewall for IPv6 lets everybody in.
    pub pinhole: Option<SocketAddr>,
    /// The same for TCP.
    pub pinhole_tcp: Option<SocketAddr>,
}

impl Mapped {
    fn of(state: State) -> Self {
        Self { state, ..Self::default() }
    }

    /// Whether others can come in somewhere.
    pub fn is_any(&self) -> bool {
        let all = [self.udp, self.tcp, self.pinhole, self.pinhole_tcp];
        all.iter().any(Option::is_some)
    }
}

/// See the module's documentation.
pub struct PortMap {
    locals: watch::Sender<Wanted>,
    found: watch::Sender<Mapped>,
    mapped: watch::Receiver<Mapped>,
    /// Of IPv4 and of IPv6: neither waits for a router that is silent to the other.
    tasks: [JoinHandle<()>; 2],
    looked: Instant,
}

impl PortMap {
    /// Begins; nothing is asked before something is listened on.
    pub fn start() -> Self {
        let (locals, wanted) = watch::channel(Wanted::default());
        let (found, mapped) = watch::channel(Mapped::default());
        let tasks = [
            tokio::spawn(keep::<Vec<Held>>(wanted.clone(), found.clone())),
            tokio::spawn(keep::<Vec<Pinhole>>(wanted, found.clone())),
        ];
        Self { locals, found, mapped, tasks, looked: Instant::now() }
    }

    /// The network is another one, or these are listened on now.
    pub fn set(&self, locals: Wanted) {
        let is_any = !locals.ipv4.is_empty();
        self.locals.send_replace(locals);
        self.found.send_if_modified(|mapped| {
            let is_first = is_any && mapped.state == State::NotAsked;
            mapped.state = if is_first { State::Asking } else { mapped.state };
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

    /// Takes the mappings back, as far as the router does so within a second.
    pub async fn stop(self) {
        let Self { locals, mapped, mut tasks, .. } = self;
        drop(locals);
        let is_mapped = mapped.borrow().is_any();
        if !is_mapped || timeout(FAREWELL, join_all(&mut tasks)).await.is_err() {
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
    ip: Ipv4Addr,
    /// This machine's address in its network.
    own: Ipv4Addr,
}

impl Router {
    async fn find() -> Option<Self> {
        // It reads the system's tables.
        let interface = spawn_blocking(netdev::get_default_interface).await.ok()?.ok()?;
        let ip = *interface.gateway?.ipv4.first()?;
        let own = interface.ipv4.iter().find(|network| network.contains(&ip))?.addr();
        Some(Self { ip, own })
    }
}

/// What a router has granted over one version of IP.
trait Granted: Default + Send {
    /// Renews what is there, and asks for what is wanted besides.
    fn ask(&mut self, wanted: &Wanted) -> impl Future<Output = Mapped> + Send;

    /// What is known as soon as this has come of asking.
    fn merge(known: Mapped, news: Mapped) -> Mapped;

    /// Whether the router may have forgotten some of it.
    fn is_doubtful(&self) -> bool;

    /// Gives it back.
    fn release(self) -> impl Future<Output = ()> + Send;
}

impl Granted for Vec<Held> {
    async fn ask(&mut self, wanted: &Wanted) -> Mapped {
        if wanted.ipv4.is_empty() && self.is_empty() {
            return Mapped::default();
        }
        ask(self, &wanted.ipv4).await
    }

    fn merge(known: Mapped, news: Mapped) -> Mapped {
        let Mapped { pinhole, pinhole_tcp, .. } = known;
        Mapped { pinhole, pinhole_tcp, ..news }
    }

    fn is_doubtful(&self) -> bool {
        self.iter().any(|one| one.is_doubtful)
    }

    async fn release(self) {
        join_all(self.into_iter().map(Held::release)).await;
    }
}

impl Granted for Vec<Pinhole> {
    async fn ask(&mut self, wanted: &Wanted) -> Mapped {
        if wanted.ipv6.is_empty() && self.is_empty() {
            return Mapped::default();
        }
        let [pinhole, pinhole_tcp] = ask_firewall(self, &wanted.ipv6).await;
        Mapped { pinhole, pinhole_tcp, ..Mapped::default() }
    }

    fn merge(known: Mapped, news: Mapped) -> Mapped {
        let Mapped { pinhole, pinhole_tcp, .. } = news;
        Mapped { pinhole, pinhole_tcp, ..known }
    }

    fn is_doubtful(&self) -> bool {
        self.iter().any(|one| one.is_doubtful)
    }

    async fn release(self) {
        join_all(self.into_iter().map(Pinhole::release)).await;
    }
}

/// A task: has the router grant what is wanted for as long as somebody wants it.
async fn keep<T: Granted>(mut wanted: watch::Receiver<Wanted>, found: watch::Sender<Mapped>) {
    let mut granted = T::default();
    let mut again = AGAIN;
    loop {
        let locals = wanted.borrow_and_update().clone();
        let mapped = granted.ask(&locals).await;
        tracing::debug!(?mapped, "port mapping");
        found.send_if_modified(|known| {
            let merged = T::merge(*known, mapped);
            // What was asked for may be of no interest any more.
            let is_news = *known != merged && matches!(wanted.has_changed(), Ok(false));
            *known = if is_news { merged } else { *known };
            is_news
        });
        let is_well = mapped.is_any() && !granted.is_doubtful();
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
    granted.release().await;
}

/// Renews what is held, and asks for what is not.
async fn ask(held: &mut Vec<Held>, locals: &[Local]) -> Mapped {
    let Some(router) = Router::find().await else {
        held.clear();
        return Mapped::of(State::None);
    };
    // In a network that was left there is nobody to be told.
    held.retain(|one| one.router == router);
    let goes = held.extract_if(.., |one| !locals.contains(&one.local)).map(Held::release);
    join_all(goes.collect::<Vec<_>>()).await;
    let reached = |local: &&Local| local.address.ip() == &router.own && router.own.is_private();
    let wanted: Vec<_> = locals.iter().filter(reached).collect();
    let mut mapped = Mapped::of(if wanted.is_empty() { State::NotAsked } else { State::None });
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
        // Who does not map one does not map another.
        let Some(one) = one else { break };
        match reach(one.outside) {
            Reach::Everywhere => {
                mapped.state = State::Maps(one.protocol());
                let outside = Some(SocketAddr::V4(one.outside));
                match local.transport {
                    Transport::Udp => mapped.udp = outside,
                    Transport::Tcp => mapped.tcp = outside,
                }
                held.push(one);
            }
            Reach::AnotherNat => {
                mapped.state = State::BehindAnother;
                one.release().await;
                break;
            }
            Reach::Nobody => one.release().await,
        }
    }
    mapped
}

/// Renews the pinholes, and asks for those that are not there. Returns the addresses for UDP and
/// TCP at which everybody is let in.
async fn ask_firewall(
    pinholes: &mut Vec<Pinhole>,
    locals: &[(Transport, SocketAddrV6)],
) -> [Option<SocketAddr>; 2] {
    let mut open = [None; 2];
    let Some(firewall) = Firewall::find().await else {
        pinholes.clear();
        return open;
    };
    let own = locals.iter().filter(|(_, address)| *address.ip() == firewall.own);
    let wanted: Vec<_> = own.map(|(transport, address)| (*transport, address.port())).collect();
    // In a network that was left there is nobody to be told.
    pinholes.retain(|one| one.firewall == firewall);
    let is_gone = |one: &mut Pinhole| !wanted.contains(&(one.transport, one.port));
    let goes = pinholes.extract_if(.., is_gone).map(Pinhole::release);
    join_all(goes.collect::<Vec<_>>()).await;
    for (transport, port) in wanted {
        let is_it = |one: &Pinhole| (one.transport, one.port) == (transport, port);
        let known = pinholes.iter().position(is_it);
        let renewed = match known.map(|at| pinholes.swap_remove(at)) {
            Some(known) => known.renew().await,
            None => None,
        };
        let one = match renewed {
            Some(one) => Some(one),
            None => Pinhole::new(firewall, transport, port).await,
        };
        // Who does not let one in does not let another.
        let Some(one) = one else { break };
        open[usize::from(transport == Transport::Tcp)] = Some(one.outside());
        pinholes.push(one);
    }
    open
}

/// Whom an address that a router gives is of use to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Everywhere,
    /// Those behind the next NAT, which is a carrier's (RFC 6598) or another one at home.
    AnotherNat,
    Nobody,
}

fn reach(outside: SocketAddrV4) -> Reach {
    let ip = *outside.ip();
    let [first, second, ..] = ip.octets();
    if ip.is_private() || (first == 100 && second & 0xc0 == 64) {
        return Reach::AnotherNat;
    }
    let is_no_host = first == 0 || first >= 224 || ip.is_loopback() || ip.is_link_local();
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
