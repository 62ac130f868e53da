//! Files: offered, fetched, stopped, sent, dropped, chosen.

use std::path::{Path, PathBuf};

use super::*;
use crate::{
    node::api::{FileState, FileView, Offered},
    tui::{
        disk::{Entry, Found, Listing, Look, Seen},
        transfers::{FRESH, Stage as Going},
        window::Picker,
    },
};

fn file(number: u8, author: Identity, name: &str, state: FileState) -> EntryView {
    let file = FileView {
        name: name.into(),
        size: 2_400_000,
        media_type: String::new(),
        blob: "b10b".into(),
        folder: false,
        state,
        path: (state == FileState::Here).then(|| format!("/home/me/{name}")),
    };
    EntryView {
        kind: EntryKind::File,
        text: None,
        file: Some(Box::new(file)),
        ..entry(number, author)
    }
}

fn progress(number: u8, done: u64) -> Event {
    Event::FileProgress {
        conversation: WITH_BOB,
        entry: id(number),
        done,
        total: 2_400_000,
        bytes_per_second: 100_000,
        holders: 1,
    }
}

fn changed(message: EntryView) -> Event {
    Event::EntryChanged { conversation: WITH_BOB, message }
}

#[expect(clippy::unnecessary_wraps, reason = "that is what is told")]
fn found(path: &str, is_directory: bool) -> Result<Seen, String> {
    let size = if is_directory { 0 } else { 2_400_000 };
    Ok(Seen::Path(Some(Found { path: path.into(), is_directory, size })))
}

fn listing(names: &[&str]) -> Listing {
    let entries = names.iter().map(|name| Entry {
        name: name.trim_end_matches('/').into(),
        is_directory: name.ends_with('/'),
        size: 5,
    });
    Listing { entries: entries.collect(), is_cut: false }
}

impl Stage {
    /// The only look that was asked for since, taken.
    fn look(&mut self) -> (u64, Look) {
        let at = self.other.iter().position(|effect| matches!(effect, Effect::Look(..)));
        match self.other.remove(at.expect("a look")) {
            Effect::Look(number, look) => (number, look),
            other => panic!("{other:?}"),
        }
    }

    /// Answers the only look, and says what it was.
    fn see(&mut self, seen: Result<Seen, String>) -> Look {
        let (number, look) = self.look();
        self.tell(Msg::Seen(number, seen));
        look
    }

    fn question(&self) -> &str {
        match &self.model.window {
            Some(Window::Confirm { question, .. }) => question,
            _ => "",
        }
    }

    fn opened(&mut self) -> Option<PathBuf> {
        let at = self.other.iter().position(|effect| matches!(effect, Effect::Open(_)))?;
        match self.other.remove(at) {
            Effect::Open(path) => Some(path),
            _ => None,
        }
    }

    fn picker(&self) -> &Picker {
        match &self.model.window {
            Some(Window::Picker(picker)) => picker,
            _ => panic!("no window to choose a file"),
        }
    }
}

fn paths(look: &Look) -> Vec<&Path> {
    match look {
        Look::Paths(paths) => paths.iter().map(PathBuf::as_path).collect(),
        Look::Directory { path, .. } => vec![path],
    }
}

#[test]
fn a_file_is_fetched_stopped_gone_on_with_and_cancelled() {
    let mut stage = Stage::open(vec![file(1, BOB, "film.mkv", FileState::Offered)]);
    stage.key("alt-up");
    stage.key("enter");
    assert!(matches!(
        stage.command(),
        Command::GetFile { conversation: WITH_BOB, entry, to: None } if entry == id(1)
    ));
    stage.event(changed(file(1, BOB, "film.mkv", FileState::Fetching)));
    stage.event(progress(1, 1_200_000));
    let transfer = stage.model.transfers.get(id(1)).unwrap();
    assert_eq!(
        (transfer.percent(), transfer.rate, &transfer.stage),
        (50, 100_000, &Going::Running)
    );
    assert_eq!(stage.model.transfers.moving(NOW), Some((1, 50)));
    assert_eq!(stage.model.deadline(), NOW + FRESH);
    // Enter has nothing to fetch now.
    stage.key("enter");
    assert!(matches!(stage.model.window, Some(Window::Details { .. })));
    stage.key("esc");
    stage.key("s");
    assert!(matches!(stage.command(), Command::StopFile { entry, .. } if entry == id(1)));
    stage.event(changed(file(1, BOB, "film.mkv", FileState::Stopped)));
    assert_eq!(stage.model.transfers.get(id(1)).unwrap().stage, Going::Stopped);
    stage.key("f");
    assert!(matches!(stage.command(), Command::GetFile { .. }));
    // What has come is not forgotten without a question.
    stage.key("c");
    stage.nothing();
    assert_eq!(stage.question(), "Forget film.mkv, of which 1.2 MB are here?");
    stage.key("n");
    stage.nothing();
    stage.key("c");
    stage.key("y");
    assert!(matches!(stage.command(), Command::CancelFile { entry, .. } if entry == id(1)));
    stage.event(changed(file(1, BOB, "film.mkv", FileState::Offered)));
    assert!(stage.model.transfers.all().is_empty());
    assert_eq!(stage.shown(1).file.as_ref().unwrap().state, FileState::Offered);
    // Nothing is lost by cancelling what has not begun.
    stage.key("c");
    assert!(matches!(stage.command(), Command::CancelFile { .. }));
}

#[test]
fn a_file_that_came_or_failed_is_said_so() {
    let fetching = || file(1, BOB, "film.mkv", FileState::Fetching);
    let mut stage = Stage::open(vec![fetching()]);
    stage.event(progress(1, 2_400_000));
    let path = "/home/me/Downloads/film.mkv";
    stage.event(Event::FileDone { conversation: WITH_BOB, entry: id(1), path: path.into() });
    assert_eq!(stage.notice(), "film.mkv is here: ~/Downloads/film.mkv");
    assert!(stage.model.transfers.all().is_empty());
    let shown = stage.shown(1).file.clone().unwrap();
    assert_eq!((shown.state, shown.path.as_deref()), (FileState::Here, Some(path)));

    let mut stage = Stage::open(vec![fetching()]);
    let fail = |text: &str| Event::FileFailed {
        conversation: WITH_BOB,
        entry: id(1),
        kind: FailureKind::FileGone,
        text: text.into(),
    };
    stage.event(fail("It broke off."));
    stage.event(changed(file(1, BOB, "film.mkv", FileState::Stopped)));
    assert_eq!(stage.notice(), "film.mkv: It broke off.");
    let failed = Going::Failed("It broke off.".into());
    assert_eq!(stage.model.transfers.get(id(1)).unwrap().stage, failed);
    // Going on clears it.
    stage.event(changed(fetching()));
    assert_eq!(stage.model.transfers.get(id(1)).unwrap().stage, Going::Running);

    // An own file that vanished is nothing on its way.
    let mut stage = Stage::open(vec![file(1, ME, "own.txt", FileState::Here)]);
    stage.event(fail("own.txt has vanished."));
    assert!(stage.model.transfers.all().is_empty() && stage.notice().contains("vanished"));
}

#[test]
fn files_of_conversations_that_are_not_loaded_are_followed() {
    let mut stage = Stage::open(vec![]);
    let of_eve = Event::FileProgress {
        conversation: WITH_EVE,
        entry: id(9),
        done: 1,
        total: 10,
        bytes_per_second: 1,
        holders: 1,
    };
    stage.event(of_eve);
    assert_eq!(stage.model.transfer_name(id(9)), "a file");
    stage.enter("/stop");
    let Command::StopFile { conversation, entry } = stage.command() else { panic!() };
    assert_eq!((conversation, entry), (WITH_EVE, id(9)));
    // Its entry says its name.
    stage.key("alt-2");
    stage.answer(Answer::History(vec![file(9, EVE, "song.ogg", FileState::Fetching)]));
    assert_eq!(stage.model.transfer_name(id(9)), "song.ogg");
    // Nobody stays in a list who deleted what was offered.
    let deleted = EntryView { deleted: true, ..file(9, EVE, "song.ogg", FileState::Fetching) };
    stage.event(Event::EntryChanged { conversation: WITH_EVE, message: deleted });
    assert!(stage.model.transfers.all().is_empty());
}

#[test]
fn get_takes_the_last_offered_file_and_a_place() {
    let entries = vec![
        file(1, BOB, "a.txt", FileState::Offered),
        file(2, BOB, "b.txt", FileState::Stopped),
        file(3, BOB, "c.txt", FileState::Here),
        file(4, ME, "d.txt", FileState::Here),
        entry(5, BOB),
    ];
    let mut stage = Stage::open(entries);
    stage.enter("/get ~/Pictures");
    let Command::GetFile { entry: of, to, .. } = stage.command() else { panic!() };
    assert_eq!((of, to.as_deref()), (id(2), Some("/home/me/Pictures")));
    stage.enter("/get");
    assert!(matches!(stage.command(), Command::GetFile { to: None, .. }));
    // The selected one, if it is a file of somebody else.
    stage.key("alt-up");
    for (key, sentence) in [("f", "offers no file"), ("k", ""), ("f", "your own")] {
        stage.key(key);
        assert!(stage.notice().contains(sentence), "{}", stage.notice());
        stage.nothing();
    }
    let mut stage = Stage::open(vec![entry(1, BOB)]);
    for (line, sentence) in
        [("/get", "No file is offered"), ("/stop", "being fetched"), ("/cancel", "being fetched")]
    {
        stage.enter(line);
        assert!(stage.notice().contains(sentence), "{line}");
        stage.nothing();
    }
}

#[test]
fn only_what_is_here_is_opened_and_programs_only_after_a_question() {
    let mut stage = Stage::open(vec![
        file(1, BOB, "a.png", FileState::Here),
        file(2, BOB, "b.desktop", FileState::Here),
        file(3, BOB, "c.png", FileState::Stopped),
    ]);
    stage.key("alt-up");
    stage.key("o");
    assert_eq!((stage.opened(), stage.notice()), (None, "The file is not here."));
    stage.key("v");
    assert_eq!(stage.opened(), None);
    stage.key("k");
    stage.key("o");
    assert_eq!(stage.opened(), None);
    assert!(stage.question().starts_with("b.desktop may be a program"));
    stage.key("n");
    assert_eq!(stage.opened(), None);
    stage.key("o");
    stage.key("y");
    assert_eq!(stage.opened(), Some("/home/me/b.desktop".into()));
    stage.key("v");
    assert_eq!(stage.opened(), Some("/home/me".into()));
    stage.key("k");
    stage.key("o");
    assert_eq!(stage.opened(), Some("/home/me/a.png".into()));
    stage.tell(Msg::NotOpened("/home/me/a.png".into(), "xdg-open: not found".into()));
    assert_eq!(stage.notice(), "~/a.png could not be opened (xdg-open: not found).");
    stage.nothing();
}

#[test]
fn an_own_file_shows_once_it_is_offered() {
    let mut stage = Stage::open(vec![]);
    stage.enter("/send ~/a b.png");
    stage.nothing();
    let look = stage.see(found("/home/me/a b.png", false));
    assert_eq!(paths(&look), [Path::new("/home/me/a b.png")]);
    let [Request { number, command: Command::SendFile { conversation: WITH_BOB, path } }] =
        stage.asked.as_slice()
    else {
        panic!("{:?}", stage.asked)
    };
    assert_eq!(path, "/home/me/a b.png");
    let number = *number;
    assert!(stage.model.timeline().unwrap().is_empty());
    let view = file(9, ME, "a b.png", FileState::Here).file.unwrap();
    let offered =
        Offered { entry: id(9), blob: "b10b".into(), size: 2_400_000, sent_at: NOW, file: view };
    stage.event(Event::Answered { request: number, result: Ok(Answer::Offered(offered)) });
    assert_eq!(stage.shown(9).file.as_ref().unwrap().name, "a b.png");
    assert_eq!((stage.shown(9).author, stage.shown(9).state), (ME, EntryState::Queued));
}

#[test]
fn what_cannot_be_sent_is_said() {
    let mut stage = Stage::open(vec![]);
    stage.enter("/send nothing.txt");
    stage.see(Ok(Seen::Path(None)));
    assert!(stage.notice().contains("There is no file nothing.txt"));
    assert_eq!(stage.composed(), "/send nothing.txt");
    stage.key("enter");
    stage.see(Err("permission denied".into()));
    assert_eq!(stage.notice(), "nothing.txt: permission denied.");
    // A disk that sleeps.
    stage.key("enter");
    let (number, _) = stage.look();
    stage.model.set_now(NOW + 2_999);
    stage.tell(Msg::Tick);
    assert_eq!(stage.composed(), "");
    assert_eq!(stage.model.deadline(), NOW + 3_000);
    stage.model.set_now(NOW + 3_000);
    stage.tell(Msg::Tick);
    assert!(stage.notice().contains("does not answer"));
    assert_eq!(stage.composed(), "/send nothing.txt");
    stage.tell(Msg::Seen(number, found("/work/nothing.txt", false)));
    stage.nothing();
    // A whole directory is not sent by mistake.
    stage.key("enter");
    stage.see(found("/work/nothing.txt", true));
    assert_eq!(stage.question(), "Send the directory nothing.txt, with all that is in it?");
    stage.key("y");
    let request = stage.asked.remove(0);
    assert!(matches!(request.command, Command::SendFile { .. }));
    let result = Err(failure(FailureKind::FileUnreadable, "It is gone."));
    stage.event(Event::Answered { request: request.number, result });
    assert_eq!(stage.notice(), "nothing.txt was not sent: It is gone.");
}

#[test]
fn tab_completes_paths() {
    let mut stage = Stage::open(vec![]);
    stage.type_in("/send ~/Pi");
    stage.key("tab");
    let look = stage.see(Ok(Seen::Directory(listing(&["Pictures/"]))));
    assert_eq!(look, Look::Directory { path: "/home/me".into(), begins: "Pi".into() });
    assert_eq!(stage.composed(), "/send ~/Pictures/");
    stage.key("tab");
    stage.see(Ok(Seen::Directory(listing(&["holiday a.png", "holiday b.png", ".hidden"]))));
    assert_eq!(stage.composed(), "/send ~/Pictures/holiday ");
    assert_eq!(stage.notice(), "holiday a.png  holiday b.png");
    stage.type_in("z");
    stage.key("tab");
    stage.see(Ok(Seen::Directory(listing(&[]))));
    assert_eq!(stage.notice(), "No name begins so.");
    // Who typed on has moved on.
    stage.key("tab");
    let (number, _) = stage.look();
    stage.type_in("x");
    stage.tell(Msg::Seen(number, Ok(Seen::Directory(listing(&["holiday zoo"])))));
    assert_eq!(stage.composed(), "/send ~/Pictures/holiday zx");
    for (line, directory, begins) in
        [("/get ", "/work", ""), ("/send a", "/work", "a"), ("/send ~", "/home/me", "")]
    {
        stage.key("esc");
        stage.type_in(line);
        stage.key("tab");
        let (_, look) = stage.look();
        assert_eq!(look, Look::Directory { path: directory.into(), begins: begins.into() });
    }
}

#[test]
fn a_dropped_file_is_asked_about_and_no_inserts_the_text() {
    let mut stage = Stage::open(vec![]);
    stage.type_in("look: ");
    stage.tell(Msg::Paste("'/tmp/my photo.png' ".into()));
    let look = stage.see(found("/tmp/my photo.png", false));
    assert_eq!(paths(&look), [Path::new("/tmp/my photo.png")]);
    assert_eq!(stage.question(), "Send my photo.png (2.4 MB)?");
    stage.key("n");
    assert_eq!(stage.composed(), "look: '/tmp/my photo.png' ");
    stage.nothing();
    stage.tell(Msg::Paste("/tmp/a".into()));
    stage.see(found("/tmp/a", false));
    stage.key("f1");
    assert!(stage.composed().ends_with("/tmp/a"), "help is no yes");
    stage.key("esc");
    stage.tell(Msg::Paste("/tmp/a".into()));
    stage.see(found("/tmp/a", false));
    stage.key("y");
    assert!(matches!(stage.command(), Command::SendFile { path, .. } if path == "/tmp/a"));
    assert!(stage.composed().starts_with("look: "));
}

#[test]
fn a_pasted_path_that_is_no_file_stays_a_text() {
    let paste = |stage: &mut Stage| {
        stage.tell(Msg::Paste("/tmp/a".into()));
        assert_eq!(stage.composed(), "");
    };
    let mut stage = Stage::open(vec![]);
    paste(&mut stage);
    stage.see(Ok(Seen::Path(None)));
    assert_eq!(stage.composed(), "/tmp/a");
    // Behind a command it is its argument at once.
    stage.key("esc");
    stage.type_in("/send ");
    stage.tell(Msg::Paste("'/tmp/a b'".into()));
    assert_eq!(stage.composed(), "/send '/tmp/a b'");
    stage.key("enter");
    let (_, look) = stage.look();
    assert_eq!(paths(&look)[0], Path::new("/tmp/a b"));
    // The disk sleeps; somebody looks at something else meanwhile; another one is dropped.
    let mut stage = Stage::open(vec![]);
    paste(&mut stage);
    stage.model.set_now(NOW + 3_000);
    stage.tell(Msg::Tick);
    assert_eq!(stage.composed(), "/tmp/a");
    let mut stage = Stage::open(vec![]);
    paste(&mut stage);
    stage.key("f6");
    stage.see(found("/tmp/a", false));
    assert!(matches!(stage.model.window, Some(Window::Transfers { .. })));
    assert_eq!(stage.composed(), "/tmp/a");
    let mut stage = Stage::open(vec![]);
    paste(&mut stage);
    let (first, _) = stage.look();
    stage.tell(Msg::Paste("/tmp/b".into()));
    assert_eq!(stage.composed(), "/tmp/a");
    stage.tell(Msg::Seen(first, found("/tmp/a", false)));
    assert_eq!(stage.question(), "");
    stage.key("esc");
    stage.see(found("/tmp/b", false));
    assert_eq!(stage.question(), "Send b (2.4 MB)?");
}

#[test]
fn the_window_with_files_on_their_way() {
    let mut stage = Stage::open(vec![
        file(1, BOB, "a.mkv", FileState::Fetching),
        file(2, BOB, "b.mkv", FileState::Fetching),
    ]);
    stage.event(progress(2, 1_000_000));
    stage.enter("/transfers");
    stage.key("s");
    assert!(matches!(stage.command(), Command::StopFile { entry, .. } if entry == id(1)));
    stage.key("down");
    stage.key("down");
    stage.key("f");
    assert!(matches!(stage.command(), Command::GetFile { entry, .. } if entry == id(2)));
    for answer in ["n", "y"] {
        stage.key("c");
        assert!(stage.question().contains("1.0 MB"));
        stage.key(answer);
        assert!(matches!(stage.model.window, Some(Window::Transfers { .. })), "and back");
    }
    assert!(matches!(stage.command(), Command::CancelFile { entry, .. } if entry == id(2)));
    stage.key("enter");
    assert!(stage.model.window.is_none() && stage.model.is_selecting);
    assert_eq!(stage.model.selected().unwrap().entry, id(2));
    // Without any there is nothing to do.
    let mut stage = Stage::open(vec![]);
    stage.key("f6");
    for key in ["s", "f", "c", "down"] {
        stage.key(key);
        stage.nothing();
    }
    stage.key("enter");
    assert!(stage.model.window.is_none());
}

#[test]
fn a_file_is_chosen() {
    let mut stage = Stage::open(vec![]);
    stage.enter("/send");
    let look = stage.see(Ok(Seen::Directory(listing(&["docs/", ".git/", "a.txt", "Radio.ogg"]))));
    assert_eq!(look, Look::Directory { path: "/work".into(), begins: String::new() });
    let names = |stage: &Stage| {
        stage.picker().fitting().iter().map(|entry| entry.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&stage), ["docs", "a.txt", "Radio.ogg"]);
    stage.type_in("a");
    assert_eq!(names(&stage), ["a.txt", "Radio.ogg"]);
    stage.key("backspace");
    stage.type_in(".");
    assert_eq!(names(&stage), [".git", "a.txt", "Radio.ogg"]);
    stage.key("backspace");
    stage.key("enter");
    let look = stage.see(Ok(Seen::Directory(listing(&["deep/"]))));
    assert_eq!(paths(&look), [Path::new("/work/docs")]);
    // Up selects what was left.
    for (key, parent) in [("backspace", "/work"), ("left", "/")] {
        stage.key(key);
        let look = stage.see(Ok(Seen::Directory(listing(&["aaa/", "docs/", "work/"]))));
        assert_eq!(paths(&look), [Path::new(parent)]);
    }
    assert_eq!(stage.picker().chosen, 2);
    stage.key("left");
    assert_eq!(stage.picker().directory, Path::new("/"));
    stage.key("right");
    stage.see(Ok(Seen::Directory(listing(&["docs/", "a.txt"]))));
    stage.key("down");
    stage.key("enter");
    assert!(matches!(stage.command(), Command::SendFile { path, .. } if path == "/work/a.txt"));
    assert!(stage.model.window.is_none());
    // The next time begins there; a directory is sent after a question.
    stage.key("f5");
    let look = stage.see(Ok(Seen::Directory(listing(&["docs/", "a.txt"]))));
    assert_eq!(paths(&look), [Path::new("/work")]);
    stage.key("alt-enter");
    assert_eq!(stage.question(), "Send the directory docs, with all that is in it?");
    stage.key("y");
    assert!(matches!(stage.command(), Command::SendFile { path, .. } if path == "/work/docs"));
}

#[test]
fn a_directory_that_cannot_be_listed_in_whole_or_at_all() {
    let mut stage = Stage::open(vec![]);
    stage.enter("/send /srv/");
    let look = stage.see(Err("permission denied".into()));
    assert_eq!(paths(&look), [Path::new("/srv")]);
    assert!(matches!(&stage.picker().listing, Some(Err(why)) if why == "permission denied"));
    stage.key("enter");
    stage.key("down");
    stage.nothing();
    stage.key("left");
    let cut = Listing { is_cut: true, ..listing(&["a1", "b1"]) };
    stage.see(Ok(Seen::Directory(cut)));
    stage.type_in("c");
    let look = stage.see(Ok(Seen::Directory(listing(&["c1"]))));
    assert_eq!(look, Look::Directory { path: "/".into(), begins: "c".into() });
    assert_eq!(stage.picker().fitting().len(), 1);
    // What is typed less of has to be looked for again.
    stage.key("backspace");
    let (_, look) = stage.look();
    assert_eq!(look, Look::Directory { path: "/".into(), begins: String::new() });
    // Closed before the disk answered.
    stage.key("esc");
    stage.tell(Msg::Seen(u64::MAX, Ok(Seen::Directory(Listing::default()))));
    assert!(stage.model.window.is_none());
}

#[test]
fn without_a_conversation_no_file_is_sent() {
    let mut stage = Stage::new();
    stage.event(Event::Ready { me: Me { id: ME, name: "Me".into() }, has_passphrase: false });
    stage.asked.clear();
    stage.enter("/send a");
    stage.key("f5");
    assert!(stage.model.window.is_none() && stage.notice().contains("/invite"));
    stage.tell(Msg::Paste("/tmp/a".into()));
    assert_eq!(stage.composed(), "/tmp/a");
}
