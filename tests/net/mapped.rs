//! Routers that map ports when they are asked: by that even two behind symmetric NATs meet.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{
    at_most, figure,
    lab::{output, wait_for},
    nat::{Internet, Nat, nft},
    process::Process,
    profile::{id, pair, say},
    upnp::{Asked, PortMapper},
    world::{World, path, time_to_online},
};

/// One behind a symmetric NAT whose router is asked so, and another.
fn world(asked: Asked, other: Nat) -> (World, PortMapper) {
    let internet = Internet::new(&[(Nat::Symmetric, 1), (other, 1)]);
    let mapper = PortMapper::new(&internet, 0, asked);
    (World::on(internet), mapper)
}

/// Pairs by an invite, meets again as a known pair, and gives the ports back.
fn connects(asked: Asked, protocol: &str, other: Nat) {
    let (world, mapper) = world(asked, other);
    let [one, two] = world.start();
    let began = Instant::now();
    pair(&one, &two);
    let name = format!("symmetric with {protocol} × {other}");
    figure(&format!("{name}, invite"), format!("{:.2} s", began.elapsed().as_secs_f64()));
    wait_for("QUIC's port and TCP's are mapped", || mapper.mapped() == 2);
    let ids = [id(&one), id(&two)];
    one.shutdown();
    two.shutdown();
    assert_eq!(mapper.mapped(), 0, "given back");

    let [one, two] = world.start();
    let took = time_to_online(&one, &two, &ids).expect("online within 30 s");
    figure(&format!("{name}, known"), format!("{:.2} s", took.as_secs_f64()));
    at_most("online", took, Duration::from_secs(10), Duration::from_secs(20));
    assert_eq!([path(&one), path(&two)], ["mapped", "mapped"]);
    let of = |process: &Process| process.call("network", json!({}))["nat"]["portMapping"].clone();
    assert_eq!(of(&one), protocol);
    wait_for("the other router does not answer", || of(&two) == "none");
}

pub fn symmetric_with_upnp_and_symmetric() {
    connects(Asked::Upnp, "UPnP", Nat::Symmetric);
}

pub fn symmetric_with_nat_pmp_and_symmetric() {
    connects(Asked::NatPmp, "NAT-PMP", Nat::Symmetric);
}

pub fn symmetric_with_pcp_and_symmetric() {
    connects(Asked::Pcp, "PCP", Nat::Symmetric);
}

/// By TCP, which is mapped too.
pub fn symmetric_with_pcp_and_udp_blocked() {
    connects(Asked::Pcp, "PCP", Nat::UdpBlocked);
}

/// The router is started anew: what is connected stays so, and what is mapped no more is asked for
/// again when somebody is lost.
pub fn what_was_forgotten_is_mapped_again() {
    let (world, mut mapper) = world(Asked::Upnp, Nat::Symmetric);
    let [a, b] = world.start();
    let conversation = pair(&a, &b);
    let ids = [id(&a), id(&b)];
    mapper.forget();
    say(&a, &b, &conversation, "still there?");
    say(&b, &a, &conversation, "still here");
    mapper.start();
    assert_eq!(mapper.mapped(), 0);

    let (b, found) = world.kill_second(&a, b, &ids);
    figure("found again by a new mapping", format!("{:.1} s", found.as_secs_f64()));
    at_most("found again", found, Duration::from_secs(15), Duration::from_secs(25));
    // The address that is mapped is the one that was remembered; who dials that may have been first.
    wait_for("both say how", || {
        path(&a) == "mapped" && ["mapped", "direct"].contains(&path(&b).as_str())
    });
    wait_for("both ports are mapped", || mapper.mapped() == 2);
}

/// One behind a firewall for IPv6 that can be asked to open, and one whose ports nobody can
/// foresee, over IPv6 as little as over IPv4: without the pinhole the two cannot meet.
fn a_firewall_opens(asked: Asked, blocked: &str) {
    let internet = Internet::new(&[(Nat::SymmetricIpv6, 1), (Nat::SymmetricIpv6, 1)]);
    let world = World::on(internet);
    if asked == Asked::UpnpPinhole {
        world.internet.known_by_link_address(0);
    }
    let mapper = PortMapper::claiming(&world.internet, 0, asked);
    nft(
        &world.internet.sites[1].routers[0],
        &format!(
            "table ip6 nat {{\nchain after {{\ntype nat hook postrouting priority srcnat;\n\
             oifname wan0 masquerade fully-random\n}}\nchain forward {{\n\
             type filter hook forward priority 0;\n{blocked}\n}}\n}}"
        ),
    );
    let [one, two] = world.start();
    pair(&one, &two);
    wait_for("both are open", || mapper.pinholes() == 2);
    let ids = [id(&one), id(&two)];
    one.shutdown();
    two.shutdown();
    assert_eq!(mapper.pinholes(), 0, "given back");

    let [one, two] = world.start();
    let took = time_to_online(&one, &two, &ids).expect("online within 30 s");
    figure(&format!("pinhole, {blocked:?}, known"), format!("{:.2} s", took.as_secs_f64()));
    at_most("online", took, Duration::from_secs(10), Duration::from_secs(20));
    assert_eq!([path(&one), path(&two)], ["mapped", "mapped"]);
    let open = one.call("network", json!({}))["mapped"].clone();
    let open: Vec<_> = open.as_array().unwrap().iter().map(|a| a.as_str().unwrap()).collect();
    assert_eq!(open.len(), 2, "{open:?}");
    assert!(open.iter().all(|address| address.starts_with("/ip6/2001:db8:1::10/")), "{open:?}");
    assert_eq!(two.call("network", json!({}))["mapped"], json!([]));
}

pub fn a_firewall_for_ipv6_opens() {
    a_firewall_opens(Asked::Pinhole, "");
}

/// By TCP.
pub fn a_firewall_for_ipv6_opens_for_tcp() {
    a_firewall_opens(Asked::Pinhole, "meta l4proto udp drop");
}

pub fn a_firewall_for_ipv6_opens_by_upnp() {
    a_firewall_opens(Asked::UpnpPinhole, "");
}

/// Two routers that both map: either side may be the one that is dialed.
pub fn both_symmetric_with_upnp_or_pcp() {
    let (world, _one) = world(Asked::Upnp, Nat::Symmetric);
    let _two = PortMapper::new(&world.internet, 1, Asked::Pcp);
    let [a, b] = world.start();
    pair(&a, &b);
    wait_for("both say how", || [path(&a), path(&b)] == ["mapped", "mapped"]);
    for process in [&a, &b] {
        assert_eq!(process.call("network", json!({}))["mapped"].as_array().unwrap().len(), 2);
    }
}

/// A router that stands behind another one maps a port that nobody outside can reach: that is
/// noticed, said, and does not keep the two from meeting.
pub fn a_router_behind_another_is_not_relied_on() {
    let internet = Internet::new(&[(Nat::Carrier, 1), (Nat::PortRestricted, 1)]);
    let mapper = PortMapper::claiming(&internet, 0, Asked::Pcp);
    let world = World::on(internet);
    let [a, b] = world.start();
    pair(&a, &b);
    wait_for("the router does what it is asked", || mapper.mapped() == 2);
    assert_eq!([path(&a), path(&b)], ["punched", "punched"]);
    wait_for("it is noticed that this is of no use", || {
        let network = a.call("network", json!({}));
        network["mapped"] == json!([]) && network["nat"]["portMapping"] == "behind another NAT"
    });
}

/// What is told to whoever asks, on either side.
pub fn the_doctor_tells_of_the_router() {
    let (world, mapper) = world(Asked::Upnp, Nat::Symmetric);
    for (person, words) in world.people.iter().zip(["by UPnP: everybody can reach", "turned on"]) {
        let mut doctor = person.command();
        doctor.arg("doctor").args(person.arguments());
        let report = output(&mut doctor).unwrap();
        assert!(report.contains(words) && report.contains("it is symmetric"), "{report}");
    }
    assert_eq!(mapper.mapped(), 0, "given back");
}
