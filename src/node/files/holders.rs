//! Who is asked for a file: everybody of whom an offer of the very same content is known.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use tokio_util::sync::CancellationToken;

use super::Fetching;
use crate::{
    conversation::{ConversationId, EntryId},
    identity::Identity,
    node::{
        api::{Failure, FailureKind},
        failure,
        run::Node,
    },
};

/// Persons of whom one file is fetched at the same time. More make it no faster, and what is in
/// hand of each is memory: 1 MiB.
pub(super) const MAX_HOLDERS: usize = 16;

/// How many times it is remembered that somebody sent something else than was offered; the oldest
/// is forgotten first. To lie so often, somebody must have been asked for as many files.
const MAX_LIES: usize = 1024;

/// The offer by which one person is asked, and what came of that.
#[derive(Clone)]
pub struct Asked {
    /// Where it was offered.
    pub conversation: ConversationId,
    /// By which entry.
    pub entry: EntryId,
    /// The same for all streams to one person.
    pub person: u64,
    /// Ends all streams to them.
    pub stop: CancellationToken,
    /// Bytes that they sent and that were missing.
    pub came: Arc<AtomicU64>,
}

/// One who has a file. They are asked no more once this is dropped.
pub(super) struct Holder {
    pub asked: Asked,
    /// How often it broke off since something came, and how much had come then.
    pub broken: (u32, u64),
}

impl Holder {
    fn new(who: &Identity, conversation: ConversationId, entry: EntryId) -> Self {
        let mut hasher = DefaultHasher::new();
        who.0.hash(&mut hasher);
        let (person, stop, came) = (hasher.finish(), CancellationToken::new(), Arc::default());
        Self { asked: Asked { conversation, entry, person, stop, came }, broken: (0, 0) }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.asked.stop.cancel();
    }
}

/// Those who have one file.
#[derive(Default)]
pub(super) struct Holders {
    known: BTreeMap<Identity, Holder>,
    /// Those who turned out not to have it, unless they offer it anew.
    gone: BTreeSet<Identity>,
    /// How many times the store was asked for others, and has not answered yet.
    looking: usize,
    /// Why the last one was lost.
    lost: Option<Failure>,
}

impl Holders {
    pub fn get(&self, who: &Identity) -> Option<&Holder> {
        self.known.get(who)
    }

    pub fn get_mut(&mut self, who: &Identity) -> Option<&mut Holder> {
        self.known.get_mut(who)
    }

    /// By which offers those were asked who sent some of it.
    pub fn helped(&self) -> Vec<(ConversationId, EntryId)> {
        let asked = self.known.values().map(|holder| &holder.asked);
        let helped = asked.filter(|asked| asked.came.load(Relaxed) > 0);
        helped.map(|asked| (asked.conversation, asked.entry)).collect()
    }

    /// This one offers it. Of several offers by one person the first that was heard of is asked by.
    fn add(&mut self, who: Identity, conversation: ConversationId, entry: EntryId) {
        if !self.gone.contains(&who) {
            self.known.entry(who).or_insert_with(|| Holder::new(&who, conversation, entry));
        }
    }

    /// This offer is no more.
    fn withdraw(&mut self, entry: EntryId) -> bool {
        let before = self.known.len();
        self.known.retain(|_, holder| holder.asked.entry != entry);
        self.known.len() < before
    }
}

/// Who sent something else than was offered, and of which content, in order of time.
#[derive(Default)]
pub(super) struct Lies(VecDeque<([u8; 32], Identity)>);

impl Lies {
    pub fn note(&mut self, content: [u8; 32], who: Identity) {
        if !self.0.contains(&(content, who)) {
            self.0.truncate(MAX_LIES - 1);
            self.0.push_front((content, who));
        }
    }

    fn has(&self, content: [u8; 32], who: Identity) -> bool {
        self.0.contains(&(content, who))
    }
}

impl Node {
    /// Whoever offers what is fetched here is one of those who have it.
    pub(super) fn first_holder(&mut self, fetching: &mut Fetching) {
        let kept = &fetching.kept;
        if !self.files.lies.has(kept.file.content(), kept.author) {
            fetching.holders.add(kept.author, kept.conversation, kept.entry);
        }
    }

    /// Looks who else offers it.
    pub(super) fn look_for_holders(&mut self, entry: EntryId) {
        let Some(fetching) = self.files.fetching.get_mut(&entry) else { return };
        fetching.holders.looking += 1;
        let (attempt, file) = (fetching.attempt, fetching.kept.file.clone());
        let content = file.content();
        let store = self.store.clone();
        let offers = async move { store.same_offers(file).await };
        self.when(offers, move |node, offers| {
            let offers = offers.unwrap_or_else(|error| {
                node.trouble(error);
                Vec::new()
            });
            let Some(fetching) = node.files.fetching.get_mut(&entry) else { return };
            if fetching.attempt != attempt {
                return;
            }
            fetching.holders.looking -= 1;
            let mut links = Vec::new();
            for (conversation, offer) in offers {
                let Some(who) = node.conversations.get(&conversation) else { continue };
                if !node.files.lies.has(content, *who) {
                    fetching.holders.add(*who, conversation, offer);
                    links.extend(node.people.get(who).and_then(|person| person.link));
                }
            }
            if node.end_if_nobody_has(entry) {
                return;
            }
            for link in links {
                node.open_streams(entry, link);
            }
        });
    }

    /// A file was offered; it may be one that is being fetched.
    pub(super) fn holder_may_join(&mut self, who: Identity, size: u64) {
        let alike = |fetching: &Fetching| fetching.kept.file.size == size;
        let fetching = self.files.fetching.iter_mut().filter(|(_, fetching)| alike(fetching));
        let entries: Vec<_> = fetching
            .map(|(entry, fetching)| {
                fetching.holders.gone.remove(&who);
                *entry
            })
            .collect();
        for entry in entries {
            self.look_for_holders(entry);
        }
    }

    /// An offer was deleted: nobody is asked by it any more.
    pub(super) fn holder_withdraws(&mut self, offer: EntryId) {
        let mut left = Vec::new();
        for (entry, fetching) in &mut self.files.fetching {
            if fetching.holders.withdraw(offer) {
                fetching.holders.lost = Some(gone());
                left.push(*entry);
            }
        }
        for entry in left {
            // They may offer it by another entry, too.
            self.look_for_holders(entry);
        }
    }

    /// Somebody is no contact any more.
    pub(super) fn not_a_holder(&mut self, who: Identity) {
        let entries: Vec<_> = self.files.fetching.keys().copied().collect();
        for entry in entries {
            self.lose_holder(entry, who, gone());
        }
    }

    /// Somebody sent something else than they offered: they are not asked for that any more.
    pub(super) fn holder_lied(&mut self, entry: EntryId, who: Identity) {
        let Some(fetching) = self.files.fetching.get(&entry) else { return };
        let content = fetching.kept.file.content();
        self.files.lies.note(content, who);
        let same = |fetching: &Fetching| fetching.kept.file.content() == content;
        let fetching = self.files.fetching.iter().filter(|(_, fetching)| same(fetching));
        let entries: Vec<_> = fetching.map(|(entry, _)| *entry).collect();
        for entry in entries {
            self.lose_holder(entry, who, lied());
        }
    }

    /// One turned out not to have it. It fails for this reason if nobody else has it.
    pub(super) fn lose_holder(&mut self, entry: EntryId, who: Identity, why: Failure) {
        let Some(fetching) = self.files.fetching.get_mut(&entry) else { return };
        if fetching.holders.known.remove(&who).is_some() {
            fetching.holders.gone.insert(who);
            fetching.holders.lost = Some(why);
            self.end_if_nobody_has(entry);
        }
    }

    fn end_if_nobody_has(&mut self, entry: EntryId) -> bool {
        let Some(fetching) = self.files.fetching.get_mut(&entry) else { return false };
        let holders = &mut fetching.holders;
        if fetching.finishing || holders.looking > 0 || !holders.known.is_empty() {
            return false;
        }
        // Without a reason, the only one was known to lie.
        let why = holders.lost.take().unwrap_or_else(lied);
        self.file_failed(entry, why);
        true
    }
}

/// What is said of one who has it no more.
pub(super) fn gone() -> Failure {
    let text = "The file has changed or vanished at whoever offered it. What came of it is kept; \
                ask them to send it again.";
    failure(FailureKind::FileGone, text)
}

fn lied() -> Failure {
    let text = "Something else was sent than what was offered; nothing of that was kept. The \
                program of whoever offered it is broken, or lies.";
    failure(FailureKind::FileGone, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHO: Identity = Identity([1; 32]);

    #[test]
    fn lies_are_remembered_within_bounds_and_the_oldest_are_forgotten() {
        let mut lies = Lies::default();
        let content = |number: usize| *blake3::hash(&number.to_be_bytes()).as_bytes();
        for number in 0..=MAX_LIES {
            lies.note(content(number), WHO);
            lies.note(content(number), WHO);
        }
        assert_eq!(lies.0.len(), MAX_LIES);
        assert!(!lies.has(content(0), WHO));
        assert!(lies.has(content(1), WHO) && lies.has(content(MAX_LIES), WHO));
        assert!(!lies.has(content(1), Identity([2; 32])));
    }

    #[test]
    fn who_is_dropped_is_asked_no_more_and_one_offer_of_each_counts() {
        let mut holders = Holders::default();
        let [first, second] = [EntryId([1; 32]), EntryId([2; 32])];
        holders.add(WHO, ConversationId([0; 32]), first);
        holders.add(WHO, ConversationId([0; 32]), second);
        let stop = holders.get(&WHO).unwrap().asked.stop.clone();
        assert!(!holders.withdraw(second) && !stop.is_cancelled());
        assert!(holders.withdraw(first) && stop.is_cancelled());
        holders.gone.insert(WHO);
        holders.add(WHO, ConversationId([0; 32]), second);
        assert!(holders.get(&WHO).is_none());
    }
}
