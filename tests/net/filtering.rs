//! Whom a NAT lets in is told as far as it was seen, and not a word more.

use serde_json::{Value, json};

use crate::support::{
    lab::{run, wait_for},
    nat::{Internet, Nat, nft},
    process::Process,
    profile::Profile,
    upnp::{Asked, PortMapper},
    world::World,
};

/// Somebody behind a NAT, whom strangers try to reach.
struct Sought {
    world: World,
    process: Process,
    router: String,
    /// Where nodes of the DHT see him.
    outside: String,
}

impl Sought {
    fn new(nat: Nat) -> Self {
        let world = World::on(Internet::new(&[(nat, 1), (Nat::None, 1)]));
        let router = world.internet.sites[0].routers[0].clone();
        let process = world.people[0].start();
        let outside = is_seen_at(&process);
        assert_eq!(network(&process)["nat"]["filtering"], "unknown");
        Self { world, process, router, outside }
    }

    /// Somebody whom he does not know, at this address in this namespace, dials him, and does not
    /// stop before several packets have come to the router: two would do to come in.
    fn is_dialed(&self, namespace: &str, ip: &str) -> Stranger {
        let packets = Packets::count(&self.router, &format!("iifname wan0 ip saddr {ip}"));
        let stranger = Stranger::new(namespace, &self.outside);
        wait_for("the stranger knocks", || packets.counted() >= 4);
        stranger
    }

    fn filtering(&self) -> Value {
        network(&self.process)["nat"]["filtering"].clone()
    }
}

/// A running program of somebody unknown.
pub struct Stranger {
    _process: Process,
    _profile: Profile,
}

impl Stranger {
    /// In this namespace; he dials this address.
    pub fn new(namespace: &str, address: &str) -> Self {
        let arguments = ["--no-mdns", "--no-public-dht", "--bootstrap", address];
        let profile = Profile::on_internet(namespace, arguments.map(str::to_owned).to_vec());
        Self { _process: profile.start(), _profile: profile }
    }
}

/// How many packets of QUIC that are not of a node of the DHT come to a router.
struct Packets<'a>(&'a str);

impl<'a> Packets<'a> {
    /// From now on, of those that this is true of.
    fn count(router: &'a str, which: &str) -> Self {
        nft(
            router,
            &format!(
                "table ip strangers {{ }}\ndelete table ip strangers\n\
                 table ip strangers {{\nchain count {{\n\
                 type filter hook prerouting priority raw;\n\
                 {which} meta l4proto udp udp sport != 4001 udp dport != 4001 counter\n}}\n}}"
            ),
        );
        Self(router)
    }

    fn counted(&self) -> u32 {
        let rules = run(&format!("ip netns exec {} nft list table ip strangers", self.0));
        let mut words = rules.split_whitespace().skip_while(|word| *word != "packets").skip(1);
        words.next().unwrap().parse().unwrap()
    }
}

/// Where nodes of the DHT see somebody, all of them there, whose router maps no port.
pub fn is_seen_at(process: &Process) -> String {
    let nat = |what: &str| network(process)["nat"][what].as_str().unwrap().to_owned();
    wait_for("nodes have seen him", || {
        ["none", "endpoint-independent"].contains(&nat("mapping").as_str())
    });
    // Of one without a NAT no router is asked.
    wait_for("no router maps a port", || {
        ["none", "not asked"].contains(&nat("portMapping").as_str())
    });
    network(process)["external"][0].as_str().unwrap().to_owned()
}

pub fn network(process: &Process) -> Value {
    process.call("network", json!({}))
}

/// First one at the address of a node of the DHT, at another port than the node's, then one at an
/// address that nobody has heard of.
fn is_seen(nat: Nat, [another_port, another_address]: [&str; 2]) {
    let sought = Sought::new(nat);
    let [node, host] =
        [&sought.world.internet.public[0].namespace, &sought.world.internet.sites[1].hosts[0]];
    for (namespace, ip, filtering) in
        [(node, "203.0.113.11", another_port), (host, "203.0.113.102", another_address)]
    {
        let _stranger = sought.is_dialed(namespace, ip);
        if filtering == "unknown" {
            // Unanswered, the last of these packets came seconds after the first.
            assert_eq!(sought.filtering(), filtering);
        } else {
            wait_for("it is seen", || sought.filtering() == filtering);
        }
    }
}

pub fn of_a_full_cone_is_seen() {
    is_seen(Nat::FullCone, ["address-dependent", "endpoint-independent"]);
}

pub fn that_depends_on_the_address_is_seen() {
    is_seen(Nat::Restricted, ["address-dependent", "address-dependent"]);
}

pub fn that_is_strict_stays_unknown() {
    is_seen(Nat::PortRestricted, ["unknown", "unknown"]);
}

/// At a port that a router maps everybody comes in, whatever the NAT does.
pub fn is_not_concluded_from_a_mapped_port() {
    let internet = Internet::new(&[(Nat::Symmetric, 1), (Nat::Symmetric, 1)]);
    let mapper = PortMapper::new(&internet, 0, Asked::Pcp);
    let world = World::on(internet);
    let process = world.people[0].start();
    let mut outside = String::new();
    wait_for("the router maps", || {
        network(&process)["mapped"][0].as_str().unwrap_or_default().clone_into(&mut outside);
        mapper.mapped() == 2 && outside.contains("quic")
    });
    let router = &world.internet.sites[0].routers[0];
    let answers = Packets::count(router, "iifname lan0 ip daddr 203.0.113.12");
    let _stranger = Stranger::new(&world.internet.public[1].namespace, &outside);
    wait_for("the stranger is answered", || answers.counted() >= 6);
    assert_eq!(network(&process)["nat"]["filtering"], "unknown");
    // Nodes see him elsewhere.
    assert_eq!(network(&process)["dht"]["serves"], false);
}
