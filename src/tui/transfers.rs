//! What is known of files on their way beside their entries, and that in words.

use crate::{
    conversation::{ConversationId, EntryId},
    node::api::{EntryView, FileState, UnixMillis},
};

/// Files that are remembered at the same time. Beyond that those go first that do not move.
pub const MAX_TRANSFERS: usize = 256;

/// Progress is told every half second while something comes. After this long without, in
/// milliseconds, nothing comes any more, and the last rate says nothing.
pub const FRESH: u64 = 2_500;

/// The same for what is sent: that is told when an answer went out, which has up to 4 MiB, and a
/// slow line takes several at a time.
pub const FRESH_SENT: u64 = 15_000;

/// How long the rate of what is sent is measured, in milliseconds.
const MEASURE: u64 = 3_000;

/// What a file is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// It is being fetched, or waits for its turn or for somebody who has it; or it is being sent.
    Running,
    /// A part of it is here.
    Stopped,
    /// It will not come unless it is asked for again: why.
    Failed(String),
}

/// A file that was being fetched in this run and is not here yet, or that is sent to somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// Where it was offered.
    pub conversation: ConversationId,
    /// By which entry.
    pub entry: EntryId,
    /// Its name; none until its entry was seen.
    pub name: Option<String>,
    /// What it is doing.
    pub stage: Stage,
    /// Bytes that are here, or that went out.
    pub done: u64,
    /// Bytes in all; 0 until they are known.
    pub total: u64,
    /// Bytes a second, at `at`.
    pub rate: u64,
    /// How many it comes from, or goes to, at `at`.
    pub holders: u32,
    /// When its progress was last told; 0: never.
    pub at: UnixMillis,
    /// How long what is known of it is news.
    fresh: u64,
    /// Of a file that is sent: since when its rate is measured, and what went out since.
    measured: (UnixMillis, u64),
}

impl Transfer {
    /// Something of it came just now.
    pub fn moves(&self, now: UnixMillis) -> bool {
        self.stage == Stage::Running && self.holders > 0 && now < self.at.saturating_add(self.fresh)
    }

    /// How much of it is here, in percent: 100 only if it is all of it.
    pub fn percent(&self) -> u64 {
        percent(self.done, self.total)
    }
}

/// The files on their way, in the order in which they were first seen.
#[derive(Debug, Default)]
pub struct Transfers(Vec<Transfer>);

impl Transfers {
    /// All of them.
    pub fn all(&self) -> &[Transfer] {
        &self.0
    }

    /// One of them.
    pub fn get(&self, entry: EntryId) -> Option<&Transfer> {
        self.0.iter().find(|transfer| transfer.entry == entry)
    }

    /// A file is here, or is not wanted any more.
    pub fn drop(&mut self, entry: EntryId) {
        self.0.retain(|transfer| transfer.entry != entry);
    }

    /// One of them, to be changed; remembered from now on if it was not.
    pub fn at(&mut self, conversation: ConversationId, entry: EntryId) -> &mut Transfer {
        let found = self.0.iter().position(|transfer| transfer.entry == entry);
        let position = found.unwrap_or_else(|| {
            if self.0.len() >= MAX_TRANSFERS {
                let idle = self.0.iter().position(|known| known.stage != Stage::Running);
                self.0.remove(idle.unwrap_or(0));
            }
            self.0.push(Transfer {
                conversation,
                entry,
                name: None,
                stage: Stage::Running,
                done: 0,
                total: 0,
                rate: 0,
                holders: 0,
                at: 0,
                fresh: FRESH,
                measured: (0, 0),
            });
            self.0.len() - 1
        });
        &mut self.0[position]
    }

    /// An entry as it is now: what it says of its file is true.
    pub fn see(&mut self, conversation: ConversationId, view: &EntryView) {
        let file = view.file.as_ref().filter(|_| !view.deleted);
        let is_known = self.get(view.entry).is_some();
        match file {
            Some(file) if file.state == FileState::Fetching || is_known => {
                let transfer = self.at(conversation, view.entry);
                transfer.name = Some(file.name.clone());
                transfer.total = file.size;
                match file.state {
                    FileState::Fetching => transfer.stage = Stage::Running,
                    // Why it failed was told before.
                    FileState::Stopped if matches!(transfer.stage, Stage::Failed(_)) => {}
                    FileState::Stopped => transfer.stage = Stage::Stopped,
                    // Nothing of it is left, or all of it is here.
                    FileState::Offered | FileState::Here | FileState::Gone => self.drop(view.entry),
                }
            }
            Some(_) => {}
            None => self.drop(view.entry),
        }
    }

    /// More of an own file of `total` bytes went out, on one of several ways to somebody.
    pub fn sent(
        &mut self,
        (conversation, entry): (ConversationId, EntryId),
        total: u64,
        bytes: u64,
        now: UnixMillis,
    ) {
        let transfer = self.at(conversation, entry);
        transfer.fresh = FRESH_SENT;
        let is_first = !transfer.moves(now);
        if is_first {
            // Who has stopped goes on where they were; who has it all begins anew.
            if transfer.done >= total {
                transfer.done = 0;
            }
            (transfer.measured, transfer.rate) = ((now, 0), 0);
        }
        transfer.done = transfer.done.saturating_add(bytes).min(total);
        (transfer.total, transfer.holders, transfer.at) = (total, 1, now);
        let (since, before) = transfer.measured;
        // What went out before the first time that something was told says nothing of the rate.
        let sent = before.saturating_add(if is_first { 0 } else { bytes });
        let passed = now.saturating_sub(since);
        transfer.measured = (since, sent);
        if passed >= MEASURE {
            transfer.rate = sent.saturating_mul(1000) / passed;
            transfer.measured = (now, 0);
        }
    }

    /// Those that come just now: how many, and how much of them all is here, in percent.
    pub fn moving(&self, now: UnixMillis) -> Option<(usize, u64)> {
        let moving = self.0.iter().filter(|transfer| transfer.moves(now));
        let (count, done, total) = moving.fold((0, 0_u64, 0_u64), |(count, done, total), next| {
            (count + 1, done.saturating_add(next.done), total.saturating_add(next.total))
        });
        (count > 0).then(|| (count, percent(done, total)))
    }

    /// When the next of them counts as moving no more.
    pub fn deadline(&self, now: UnixMillis) -> Option<UnixMillis> {
        let moving = self.0.iter().filter(|transfer| transfer.moves(now));
        moving.map(|transfer| transfer.at.saturating_add(transfer.fresh)).min()
    }
}

fn percent(done: u64, total: u64) -> u64 {
    let percent = u128::from(done) * 100 / u128::from(total.max(1));
    u64::try_from(percent).unwrap_or(100).min(100)
}

/// A number of bytes: `2.4 MB` (decimal, as shops and file managers count).
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} byte{}", if bytes == 1 { "" } else { "s" });
    }
    let mut unit = 0;
    // In tenths, so that no floating point is needed.
    let mut tenths = bytes / 100;
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths /= 1000;
        unit += 1;
    }
    if tenths < 1000 {
        format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
    } else {
        format!("{} {}", tenths / 10, UNITS[unit])
    }
}

/// A time that is left: `14 s left`.
pub fn left(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{} s left", seconds.max(1)),
        60..3600 => format!("{} min left", seconds.div_ceil(60)),
        3600..172_800 => format!("{} h left", seconds.div_ceil(3600)),
        _ => format!("{} days left", seconds.div_ceil(86_400)),
    }
}

/// How a file that moves is getting on, in at most `cells` cells: of percent, rate and
/// time left what fits.
pub fn pace(transfer: &Transfer, cells: usize) -> String {
    let percent = format!("{} %", transfer.percent());
    let rate = format!("{}/s", size(transfer.rate));
    let missing = transfer.total.saturating_sub(transfer.done);
    let candidates = match missing.checked_div(transfer.rate) {
        Some(seconds) => {
            let left = left(seconds);
            vec![format!("{percent} · {rate} · {left}"), format!("{percent} · {left}")]
        }
        None => Vec::new(),
    };
    let fits = |text: &String| text.chars().count() <= cells;
    candidates.into_iter().find(fits).unwrap_or(percent)
}

/// A file's name in at most `cells` cells. What is left out is left out in the middle: the
/// extension says what it is.
pub fn short_name(name: &str, cells: usize) -> String {
    use super::wrap::{truncate, width};
    use unicode_segmentation::UnicodeSegmentation as _;
    /// The longest end that is kept whole: an extension and a few letters.
    const END: usize = 12;
    if width(name) <= cells {
        return truncate(name, cells);
    }
    let most = END.min(cells / 2);
    let mut end = name.len();
    for (at, _) in name.grapheme_indices(true).rev() {
        if width(name.get(at..).unwrap_or_default()) > most {
            break;
        }
        end = at;
    }
    let tail = name.get(end..).unwrap_or_default();
    let mut short = truncate(name, cells.saturating_sub(width(tail)));
    short.push_str(tail);
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        identity::Identity,
        node::api::{EntryKind, EntryState, FileView},
        tui::wrap,
    };

    const NOW: u64 = 1_794_665_109_000;
    const HERE: ConversationId = ConversationId([1; 32]);

    fn id(number: u16) -> EntryId {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        EntryId(bytes)
    }

    fn view(number: u16, state: FileState) -> EntryView {
        EntryView {
            entry: id(number),
            author: Identity([2; 32]),
            sent_at: NOW,
            kind: EntryKind::File,
            text: None,
            file: Some(Box::new(FileView {
                name: "film.mkv".into(),
                size: 1000,
                media_type: String::new(),
                blob: String::new(),
                folder: false,
                preview: None,
                voice: None,
                state,
                path: None,
            })),
            reply_to: None,
            edited: false,
            deleted: false,
            reactions: Vec::new(),
            state: EntryState::Delivered,
        }
    }

    #[test]
    fn sizes_in_words() {
        for (bytes, words) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (999, "999 bytes"),
            (1000, "1.0 kB"),
            (99_949, "99.9 kB"),
            (999_999, "999 kB"),
            (1_000_000, "1.0 MB"),
            (2_400_000, "2.4 MB"),
            (300_000_000, "300 MB"),
            (1 << 40, "1.0 TB"),
            (u64::MAX, "18446 PB"),
        ] {
            assert_eq!(size(bytes), words);
        }
    }

    #[test]
    fn times_left_are_never_promised_too_short() {
        assert_eq!(left(0), "1 s left");
        assert_eq!(left(59), "59 s left");
        assert_eq!(left(61), "2 min left");
        assert_eq!(left(3601), "2 h left");
        assert_eq!(left(u64::MAX), format!("{} days left", u64::MAX.div_ceil(86_400)));
    }

    #[test]
    fn a_pace_says_what_fits() {
        let mut transfers = Transfers::default();
        let transfer = transfers.at(HERE, id(1));
        (transfer.done, transfer.total, transfer.rate) = (430, 1000, 57);
        assert_eq!(pace(transfer, 60), "43 % · 57 bytes/s · 10 s left");
        assert_eq!(pace(transfer, 20), "43 % · 10 s left");
        assert_eq!(pace(transfer, 4), "43 %");
        transfer.rate = 0;
        assert_eq!(pace(transfer, 60), "43 %");
        (transfer.done, transfer.total) = (999, 1000);
        assert_eq!(transfer.percent(), 99);
    }

    #[test]
    fn a_short_name_keeps_its_extension() {
        let name = "holiday_video_of_everybody_in_the_boat.tar.gz";
        assert_eq!(short_name(name, 45), name);
        assert_eq!(short_name(name, 24), "holiday_vid…_boat.tar.gz");
        for cells in 0..50 {
            assert!(
                wrap::width(&short_name("日本語の写真👨‍👩‍👧‍👦の長い名前.png", cells)) <= cells.max(1)
            );
        }
    }

    #[test]
    fn an_entry_says_what_became_of_its_file() {
        let mut transfers = Transfers::default();
        for state in [FileState::Offered, FileState::Stopped, FileState::Here, FileState::Gone] {
            transfers.see(HERE, &view(1, state));
            assert_eq!(transfers.all(), [], "{state:?} in an old message is no news");
        }
        transfers.see(HERE, &view(1, FileState::Fetching));
        assert_eq!(
            transfers.get(id(1)).map(|t| (t.total, &t.stage)),
            Some((1000, &Stage::Running))
        );
        transfers.see(HERE, &view(1, FileState::Stopped));
        assert_eq!(transfers.get(id(1)).map(|t| &t.stage), Some(&Stage::Stopped));
        let why = Stage::Failed("It broke.".into());
        transfers.at(HERE, id(1)).stage = why.clone();
        transfers.see(HERE, &view(1, FileState::Stopped));
        assert_eq!(transfers.get(id(1)).map(|t| &t.stage), Some(&why));
        let mut deleted = view(1, FileState::Fetching);
        deleted.deleted = true;
        for gone in [view(1, FileState::Here), view(1, FileState::Offered), deleted] {
            transfers.see(HERE, &view(1, FileState::Fetching));
            transfers.see(HERE, &gone);
            assert_eq!(transfers.all(), []);
        }
    }

    #[test]
    fn what_is_remembered_is_bounded_and_what_runs_stays() {
        let mut transfers = Transfers::default();
        for number in 0..256 {
            transfers.at(HERE, id(number));
        }
        transfers.at(HERE, id(7)).stage = Stage::Stopped;
        transfers.at(HERE, id(256));
        assert_eq!(transfers.all().len(), MAX_TRANSFERS);
        assert!(transfers.get(id(7)).is_none() && transfers.get(id(256)).is_some());
        transfers.at(HERE, id(257));
        assert_eq!(transfers.all().len(), MAX_TRANSFERS);
        assert!(transfers.get(id(0)).is_none() && transfers.get(id(257)).is_some());
    }

    #[test]
    fn what_is_sent_is_added_up_and_its_rate_measured() {
        let mut sends = Transfers::default();
        let seen = |sends: &Transfers| {
            sends.get(id(1)).map(|transfer| (transfer.done, transfer.rate)).unwrap()
        };
        let file = (HERE, id(1));
        sends.sent(file, 1000, 100, NOW);
        assert_eq!(seen(&sends), (100, 0));
        sends.sent(file, 1000, 100, NOW + 2000);
        sends.sent(file, 1000, 200, NOW + 4000);
        assert_eq!(seen(&sends), (400, 75));
        // Stopped for a while: the pause is no slowness.
        let later = NOW + 4000 + FRESH_SENT;
        assert_eq!((sends.moving(later - 1), sends.moving(later)), (Some((1, 40)), None));
        sends.sent(file, 1000, 100, later);
        assert_eq!((seen(&sends), sends.moving(later)), ((500, 0), Some((1, 50))));
        // What was sent twice is not more than all; fetched again it begins anew.
        sends.sent(file, 1000, 900, later + 1);
        assert_eq!(seen(&sends).0, 1000);
        sends.sent(file, 1000, 10, later + 1 + FRESH_SENT);
        assert_eq!(seen(&sends).0, 10);
    }

    #[test]
    fn what_has_not_been_heard_of_for_a_while_does_not_move() {
        let mut transfers = Transfers::default();
        assert_eq!((transfers.moving(NOW), transfers.deadline(NOW)), (None, None));
        for (number, done) in [(1, 200), (2, 400)] {
            let transfer = transfers.at(HERE, id(number));
            (transfer.done, transfer.total) = (done, 1000);
            (transfer.rate, transfer.holders, transfer.at) = (10, 1, NOW - u64::from(number));
        }
        assert_eq!(transfers.moving(NOW), Some((2, 30)));
        assert_eq!(transfers.deadline(NOW), Some(NOW - 2 + FRESH));
        assert_eq!(transfers.moving(NOW - 2 + FRESH), Some((1, 20)));
        assert_eq!(transfers.moving(NOW + FRESH), None);
        transfers.at(HERE, id(1)).holders = 0;
        assert_eq!(transfers.moving(NOW), Some((1, 40)));
    }
}
