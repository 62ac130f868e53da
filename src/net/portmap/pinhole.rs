//! A firewall for IPv6 is asked to let everybody in at a port: by PCP (RFC 6887, section 11),
//! where the address outside is that inside.

use std::{
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    net::UdpSocket,
    time::{Instant, timeout_at},
};

use super::{Local, Router, Transport};

/// A router answers within milliseconds, or it does not speak PCP: it is asked twice.
const PATIENCE: [Duration; 2] = [Duration::from_millis(250), Duration::from_millis(500)];

/// Of a request to map a port, and of an answer to one.
const LEN: usize = 60;

const VERSION: u8 = 2;
const MAP: u8 = 1;
const ANSWER: u8 = 0x80;

/// Identifies a pinhole to the router.
pub type Nonce = [u8; 12];

/// Returns for how long the router lets everybody in; at zero seconds it is to do so no more.
pub async fn ask(
    router: Router,
    nonce: Nonce,
    local: Local,
    lifetime: Duration,
) -> Result<Duration, Failure> {
    let IpAddr::V6(own) = router.own else { return Err(Failure::Useless) };
    let socket = UdpSocket::bind(SocketAddr::new(router.own, 0)).await?;
    socket.connect(router.at(crab_nat::GATEWAY_PORT)).await?;
    let request = request(own, nonce, local.transport, local.address.port(), lifetime);
    let mut answer = [0; 1100];
    for patience in PATIENCE {
        socket.send(&request).await?;
        let until = Instant::now() + patience;
        while let Ok(received) = timeout_at(until, socket.recv(&mut answer)).await {
            let answer = answer.get(..received?).unwrap_or_default();
            if let Some(result) = granted(&request, answer) {
                return result;
            }
        }
    }
    Err(Failure::Silent)
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
    use super::{super::LIFETIME, *};

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
