//! A firewall for IPv6 is asked to let everybody in at a port: by PCP (RFC 6887, section 11),
//! where the address outside is that inside.

use std::{
    io,
    net::{Ipv6Addr, SocketAddr, SocketAddrV6},
    time::{Duration, Instant},
};

use tokio::{
    net::UdpSocket,
    task::spawn_blocking,
    time::{Instant as Time, timeout_at},
};

use super::{LIFETIME, Transport};
use crate::net::{address::is_local, way_out};

/// A router answers within milliseconds, or it does not speak PCP: it is asked twice.
const PATIENCE: [Duration; 2] = [Duration::from_millis(250), Duration::from_millis(500)];

/// A router that grants less would have to be asked all the time.
const MIN_LIFETIME: Duration = Duration::from_secs(120);

/// What was granted is not asked for again sooner: addresses listened on come one after the other,
/// and miniupnpd 2.3.1 no longer knows whose a pinhole is that was renewed, so that it could not
/// be given back.
const YOUNG: Duration = Duration::from_secs(30);

/// Of a request to map a port, and of an answer to one.
const LEN: usize = 60;

const VERSION: u8 = 2;
const MAP: u8 = 1;
const ANSWER: u8 = 0x80;

/// Identifies a pinhole to the router.
type Nonce = [u8; 12];

/// The default gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Firewall {
    at: SocketAddrV6,
    /// The address of this machine that packets to the Internet leave from.
    pub own: Ipv6Addr,
}

impl Firewall {
    pub async fn find() -> Option<Self> {
        // It reads the system's tables.
        let interface = spawn_blocking(netdev::get_default_interface).await.ok()?.ok()?;
        let ip = *interface.gateway?.ipv6.first()?;
        let own = way_out::ipv6().filter(|own| !is_local((*own).into()))?;
        // Most have an address of the link alone.
        let scope = if ip.is_unicast_link_local() { interface.index } else { 0 };
        let at = SocketAddrV6::new(ip, crab_nat::GATEWAY_PORT, 0, scope);
        Some(Self { at, own })
    }

    /// Returns for how long it lets everybody in; at zero seconds it is to do so no more.
    async fn ask(
        self,
        nonce: Nonce,
        transport: Transport,
        port: u16,
        lifetime: Duration,
    ) -> Result<Duration, Failure> {
        // What it grants is for the address that it is asked from.
        let socket = UdpSocket::bind(SocketAddrV6::new(self.own, 0, 0, 0)).await?;
        socket.connect(SocketAddr::V6(self.at)).await?;
        let request = request(self.own, nonce, transport, port, lifetime);
        let mut answer = [0; 1100];
        for patience in PATIENCE {
            socket.send(&request).await?;
            let until = Time::now() + patience;
            while let Ok(received) = timeout_at(until, socket.recv(&mut answer)).await {
                let answer = answer.get(..received?).unwrap_or_default();
                if let Some(result) = granted(&request, answer) {
                    return result;
                }
            }
        }
        Err(Failure::Silent)
    }
}

/// Why there is no pinhole.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("no answer in time")]
    Silent,
    #[error("refused, with the code {0}")]
    Refused(u8),
    #[error("what is granted is of no use")]
    Useless,
}

impl From<io::Error> for Failure {
    /// As when nobody is there: perhaps the network is about to change.
    fn from(_: io::Error) -> Self {
        Self::Silent
    }
}

/// A pinhole that a router has granted.
#[derive(Debug)]
pub struct Pinhole {
    pub firewall: Firewall,
    pub transport: Transport,
    pub port: u16,
    /// The router did not answer when it was to be renewed: it may have forgotten it.
    pub is_doubtful: bool,
    nonce: Nonce,
    since: Instant,
    until: Instant,
}

impl Pinhole {
    /// Asks for one. None: the router grants none.
    pub async fn new(firewall: Firewall, transport: Transport, port: u16) -> Option<Self> {
        Self::by_nonce(rand::random(), firewall, transport, port)
            .await
            .inspect_err(|error| tracing::debug!(%error, "no pinhole"))
            .ok()
    }

    async fn by_nonce(
        nonce: Nonce,
        firewall: Firewall,
        transport: Transport,
        port: u16,
    ) -> Result<Self, Failure> {
        let lifetime = firewall.ask(nonce, transport, port, LIFETIME).await?;
        let since = Instant::now();
        let until = since + lifetime.min(LIFETIME);
        let one = Self { firewall, transport, port, is_doubtful: false, nonce, since, until };
        if lifetime < MIN_LIFETIME {
            one.release().await;
            return Err(Failure::Useless);
        }
        Ok(one)
    }

    /// Asks for it once more. None: the router says no, or was silent for too long.
    pub async fn renew(self) -> Option<Self> {
        let Self { firewall, transport, port, nonce, .. } = self;
        if !self.is_doubtful && self.since.elapsed() < YOUNG {
            return Some(self);
        }
        match Self::by_nonce(nonce, firewall, transport, port).await {
            Ok(one) => Some(one),
            Err(Failure::Silent) if self.until > Instant::now() => {
                Some(Self { is_doubtful: true, ..self })
            }
            Err(_) => None,
        }
    }

    /// Tells the router that it is of no use any more.
    pub async fn release(self) {
        let Self { firewall, transport, port, nonce, .. } = self;
        if let Err(error) = firewall.ask(nonce, transport, port, Duration::ZERO).await {
            tracing::debug!(%error, "a pinhole stays until it ends by itself");
        }
    }

    /// The address at which everybody is let in.
    pub fn outside(&self) -> SocketAddr {
        SocketAddr::new(self.firewall.own.into(), self.port)
    }
}

/// ```text
/// | version, 1 | opcode, 1 | 2 | lifetime in s, 4 | own address, 16 |
/// | nonce, 12 | protocol, 1 | 3 | inside port, 2 | outside port, 2 | outside address, 16 |
/// ```
fn request(
    own: Ipv6Addr,
    nonce: Nonce,
    transport: Transport,
    port: u16,
    lifetime: Duration,
) -> Vec<u8> {
    let lifetime = u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX);
    // Their numbers at IANA.
    let protocol = match transport {
        Transport::Udp => 17,
        Transport::Tcp => 6,
    };
    let port = port.to_be_bytes();
    let mut request = vec![VERSION, MAP, 0, 0];
    request.extend(lifetime.to_be_bytes());
    request.extend(own.octets());
    request.extend(nonce);
    request.extend([protocol, 0, 0, 0]);
    request.extend(port.into_iter().chain(port));
    request.extend(own.octets());
    request
}

/// What an answer to a request says; none: it answers something else. It has the result in its
/// fourth byte, the router's time and zeros instead of the own address, and goes on as the request.
fn granted(request: &[u8], answer: &[u8]) -> Option<Result<Duration, Failure>> {
    let &[_, opcode, _, result, a, b, c, d, ..] = answer else { return None };
    if opcode != MAP | ANSWER {
        return None;
    }
    // One that speaks another version need not repeat what it does not understand.
    if result != 0 {
        return Some(Err(Failure::Refused(result)));
    }
    let [asked, told] = [request, answer].map(|one| one.get(24..LEN));
    if asked.map(|asked| &asked[..18]) != told.map(|told| &told[..18]) {
        return None;
    }
    // Another address or port outside would be a translation's.
    let lifetime = u32::from_be_bytes([a, b, c, d]);
    Some(if lifetime > 0 && asked != told {
        Err(Failure::Useless)
    } else {
        Ok(Duration::from_secs(lifetime.into()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: Nonce = *b"twelve bytes";

    fn asked() -> Vec<u8> {
        let own = "2001:db8:1::10".parse().unwrap();
        request(own, NONCE, Transport::Udp, 4001, LIFETIME)
    }

    fn answer() -> Vec<u8> {
        let mut answer = asked();
        answer[1] |= ANSWER;
        answer[8..24].fill(0);
        answer
    }

    #[test]
    fn a_request_is_what_the_standard_says() {
        let asked = asked();
        assert_eq!(asked.len(), LEN);
        assert_eq!(asked[..8], [2, 1, 0, 0, 0, 0, 0x04, 0xb0]);
        assert_eq!(asked[36..44], [17, 0, 0, 0, 0x0f, 0xa1, 0x0f, 0xa1]);
        assert_eq!([&asked[8..24], &asked[24..36]], [&asked[44..], &NONCE[..]]);
    }

    #[test]
    fn of_answers_only_one_that_is_of_use_is_believed() {
        let told = |at: usize, value: u8| {
            let mut answer = answer();
            answer[at] = value;
            granted(&asked(), &answer)
        };
        assert_eq!(granted(&asked(), &answer()), Some(Ok(LIFETIME)));
        assert_eq!(told(3, 2), Some(Err(Failure::Refused(2))));
        assert_eq!(told(43, 0), Some(Err(Failure::Useless)), "another port");
        assert_eq!(told(59, 0), Some(Err(Failure::Useless)), "another address");
        for at in [1, 24, 36, 41] {
            assert_eq!(told(at, 0), None, "of something else");
        }
        for length in 0..LEN {
            assert_eq!(granted(&asked(), &answer()[..length]), None, "{length}");
        }
    }
}
