//! Why a contact is, or is not, connected: what is known, in a sentence a person understands.

use super::{
    api::{Attempt, ContactState, Path, Scope, Why},
    failure,
    run::Node,
};
use crate::{
    identity::Identity,
    net::{
        dht::Dht, portmap::State, punch::Failure as PunchFailure, rendezvous::Mapping, seek::Search,
    },
    node::api::{Failure, FailureKind},
};

/// What the advice depends on.
struct Facts<'a> {
    name: &'a str,
    state: ContactState,
    path: Option<Path>,
    scope: Scope,
    dht_nodes: u32,
    own: Mapping,
    router: State,
    search: Option<&'a Search>,
}

impl Node {
    /// Why a contact is, or is not, connected.
    ///
    /// # Errors
    ///
    /// [`FailureKind::UnknownContact`].
    pub(super) fn why(&self, contact: Identity) -> Result<Why, Failure> {
        let Some(person) = self.people.get(&contact) else {
            let text = "There is no such contact.";
            return Err(failure(FailureKind::UnknownContact, text));
        };
        let (state, path) = self.presence(contact);
        let search = person.pair_secret().and_then(|secret| self.net.search(secret));
        let facts = Facts {
            name: &person.contact.name,
            state,
            path,
            scope: self.scope,
            dht_nodes: Dht::ALL.map(|dht| self.net.dht_nodes(dht)).iter().sum(),
            own: self.net.mapping(),
            router: self.net.mapped().state,
            search: search.as_ref(),
        };
        let advice = advice(&facts);
        let mut attempts: Vec<Attempt> = self.net.attempts(person.targets()).cloned().collect();
        attempts.extend(search.into_iter().flat_map(|search| search.attempts));
        attempts.sort_by_key(|attempt| attempt.at);
        Ok(Why { state, attempts, advice })
    }
}

fn advice(facts: &Facts<'_>) -> String {
    let Facts { name, state, path, scope, dht_nodes, own, router, search } = facts;
    match (state, path) {
        (ContactState::Online, Some(Path::Lan)) => {
            return format!("You and {name} are connected within the local network.");
        }
        (ContactState::Online, Some(Path::Punched)) => {
            return format!("You and {name} are connected, directly, through your routers.");
        }
        (ContactState::Online, Some(Path::Mapped)) => {
            return format!(
                "You and {name} are connected, directly, at a port that a router maps."
            );
        }
        (ContactState::Online, _) => return format!("You and {name} are connected, directly."),
        _ => {}
    }
    match scope {
        Scope::Offline => {
            return "This program was started with --offline, so it connects to nobody.".to_owned();
        }
        Scope::LanOnly => {
            return format!(
                "This program was started with --lan-only: {name} has to be on the same network, \
                 with entrenous running."
            );
        }
        Scope::Everywhere => {}
    }
    if *dht_nodes == 0 {
        return format!(
            "No node of the DHT answers, so {name} can only be found on the local network. Is \
             there a connection to the Internet? A node's address can be given by --bootstrap."
        );
    }
    let Some(Search { their: Some(their), knows_us, failure, is_mapped, is_under_way, .. }) =
        search
    else {
        return format!(
            "{name} has left no word where you two look for each other: entrenous is probably \
             not running there, or has no connection. It is looked for from time to time."
        );
    };
    // A word lies there for hours after whoever left it has gone.
    let there = if *knows_us {
        format!("{name} is there")
    } else {
        format!("{name} left word, but perhaps entrenous has ended there since")
    };
    let mapping = "UPnP, NAT-PMP or PCP is turned on in one of the two routers";
    let behind = if *router == State::BehindAnother {
        "; yours stands behind another NAT, where that does not help"
    } else {
        ""
    };
    match failure {
        _ if *is_under_way => format!("{there}. A way through is being opened."),
        None => format!("{there}. A connection is about to be tried."),
        Some(PunchFailure::BothUnforeseeable | PunchFailure::Blocked) if *is_mapped => format!(
            "{there}. A port that a router maps is dialed. If that takes longer than a minute, \
             entrenous has ended there, or the router does not do what it says."
        ),
        Some(PunchFailure::BothUnforeseeable) => format!(
            "Your network and that of {name} both use another port for each connection, so \
             neither of you can be reached from outside. It works when one of you uses another \
             network (a phone's hotspot is often one of the same kind), or when {mapping}{behind}."
        ),
        Some(PunchFailure::Blocked) => {
            let whose = match (own, their) {
                (Mapping::Blocked, Mapping::Blocked) => "Both networks let".to_owned(),
                (Mapping::Blocked, _) => "Your network lets".to_owned(),
                _ => format!("The network of {name} lets"),
            };
            if *knows_us {
                format!(
                    "{whose} no UDP out, and by TCP there is no way in on either side. It works \
                     when UDP is allowed there, when one of you uses another network, or when \
                     {mapping}{behind}."
                )
            } else {
                format!(
                    "{there}. {whose} no UDP out: a way by TCP is opened as soon as they answer."
                )
            }
        }
        Some(PunchFailure::TimedOut) => format!(
            "{name} left word, but no packet came through. Perhaps entrenous has ended there, or \
             a firewall is in the way. It is tried again from time to time."
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(failure: Option<PunchFailure>, their: Mapping) -> Search {
        Search {
            their: Some(their),
            knows_us: true,
            failure,
            is_mapped: false,
            is_under_way: false,
            attempts: Vec::new(),
        }
    }

    fn facts(search: Option<&Search>) -> Facts<'_> {
        Facts {
            name: "Ann",
            state: ContactState::Offline,
            path: None,
            scope: Scope::Everywhere,
            dht_nodes: 2,
            own: Mapping::Independent,
            router: State::None,
            search,
        }
    }

    #[test]
    fn each_cause_has_its_sentence() {
        let symmetric = Mapping::Dependent { step: 0 };
        let both = search(Some(PunchFailure::BothUnforeseeable), symmetric);
        let mapped = Search { is_mapped: true, ..both.clone() };
        let blocked = search(Some(PunchFailure::Blocked), Mapping::Blocked);
        let unanswered = Search { knows_us: false, ..blocked.clone() };
        let silent = search(Some(PunchFailure::TimedOut), Mapping::Independent);
        let mut trying = search(None, Mapping::Independent);
        let soon = trying.clone();
        trying.is_under_way = true;
        let stale = Search { knows_us: false, ..trying.clone() };
        let online = |path| Facts { state: ContactState::Online, path: Some(path), ..facts(None) };
        for (facts, words) in [
            (facts(Some(&both)), "another port for each connection"),
            (facts(Some(&both)), "UPnP"),
            (
                Facts { router: State::BehindAnother, ..facts(Some(&both)) },
                "yours stands behind another NAT",
            ),
            (facts(Some(&mapped)), "A port that a router maps is dialed"),
            (online(Path::Mapped), "at a port that a router maps"),
            (facts(Some(&blocked)), "The network of Ann lets no UDP out"),
            (Facts { own: Mapping::Blocked, ..facts(Some(&blocked)) }, "Both networks let no UDP"),
            (facts(Some(&blocked)), "no way in on either side"),
            (facts(Some(&blocked)), "UPnP"),
            (facts(Some(&unanswered)), "as soon as they answer"),
            (facts(Some(&silent)), "no packet came through"),
            (facts(Some(&trying)), "being opened"),
            (facts(Some(&trying)), "Ann is there."),
            (facts(Some(&stale)), "perhaps entrenous has ended there"),
            (facts(Some(&soon)), "about to be"),
            (facts(None), "left no word"),
            (Facts { dht_nodes: 0, ..facts(None) }, "No node of the DHT"),
            (Facts { scope: Scope::LanOnly, ..facts(None) }, "--lan-only"),
            (Facts { scope: Scope::Offline, ..facts(None) }, "--offline"),
            (online(Path::Lan), "local network"),
            (online(Path::Punched), "through your routers"),
            (online(Path::Direct), "directly"),
        ] {
            let advice = advice(&facts);
            assert!(advice.contains(words), "{advice}");
        }
    }
}
