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

/// Two friends behind NATs, and somebody whom strangers reach, as one of them has.
struct Reached {
    world: World,
    process: Process,
    _profile: Profile,
}

impl Reached {
    fn new(nat: Nat) -> Self {
        let friend = (Nat::PortRestricted, 1);
        let sites = [friend, friend, (nat, 1), (Nat::None, 1)];
        let world = World::on(Internet::new(&sites));
        let [reached, strange] = [2, 3].map(|site| &world.internet.sites[site].hosts[0]);
        let profile = Profile::on_internet(reached, world.bootstrap.clone());
        let process = profile.start();
        let outside = is_seen_at(&process);
        assert_eq!(network(&process)["dht"]["serves"], false);
        let _stranger = Stranger::new(strange, &outside);
        wait_for("he serves", || network(&process)["dht"]["serves"] == true);
        Self { world, process, _profile: profile }
    }

    /// The two start with these arguments, when no node is left, and meet by him.
    fn they_meet(mut self, how: &str, arguments: &[&str], ids: [serde_json::Value; 2]) {
        self.world.nodes.iter_mut().for_each(Process::kill);
        for person in &mut self.world.people {
            person.with_only(arguments);
        }
        let [one, two] = self.world.start();
        let took = time_to_online(&one, &two, &ids).expect("online within 30 s");
        figure(how, format!("{:.2} s", took.as_secs_f64()));
        at_most("online", took, Duration::from_secs(15), Duration::from_secs(30));
        for process in [&one, &two] {
            assert_eq!(network(process)["dht"], json!({ "own": 1, "public": 0, "serves": false }));
        }
    }
}

/// The nodes have told them of him.
pub fn those_whom_nodes_tell_of_him_meet_by_him() {
    let reached = Reached::new(Nat::FullCone);
    let [one, two] = reached.world.start();
    pair(&one, &two);
    for process in [&one, &two] {
        wait_for("they know him too", || network(process)["dht"]["own"] == 3);
    }
    let ids = [id(&one), id(&two)];
    one.shutdown();
    two.shutdown();
    reached.they_meet("by a node that was told of", &[], ids);
}

/// He is a friend of both, and they are told of no node.
pub fn his_friends_meet_by_him() {
    let reached = Reached::new(Nat::None);
    let [one, two] = reached.world.start();
    pair(&one, &two);
    pair(&reached.process, &one);
    pair(&reached.process, &two);
    let ids = [id(&one), id(&two)];
    one.shutdown();
    two.shutdown();
    reached.they_meet("by a friend", &["--no-public-dht"], ids);
}
