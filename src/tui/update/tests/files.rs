//! Files: offered, fetched, stopped, cancelled, opened, shown.

use std::{path::PathBuf, sync::Arc};

use super::*;
use crate::{
    node::api::{FileState, FileView},
    tui::{
        disk::{Look, Seen},
        graphics::{Graphics, Protocol},
        picture::Picture,
        transfers::{FRESH, FRESH_SENT, Stage as Going},
        window::Picker,
    },
};

pub(super) fn file(number: u8, author: Identity, name: &str, state: FileState) -> EntryView {
    let file = FileView {
        name: name.into(),
        size: 2_400_000,
        media_type: String::new(),
        blob: "b10b".into(),
        folder: false,
        preview: None,
        voice: None,
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

impl Stage {
    /// The only look that was asked for since, taken.
    pub(super) fn look(&mut self) -> (u64, Look) {
        let at = self.other.iter().position(|effect| matches!(effect, Effect::Look(..)));
        match self.other.remove(at.expect("a look")) {
            Effect::Look(number, look) => (number, look),
            other => panic!("{other:?}"),
        }
    }

    /// Answers the only look, and says what it was.
    pub(super) fn see(&mut self, seen: Result<Seen, String>) -> Look {
        let (number, look) = self.look();
        self.tell(Msg::Seen(number, seen));
        look
    }

    fn picture(&self) -> Option<Result<(usize, usize), String>> {
        match &self.model.window {
            Some(Window::Picture { picture, .. }) => {
                picture.clone().map(|picture| picture.map(|picture| picture.cells()))
            }
            _ => panic!("no window with a picture"),
        }
    }

    pub(super) fn question(&self) -> &str {
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

    pub(super) fn picker(&self) -> &Picker {
        match &self.model.window {
            Some(Window::Picker(picker)) => picker,
            _ => panic!("no window to choose a file"),
        }
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
    assert!(stage.model.transfers.all().is_empty());
    assert_eq!(stage.notice(), "own.txt has vanished.");
}

#[test]
fn who_sends_a_file_sees_it_go_and_arrive() {
    let mut stage = Stage::open(vec![file(1, ME, "own.txt", FileState::Here)]);
    let sent = |number, bytes| Event::FileSent {
        conversation: WITH_BOB,
        entry: id(number),
        to: BOB,
        bytes,
    };
    stage.event(sent(1, 1_200_000));
    // One that is not loaded cannot be measured.
    stage.event(sent(2, 1));
    assert_eq!(stage.model.sends.moving(NOW), Some((1, 50)));
    assert_eq!(stage.model.deadline(), NOW + FRESH_SENT);
    assert!(stage.model.transfers.all().is_empty());
    let fetched = |entry| Event::FileFetched { conversation: WITH_BOB, entry, by: BOB };
    stage.event(fetched(id(1)));
    assert!(stage.model.sends.all().is_empty());
    assert_eq!(stage.model.fetched, [(id(1), BOB)]);
    // What is remembered is bounded.
    for number in 0..300_u16 {
        let mut bytes = [9; 32];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        stage.event(fetched(EntryId(bytes)));
        stage.event(fetched(EntryId(bytes)));
    }
    assert_eq!(stage.model.fetched.len(), 256);
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

/// A picture of 6×4 pixels, as the disk shows it.
fn seen_picture() -> Seen {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.png");
    image::RgbImage::new(6, 4).save(&path).unwrap();
    Seen::Picture(Arc::new(Picture::read(&path, (80, 24), None).unwrap()))
}

#[test]
fn a_picture_that_is_here_is_shown_in_the_size_of_the_terminal() {
    let with_type = |mut view: EntryView, media_type: &str| {
        view.file.as_mut().unwrap().media_type = media_type.into();
        view
    };
    let mut stage = Stage::open(vec![
        with_type(file(1, BOB, "a.png", FileState::Here), "image/png"),
        with_type(file(2, BOB, "b.png", FileState::Stopped), "image/png"),
        with_type(file(3, BOB, "c.svg", FileState::Here), "image/svg+xml"),
    ]);
    stage.key("alt-up");
    stage.key("p");
    assert!(stage.notice().contains("no picture that is shown here"));
    stage.key("k");
    stage.key("p");
    assert_eq!(stage.notice(), "The file is not here.");
    stage.key("k");
    stage.key("enter");
    let path = PathBuf::from("/home/me/a.png");
    let picture = |cells| Look::Picture { path: path.clone(), cells, graphics: None };
    assert_eq!(stage.picture(), None);
    assert_eq!(stage.see(Ok(seen_picture())), picture((100, 29)));
    assert_eq!(stage.picture(), Some(Ok((6, 2))));
    // Every frame tells the size; only another one has the picture made anew.
    stage.tell(Msg::Resize(100, 30));
    assert!(!stage.other.iter().any(|effect| matches!(effect, Effect::Look(..))));
    stage.tell(Msg::Resize(60, 20));
    assert_eq!(stage.see(Err("it is too large".into())), picture((60, 19)));
    assert_eq!(stage.picture(), Some(Err("it is too large".into())));
    // So it is once the terminal answers, and where the terminal has to be given it anew.
    let protocol = Protocol::Kitty;
    let graphics = Some(Graphics { protocol, cell: (10, 20), tmux: false });
    stage.tell(Msg::Graphics(graphics));
    let better = Look::Picture { path: path.clone(), cells: (60, 19), graphics };
    assert_eq!(stage.see(Ok(seen_picture())), better);
    stage.tell(Msg::Graphics(graphics));
    assert!(!stage.other.iter().any(|effect| matches!(effect, Effect::Look(..))));
    stage.tell(Msg::Resumed);
    assert_eq!(stage.look().1, better);
    stage.key("ctrl-l");
    assert_eq!(stage.look().1, better);
    stage.tell(Msg::Graphics(None));
    assert_eq!(stage.look().1, picture((60, 19)));
    stage.key("esc");
    stage.tell(Msg::Resumed);
    assert!(!stage.other.iter().any(|effect| matches!(effect, Effect::Look(..))));
    assert!(stage.model.window.is_none());
    // Large ones take their time.
    stage.key("p");
    stage.look();
    stage.model.set_now(NOW + 19_999);
    stage.tell(Msg::Tick);
    assert_eq!((stage.picture(), stage.model.deadline()), (None, NOW + 20_000));
    stage.model.set_now(NOW + 20_000);
    stage.tell(Msg::Tick);
    assert!(matches!(stage.picture(), Some(Err(why)) if why.contains("does not answer")));
    stage.tell(Msg::Resize(61, 20));
    let (number, _) = stage.look();
    stage.key("esc");
    stage.tell(Msg::Seen(number, Ok(seen_picture())));
    assert!(stage.model.window.is_none());
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
