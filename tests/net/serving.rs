//! Whoever strangers reach serves the own DHT, and friends meet by him when no other node is left.

use std::time::Duration;

use serde_json::json;

use crate::{
    filtering::{Stranger, is_seen_at, network},
    support::{
        at_most, figure,
        lab::wait_for,
        nat::{Internet, Nat},
        process::Process,
        profile::{Profile, id, pair},
        world::{World, time_to_online},
    },
};

/// Nodes have told two friends of him, and are gone when they start again.
pub fn friends_meet_by_whoever_strangers_reach() {
    let friend = (Nat::PortRestricted, 1);
    let sites = [friend, friend, (Nat::FullCone, 1), (Nat::None, 1)];
    let mut world = World::on(Internet::new(&sites));
    let [reached, strange] = [2, 3].map(|site| &world.internet.sites[site].hosts[0]);
    let profile = Profile::on_internet(reached, world.bootstrap.clone());
    let process = profile.start();
    let outside = is_seen_at(&process);
    assert_eq!(network(&process)["dht"]["serves"], false);
    let stranger = Stranger::new(strange, &outside);
    wait_for("he serves", || network(&process)["dht"]["serves"] == true);
    drop(stranger);

    let [one, two] = world.start();
    pair(&one, &two);
    for friend in [&one, &two] {
        wait_for("they know him too", || network(friend)["dht"]["own"] == 3);
    }
    let ids = [id(&one), id(&two)];
    one.shutdown();
    two.shutdown();
    world.nodes.iter_mut().for_each(Process::kill);
    for person in &mut world.people {
        person.with_only(&[]);
    }
    let [one, two] = world.start();
    let took = time_to_online(&one, &two, &ids).expect("online within 30 s");
    figure("by whoever strangers reach", format!("{:.2} s", took.as_secs_f64()));
    at_most("online", took, Duration::from_secs(15), Duration::from_secs(30));
    for process in [&one, &two] {
        assert_eq!(network(process)["dht"], json!({ "own": 1, "public": 0, "serves": false }));
    }
}
