//! The other one in the demo: drives a second process through its JSON-RPC front end.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use color_eyre::eyre::{self, Context, OptionExt, bail};
use libp2p::Multiaddr;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

/// What it says first.
const GREETINGS: [&str; 2] = [
    "Hello! I am a second entrenous, running on this machine just for you. What you read came \
     over an encrypted session between two real processes.",
    "Write me something. Press F1 to see all keys and commands.",
];

/// What it adds to its first answers, one each.
const HINTS: [&str; 5] = [
    "The mark beside your message says how far it came; it never claims more than is known.",
    "Try /invite: it makes a real invite, as text and as a QR code.",
    "Press Up in an empty line to take up what you wrote before; Alt-Enter begins a new line.",
    "Try /search and a word: everything is on your disk, encrypted, and searched there.",
    "When you leave, everything of this demo is deleted. `entrenous` alone starts for real.",
];

/// Longer files are not fetched: they would lie on this disk twice.
const LONGEST_FILE: u64 = 100 * 1024 * 1024;

/// A child process with a profile of its own.
pub struct Companion {
    /// Where it listens.
    pub address: Multiaddr,
    /// Its invite.
    pub invite: String,
    _child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    /// Where it puts files, which goes with the demo.
    downloads: PathBuf,
    requests: u64,
    hints: usize,
}

impl Companion {
    /// Starts the process and prepares it to be met.
    pub async fn start(data: &Path) -> eyre::Result<Self> {
        let program = std::env::current_exe().wrap_err("this program could not be found again")?;
        let mut child = Command::new(program)
            .args(["--lan-only", "--no-mdns", "--listen", "/ip4/127.0.0.1/udp/0/quic-v1"])
            .arg("--data-dir")
            .arg(data)
            .arg("rpc")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .wrap_err("a second process could not be started")?;
        let input = child.stdin.take().ok_or_eyre("no standard input")?;
        let output = child.stdout.take().ok_or_eyre("no standard output")?;
        let mut companion = Self {
            address: Multiaddr::empty(),
            invite: String::new(),
            _child: child,
            input,
            output: BufReader::new(output).lines(),
            downloads: data.join("downloads"),
            requests: 0,
            hints: 0,
        };
        companion.ask("setName", json!({ "name": "Écho" })).await?;
        let invite = companion.ask("createInvite", json!({})).await?;
        companion.invite = text(&invite["invite"]);
        while companion.address.is_empty() {
            let network = companion.ask("network", json!({})).await?;
            let listening = text(&network["listen"][0]).parse();
            companion.address = listening.unwrap_or_else(|_| Multiaddr::empty());
        }
        Ok(companion)
    }

    /// Greets, then answers what is written, until the process ends.
    pub async fn talk(&mut self) -> eyre::Result<()> {
        let mut greeted = false;
        loop {
            let event = self.event().await?;
            match event["type"].as_str() {
                Some("contactState") if event["state"] == "online" && !greeted => {
                    greeted = true;
                    let conversations = self.ask("conversations", json!({})).await?;
                    for greeting in GREETINGS {
                        self.send(&conversations[0]["id"], greeting, None).await?;
                    }
                }
                Some("message") => self.answer(&event).await?,
                Some("fileOffered") => self.fetch(&event).await?,
                Some("fileDone") => {
                    let text = "It is on my disk now, the same to the last bit.";
                    self.send(&event["conversation"], text, Some(&event["entry"])).await?;
                }
                _ => {}
            }
        }
    }

    async fn answer(&mut self, message: &Value) -> eyre::Result<()> {
        let (conversation, entry) = (&message["conversation"], &message["entry"]);
        self.notify("markRead", json!({ "conversation": conversation, "entry": entry })).await?;
        let said = text(&message["text"]);
        let reply = match HINTS.get(self.hints) {
            Some(hint) => format!("You said “{}”. {hint}", shorten(&said)),
            None => format!("You said “{}”.", shorten(&said)),
        };
        self.hints += 1;
        if self.hints == 1 {
            let params = json!({ "conversation": conversation, "entry": entry, "emoji": "👋" });
            self.notify("react", params).await?;
        }
        self.send(conversation, &reply, Some(entry)).await
    }

    async fn fetch(&mut self, offer: &Value) -> eyre::Result<()> {
        let (conversation, entry) = (&offer["conversation"], &offer["entry"]);
        let mut params = json!({ "conversation": conversation, "entry": entry });
        self.notify("markRead", params.clone()).await?;
        if offer["file"]["size"].as_u64().is_none_or(|size| size > LONGEST_FILE) {
            let text = "That is more than I fetch here. A friend's entrenous asks whether to.";
            return self.send(conversation, text, Some(entry)).await;
        }
        params["to"] = json!(self.downloads.join(""));
        self.notify("getFile", params).await
    }

    async fn send(
        &mut self,
        conversation: &Value,
        text: &str,
        reply_to: Option<&Value>,
    ) -> eyre::Result<()> {
        let params = json!({ "conversation": conversation, "text": text, "replyTo": reply_to });
        self.notify("send", params).await
    }

    async fn notify(&mut self, method: &str, params: Value) -> eyre::Result<()> {
        self.write(&json!({ "jsonrpc": "2.0", "method": method, "params": params })).await
    }

    async fn ask(&mut self, method: &str, params: Value) -> eyre::Result<Value> {
        self.requests += 1;
        let id = self.requests;
        self.write(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))
            .await?;
        loop {
            let mut line = self.line().await?;
            if line["id"] == id {
                if line["error"].is_null() {
                    return Ok(line["result"].take());
                }
                bail!("{}", text(&line["error"]["message"]));
            }
        }
    }

    async fn event(&mut self) -> eyre::Result<Value> {
        loop {
            let mut line = self.line().await?;
            if line["method"] == "event" {
                return Ok(line["params"].take());
            }
        }
    }

    async fn line(&mut self) -> eyre::Result<Value> {
        let line = self.output.next_line().await?.ok_or_eyre("the second process ended")?;
        Ok(serde_json::from_str(&line)?)
    }

    async fn write(&mut self, line: &Value) -> eyre::Result<()> {
        self.input.write_all(format!("{line}\n").as_bytes()).await?;
        Ok(())
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn shorten(text: &str) -> String {
    const LONGEST: usize = 60;
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() > LONGEST || text.lines().count() > 1 {
        line.chars().take(LONGEST).chain(['…']).collect()
    } else {
        line.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_or_many_lines_are_quoted_short() {
        assert_eq!(shorten("short"), "short");
        assert_eq!(shorten("two\nlines"), "two…");
        assert_eq!(shorten(&"é".repeat(61)).chars().count(), 61);
    }
}
