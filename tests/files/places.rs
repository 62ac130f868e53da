//! Where a file lands: beside what is there, whatever that is, and nowhere else.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use serde_json::{Value, json};

use crate::{
    support::{
        fetch::{MIB, Transfer, names, parts},
        process::{Process, Refusal},
        profile::Profile,
    },
    transfer::Two,
};

fn offer(two: &Two, name: &str, text: &str) -> Value {
    let path = two.profiles.0.outside().join(name);
    fs::write(&path, text).unwrap();
    two.offer(&path)
}

/// A pipe at this path.
pub fn pipe(path: &Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

fn get_to(two: &Two, entry: &Value, to: &Path) -> String {
    let params = json!({ "conversation": two.conversation, "entry": entry, "to": to });
    two.b.call("getFile", params);
    let done = two.b.event("fileDone", |event| event["entry"] == *entry);
    done["path"].as_str().unwrap().to_owned()
}

#[track_caller]
fn refused_to(two: &Two, entry: &Value, to: &Value) -> Refusal {
    let params = json!({ "conversation": two.conversation, "entry": entry, "to": to });
    two.b.refused("getFile", params)
}

/// What B is told when a file will not come.
#[track_caller]
pub fn failed(b: &Process, entry: &Value) -> (String, String) {
    let event = b.event("fileFailed", |event| event["entry"] == *entry);
    let word = |name: &str| event[name].as_str().unwrap().to_owned();
    (word("kind"), word("text"))
}

#[test]
fn a_name_that_is_taken_gets_a_number_whatever_lies_there() {
    let two = Two::online();
    let downloads = two.profiles.1.dir().join("downloads");
    fs::create_dir_all(&downloads).unwrap();
    let victim = two.profiles.1.outside().join("victim");
    fs::write(&victim, "old").unwrap();
    fs::write(downloads.join("a.txt"), "old").unwrap();
    symlink(&victim, downloads.join("a (2).txt")).unwrap();
    symlink("/nonexistent", downloads.join("a (3).txt")).unwrap();
    fs::create_dir(downloads.join("a (4).txt")).unwrap();
    pipe(&downloads.join("a (5).txt"));
    for number in 6..8 {
        let entry = offer(&two, "a.txt", &format!("new {number}"));
        let path = two.get(&entry);
        assert_eq!(path, downloads.join(format!("a ({number}).txt")).to_str().unwrap());
        assert_eq!(fs::read_to_string(path).unwrap(), format!("new {number}"));
    }
    assert_eq!(fs::read_to_string(downloads.join("a.txt")).unwrap(), "old");
    assert_eq!(fs::read_to_string(&victim).unwrap(), "old");
    assert!(names(&downloads.join("a (4).txt")).is_empty());
    assert_eq!(names(&downloads).len(), 7);
}

#[test]
fn it_lands_where_it_was_said_to() {
    let two = Two::online();
    let outside = two.profiles.1.outside();
    let made = outside.join("new/deep");
    for (to, there) in [
        (outside.to_owned(), outside.join("a.txt")),
        (made.join(""), made.join("a.txt")),
        (made.join("b.txt"), made.join("b.txt")),
        (made.join("b.txt"), made.join("b (2).txt")),
        (made.clone(), made.join("a (2).txt")),
    ] {
        let entry = offer(&two, "a.txt", "text");
        assert_eq!(get_to(&two, &entry, &to), there.to_str().unwrap());
        assert_eq!(fs::read_to_string(there).unwrap(), "text");
    }
    let entry = offer(&two, "a.txt", "text");
    let inside = format!("{}/a.txt/", outside.display());
    for (to, kind, words) in [
        (json!("here"), "invalid_input", "begins at the root"),
        (json!(""), "invalid_input", "begins at the root"),
        (json!(inside), "file_unreadable", "cannot be made"),
        (json!(format!("/{}", "x".repeat(5000))), "file_unreadable", "cannot be made"),
        (json!("/tmp/nul\0/x"), "file_unreadable", "cannot be made"),
    ] {
        let refusal = refused_to(&two, &entry, &to);
        assert_eq!(refusal.kind, kind, "{refusal:?}");
        assert!(refusal.message.contains(words), "{refusal:?}");
    }
    assert!(!two.profiles.1.dir().join("downloads").exists(), "nobody spoke of it");
}

#[test]
fn where_one_may_not_write_is_said_and_another_place_helps() {
    let profiles = Profile::loopback_pair();
    let profiles = (profiles.0, without_power(profiles.1));
    let two = Two::of(profiles);
    let outside = two.profiles.1.outside();
    let closed = outside.join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).unwrap();
    let entry = offer(&two, "a.txt", "text");
    let refusal = refused_to(&two, &entry, &json!(closed.join("deeper/")));
    assert_eq!(refusal.kind, "file_unreadable");
    assert!(refusal.message.contains("Permission denied"), "{refusal:?}");
    let params = json!({ "conversation": two.conversation, "entry": entry, "to": closed });
    two.b.call("getFile", params);
    let (kind, text) = failed(&two.b, &entry);
    assert_eq!(kind, "file_unreadable");
    assert!(text.contains("Permission denied") && text.contains("another place"), "{text}");
    assert!(names(&closed).is_empty());
    let open = outside.join("open.txt");
    assert_eq!(get_to(&two, &entry, &open), open.to_str().unwrap());
}

/// The same profile, whose program may do no more than any user's.
pub fn without_power(profile: Profile) -> Profile {
    let root = std::process::Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    if root {
        profile.wrapped(&["setpriv", "--bounding-set", "-dac_override,-dac_read_search"])
    } else {
        profile
    }
}

fn begin() -> (Transfer, std::path::PathBuf) {
    let (a, b) = Profile::loopback_pair();
    let downloads = b.dir().join("downloads");
    let transfer = Transfer::begin([a, b], 48 * MIB);
    assert!(!transfer.wait(12 * MIB));
    (transfer, downloads)
}

#[test]
fn a_link_put_where_it_is_gathered_is_not_followed() {
    let (mut transfer, downloads) = begin();
    let victim = downloads.join("victim");
    fs::write(&victim, "old").unwrap();
    let part = transfer.part().unwrap();
    transfer.restart_sender(|sender| {
        sender.kill();
        fs::remove_file(&part).unwrap();
        symlink(&victim, &part).unwrap();
    });
    let (kind, text) = failed(&transfer.b, &transfer.entry);
    assert_eq!(kind, "file_unreadable");
    assert!(text.contains("lies something else"), "{text}");
    // Neither when it is opened anew.
    for receiver_restarts in [false, true] {
        if receiver_restarts {
            transfer.restart_receiver_anyhow();
        }
        transfer.get();
        assert!(failed(&transfer.b, &transfer.entry).1.contains("lies something else"));
    }
    assert_eq!(fs::read_to_string(&victim).unwrap(), "old");
    transfer.cancel();
    // Its start anew may have been under way: what that made is removed after it.
    crate::support::lab::wait_for("nothing of it is left", || names(&downloads) == ["victim"]);
    transfer.get();
    transfer.b.event("fileDone", |event| event["entry"] == transfer.entry);
    crate::support::lab::wait_for("it alone is there", || {
        names(&downloads) == ["large.bin", "victim"]
    });
}

#[test]
fn a_directory_that_vanishes_is_made_again() {
    let (mut transfer, downloads) = begin();
    transfer.restart_sender(|sender| {
        sender.kill();
        fs::remove_dir_all(&downloads).unwrap();
    });
    let (kind, text) = failed(&transfer.b, &transfer.entry);
    assert_eq!(kind, "file_unreadable");
    assert!(text.contains("has vanished"), "{text}");
    transfer.get();
    transfer.b.event("fileDone", |event| event["entry"] == transfer.entry);
    assert_eq!(names(&downloads), ["large.bin"]);
}

#[test]
fn cancelling_leaves_nothing_and_it_can_be_fetched_again() {
    let (mut transfer, downloads) = begin();
    transfer.restart_sender(Process::kill);
    assert_eq!(parts(&downloads).len(), 1);
    assert_eq!(transfer.hashes().len(), 1);
    transfer.cancel();
    assert!(names(&downloads).is_empty());
    assert!(transfer.hashes().is_empty());
    assert_eq!(transfer.shown()["file"]["state"], "offered");
    let again = transfer.b.refused("cancelFile", transfer.params());
    assert_eq!(again.kind, "no_file");
    transfer.get();
    transfer.b.event("fileDone", |event| event["entry"] == transfer.entry);
    assert_eq!(names(&downloads), ["large.bin"]);
}

/// What had come is gone, and nothing more comes.
fn is_forgotten(transfer: &mut Transfer, downloads: &Path) {
    let gone = |event: &Value| event["entry"] == transfer.entry && event["deleted"] == true;
    transfer.b.event("entryChanged", gone);
    assert_eq!(transfer.b.refused("getFile", transfer.params()).kind, "no_file");
    crate::support::lab::wait_for("what had come is gone", || {
        names(downloads).is_empty() && transfer.hashes().is_empty()
    });
    assert!(transfer.b.events("fileDone").is_empty());
    // Nor is it begun again.
    transfer.restart_receiver_anyhow();
    assert!(names(downloads).is_empty() && transfer.hashes().is_empty());
    assert_eq!(transfer.b.refused("getFile", transfer.params()).kind, "no_file");
}

#[test]
fn what_is_deleted_while_it_is_fetched_is_not_kept_half() {
    let (a, b) = Profile::loopback_pair();
    let downloads = b.dir().join("downloads");
    let mut transfer = Transfer::begin([a, b], 96 * MIB);
    assert!(!transfer.wait(MIB));
    transfer.a.call("delete", transfer.params());
    is_forgotten(&mut transfer, &downloads);
}

#[test]
fn what_was_deleted_in_absence_is_not_kept_half() {
    let (mut transfer, downloads) = begin();
    transfer.b.kill();
    transfer.a.call("delete", transfer.params());
    assert_eq!(parts(&downloads).len(), 1);
    transfer.restart_receiver_anyhow();
    is_forgotten(&mut transfer, &downloads);
}

#[test]
fn what_is_whole_stays_when_its_entry_is_deleted() {
    let two = Two::online();
    let entry = offer(&two, "a.txt", "text");
    let path = two.get(&entry);
    let params = json!({ "conversation": two.conversation, "entry": entry });
    two.a.call("delete", params.clone());
    two.b.event("entryChanged", |event| event["entry"] == entry && event["deleted"] == true);
    assert_eq!(fs::read_to_string(path).unwrap(), "text");
    let source = two.profiles.0.outside().join("a.txt");
    assert_eq!(fs::read_to_string(source).unwrap(), "text");
    assert_eq!(two.b.refused("getFile", params).kind, "no_file");
}
