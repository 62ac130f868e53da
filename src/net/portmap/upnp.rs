//! A router that speaks UPnP: it is searched for by multicast (SSDP), says where it can be told
//! what (a document), and is told by SOAP to let everybody in at a port: over IPv4 by a mapping
//! (UPnP Forum, `InternetGatewayDevice:1`, service `WANIPConnection:1`), over IPv6 by a pinhole
//! (`InternetGatewayDevice:2`, service `WANIPv6FirewallControl:1`).
//!
//! The crates for this believe whoever answers first, go wherever he says, and read whatever
//! comes; here only the default gateway counts, and only its own address.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::{Duration, Instant},
};

use hyper::Uri;
use socket2::{Domain, SockRef, Socket, Type};
use tokio::{net::UdpSocket, time::timeout};

use super::{
    LIFETIME, Local, Router, Transport,
    soap::{self, Failure, Place, value},
};

/// Where routers listen for a search: the port, and the groups.
const SSDP: u16 = 1900;
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 255, 250);
const GROUP_IPV6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xc);

/// A router may take up to the second that it is given (MX) to answer.
const SEARCH: Duration = Duration::from_millis(2500);

/// The search is a datagram that may be lost.
const SEARCH_AGAIN: Duration = Duration::from_millis(700);

/// Who is searched for: version 2 answers to it as well.
const DEVICE: &str = "urn:schemas-upnp-org:device:InternetGatewayDevice:1";

/// Services that map ports, by any of which a router may be told.
const MAPPERS: [&str; 3] = [
    "urn:schemas-upnp-org:service:WANIPConnection:1",
    "urn:schemas-upnp-org:service:WANIPConnection:2",
    "urn:schemas-upnp-org:service:WANPPPConnection:1",
];

/// The service that opens a firewall for IPv6.
const FIREWALL: [&str; 1] = ["urn:schemas-upnp-org:service:WANIPv6FirewallControl:1"];

/// A router may have several, of which one is connected.
const MAX_SERVICES: usize = 4;

/// What the router shows to whoever looks after it. It says no more than the traffic does.
const DESCRIPTION: &str = "libp2p";

/// The port is another one's already.
const CONFLICT: u16 = 718;

/// It keeps mappings only for ever.
const ONLY_PERMANENT: u16 = 725;

/// A router that keeps mappings for ever is asked for so many of those that it has.
const MAX_LISTED: u16 = 128;

/// What was left over may take so long to be removed: what is wanted waits for it.
const REMOVING: Duration = Duration::from_secs(5);

/// So many ports are tried until one is free.
const MAX_TRIES: usize = 4;

/// A router that can be told, and what it was told.
#[derive(Debug, Clone)]
pub struct Gateway {
    place: Place,
    service: &'static str,
    /// What it calls the pinhole that it has opened.
    pinhole: Option<u16>,
    /// It keeps mappings only for ever.
    is_permanent: bool,
}

impl Gateway {
    fn new(place: Place, service: &'static str) -> Self {
        Self { place, service, pinhole: None, is_permanent: false }
    }

    /// The same with what another was told: it may be the one, at another place.
    pub fn knowing(self, other: &Self) -> Self {
        Self { pinhole: other.pinhole, is_permanent: other.is_permanent, ..self }
    }

    /// Searches for the router's.
    pub async fn find(router: Router) -> Result<Self, Failure> {
        let (socket, group) = match router.own {
            IpAddr::V4(own) => {
                let socket = UdpSocket::bind((own, 0)).await?;
                SockRef::from(&socket).set_multicast_if_v4(&own)?;
                (socket, SocketAddr::from((GROUP, SSDP)))
            }
            IpAddr::V6(_) => {
                // From an address of the link, as far as the router has one of that kind: what it
                // answers from is to be the one that it is known by.
                let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).await?;
                SockRef::from(&socket).set_multicast_if_v6(router.interface)?;
                (socket, SocketAddr::from((GROUP_IPV6, SSDP)))
            }
        };
        let search = format!(
            "M-SEARCH * HTTP/1.1\r\nHOST: {group}\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\n\
             ST: {DEVICE}\r\n\r\n"
        );
        let begun = Instant::now();
        let mut searched = None;
        while begun.elapsed() < SEARCH {
            if searched.is_none_or(|at: Instant| at.elapsed() >= SEARCH_AGAIN) {
                // A firewall may let the answer to the second in, and not that to the first.
                for to in [group, router.at(SSDP)] {
                    if let Err(error) = socket.send_to(search.as_bytes(), to).await {
                        tracing::debug!(%error, %to, "not searched for there");
                    }
                }
                searched = Some(Instant::now());
            }
            let mut answer = [0; 2048];
            let Ok(received) = timeout(SEARCH_AGAIN, socket.recv_from(&mut answer)).await else {
                continue;
            };
            let (length, from) = received?;
            let location = answer.get(..length).and_then(location);
            if let Some(location) = location.filter(|_| from == router.at(from.port()))
                && let Some(place) = place(location, router)
            {
                // It may answer more than once, also for what it is besides.
                match Self::read(&place).await {
                    Ok(found) => return Ok(found),
                    Err(error) => tracing::debug!(%error, "of no use"),
                }
            }
        }
        Err(Failure::Silent)
    }

    /// By the description that lies there: of its services, the first that is connected.
    async fn read(description: &Place) -> Result<Self, Failure> {
        for found in Self::described(description, &soap::get(description).await?)? {
            if description.router.ip.is_ipv6()
                || found.external().await.is_ok_and(|ip| !ip.is_unspecified())
            {
                return Ok(found);
            }
        }
        Err(Failure::Nonsense)
    }

    /// What a description says that lies at this place.
    fn described(at: &Place, text: &str) -> Result<Vec<Self>, Failure> {
        let document = soap::parse(text)?;
        let router = at.router;
        let services: &[_] = if router.ip.is_ipv4() { &MAPPERS } else { &FIREWALL };
        let base = value(document.root(), "URLBase").and_then(|base| base.parse().ok());
        let port = base.and_then(|base| place(base, router)).map_or(at.port, |base| base.port);
        let found = document.descendants().filter(|node| node.tag_name().name() == "service");
        let found = found.filter_map(|node| {
            let (service, control) = (value(node, "serviceType")?, value(node, "controlURL")?);
            // A whole URL, a path from the root, or (old ones) a path from a base elsewhere.
            let is_relative = !control.starts_with('/') && !control.contains("://");
            let path: Uri =
                format!("{}{control}", if is_relative { "/" } else { "" }).parse().ok()?;
            let whole = path.host().is_some();
            let place = if whole { place(path, router)? } else { Place { router, port, path } };
            let service = services.iter().find(|known| **known == service)?;
            Some(Self::new(place, service))
        });
        Ok(found.take(MAX_SERVICES).collect())
    }

    /// Has everybody let in, at this port if it is free, and returns where.
    pub async fn let_in(&mut self, local: Local, port: u16) -> Result<SocketAddr, Failure> {
        if local.address.is_ipv6() {
            self.open(local).await?;
            return Ok(local.address);
        }
        let ip = self.external().await?;
        Ok(SocketAddr::new(ip.into(), self.map(local, port).await?))
    }

    /// Has nobody let in any more.
    pub async fn shut_out(&self, local: Local, outside: SocketAddr) -> Result<(), Failure> {
        match self.pinhole {
            Some(id) => self.close(id).await,
            None => self.unmap(local.transport, outside.port()).await,
        }
    }

    /// Opens the firewall at exactly this address, or keeps it open.
    async fn open(&mut self, local: Local) -> Result<(), Failure> {
        let lifetime = LIFETIME.as_secs().to_string();
        if let Some(id) = self.pinhole {
            let known = [("UniqueID", &*id.to_string()), ("NewLeaseTime", &*lifetime)];
            match self.call("UpdatePinhole", &known).await {
                // It has forgotten it.
                Err(Failure::Refused(_)) => self.pinhole = None,
                result => return result.map(drop),
            }
        }
        // Their numbers at IANA.
        let protocol = match local.transport {
            Transport::Udp => "17",
            Transport::Tcp => "6",
        };
        let arguments = [
            ("RemoteHost", ""),
            ("RemotePort", "0"),
            ("InternalClient", &local.address.ip().to_string()),
            ("InternalPort", &local.address.port().to_string()),
            ("Protocol", protocol),
            ("LeaseTime", &lifetime),
        ];
        let answer = self.call("AddPinhole", &arguments).await?;
        let document = soap::parse(&answer)?;
        let id = value(document.root(), "UniqueID").and_then(|id| id.parse().ok());
        self.pinhole = Some(id.ok_or(Failure::Nonsense)?);
        Ok(())
    }

    async fn close(&self, id: u16) -> Result<(), Failure> {
        self.call("DeletePinhole", &[("UniqueID", &id.to_string())]).await.map(drop)
    }

    /// The router's address on the other side.
    async fn external(&self) -> Result<Ipv4Addr, Failure> {
        let answer = self.call("GetExternalIPAddress", &[]).await?;
        let document = soap::parse(&answer)?;
        let address = value(document.root(), "NewExternalIPAddress");
        address.and_then(|address| address.parse().ok()).ok_or(Failure::Nonsense)
    }

    /// Has a port mapped, this one if it is free, and returns which it is.
    async fn map(&mut self, local: Local, wanted: u16) -> Result<u16, Failure> {
        let mut port = wanted;
        for _ in 1..MAX_TRIES {
            match self.map_exactly(local, port).await {
                Err(Failure::Refused(CONFLICT)) => port = rand::random_range(10_000..60_000),
                result => return result.map(|()| port),
            }
        }
        self.map_exactly(local, port).await.map(|()| port)
    }

    async fn map_exactly(&mut self, local: Local, outside: u16) -> Result<(), Failure> {
        if !self.is_permanent {
            match self.add(local, outside, LIFETIME).await {
                Err(Failure::Refused(ONLY_PERMANENT)) => self.is_permanent = true,
                result => return result,
            }
            self.remove_leftovers(local.address.ip()).await;
        }
        // Some refuse what they have already, and another port would be one more for ever.
        if self.has(local, outside).await {
            return Ok(());
        }
        // It stays until it is given back, or found to be left over.
        self.add(local, outside, Duration::ZERO).await
    }

    /// Asks for a mapping for so long; at zero seconds for ever.
    async fn add(&self, local: Local, outside: u16, lease: Duration) -> Result<(), Failure> {
        let arguments = [
            ("NewRemoteHost", ""),
            ("NewExternalPort", &outside.to_string()),
            ("NewProtocol", word(local.transport)),
            ("NewInternalPort", &local.address.port().to_string()),
            ("NewInternalClient", &local.address.ip().to_string()),
            ("NewEnabled", "1"),
            ("NewPortMappingDescription", DESCRIPTION),
            ("NewLeaseDuration", &lease.as_secs().to_string()),
        ];
        self.call("AddPortMapping", &arguments).await.map(drop)
    }

    /// Whether this is mapped.
    async fn has(&self, local: Local, outside: u16) -> bool {
        let arguments = [
            ("NewRemoteHost", ""),
            ("NewExternalPort", &*outside.to_string()),
            ("NewProtocol", word(local.transport)),
        ];
        let answer = self.call("GetSpecificPortMappingEntry", &arguments).await;
        answer.is_ok_and(|answer| inside(&answer) == Some(local.address) && is_on(&answer))
    }

    /// A program that did not end in order has left its mappings, which would stay for ever: those
    /// to this machine that say that they are of a program of this kind, where none listens now.
    async fn remove_leftovers(&self, own: IpAddr) {
        let remove = async {
            let mut leftovers = Vec::new();
            for index in 0..MAX_LISTED {
                let arguments = [("NewPortMappingIndex", &*index.to_string())];
                let answer = self.call("GetGenericPortMappingEntry", &arguments).await;
                // There are no more, or it does not tell.
                let Ok(answer) = answer else { break };
                leftovers.extend(leftover(&answer, own));
            }
            for (transport, outside) in leftovers {
                tracing::debug!(?transport, outside, "a mapping was left over");
                if let Err(error) = self.unmap(transport, outside).await {
                    tracing::debug!(%error, "it stays");
                }
            }
        };
        let _ = timeout(REMOVING, remove).await;
    }

    /// Has it no longer mapped.
    async fn unmap(&self, transport: Transport, outside: u16) -> Result<(), Failure> {
        let arguments = [
            ("NewRemoteHost", ""),
            ("NewExternalPort", &outside.to_string()),
            ("NewProtocol", word(transport)),
        ];
        self.call("DeletePortMapping", &arguments).await.map(drop)
    }

    async fn call(&self, action: &str, arguments: &[(&str, &str)]) -> Result<String, Failure> {
        soap::call(&self.place, (self.service, action), arguments).await
    }
}

/// Where a mapping leads that a router tells of.
fn inside(entry: &str) -> Option<SocketAddr> {
    let document = soap::parse(entry).ok()?;
    let text = |name| value(document.root(), name);
    let ip: IpAddr = text("NewInternalClient")?.parse().ok()?;
    Some(SocketAddr::new(ip, text("NewInternalPort")?.parse().ok()?))
}

/// Whether a mapping has not been switched off.
fn is_on(entry: &str) -> bool {
    let document = soap::parse(entry);
    document.is_ok_and(|document| value(document.root(), "NewEnabled").is_none_or(|on| on == "1"))
}

/// The protocol and the outside port of an entry in a router's list, if it is one left over.
fn leftover(entry: &str, own: IpAddr) -> Option<(Transport, u16)> {
    let document = soap::parse(entry).ok()?;
    let text = |name| value(document.root(), name);
    let inside = inside(entry).filter(|inside| inside.ip() == own)?;
    let is_ours = text("NewPortMappingDescription") == Some(DESCRIPTION)
        && text("NewLeaseDuration") == Some("0");
    let transports = [Transport::Udp, Transport::Tcp];
    let transport = transports.into_iter().find(|one| text("NewProtocol") == Some(word(*one)))?;
    let outside = text("NewExternalPort")?.parse().ok()?;
    (is_ours && is_free(transport, inside)).then_some((transport, outside))
}

/// Whether nobody listens at this address of this machine.
fn is_free(transport: Transport, address: SocketAddr) -> bool {
    let kind = match transport {
        Transport::Udp => Type::DGRAM,
        Transport::Tcp => Type::STREAM,
    };
    let socket = Socket::new(Domain::for_address(address), kind, None);
    socket.and_then(|socket| socket.bind(&address.into())).is_ok()
}

fn word(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "UDP",
        Transport::Tcp => "TCP",
    }
}

/// Where an answer to the search says that the description is.
fn location(answer: &[u8]) -> Option<Uri> {
    let text = std::str::from_utf8(answer).ok()?;
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    let (_, location) = lines.find(|(name, _)| name.trim().eq_ignore_ascii_case("location"))?;
    location.trim().parse().ok()
}

/// What a URL leads to, if that is the router itself. Over IPv6 it may name another address of its
/// than that of the link, by which it is known; it is gone to by that.
fn place(url: Uri, router: Router) -> Option<Place> {
    let host = url.host()?;
    let is_router = match router.ip {
        IpAddr::V4(ip) => host.parse() == Ok(ip),
        IpAddr::V6(_) => {
            let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
            inner.is_some_and(|host| host.parse::<Ipv6Addr>().is_ok())
        }
    };
    let is_http = url.scheme_str() == Some("http");
    let port = url.port_u16().unwrap_or(80);
    (is_router && is_http).then_some(Place { router, port, path: url })
}

#[cfg(test)]
mod tests;
