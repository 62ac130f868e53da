//! Two people on an internet, and two nodes of the DHT that are all they know.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{
    nat::{Internet, Nat},
    process::Process,
    profile::{Profile, id, pair},
};

/// Who is not met within this is not met.
const PATIENCE: Duration = Duration::from_secs(30);
/// Two who cannot meet are told so within this.
pub const TOLD_WITHIN: Duration = Duration::from_secs(20);

/// See the module's documentation.
pub struct World {
    // The processes end before the internet does.
    pub nodes: Vec<Process>,
    pub people: [Profile; 2],
    /// What tells a program of the nodes.
    pub bootstrap: Vec<String>,
    pub internet: Internet,
}

/// What came of some starts.
#[derive(Default)]
pub struct Outcome {
    /// How long each took that came about.
    pub took: Vec<Duration>,
    /// The path of the last, if there was one.
    pub path: String,
}

impl World {
    /// People behind these, each kind having proven what it is.
    pub fn new(a: Nat, b: Nat) -> Self {
        Self::on(Internet::new(&[(a, 1), (b, 1)]))
    }

    /// People on the first two hosts.
    pub fn on(internet: Internet) -> Self {
        internet.check();
        let addresses: Vec<Vec<String>> = internet
            .public
            .iter()
            .map(|public| {
                let ipv6 = internet.has_ipv6().then(|| format!("/ip6/{}", public.ipv6));
                let ips = [Some(format!("/ip4/{}", public.ipv4)), ipv6].into_iter().flatten();
                ips.flat_map(|ip| [format!("{ip}/udp/4001/quic-v1"), format!("{ip}/tcp/4001")])
                    .collect()
            })
            .collect();
        let mut nodes: Vec<Process> = Vec::new();
        for (public, listen) in internet.public.iter().zip(&addresses) {
            let mut arguments =
                ["--serve-dht", "--no-mdns", "--no-public-dht"].map(str::to_owned).to_vec();
            for address in listen {
                arguments.extend(["--listen".to_owned(), address.clone()]);
            }
            if !nodes.is_empty() {
                arguments.extend(["--bootstrap".to_owned(), addresses[0][0].clone()]);
            }
            nodes.push(Profile::on_internet(&public.namespace, arguments).start());
        }
        let bootstrap = bootstrap(addresses.iter().flatten());
        let people = on_first_hosts(&internet, &bootstrap);
        Self { nodes, people, bootstrap, internet }
    }

    pub fn start(&self) -> [Process; 2] {
        [self.people[0].start(), self.people[1].start()]
    }

    /// The second's program is killed and started anew, and how long it takes until both are online
    /// again.
    pub fn kill_second(
        &self,
        a: &Process,
        mut b: Process,
        ids: &[Value; 2],
    ) -> (Process, Duration) {
        a.drain_events("contactState");
        b.kill();
        drop(b);
        let b = self.people[1].start();
        let began = Instant::now();
        let found = b.online(&ids[0]).max(a.online(&ids[1])) - began;
        (b, found)
    }

    /// Two behind these who got to know each other at the first's home, before the second moved to
    /// where they cannot meet.
    pub fn apart(a: Nat, b: Nat) -> (Self, [Value; 2]) {
        let mut world = Self::on(Internet::new(&[(a, 2), (b, 1)]));
        let ids = world.get_acquainted();
        world.people[1].move_to(&world.internet.sites[1].hosts[0]);
        (world, ids)
    }

    /// Pairs the two by an invite, and ends their programs.
    pub fn get_acquainted(&self) -> [Value; 2] {
        let [a, b] = self.start();
        pair(&a, &b);
        let ids = [id(&a), id(&b)];
        a.shutdown();
        b.shutdown();
        ids
    }

    /// Has the two start anew so often, each time until they have met, or whatever else is waited
    /// for.
    pub fn start_anew(
        &self,
        runs: usize,
        wait: impl Fn(&Process, &Process) -> Option<Duration>,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        for _ in 0..runs {
            let [a, b] = self.start();
            if let Some(took) = wait(&a, &b) {
                outcome.took.push(took);
                outcome.path = path(&a);
            } else {
                println!("{}\n{}", a.log_tail(), b.log_tail());
            }
            a.shutdown();
            b.shutdown();
        }
        outcome
    }
}

/// Two people, on the first two hosts, who know these nodes.
pub fn people<'a>(
    internet: &Internet,
    nodes: impl IntoIterator<Item = &'a String>,
) -> [Profile; 2] {
    on_first_hosts(internet, &bootstrap(nodes))
}

/// What tells a program of these nodes.
fn bootstrap<'a>(nodes: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    let nodes = nodes.into_iter();
    nodes.flat_map(|node| ["--bootstrap".to_owned(), node.clone()]).collect()
}

fn on_first_hosts(internet: &Internet, arguments: &[String]) -> [Profile; 2] {
    let hosts: Vec<_> = internet.sites.iter().flat_map(|site| &site.hosts).collect();
    [0, 1].map(|n| Profile::on_internet(hosts[n], arguments.to_vec()))
}

/// How long it takes from both running until both are online.
pub fn time_to_online(a: &Process, b: &Process, ids: &[Value; 2]) -> Option<Duration> {
    let began = a.started.max(b.started);
    let online = |process: &Process, id: &Value| {
        let left = PATIENCE.saturating_sub(began.elapsed());
        process.try_event(left, "contactState", |e| &e["id"] == id && e["state"] == "online")
    };
    let times: [Option<(Instant, Value)>; 2] = [online(a, &ids[1]), online(b, &ids[0])];
    let [Some((at_a, _)), Some((at_b, _))] = times else { return None };
    Some(at_a.max(at_b).saturating_duration_since(began))
}

/// How long it takes from both running until both are told that they cannot meet and what would
/// help, in a sentence with this reason; none if that takes longer than [`TOLD_WITHIN`].
pub fn time_to_told(a: &Process, b: &Process, ids: &[Value; 2], reason: &str) -> Option<Duration> {
    let began = a.started.max(b.started);
    for (process, other) in [(a, &ids[1]), (b, &ids[0])] {
        let is_told = || {
            let why = process.call("why", json!({ "contact": other }));
            let advice = why["advice"].as_str().unwrap();
            assert_ne!(why["state"], "online", "{advice}");
            advice.contains("It works when") && advice.contains(reason)
        };
        while !is_told() {
            if began.elapsed() > TOLD_WITHIN {
                return None;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    Some(began.elapsed())
}

/// The path to the only contact.
pub fn path(process: &Process) -> String {
    process.call("contacts", json!({}))[0]["path"].as_str().unwrap_or("none").to_owned()
}
