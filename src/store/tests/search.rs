//! The search index, and what deleting leaves behind.

use std::{
    fs,
    time::{Duration, Instant},
};

use super::*;
use crate::store::{
    key::{Cost, DatabaseKey, Sealed},
    open::create_with_key,
    schema::{Purpose, connect},
};

#[tokio::test]
async fn words_are_found_as_prefixes_without_case_and_accents() {
    let (ann, ben) = pair().await;
    ann.say(&ben, "Déjà vu in the Café").await;
    ann.say(&ben, "the cat's cafeteria").await;
    for (query, hits) in [
        ("cafe", 2),
        ("CAFÉ", 2),
        ("caf deja", 1),
        ("cat's", 1),
        ("vu café", 1),
        ("fe", 0),
        ("", 0),
        ("  \u{7} … !!", 0),
        ("nothing", 0),
    ] {
        assert_eq!(ann.found(query).await, hits, "{query:?}");
    }
    let hit = ann.store.search("caf".to_owned(), None, 50).await.unwrap().remove(0);
    assert_eq!(hit.snippet, "the cat's \u{2068}cafeteria\u{2069}");
}

#[tokio::test]
async fn no_syntax_reaches_the_index() {
    let (ann, ben) = pair().await;
    ann.say(&ben, "plain words").await;
    for query in [
        "plain OR other",
        "NOT plain",
        "plain NEAR words",
        "text:plain",
        "place:c1",
        "c1",
        "\"plain",
        "plain\" OR \"x",
        "(plain",
        "plain)",
        "^plain",
        "pla* +words",
        "{text}:plain",
        "a\0b",
        "-plain",
        "'; DROP TABLE entry; --",
    ] {
        // What matters: no error, and no more found than the words say.
        let hits = ann.store.search(query.to_owned(), None, 50).await.unwrap();
        assert!(hits.len() <= 1, "{query}");
    }
    assert_eq!(ann.found("c1").await, 0, "the word for the conversation is no word of a text");
    let long = ann.store.search("x".repeat(1025), None, 50).await;
    assert!(matches!(long.unwrap_err(), StoreError::InvalidInput(_)));
    // Further words are left out, so that this one is not missed.
    assert_eq!(ann.found(&format!("{}zebra", "plain ".repeat(MAX_WORDS - 1))).await, 0);
    assert_eq!(ann.found(&format!("{}zebra", "plain ".repeat(MAX_WORDS))).await, 1);
}

#[tokio::test]
async fn a_search_can_be_kept_to_one_conversation() {
    let (ann, ben) = pair().await;
    let eve = Person::new("Eve").await;
    introduce(&eve, &ann).await;
    ann.say(&ben, "tea for ben").await;
    ann.say(&eve, "tea for eve").await;
    let search = async |only| ann.store.search("tea".to_owned(), only, 50).await.unwrap();
    assert_eq!(search(None).await.len(), 2);
    let hits = search(Some(ann.with(&eve))).await;
    assert_eq!(hits.len(), 1);
    assert_eq!(hits[0].conversation, ann.with(&eve));
    let unknown = ann.store.search("tea".to_owned(), Some(ConversationId([0; 32])), 50).await;
    assert_eq!(unknown.unwrap_err(), StoreError::UnknownConversation);
}

#[tokio::test]
async fn the_index_follows_edits_and_deletes_on_both_sides() {
    let (ann, ben) = pair().await;
    let target = ann.say(&ben, "zebra").await.entry.id;
    push(&ann, &ben).await;
    let conversation = ann.with(&ben);
    for (body, zebra, yak) in [
        (Body::Edit { target, text: "yak".to_owned() }, 0, 1),
        (Body::Reaction { target, emoji: "👍".to_owned() }, 0, 1),
        (Body::Delete { target }, 0, 0),
    ] {
        ann.store.write(conversation, body, NOW).await.unwrap();
        push(&ann, &ben).await;
        for who in [&ann, &ben] {
            assert_eq!((who.found("zebra").await, who.found("yak").await), (zebra, yak));
        }
    }
}

#[tokio::test]
async fn a_failed_write_is_not_found() {
    let (ann, ben) = pair().await;
    let body = Body::Edit { target: EntryId([1; 32]), text: "zebra".to_owned() };
    ann.store.write(ann.with(&ben), body, NOW).await.unwrap_err();
    assert_eq!(ann.found("zebra").await, 0);
}

/// Runs jobs in one group: keeps the thread until all of them are queued.
async fn in_one_group<T>(who: &Person, jobs: impl Future<Output = T>) -> T {
    let (go, wait) = std::sync::mpsc::channel();
    let gate = who.store.call(move |_| {
        wait.recv().unwrap();
        Ok(())
    });
    let (_, done, ()) = tokio::join!(gate, jobs, async { go.send(()).unwrap() });
    done
}

#[tokio::test]
async fn a_search_that_fails_takes_nothing_out_of_the_index() {
    let (ann, ben) = pair().await;
    let body = Body::Text { text: "zebra".to_owned() };
    let write = ann.store.write(ann.with(&ben), body, NOW);
    let search = ann.store.search("x".to_owned(), Some(ConversationId([0; 32])), 50);
    let both = async { tokio::join!(write, search) };
    let (written, searched) = in_one_group(&ann, both).await;
    let target = written.unwrap().entry.id;
    assert_eq!(searched.unwrap_err(), StoreError::UnknownConversation);
    assert_eq!(ann.found("zebra").await, 1);
    let edit = Body::Edit { target, text: "yak".to_owned() };
    ann.store.write(ann.with(&ben), edit, NOW).await.unwrap();
    assert_eq!((ann.found("zebra").await, ann.found("yak").await), (0, 1));
}

#[tokio::test]
async fn a_job_that_fails_after_it_brought_the_index_up_to_date_undoes_its_group() {
    let (ann, ben) = pair().await;
    let body = Body::Text { text: "zebra".to_owned() };
    let write = ann.store.write(ann.with(&ben), body, NOW);
    let fails = ann.store.call(|core| {
        core.logs.flush_search()?;
        Err::<(), _>(StoreError::Storage("for a test".to_owned()))
    });
    let both = async { tokio::join!(write, fails) };
    let (written, failed) = in_one_group(&ann, both).await;
    assert_eq!(written.unwrap_err(), failed.unwrap_err(), "it was not written, and that is said");
    assert!(ann.texts(&ben).await.is_empty());
    ann.say(&ben, "yak").await;
    assert_eq!((ann.found("zebra").await, ann.found("yak").await), (0, 1));
}

#[tokio::test]
async fn deleted_words_leave_no_trace_in_the_decrypted_pages() {
    // The same store on a database in clear: what would lie in the pages once they are decrypted.
    let directory = tempfile::tempdir().unwrap();
    let mut locked = lock(directory.path()).unwrap();
    create_with_key(&mut locked, "Ann", None, Cost::LEAST, &DatabaseKey::NONE).unwrap();
    let store = open(locked, None).map_err(|(_, error)| error).unwrap();
    let ann = Person::of(store, directory).await;
    let ben = Person::new("Ben").await;
    introduce(&ann, &ben).await;
    let conversation = ann.with(&ben);
    let mut target = None;
    for n in 0..200 {
        let text = if n == 100 { "the xylophonist whispers".to_owned() } else { format!("n {n}") };
        let id = ann.say(&ben, &text).await.entry.id;
        if n == 100 {
            target = Some(id);
        }
    }
    let target = target.unwrap();
    assert!(contains(&ann, b"xylophonist"), "else this test proves nothing");
    let edit = Body::Edit { target, text: "the zitherist murmurs".to_owned() };
    ann.store.write(conversation, edit, NOW).await.unwrap();
    ann.store.write(conversation, Body::Delete { target }, NOW).await.unwrap();
    // The thread empties the write-ahead log as soon as nothing is queued.
    wait_for_empty_log(&ann).await;
    for word in [&b"xylophonist"[..], b"whispers", b"zitherist", b"murmurs"] {
        assert!(!contains(&ann, word), "{}", String::from_utf8_lossy(word));
    }
    assert!(contains(&ann, b"n 199"));
}

/// A second connection that reads, as the integrity check does.
fn reader(who: &Person) -> rusqlite::Connection {
    let sealed = Sealed::decode(&fs::read(who.directory.path().join("key")).unwrap()).unwrap();
    let path = who.directory.path().join("entrenous.db");
    let reader = connect(&path, &sealed.open(None).unwrap(), Purpose::Check).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM entry").unwrap();
    reader
}

fn log_bytes(who: &Person) -> u64 {
    fs::metadata(who.directory.path().join("entrenous.db-wal")).unwrap().len()
}

async fn wait_for_empty_log(who: &Person) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while log_bytes(who) > 0 {
        assert!(Instant::now() < deadline, "the write-ahead log was never emptied");
        tokio::time::sleep(Duration::from_millis(1)).await;
        who.store.profile().await.unwrap();
    }
}

#[tokio::test]
async fn while_the_check_reads_nobody_waits_for_the_log_to_be_emptied() {
    let (ann, ben) = pair().await;
    let target = ann.say(&ben, "zebra").await.entry.id;
    let reader = reader(&ann);
    ann.store.write(ann.with(&ben), Body::Delete { target }, NOW).await.unwrap();
    let start = Instant::now();
    for _ in 0..3 {
        ann.store.profile().await.unwrap();
    }
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    assert!(log_bytes(&ann) > 0, "else this test proves nothing");
    reader.execute_batch("COMMIT").unwrap();
    wait_for_empty_log(&ann).await;
}

#[tokio::test]
async fn deleted_text_leaves_the_log_after_an_unclean_end_too() {
    let (ann, ben) = pair().await;
    let target = ann.say(&ben, "zebra").await.entry.id;
    let _reader = reader(&ann);
    ann.store.write(ann.with(&ben), Body::Delete { target }, NOW).await.unwrap();
    // As it lies on the disk when the power goes.
    let copy = tempfile::tempdir().unwrap();
    for name in ["key", "entrenous.db", "entrenous.db-wal"] {
        fs::copy(ann.directory.path().join(name), copy.path().join(name)).unwrap();
    }
    let ann = Person::of(open_at(copy.path()).unwrap(), copy).await;
    wait_for_empty_log(&ann).await;
}

#[tokio::test]
async fn what_comes_after_a_delete_is_forgotten_alone() {
    let (ann, ben) = pair().await;
    let conversation = ann.with(&ben);
    let target = ann.say(&ben, "zebra").await.entry.id;
    let edit = |text: &str| Body::Edit { target, text: text.to_owned() };
    for body in [edit("yak"), Body::Delete { target }] {
        ann.store.write(conversation, body, NOW).await.unwrap();
    }
    wait_for_empty_log(&ann).await;
    // A reaction takes nothing away, so the log need not be emptied.
    let reaction = Body::Reaction { target, emoji: "👍".to_owned() };
    ann.store.write(conversation, reaction, NOW).await.unwrap();
    for _ in 0..10 {
        // With nothing queued, it would be emptied.
        tokio::time::sleep(Duration::from_millis(5)).await;
        ann.store.profile().await.unwrap();
    }
    assert!(log_bytes(&ann) > 0, "nothing was pruned");
    ann.store.write(conversation, edit("gnu"), NOW).await.unwrap();
    wait_for_empty_log(&ann).await;
    let all = ann.store.missing(conversation, View::default(), BUDGET).await.unwrap().entries;
    let bodies: Vec<_> = all.iter().map(|wire| wire.body.is_some()).collect();
    // text, edit, delete, reaction, edit
    assert_eq!(bodies, [false, false, true, true, false]);
    // The same on the other side, to which none of the bodies is told.
    push(&ann, &ben).await;
    assert!(view(&ann, &ben).await.lacking.is_empty());
    assert_eq!(ben.texts(&ann).await, ["-"]);
}

/// Whether the database or its write-ahead log contains these bytes.
fn contains(who: &Person, bytes: &[u8]) -> bool {
    ["entrenous.db", "entrenous.db-wal"].into_iter().any(|name| {
        let file = fs::read(who.directory.path().join(name)).unwrap();
        file.windows(bytes.len()).any(|window| window == bytes)
    })
}
