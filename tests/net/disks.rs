//! Disks that hang, and what is asked of them at the worst moment.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::json;

use crate::support::{
    fetch::{content, names, parts},
    figure,
    lab::wait_for,
    process::Process,
    profile::{Profile, history, say, wait_online},
    two::Two,
};

/// Whether this can be done here.
fn can(command: &str, arguments: &[&str]) -> Result<(), String> {
    let done = Command::new(command).args(arguments).output();
    if done.is_ok_and(|done| done.status.success()) {
        Ok(())
    } else {
        Err(format!("{command} {arguments:?} fails"))
    }
}

/// Whether there can be a file system that never answers.
pub fn can_hang() -> Result<(), String> {
    let mount = "exec 9<>/dev/fuse && mount -t fuse -o \
                 fd=9,rootmode=40000,user_id=0,group_id=0 none /mnt";
    can("unshare", &["--user", "--map-root-user", "--mount", "bash", "-c", mount])
}

/// Whether the system can be made to.
pub fn can_tamper() -> Result<(), String> {
    can("strace", &["-f", "-o", "/dev/null", "-e", "inject=renameat2:delay_exit=1", "true"])
}

/// The same profile, in whose eyes there is a file system at this path that never answers.
fn hanging(profile: Profile, at: &Path) -> Profile {
    fs::create_dir_all(at).unwrap();
    let mount = format!(
        "exec 9<>/dev/fuse && mount -t fuse -o fd=9,rootmode=40000,user_id=0,group_id=0 none {} && \
         exec \"$0\" \"$@\"",
        at.display()
    );
    profile.wrapped(&["unshare", "--user", "--map-root-user", "--mount", "bash", "-c", &mount])
}

pub fn a_disk_that_hangs_holds_up_nothing_but_its_own_file() {
    let (a, b) = Profile::loopback_pair();
    let at = b.outside().join("hung");
    let two = Two::of((a, hanging(b, &at)));
    let path = two.profiles.0.outside().join("a.txt");
    fs::write(&path, "text").unwrap();
    let (stuck, other) = (two.offer(&path), two.offer(&path));
    let params = json!({ "conversation": two.conversation, "entry": stuck, "to": at.join("x") });
    let waits = two.b.request("getFile", params);
    // It is in the hands of the disk, and everything else goes on.
    say(&two.a, &two.b, &two.conversation, "still there?");
    say(&two.b, &two.a, &two.conversation, "yes");
    assert_eq!(fs::read_to_string(two.get(&other)).unwrap(), "text");
    assert!(!two.b.drain_answers().contains_key(&waits), "the disk answered");
    // That it is not wanted is said at once, too.
    let params = json!({ "conversation": two.conversation, "entry": stuck });
    two.b.call("cancelFile", params);
    // And it can go elsewhere.
    assert!(two.get(&stuck).ends_with("downloads/a (2).txt"));
}

/// Ends what [`hanging`] began, for a program that runs: what waits there fails.
fn answer(process: &Process, at: &Path) {
    let pid = process.pid().to_string();
    let unmount = ["--target", &pid, "--user", "--mount", "umount", "-cfl"];
    let done = Command::new("nsenter").args(unmount).arg(at).status().unwrap();
    assert!(done.success());
}

fn threads(process: &Process) -> usize {
    fs::read_dir(format!("/proc/{}/task", process.pid())).unwrap().count()
}

pub fn a_disk_that_hangs_under_what_is_sent_holds_up_nothing_else() {
    let mut two = Two::online();
    let outside = two.profiles.0.outside().to_owned();
    let at = outside.join("hung");
    fs::create_dir(&at).unwrap();
    let offer = |path: &Path| {
        fs::write(path, content(12_000_000)).unwrap();
        two.offer(path)
    };
    // As many as are fetched at the same time: they take all streams that a contact may have.
    let names = ["0", "1", "2", "3"];
    let (stuck, other) = (names.map(|name| offer(&at.join(name))), offer(&outside.join("other")));
    shut_down(&mut two.a);
    two.profiles.0 = hanging(two.profiles.0, &at);
    two.a = two.profiles.0.start();
    let who = crate::support::profile::id(&two.a);
    wait_online(&two.b, &who);
    let before = threads(&two.a);
    for entry in &stuck {
        let params = json!({ "conversation": two.conversation, "entry": entry });
        two.b.call("getFile", params);
    }
    let began = std::time::Instant::now();
    assert!(fs::read(two.get(&other)).unwrap() == content(12_000_000));
    println!("another comes after {:?}", began.elapsed());
    say(&two.a, &two.b, &two.conversation, "and so does this");
    // Each has been asked for again and again meanwhile.
    let more = threads(&two.a).saturating_sub(before);
    figure("threads that four sources that hang keep, and others", more);
    assert!(more <= 16, "{more} more threads");
    for failed in [&two.a, &two.b].map(|who| who.events("fileFailed")) {
        assert!(failed.is_empty(), "{failed:?}");
    }
    answer(&two.a, &at);
    for entry in &stuck {
        let done = two.b.event("fileDone", |event| event["entry"] == *entry);
        assert!(fs::read(done["path"].as_str().unwrap()).unwrap() == content(12_000_000));
    }
}

pub fn a_disk_that_hangs_under_what_is_here_already_is_not_waited_for() {
    let mut two = Two::online();
    let at = two.profiles.1.outside().join("hung");
    let (path, folder) =
        (two.profiles.0.outside().join("a.txt"), two.profiles.0.outside().join("f"));
    fs::write(&path, "text").unwrap();
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("b.txt"), "inside").unwrap();
    let again = [(&path, "there"), (&folder, "folder")].map(|(path, name)| {
        let entry = two.offer(path);
        let to = at.join(name);
        let params = json!({ "conversation": two.conversation, "entry": entry, "to": to });
        two.b.call("getFile", params);
        two.b.event("fileDone", |event| event["entry"] == entry);
        let params = json!({
            "conversation": two.conversation, "entry": entry, "to": two.conversation
        });
        let again = two.a.call("forwardFile", params)["entry"].clone();
        two.b.event("fileOffered", |event| event["entry"] == again);
        again
    });
    shut_down(&mut two.b);
    two.profiles.1 = hanging(two.profiles.1, &at);
    two.b = two.profiles.1.start();
    wait_online(&two.b, &crate::support::profile::id(&two.a));
    assert_eq!(fs::read_to_string(two.get(&again[0])).unwrap(), "text");
    assert_eq!(fs::read_to_string(Path::new(&two.get(&again[1])).join("b.txt")).unwrap(), "inside");
}

/// The same profile, to whose program the system does this.
fn tampered(profile: Profile, more: &[&str]) -> Profile {
    profile.wrapped(&[&["strace", "-f", "-o", "/dev/null", "-e"], more].concat())
}

/// The number of the program to which the system does something.
fn program_itself(process: &Process) -> String {
    let children = format!("/proc/{0}/task/{0}/children", process.pid());
    fs::read_to_string(children).unwrap().trim().to_owned()
}

fn kill_the_program_itself(process: &mut Process) {
    let program = program_itself(process);
    assert!(Command::new("kill").args(["-9", &program]).status().unwrap().success());
    process.wait_exit();
}

fn shut_down(process: &mut Process) {
    process.call("shutdown", json!({}));
    assert!(process.wait_exit().success());
}

pub fn what_has_its_name_when_the_program_ends_is_there_once() {
    let (a, b) = Profile::loopback_pair();
    // It waits for two seconds after each file got its name.
    let mut two = Two::of((a, tampered(b, &["inject=renameat2:delay_exit=2000000"])));
    let outside = two.profiles.0.outside().to_owned();
    let downloads = two.profiles.1.dir().join("downloads");
    // The names in one of them are not as they will be here.
    for file in ["folder/inner/a", "renamed/con/a?b"] {
        let path = outside.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content(100_000)).unwrap();
    }
    let mut there: Vec<String> = Vec::new();
    for (name, folder) in [("file", false), ("folder", true), ("renamed", true)] {
        if !folder {
            fs::write(outside.join(name), content(100_000)).unwrap();
        }
        for (in_order, end) in [(true, shut_down as fn(&mut _)), (false, kill_the_program_itself)] {
            let entry = two.offer(&outside.join(name));
            let params = json!({ "conversation": two.conversation, "entry": entry });
            two.b.call("getFile", params.clone());
            there.push(if there.contains(&name.to_owned()) {
                format!("{name} (2)")
            } else {
                name.to_owned()
            });
            wait_for("it has its name", || downloads.join(&there[there.len() - 1]).exists());
            let early = two.b.events("fileDone");
            assert!(early.iter().all(|event| event["entry"] != entry), "it is said too early");
            // What is here can be cancelled no more.
            let refusal = two.b.refused("cancelFile", params.clone());
            assert!(refusal.message.contains("being put in its place"), "{refusal:?}");
            end(&mut two.b);
            let said = two.b.events("fileDone");
            assert_eq!(said.iter().any(|event| event["entry"] == entry), in_order);
            two.b = two.profiles.1.start();
            let state = || {
                let shown = history(&two.b, &two.conversation);
                shown.iter().find(|shown| shown["entry"] == entry).unwrap()["file"]["state"].clone()
            };
            wait_for("it is known to be there", || state() == "here");
            wait_online(&two.b, &crate::support::profile::id(&two.a));
            two.b.call("getFile", params);
            let done = two.b.event("fileDone", |event| event["entry"] == entry);
            assert_eq!(done["path"], downloads.join(&there[there.len() - 1]).to_str().unwrap());
            assert_eq!(names(&downloads), there, "once");
        }
    }
}

pub fn what_takes_long_to_be_closed_holds_up_nothing() {
    let mut two = Two::online();
    let path = |number: usize| two.profiles.0.outside().join(format!("{number}.bin"));
    // More than there are threads for all that must not wait.
    let paths: Vec<_> = (0..4).map(path).collect();
    let offer = |path: &PathBuf| {
        fs::write(path, content(100_000)).unwrap();
        two.offer(path)
    };
    let entries: Vec<_> = paths.iter().map(offer).collect();
    shut_down(&mut two.a);
    // For ten minutes.
    let mut slow = vec!["inject=close:delay_exit=600000000"];
    slow.extend(paths.iter().flat_map(|path| ["-P", path.to_str().unwrap()]));
    two.profiles.0 = tampered(two.profiles.0, &slow);
    two.a = two.profiles.0.start();
    wait_online(&two.b, &crate::support::profile::id(&two.a));
    for entry in &entries {
        two.get(entry);
    }
    let open = format!("/proc/{}/fd", program_itself(&two.a));
    wait_for("all are being closed", || {
        let mut open = fs::read_dir(&open).unwrap().flatten();
        !open.any(|open| fs::read_link(open.path()).is_ok_and(|to| paths.contains(&to)))
    });
    say(&two.a, &two.b, &two.conversation, "still there?");
    say(&two.b, &two.a, &two.conversation, "yes");
}

pub fn what_hangs_at_the_end_is_not_waited_for_for_ever() {
    let (a, b) = Profile::loopback_pair();
    // For an hour after a file got its name.
    let mut two = Two::of((a, tampered(b, &["inject=renameat2:delay_exit=3600000000"])));
    let path = two.profiles.0.outside().join("file");
    fs::write(&path, "text").unwrap();
    let entry = two.offer(&path);
    two.b.call("getFile", json!({ "conversation": two.conversation, "entry": entry }));
    let there = two.profiles.1.dir().join("downloads/file");
    wait_for("it has its name", || there.exists());
    // What does this to it would wait for the hour.
    let stat = format!("/proc/{}/stat", program_itself(&two.b));
    two.b.call("shutdown", json!({}));
    wait_for("it has ended", || {
        let stat = fs::read_to_string(&stat).unwrap_or_default();
        stat.rsplit_once(") ").is_none_or(|(_, state)| state.starts_with('Z'))
    });
    two.b.kill();
    assert!(two.b.events("fileDone").is_empty(), "it did not hang");
}

pub fn what_is_said_to_be_there_is_kept_as_that() {
    let mut two = Two::online();
    shut_down(&mut two.b);
    // The database is slow.
    let log = two.profiles.1.dir().join("entrenous.db-wal");
    let slow = "inject=pwrite64:delay_enter=200000";
    two.profiles.1 = tampered(two.profiles.1, &[slow, "-P", log.to_str().unwrap()]);
    two.b = two.profiles.1.start();
    wait_online(&two.b, &crate::support::profile::id(&two.a));
    let path = two.profiles.0.outside().join("a.txt");
    for heard_by_sender in [false, true] {
        fs::write(&path, "text").unwrap();
        let entry = two.offer(&path);
        let params = json!({ "conversation": two.conversation, "entry": entry });
        two.b.call("getFile", params);
        let (who, what) =
            if heard_by_sender { (&two.a, "fileFetched") } else { (&two.b, "fileDone") };
        who.event(what, |event| event["entry"] == entry);
        kill_the_program_itself(&mut two.b);
        // So that it is not found again.
        fs::remove_dir_all(two.profiles.1.dir().join("downloads")).unwrap();
        two.b = two.profiles.1.start();
        let shown = history(&two.b, &two.conversation);
        assert_eq!(shown.last().unwrap()["entry"], entry);
        assert_eq!(shown.last().unwrap()["file"]["state"], "here", "{what}");
        wait_online(&two.b, &crate::support::profile::id(&two.a));
    }
}

pub fn what_has_its_name_is_there_whatever_fails_after_that() {
    let mut two = Two::online();
    let folder = two.profiles.0.outside().join("folder");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("a"), content(50_000)).unwrap();
    let entry = two.offer(&folder);
    two.a.kill();
    two.b.call("getFile", json!({ "conversation": two.conversation, "entry": entry }));
    let downloads = two.profiles.1.dir().join("downloads");
    wait_for("it is prepared", || parts(&downloads).len() == 1);
    shut_down(&mut two.b);
    // Where it is gathered, nothing can be removed.
    let (part, broken) = (parts(&downloads).remove(0), "inject=unlink:error=EIO");
    two.profiles.1 = tampered(two.profiles.1, &[broken, "-P", part.to_str().unwrap()]);
    two.b = two.profiles.1.start();
    two.a = two.profiles.0.start();
    let done = two.b.event("fileDone", |event| event["entry"] == entry);
    let arrived = downloads.join("folder");
    assert_eq!(done["path"], arrived.to_str().unwrap());
    assert_eq!(fs::read(arrived.join("a")).unwrap(), content(50_000));
    assert_eq!(parts(&downloads), [part], "it could be removed");
    assert!(two.b.events("fileFailed").is_empty());
}
