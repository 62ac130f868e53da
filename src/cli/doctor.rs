//! `entrenous doctor`: what this computer's network allows, in sentences.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::time::timeout;

use crate::{
    net::{
        Config, Event, Net,
        dht::Dht,
        filtering::Filtering,
        portmap::{Mapped, State},
        rendezvous::Mapping,
        ways_in::WaysIn,
    },
    node::api::Scope,
};

/// How long the nodes of the DHT may take to answer.
const PATIENCE: Duration = Duration::from_secs(6);

/// What was found.
#[derive(Clone)]
struct Findings {
    scope: Scope,
    mdns: bool,
    /// Whether there is a DHT to ask.
    asks: bool,
    listen: Vec<String>,
    /// Of our own DHT and of the public one.
    nodes: [u32; 2],
    external: Vec<SocketAddr>,
    mapping: Mapping,
    filtering: Filtering,
    mapped: Mapped,
}

/// Looks for some seconds; a sentence if the network can't even be begun.
pub async fn run(config: &Config) -> Result<String, String> {
    let mut net = Net::start(config)?;
    let until = Instant::now() + PATIENCE;
    let asks =
        config.scope == Scope::Everywhere && (config.public_dht || !config.bootstrap.is_empty());
    net.join_public_dht();
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        let enough = nodes(&net).iter().any(|nodes| *nodes > 0)
            && net.mapping() != Mapping::Unknown
            && ![net.mapped().state, net.mapped().firewall].contains(&State::Asking);
        let listens = !net.listen_addresses().is_empty();
        if config.scope == Scope::Offline || enough || (!asks && listens) {
            break;
        }
        if let Ok(Event::Opened(link)) = timeout(left, net.next()).await {
            // It was for the DHT; nobody is to be talked to.
            net.stranger(link.id);
        }
    }
    let mut listen = net.listen_addresses();
    listen.sort();
    let report = report(&Findings {
        scope: config.scope,
        mdns: config.mdns,
        asks,
        listen,
        nodes: nodes(&net),
        external: net.external(),
        mapping: net.mapping(),
        filtering: net.filtering(),
        mapped: net.mapped(),
    });
    net.stop().await;
    Ok(report)
}

fn nodes(net: &Net) -> [u32; 2] {
    Dht::ALL.map(|dht| net.dht_nodes(dht))
}

fn report(findings: &Findings) -> String {
    let Findings { scope, mdns, asks, listen, nodes, external, mapping, filtering, mapped } =
        findings;
    let listening = if listen.is_empty() {
        "Listening nowhere: this computer is on no network.".to_owned()
    } else {
        format!("Listening on:\n  {}", listen.join("\n  "))
    };
    match scope {
        Scope::Offline => {
            return "This program is told to stay offline: nobody can be reached.\n".to_owned();
        }
        Scope::LanOnly if *mdns => {
            return format!(
                "{listening}\n\nOnly the local network is used (--lan-only): friends are found \
                 there by mDNS, and nobody else is.\n"
            );
        }
        Scope::LanOnly => {
            return format!(
                "{listening}\n\nOnly the local network is used (--lan-only), and nobody is looked \
                 for there (--no-mdns): only addresses given by --bootstrap are dialed.\n"
            );
        }
        Scope::Everywhere => {}
    }
    let [own, public] = nodes;
    if own + public == 0 {
        let why = if *asks {
            "No node of a DHT answers: friends beyond the local network can't be found. Is there \
             a connection to the Internet?"
        } else {
            "The public DHT is turned off and no node is given by --bootstrap: friends beyond the \
             local network can't be found."
        };
        // Where nothing answers, a router that does not says nothing.
        let router = if mapped.state == State::None { String::new() } else { router(*mapped) };
        return format!("{listening}\n\n{why}\n{router}");
    }
    let mut report = format!(
        "{listening}\n\nNodes that answer: {own} of our own DHT, {public} of the public one.\n"
    );
    if !external.is_empty() {
        let seen: Vec<_> = external.iter().map(ToString::to_string).collect();
        report.extend(["Seen from outside as: ", &seen.join(", "), ".\n"]);
    }
    let nat = match mapping {
        Mapping::Unknown => {
            "How the NAT works is not known: that takes two nodes of the DHT at different \
             addresses."
        }
        Mapping::None => {
            "There is no NAT: everybody can reach this computer, unless a firewall is in the way; \
             then a way can be opened."
        }
        Mapping::Independent => {
            "The NAT keeps one port for all destinations: a way can be opened to nearly everybody."
        }
        // What a router maps makes up for it: the sentence after this one says so.
        Mapping::Dependent { .. } if mapped.ways_in.mapped.is_some() => {
            "The NAT takes another port for each destination (it is symmetric)."
        }
        Mapping::Dependent { .. } => {
            "The NAT takes another port for each destination (it is symmetric): a way can be \
             opened to everybody but those behind a NAT of the same kind, or without UDP."
        }
        Mapping::Blocked if mapped.ways_in.mapped_tcp.is_some() => "No UDP gets out.",
        Mapping::Blocked => {
            "No UDP gets out: a way can be opened by TCP alone, and not to those behind a \
             symmetric NAT. UDP should be allowed in this network."
        }
    };
    let filtering = match filtering {
        Filtering::Unknown => "",
        Filtering::AddressDependent => {
            "From an address that something was sent to, packets from any port come in.\n"
        }
        Filtering::EndpointIndependent => "Packets come in even from where nothing was sent to.\n",
    };
    report + nat + "\n" + filtering + &router(*mapped)
}

/// Sentences on their lines about port mapping, if there is something to say.
fn router(mapped: Mapped) -> String {
    let WaysIn { pinhole, pinhole_tcp, .. } = mapped.ways_in;
    let (State::Maps(protocol), Some(open)) = (mapped.firewall, pinhole.or(pinhole_tcp)) else {
        return over_ipv4(mapped);
    };
    format!(
        "{}The router's firewall for IPv6 opens a port, by {protocol}: everybody who has IPv6 can \
         reach this computer at {open}.\n",
        over_ipv4(mapped)
    )
}

fn over_ipv4(mapped: Mapped) -> String {
    match (mapped.state, mapped.ways_in.mapped.or(mapped.ways_in.mapped_tcp)) {
        (State::NotAsked, _) => String::new(),
        (State::Asking, _) => "Whether the router maps ports is not known yet.\n".to_owned(),
        (State::Maps(protocol), Some(outside)) => format!(
            "The router maps a port, by {protocol}: everybody can reach this computer at \
             {outside}.\n"
        ),
        (State::None | State::Maps(_), _) => {
            "The router maps no ports. With UPnP, NAT-PMP or PCP turned on there, everybody could \
             reach this computer.\n"
                .to_owned()
        }
        (State::BehindAnother, _) => {
            "The router would map a port, but stands behind another NAT (the provider's, or that \
             of a second router), where it does not help.\n"
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::portmap::Protocol;

    #[test]
    fn each_finding_has_its_sentence() {
        let findings = |scope, nodes, mapping| Findings {
            scope,
            mdns: true,
            asks: true,
            listen: vec!["/ip4/10.0.0.1/udp/4001/quic-v1".to_owned()],
            nodes: [nodes, 0],
            external: vec!["203.0.113.5:4001".parse().unwrap()],
            mapping,
            filtering: Filtering::Unknown,
            mapped: Mapped::default(),
        };
        for (scope, nodes, mapping, words) in [
            (Scope::Offline, 0, Mapping::Unknown, "stay offline"),
            (Scope::LanOnly, 0, Mapping::Unknown, "--lan-only"),
            (Scope::Everywhere, 0, Mapping::Unknown, "No node of a DHT answers"),
            (Scope::Everywhere, 1, Mapping::Unknown, "takes two nodes"),
            (Scope::Everywhere, 2, Mapping::None, "There is no NAT"),
            (Scope::Everywhere, 2, Mapping::Independent, "one port for all"),
            (Scope::Everywhere, 2, Mapping::Dependent { step: 1 }, "symmetric"),
            (Scope::Everywhere, 2, Mapping::Blocked, "No UDP gets out"),
        ] {
            let report = report(&findings(scope, nodes, mapping));
            assert!(report.contains(words), "{report}");
        }
    }

    #[test]
    fn what_was_seen_of_filtering_has_its_sentence() {
        let findings = |filtering| Findings {
            scope: Scope::Everywhere,
            mdns: true,
            asks: true,
            listen: Vec::new(),
            nodes: [2, 0],
            external: Vec::new(),
            mapping: Mapping::Independent,
            filtering,
            mapped: Mapped::default(),
        };
        let says = |filtering| report(&findings(filtering));
        assert!(says(Filtering::AddressDependent).contains("from any port come in"));
        assert!(says(Filtering::EndpointIndependent).contains("from where nothing was sent to"));
        assert!(!says(Filtering::Unknown).contains("come in"), "nothing was seen");
    }

    #[test]
    fn findings_do_not_contradict_each_other() {
        let findings = Findings {
            scope: Scope::Everywhere,
            mdns: true,
            asks: true,
            listen: Vec::new(),
            nodes: [0, 0],
            external: Vec::new(),
            mapping: Mapping::Unknown,
            filtering: Filtering::Unknown,
            mapped: Mapped::default(),
        };
        let says = |findings: &Findings| report(findings);
        let nobody = says(&findings);
        assert!(nobody.contains("on no network") && nobody.contains("Is there a connection"));
        assert!(!nobody.contains("Seen from outside") && !nobody.contains("NAT"), "{nobody}");
        let mapped = Mapped { state: State::None, ..Mapped::default() };
        assert_eq!(says(&Findings { mapped, ..findings.clone() }), nobody, "no advice either");
        let turned_off = says(&Findings { asks: false, ..findings.clone() });
        assert!(turned_off.contains("is turned off") && !turned_off.contains('?'), "{turned_off}");
        let lan = Findings { scope: Scope::LanOnly, ..findings.clone() };
        assert!(says(&lan).contains("by mDNS"));
        assert!(says(&Findings { mdns: false, ..lan }).contains("--no-mdns"));

        let outside = "203.0.113.5:4001".parse().ok();
        let mapped = Mapped {
            state: State::Maps(Protocol::Upnp),
            ways_in: WaysIn { mapped: outside, mapped_tcp: outside, ..WaysIn::default() },
            ..Mapped::default()
        };
        for mapping in [Mapping::Dependent { step: 0 }, Mapping::Blocked] {
            let report = says(&Findings { nodes: [2, 0], mapping, mapped, ..findings.clone() });
            assert!(report.contains("everybody can reach"), "{report}");
            assert!(!report.contains("everybody but") && !report.contains("not to those"));
            assert!(!report.contains("Seen from outside"), "{report}");
        }
    }

    #[test]
    fn what_the_router_does_has_its_sentence() {
        let outside = Some("203.0.113.5:4001".parse().unwrap());
        for (state, mapped, words) in [
            (State::Asking, None, "not known yet"),
            (State::None, None, "With UPnP, NAT-PMP or PCP turned on"),
            (State::BehindAnother, None, "behind another NAT"),
            (State::Maps(Protocol::NatPmp), outside, "by NAT-PMP: everybody can reach"),
        ] {
            let ways_in = WaysIn { mapped, ..WaysIn::default() };
            let sentence = router(Mapped { state, ways_in, ..Mapped::default() });
            assert!(sentence.contains(words), "{sentence}");
        }
        assert_eq!(router(Mapped::default()), "");
        let pinhole = "[2001:db8::5]:4001".parse().ok();
        let ways_in = WaysIn { pinhole, ..WaysIn::default() };
        let firewall = State::Maps(Protocol::Upnp);
        let sentence = router(Mapped { firewall, ways_in, ..Mapped::default() });
        for words in ["by UPnP: everybody who has IPv6", "[2001:db8::5]:4001"] {
            assert!(sentence.contains(words), "{sentence}");
        }
    }

    #[tokio::test]
    async fn it_ends_by_itself_where_there_is_nothing_to_ask() {
        let config = Config {
            scope: Scope::LanOnly,
            listen: vec!["/ip4/127.0.0.1/udp/0/quic-v1".parse().unwrap()],
            ..Config::default()
        };
        let report = run(&config).await.unwrap();
        assert!(report.contains("/ip4/127.0.0.1/udp/"), "{report}");
    }
}
