//! The store where there is no room, or no right to write. Needs root, to mount small file
//! systems; without, its tests count as ignored.
#![allow(clippy::unwrap_used, reason = "a test that fails is to stop")]

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use entrenous::{
    conversation::{Body, ConversationId},
    identity::{Invite, InviteSecret},
    node::api::FailureKind,
    store::{self, Presence, Store},
};
use libtest_mimic::{Arguments, Trial};

const NOW: u64 = 1_800_000_000_000;

fn main() {
    let can = Mount::new("size=64k").is_some();
    let test = |name: &str, run: fn()| {
        Trial::test(name, move || {
            run();
            Ok(())
        })
        .with_ignored_flag(!can)
    };
    let tests = vec![
        test("a_full_disk_loses_nothing_and_works_again_with_room", full),
        test("no_profile_is_made_without_room", no_room),
        test("a_read_only_directory_is_said_to_be_one", read_only),
    ];
    libtest_mimic::run(&Arguments::from_args(), tests).exit();
}

/// A file system of its own, gone when dropped.
struct Mount(tempfile::TempDir);

impl Mount {
    fn new(options: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(directory.path())
            .output();
        mount.is_ok_and(|output| output.status.success()).then_some(Self(directory))
    }

    fn remount(&self, options: &str) {
        let remount = Command::new("mount")
            .args(["-o", &format!("remount,{options}")])
            .arg(self.0.path())
            .status();
        assert!(remount.unwrap().success());
    }

    fn profile(&self) -> PathBuf {
        self.0.path().join("profile")
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

fn open(path: &Path) -> Result<Store, store::StoreError> {
    store::open(store::lock(path)?, None).map_err(|(_, error)| error)
}

/// A profile with one contact, and the conversation with them.
async fn profile(path: &Path) -> (Store, ConversationId) {
    let ann = store::create(store::lock(path).unwrap(), "Ann", None).unwrap();
    let other = tempfile::tempdir().unwrap();
    let ben = store::create(store::lock(other.path()).unwrap(), "Ben", None).unwrap();
    let (me, them) = (ann.profile().await.unwrap(), ben.profile().await.unwrap());
    let (me, who) = (me.identity_key.public(), (them.identity_key.public(), them.certificate));
    let invite = Invite::new(me, InviteSecret::from_bytes([1; 16]), NOW / 1000 + 60);
    let number = ann.issue_invite(invite, 1, NOW).await.unwrap();
    ann.complete_issued(number, who.0, who.1, "Ben".to_owned(), NOW).await.unwrap();
    (ann, ConversationId::direct(&me, &who.0))
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

fn full() {
    run(async {
        let mount = Mount::new("size=1m").unwrap();
        let (store, conversation) = profile(&mount.profile()).await;
        let write = async |store: &Store| {
            let body = Body::Text { text: "word ".repeat(400) };
            store.write(conversation, body, NOW).await
        };
        let mut written = 0;
        let error = loop {
            match write(&store).await {
                Ok(_) => written += 1,
                Err(error) => break error,
            }
            assert!(written < 10_000, "the disk is never full");
        };
        assert_eq!(error.kind(), FailureKind::DiskFull, "{error}");
        assert!(written > 0);
        assert_eq!(write(&store).await.unwrap_err().kind(), FailureKind::DiskFull);
        let there = async |store: &Store| {
            store.history(conversation, None, None, 1000).await.unwrap().len()
        };
        assert_eq!(there(&store).await, written, "what was answered can be read");
        mount.remount("size=8m");
        for _ in 0..10 {
            write(&store).await.unwrap();
        }
        store.close().await.unwrap();
        let store = open(&mount.profile()).unwrap();
        assert_eq!(there(&store).await, written + 10);
        assert_eq!(store.search("word".to_owned(), None, 1000).await.unwrap().len(), written + 10);
        store.close().await.unwrap();
    });
}

fn no_room() {
    run(async {
        // Wherever it gets too tight, in the last step too.
        for kib in (16..512).step_by(8) {
            let mount = Mount::new(&format!("size={kib}k")).unwrap();
            let locked = store::lock(&mount.profile()).unwrap();
            match store::create(locked, "Ann", None) {
                Ok(store) => {
                    assert!(kib > 16);
                    // The lock is given back when its thread has ended.
                    let _ = store.close().await;
                }
                Err(error) => assert_eq!(error.kind(), FailureKind::DiskFull, "{kib}: {error}"),
            }
            mount.remount("size=8m");
            let locked = store::lock(&mount.profile()).unwrap();
            let store = if locked.presence() == Presence::Fresh {
                store::create(locked, "Ann", None).unwrap()
            } else {
                store::open(locked, None).map_err(|(_, error)| error).unwrap()
            };
            assert_eq!(store.profile().await.unwrap().name, "Ann", "{kib}");
            store.close().await.unwrap();
        }
    });
}

fn read_only() {
    run(async {
        let mount = Mount::new("size=8m").unwrap();
        profile(&mount.profile()).await.0.close().await.unwrap();
        mount.remount("ro");
        let error = open(&mount.profile()).unwrap_err();
        assert_eq!(error.kind(), FailureKind::ProfileUnreadable, "{error}");
        let error = store::lock(&mount.0.path().join("new")).unwrap_err();
        assert_eq!(error.kind(), FailureKind::ProfileUnreadable, "{error}");
    });
}
