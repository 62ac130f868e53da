//! One running `node.mjs`: js-libp2p and the `ipns` package.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
};

use serde_json::{Value, json};

use crate::support::PATIENCE;

/// Whether it can run here, or what is missing and how to get it.
pub fn can_run() -> Result<(), String> {
    let node = Command::new("node").arg("--version").output();
    if !node.is_ok_and(|output| output.status.success()) {
        return Err("`node` is missing (package nodejs)".to_owned());
    }
    let installed = package().join("node_modules").is_dir();
    let how = "`npm ci --ignore-scripts --prefix tests/interop` gets the packages that are missing";
    if installed { Ok(()) } else { Err(how.to_owned()) }
}

fn package() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop")
}

/// Its process. Dropping it kills it.
pub struct JavaScript {
    child: Child,
    stdin: ChildStdin,
    answers: Receiver<String>,
    asked: u64,
}

impl JavaScript {
    /// Without a network: for the records alone.
    pub fn new() -> Self {
        Self::run(Command::new("node"))
    }

    /// A node of the DHT in this network namespace, and its address.
    pub fn listen(namespace: &str, address: &str, protocol: &str) -> (Self, String) {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace, "node"]);
        let mut node = Self::run(command);
        let addresses = node.call("listen", json!({ "address": address, "protocol": protocol }));
        (node, addresses[0].as_str().expect("an address").to_owned())
    }

    fn run(mut command: Command) -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut child = command
            .arg(package().join("node.mjs"))
            .env_clear()
            .env("PATH", path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (lines, answers) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = lines.send(line);
            }
        });
        Self { child, stdin, answers, asked: 0 }
    }

    /// Asks, and waits for the answer or for what is wrong.
    #[track_caller]
    pub fn ask(&mut self, action: &str, mut what: Value) -> Result<Value, String> {
        self.asked += 1;
        what["id"] = json!(self.asked);
        what["do"] = json!(action);
        writeln!(self.stdin, "{what}").unwrap();
        let line = self.answers.recv_timeout(PATIENCE);
        let line = line.unwrap_or_else(|e| panic!("no answer to {what}: {e}"));
        let mut answer: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(answer["id"], self.asked, "{answer}");
        match answer["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(answer["ok"].take()),
        }
    }

    /// The same where nothing may be wrong.
    #[track_caller]
    pub fn call(&mut self, action: &str, what: Value) -> Value {
        let asked = format!("{action} {what}");
        self.ask(action, what).unwrap_or_else(|error| panic!("{asked}: {error}"))
    }

    /// Whether it takes a record for valid under this key.
    #[track_caller]
    pub fn accepts(&mut self, key: &[u8], value: &[u8]) -> bool {
        let what = json!({ "key": hex::encode(key), "value": hex::encode(value) });
        self.ask("validate", what).is_ok()
    }

    /// How many nodes of its DHT it knows.
    #[track_caller]
    pub fn nodes(&mut self) -> u64 {
        self.call("nodes", json!({})).as_u64().unwrap()
    }

    /// Leaves a record in its DHT.
    #[track_caller]
    pub fn put(&mut self, key: &[u8], value: &[u8]) {
        self.call("put", json!({ "key": hex::encode(key), "value": hex::encode(value) }));
    }

    /// What it finds in its DHT.
    #[track_caller]
    pub fn get(&mut self, key: &[u8]) -> Option<Vec<u8>> {
        let found = self.call("get", json!({ "key": hex::encode(key) }));
        found.as_str().map(|value| hex::decode(value).unwrap())
    }
}

impl Drop for JavaScript {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
