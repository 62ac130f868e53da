//! `entrenous get`: what contacts offer, without the screen.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
    path::PathBuf,
    time::{Duration, Instant},
};

use color_eyre::eyre;
use indicatif::BinaryBytes;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::timeout,
};
use unicode_width::UnicodeWidthStr;

use super::{
    Options, Stop,
    open::Open,
    progress::{File, Progress},
    send::{absolute, contacts, conversation_with},
    who,
};
use crate::{
    conversation::{ConversationId, EntryId},
    identity::Identity,
    node::api::{Answer, Command, Contact, ContactState, Event, FileState, FileView},
};

/// How long new offers are waited for, where nothing else is said.
const LISTEN: Duration = Duration::from_secs(10);

/// Once everybody is online, and nothing has come for so long, there is nothing new.
const QUIET: Duration = Duration::from_secs(1);

/// Entries that are asked for at a time.
const PAGE: u32 = 1000;

/// A file that somebody offers.
struct Offer {
    from: Contact,
    conversation: ConversationId,
    entry: EntryId,
    sent_at: u64,
    file: FileView,
}

/// Lists what is offered, or fetches some of it.
pub async fn run(
    options: &Options,
    what: &[String],
    to: Option<PathBuf>,
    wait: Option<u64>,
) -> eyre::Result<()> {
    let (who, numbers) = wanted(what)?;
    if numbers.is_empty() && to.is_some() {
        return Err(Stop::Usage("--to needs the number of a file".to_owned()).into());
    }
    let mut to = to.map(|to| absolute(&to)).transpose()?;
    if let Some(to) = &mut to
        && numbers.len() > 1
        && !to.ends_with('/')
    {
        // Several files can only have a directory in common.
        to.push('/');
    }
    let mut node = Open::online(options).await?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let wait = wait.map(Duration::from_secs);
    let listen = if options.offline { Duration::ZERO } else { wait.unwrap_or(LISTEN) };
    // Only what is here already can be had offline.
    let limit = if options.offline { QUIET } else { wait.unwrap_or(Duration::MAX) };
    let work = async {
        let from = from(&mut node, who).await?;
        let mut offers = offers(&mut node, &from).await?;
        let highest = numbers.iter().max().copied().unwrap_or(usize::MAX);
        if highest > offers.len() {
            hear(&mut node, &from, listen).await?;
            offers = self::offers(&mut node, &from).await?;
        }
        if numbers.is_empty() {
            return list(&offers);
        }
        let chosen = numbers.iter().map(|number| {
            let no_such =
                || Stop::Usage(format!("there is no file {number}; there are {}", offers.len()));
            offers.get(number - 1).ok_or_else(no_such)
        });
        let chosen = chosen.collect::<Result<Vec<_>, _>>()?;
        let fetched = timeout(limit, fetch(&mut node, &chosen, to)).await;
        fetched.unwrap_or_else(|_| {
            let text = "not all of it has come. What came is kept, and the rest is fetched when \
                        entrenous next runs";
            Err(Stop::Late(text.to_owned()).into())
        })
    };
    let done = tokio::select! {
        done = work => done,
        _ = interrupt.recv() => {
            let text = "interrupted. What was being fetched goes on when entrenous next runs";
            Err(Stop::Interrupted(text.to_owned()).into())
        }
    };
    node.close().await?;
    done
}

/// Whose files, and which. A word of up to six digits is a number.
fn wanted(what: &[String]) -> Result<(Option<&str>, BTreeSet<usize>), Stop> {
    let number = |word: &String| {
        let short = word.len() <= 6;
        word.parse::<usize>().ok().filter(|number| short && *number > 0)
    };
    let (who, rest) = match what {
        [first, rest @ ..] if number(first).is_none() => (Some(first.as_str()), rest),
        all => (None, all),
    };
    let numbers = rest.iter().map(|word| {
        number(word).ok_or_else(|| Stop::Usage(format!("{word:?} is no number of a file")))
    });
    Ok((who, numbers.collect::<Result<_, _>>()?))
}

async fn from(node: &mut Open, who: Option<&str>) -> eyre::Result<Vec<Contact>> {
    let contacts = contacts(node).await?;
    Ok(match who {
        Some(who) => vec![who::find(&contacts, who)?.clone()],
        None => contacts,
    })
}

/// What these offer, the oldest first: so the numbers of those that are known stay the same.
async fn offers(node: &mut Open, from: &[Contact]) -> eyre::Result<Vec<Offer>> {
    let mut offers = Vec::new();
    for contact in from {
        let conversation = conversation_with(node, contact.id).await?;
        let mut before = None;
        loop {
            let (after, limit) = (None, Some(PAGE));
            let page = Command::History { conversation, before, after, limit };
            let Answer::History(page) = node.ask(page).await? else { break };
            let Some(first) = page.first() else { break };
            before = Some(first.entry);
            offers.extend(page.into_iter().filter(|entry| entry.author == contact.id).filter_map(
                |entry| {
                    Some(Offer {
                        from: contact.clone(),
                        conversation,
                        entry: entry.entry,
                        sent_at: entry.sent_at,
                        file: *entry.file?,
                    })
                },
            ));
        }
    }
    offers.sort_by_key(|offer| (offer.sent_at, offer.entry));
    Ok(offers)
}

/// Lets new offers come.
async fn hear(node: &mut Open, from: &[Contact], listen: Duration) -> eyre::Result<()> {
    let began = Instant::now();
    let online = |contact: &&Contact| contact.state == ContactState::Online;
    let mut online: BTreeSet<Identity> = from.iter().filter(online).map(|one| one.id).collect();
    let mut last = began;
    loop {
        let mut left = listen.saturating_sub(began.elapsed());
        if from.iter().all(|contact| online.contains(&contact.id)) {
            left = left.min(QUIET.saturating_sub(last.elapsed()));
        }
        if left.is_zero() {
            return Ok(());
        }
        let Ok(event) = timeout(left, node.next()).await else { continue };
        match event? {
            Event::ContactState { id, state: ContactState::Online, .. } => {
                online.insert(id);
                last = Instant::now();
            }
            Event::ContactState { id, .. } => {
                online.remove(&id);
            }
            Event::Message { .. } | Event::FileOffered { .. } => last = Instant::now(),
            _ => {}
        }
    }
}

fn list(offers: &[Offer]) -> eyre::Result<()> {
    if offers.is_empty() {
        eprintln!("No files are offered.");
    }
    let width = offers.iter().map(|offer| offer.from.name.width()).max().unwrap_or(0);
    let mut output = io::stdout().lock();
    for (index, Offer { from, file, .. }) in offers.iter().enumerate() {
        let state = match file.state {
            FileState::Offered => "offered",
            FileState::Fetching => "coming",
            FileState::Stopped => "stopped",
            FileState::Here => "here",
            FileState::Gone => "gone",
        };
        let number = index + 1;
        let size = BinaryBytes(file.size).to_string();
        let blanks = " ".repeat(width - from.name.width());
        let FileView { name, path, folder, .. } = file;
        let slash = if *folder { "/" } else { "" };
        let path = path.as_ref().map(|path| format!("  ({path})")).unwrap_or_default();
        writeln!(
            output,
            "{number:>4}  {state:<7}  {size:>11}  {}{blanks}  {name}{slash}{path}",
            from.name
        )?;
    }
    Ok(())
}

/// Fetches these, and says where each is.
async fn fetch(node: &mut Open, chosen: &[&Offer], to: Option<String>) -> eyre::Result<()> {
    let progress = Progress::new();
    let mut open: BTreeMap<EntryId, (&Offer, File)> = BTreeMap::new();
    let mut failed = 0;
    for offer in chosen {
        let (conversation, entry) = (offer.conversation, offer.entry);
        match node.ask(Command::GetFile { conversation, entry, to: to.clone() }).await {
            Ok(_) => {
                let bar = progress.file(&offer.file.name, offer.file.size);
                open.insert(entry, (offer, bar));
            }
            Err(error) => {
                failed += 1;
                progress.note(&format!("{}: {error}", offer.file.name));
            }
        }
    }
    let mut away: BTreeMap<Identity, &str> = BTreeMap::new();
    for (offer, _) in open.values() {
        if offer.file.state != FileState::Here && offer.from.state != ContactState::Online {
            away.insert(offer.from.id, &offer.from.name);
        }
    }
    for name in away.values() {
        progress.note(&format!("Waiting for {name} to come online."));
    }
    while !open.is_empty() {
        match node.next().await? {
            Event::ContactState { id, state: ContactState::Online, .. } => {
                if let Some(name) = away.remove(&id) {
                    progress.note(&format!("{name} is online."));
                }
            }
            Event::FileProgress { entry, done, .. } => {
                if let Some((_, bar)) = open.get_mut(&entry) {
                    bar.set(done);
                }
            }
            Event::FileDone { entry, path, .. } => {
                if let Some((_, bar)) = open.remove(&entry) {
                    bar.end();
                    println!("{path}");
                }
            }
            Event::FileFailed { entry, text, .. } => {
                if let Some((offer, bar)) = open.remove(&entry) {
                    bar.end();
                    failed += 1;
                    progress.note(&format!("{}: {text}", offer.file.name));
                }
            }
            _ => {}
        }
    }
    match failed {
        0 => Ok(()),
        1 if chosen.len() == 1 => Err(eyre::eyre!("it did not come")),
        failed => Err(eyre::eyre!("{failed} of {} did not come", chosen.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_number_is_one_and_whatever_else_comes_first_is_a_name() {
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        for (line, who, numbers) in [
            ("", None, vec![]),
            ("Ann", Some("Ann"), vec![]),
            ("Ann 2 1 2", Some("Ann"), vec![1, 2]),
            ("3", None, vec![3]),
            ("12345678", Some("12345678"), vec![]),
            ("0", Some("0"), vec![]),
        ] {
            let words = words(line);
            let (is_who, is_numbers) = wanted(&words).unwrap();
            assert_eq!((is_who, is_numbers.into_iter().collect()), (who, numbers), "{line}");
        }
        for line in ["Ann Bob", "Ann 0", "1 x", "Ann -1", "Ann 1234567"] {
            assert_eq!(wanted(&words(line)).unwrap_err().code(), 2, "{line}");
        }
    }
}
