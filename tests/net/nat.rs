//! Friends behind NATs, with nothing between them but two nodes of the DHT.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{
    figure,
    nat::{Internet, Nat},
    process::Process,
    profile::{Profile, id, pair},
};

/// Two people on an internet, and the two nodes of the DHT that are all they know.
struct World {
    internet: Internet,
    nodes: Vec<Process>,
    people: [Profile; 2],
}

impl World {
    fn new(a: Nat, b: Nat) -> Self {
        let internet = Internet::new(&[(a, 1), (b, 1)]);
        internet.check();
        let addresses: Vec<[String; 2]> = internet
            .public
            .iter()
            .map(|(_, ip)| [format!("/ip4/{ip}/udp/4001/quic-v1"), format!("/ip4/{ip}/tcp/4001")])
            .collect();
        let mut nodes: Vec<Process> = Vec::new();
        for ((namespace, _), listen) in internet.public.iter().zip(&addresses) {
            let mut arguments = vec!["--serve-dht".to_owned(), "--no-mdns".to_owned()];
            for address in listen {
                arguments.extend(["--listen".to_owned(), address.clone()]);
            }
            if !nodes.is_empty() {
                arguments.extend(["--bootstrap".to_owned(), addresses[0][0].clone()]);
            }
            nodes.push(Profile::on_internet(namespace, arguments).start());
        }
        let bootstrap: Vec<String> = addresses
            .iter()
            .flatten()
            .flat_map(|a| ["--bootstrap".to_owned(), a.clone()])
            .collect();
        let people =
            [0, 1].map(|n| Profile::on_internet(&internet.sites[n].hosts[0], bootstrap.clone()));
        Self { internet, nodes, people }
    }

    fn start(&self) -> [Process; 2] {
        [self.people[0].start(), self.people[1].start()]
    }
}

/// How long it takes from both running until both are online.
fn time_to_online(a: &Process, b: &Process, ids: &[Value; 2]) -> Duration {
    let began = a.started.max(b.started);
    let (at_a, at_b) = (a.online(&ids[1]), b.online(&ids[0]));
    at_a.max(at_b).saturating_duration_since(began)
}

fn path(process: &Process) -> String {
    process.call("contacts", json!({}))[0]["path"].as_str().unwrap_or("none").to_owned()
}

/// Pairs by an invite, then meets again as a known pair.
fn connects(a: Nat, b: Nat) {
    let world = World::new(a, b);
    let [one, two] = world.start();
    let began = Instant::now();
    pair(&one, &two);
    figure(&format!("{a} × {b}, invite"), format!("{:.2} s", began.elapsed().as_secs_f64()));
    let ids = [id(&one), id(&two)];
    one.shutdown();
    two.shutdown();
    let [one, two] = world.start();
    let took = time_to_online(&one, &two, &ids);
    figure(&format!("{a} × {b}, known"), format!("{:.2} s", took.as_secs_f64()));
    let expected = if a == Nat::None && b == Nat::None { "direct" } else { "punched" };
    assert!([path(&one), path(&two)].iter().all(|p| p == expected || p == "direct"));
    drop(world);
}

macro_rules! pairs {
    ($($name:ident: $a:ident, $b:ident;)*) => {
        $(pub fn $name() { connects(Nat::$a, Nat::$b); })*
    };
}

pairs! {
    port_restricted_both: PortRestricted, PortRestricted;
    full_cone_and_firewall: FullCone, Firewall;
    other_ports_and_open_input: OtherPorts, OpenInput;
    symmetric_and_restricted: Symmetric, Restricted;
    symmetric_and_port_restricted: Symmetric, PortRestricted;
    cgnat_and_counting: Carrier, Counting;
    udp_blocked_both: UdpBlocked, UdpBlocked;
    udp_blocked_and_none: UdpBlocked, None;
}
