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

/// Digits of an entry by which a file is known in the list: nothing that anybody deletes or offers
/// meanwhile makes them stand for another file, as it would a number.
const DIGITS: usize = 8;

/// The fewest digits that are taken for a file.
const MIN_DIGITS: usize = 6;

/// Lists what is offered, or fetches some of it.
pub async fn run(
    options: &Options,
    what: &[String],
    to: Option<PathBuf>,
    wait: Option<u64>,
) -> eyre::Result<()> {
    let (first, mut files) = wanted(what)?;
    if what.is_empty() && to.is_some() {
        return Err(Stop::Usage("--to needs a file, as the list shows it".to_owned()).into());
    }
    let mut to = to.map(|to| absolute(&to)).transpose()?;
    if let Some(to) = &mut to
        && what.len() > 2
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
        let contacts = contacts(&mut node).await?;
        let from = match first.map(|first| (first, who::find(&contacts, first))) {
            None => contacts,
            Some((_, Ok(who))) => vec![who.clone()],
            Some((first, Err(nobody))) => {
                files.insert(digits(first).ok_or(nobody)?);
                contacts
            }
        };
        let mut offers = offers(&mut node, &from).await?;
        if files.is_empty() || files.iter().any(|file| matching(&offers, file).is_empty()) {
            hear(&mut node, &from, listen).await?;
            offers = self::offers(&mut node, &from).await?;
        }
        if files.is_empty() {
            return list(&offers);
        }
        let chosen = files.iter().map(|file| choose(&offers, file));
        let mut chosen = chosen.collect::<Result<Vec<_>, _>>()?;
        chosen.sort_by_key(|offer| offer.entry);
        chosen.dedup_by_key(|offer| offer.entry);
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

/// The first word, which says whose files, or is one itself; and which files the others are.
fn wanted(what: &[String]) -> Result<(Option<&str>, BTreeSet<String>), Stop> {
    let Some((first, rest)) = what.split_first() else { return Ok((None, BTreeSet::new())) };
    let files = rest.iter().map(|word| {
        let text = || format!("{word:?} is no file: say at least {MIN_DIGITS} digits of the list");
        digits(word).ok_or_else(|| Stop::Usage(text()))
    });
    Ok((Some(first), files.collect::<Result<_, _>>()?))
}

/// The beginning of an entry, if this can be one.
fn digits(word: &str) -> Option<String> {
    let digits = word.bytes().all(|byte| byte.is_ascii_hexdigit());
    (digits && (MIN_DIGITS..=64).contains(&word.len())).then(|| word.to_lowercase())
}

fn matching<'o>(offers: &'o [Offer], file: &str) -> Vec<&'o Offer> {
    offers.iter().filter(|offer| offer.entry.to_string().starts_with(file)).collect()
}

/// The one file whose entry begins so.
fn choose<'o>(offers: &'o [Offer], file: &str) -> Result<&'o Offer, Stop> {
    match matching(offers, file)[..] {
        [one] => Ok(one),
        [] => {
            let text = format!("there is no file {file}; `entrenous get` lists those there are");
            Err(Stop::Usage(text))
        }
        ref several => {
            let all = several.iter().map(|one| format!("\n  {}  {}", one.entry, one.file.name));
            let all: String = all.collect();
            Err(Stop::Usage(format!("{file} may be any of these; say more digits:{all}")))
        }
    }
}

/// What these offer, the oldest first.
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
    for Offer { from, file, entry, .. } in offers {
        let state = match file.state {
            FileState::Offered => "offered",
            FileState::Fetching => "coming",
            FileState::Stopped => "stopped",
            FileState::Here => "here",
            FileState::Gone => "gone",
        };
        let entry = entry.to_string();
        let size = BinaryBytes(file.size).to_string();
        let blanks = " ".repeat(width - from.name.width());
        let FileView { name, path, folder, .. } = file;
        let slash = if *folder { "/" } else { "" };
        let path = path.as_ref().map(|path| format!("  ({path})")).unwrap_or_default();
        writeln!(
            output,
            "{}  {state:<7}  {size:>11}  {}{blanks}  {name}{slash}{path}",
            &entry[..DIGITS],
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
    fn enough_digits_are_a_file_and_the_first_word_may_be_anybody() {
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        for (line, first, files) in [
            ("", None, vec![]),
            ("Ann", Some("Ann"), vec![]),
            ("Ann 0a1b2c 12345678 0A1B2C", Some("Ann"), vec!["0a1b2c", "12345678"]),
            ("0a1b2c", Some("0a1b2c"), vec![]),
        ] {
            let words = words(line);
            let (is_first, is_files) = wanted(&words).unwrap();
            let is_files: Vec<_> = is_files.iter().map(String::as_str).collect();
            assert_eq!((is_first, is_files), (first, files), "{line}");
        }
        for line in ["Ann Bob", "Ann 1", "0a1b2c x", "Ann 0a1b2", "Ann 0a1b2g"] {
            assert_eq!(wanted(&words(line)).unwrap_err().code(), 2, "{line}");
        }
        for (word, file) in [("0A1B2C", Some("0a1b2c")), ("cafe", None), ("facades", None)] {
            assert_eq!(digits(word).as_deref(), file);
        }
    }

    #[test]
    fn digits_that_may_be_several_files_are_refused() {
        let offer = |last: u8| {
            let mut entry = [0xab; 32];
            entry[31] = last;
            Offer {
                from: Contact {
                    id: Identity([7; 32]),
                    name: "Ann".to_owned(),
                    verified: false,
                    state: ContactState::Offline,
                    path: None,
                    unasked: None,
                    last_seen: None,
                },
                conversation: ConversationId([1; 32]),
                entry: EntryId(entry),
                sent_at: 0,
                file: FileView {
                    name: format!("{last}.txt"),
                    size: 1,
                    media_type: String::new(),
                    blob: String::new(),
                    folder: false,
                    state: FileState::Offered,
                    path: None,
                    preview: None,
                    voice: None,
                },
            }
        };
        let offers = [offer(0x10), offer(0x11), offer(0x20)];
        let refused = |digits: &str| choose(&offers, digits).err().unwrap().to_string();
        let several = refused("abababab");
        assert!(several.contains("16.txt") && several.contains("32.txt"), "{several}");
        assert!(refused("abac").contains("no file abac"));
        let begins = "ab".repeat(31);
        assert!(refused(&format!("{begins}1")).contains("17.txt"));
        assert_eq!(choose(&offers, &format!("{begins}2")).ok().unwrap().file.name, "32.txt");
    }
}
