//! Files that are sent: typed, completed, dropped, chosen.

use std::path::{Path, PathBuf};

use super::{files::file, *};
use crate::{
    node::api::{FileState, Offered},
    tui::disk::{Entry, Found, Listing, Look, Seen},
};

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

fn paths(look: &Look) -> Vec<&Path> {
    match look {
        Look::Paths(paths) => paths.iter().map(PathBuf::as_path).collect(),
        Look::Directory { path, .. } | Look::Picture { path, .. } => vec![path],
    }
}

#[test]
fn a_path_that_cannot_be_said_is_said_to_be_one() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};
    let mut stage = Stage::open(vec![]);
    stage.enter("/send a");
    let path = PathBuf::from(OsStr::from_bytes(b"/home/\xff/a.png"));
    stage.see(Ok(Seen::Path(Some(Found { path, is_directory: false, size: 5 }))));
    stage.nothing();
    assert_eq!(stage.notice(), "a.png was not sent: its path is not UTF-8.");
}

#[test]
fn an_own_file_shows_once_it_is_offered() {
    let mut stage = Stage::open(vec![]);
    stage.enter("/send ~/a b.png");
    stage.nothing();
    let look = stage.see(found("/home/me/a b.png", false));
    assert_eq!(paths(&look), [Path::new("/home/me/a b.png")]);
    let [
        Request {
            number,
            command: Command::SendFile { conversation: WITH_BOB, path, voice: None },
        },
    ] = stage.asked.as_slice()
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
    stage.tell(Msg::Seen(number, found("/desk/nothing.txt", false)));
    stage.nothing();
    // A whole directory is not sent by mistake.
    stage.key("enter");
    stage.see(found("/desk/nothing.txt", true));
    assert_eq!(stage.question(), "Send the directory nothing.txt, with all that is in it?");
    stage.key("y");
    let request = stage.asked.remove(0);
    assert!(matches!(request.command, Command::SendFile { .. }));
    let result = Err(failure(FailureKind::FileUnreadable, "It is gone."));
    stage.event(Event::Answered { request: request.number, result });
    assert_eq!(stage.notice(), "nothing.txt was not sent: It is gone.");
    stage.enter("/send nothing.txt");
    stage.see(found("/desk/nothing.txt", false));
    stage.fail("/desk/nothing.txt cannot be sent.");
    assert_eq!(stage.notice(), "Not sent: /desk/nothing.txt cannot be sent.");
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
    assert!(stage.notice().starts_with("/send [PATH]"), "what is typed is another line");
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
        [("/get ", "/desk", ""), ("/send a", "/desk", "a"), ("/send ~", "/home/me", "")]
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
fn a_file_is_chosen() {
    let mut stage = Stage::open(vec![]);
    stage.enter("/send");
    let look = stage.see(Ok(Seen::Directory(listing(&["docs/", ".git/", "a.txt", "Radio.ogg"]))));
    assert_eq!(look, Look::Directory { path: "/desk".into(), begins: String::new() });
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
    assert_eq!(paths(&look), [Path::new("/desk/docs")]);
    // Up selects what was left.
    for (key, parent) in [("backspace", "/desk"), ("left", "/")] {
        stage.key(key);
        let look = stage.see(Ok(Seen::Directory(listing(&["aaa/", "docs/", "desk/"]))));
        assert_eq!(paths(&look), [Path::new(parent)]);
    }
    assert_eq!(stage.picker().chosen, 2);
    stage.key("left");
    assert_eq!(stage.picker().directory, Path::new("/"));
    stage.key("right");
    stage.see(Ok(Seen::Directory(listing(&["docs/", "a.txt"]))));
    stage.key("down");
    stage.key("enter");
    assert!(matches!(stage.command(), Command::SendFile { path, .. } if path == "/desk/a.txt"));
    assert!(stage.model.window.is_none());
    // The next time begins there; a directory is sent after a question.
    stage.key("f5");
    let look = stage.see(Ok(Seen::Directory(listing(&["docs/", "a.txt"]))));
    assert_eq!(paths(&look), [Path::new("/desk")]);
    stage.key("alt-enter");
    assert_eq!(stage.question(), "Send the directory docs, with all that is in it?");
    stage.key("y");
    assert!(matches!(stage.command(), Command::SendFile { path, .. } if path == "/desk/docs"));
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
