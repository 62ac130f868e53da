//! A profile in a temporary directory, and where on the network its program runs.

use std::{
    net::UdpSocket,
    path::{Path, PathBuf},
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use entrenous::{
    identity::{Certificate, DeviceKey, IdentityKey, Invite, InviteSecret},
    store,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::process::Process;

/// Where a program runs.
#[derive(Clone)]
enum Place {
    /// On this machine's loopback, by this port, linked to these ports; no mDNS.
    Loopback { port: u16, peers: Vec<u16>, tcp: bool },
    /// In a network namespace, with mDNS.
    Namespace(String),
    /// In a network namespace, with these arguments.
    Internet(String, Vec<String>),
    /// Nowhere.
    Offline,
}

/// A profile. It outlives the processes that run on it.
pub struct Profile {
    outside: TempDir,
    place: Place,
    program: PathBuf,
    wrapper: Vec<String>,
}

impl Profile {
    fn new(place: Place) -> Self {
        let outside = tempfile::Builder::new().prefix("entrenous-test-").tempdir().unwrap();
        Self { outside, place, program: program(), wrapper: Vec::new() }
    }

    /// A profile that opens no socket.
    pub fn offline() -> Self {
        Self::new(Place::Offline)
    }

    /// A profile on loopback that links to nobody by itself.
    pub fn loopback() -> Self {
        Self::new(Place::Loopback { port: free_port(), peers: Vec::new(), tcp: false })
    }

    /// Two profiles on loopback that link to each other, across restarts as well.
    pub fn loopback_pair() -> (Self, Self) {
        Self::linked_pair(false)
    }

    /// The same over TCP.
    pub fn loopback_pair_tcp() -> (Self, Self) {
        Self::linked_pair(true)
    }

    fn linked_pair(tcp: bool) -> (Self, Self) {
        let (a, b) = (free_port(), free_port());
        let place = |port, peer| Place::Loopback { port, peers: vec![peer], tcp };
        (Self::new(place(a, b)), Self::new(place(b, a)))
    }

    /// A profile on a host of a laboratory.
    pub fn in_namespace(namespace: &str) -> Self {
        Self::new(Place::Namespace(namespace.to_owned()))
    }

    /// A profile on a host of an internet; nothing but these arguments leads to others, and without
    /// a `--bootstrap` among them the nodes of the public DHT, which are nowhere there.
    pub fn on_internet(namespace: &str, arguments: Vec<String>) -> Self {
        Self::new(Place::Internet(namespace.to_owned(), arguments))
    }

    /// The same profile on another host of an internet.
    pub fn move_to(&mut self, host: &str) {
        match &mut self.place {
            Place::Internet(namespace, _) => host.clone_into(namespace),
            _ => panic!("not on an internet"),
        }
    }

    /// The same profile with these arguments instead of those that it was given.
    pub fn with_only(&mut self, arguments: &[&str]) {
        match &mut self.place {
            Place::Internet(_, given) => {
                *given = arguments.iter().map(|&argument| argument.to_owned()).collect();
            }
            _ => panic!("not on an internet"),
        }
    }

    /// Runs the program by this command, which gets the program and its arguments after its own.
    pub fn wrapped(mut self, wrapper: &[&str]) -> Self {
        self.wrapper = wrapper.iter().map(|&s| s.to_owned()).collect();
        self
    }

    /// The profile's directory; the program makes it.
    pub fn dir(&self) -> PathBuf {
        self.data_dir().join("default")
    }

    /// The directory of all profiles.
    pub fn data_dir(&self) -> PathBuf {
        self.outside.path().join("data")
    }

    /// A directory for the test's own files.
    pub fn outside(&self) -> &Path {
        self.outside.path()
    }

    /// The address the program listens on, if that is known beforehand.
    pub fn address(&self) -> Option<String> {
        match &self.place {
            Place::Loopback { port, tcp, .. } => Some(address(*port, *tcp)),
            _ => None,
        }
    }

    /// The port it listens on, if that is known beforehand.
    pub fn port(&self) -> Option<u16> {
        match &self.place {
            Place::Loopback { port, .. } => Some(*port),
            _ => None,
        }
    }

    /// Makes the profile, with so many contacts who are nowhere.
    pub fn with_contacts(self, count: u32) -> Self {
        let now = 1000 * SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let store = store::create(store::lock(&self.dir()).unwrap(), "someone", None).unwrap();
            let me = store.profile().await.unwrap().identity_key.public();
            let invite = Invite::new(me, InviteSecret::generate(&mut rand::rng()), now / 1000 + 60);
            let invite = store.issue_invite(invite, count, now).await.unwrap();
            for number in 1..=count {
                let key = IdentityKey::generate(&mut rand::rng());
                let device = DeviceKey::generate(&mut rand::rng()).public();
                let certificate = Certificate::issue(&key, device, 1, 1);
                let (who, name) = (key.public(), format!("friend {number}"));
                store.complete_issued(invite, who, certificate, name, now).await.unwrap();
            }
            store.close().await.unwrap();
        });
        self
    }

    /// The program, without arguments, in its place.
    pub fn command(&self) -> Command {
        let mut words: Vec<String> = Vec::new();
        if let Place::Namespace(name) | Place::Internet(name, _) = &self.place {
            words.extend(["ip", "netns", "exec", name].map(str::to_owned));
        }
        words.extend(self.wrapper.iter().cloned());
        words.push(self.program.display().to_string());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        // Nothing of this machine's own: no configuration, no colours, no proxy.
        command.env_clear();
        for kept in ["PATH", "RUST_BACKTRACE", "ENTRENOUS_LOG", "RUST_LOG", "LLVM_PROFILE_FILE"] {
            if let Some(value) = std::env::var_os(kept) {
                command.env(kept, value);
            }
        }
        command.env("HOME", self.outside()).env("TERM", "xterm-256color").env("LANG", "C.UTF-8");
        command
    }

    /// The arguments that make the program use this profile and this place.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["--data-dir".to_owned(), self.data_dir().display().to_string()];
        match &self.place {
            Place::Offline => arguments.push("--offline".to_owned()),
            Place::Namespace(_) => arguments.push("--lan-only".to_owned()),
            Place::Internet(_, given) => {
                arguments.extend(given.iter().cloned());
            }
            Place::Loopback { port, peers, tcp } => {
                arguments.extend(["--lan-only", "--no-mdns", "--listen"].map(str::to_owned));
                arguments.push(address(*port, *tcp));
                for &peer in peers {
                    arguments.extend(["--bootstrap".to_owned(), address(peer, *tcp)]);
                }
            }
        }
        arguments
    }

    /// Starts the program and waits until the profile is open.
    #[track_caller]
    pub fn start(&self) -> Process {
        Process::start(self, &[]).ready()
    }

    /// The same, with more arguments.
    #[track_caller]
    pub fn start_with(&self, extra: &[&str]) -> Process {
        Process::start(self, extra).ready()
    }
}

/// The program under test: `ENTRENOUS_PROGRAM`, or the one that cargo built beside the tests.
pub fn program() -> PathBuf {
    std::env::var_os("ENTRENOUS_PROGRAM")
        .map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_entrenous")), PathBuf::from)
}

/// A port that is free now. Somebody else may take it before it is used; a test then fails loudly.
fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn address(port: u16, tcp: bool) -> String {
    if tcp {
        format!("/ip4/127.0.0.1/tcp/{port}")
    } else {
        format!("/ip4/127.0.0.1/udp/{port}/quic-v1")
    }
}

/// The identity.
#[track_caller]
pub fn id(process: &Process) -> Value {
    process.call("whoami", json!({}))["id"].clone()
}

/// Makes the two contacts of each other, waits until both are online, and gives their
/// conversation.
#[track_caller]
pub fn pair(a: &Process, b: &Process) -> Value {
    let (a_id, b_id) = (id(a), id(b));
    let invite = a.call("createInvite", json!({}))["invite"].clone();
    b.call("acceptInvite", json!({ "invite": invite }));
    a.event("contactAdded", |event| event["contact"]["id"] == b_id);
    b.event("contactAdded", |event| event["contact"]["id"] == a_id);
    wait_online(a, &b_id);
    wait_online(b, &a_id);
    let conversation = conversation_with(a, &b_id);
    assert_eq!(conversation, conversation_with(b, &a_id), "both must name it alike");
    conversation
}

/// One says this, and the other hears it.
#[track_caller]
pub fn say(from: &Process, to: &Process, conversation: &Value, text: &str) {
    let said = from.call("send", json!({ "conversation": conversation, "text": text }));
    to.event("message", |e| e["entry"] == said["entry"] && e["text"] == text);
}

/// Waits until the contact is online, be it already or by an event.
#[track_caller]
pub fn wait_online(process: &Process, who: &Value) {
    let contacts = process.call("contacts", json!({}));
    let online = contacts
        .as_array()
        .unwrap()
        .iter()
        .any(|contact| &contact["id"] == who && contact["state"] == "online");
    if !online {
        process.online(who);
    }
}

/// The direct conversation with this contact.
#[track_caller]
pub fn conversation_with(process: &Process, who: &Value) -> Value {
    let all = process.call("conversations", json!({}));
    let found = all
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["kind"] == "direct" && c["members"].as_array().unwrap().contains(who));
    found.unwrap_or_else(|| panic!("no conversation with {who}: {all}"))["id"].clone()
}

/// The whole conversation, oldest first, page by page.
#[track_caller]
pub fn history(process: &Process, conversation: &Value) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    loop {
        let mut params = json!({ "conversation": conversation, "limit": 1000 });
        if let Some(first) = all.first() {
            params["before"] = first["entry"].clone();
        }
        let page = process.call("history", params);
        let page = page.as_array().unwrap();
        if page.is_empty() {
            return all;
        }
        all.splice(0..0, page.iter().cloned());
    }
}

/// The texts of a conversation that this author wrote, in the order shown.
#[track_caller]
pub fn texts_by(process: &Process, conversation: &Value, author: &Value) -> Vec<String> {
    history(process, conversation)
        .iter()
        .filter(|entry| &entry["author"] == author)
        .map(|entry| entry["text"].as_str().unwrap_or_default().to_owned())
        .collect()
}
