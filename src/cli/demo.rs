//! `entrenous demo`: the screen on a throwaway profile, and a second real process on loopback,
//! already paired, that answers what one writes.
//!
//! ```text
//! this process                        child process
//!   screen ── node ══ QUIC, loopback ══ node ── `entrenous rpc`
//!   companion ──────────── JSON lines ────────────┘
//! ```

mod companion;

use std::time::Duration;

use color_eyre::eyre::{self, Context, bail};
use libp2p::Multiaddr;

use self::companion::Companion;
use crate::{
    net, node,
    node::api::{Command, Event, Handle, Request, Scope},
    tui,
};

/// Both processes are on this machine: what takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Opens the screen; everything is gone when it closes.
pub async fn run() -> eyre::Result<()> {
    let directory =
        tempfile::tempdir().wrap_err("the demo needs a place for two throwaway profiles")?;
    eprintln!("Starting a second entrenous for you to talk to…");
    let mut companion = Companion::start(&directory.path().join("companion")).await?;
    let config = node::Config {
        directory: directory.path().join("you"),
        network: net::Config {
            scope: Scope::LanOnly,
            listen: vec!["/ip4/127.0.0.1/udp/0/quic-v1".parse::<Multiaddr>()?],
            bootstrap: vec![companion.address.clone()],
            mdns: false,
            serve_dht: net::serving::ServeDht::Never,
            public_dht: false,
        },
        files: node::files::Config {
            downloads: directory.path().join("downloads"),
            auto_accept: node::files::AUTO_ACCEPT,
        },
        passphrase: None,
    };
    let paired = pair(node::start(config.clone()), &companion.invite);
    tokio::time::timeout(PATIENCE, paired).await.wrap_err("the two did not find each other")??;
    let companion = tokio::spawn(async move { companion.talk().await });
    let screen = tui::Options::new(tui::Config::default(), &config.directory);
    let result = tui::run(node::start(config), screen).await;
    companion.abort();
    Ok(result?)
}

/// Makes the profile, accepts the companion's invite, waits until both are contacts, closes.
async fn pair(mut node: Handle, invite: &str) -> eyre::Result<()> {
    while let Some(event) = node.events.recv().await {
        let command = match event {
            Event::ProfileNeeded => {
                Command::CreateProfile { name: "You".to_owned(), passphrase: None }
            }
            Event::Ready { .. } => Command::AcceptInvite { invite: invite.to_owned().into() },
            Event::ContactAdded { .. } => Command::Shutdown,
            Event::Stopped { failure: None } => return Ok(()),
            Event::Answered { result: Err(failure), .. }
            | Event::InviteFailed { failure, .. }
            | Event::Stopped { failure: Some(failure) } => bail!(failure.text),
            _ => continue,
        };
        node.requests.send(Request { number: 0, command }).await?;
    }
    bail!("the node ended")
}
