//! Ends that nobody planned.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use super::*;

const CHILD: &str = "ENTRENOUS_TEST_STORE_DIRECTORY";

/// The child: writes for ever, and says what was answered. Runs only as a child of the next.
#[tokio::test]
async fn writer_to_be_killed() {
    use futures::StreamExt as _;
    let Ok(path) = std::env::var(CHILD) else { return };
    let store = open_at(Path::new(&path)).unwrap();
    let conversation = store.conversations().await.unwrap()[0].id;
    let start = store.history(conversation, None, None, 1).await.unwrap();
    let start = start.first().map_or(0, |item| item.text.as_ref().unwrap().parse::<u64>().unwrap());
    let writes = (start + 1..).map(|n| {
        let body = Body::Text { text: n.to_string() };
        store.write(conversation, body, NOW)
    });
    let mut writes = futures::stream::iter(writes).buffered(64);
    while let Some(written) = writes.next().await {
        println!("\nwritten {}", written.unwrap().entry.header.seq);
    }
}

#[tokio::test]
async fn after_kill_9_everything_that_was_answered_is_there_in_order() {
    let (ann, ben) = pair().await;
    let conversation = ann.with(&ben);
    let Person { store, directory, .. } = ann;
    store.close().await.unwrap();
    let mut answered = 0;
    for round in 0..8 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::tests::crash::writer_to_be_killed", "--nocapture"])
            .env(CHILD, directory.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let enough = answered + 20 + round * 37;
        for line in lines.by_ref() {
            let line = line.unwrap();
            let Some(seq) = line.strip_prefix("written ") else { continue };
            answered = seq.parse().unwrap();
            if answered >= enough {
                break;
            }
        }
        child.kill().unwrap(); // SIGKILL
        // What it had said by then counts too.
        for line in lines.map_while(std::io::Result::ok) {
            answered = line.strip_prefix("written ").map_or(answered, |seq| seq.parse().unwrap());
        }
        child.wait().unwrap();
        assert!(answered >= enough, "round {round}: it was to write");

        let store = open_at(directory.path()).unwrap();
        let mut texts: Vec<u64> = Vec::new();
        let mut before = None;
        loop {
            let page = store.history(conversation, before, None, MAX_PAGE).await.unwrap();
            let Some(first) = page.first() else { break };
            before = Some(first.entry);
            texts.splice(0..0, page.into_iter().map(|i| i.text.unwrap().parse().unwrap()));
        }
        let there = u64::try_from(texts.len()).unwrap();
        assert_eq!(texts, (1..=there).collect::<Vec<_>>(), "round {round}");
        assert!(there >= answered, "round {round}: {there} of {answered}");
        let found = store.search(answered.to_string(), None, 50).await.unwrap();
        assert!(!found.is_empty(), "round {round}: the index has it too");
        let checked = directory.path().join("unchecked");
        while checked.exists() {
            tokio::task::yield_now().await;
        }
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_job_that_fails_undoes_only_itself() {
    let (ann, ben) = pair().await;
    let conversation = ann.with(&ben);
    let unknown = EntryId([1; 32]);
    let jobs = (0..200).map(|n| {
        let body = if n % 3 == 1 {
            Body::Delete { target: unknown }
        } else {
            Body::Text { text: n.to_string() }
        };
        ann.store.write(conversation, body, NOW)
    });
    let results = futures::future::join_all(jobs).await;
    for (n, result) in results.into_iter().enumerate() {
        assert_eq!(result.is_err(), n % 3 == 1);
    }
    let expected: Vec<_> = (0..200).filter(|n| n % 3 != 1).map(|n| n.to_string()).collect();
    assert_eq!(ann.texts(&ben).await, expected);
    assert_eq!(ann.reopen().await.texts(&ben).await, expected);
}
