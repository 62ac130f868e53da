//! Opening a profile, and everything that can be wrong with it.

use std::{
    fs,
    io::{Read, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use serde_json::{Value, json};

use crate::support::{
    process::Process,
    profile::{Profile, id},
};

/// Runs `entrenous rpc` to its end, without input. It must refuse to start: say why in words on
/// standard error and as the event `stopped`, print nothing else, and not succeed.
#[track_caller]
fn refuses(profile: &Profile, extra: &[&str], kind: &str) -> String {
    let output = run(profile, extra);
    assert!(!output.status.success(), "it started: {output:?}");
    assert_ne!(output.status.code(), Some(101), "a panic: {output:?}");
    assert!(output.status.code().is_some(), "a signal: {output:?}");
    let lines: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let stopped = lines.last().unwrap_or_else(|| panic!("not a word on standard output"));
    assert_eq!(stopped["params"]["type"], "stopped", "{stopped}");
    assert_eq!(stopped["params"]["failure"]["kind"], kind, "{stopped}");
    let text = stopped["params"]["failure"]["text"].as_str().unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(words.contains(text), "standard error lacks {text:?}: {words}");
    assert!(!words.contains("panicked") && !words.contains("src/"), "{words}");
    words
}

fn run(profile: &Profile, extra: &[&str]) -> Output {
    let mut command = profile.command();
    command.arg("rpc").args(profile.arguments()).args(extra);
    command.stdin(Stdio::null()).output().unwrap()
}

/// A profile that was made and closed in order, with a name in it.
fn made() -> Profile {
    let profile = Profile::offline();
    let process = profile.start();
    process.call("setName", json!({ "name": "Leonard" }));
    process.shutdown();
    profile
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.is_file())
        .collect();
    files.sort();
    files
}

/// The largest file without a log's or lock's name: the database.
fn database(profile: &Profile) -> PathBuf {
    let of_size = |path: &PathBuf| fs::metadata(path).unwrap().len();
    let mut all = files(&profile.dir());
    all.retain(|path| path.extension().is_none_or(|e| e != "log"));
    all.into_iter().max_by_key(of_size).unwrap()
}

#[test]
fn a_profile_keeps_who_one_is_and_is_for_its_owner_alone() {
    let profile = Profile::offline();
    let process = profile.start();
    let (me, dir) = (id(&process), profile.dir());
    assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
    for file in files(&dir) {
        let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", file.display());
    }
    process.shutdown();
    let process = profile.start();
    assert_eq!(id(&process), me);
}

#[test]
fn nothing_readable_is_on_disk() {
    let (a, b) = Profile::loopback_pair();
    let (alice, bob) = (a.start(), b.start());
    let conversation = crate::support::profile::pair(&alice, &bob);
    alice.call("setName", json!({ "name": "Ottoline Morrell" }));
    let text = "words that lie encrypted on the disk";
    let entry = alice.call("send", json!({ "conversation": conversation, "text": text }));
    bob.event("message", |e| e["entry"] == entry["entry"]);
    let raw = hex::decode(id(&alice).as_str().unwrap()).unwrap();
    for profile in [&a, &b] {
        // While it is open, so that the write-ahead log is looked at as well.
        for file in files(&profile.dir()) {
            let bytes = fs::read(&file).unwrap();
            for needle in [text.as_bytes(), b"Ottoline", &raw, b"SQLite format 3", b"CREATE TABLE"]
            {
                assert!(!crate::support::lab::contains(&bytes, needle), "{}", file.display());
            }
        }
    }
}

#[test]
fn a_second_instance_is_refused_and_the_first_goes_on() {
    let profile = Profile::offline();
    let process = profile.start();
    refuses(&profile, &[], "profile_in_use");
    process.call("setName", json!({ "name": "still here" }));
    process.shutdown();
    // A lock that a killed program left is none.
    let mut process = profile.start();
    process.kill();
    drop(process);
    assert_eq!(profile.start().call("whoami", json!({}))["name"], "still here");
}

#[test]
fn a_damaged_database_is_refused_and_left_as_it_is() {
    // Each with the reason why it must be noticed.
    type Harm = fn(&mut Vec<u8>);
    let damage: [(&str, Harm); 4] = [
        ("the first page", |bytes| bytes[..4096].fill(0x55)),
        ("a byte of the salt", |bytes| bytes[3] ^= 1),
        ("cut in the middle of a page", |bytes| bytes.truncate(bytes.len() / 2 + 77)),
        ("not a database at all", |bytes| *bytes = b"hello, I am a text file".repeat(1000)),
    ];
    for (what, harm) in damage {
        let profile = made();
        let file = database(&profile);
        let mut bytes = fs::read(&file).unwrap();
        harm(&mut bytes);
        fs::write(&file, &bytes).unwrap();
        println!("{what}");
        refuses(&profile, &[], "profile_damaged");
        assert_eq!(fs::read(&file).unwrap(), bytes, "{what}: it was changed further");
    }
}

#[test]
fn a_lost_or_damaged_key_is_refused_and_no_new_profile_made() {
    for harm in ["removed", "emptied", "flipped"] {
        let profile = made();
        let (all, largest) = (files(&profile.dir()), database(&profile));
        // Whatever small file keeps the key: without any one of them, or with it damaged, either
        // the profile opens as it was (a log, a lock) or it is refused.
        for file in all.iter().filter(|file| **file != largest) {
            let bytes = fs::read(file).unwrap();
            match harm {
                "removed" => fs::remove_file(file).unwrap(),
                "emptied" => fs::write(file, b"").unwrap(),
                _ => {
                    let mut flipped = bytes.clone();
                    if let Some(byte) = flipped.last_mut() {
                        *byte ^= 1;
                    }
                    fs::write(file, flipped).unwrap();
                }
            }
            let output = run(&profile, &[]);
            let shown = String::from_utf8_lossy(&output.stdout).into_owned();
            let opened = output.status.success() && shown.contains("Leonard");
            let refused = !output.status.success() && shown.contains("\"profile_damaged\"");
            assert!(opened || refused, "{harm} {}: {output:?}", file.display());
            fs::write(file, bytes).unwrap();
        }
        assert_eq!(profile.start().call("whoami", json!({}))["name"], "Leonard");
    }
}

#[test]
fn a_passphrase_is_asked_for_and_checked() {
    let profile = Profile::offline();
    let start = |passphrase: &str| {
        let file = profile.outside().join("passphrase");
        fs::write(&file, format!("{passphrase}\n")).unwrap();
        let shell = profile.command();
        // The descriptor has to be inherited: a shell hands it over.
        let program = shell.get_program().to_owned();
        let mut command = std::process::Command::new("sh");
        command.args(["-c", "exec \"$0\" \"$@\" 3<\"$PASSPHRASE\""]).arg(program).arg("rpc");
        command.args(profile.arguments()).args(["--passphrase-fd", "3"]);
        command.env("PASSPHRASE", &file).env("HOME", profile.outside());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let line = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"whoami\"}\n";
        child.stdin.take().unwrap().write_all(line).unwrap_or_default();
        let mut out = String::new();
        child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        (child.wait().unwrap().success(), out)
    };
    let (fine, first) = start("correct horse");
    assert!(fine, "{first}");
    let (fine, again) = start("correct horse");
    assert!(fine, "{again}");
    let me = |out: &str| -> Value {
        let answers = out.lines().map(|l| serde_json::from_str::<Value>(l).unwrap());
        answers.into_iter().find(|l| l["id"] == 1).unwrap()["result"]["id"].clone()
    };
    assert_eq!(me(&first), me(&again));
    for wrong in ["correct horse battery", "", "correct hors", "Correct horse"] {
        let (fine, out) = start(wrong);
        // An empty one is refused before the profile is looked at.
        assert!(!fine && (wrong.is_empty() || out.contains("\"wrong_passphrase\"")), "{out}");
    }
    // None at all, where one is needed.
    refuses(&profile, &[], "wrong_passphrase");
    // And none of it lies on the disk.
    for file in files(&profile.dir()) {
        let bytes = fs::read(&file).unwrap();
        assert!(!crate::support::lab::contains(&bytes, b"correct horse"), "{}", file.display());
    }
}

#[test]
fn directories_that_cannot_be_used_are_named() {
    // A file where the directory should be: refused for everyone, root included.
    let profile = Profile::offline();
    fs::create_dir(profile.data_dir()).unwrap();
    fs::write(profile.dir(), b"a file").unwrap();
    let output = run(&profile, &[]);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && words.contains("default"), "{output:?}");
    assert!(!words.contains("panicked") && !words.contains("src/"), "{words}");
    // A device's directory: nothing can be made in there, not even by root.
    let mut command = profile.command();
    command.args(["rpc", "--offline", "--data-dir", "/proc/self/nowhere"]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!output.status.success() && shown.contains("\"profile_unreadable\""), "{output:?}");
}

#[test]
fn wrong_options_are_refused_in_words() {
    let profile = Profile::offline();
    for extra in [
        &["--no-such-option"][..],
        &["--listen", "127.0.0.1:4000"],
        &["--bootstrap", "/ip4/999.0.0.1/tcp/1"],
        &["--passphrase-fd", "77"],
        &["--passphrase-fd", "x"],
        &["--profile", "../../etc"],
    ] {
        let output = run(&profile, extra);
        assert!(!output.status.success(), "{extra:?}: {output:?}");
        assert_ne!(output.status.code(), Some(101), "{extra:?}: {output:?}");
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!words.trim().is_empty() && !words.contains("panicked"), "{extra:?}: {words}");
        for line in output.stdout.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
            assert!(serde_json::from_slice::<Value>(line).is_ok(), "{extra:?}: {output:?}");
        }
    }
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = format!("/ip4/127.0.0.1/udp/{}/quic-v1", taken.local_addr().unwrap().port());
    let profile = Profile::offline();
    let mut command = profile.command();
    command.args(["rpc", "--lan-only", "--no-mdns", "--listen", &address, "--data-dir"]);
    let output = command.arg(profile.data_dir()).stdin(Stdio::null()).output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    // Either it says at once that it can't, or that there is trouble; never nothing.
    assert!(shown.contains("\"address\""), "{output:?}");
}

#[test]
fn standard_output_is_closed_and_it_ends() {
    let profile = Profile::offline();
    let mut command = profile.command();
    command.arg("rpc").args(profile.arguments());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let mut input = child.stdin.take().unwrap();
    crate::support::lab::wait_for("it ends", || {
        let _ = input.write_all(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"whoami\"}\n");
        child.try_wait().unwrap().is_some()
    });
    let mut words = String::new();
    child.stderr.take().unwrap().read_to_string(&mut words).unwrap();
    assert!(!words.contains("panicked"), "{words}");
    // What was on disk still is.
    Process::start(&profile, &[]).ready().shutdown();
}

#[test]
fn an_unknown_key_of_the_configuration_is_named() {
    let profile = made();
    for (text, named) in [
        ("lan-onyl = true\n", "lan-onyl"),
        ("mdns = \"no\"\n", "mdns"),
        ("listen = [\"127.0.0.1\"]\n", "listen"),
        ("= 1\n", "config.toml"),
        ("[screen]\nnonsense = 1\n", "nonsense"),
    ] {
        fs::write(profile.dir().join("config.toml"), text).unwrap();
        let output = run(&profile, &[]);
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && output.stdout.is_empty(), "{text:?}: {output:?}");
        assert!(words.contains(named) && words.contains("config.toml"), "{text:?}: {words}");
        assert!(!words.contains("panicked") && !words.contains("src/"), "{text:?}: {words}");
    }
    fs::write(profile.dir().join("config.toml"), "mdns = false\n").unwrap();
    profile.start().shutdown();
}
