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

/// See the module's documentation.
pub struct World {
    // The processes end before the internet does.
    pub nodes: Vec<Process>,
    pub people: [Profile; 2],
    /// What tells a program of the nodes.
    pub bootstrap: Vec<String>,
    pub internet: Internet,
}

/// What came of some meetings.
#[derive(Default)]
pub struct Outcome {
    /// How long each took that came about.
    pub met: Vec<Duration>,
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

    /// Pairs the two by an invite, then has them start anew so often.
    pub fn meet(&self, runs: usize, impossible: bool) -> Outcome {
        let mut outcome = Outcome::default();
        if impossible {
            return outcome;
        }
        let [a, b] = self.start();
        pair(&a, &b);
        let ids = [id(&a), id(&b)];
        a.shutdown();
        b.shutdown();
        for _ in 0..runs {
            let [a, b] = self.start();
            if let Some(took) = time_to_online(&a, &b, &ids) {
                outcome.met.push(took);
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

/// The path to the only contact.
pub fn path(process: &Process) -> String {
    process.call("contacts", json!({}))[0]["path"].as_str().unwrap_or("none").to_owned()
}
