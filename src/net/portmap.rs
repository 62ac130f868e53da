//! The router is asked to let others in at the ports listened on, so that even behind a symmetric
//! NAT one can be dialed: by PCP (RFC 6887), else NAT-PMP (RFC 6886), else UPnP.
//!
//! ```text
//! Net ── PortMap ── locals ▶ task ─┬─ crab_nat    PCP, NAT-PMP
//!            ◀ Mapped ──           └─ upnp ─ soap
//! ```
//!
//! Asked and believed is the default gateway alone. Mappings end by themselves soon after a
//! program that could not take them back, and are renewed long before that: only so is noticed
//! that a router was started anew and has forgotten them.

mod held;
mod soap;
mod upnp;

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    time::{Duration, Instant},
};

use futures::future::join_all;
use tokio::{
    sync::watch,
    task::{JoinHandle, spawn_blocking},
    time::{sleep, timeout},
};

use self::held::Held;

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

/// What the router does.
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
    /// What the router does.
    pub state: State,
    /// The outside address for UDP.
    pub udp: Option<SocketAddr>,
    /// The outside address for TCP.
    pub tcp: Option<SocketAddr>,
}

impl Mapped {
    fn of(state: State) -> Self {
        Self { state, ..Self::default() }
    }
}

/// See the module's documentation.
pub struct PortMap {
    locals: watch::Sender<Vec<Local>>,
    found: watch::Sender<Mapped>,
    mapped: watch::Receiver<Mapped>,
    task: JoinHandle<()>,
    looked: Instant,
}

impl PortMap {
    /// Begins; nothing is asked before something is listened on.
    pub fn start() -> Self {
        let (locals, wanted) = watch::channel(Vec::new());
        let (found, mapped) = watch::channel(Mapped::default());
        let task = tokio::spawn(keep_mapped(wanted, found.clone()));
        Self { locals, found, mapped, task, looked: Instant::now() }
    }

    /// The network is another one, or these are listened on now.
    pub fn set(&self, locals: Vec<Local>) {
        let is_any = !locals.is_empty();
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
        let Self { locals, mapped, mut task, .. } = self;
        drop(locals);
        let is_mapped = mapped.borrow().udp.is_some() || mapped.borrow().tcp.is_some();
        if !is_mapped || timeout(FAREWELL, &mut task).await.is_err() {
            task.abort();
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

/// The task: has the router map what is wanted for as long as somebody wants it.
async fn keep_mapped(mut wanted: watch::Receiver<Vec<Local>>, found: watch::Sender<Mapped>) {
    let mut held = Vec::new();
    let mut again = AGAIN;
    loop {
        let locals = wanted.borrow_and_update().clone();
        let mapped = if locals.is_empty() && held.is_empty() {
            Mapped::default()
        } else {
            ask(&mut held, &locals).await
        };
        tracing::debug!(?mapped, "port mapping");
        found.send_if_modified(|known| {
            // What was asked for may be of no interest any more.
            let is_news = *known != mapped && matches!(wanted.has_changed(), Ok(false));
            *known = if is_news { mapped } else { *known };
            is_news
        });
        let is_mapped = matches!(mapped.state, State::Maps(_));
        let is_well = is_mapped && held.iter().all(|one| !one.is_doubtful);
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
