//! What is left behind, by crashes and by those who are no contacts any more.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
};

use entrenous::{
    net,
    node::{
        self,
        api::{Answer, Command, Event, FileState, Request, Scope},
        files,
    },
};
use serde_json::json;

use crate::{
    places::without_power,
    support::{
        fetch::{MIB, Transfer, content, names, parts},
        lab::wait_for,
        process::Process,
        profile::{Profile, id, wait_online},
    },
    transfer::Two,
};

#[test]
fn hashes_that_no_offer_needs_are_gone_after_a_start_and_the_others_are_not() {
    let mut two = Two::online();
    let path = two.profiles.0.outside().join("a.txt");
    fs::write(&path, "text").unwrap();
    let folder = two.profiles.0.outside().join("folder");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("b"), content(50_000)).unwrap();
    let (file, folder) = (two.offer(&path), two.offer(&folder));
    let blobs = two.profiles.0.dir().join("blobs");
    let before = names(&blobs);
    assert_eq!(before.len(), 3, "two of hashes, and a list: {before:?}");
    two.a.kill();
    for name in ["new-0123456789abcdef", "0123.list", "0123"] {
        fs::write(blobs.join(name), "left").unwrap();
    }
    two.a = two.profiles.0.start();
    assert_eq!(names(&blobs), before);
    wait_online(&two.b, &id(&two.a));
    assert_eq!(fs::read_to_string(two.get(&file)).unwrap(), "text");
    assert_eq!(fs::read(format!("{}/b", two.get(&folder))).unwrap(), content(50_000));
    // Deleted offers leave none.
    for entry in [file, folder] {
        two.a.call("delete", json!({ "conversation": two.conversation, "entry": entry }));
    }
    wait_for("the hashes are gone", || names(&blobs).is_empty());
}

#[test]
fn what_can_not_be_removed_now_is_removed_at_a_later_start() {
    let (a, b) = Profile::loopback_pair();
    let downloads = b.dir().join("downloads");
    let mut transfer = Transfer::begin([a, without_power(b)], 48 * MIB);
    assert!(!transfer.wait(MIB));
    let writable = |mode| {
        fs::set_permissions(&downloads, fs::Permissions::from_mode(mode)).unwrap();
    };
    writable(0o500);
    transfer.a.call("delete", transfer.params());
    transfer.b.event("entryChanged", |event| event["deleted"] == true);
    let tried = |transfer: &Transfer, times| {
        wait_for("it has tried", || {
            transfer.b.log_tail().matches("stays until the next start").count() == times
        });
    };
    tried(&transfer, 1);
    // The same happens at each start, as long as it must.
    transfer.restart_receiver_anyhow();
    tried(&transfer, 2);
    assert_eq!(parts(&downloads).len(), 1);
    transfer.restart_receiver_with(|| writable(0o700));
    wait_for("what had come is gone", || {
        names(&downloads).is_empty() && transfer.hashes().is_empty()
    });
}

#[test]
fn of_whom_is_no_contact_any_more_nothing_is_fetched() {
    let mut two = Two::online();
    let path = two.profiles.0.outside().join("a.txt");
    fs::write(&path, "text").unwrap();
    let entry = two.offer(&path);
    let who = id(&two.a);
    two.a.kill();
    two.b.call("getFile", json!({ "conversation": two.conversation, "entry": entry }));
    two.b.call("shutdown", json!({}));
    two.b.wait_exit();
    let directory = two.profiles.1.dir();
    let config = node::Config {
        files: files::Config { downloads: directory.join("downloads"), auto_accept: 0 },
        directory,
        network: net::Config { scope: Scope::Offline, ..net::Config::default() },
        passphrase: None,
    };
    let contact = serde_json::from_value(who).unwrap();
    let conversation = serde_json::from_value(two.conversation.clone()).unwrap();
    let history = || Command::History { conversation, before: None, after: None, limit: Some(10) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let states = runtime.block_on(async {
        let mut node = node::start(config);
        let remove = Command::RemoveContact { contact };
        let commands = [history(), remove, history(), Command::Shutdown];
        for (number, command) in (0..).zip(commands) {
            node.requests.send(Request { number, command }).await.unwrap();
        }
        let mut states = Vec::new();
        while let Some(event) = node.events.recv().await {
            match event {
                Event::Answered { result: Ok(Answer::History(page)), .. } => {
                    states.extend(page.iter().filter_map(|entry| Some(entry.file.as_ref()?.state)));
                }
                Event::EntryChanged { message, .. } => {
                    states.extend(message.file.map(|file| file.state));
                }
                Event::Answered { result, .. } => assert_eq!(result, Ok(Answer::Done {})),
                _ => {}
            }
        }
        states
    });
    assert_eq!(states[0], FileState::Fetching);
    assert_eq!(states[states.len() - 1], FileState::Stopped, "{states:?}");
}

#[test]
fn a_folder_is_not_laid_out_where_somebody_could_foresee() {
    let mut two = Two::online();
    let folder = two.profiles.0.outside().join("folder");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("b"), content(50_000)).unwrap();
    let entry = two.offer(&folder);
    two.a.kill();
    // Whoever may write there sees where it is gathered.
    let downloads = two.profiles.1.dir().join("downloads");
    let params = json!({ "conversation": two.conversation, "entry": entry });
    two.b.call("getFile", params);
    wait_for("it is prepared", || parts(&downloads).len() == 1);
    let victim = two.profiles.1.outside().join("victim");
    fs::create_dir(&victim).unwrap();
    fs::write(victim.join("old"), "old").unwrap();
    let foreseen = parts(&downloads)[0].with_extension("folder");
    symlink(&victim, &foreseen).unwrap();
    two.a = Process::start(&two.profiles.0, &[]).ready();
    let done = two.b.event("fileDone", |event| event["entry"] == entry);
    assert_eq!(fs::read(format!("{}/b", done["path"].as_str().unwrap())).unwrap(), content(50_000));
    assert_eq!(names(&victim), ["old"]);
    assert!(foreseen.is_symlink(), "what is not its own is left alone");
}
