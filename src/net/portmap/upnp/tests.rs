//! What routers say, and what one is told that keeps mappings and pinholes.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;

const ROUTER: Router = Router {
    ip: IpAddr::V4(Ipv4Addr::new(192, 168, 1, 1)),
    interface: 3,
    own: IpAddr::V4(Ipv4Addr::new(192, 168, 1, 7)),
};

const ROUTER_IPV6: Router = Router {
    ip: IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1)),
    interface: 3,
    own: IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7)),
};

fn described(head: &str, service: &str, control: &str) -> Option<(String, String)> {
    described_by(ROUTER, head, service, control)
}

fn described_by(
    router: Router,
    head: &str,
    service: &str,
    control: &str,
) -> Option<(String, String)> {
    let text = format!(
        "<root xmlns=\"urn:schemas-upnp-org:device-1-0\">{head}<device><deviceList><device>\
         <serviceList><service><serviceType>urn:schemas-upnp-org:service:Layer3Forwarding:1\
         </serviceType><controlURL>/l3f</controlURL></service><service><serviceType>{service}\
         </serviceType><controlURL>{control}</controlURL></service></serviceList></device>\
         </deviceList></device></root>"
    );
    let at = Place { router, port: 5000, path: Uri::from_static("/d.xml") };
    let found = Gateway::described(&at, &text).ok()?;
    let [Gateway { place, .. }] = found.as_slice() else { return None };
    Some((place.router.at(place.port).to_string(), place.path.path().to_owned()))
}

#[test]
fn a_router_says_where_it_is_told() {
    let [ip, _, ppp] = MAPPERS;
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
    let [ip, ..] = MAPPERS;
    for (service, control) in [
        (ip, "http://192.168.1.2/ctl"),
        (ip, "http://203.0.113.1/ctl"),
        (ip, "http://router.example/ctl"),
        (ip, "https://192.168.1.1/ctl"),
        (ip, "http://[::1]/ctl"),
        (ip, "\u{0}"),
        (FIREWALL[0], "/ctl"),
    ] {
        assert_eq!(described("", service, control), None, "{control}");
    }
    let elsewhere = "<URLBase>http://203.0.113.1/</URLBase>";
    let found = described(elsewhere, ip, "/ctl").unwrap();
    assert_eq!(found.0, "192.168.1.1:5000");
}

#[test]
fn over_ipv6_a_router_is_gone_to_by_the_address_that_it_is_known_by() {
    let own = "[fe80::1%3]:49152";
    for (service, control, address) in [
        (FIREWALL[0], "http://[2001:db8::1]:49152/ctl", Some(own)),
        (FIREWALL[0], "http://[fe80::1]:49152/ctl", Some(own)),
        (FIREWALL[0], "/ctl", Some("[fe80::1%3]:5000")),
        (FIREWALL[0], "http://192.168.1.1:49152/ctl", None),
        (FIREWALL[0], "http://router.example:49152/ctl", None),
        (FIREWALL[0], "https://[2001:db8::1]:49152/ctl", None),
        (MAPPERS[0], "/ctl", None),
    ] {
        let found = described_by(ROUTER_IPV6, "", service, control);
        assert_eq!(found.as_ref().map(|(at, _)| at.as_str()), address, "{control}");
    }
    let base = "<URLBase>http://192.168.1.1:80/</URLBase>";
    let found = described_by(ROUTER_IPV6, base, FIREWALL[0], "/ctl").unwrap();
    assert_eq!(found.0, "[fe80::1%3]:5000");
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

/// A router that can be told by UPnP, and keeps what it was told.
struct Igd {
    /// Outside port, protocol, inside address, description, lease.
    mappings: Vec<(u16, String, SocketAddr, String, u32)>,
    /// Id, inside address, lease.
    pinholes: Vec<(u16, SocketAddr, u32)>,
    /// It keeps mappings only for ever.
    is_permanent: bool,
    /// All actions that it was told.
    told: Vec<String>,
}

impl Igd {
    /// A router on this address, and a way to look into it.
    async fn start(ip: IpAddr, is_permanent: bool) -> (Gateway, Arc<Mutex<Self>>) {
        let listener = TcpListener::bind((ip, 0)).await.unwrap();
        let place = Place {
            router: Router { ip, interface: 0, own: ip },
            port: listener.local_addr().unwrap().port(),
            path: Uri::from_static("/ctl"),
        };
        let igd = Self { mappings: vec![], pinholes: vec![], is_permanent, told: vec![] };
        let igd = Arc::new(Mutex::new(igd));
        let served = Arc::clone(&igd);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let request = request(&mut stream).await;
                let (status, body) = match served.lock().unwrap().answer(&request) {
                    Ok(body) => ("200 OK", body),
                    Err(code) => ("500 No", format!("<errorCode>{code}</errorCode>")),
                };
                let body = format!("<a>{body}</a>");
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
                stream.write_all((head + &body).as_bytes()).await.unwrap();
            }
        });
        let service = if ip.is_ipv4() { MAPPERS[0] } else { FIREWALL[0] };
        (Gateway::new(place, service), igd)
    }

    fn answer(&mut self, request: &str) -> Result<String, u16> {
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let action = head.split_once('#').unwrap().1.split('"').next().unwrap();
        self.told.push(action.to_owned());
        let document = soap::parse(body).unwrap();
        let text = |name| value(document.root(), name).unwrap_or_default().to_owned();
        let number = |name| text(name).parse::<u32>().unwrap();
        let port = |name| text(name).parse::<u16>().unwrap();
        match action {
            "GetExternalIPAddress" => {
                Ok("<NewExternalIPAddress>203.0.113.7</NewExternalIPAddress>".to_owned())
            }
            "AddPortMapping" => {
                let (outside, protocol) = (port("NewExternalPort"), text("NewProtocol"));
                let (client, lease) = (text("NewInternalClient"), number("NewLeaseDuration"));
                if self.is_permanent && lease > 0 {
                    return Err(725);
                }
                let inside = SocketAddr::new(client.parse().unwrap(), port("NewInternalPort"));
                if self.mappings.iter().any(|one| (one.0, &one.1) == (outside, &protocol)) {
                    // It takes nothing twice.
                    return Err(CONFLICT);
                }
                let description = text("NewPortMappingDescription");
                self.mappings.push((outside, protocol, inside, description, lease));
                Ok(String::new())
            }
            "DeletePortMapping" => {
                let (outside, protocol) = (port("NewExternalPort"), text("NewProtocol"));
                let before = self.mappings.len();
                self.mappings.retain(|one| (one.0, &one.1) != (outside, &protocol));
                if self.mappings.len() < before { Ok(String::new()) } else { Err(714) }
            }
            "GetSpecificPortMappingEntry" => {
                let (outside, protocol) = (port("NewExternalPort"), text("NewProtocol"));
                let mut found = self.mappings.iter();
                let found = found.find(|one| (one.0, &one.1) == (outside, &protocol));
                let (.., inside, _, _) = found.ok_or(714_u16)?;
                Ok(format!(
                    "<NewInternalPort>{}</NewInternalPort>\
                     <NewInternalClient>{}</NewInternalClient>",
                    inside.port(),
                    inside.ip()
                ))
            }
            "GetGenericPortMappingEntry" => {
                let at = usize::from(port("NewPortMappingIndex"));
                let (outside, protocol, inside, description, lease) =
                    self.mappings.get(at).ok_or(713_u16)?;
                Ok(format!(
                    "<NewRemoteHost></NewRemoteHost><NewExternalPort>{outside}</NewExternalPort>\
                     <NewProtocol>{protocol}</NewProtocol>\
                     <NewInternalPort>{}</NewInternalPort>\
                     <NewInternalClient>{}</NewInternalClient><NewEnabled>1</NewEnabled>\
                     <NewPortMappingDescription>{description}</NewPortMappingDescription>\
                     <NewLeaseDuration>{lease}</NewLeaseDuration>",
                    inside.port(),
                    inside.ip()
                ))
            }
            "AddPinhole" => {
                let client = text("InternalClient").parse().unwrap();
                let id = 7 + u16::try_from(self.told.len()).unwrap();
                let inside = SocketAddr::new(client, port("InternalPort"));
                self.pinholes.push((id, inside, number("LeaseTime")));
                Ok(format!("<UniqueID>{id}</UniqueID>"))
            }
            "UpdatePinhole" => {
                let id = port("UniqueID");
                let known = self.pinholes.iter_mut().find(|known| known.0 == id).ok_or(704_u16)?;
                known.2 = number("NewLeaseTime");
                Ok(String::new())
            }
            "DeletePinhole" => {
                let id = port("UniqueID");
                self.pinholes.retain(|known| known.0 != id);
                Ok(String::new())
            }
            _ => Err(401),
        }
    }
}

/// A whole request.
async fn request(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    loop {
        let length = stream.read(&mut buffer).await.unwrap();
        assert!(length > 0, "the request breaks off");
        text.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let head = head.to_ascii_lowercase();
        let expected = head.split_once("content-length: ").unwrap().1;
        if body.len() >= expected.split("\r\n").next().unwrap().parse().unwrap() {
            return text;
        }
    }
}

fn local(ip: &str, transport: Transport, port: u16) -> Local {
    Local { transport, address: SocketAddr::new(ip.parse().unwrap(), port) }
}

#[tokio::test]
async fn a_pinhole_is_opened_renewed_opened_again_and_closed() {
    let (mut gateway, igd) = Igd::start(Ipv6Addr::LOCALHOST.into(), false).await;
    let local = local("2001:db8::7", Transport::Udp, 4001);
    let pinholes = || igd.lock().unwrap().pinholes.clone();
    assert_eq!(gateway.let_in(local, 4001).await.unwrap(), local.address);
    assert_eq!(pinholes().len(), 1);
    assert_eq!((pinholes()[0].1, pinholes()[0].2), (local.address, 1200));
    let first = pinholes();
    igd.lock().unwrap().pinholes[0].2 = 1;
    gateway.let_in(local, 4001).await.unwrap();
    assert_eq!(pinholes(), first, "the same, for as long again");
    igd.lock().unwrap().pinholes.clear();
    gateway.let_in(local, 4001).await.unwrap();
    assert_eq!(pinholes().len(), 1, "it had forgotten");
    gateway.shut_out(local, local.address).await.unwrap();
    assert_eq!(pinholes(), []);
    let told = igd.lock().unwrap().told.join(" ");
    assert_eq!(told, "AddPinhole UpdatePinhole UpdatePinhole AddPinhole DeletePinhole");
}

/// What a router has mapped: the outside port, the inside one, and for how long.
fn mapped(igd: &Mutex<Igd>) -> Vec<(u16, u16, u32)> {
    let igd = igd.lock().unwrap();
    igd.mappings.iter().map(|one| (one.0, one.2.port(), one.4)).collect()
}

#[tokio::test]
async fn a_router_that_keeps_mappings_only_for_ever_is_told_to_and_then_to_forget_them() {
    let ip = Ipv4Addr::LOCALHOST.into();
    let local = local("127.0.0.1", Transport::Udp, 4001);
    let (mut gateway, igd) = Igd::start(ip, false).await;
    gateway.let_in(local, 4002).await.unwrap();
    assert_eq!(mapped(&igd), [(4002, 4001, 1200)], "not for ever where that need not be");

    let (mut gateway, igd) = Igd::start(ip, true).await;
    let outside = gateway.let_in(local, 4002).await.unwrap();
    assert_eq!(outside, "203.0.113.7:4002".parse().unwrap());
    assert_eq!(mapped(&igd), [(4002, 4001, 0)]);
    assert_eq!(gateway.let_in(local, 4002).await.unwrap(), outside, "it is still there");
    assert_eq!(mapped(&igd), [(4002, 4001, 0)]);
    igd.lock().unwrap().mappings.clear();
    gateway.let_in(local, 4002).await.unwrap();
    assert_eq!(mapped(&igd), [(4002, 4001, 0)], "it had forgotten");
    // What has become somebody else's is left to him.
    igd.lock().unwrap().mappings[0].2.set_port(9);
    let other = gateway.let_in(local, 4002).await.unwrap();
    assert_eq!(mapped(&igd), [(4002, 9, 0), (other.port(), 4001, 0)]);
    gateway.shut_out(local, other).await.unwrap();
    assert_eq!(mapped(&igd), [(4002, 9, 0)]);
    let told = igd.lock().unwrap().told.join(" ");
    assert_eq!(told.matches("GetGenericPortMappingEntry").count(), 1, "looked for once");
}

#[test]
fn a_mapping_that_was_switched_off_is_none() {
    for (enabled, expected) in
        [("", true), ("<NewEnabled>1</NewEnabled>", true), ("<NewEnabled>0</NewEnabled>", false)]
    {
        assert_eq!(is_on(&format!("<a>{enabled}</a>")), expected, "{enabled}");
    }
}

// An address at which nobody else takes a port: of loopback, Linux has many.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_a_program_that_was_killed_has_left_for_ever_is_removed() {
    const OWN: &str = "127.53.52.1";
    let ip = OWN.parse().unwrap();
    let (mut gateway, igd) = Igd::start(ip, true).await;
    let gone = std::net::UdpSocket::bind((ip, 0)).unwrap().local_addr().unwrap().port();
    let listens = std::net::TcpListener::bind((ip, 0)).unwrap();
    let listening = listens.local_addr().unwrap().port();
    let one = |outside, protocol: &str, inside, description: &str, lease| {
        (outside, protocol.to_owned(), inside, description.to_owned(), lease)
    };
    let at = |port| SocketAddr::new(ip, port);
    let other = SocketAddr::new([127, 0, 0, 2].into(), gone);
    igd.lock().unwrap().mappings = vec![
        // Left over, of which nobody listens to the port any more.
        one(1, "UDP", at(gone), DESCRIPTION, 0),
        one(2, "TCP", at(gone), DESCRIPTION, 0),
        // Somebody else's, another machine's, that of one that runs, and one that ends by itself.
        one(3, "UDP", at(gone), "a game", 0),
        one(4, "UDP", other, DESCRIPTION, 0),
        one(5, "TCP", at(listening), DESCRIPTION, 0),
        one(6, "UDP", at(gone), DESCRIPTION, 600),
        one(7, "SCTP", at(gone), DESCRIPTION, 0),
    ];
    gateway.let_in(local(OWN, Transport::Udp, 4001), 4002).await.unwrap();
    let left: Vec<_> = mapped(&igd).into_iter().map(|(outside, ..)| outside).collect();
    assert_eq!(left, [3, 4, 5, 6, 7, 4002]);
}

#[tokio::test]
async fn a_router_that_lists_mappings_without_end_is_left() {
    let ip = IpAddr::from(Ipv4Addr::LOCALHOST);
    let (mut gateway, igd) = Igd::start(ip, true).await;
    let game = (9, "UDP".to_owned(), SocketAddr::new(ip, 9), "a game".to_owned(), 0);
    igd.lock().unwrap().mappings = vec![game; 3 * usize::from(MAX_LISTED)];
    gateway.let_in(local("127.0.0.1", Transport::Udp, 4001), 4002).await.unwrap();
    let told = igd.lock().unwrap().told.clone();
    let listed = told.iter().filter(|action| *action == "GetGenericPortMappingEntry").count();
    assert_eq!(listed, usize::from(MAX_LISTED));
}
