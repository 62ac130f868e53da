//! Profiles that open, and all the ways in which one does not.

use std::{fs, path::PathBuf};

use super::*;
use crate::{
    node::api::FailureKind,
    store::{key::DatabaseKey, key::Sealed, schema},
};

fn file(directory: &TempDir, name: &str) -> PathBuf {
    directory.path().join(name)
}

fn failure(directory: &TempDir, passphrase: Option<&str>) -> StoreError {
    let locked = match lock(directory.path()) {
        Ok(locked) => locked,
        Err(error) => return error,
    };
    open(locked, passphrase).map(|_| ()).unwrap_err().1
}

async fn closed() -> TempDir {
    let Person { store, directory, .. } = Person::new("Ann").await;
    store.close().await.unwrap();
    directory
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("a/b");
    let store = create(lock(&path).unwrap(), "Ann", None).unwrap();
    store.set_name("Ann B".to_owned()).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    for name in ["entrenous.db", "entrenous.db-wal", "entrenous.db-shm", "key", "lock"] {
        assert_eq!(mode(&path.join(name)), 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_second_instance_is_refused_until_the_first_ends() {
    let ann = Person::new("Ann").await;
    assert_eq!(lock(ann.directory.path()).unwrap_err(), StoreError::InUse);
    let ann = ann.reopen().await;
    assert_eq!(lock(ann.directory.path()).unwrap_err(), StoreError::InUse);
}

#[tokio::test]
async fn a_passphrase_protects_and_a_wrong_one_can_be_tried_again() {
    let directory = tempfile::tempdir().unwrap();
    let locked = lock(directory.path()).unwrap();
    assert_eq!(locked.presence(), Presence::Fresh);
    // "é" as one character here, as two below.
    let store = create(locked, "Ann", Some("caf\u{e9} au lait")).unwrap();
    let profile = store.profile().await.unwrap();
    assert!(profile.has_passphrase);
    store.close().await.unwrap();
    let locked = lock(directory.path()).unwrap();
    assert_eq!(locked.presence(), Presence::Locked);
    let (locked, error) = open(locked, None).unwrap_err();
    assert_eq!(error, StoreError::PassphraseNeeded);
    let (locked, error) = open(locked, Some("cafe au lait")).unwrap_err();
    assert_eq!((error.kind(), error), (FailureKind::WrongPassphrase, StoreError::WrongPassphrase));
    let store = open(locked, Some("cafe\u{301} au lait")).map_err(|(_, e)| e).unwrap();
    assert_eq!(store.profile().await.unwrap().name, "Ann");
}

#[tokio::test]
async fn names_are_sanitised_and_never_empty() {
    let ann = Person::new(" \u{1b}[31m ").await;
    let name = ann.store.profile().await.unwrap().name;
    assert!(!name.contains('\u{1b}'));
    let kept = ann.store.set_name(String::new()).await.unwrap();
    assert_eq!(kept, ann.id.to_string()[..8]);
    let ann = ann.reopen().await;
    assert_eq!(ann.store.profile().await.unwrap().name, kept);
}

#[test]
fn bad_passphrases_make_no_profile() {
    let directory = tempfile::tempdir().unwrap();
    for passphrase in ["", &"x".repeat(1025)] {
        let refused = create(lock(directory.path()).unwrap(), "Ann", Some(passphrase));
        assert!(matches!(refused.unwrap_err(), StoreError::InvalidInput(_)));
    }
    assert_eq!(lock(directory.path()).unwrap().presence(), Presence::Fresh);
}

#[tokio::test]
async fn there_is_one_profile_in_a_directory() {
    let directory = closed().await;
    let again = create(lock(directory.path()).unwrap(), "Eve", None);
    assert!(matches!(again.unwrap_err(), StoreError::Presence(_)));
    let fresh = tempfile::tempdir().unwrap();
    assert!(matches!(failure(&fresh, None), StoreError::Presence(_)));
}

#[tokio::test]
async fn a_creation_that_was_cut_begins_again() {
    let directory = closed().await;
    fs::rename(file(&directory, "entrenous.db"), file(&directory, "entrenous.db.new")).unwrap();
    let locked = lock(directory.path()).unwrap();
    assert_eq!(locked.presence(), Presence::Fresh);
    create(locked, "Ann", None).unwrap();
}

#[tokio::test]
async fn half_a_profile_is_damaged_and_not_replaced() {
    for lost in ["key", "entrenous.db"] {
        let directory = closed().await;
        fs::rename(file(&directory, lost), file(&directory, "moved")).unwrap();
        assert!(matches!(failure(&directory, None), StoreError::Damaged(_)), "{lost}");
        fs::rename(file(&directory, "moved"), file(&directory, lost)).unwrap();
        open_at(directory.path()).unwrap();
    }
}

#[tokio::test]
async fn every_flipped_byte_of_the_key_file_is_noticed() {
    for passphrase in [None, Some("x")] {
        let mut rng = rand::rng();
        let key = DatabaseKey::generate(&mut rng);
        let cost = super::super::key::Cost::LEAST;
        let good = Sealed::encode(&key, passphrase, cost, &mut rng).unwrap();
        assert!(Sealed::decode(&good).unwrap().open(passphrase).is_ok());
        for at in 0..good.len() {
            let mut bad = good.to_vec();
            bad[at] ^= 0x10;
            assert!(matches!(Sealed::decode(&bad), Err(StoreError::Damaged(_))), "byte {at}");
            assert!(matches!(Sealed::decode(&good[..at]), Err(StoreError::Damaged(_))));
        }
    }
}

#[tokio::test]
async fn a_key_file_may_cost_only_so_much() {
    let mut rng = rand::rng();
    let cost = super::super::key::Cost::LEAST;
    let good = Sealed::encode(&DatabaseKey::generate(&mut rng), Some("x"), cost, &mut rng).unwrap();
    // Memory in KiB, passes, lanes: from byte 15 on, 4 each.
    for (field, most) in [1024 * 1024_u32, 16, 16].into_iter().enumerate() {
        for (number, allowed) in [(most, true), (most + 1, false), (u32::MAX, false)] {
            let mut file = good.to_vec();
            let at = 15 + 4 * field;
            file[at..at + 4].copy_from_slice(&number.to_be_bytes());
            let content = file.len() - 16;
            let check = blake3::hash(&file[..content]);
            file[content..].copy_from_slice(&check.as_bytes()[..16]);
            assert_eq!(Sealed::decode(&file).is_ok(), allowed, "{field}: {number}");
        }
    }
}

#[tokio::test]
async fn of_a_key_file_only_so_much_is_read() {
    let directory = closed().await;
    let locked = lock(directory.path()).unwrap();
    let whole = locked.read_key().unwrap();
    let key = fs::OpenOptions::new().write(true).open(file(&directory, "key")).unwrap();
    key.set_len(256 * 1024 * 1024).unwrap();
    let read = locked.read_key().unwrap();
    assert_eq!(read.len(), 1024);
    assert!(read.starts_with(&whole));
    drop(locked);
    assert!(matches!(failure(&directory, None), StoreError::Damaged(_)));
}

#[tokio::test]
async fn a_newer_database_is_refused_and_left_alone() {
    let directory = closed().await;
    let sealed = Sealed::decode(&fs::read(file(&directory, "key")).unwrap()).unwrap();
    let key = sealed.open(None).unwrap();
    let path = file(&directory, "entrenous.db");
    let connection = schema::connect(&path, &key, schema::Purpose::Own).unwrap();
    connection.execute_batch("PRAGMA user_version = 1000").unwrap();
    connection.close().unwrap();
    let before = fs::read(&path).unwrap();
    assert_eq!(failure(&directory, None), StoreError::TooNew);
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn damage_is_never_taken_for_content() {
    let (ann, ben) = pair().await;
    for n in 0..200 {
        ann.say(&ben, &format!("message {n}")).await;
    }
    let texts = ann.texts(&ben).await;
    let conversation = ann.with(&ben);
    let Person { store, directory, .. } = ann;
    store.close().await.unwrap();
    let path = file(&directory, "entrenous.db");
    let good = fs::read(&path).unwrap();
    let mut at_open = 0;
    for at in (0..good.len()).step_by(good.len() / 60) {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&path, &bad).unwrap();
        match open_at(directory.path()) {
            Err(error) => {
                assert_eq!(error.kind(), FailureKind::ProfileDamaged, "byte {at}");
                assert_eq!(fs::read(&path).unwrap(), bad, "byte {at}");
                at_open += 1;
            }
            Ok(store) => {
                match store.history(conversation, None, None, MAX_PAGE).await {
                    Ok(items) => {
                        let got: Vec<_> = items.into_iter().filter_map(|i| i.text).collect();
                        assert_eq!(got, texts, "byte {at}");
                    }
                    Err(error) => assert_eq!(error.kind(), FailureKind::ProfileDamaged),
                }
                let _ = store.close().await;
            }
        }
    }
    assert!(at_open > 0);
    for length in [0, 1, 100, 4095, 4096, good.len() / 2, good.len() - 4096, good.len() - 1] {
        fs::write(&path, &good[..length]).unwrap();
        let error = match open_at(directory.path()) {
            Err(error) => error,
            // Only the last page, in part: it is met when it is read.
            Ok(store) => {
                assert_eq!(length, good.len() - 1);
                let _ = store.close().await;
                continue;
            }
        };
        assert_eq!(error.kind(), FailureKind::ProfileDamaged, "{length} bytes: {error}");
        assert_eq!(fs::metadata(&path).unwrap().len(), u64::try_from(length).unwrap());
    }
    fs::write(&path, &good).unwrap();
    open_at(directory.path()).unwrap();
}

#[tokio::test]
async fn after_an_unclean_end_the_check_finds_damage_and_only_damage() {
    let (ann, ben) = pair().await;
    for n in 0..300 {
        ann.say(&ben, &format!("message {n}")).await;
    }
    let Person { store, directory, .. } = ann;
    store.close().await.unwrap();
    let path = file(&directory, "entrenous.db");
    let unclean = || fs::write(file(&directory, "unchecked"), "").unwrap();

    unclean();
    let store = open_at(directory.path()).unwrap();
    while file(&directory, "unchecked").exists() {
        tokio::task::yield_now().await;
    }
    let nothing = tokio::time::timeout(std::time::Duration::ZERO, store.damage()).await;
    assert!(nothing.is_err());
    store.close().await.unwrap();

    // A page in the middle: opening does not read it.
    let mut bad = fs::read(&path).unwrap();
    let middle = bad.len() / 4096 * 3 / 4 * 4096 + 100;
    bad[middle] ^= 1;
    fs::write(&path, &bad).unwrap();
    unclean();
    let store = open_at(directory.path()).unwrap();
    assert!(matches!(store.damage().await, StoreError::Damaged(_)));
    assert!(file(&directory, "unchecked").exists(), "the next start checks again");
    let _ = store.close().await;
}

#[tokio::test]
async fn what_is_queued_before_the_end_is_done() {
    let (ann, ben) = pair().await;
    let conversation = ann.with(&ben);
    let mut writes = Vec::new();
    for n in 0..100 {
        let store = ann.store.clone();
        let body = Body::Text { text: n.to_string() };
        let mut write = Box::pin(async move { store.write(conversation, body, NOW).await });
        assert!(futures::poll!(&mut write).is_pending());
        writes.push(write);
    }
    let other = ann.store.clone();
    let ann = ann.reopen().await;
    for write in writes {
        write.await.unwrap();
    }
    assert_eq!(ann.texts(&ben).await.len(), 100);
    assert_eq!(other.profile().await.map(|_| ()).unwrap_err(), StoreError::Closed);
}

/// Where a profile lies that the first version wrote.
const VERSION_1: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/tests/version-1");

#[tokio::test]
async fn a_profile_of_version_1_opens() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["key", "entrenous.db"] {
        fs::copy(Path::new(VERSION_1).join(name), file(&directory, name)).unwrap();
    }
    let store = open_at(directory.path()).unwrap();
    let conversation = store.conversations().await.unwrap().remove(0);
    assert_eq!(conversation.name, "someone");
    let items = store.history(conversation.id, None, None, 50).await.unwrap();
    let texts: Vec<_> = items.iter().map(|item| item.text.as_deref().unwrap()).collect();
    assert_eq!(texts, ["written by version 1", "and edited by it"]);
    assert_eq!(store.search("version".to_owned(), None, 50).await.unwrap().len(), 1);
    let body = Body::Text { text: "written now".to_owned() };
    assert_eq!(store.write(conversation.id, body, NOW).await.unwrap().entry.header.seq, 4);
}

/// Writes what the test above reads; for the version that a migration is about to follow.
#[tokio::test]
#[ignore = "writes into the source tree"]
async fn write_profile_of_this_version() {
    let (ann, ben) = pair().await;
    ann.say(&ben, "written by version 1").await;
    let target = ann.say(&ben, "to be edited").await.entry.id;
    let edit = Body::Edit { target, text: "and edited by it".to_owned() };
    ann.store.write(ann.with(&ben), edit, NOW).await.unwrap();
    let Person { store, directory, .. } = ann;
    store.close().await.unwrap();
    fs::create_dir_all(VERSION_1).unwrap();
    for name in ["key", "entrenous.db"] {
        fs::copy(file(&directory, name), Path::new(VERSION_1).join(name)).unwrap();
    }
}
