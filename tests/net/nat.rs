//! Friends behind NATs, with nothing between them but two nodes of the DHT. All pairs, many times:
//! `benches/nat_matrix.rs`.

use std::time::{Duration, Instant};

use crate::support::{
    at_most, figure,
    nat::Nat,
    profile::{id, pair},
    world::{World, path, time_to_online},
};

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
    let took = time_to_online(&one, &two, &ids).expect("online within 30 s");
    figure(&format!("{a} × {b}, known"), format!("{:.2} s", took.as_secs_f64()));
    at_most("online", took, Duration::from_secs(15), Duration::from_secs(30));
    for process in [&one, &two] {
        let path = path(process);
        assert!(path == "punched" || (path == "direct" && [a, b].contains(&Nat::None)), "{path}");
    }
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
