use std::ops::Range;

use jiff::tz::TimeZone;

use super::*;
use crate::node::api::{EntryKind, Reaction};

const HEIGHT: usize = 10;
static ZONE: TimeZone = TimeZone::UTC;

fn space() -> Space<'static> {
    Space { cells: 20, zone: &ZONE, previews: true }
}

fn id(number: u64) -> EntryId {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    EntryId(bytes)
}

fn entry(number: u64) -> EntryView {
    EntryView {
        entry: id(number),
        author: Identity([1; 32]),
        sent_at: 1_794_665_109_000 + number * 1000,
        kind: EntryKind::Text,
        text: Some(format!("message {number}")),
        file: None,
        reply_to: None,
        edited: false,
        deleted: false,
        reactions: Vec::new(),
        state: EntryState::Delivered,
    }
}

fn page(numbers: Range<u64>) -> Vec<EntryView> {
    numbers.map(entry).collect()
}

fn timeline(numbers: Range<u64>) -> Timeline {
    let mut timeline = Timeline::new(MAX_ENTRIES);
    timeline.reset(page(numbers), true, true);
    timeline
}

fn positions(timeline: &Timeline) -> Vec<usize> {
    timeline.shown(HEIGHT, space()).iter().map(|shown| shown.at).collect()
}

fn count(timeline: &Timeline) -> usize {
    timeline.shown(HEIGHT, space()).iter().map(|shown| shown.rows.len()).sum()
}

#[test]
fn the_view_follows_the_newest_until_it_is_moved() {
    let mut timeline = timeline(0..100);
    assert_eq!(positions(&timeline), (90..100).collect::<Vec<_>>());
    assert_eq!(timeline.push(entry(100), false), Placement::Appended);
    assert_eq!(positions(&timeline).last(), Some(&100));
    timeline.scroll(Direction::Up, 5, HEIGHT, space());
    assert!(!timeline.follows());
    let before = positions(&timeline);
    timeline.push(entry(101), false);
    assert_eq!((positions(&timeline), timeline.below()), (before, 1));
    timeline.scroll(Direction::Down, 100, HEIGHT, space());
    assert!(timeline.follows());
    assert_eq!(timeline.below(), 0);
}

#[test]
fn scrolling_stops_at_both_ends_and_always_fills_the_view() {
    let mut timeline = timeline(0..30);
    for _ in 0..40 {
        timeline.scroll(Direction::Up, 1, HEIGHT, space());
        assert_eq!(count(&timeline), HEIGHT);
    }
    assert_eq!(positions(&timeline)[0], 0);
    // Day, blank, name, and seven messages.
    assert_eq!(positions(&timeline).len(), 7);
    for _ in 0..40 {
        timeline.scroll(Direction::Down, 1, HEIGHT, space());
        assert_eq!(count(&timeline), HEIGHT);
    }
    assert!(timeline.follows());
}

#[test]
fn an_entry_taller_than_the_view_is_walked_through_by_rows() {
    let mut tall = entry(1);
    tall.text = Some("word ".repeat(200));
    let mut timeline = Timeline::new(MAX_ENTRIES);
    timeline.reset(vec![entry(0), tall, entry(2)], true, true);
    let mut seen = 0;
    while positions(&timeline)[0] != 0 {
        timeline.scroll(Direction::Up, 3, HEIGHT, space());
        assert_eq!(count(&timeline), HEIGHT);
        seen += 1;
        assert!(seen < 100);
    }
    assert!(seen > 10);
}

#[test]
fn few_entries_are_all_shown() {
    let mut timeline = timeline(0..2);
    timeline.scroll(Direction::Up, 5, HEIGHT, space());
    assert_eq!(positions(&timeline), [0, 1]);
    assert!(timeline.follows());
    let empty = Timeline::new(10);
    assert!(positions(&empty).is_empty());
    assert_eq!(empty.wanted(HEIGHT, space()), None);
    assert_eq!(empty.last_complete(HEIGHT, space()), None);
}

#[test]
fn the_window_is_bounded_and_lets_go_at_the_far_end() {
    let mut timeline = Timeline::new(200);
    timeline.reset(page(1_000..1_100), false, true);
    for start in (0..10).rev() {
        timeline.scroll(Direction::Up, 1_000, HEIGHT, space());
        assert_eq!(timeline.wanted(HEIGHT, space()), Some(Wanted::Before(id(start * 100 + 100))));
        timeline.prepend(page(start * 100..start * 100 + 100), start == 0);
        assert!(timeline.len() <= 200);
    }
    assert!(timeline.at_start() && !timeline.at_end());
    timeline.scroll(Direction::Down, 1_000, HEIGHT, space());
    assert_eq!(timeline.wanted(HEIGHT, space()), Some(Wanted::After(id(199))));
    timeline.append(page(200..300), false);
    assert_eq!(timeline.len(), 200);
    assert!(!timeline.at_start());
    assert_eq!(timeline.position(id(100)), Some(0));
    assert_eq!(timeline.position(id(99)), None);
}

#[test]
fn ten_thousand_live_entries_keep_the_window_bounded() {
    let mut timeline = Timeline::new(200);
    timeline.reset(page(0..100), true, true);
    for number in 100..10_000 {
        timeline.push(entry(number), false);
    }
    assert_eq!(timeline.len(), 200);
    assert_eq!(timeline.numbers.len(), 200);
    assert_eq!(timeline.position(id(9_999)), Some(199));
}

#[test]
fn what_is_read_is_not_pushed_out_from_below() {
    let mut timeline = Timeline::new(100);
    timeline.reset(page(0..100), true, true);
    timeline.scroll(Direction::Up, 1_000, HEIGHT, space());
    for number in 100..1_000 {
        assert_eq!(timeline.push(entry(number), false), Placement::NotHeld);
    }
    assert_eq!((positions(&timeline)[0], timeline.below()), (0, 900));
    assert!(!timeline.at_end());
    assert!(!timeline.go_to_newest(), "the newest have to be asked for");
}

#[test]
fn a_late_entry_asks_for_the_authority_and_takes_its_order() {
    let mut timeline = timeline(0..20);
    assert_eq!(timeline.push(entry(30), false), Placement::Appended);
    assert_eq!(timeline.push(entry(25), false), Placement::OutOfOrder);
    timeline.refresh_newest([page(10..20), vec![entry(25), entry(30)]].concat(), false);
    assert_eq!(timeline.position(id(25)), Some(20));
    assert_eq!(timeline.position(id(30)), Some(21));
    assert_eq!(timeline.len(), 22);
    // An own entry is the newest whatever its clock says.
    assert_eq!(timeline.push(entry(1_000), false), Placement::Appended);
    let mut own = entry(999);
    own.author = Identity([2; 32]);
    assert_eq!(timeline.push(own, true), Placement::Appended);
}

#[test]
fn a_known_entry_is_not_shown_twice() {
    let mut timeline = timeline(0..5);
    timeline.push(entry(3), false);
    timeline.append(page(2..5), true);
    timeline.prepend(page(0..3), true);
    assert_eq!(timeline.len(), 5);
}

#[test]
fn what_is_known_of_a_delivery_never_becomes_less() {
    let mut timeline = timeline(0..1);
    timeline.set_state(id(0), EntryState::Read);
    timeline.set_state(id(0), EntryState::Delivered);
    assert_eq!(timeline.get(0).unwrap().state, EntryState::Read);
    timeline.set_state(id(77), EntryState::Read);
}

#[test]
fn selecting_moves_the_view_along() {
    let mut timeline = timeline(0..50);
    for expected in (0..50).rev() {
        assert!(timeline.select(Direction::Up, HEIGHT, space()));
        let at = timeline.position(timeline.selected().unwrap()).unwrap();
        assert_eq!(at, expected);
        let shown = timeline.shown(HEIGHT, space());
        assert!(shown.iter().any(|shown| shown.at == at && shown.is_complete), "{at}");
    }
    assert!(!timeline.select(Direction::Up, HEIGHT, space()));
    for _ in 1..50 {
        assert!(timeline.select(Direction::Down, HEIGHT, space()));
    }
    assert!(!timeline.select(Direction::Down, HEIGHT, space()));
    assert!(timeline.follows());
}

#[test]
fn only_entries_whose_end_shows_count_as_seen() {
    let mut tall = entry(1);
    tall.text = Some("word ".repeat(200));
    let mut timeline = Timeline::new(MAX_ENTRIES);
    timeline.reset(vec![entry(0), tall], true, true);
    assert_eq!(timeline.last_complete(HEIGHT, space()), Some(1));
    timeline.scroll(Direction::Up, 1, HEIGHT, space());
    assert_eq!(timeline.last_complete(HEIGHT, space()), None);
}

#[test]
fn a_jump_shows_and_selects() {
    let mut timeline = timeline(0..1_000);
    assert!(timeline.jump(id(500), HEIGHT, space()));
    assert!(positions(&timeline).contains(&500));
    assert_eq!(timeline.selected(), Some(id(500)));
    assert!(!timeline.jump(id(5_000), HEIGHT, space()));
}

#[test]
fn the_unread_line_is_shown_even_if_it_is_far_up() {
    let mut timeline = timeline(0..100);
    timeline.mark_unread(UnreadLine::After(id(49)));
    timeline.show_unread(HEIGHT, space());
    let shown = timeline.shown(HEIGHT, space());
    assert!(shown[0].rows.contains(&Row::Unread));
    assert_eq!(shown[0].at, 50);
}

#[test]
fn an_evicted_corner_falls_back_to_the_bottom() {
    let mut timeline = Timeline::new(100);
    timeline.reset(page(100..200), false, true);
    timeline.scroll(Direction::Up, 1, HEIGHT, space());
    timeline.prepend(page(0..100), true);
    assert_eq!(timeline.position(id(100)), None);
    assert_eq!(positions(&timeline).last(), Some(&99));
}

#[test]
fn what_came_while_the_newest_page_was_on_its_way_stays() {
    let mut timeline = timeline(0..5);
    timeline.push(entry(5), false);
    timeline.push(entry(6), false);
    timeline.refresh_newest(page(2..6), false);
    assert_eq!((timeline.len(), timeline.position(id(6))), (7, Some(6)));
    // A page of newer times replaces what it has nothing in common with.
    timeline.refresh_newest(page(20..25), false);
    assert_eq!(timeline.len(), 5);
}

#[test]
fn the_kinds_of_rows() {
    let plain = entry(0);
    let rows = |entry: &EntryView| block::rows(entry, Some(&plain), false, space());
    let mut other = entry(1);
    assert_eq!(rows(&other), [Row::Text { part: 0..9, first: true, edited: false }]);
    other.reply_to = Some(id(0));
    other.edited = true;
    other.reactions = vec![Reaction { emoji: "👍".into(), by: vec![plain.author] }];
    assert_eq!(
        rows(&other),
        [Row::Quote, Row::Text { part: 0..9, first: true, edited: true }, Row::Reactions]
    );
    other.text = Some("exactly twenty cells".into());
    assert!(rows(&other).contains(&Row::Edited));
    other.deleted = true;
    other.text = None;
    assert_eq!(rows(&other), [Row::Placeholder]);
    let mut other = entry(2);
    other.kind = EntryKind::Unsupported;
    assert_eq!(rows(&other), [Row::Placeholder]);
    other.author = Identity([9; 32]);
    assert_eq!(rows(&other), [Row::Blank, Row::Author, Row::Placeholder]);
    other.sent_at += 86_400_000;
    assert_eq!(rows(&other), [Row::Blank, Row::Day, Row::Blank, Row::Author, Row::Placeholder]);
}
