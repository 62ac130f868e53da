//! The streams by which files are fetched: whom to ask, and for how long.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use libp2p::Stream;

use super::{
    Happened,
    fetch::{self, End},
    fetching::MAX_FETCHES,
    holders::{MAX_HOLDERS, gone},
    stream::Timed,
};
use crate::{
    blob::Broken,
    conversation::EntryId,
    identity::Identity,
    net::LinkId,
    node::{
        api::{Event, FailureKind},
        failure,
        run::Node,
    },
    store::KeptFile,
    sync::FileRefusal,
};

/// Streams by which one file is fetched from one contact: while one asks, the other receives. Each
/// has two blocks in hand, which are lost if it breaks off: 1 MiB together.
const STREAMS: usize = 2;

/// One of which nothing has come for so long makes room for others.
const STALLED: Duration = Duration::from_secs(10);

/// A file that breaks off again and again without anything having come is given up.
const MAX_BROKEN: u32 = 10;

impl Node {
    /// A contact has come: what it may have is asked for.
    pub(in crate::node) fn ask_for_files(&mut self, link: LinkId) {
        let Some(who) = self.standing_with(link) else { return };
        let mine: Vec<_> = self
            .files
            .fetching
            .iter()
            .filter(|(_, fetching)| fetching.holders.get(&who).is_some())
            .map(|(entry, _)| *entry)
            .collect();
        for entry in mine {
            self.open_streams(entry, link);
        }
    }

    pub(super) fn open_streams(&mut self, entry: EntryId, link: LinkId) {
        let Some(who) = self.standing_with(link) else { return };
        let Some(fetching) = self.files.fetching.get_mut(&entry) else { return };
        let Some(fetch) = &fetching.fetch else { return };
        if fetch.is_whole() || fetching.holders.get(&who).is_none() {
            return;
        }
        let asked = fetching.asked();
        if asked.len() >= MAX_HOLDERS && !asked.contains(&who) {
            return;
        }
        let (_, streams) = fetching.streams.entry(link).or_insert((who, 0));
        while *streams < STREAMS {
            *streams += 1;
            let opening = (entry, fetching.attempt);
            self.files.opening.entry(link).or_default().push_back(opening);
            self.net.open_files(link);
        }
    }

    /// A stream that was to be opened is, or it failed.
    pub(in crate::node) fn asking(&mut self, link: LinkId, stream: Option<Stream>) {
        let opening = self.files.opening.get_mut(&link).and_then(VecDeque::pop_front);
        let Some((entry, attempt)) = opening else { return };
        let Some(fetching) = self.files.attempt(entry, attempt) else { return };
        let Some((who, streams)) = fetching.streams.get_mut(&link) else { return };
        let (who, holder) = (*who, fetching.holders.get(who));
        let asked = holder.map(|holder| holder.asked.clone());
        let (Some(fetch), Some(asked), Some(stream)) = (fetching.fetch.clone(), asked, stream)
        else {
            *streams = streams.saturating_sub(1);
            return;
        };
        self.files.next_worker += 1;
        let worker = self.files.next_worker;
        let happened = self.files.happened.clone();
        let stream = Timed::new(stream, asked.stop.clone(), Arc::clone(&self.counters));
        tokio::spawn(async move {
            let end = fetch.work(worker, asked, stream).await;
            let _ = happened.send(Happened::Worked { entry, attempt, link, who, end }).await;
        });
    }

    pub(super) fn worked(
        &mut self,
        entry: EntryId,
        attempt: u64,
        link: LinkId,
        who: Identity,
        end: End,
    ) {
        let Some(fetching) = self.files.attempt(entry, attempt) else { return };
        if let Some((_, streams)) = fetching.streams.get_mut(&link) {
            *streams = streams.saturating_sub(1);
        }
        if self.finish_if_whole(entry) {
            return;
        }
        tracing::debug!(?entry, ?end, "a stream of a file ended");
        match end {
            End::Nothing | End::Refused(FileRefusal::Busy) => {}
            End::Refused(FileRefusal::Gone | FileRefusal::Unknown) => {
                self.lose_holder(entry, who, gone());
            }
            End::Broken(Broken::False) => self.holder_lied(entry, who),
            End::Broken(Broken::Local(error)) => {
                self.file_failed(entry, fetch::unwritable(&error));
            }
            End::Broken(_) => self.broke(entry, link, who),
        }
    }

    /// A stream broke. Where the link stands, it is tried again when links are looked after.
    fn broke(&mut self, entry: EntryId, link: LinkId, who: Identity) {
        if !self.links.contains_key(&link) {
            return;
        }
        let Some(fetching) = self.files.fetching.get_mut(&entry) else { return };
        let Some(holder) = fetching.holders.get_mut(&who) else { return };
        let came = holder.asked.came.load(Relaxed);
        let (broken, before) = &mut holder.broken;
        if came > *before {
            (*broken, *before) = (0, came);
        }
        *broken += 1;
        if *broken > MAX_BROKEN {
            let text = "The file broke off again and again. What came of it is kept; fetch it \
                        again later.";
            self.lose_holder(entry, who, failure(FailureKind::FileGone, text));
        }
    }

    /// A link is no more.
    pub(in crate::node) fn forget_streams(&mut self, link: LinkId) {
        self.files.opening.remove(&link);
        for fetching in self.files.fetching.values_mut() {
            fetching.streams.remove(&link);
        }
    }

    /// One of which nothing comes makes room for one that waits, whose holder is there.
    fn make_room(&mut self, at: Instant) {
        if self.files.fetching.len() < MAX_FETCHES {
            return;
        }
        let there = |waiting: &KeptFile| self.online(waiting.conversation).is_some();
        let Some(next) = self.files.waiting.iter().position(there) else { return };
        let stalled = self.files.fetching.iter().find(|(_, fetching)| {
            let idle = fetching.fetch.is_some() && !fetching.finishing;
            idle && at.saturating_duration_since(fetching.stalled.0) >= STALLED
        });
        let Some(stalled) = stalled.map(|(entry, _)| *entry) else { return };
        let Some(fetching) = self.files.fetching.remove(&stalled) else { return };
        if let Some(fetch) = fetching.fetch {
            fetch::release(fetch);
        }
        self.files.waiting.push_back(fetching.kept);
        if let Some(next) = self.files.waiting.remove(next) {
            self.fetch(next);
        }
    }

    /// Tells how far files have come, and opens streams anew where some broke.
    pub(in crate::node) fn look_after_files(&mut self) {
        let at = Instant::now();
        self.files.at_work.retain(|_, task| !task.is_finished());
        self.make_room(at);
        let mut events = Vec::new();
        for (entry, fetching) in &mut self.files.fetching {
            let Some(fetch) = &fetching.fetch else { continue };
            let done = fetch.done();
            if fetching.stalled.1 != done {
                fetching.stalled = (at, done);
            }
            let before = fetching.before.front().copied();
            fetching.before.push_back((at, done));
            if fetching.before.len() > 6 {
                fetching.before.pop_front();
            }
            if fetching.before.iter().rev().nth(1).is_some_and(|(_, before)| *before == done) {
                continue;
            }
            let millis = before.map_or(0, |(since, _)| (at - since).as_millis());
            let came = before.map_or(0, |(_, before)| done.saturating_sub(before));
            let rate = u128::from(came * 1000).checked_div(millis).unwrap_or(0);
            events.push(fetching.progress(*entry, u64::try_from(rate).unwrap_or(u64::MAX)));
        }
        self.files.sent.retain(|_, bytes| *bytes > 0);
        for (&(conversation, entry, to), bytes) in &mut self.files.sent {
            events.push(Event::FileSent { conversation, entry, to, bytes: std::mem::take(bytes) });
        }
        for event in events {
            self.tell(event);
        }
        let links: Vec<_> = self.people.values().filter_map(|person| person.link).collect();
        for link in links {
            self.ask_for_files(link);
        }
    }
}
