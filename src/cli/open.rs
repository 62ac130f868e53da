//! A profile that is opened to do one thing, without the screen.

use std::{
    collections::VecDeque,
    io::{self, IsTerminal},
};

use color_eyre::eyre::{self, bail};

use super::{Options, Profile, Stop};
use crate::node::{
    self,
    api::{Answer, Command, Event, FailureKind, Handle, Passphrase, Request, Scope},
};

/// An open profile.
pub struct Open {
    node: Handle,
    number: u64,
    /// What happened while something else was waited for.
    events: VecDeque<Event>,
}

impl Open {
    /// Without the network.
    pub async fn offline(options: &Options) -> eyre::Result<Self> {
        let mut profile = Profile::prepare(options)?;
        profile.node.network.scope = Scope::Offline;
        Self::of(profile).await
    }

    /// With the network that the options allow.
    pub async fn online(options: &Options) -> eyre::Result<Self> {
        Self::of(Profile::prepare(options)?).await
    }

    async fn of(profile: Profile) -> eyre::Result<Self> {
        let node = node::start(profile.node);
        let mut open = Self { node, number: 0, events: VecDeque::new() };
        loop {
            match open.node.events.recv().await {
                Some(Event::Ready { .. }) => return Ok(open),
                Some(Event::ProfileNeeded) => {
                    bail!("there is no profile yet: start `entrenous` once, to choose a name")
                }
                Some(Event::PassphraseNeeded) => {
                    let passphrase = ask_passphrase()?;
                    open.ask(Command::Unlock { passphrase }).await?;
                    return Ok(open);
                }
                Some(Event::Stopped { failure: Some(failure) }) => {
                    if failure.kind == FailureKind::ProfileInUse {
                        return Err(Stop::InUse.into());
                    }
                    bail!(failure.text)
                }
                Some(_) => {}
                None => bail!("the node ended"),
            }
        }
    }

    /// Asks, and waits for the answer.
    pub async fn ask(&mut self, command: Command) -> eyre::Result<Answer> {
        self.number += 1;
        self.node.requests.send(Request { number: self.number, command }).await?;
        while let Some(event) = self.node.events.recv().await {
            match event {
                Event::Answered { request, result } if request == self.number => {
                    return result.map_err(|failure| eyre::eyre!(failure.text));
                }
                Event::Stopped { failure: Some(failure) } => bail!(failure.text),
                event => self.events.push_back(event),
            }
        }
        bail!("the node ended")
    }

    /// What happens next. Dropping the future loses nothing.
    pub async fn next(&mut self) -> eyre::Result<Event> {
        if let Some(event) = self.events.pop_front() {
            return Ok(event);
        }
        match self.node.events.recv().await {
            Some(Event::Stopped { failure: Some(failure) }) => bail!(failure.text),
            Some(Event::Trouble { failure }) => {
                eprintln!("{}", failure.text);
                Ok(Event::Trouble { failure })
            }
            Some(event) => Ok(event),
            None => bail!("the node ended"),
        }
    }

    /// Ends in order: what was accepted is on the disk, and those who are linked are told.
    pub async fn close(mut self) -> eyre::Result<()> {
        self.ask(Command::Shutdown).await?;
        while self.node.events.recv().await.is_some() {}
        Ok(())
    }
}

/// Asks on the terminal, without echo.
fn ask_passphrase() -> eyre::Result<Passphrase> {
    use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
    let input = io::stdin();
    if !input.is_terminal() {
        bail!("this profile has a passphrase: give it with --passphrase-fd");
    }
    eprint!("Passphrase: ");
    let shown = tcgetattr(&input)?;
    let mut hidden = shown.clone();
    // Without signals too: one would leave the terminal as it is here.
    hidden.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG);
    tcsetattr(&input, OptionalActions::Flush, &hidden)?;
    let mut line = zeroize::Zeroizing::new(String::new());
    let read = input.read_line(&mut line);
    tcsetattr(&input, OptionalActions::Now, &shown)?;
    eprintln!();
    read?;
    let passphrase = line.trim_end_matches(['\r', '\n']).to_owned();
    Ok(Passphrase(zeroize::Zeroizing::new(passphrase)))
}
