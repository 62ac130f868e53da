//! A small internet: public hosts on one bridge, and sites behind routers with NATs of all kinds
//! (RFC 4787), each host and router a network namespace.
//!
//! ```text
//! public 203.0.113.11, .12 ─┬─ wan (bridge; packets with few hops left die here)
//! site s: router 203.0.113.100+s ─┘
//!   └─ lan0 10.s.0.1 ── hosts 10.s.0.10, .11
//! carrier: router ── 100.64.s.0/24 ── second router
//! ```

mod delay;
pub mod probe;
mod ruleset;

use std::{
    fmt,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use self::{delay::Delay, probe::Seen, ruleset::ruleset};
use super::lab::{add_namespace, output, run};

/// Packets with fewer hops left die on the way between sites: the world is wide.
const CORE_HOPS: u8 = 4;

/// The kind of a site's router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Nat {
    /// A public address, nothing in between.
    None,
    /// A public address behind a stateful firewall.
    Firewall,
    /// Endpoint-independent mapping and filtering.
    FullCone,
    /// Endpoint-independent mapping, address-dependent filtering.
    Restricted,
    /// Endpoint-independent mapping, address- and port-dependent filtering.
    PortRestricted,
    /// The same, and the outside port is another one than the inside port.
    OtherPorts,
    /// The same as port-restricted, and what comes too early makes the router take the port.
    OpenInput,
    /// Another random port for each destination.
    Symmetric,
    /// The next port for each destination.
    Counting,
    /// A port-restricted router behind another one.
    Carrier,
    /// A port-restricted router behind a symmetric one.
    CarrierSymmetric,
    /// Only TCP gets out.
    UdpBlocked,
}

impl Nat {
    /// All kinds.
    pub const ALL: [Self; 12] = [
        Self::None,
        Self::Firewall,
        Self::FullCone,
        Self::Restricted,
        Self::PortRestricted,
        Self::OtherPorts,
        Self::OpenInput,
        Self::Symmetric,
        Self::Counting,
        Self::Carrier,
        Self::CarrierSymmetric,
        Self::UdpBlocked,
    ];

    /// Whether ports cannot be foreseen.
    pub fn is_symmetric(self) -> bool {
        matches!(self, Self::Symmetric | Self::CarrierSymmetric)
    }

    /// What a probe sees of it.
    fn looks_like(self, seen: &Seen) -> bool {
        let Seen::Through { mapping, filtering, preserves_port } = seen else {
            return self == Self::UdpBlocked;
        };
        let (independent, filter) = match self {
            Self::None | Self::FullCone => (true, "none"),
            Self::Restricted => (true, "address"),
            Self::Firewall
            | Self::PortRestricted
            | Self::OtherPorts
            | Self::OpenInput
            | Self::Carrier => (true, "port"),
            Self::Symmetric | Self::Counting | Self::CarrierSymmetric => (false, "port"),
            Self::UdpBlocked => return false,
        };
        (*mapping == "endpoint-independent") == independent
            && *filtering == filter
            && (self != Self::OtherPorts || !preserves_port)
    }
}

impl fmt::Display for Nat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "none",
            Self::Firewall => "firewall",
            Self::FullCone => "full-cone",
            Self::Restricted => "restricted",
            Self::PortRestricted => "port-restricted",
            Self::OtherPorts => "other-ports",
            Self::OpenInput => "open-input",
            Self::Symmetric => "symmetric",
            Self::Counting => "counting",
            Self::Carrier => "cgnat",
            Self::CarrierSymmetric => "cgnat-symmetric",
            Self::UdpBlocked => "udp-blocked",
        })
    }
}

/// Hosts behind a router.
pub struct Site {
    pub nat: Nat,
    /// Their namespaces.
    pub hosts: Vec<String>,
    /// The namespaces of its routers, the outermost last.
    pub routers: Vec<String>,
}

/// See the module's documentation.
pub struct Internet {
    pub wan: String,
    /// The namespaces of public hosts, and their addresses.
    pub public: Vec<(String, String)>,
    pub sites: Vec<Site>,
    namespaces: Vec<String>,
    name: String,
    plugs: u32,
    delay: Option<Delay>,
}

impl Internet {
    /// Two public hosts, and a site of so many hosts for each of these.
    pub fn new(sites: &[(Nat, u8)]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("n{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let wan = format!("{name}-wan");
        let mut internet = Self {
            wan: wan.clone(),
            public: Vec::new(),
            sites: Vec::new(),
            namespaces: Vec::new(),
            name,
            plugs: 0,
            delay: None,
        };
        internet.namespace("wan");
        bridge(&wan, "br0");
        nft(
            &wan,
            &format!(
                "table bridge core {{\nchain core {{\ntype filter hook forward priority 0;\n\
                 ether type ip ip ttl < {CORE_HOPS} drop\n}}\n}}"
            ),
        );
        for host in [11, 12] {
            let namespace = internet.namespace(&format!("pub{host}"));
            let address = format!("203.0.113.{host}");
            internet.attach_to_wan(&namespace, "eth0", &address);
            internet.public.push((namespace, address));
        }
        for (number, (nat, hosts)) in (1..).zip(sites) {
            internet.add_site(number, *nat, *hosts);
        }
        internet
    }

    fn namespace(&mut self, name: &str) -> String {
        let name = format!("{}-{name}", self.name);
        add_namespace(&name);
        self.namespaces.push(name.clone());
        name
    }

    fn attach_to_wan(&mut self, namespace: &str, interface: &str, address: &str) {
        self.plugs += 1;
        let (wan, plug) = (self.wan.clone(), format!("p{}", self.plugs));
        cable((namespace, interface), (&wan, &plug));
        run(&format!(
            "ip -n {wan} link set {plug} master br0 && \
             ip -n {namespace} addr add {address}/24 dev {interface}"
        ));
    }

    fn add_site(&mut self, number: u8, nat: Nat, hosts: u8) {
        let outside = format!("203.0.113.{}", 100 + number);
        if nat == Nat::None {
            let host = self.namespace(&format!("s{number}-1"));
            self.attach_to_wan(&host, "eth0", &outside);
            self.route_to_firewalls(&host);
            self.sites.push(Site { nat, hosts: vec![host], routers: Vec::new() });
            return;
        }
        let router = self.namespace(&format!("r{number}"));
        run(&format!("ip netns exec {router} sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'"));
        bridge(&router, "lan0");
        // A firewall has public addresses inside.
        let inside = match nat {
            Nat::Firewall => format!("198.51.{number}"),
            _ => format!("10.{number}.0"),
        };
        run(&format!("ip -n {router} addr add {inside}.1/24 dev lan0"));
        let mut names = Vec::new();
        for n in 1..=hosts {
            let host = self.namespace(&format!("s{number}-{n}"));
            cable((&host, "eth0"), (&router, &format!("h{n}")));
            run(&format!(
                "ip -n {router} link set h{n} master lan0 && \
                 ip -n {host} addr add {inside}.{}/24 dev eth0 && \
                 ip -n {host} route add default via {inside}.1",
                9 + n
            ));
            names.push(host);
        }
        let mut routers = vec![router.clone()];
        if matches!(nat, Nat::Carrier | Nat::CarrierSymmetric) {
            let carrier = self.namespace(&format!("c{number}"));
            run(&format!("ip netns exec {carrier} sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'"));
            cable((&router, "wan0"), (&carrier, "lan0"));
            let between = format!("100.64.{number}");
            run(&format!(
                "ip -n {router} addr add {between}.2/24 dev wan0 && \
                 ip -n {router} route add default via {between}.1 && \
                 ip -n {carrier} addr add {between}.1/24 dev lan0"
            ));
            self.attach_to_wan(&carrier, "wan0", &outside);
            nft(&router, &ruleset(Nat::PortRestricted, &format!("{between}.2")));
            let kind = if nat == Nat::Carrier { Nat::PortRestricted } else { Nat::Symmetric };
            nft(&carrier, &ruleset(kind, &outside));
            routers.push(carrier);
        } else {
            self.attach_to_wan(&router, "wan0", &outside);
            nft(&router, &ruleset(nat, &outside));
        }
        if nat == Nat::Firewall {
            for other in self.namespaces.clone() {
                // Whoever has an address on the wan reaches what is behind it.
                let _ = output(
                    Command::new("ip")
                        .args(["-n", &other, "route", "add", &format!("{inside}.0/24")])
                        .args(["via", &outside]),
                );
            }
        }
        self.route_to_firewalls(routers.last().unwrap_or(&router));
        self.sites.push(Site { nat, hosts: names, routers });
    }

    fn route_to_firewalls(&self, namespace: &str) {
        for (number, site) in (1..).zip(&self.sites) {
            if site.nat == Nat::Firewall {
                run(&format!(
                    "ip -n {namespace} route add 198.51.{number}.0/24 via 203.0.113.{}",
                    100 + number
                ));
            }
        }
    }

    /// Fails unless each site's routers do what their kind says.
    pub fn check(&self) {
        for site in &self.sites {
            let seen = probe::look(&self.public, &site.hosts[0]);
            assert!(site.nat.looks_like(&seen), "{} looks like {seen:?}", site.nat);
        }
    }

    /// A site's routers forget a mapping after so many seconds of silence.
    pub fn forget_after(&self, site: usize, seconds: u32) {
        for router in &self.sites[site].routers {
            for name in ["nf_conntrack_udp_timeout", "nf_conntrack_udp_timeout_stream"] {
                let file = format!("/proc/sys/net/netfilter/{name}");
                run(&format!("ip netns exec {router} sh -c 'echo {seconds} > {file}'"));
            }
        }
    }

    /// Bytes that a namespace has received and sent on an interface.
    pub fn traffic(namespace: &str, interface: &str) -> u64 {
        let text = run(&format!("ip netns exec {namespace} cat /proc/net/dev"));
        let line = text.lines().find_map(|l| l.trim().strip_prefix(&format!("{interface}:")));
        let fields = line.unwrap().split_whitespace().map(|f| f.parse::<u64>().unwrap());
        let fields: Vec<_> = fields.collect();
        fields[0] + fields[8]
    }

    /// From now on, any way between two sites or public hosts takes so long, one way.
    pub fn delay(&mut self, one_way: Duration) {
        assert!(self.delay.is_none(), "the delay is set once");
        let delay = Delay::new(one_way / 2);
        let Self { wan, name, .. } = &*self;
        for plug in 1..=self.plugs {
            // Each plug gets a switch of its own, and from there a long cable to the core.
            let [near, far] = [format!("{name}-n{plug}"), format!("{name}-f{plug}")];
            delay.cable([&near, &far]);
            bridge(wan, &format!("br{plug}"));
            run(&format!(
                "ip link set {near} netns {wan} && ip link set {far} netns {wan} && \
                 ip -n {wan} link set {near} master br{plug} up && \
                 ip -n {wan} link set {far} master br0 up && \
                 ip -n {wan} link set p{plug} master br{plug}"
            ));
        }
        self.delay = Some(delay);
    }

    /// Each router of a site drops so many packets of a hundred, both ways.
    pub fn lose(&self, site: usize, percent: u8) {
        let router = self.sites[site].routers.last().unwrap();
        nft(router, &format!("add rule ip nat loss numgen random mod 100 < {percent} drop"));
    }
}

impl Drop for Internet {
    fn drop(&mut self) {
        for name in &self.namespaces {
            let _ = output(Command::new("ip").args(["netns", "del", name]));
        }
    }
}

/// A cable between two namespaces.
fn cable((a, a_interface): (&str, &str), (b, b_interface): (&str, &str)) {
    run(&format!(
        "ip link add {a_interface} netns {a} type veth peer name {b_interface} netns {b} && \
         ip -n {a} link set {a_interface} up && ip -n {b} link set {b_interface} up"
    ));
}

fn bridge(namespace: &str, name: &str) {
    run(&format!(
        "ip -n {namespace} link add {name} type bridge mcast_snooping 0 && \
         ip -n {namespace} link set {name} up"
    ));
}

fn nft(namespace: &str, rules: &str) {
    run(&format!("ip netns exec {namespace} nft -f - <<'END'\n{rules}\nEND"));
}
