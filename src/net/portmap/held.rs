//! What a router has granted: over IPv4 a mapping, over IPv6 a pinhole.

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroU16,
    time::{Duration, Instant},
};

use crab_nat::{
    InternetProtocol, MappingFailure, PortMapping, PortMappingOptions, PortMappingType,
    TimeoutConfig, natpmp, pcp,
};

use super::{
    LIFETIME, Local, Protocol, Router, Transport,
    pinhole::{self, Nonce},
    soap,
    upnp::Gateway,
};

/// A router that grants less would have to be asked all the time.
const MIN_LIFETIME: Duration = Duration::from_secs(120);

/// A router answers within milliseconds, or it speaks neither PCP nor NAT-PMP.
const TIMEOUTS: TimeoutConfig = TimeoutConfig {
    initial_timeout: Duration::from_millis(250),
    max_retries: 1,
    max_retry_timeout: None,
};

/// A pinhole is not asked for again sooner: addresses listened on come one after the other, and
/// miniupnpd 2.3.1 no longer knows whose a pinhole is that was renewed by PCP, so that it could not
/// be given back.
const YOUNG: Duration = Duration::from_secs(30);

/// See the module's documentation.
#[derive(Debug)]
pub struct Held {
    pub router: Router,
    pub local: Local,
    /// The address at which everybody is let in.
    pub outside: SocketAddr,
    /// The router did not answer when it was to be renewed: it may have forgotten it.
    pub is_doubtful: bool,
    by: By,
    since: Instant,
    until: Instant,
}

/// How the router was told.
#[derive(Debug)]
enum By {
    /// PCP or NAT-PMP, over IPv4.
    Port(PortMapping),
    /// PCP, over IPv6.
    Pinhole(Nonce),
    Upnp(Gateway),
}

impl Held {
    /// Asks for one. None: the router grants none.
    pub async fn new(router: Router, local: Local) -> Option<Self> {
        if local.address.is_ipv4() {
            match Self::by_port(router, local).await {
                Ok(one) => return one,
                Err(error) => tracing::debug!(%error, "no mapping by PCP or NAT-PMP"),
            }
        } else {
            match Self::by_pinhole(router, local, rand::random()).await {
                Ok(one) => return Some(one),
                Err(error) => tracing::debug!(%error, "no pinhole by PCP"),
            }
        }
        match Self::by_upnp(router, local, local.address.port()).await {
            Ok(one) => Some(one),
            Err(error) => {
                tracing::debug!(%error, "nothing by UPnP");
                None
            }
        }
    }

    /// Just granted for so long.
    fn granted(
        router: Router,
        local: Local,
        outside: SocketAddr,
        by: By,
        lifetime: Duration,
    ) -> Self {
        let since = Instant::now();
        let until = since + lifetime.min(LIFETIME);
        Self { router, local, outside, is_doubtful: false, by, since, until }
    }

    async fn by_port(router: Router, local: Local) -> Result<Option<Self>, MappingFailure> {
        let Some(port) = NonZeroU16::new(local.address.port()) else { return Ok(None) };
        let options = PortMappingOptions {
            external_port: Some(port),
            lifetime_seconds: u32::try_from(LIFETIME.as_secs()).ok(),
            timeout_config: Some(TIMEOUTS),
        };
        let transport = match local.transport {
            Transport::Udp => InternetProtocol::Udp,
            Transport::Tcp => InternetProtocol::Tcp,
        };
        let gateway = router.ip.into();
        // A router that speaks NAT-PMP alone is to say so when it is asked by PCP, but may say
        // nothing. Asked for its address meanwhile, it costs no time to know.
        let (mapping, outside) = tokio::join!(
            PortMapping::new(gateway, router.own, transport, port, options),
            natpmp::external_address(gateway, Some(TIMEOUTS)),
        );
        let mapping = match mapping {
            Err(error) if is_silent(&error) && outside.is_ok() => {
                natpmp::port_mapping(gateway, transport, port, options).await?
            }
            mapping => mapping?,
        };
        Self::of_mapping(router, local, mapping).await
    }

    /// None: what was granted is of no use, and was given back.
    async fn of_mapping(
        router: Router,
        local: Local,
        mapping: PortMapping,
    ) -> Result<Option<Self>, MappingFailure> {
        let ip = match mapping.mapping_type() {
            PortMappingType::NatPmp => {
                IpAddr::V4(natpmp::external_address(router.ip.into(), Some(TIMEOUTS)).await?)
            }
            PortMappingType::Pcp { external_ip, .. } => external_ip.to_canonical(),
        };
        let lifetime = Duration::from_secs(mapping.lifetime().into());
        if ip.is_ipv6() {
            return Ok(None);
        }
        let outside = SocketAddr::new(ip, mapping.external_port().get());
        let held = Self::granted(router, local, outside, By::Port(mapping), lifetime);
        if lifetime < MIN_LIFETIME {
            held.release().await;
            return Ok(None);
        }
        Ok(Some(held))
    }

    async fn by_pinhole(
        router: Router,
        local: Local,
        nonce: Nonce,
    ) -> Result<Self, pinhole::Failure> {
        let lifetime = pinhole::ask(router, nonce, local, LIFETIME).await?;
        let held = Self::granted(router, local, local.address, By::Pinhole(nonce), lifetime);
        if lifetime < MIN_LIFETIME {
            held.release().await;
            return Err(pinhole::Failure::Useless);
        }
        Ok(held)
    }

    async fn by_upnp(router: Router, local: Local, port: u16) -> Result<Self, soap::Failure> {
        Self::by_gateway(Gateway::find(router).await?, router, local, port).await
    }

    async fn by_gateway(
        mut gateway: Gateway,
        router: Router,
        local: Local,
        port: u16,
    ) -> Result<Self, soap::Failure> {
        let outside = gateway.let_in(local, port).await?;
        Ok(Self::granted(router, local, outside, By::Upnp(gateway), LIFETIME))
    }

    /// Asks for it once more. None: the router says no, or was silent for too long.
    pub async fn renew(self) -> Option<Self> {
        let Self { router, local, outside, is_doubtful, by, since, until } = self;
        let doubtful = |by| {
            let held = Self { router, local, outside, is_doubtful: true, by, since, until };
            Some(held).filter(|held| held.until > Instant::now())
        };
        match by {
            By::Port(mut mapping) => match mapping.renew().await {
                Ok(()) => Self::of_mapping(router, local, mapping).await.ok()?,
                Err(error) if is_silent(&error) => doubtful(By::Port(mapping)),
                Err(_) => None,
            },
            By::Pinhole(_) if !is_doubtful && since.elapsed() < YOUNG => {
                Some(Self { router, local, outside, is_doubtful, by, since, until })
            }
            By::Pinhole(nonce) => match Self::by_pinhole(router, local, nonce).await {
                Ok(held) => Some(held),
                Err(pinhole::Failure::Silent) => doubtful(By::Pinhole(nonce)),
                Err(_) => None,
            },
            By::Upnp(gateway) => {
                let known = gateway.clone();
                match Self::by_gateway(known, router, local, outside.port()).await {
                    Ok(held) => return Some(held),
                    Err(soap::Failure::Refused(_)) => return None,
                    Err(_) => {}
                }
                // It may have been started anew, and listen elsewhere.
                let found = Gateway::find(router).await.map(|found| found.knowing(&gateway));
                let granted =
                    async { Self::by_gateway(found?, router, local, outside.port()).await };
                match granted.await {
                    Ok(held) => Some(held),
                    Err(soap::Failure::Refused(_)) => None,
                    Err(_) => doubtful(By::Upnp(gateway)),
                }
            }
        }
    }

    /// Tells the router that it is of no use any more.
    pub async fn release(self) {
        let Self { router, local, outside, by, .. } = self;
        let result = match by {
            By::Port(mapping) => mapping.try_drop().await.map_err(|(error, _)| error.to_string()),
            By::Pinhole(nonce) => {
                let gone = pinhole::ask(router, nonce, local, Duration::ZERO).await;
                gone.map(drop).map_err(|error| error.to_string())
            }
            By::Upnp(gateway) => {
                let gone = gateway.shut_out(local, outside).await;
                gone.map_err(|error| error.to_string())
            }
        };
        if let Err(error) = result {
            tracing::debug!(error, "what was granted stays until it ends by itself");
        }
    }

    /// How the router was told.
    pub fn protocol(&self) -> Protocol {
        match &self.by {
            By::Upnp(_) => Protocol::Upnp,
            By::Pinhole(_) => Protocol::Pcp,
            By::Port(mapping) => match mapping.mapping_type() {
                PortMappingType::NatPmp => Protocol::NatPmp,
                PortMappingType::Pcp { .. } => Protocol::Pcp,
            },
        }
    }
}

/// Whether the router gave no answer at all.
fn is_silent(error: &MappingFailure) -> bool {
    use MappingFailure::{NatPmp, Pcp};
    matches!(
        error,
        NatPmp(natpmp::Failure::Timeout | natpmp::Failure::Socket(_))
            | Pcp(pcp::Failure::Timeout | pcp::Failure::Socket(_))
    )
}

// A router of one's own needs an address of one's own: of loopback, Linux has many.
#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::net::{Ipv4Addr, SocketAddrV4};

    use tokio::{net::UdpSocket, task::JoinHandle};

    use super::*;

    const LOCAL: Local = Local {
        transport: Transport::Udp,
        address: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 4001),
    };

    /// A router that speaks NAT-PMP alone, and grants this for so many seconds.
    async fn router(last: u8, outside: SocketAddrV4, lifetime: u32) -> (Router, JoinHandle<()>) {
        let ip = Ipv4Addr::new(127, 53, 51, last);
        let socket = UdpSocket::bind((ip, crab_nat::GATEWAY_PORT)).await.unwrap();
        let serve = async move {
            let mut request = [0; 1100];
            loop {
                let (length, from) = socket.recv_from(&mut request).await.unwrap();
                let request = &request[..length];
                let mut answer = vec![0, request[1] | 0x80, 0, 0, 0, 0, 0, 9];
                match request[..2] {
                    [0, 0] => answer.extend(outside.ip().octets()),
                    [0, _] => {
                        let is_end = request[8..12] == [0; 4];
                        let (port, lifetime) =
                            if is_end { (0, 0) } else { (outside.port(), lifetime) };
                        answer.extend(&request[4..6]);
                        answer.extend(port.to_be_bytes());
                        answer.extend(lifetime.to_be_bytes());
                    }
                    // Version 0 is what it knows (RFC 6887, appendix A).
                    _ => {
                        answer[3] = 1;
                        answer.resize(16, 0);
                    }
                }
                socket.send_to(&answer, from).await.unwrap();
            }
        };
        let own = Ipv4Addr::LOCALHOST.into();
        (Router { ip: ip.into(), interface: 0, own }, tokio::spawn(serve))
    }

    #[tokio::test]
    async fn a_port_is_mapped_by_nat_pmp_renewed_and_doubted_when_the_router_is_gone() {
        let outside: SocketAddrV4 = "203.0.113.7:4002".parse().unwrap();
        let (at, serving) = router(1, outside, 7200).await;
        let outside = SocketAddr::V4(outside);
        let held = Held::by_port(at, LOCAL).await.unwrap().unwrap();
        assert_eq!((held.outside, held.protocol()), (outside, Protocol::NatPmp));
        assert!(held.until <= Instant::now() + LIFETIME, "asked for again, whatever it grants");
        let held = held.renew().await.unwrap();
        assert!(!held.is_doubtful);

        serving.abort();
        assert!(serving.await.unwrap_err().is_cancelled());
        let mut held = held.renew().await.unwrap();
        assert!(held.is_doubtful && held.outside == outside, "it may be there still");
        held.until = Instant::now();
        assert!(held.renew().await.is_none(), "but not longer than was granted");
    }

    #[tokio::test]
    async fn what_a_hostile_router_grants_is_not_taken() {
        for (last, lifetime) in [(2, 0), (3, 119)] {
            let (at, _serving) = router(last, "203.0.113.7:4002".parse().unwrap(), lifetime).await;
            let granted = Held::by_port(at, LOCAL).await;
            assert!(matches!(granted, Ok(None)), "{granted:?}");
        }
        let (at, _serving) = router(4, "203.0.113.7:0".parse().unwrap(), 7200).await;
        assert!(Held::by_port(at, LOCAL).await.is_err());
    }
}
