//! A router that speaks UPnP: it is searched for by multicast (SSDP), says where it can be told
//! what (a document), and is told by SOAP to map a port
//! (UPnP Forum, `InternetGatewayDevice:1`, service `WANIPConnection:1`).
//!
//! The crates for this believe whoever answers first, go wherever he says, and read whatever
//! comes; here only the default gateway counts, and only its own address.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddrV4},
    time::{Duration, Instant},
};

use hyper::Uri;
use socket2::SockRef;
use tokio::{net::UdpSocket, time::timeout};

use super::{
    LIFETIME, Local, Router, Transport,
    soap::{self, Failure, Place, value},
};

/// Where routers listen for a search.
const SSDP: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(239, 255, 255, 250), 1900);

/// A router may take up to the second that it is given (MX) to answer.
const SEARCH: Duration = Duration::from_millis(2500);

/// The search is a datagram that may be lost.
const SEARCH_AGAIN: Duration = Duration::from_millis(700);

/// Who is searched for: version 2 answers to it as well.
const DEVICE: &str = "urn:schemas-upnp-org:device:InternetGatewayDevice:1";

/// Services that map ports, by any of which a router may be told.
const SERVICES: [&str; 3] = [
    "urn:schemas-upnp-org:service:WANIPConnection:1",
    "urn:schemas-upnp-org:service:WANIPConnection:2",
    "urn:schemas-upnp-org:service:WANPPPConnection:1",
];

/// A router may have several, of which one is connected.
const MAX_SERVICES: usize = 4;

/// What the router shows to whoever looks after it. It says no more than the traffic does.
const DESCRIPTION: &str = "libp2p";

/// The port is another one's already.
const CONFLICT: u16 = 718;

/// So many ports are tried until one is free.
const MAX_TRIES: usize = 4;

/// A router that can be told.
#[derive(Debug, Clone)]
pub struct Gateway {
    place: Place,
    service: String,
}

impl Gateway {
    /// Searches for the router's.
    pub async fn find(router: Router) -> Result<Self, Failure> {
        let IpAddr::V4(own) = router.own else { return Err(Failure::Silent) };
        let socket = UdpSocket::bind((own, 0)).await?;
        SockRef::from(&socket).set_multicast_if_v4(&own)?;
        let search = format!(
            "M-SEARCH * HTTP/1.1\r\nHOST: {SSDP}\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\n\
             ST: {DEVICE}\r\n\r\n"
        );
        let begun = Instant::now();
        let mut searched = None;
        while begun.elapsed() < SEARCH {
            if searched.is_none_or(|at: Instant| at.elapsed() >= SEARCH_AGAIN) {
                // A firewall may let the answer to the second in, and not that to the first.
                for to in [SSDP.into(), router.at(SSDP.port())] {
                    socket.send_to(search.as_bytes(), to).await?;
                }
                searched = Some(Instant::now());
            }
            let mut answer = [0; 2048];
            let Ok(received) = timeout(SEARCH_AGAIN, socket.recv_from(&mut answer)).await else {
                continue;
            };
            let (length, from) = received?;
            let location = answer.get(..length).and_then(location);
            if let Some(location) = location.filter(|_| from.ip() == router.ip)
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
            if found.external().await.is_ok_and(|ip| !ip.is_unspecified()) {
                return Ok(found);
            }
        }
        Err(Failure::Nonsense)
    }

    /// What a description says that lies at this place.
    fn described(at: &Place, text: &str) -> Result<Vec<Self>, Failure> {
        let document = soap::parse(text)?;
        let router = at.router;
        let base = value(document.root(), "URLBase").and_then(|base| base.parse().ok());
        let port = base.and_then(|base| place(base, router)).map_or(at.port, |base| base.port);
        let services = document.descendants().filter(|node| node.tag_name().name() == "service");
        let services = services.filter_map(|node| {
            let (service, control) = (value(node, "serviceType")?, value(node, "controlURL")?);
            // A whole URL, a path from the root, or (old ones) a path from a base elsewhere.
            let is_relative = !control.starts_with('/') && !control.contains("://");
            let path: Uri =
                format!("{}{control}", if is_relative { "/" } else { "" }).parse().ok()?;
            let whole = path.host().is_some();
            let place = if whole { place(path, router)? } else { Place { router, port, path } };
            let is_known = SERVICES.contains(&service);
            is_known.then(|| Self { place, service: service.to_owned() })
        });
        Ok(services.take(MAX_SERVICES).collect())
    }

    /// The router's address on the other side.
    pub async fn external(&self) -> Result<Ipv4Addr, Failure> {
        let answer = self.call("GetExternalIPAddress", &[]).await?;
        let document = soap::parse(&answer)?;
        let address = value(document.root(), "NewExternalIPAddress");
        address.and_then(|address| address.parse().ok()).ok_or(Failure::Nonsense)
    }

    /// Has a port mapped, this one if it is free, and returns which it is.
    pub async fn map(&self, local: Local, wanted: u16) -> Result<u16, Failure> {
        let mut port = wanted;
        for _ in 1..MAX_TRIES {
            match self.map_exactly(local, port).await {
                Err(Failure::Refused(CONFLICT)) => port = rand::random_range(10_000..60_000),
                result => return result.map(|()| port),
            }
        }
        self.map_exactly(local, port).await.map(|()| port)
    }

    async fn map_exactly(&self, local: Local, outside: u16) -> Result<(), Failure> {
        let arguments = [
            ("NewRemoteHost", ""),
            ("NewExternalPort", &outside.to_string()),
            ("NewProtocol", word(local.transport)),
            ("NewInternalPort", &local.address.port().to_string()),
            ("NewInternalClient", &local.address.ip().to_string()),
            ("NewEnabled", "1"),
            ("NewPortMappingDescription", DESCRIPTION),
            // Some keep mappings only for ever (error 725). None is better than one that stays.
            ("NewLeaseDuration", &LIFETIME.as_secs().to_string()),
        ];
        self.call("AddPortMapping", &arguments).await.map(drop)
    }

    /// Has it no longer mapped.
    pub async fn unmap(&self, transport: Transport, outside: u16) -> Result<(), Failure> {
        let arguments = [
            ("NewRemoteHost", ""),
            ("NewExternalPort", &outside.to_string()),
            ("NewProtocol", word(transport)),
        ];
        self.call("DeletePortMapping", &arguments).await.map(drop)
    }

    async fn call(&self, action: &str, arguments: &[(&str, &str)]) -> Result<String, Failure> {
        soap::call(&self.place, (&self.service, action), arguments).await
    }
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

/// What a URL leads to, if that is the router itself.
fn place(url: Uri, router: Router) -> Option<Place> {
    let is_router = url.host()?.parse() == Ok(router.ip);
    let is_http = url.scheme_str() == Some("http");
    let port = url.port_u16().unwrap_or(80);
    (is_router && is_http).then_some(Place { router, port, path: url })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTER: Router = Router {
        ip: IpAddr::V4(Ipv4Addr::new(192, 168, 1, 1)),
        scope: 0,
        own: IpAddr::V4(Ipv4Addr::new(192, 168, 1, 7)),
    };

    fn described(head: &str, service: &str, control: &str) -> Option<(String, String)> {
        let text = format!(
            "<root xmlns=\"urn:schemas-upnp-org:device-1-0\">{head}<device><deviceList><device>\
             <serviceList><service><serviceType>urn:schemas-upnp-org:service:Layer3Forwarding:1\
             </serviceType><controlURL>/l3f</controlURL></service><service><serviceType>{service}\
             </serviceType><controlURL>{control}</controlURL></service></serviceList></device>\
             </deviceList></device></root>"
        );
        let at = Place { router: ROUTER, port: 5000, path: Uri::from_static("/d.xml") };
        let found = Gateway::described(&at, &text).ok()?;
        let [Gateway { place, .. }] = found.as_slice() else { return None };
        Some((place.router.at(place.port).to_string(), place.path.path().to_owned()))
    }

    #[test]
    fn a_router_says_where_it_is_told() {
        let [ip, _, ppp] = SERVICES;
        let whole = "http://192.168.1.1:49152/ctl";
        let base = "<URLBase>http://192.168.1.1:80/</URLBase>";
        for (head, service, control, address, path) in [
            ("", ip, "/ctl/IPConn", "192.168.1.1:5000", "/ctl/IPConn"),
            ("", ppp, "ctl", "192.168.1.1:5000", "/ctl"),
            ("", ip, whole, "192.168.1.1:49152", "/ctl"),
            (base, ip, "/ctl", "192.168.1.1:80", "/ctl"),
        ] {
            let found = described(head, service, control).unwrap();
            assert_eq!(found, (address.to_owned(), path.to_owned()), "{control}");
        }
    }

    #[test]
    fn a_router_leads_nowhere_else() {
        let [ip, ..] = SERVICES;
        for (service, control) in [
            (ip, "http://192.168.1.2/ctl"),
            (ip, "http://203.0.113.1/ctl"),
            (ip, "http://router.example/ctl"),
            (ip, "https://192.168.1.1/ctl"),
            (ip, "http://[::1]/ctl"),
            (ip, "\u{0}"),
            ("urn:schemas-upnp-org:service:WANIPv6FirewallControl:1", "/ctl"),
        ] {
            assert_eq!(described("", service, control), None, "{control}");
        }
        let elsewhere = "<URLBase>http://203.0.113.1/</URLBase>";
        let found = described(elsewhere, ip, "/ctl").unwrap();
        assert_eq!(found.0, "192.168.1.1:5000");
    }

    #[test]
    fn where_the_description_is() {
        let at = |answer: &str| {
            let place = location(answer.as_bytes()).and_then(|url| place(url, ROUTER))?;
            Some(place.router.at(place.port).to_string())
        };
        let answer = "HTTP/1.1 200 OK\r\nST: x\r\nLocation: http://192.168.1.1:5000/d.xml\r\n\r\n";
        assert_eq!(at(answer).as_deref(), Some("192.168.1.1:5000"));
        for bad in ["", "LOCATION", "LOCATION: /d.xml", "LOCATION: http://192.168.1.7/d.xml"] {
            assert_eq!(at(bad), None, "{bad}");
        }
        assert_eq!(location(b"LOCATION: http://192.168.1.1/\xff"), None);
    }
}
