//! `entrenous send`: a text or files, without the screen.

use std::{
    collections::BTreeMap,
    io::{self, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use color_eyre::eyre::{self, bail};
use indicatif::BinaryBytes;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::timeout,
};

use super::{
    Options, Stop,
    open::Open,
    progress::{File, Progress},
    who,
};
use crate::{
    conversation::{ConversationId, EntryId},
    identity::Identity,
    node::api::{Answer, Command, Contact, ContactState, EntryState, Event},
    text::{self, MAX_TEXT_BYTES},
};

/// What is to be sent.
pub struct What {
    /// To whom.
    pub who: String,
    /// Which files.
    pub files: Vec<PathBuf>,
    /// Which text; `-`: from standard input.
    pub text: Option<String>,
    /// Whether it is only queued.
    pub no_wait: bool,
    /// How long it may take, in seconds.
    pub wait: Option<u64>,
}

/// Sends it, and waits until it is there.
pub async fn run(options: &Options, what: &What) -> eyre::Result<()> {
    if options.offline && !what.no_wait {
        let text = "with --offline nothing gets there: say --no-wait to queue it";
        return Err(Stop::Usage(text.to_owned()).into());
    }
    let paths = what.files.iter().map(|path| absolute(path)).collect::<eyre::Result<Vec<_>>>()?;
    let message = what.text.as_deref().map(message).transpose()?;
    let mut node =
        if what.no_wait { Open::offline(options).await? } else { Open::online(options).await? };
    let sent = send(&mut node, what, paths, message).await;
    node.close().await?;
    sent
}

async fn send(
    node: &mut Open,
    what: &What,
    paths: Vec<String>,
    message: Option<String>,
) -> eyre::Result<()> {
    // From here on it is minded, so that what was queued can be told.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut sending = tokio::select! {
        queued = queue(node, what, paths, message) => queued?,
        _ = interrupt.recv() => {
            let text = "interrupted before all of it was queued";
            return Err(Stop::Interrupted(text.to_owned()).into());
        }
    };
    let name = sending.contact.name.clone();
    let queued = format!(
        "It is queued: {name} gets it when entrenous next runs here and there at the same time."
    );
    if what.no_wait {
        println!("{queued}");
        return Ok(());
    }
    let limit = what.wait.map_or(Duration::MAX, Duration::from_secs);
    tokio::select! {
        arrived = timeout(limit, sending.arrives(node)) => arrived.unwrap_or_else(|_| {
            let text = format!("{name} does not have all of it yet. {queued}");
            Err(Stop::Late(text).into())
        }),
        _ = interrupt.recv() => Err(Stop::Interrupted(format!("interrupted. {queued}")).into()),
    }
}

/// Writes all of it to the disk here.
async fn queue(
    node: &mut Open,
    what: &What,
    paths: Vec<String>,
    message: Option<String>,
) -> eyre::Result<Sending> {
    let contact = who::find(&contacts(node).await?, &what.who)?.clone();
    let conversation = conversation_with(node, contact.id).await?;
    let mut sending = Sending::new(contact);
    if let Some(text) = message {
        let command = Command::SendText { conversation, text, reply_to: None };
        let Answer::Written(written) = node.ask(command).await? else { bail!(UNEXPECTED) };
        sending.open.insert(written.entry, None);
    }
    for path in paths {
        let command = Command::SendFile { conversation, path, voice: None };
        let Answer::Offered(offered) = node.ask(command).await? else { bail!(UNEXPECTED) };
        let name = &offered.file.name;
        let text = format!("Offering {name}, {}.", BinaryBytes(offered.size));
        sending.progress.note(&text);
        let file = sending.progress.file(name, offered.size);
        sending.open.insert(offered.entry, Some(file));
    }
    Ok(sending)
}

const UNEXPECTED: &str = "an unexpected answer";

/// What is on its way to a contact.
struct Sending {
    contact: Contact,
    progress: Progress,
    /// Texts, and files.
    open: BTreeMap<EntryId, Option<File>>,
}

impl Sending {
    fn new(contact: Contact) -> Self {
        Self { contact, progress: Progress::new(), open: BTreeMap::new() }
    }

    /// Waits until all of it is on the other's disk.
    async fn arrives(&mut self, node: &mut Open) -> eyre::Result<()> {
        let Contact { id, name, state, .. } = self.contact.clone();
        let mut online = state == ContactState::Online;
        if !online {
            self.progress.note(&format!("Waiting for {name} to come online."));
        }
        let mut failed = None;
        while !self.open.is_empty() {
            match node.next().await? {
                Event::ContactState { id: who, state, .. } if who == id => {
                    let is_online = state == ContactState::Online;
                    if is_online != online {
                        let now = if is_online { "is online" } else { "is gone" };
                        self.progress.note(&format!("{name} {now}."));
                    }
                    online = is_online;
                }
                Event::EntryState { entry, state, .. } if state >= EntryState::Delivered => {
                    match self.open.get(&entry) {
                        Some(None) => {
                            self.open.remove(&entry);
                            println!("{name} has the text.");
                        }
                        Some(Some(_)) => {
                            let text = "sees the offer; it comes when they fetch it.";
                            self.progress.note(&format!("{name} {text}"));
                        }
                        None => {}
                    }
                }
                Event::FileSent { entry, to, bytes, .. } if to == id => {
                    if let Some(Some(file)) = self.open.get_mut(&entry) {
                        file.add(bytes);
                    }
                }
                Event::FileFetched { entry, by, .. } if by == id => {
                    if let Some(Some(file)) = self.open.remove(&entry) {
                        file.end();
                        println!("{name} has {}.", file.name());
                    }
                }
                Event::FileFailed { entry, text, .. } => {
                    if let Some(Some(file)) = self.open.remove(&entry) {
                        file.end();
                        failed = Some(text);
                    }
                }
                _ => {}
            }
        }
        failed.map_or(Ok(()), |text| Err(eyre::eyre!(text)))
    }
}

/// A text from the command line, or from standard input.
fn message(given: &str) -> eyre::Result<String> {
    if given != "-" {
        return Ok(given.to_owned());
    }
    let mut bytes = Vec::new();
    io::stdin().lock().take(MAX_TEXT_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    match String::from_utf8(bytes) {
        Ok(text) if text.len() <= MAX_TEXT_BYTES => Ok(text.trim_end_matches('\n').to_owned()),
        Ok(_) => bail!("the text is longer than {} KiB", MAX_TEXT_BYTES / 1024),
        Err(_) => bail!("the text is not UTF-8"),
    }
}

/// The path from the root, with a slash at its end if there was one.
pub fn absolute(path: &Path) -> eyre::Result<String> {
    let shown = text::line(&path.to_string_lossy());
    let Ok(whole) = std::path::absolute(path) else {
        return Err(Stop::Usage(format!("{shown:?} is no path")).into());
    };
    match whole.to_str() {
        Some(whole) => Ok(whole.to_owned()),
        None => bail!("the path {shown} is not UTF-8"),
    }
}

/// All contacts.
pub async fn contacts(node: &mut Open) -> eyre::Result<Vec<Contact>> {
    match node.ask(Command::ListContacts).await? {
        Answer::Contacts(contacts) => Ok(contacts),
        _ => bail!(UNEXPECTED),
    }
}

/// The conversation with this contact.
pub async fn conversation_with(node: &mut Open, who: Identity) -> eyre::Result<ConversationId> {
    let Answer::Conversations(all) = node.ask(Command::ListConversations).await? else {
        bail!(UNEXPECTED)
    };
    let with = all.iter().find(|conversation| {
        conversation.members.len() == 2 && conversation.members.contains(&who)
    });
    with.map(|conversation| conversation.id).ok_or_else(|| eyre::eyre!("no conversation"))
}
