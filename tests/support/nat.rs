//! A small internet: public hosts on one bridge, and sites behind routers with NATs of all kinds
//! (RFC 4787), each host and router a network namespace.
//!
//! ```text
//! public 203.0.113.11, .12 ─┬─ wan (bridge; packets with few hops left die here)
//! site s: router 203.0.113.100+s ─┘
//!   └─ lan0 10.s.0.1 ── hosts 10.s.0.10, .11
//! carrier: router ── 100.64.s.0/24 ── second router
//! at the public hosts: 198.18.0.0/16, 198.19.0.0/16
//! IPv6: 2001:db8::11, ::12, ::100+s, and 2001:db8:s::/64 behind a router
//! ```

pub mod delay;
mod kind;
pub mod probe;
mod ruleset;

use std::{
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

pub use self::kind::Nat;
use self::{
    delay::Delay,
    probe::Seen,
    ruleset::{ruleset, ruleset_ipv6},
};
use super::lab::{add_namespace, output, run};

/// Packets with fewer hops left die on the way between sites: the world is wide.
const CORE_HOPS: u8 = 4;

/// A host without a router.
pub struct Public {
    pub namespace: String,
    pub ipv4: String,
    pub ipv6: String,
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
    pub public: Vec<Public>,
    pub sites: Vec<Site>,
    namespaces: Vec<String>,
    name: String,
    /// The namespaces that are plugged into the wan, by the number of the plug.
    plugged: Vec<String>,
    /// Networks with public addresses that lie behind a router, and its address.
    routed: Vec<(String, String)>,
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
            plugged: Vec::new(),
            routed: Vec::new(),
            delay: None,
        };
        internet.namespace("wan");
        bridge(&wan, "br0");
        nft(
            &wan,
            &format!(
                "table bridge core {{\nchain core {{\ntype filter hook forward priority 0;\n\
                 ether type ip ip ttl < {CORE_HOPS} drop\n\
                 ether type ip6 ip6 hoplimit < {CORE_HOPS} drop\n}}\n}}"
            ),
        );
        for host in [11, 12] {
            let namespace = internet.namespace(&format!("pub{host}"));
            let [ipv4, ipv6] = internet.attach_to_wan(&namespace, "eth0", host, true);
            let [a, b] = behind(host);
            internet.route(format!("{a}.{b}.0.0/16"), ipv4.clone());
            internet.public.push(Public { namespace, ipv4, ipv6 });
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

    /// Plugs it in, with the addresses of this number, of which it has IPv4 at least.
    fn attach_to_wan(
        &mut self,
        namespace: &str,
        interface: &str,
        number: u8,
        ipv6: bool,
    ) -> [String; 2] {
        self.plugged.push(namespace.to_owned());
        let (wan, plug) = (self.wan.clone(), format!("p{}", self.plugged.len()));
        cable((namespace, interface), (&wan, &plug));
        let addresses = [format!("203.0.113.{number}"), format!("2001:db8::{number}")];
        run(&format!(
            "ip -n {wan} link set {plug} master br0 && \
             ip -n {namespace} addr add {}/24 dev {interface}",
            addresses[0]
        ));
        if ipv6 {
            run(&format!("ip -n {namespace} addr add {}/64 dev {interface}", addresses[1]));
        }
        for (network, router) in &self.routed {
            add_route(namespace, network, router);
        }
        addresses
    }

    /// Whoever is on the wan reaches this network behind this router.
    fn route(&mut self, network: String, router: String) {
        for other in &self.plugged {
            add_route(other, &network, &router);
        }
        self.routed.push((network, router));
    }

    fn add_site(&mut self, number: u8, nat: Nat, hosts: u8) {
        if nat == Nat::None {
            let host = self.namespace(&format!("s{number}-1"));
            self.attach_to_wan(&host, "eth0", 100 + number, false);
            self.sites.push(Site { nat, hosts: vec![host], routers: Vec::new() });
            return;
        }
        let router = self.router(&format!("r{number}"));
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
        let outside = if matches!(nat, Nat::Carrier | Nat::CarrierSymmetric) {
            let carrier = self.router(&format!("c{number}"));
            cable((&router, "wan0"), (&carrier, "lan0"));
            let between = format!("100.64.{number}");
            run(&format!(
                "ip -n {router} addr add {between}.2/24 dev wan0 && \
                 ip -n {router} route add default via {between}.1 && \
                 ip -n {carrier} addr add {between}.1/24 dev lan0"
            ));
            let [outside, _] = self.attach_to_wan(&carrier, "wan0", 100 + number, false);
            nft(&router, &ruleset(Nat::PortRestricted, &format!("{between}.2")));
            let kind = if nat == Nat::Carrier { Nat::PortRestricted } else { Nat::Symmetric };
            nft(&carrier, &ruleset(kind, &outside));
            routers.push(carrier);
            outside
        } else {
            let [outside, ipv6] = self.attach_to_wan(&router, "wan0", 100 + number, nat.has_ipv6());
            nft(&router, &ruleset(nat, &outside));
            if nat.has_ipv6() {
                self.add_ipv6(number, &router, &names, ipv6);
            }
            outside
        };
        if nat == Nat::Firewall {
            self.route(format!("{inside}.0/24"), outside);
        }
        self.sites.push(Site { nat, hosts: names, routers });
    }

    fn router(&mut self, name: &str) -> String {
        let router = self.namespace(name);
        run(&format!(
            "ip netns exec {router} sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward; \
             echo 1 > /proc/sys/net/ipv6/conf/all/forwarding; \
             for f in all default; do echo 0 > /proc/sys/net/ipv4/conf/$f/send_redirects; done'"
        ));
        router
    }

    /// Gives public addresses to a site's hosts, behind a firewall.
    fn add_ipv6(&mut self, number: u8, router: &str, hosts: &[String], outside: String) {
        let inside = format!("2001:db8:{number}:");
        run(&format!("ip -n {router} addr add {inside}:1/64 dev lan0"));
        for (n, host) in (10..).zip(hosts) {
            run(&format!(
                "ip -n {host} addr add {inside}:{n}/64 dev eth0 && \
                 ip -n {host} route add default via {inside}:1"
            ));
        }
        nft(router, ruleset_ipv6());
        self.route(format!("{inside}:/64"), outside);
    }

    /// A site's hosts know their router by an address of the link, as it announces itself in most
    /// networks.
    pub fn known_by_link_address(&self, site: usize) {
        let Site { hosts, routers, .. } = &self.sites[site];
        run(&format!("ip -n {} addr add fe80::1/64 dev lan0", routers[0]));
        for host in hosts {
            run(&format!("ip -n {host} -6 route replace default via fe80::1 dev eth0"));
        }
    }

    /// Whether hosts of each site have public addresses of IPv6.
    pub fn has_ipv6(&self) -> bool {
        self.sites.iter().all(|site| site.nat.has_ipv6())
    }

    /// Fails unless each site's routers do what their kind says.
    pub fn check(&self) {
        for (number, site) in (101..).zip(&self.sites) {
            let ipv4 = [0, 1].map(|n| self.public[n].ipv4.as_str());
            let seen = probe::look(&self.public, ipv4, &site.hosts[0]);
            assert!(site.nat.looks_like(&seen), "{} looks like {seen:?}", site.nat);
            if site.nat == Nat::Rejecting {
                let outside = format!("203.0.113.{number}");
                assert!(probe::is_refused(&self.public[0].namespace, &outside));
            }
            if site.nat.has_ipv6() {
                let ipv6 = [0, 1].map(|n| self.public[n].ipv6.as_str());
                assert_eq!(probe::look(&self.public, ipv6, &site.hosts[0]), Seen::FIREWALL);
            }
        }
    }

    /// The hosts of a site reach its router, but not each other, as in a guests' network.
    pub fn isolate(&self, site: usize) {
        let Site { hosts, routers, .. } = &self.sites[site];
        for n in 1..=hosts.len() {
            run(&format!("ip -n {} link set h{n} type bridge_slave isolated on", routers[0]));
        }
    }

    /// Gives a host a second cable, to another site, with an address there; its routes stay.
    pub fn plug(&self, host: &str, site: usize) {
        let router = &self.sites[site].routers[0];
        cable((host, "eth1"), (router, "h99"));
        run(&format!(
            "ip -n {router} link set h99 master lan0 && \
             ip -n {host} addr add 10.{}.0.99/24 dev eth1",
            site + 1
        ));
    }

    /// What is sent to this network gets lost on the way, and a site's router counts it.
    pub fn swallow(&mut self, network: &str, site: usize) {
        // A host that forwards nothing.
        self.route(network.to_owned(), self.public[0].ipv4.clone());
        nft(
            self.sites[site].routers.last().unwrap(),
            &format!(
                "table ip swallow {{\nset seen {{ type ipv4_addr; flags dynamic; size 65535; }}\n\
                 chain count {{\ntype filter hook forward priority -100;\n\
                 ip daddr {network} update @seen {{ ip daddr }} counter\n}}\n}}"
            ),
        );
    }

    /// To how many addresses something was sent that got lost, and how many packets.
    pub fn swallowed(&self, site: usize) -> (usize, u64) {
        let router = self.sites[site].routers.last().unwrap();
        let list = |what: &str| run(&format!("ip netns exec {router} nft list {what}"));
        let chain = list("chain ip swallow count");
        let mut words = chain.split_whitespace().skip_while(|word| *word != "packets").skip(1);
        let packets = words.next().unwrap().parse().unwrap();
        let set = list("set ip swallow seen");
        let elements = set.split_once("elements = {").map_or("", |(_, elements)| elements);
        (elements.split(',').filter(|element| element.contains('.')).count(), packets)
    }

    /// A full-cone router takes what its hosts send to its outside address as if it came from
    /// there (RFC 4787, REQ-9).
    pub fn hairpin(&self, site: usize) {
        let Site { nat, routers, .. } = &self.sites[site];
        assert_eq!(*nat, Nat::FullCone);
        nft(&routers[0], &ruleset::hairpin(&format!("203.0.113.{}", 101 + site)));
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
        self.delay_with_jitter(one_way, Duration::ZERO);
    }

    /// The same, each packet up to `jitter` more or less.
    pub fn delay_with_jitter(&mut self, one_way: Duration, jitter: Duration) {
        assert!(self.delay.is_none(), "the delay is set once");
        // Of two cables on each way.
        let delay = Delay::new(one_way / 2, jitter / 2);
        let Self { wan, name, .. } = &*self;
        for plug in 1..=self.plugged.len() {
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

/// What the addresses begin with that lead to the public host of this number, beside its own.
pub fn behind(host: u8) -> [u8; 2] {
    [198, 7 + host]
}

/// A cable between two namespaces.
fn cable((a, a_interface): (&str, &str), (b, b_interface): (&str, &str)) {
    run(&format!(
        "ip link add {a_interface} netns {a} type veth peer name {b_interface} netns {b} && \
         ip -n {a} link set {a_interface} up && ip -n {b} link set {b_interface} up"
    ));
}

/// A route, unless it is the way to itself, or the namespace knows no such addresses.
fn add_route(namespace: &str, network: &str, router: &str) {
    let words = ["-n", namespace, "route", "add", network, "via", router];
    let _ = output(Command::new("ip").args(words));
}

fn bridge(namespace: &str, name: &str) {
    run(&format!(
        "ip -n {namespace} link add {name} type bridge mcast_snooping 0 && \
         ip -n {namespace} link set {name} up"
    ));
}

/// Adds rules.
pub fn nft(namespace: &str, rules: &str) {
    run(&format!("ip netns exec {namespace} nft -f - <<'END'\n{rules}\nEND"));
}
