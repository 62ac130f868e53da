//! Disks that don't do what one asks. Here for the mounts, which need a laboratory.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{
    PATIENCE,
    lab::wait_for,
    process::Process,
    profile::{Profile, history, pair},
};

/// A small disk of its own, gone with the test.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(profile: &Profile, size: &str) -> Self {
        Self::mount_at(&profile.dir(), size)
    }

    pub fn mount_at(directory: &Path, size: &str) -> Self {
        std::fs::create_dir_all(directory).unwrap();
        let options = format!("size={size},mode=0700");
        sh("mount", &["-t", "tmpfs", "-o", &options, "tmpfs", &directory.display().to_string()]);
        Self(directory.to_owned())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn resize(&self, size: &str) {
        self.options(&format!("size={size}"));
    }

    pub fn options(&self, options: &str) {
        let options = format!("remount,{options}");
        let directory = self.0.display().to_string();
        // Its other options, read back, name users whom a user namespace does not know.
        let anew = ["--options-mode", "ignore", "-t", "tmpfs", "-o", &options, "tmpfs"];
        sh("mount", &[&anew[..], &[&directory]].concat());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        sh("umount", &["-l", &self.0.display().to_string()]);
    }
}

fn sh(program: &str, arguments: &[&str]) {
    let status = std::process::Command::new(program).args(arguments).status().unwrap();
    assert!(status.success(), "{program} {arguments:?}");
}

pub fn full_disk() {
    let (profile_a, profile_b) = Profile::loopback_pair();
    let disk = SmallDisk::mount(&profile_a, "3m");
    let (a, b) = (profile_a.start(), profile_b.start());
    let conversation = pair(&a, &b);
    let send = |from: &Process, n: u32| {
        let text = format!("{n:05} {}", "y".repeat(20_000));
        let request = from.request("send", json!({ "conversation": conversation, "text": text }));
        from.answer(request)
    };
    let mut written: Vec<Value> = Vec::new();
    let refusal = (0..1000)
        .find_map(|n| match send(&a, n) {
            Ok(answer) => {
                written.push(answer["entry"].clone());
                None
            }
            Err(refusal) => Some(refusal),
        })
        .expect("3 MiB hold 20 MB");
    assert_eq!(refusal.kind, "disk_full", "{refusal:?}");
    assert!(!written.is_empty());
    // Reading goes on, the program as well, and so does what it needs no disk for.
    wait_for("reading goes on", || {
        let request = a.request("history", json!({ "conversation": conversation }));
        a.answer(request).is_ok()
    });
    a.call("network", json!({}));
    // The other's messages are not lost either: they stay queued there until there is room.
    let from_b =
        b.call("send", json!({ "conversation": conversation, "text": "z".repeat(60_000) }));
    disk.resize("60m");
    wait_for("there is room again", || send(&a, 5000).is_ok());
    a.event_within(PATIENCE * 3, "message", |e| e["entry"] == from_b["entry"]);
    b.event("message", |e| e["text"].as_str().is_some_and(|t| t.starts_with("05000 ")));
    // Everything that was answered is there once, on both sides; what was refused is not.
    let mine = |process: &Process| -> Vec<Value> {
        let all = history(process, &conversation).into_iter();
        all.filter(|e| e["entry"] != from_b["entry"]).map(|e| e["entry"].clone()).collect()
    };
    for process in [&a, &b] {
        let shown = mine(process);
        assert_eq!(shown[..written.len()], written);
    }
    a.shutdown();
    profile_a.start().shutdown();
}
