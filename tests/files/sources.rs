//! What is offered may be no file, or become another one.

use std::{
    fs,
    os::unix::{
        fs::{FileExt, PermissionsExt, symlink},
        net::UnixListener,
    },
    path::Path,
};

use serde_json::{Value, json};

use crate::{
    places::{failed, pipe, without_power},
    support::{
        fetch::{MIB, Transfer, content, names, parts},
        profile::{Profile, say},
    },
    transfer::Two,
};

#[test]
fn what_is_no_file_or_can_not_be_read_is_not_offered() {
    let profiles = Profile::loopback_pair();
    let two = Two::of((without_power(profiles.0), profiles.1));
    let from = tempfile::tempdir().unwrap();
    let at = |name: &str| from.path().join(name).display().to_string();
    pipe(Path::new(&at("pipe")));
    let _socket = UnixListener::bind(at("socket")).unwrap();
    fs::write(at("secret"), "text").unwrap();
    fs::set_permissions(at("secret"), fs::Permissions::from_mode(0o0)).unwrap();
    symlink(at("loop"), at("loop")).unwrap();
    symlink(at("nowhere"), at("dangling")).unwrap();
    let file = fs::File::create(at("huge")).unwrap();
    let huge = file.set_len((1 << 40) + 1).is_ok();
    let sent = |path: &str| {
        two.a.refused("sendFile", json!({ "conversation": two.conversation, "path": path }))
    };
    for (path, words) in [
        (at("pipe"), "neither a file"),
        (at("socket"), "neither a file"),
        ("/dev/zero".to_owned(), "neither a file"),
        (at("secret"), "Permission denied"),
        (at("absent"), "No such file"),
        (at("dangling"), "No such file"),
        (at("loop"), "symbolic links"),
        (at("secret/deeper"), "Not a directory"),
        (at(&"x".repeat(300)), "name too long"),
        (at("a\0b"), "nul byte"),
    ] {
        let refusal = sent(&path);
        assert_eq!(refusal.kind, "file_unreadable", "{path:?}: {refusal:?}");
        let message = refusal.message.to_lowercase();
        assert!(message.contains(&words.to_lowercase()), "{path:?}: {refusal:?}");
    }
    for path in ["", "here.txt", "~/here.txt"] {
        assert_eq!(sent(path).kind, "invalid_input", "{path:?}");
    }
    if huge {
        let refusal = sent(&at("huge"));
        assert_eq!(refusal.kind, "file_too_large");
        assert!(refusal.message.contains("1 TiB"), "{refusal:?}");
    }
    // Nothing of all that was said to B, nor left behind.
    let shown = crate::support::profile::history(&two.b, &two.conversation);
    assert_eq!(shown, Vec::<Value>::new());
    let blobs = names(&two.profiles.0.dir().join("blobs"));
    assert_eq!(blobs, Vec::<String>::new());
}

type Change = fn(&Path);

#[test]
fn what_is_no_longer_what_was_offered_is_not_sent() {
    let two = Two::online();
    let outside = two.profiles.0.outside();
    let whole = content(100_000);
    let change: &[(&str, Change)] = &[
        ("vanished", |path| fs::remove_file(path).unwrap()),
        ("cut", |path| fs::write(path, &content(100_000)[..50_000]).unwrap()),
        ("emptied", |path| fs::write(path, "").unwrap()),
        ("other", |path| fs::write(path, vec![7; 100_000]).unwrap()),
        ("pipe", |path| {
            fs::remove_file(path).unwrap();
            pipe(path);
        }),
        ("directory", |path| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        }),
    ];
    for (name, change) in change {
        println!("{name}");
        let path = outside.join(name);
        fs::write(&path, &whole).unwrap();
        let entry = two.offer(&path);
        change(&path);
        let params = json!({ "conversation": two.conversation, "entry": entry });
        two.b.call("getFile", params.clone());
        let (kind, text) = failed(&two.b, &entry);
        assert_eq!(kind, "file_gone");
        assert!(text.contains("has changed or vanished") && text.contains("send it again"));
        let (kind, text) = failed(&two.a, &entry);
        assert_eq!(kind, "file_gone");
        assert!(text.contains(name) && text.contains("Send it again"), "{text}");
        // And it is shown so from now on.
        let shown = crate::support::profile::history(&two.a, &two.conversation);
        assert_eq!(shown.last().unwrap()["file"]["state"], "gone");
        // Asked again, it is refused again.
        two.b.call("getFile", params);
        assert_eq!(failed(&two.b, &entry).0, "file_gone");
    }
    let downloads = two.profiles.1.dir().join("downloads");
    assert!(names(&downloads).iter().all(|name| name.starts_with(".entrenous-")));
    // What has only grown is sent as it was offered.
    let path = outside.join("grown");
    fs::write(&path, &whole).unwrap();
    let entry = two.offer(&path);
    fs::write(&path, [&whole[..], b"more"].concat()).unwrap();
    assert_eq!(fs::read(two.get(&entry)).unwrap(), whole);
}

#[test]
fn what_changes_while_it_is_sent_is_noticed() {
    let (a, b) = Profile::loopback_pair();
    let downloads = b.dir().join("downloads");
    let source = a.outside().join("large.bin");
    let transfer = Transfer::begin([a, b], 96 * MIB);
    assert!(!transfer.wait(MIB));
    let file = fs::File::options().write(true).open(&source).unwrap();
    file.write_all_at(b"another end", 96 * MIB - 11).unwrap();
    let (kind, text) = failed(&transfer.b, &transfer.entry);
    assert_eq!(kind, "file_gone");
    assert!(text.contains("has changed or vanished"), "{text}");
    assert_eq!(failed(&transfer.a, &transfer.entry).0, "file_gone");
    assert_eq!(transfer.shown()["file"]["state"], "stopped");
    assert_eq!(parts(&downloads).len(), 1);
    // All but that came, and none of it twice.
    let here = transfer.here();
    assert!((MIB..96 * MIB).contains(&here), "{here}");
    transfer.cancel();
    assert!(names(&downloads).is_empty());
}

#[test]
fn a_source_that_can_not_be_read_for_a_while_is_not_gone() {
    use std::os::unix::fs::PermissionsExt;
    let (a, b) = Profile::loopback_pair();
    let two = Two::of((without_power(a), b));
    let path = two.profiles.0.outside().join("a.txt");
    fs::write(&path, "text").unwrap();
    let entry = two.offer(&path);
    let readable = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    readable(0);
    let params = json!({ "conversation": two.conversation, "entry": entry });
    two.b.call("getFile", params);
    two.b.event("fileProgress", |event| event["entry"] == entry);
    // It asks again and again; each time, this is what it would hear.
    let asked = std::time::Instant::now();
    while asked.elapsed() < std::time::Duration::from_secs(2) {
        say(&two.a, &two.b, &two.conversation, "not yet");
        assert!(two.b.events("fileFailed").is_empty() && two.a.events("fileFailed").is_empty());
    }
    readable(0o600);
    let done = two.b.event("fileDone", |event| event["entry"] == entry);
    assert_eq!(fs::read_to_string(done["path"].as_str().unwrap()).unwrap(), "text");
    // What has vanished is gone.
    let entry = two.offer(&path);
    fs::remove_file(&path).unwrap();
    two.b.call("getFile", json!({ "conversation": two.conversation, "entry": entry }));
    assert_eq!(failed(&two.b, &entry).0, "file_gone");
}
