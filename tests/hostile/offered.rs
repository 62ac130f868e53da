//! A contact who offers files and sends what they should not: nothing false is kept, and nothing
//! beyond what was declared.

use std::fs;

use entrenous::{
    blob::{self, GROUP},
    conversation::{Body, EntryId, File},
};
use serde_json::json;

use crate::{
    Victim,
    contact::Mallory,
    files::{Offer, of, offer, serve, talks},
    support::{
        fetch::{MIB, content, parts},
        profile::history,
    },
};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn false_slices_are_found_at_the_first_and_none_is_kept() {
    let mut victim = Victim::new();
    let mut mallory = Mallory::befriends(&victim).await;
    let group = usize::try_from(GROUP).unwrap();
    let whole = content(40 * group);
    // Where in the answer to the first request the lie is: 40 groups have 39 pairs of hashes, of
    // which six stand before the first group.
    for (what, at) in [
        ("a hash at the top", 1),
        ("a hash above the first group", 1 + 5 * 64),
        ("the first group", 1 + 6 * 64 + 17),
        ("the end of the first group", 6 * 64 + group),
        ("somewhere else", 20 * group),
    ] {
        println!("{what}");
        // Another one each time: who lied of one is not asked for that again.
        let mut whole = whole.clone();
        whole[..8].copy_from_slice(&at.to_be_bytes());
        let offered = Offer::new("lie.bin", whole.clone());
        let mut talk = talks(&mallory).await;
        let entry = offer(&victim, &mut mallory, &mut talk, &[&offered.file]).await.remove(0);
        let before = victim.received();
        serve(&mut talk.wire, move |request| {
            let mut answer = offered.answer(request);
            answer[at] ^= 1;
            // And on and on, in the hope that it is taken.
            answer.resize(answer.len() + (32 << 20), 7);
            answer
        });
        victim.get(&mallory, &entry);
        let (kind, text) = victim.has_failed(&entry);
        assert_eq!(kind, "file_gone");
        assert!(text.contains("nothing of that was kept"), "{text}");
        // Three streams ask, and each reads ahead a little.
        let taken = victim.received() - before;
        assert!(taken <= 3 * MIB, "{taken} bytes were taken");
        let part = parts(&victim.downloads()).pop().expect("it stopped half-way");
        let kept = fs::read(&part).unwrap();
        for (number, (kept, right)) in kept.chunks(group).zip(whole.chunks(group)).enumerate() {
            let nothing = kept.iter().all(|byte| *byte == 0);
            assert!(nothing || kept == right, "{what}: group {number} is false");
        }
        let conversation = victim.conversation_with(&mallory);
        let params = json!({ "conversation": conversation, "entry": entry });
        victim.process.call("cancelFile", params);
        assert!(!part.exists());
        talk.end().await;
    }
    victim.is_unharmed(64 * MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn more_than_was_declared_is_not_taken() {
    let mut victim = Victim::new();
    let mut mallory = Mallory::befriends(&victim).await;
    let mut talk = talks(&mallory).await;
    // Its first 1000 bytes are what they should be; then come as many as are taken.
    let small = Offer::new("small.bin", content(1000));
    // This one is said to have 1000 bytes, and has more.
    let large = Offer::new("large.bin", content(100_000));
    let lie = File { size: 1000, ..large.file.clone() };
    let files = [&small.file, &lie];
    let entries = offer(&victim, &mut mallory, &mut talk, &files).await;
    let first: EntryId = of(&entries[0]);
    let before = victim.received();
    serve(&mut talk.wire, move |request| {
        let mut answer =
            if request.entry == first { small.answer(request) } else { large.answer(request) };
        // Stands for 10 GB: what is taken of it is looked at.
        answer.resize(64 << 20, 7);
        answer
    });
    victim.get(&mallory, &entries[0]);
    let path = victim.is_done(&entries[0]);
    assert_eq!(fs::read(path).unwrap(), content(1000));
    victim.get(&mallory, &entries[1]);
    assert!(victim.has_failed(&entries[1]).1.contains("Something else was sent"));
    let part = parts(&victim.downloads()).pop().unwrap();
    assert_eq!(fs::read(part).unwrap(), vec![0; 1000]);
    let taken = victim.received() - before;
    assert!(taken <= 3 * MIB, "{taken} bytes were taken");
    victim.is_unharmed(64 * MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sizes_that_can_not_be_are_borne() {
    let mut victim = Victim::new();
    let mut mallory = Mallory::befriends(&victim).await;
    let mut talk = talks(&mallory).await;
    let honest = Offer::new("a.bin", content(1000)).file;
    for file in [
        File { size: 1 << 63, ..honest.clone() },
        File { size: u64::MAX, ..honest.clone() },
        File { size: blob::MAX_BYTES + 1, ..honest.clone() },
        File { manifest: 2000, ..honest.clone() },
        File { manifest: u64::MAX, size: blob::MAX_BYTES, ..honest.clone() },
    ] {
        let entry = mallory.write_body(&Body::File(Box::new(file)));
        talk.send(&mallory.entries(vec![entry])).await;
        talk.end().await;
        // Refused, so the next one follows what came before.
        mallory.take_back();
        talk = talks(&mallory).await;
    }
    let huge = File { size: blob::MAX_BYTES, ..honest };
    let entry = offer(&victim, &mut mallory, &mut talk, &[&huge]).await.remove(0);
    let shown = history(&victim.process, &victim.conversation_with(&mallory));
    assert_eq!(shown.len(), 1, "{shown:?}");
    let mut free = std::process::Command::new("df");
    let free = free.args(["--output=avail", "-B1"]).arg(victim.profiles.0.dir());
    let free: u64 = String::from_utf8(free.output().unwrap().stdout)
        .unwrap()
        .lines()
        .last()
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    if free < blob::MAX_BYTES {
        victim.get(&mallory, &entry);
        let (kind, text) = victim.has_failed(&entry);
        assert_eq!(kind, "disk_full");
        assert!(text.contains("no room"), "{text}");
    }
    victim.is_unharmed(32 * MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn bad_names_land_in_the_one_directory_under_good_ones() {
    let mut victim = Victim::new();
    let mut mallory = Mallory::befriends(&victim).await;
    let mut talk = talks(&mallory).await;
    let long = format!("{}.txt", "n".repeat(300));
    let cut = format!("{}.txt", "n".repeat(196));
    let names = [
        ("../../.ssh/authorized_keys", "_._.._.ssh_authorized_keys"),
        ("/etc/cron.d/x", "_etc_cron.d_x"),
        ("C:\\Windows\\x.exe", "C__Windows_x.exe"),
        ("a\0b.txt", "ab.txt"),
        ("CON", "_CON"),
        (&long, &cut),
        ("-rf", "_rf"),
        (".bashrc", "_bashrc"),
        ("invoice\u{202e}fdp.exe", "invoicefdp.exe"),
        ("two\nlines", "two lines"),
        ("\u{1b}]0;x\u{7}bell", "]0;xbell"),
        ("..", "file"),
        ("", "file (2)"),
        (".entrenous-0123456789abcdef.part", "_entrenous-0123456789abcdef.part"),
        ("same.txt", "same.txt"),
        ("same.txt", "same (2).txt"),
    ];
    let offers: Vec<_> =
        names.iter().map(|(bad, _)| Offer::new(bad, bad.as_bytes().to_vec())).collect();
    let files: Vec<_> = offers.iter().map(|offer| &offer.file).collect();
    let entries = offer(&victim, &mut mallory, &mut talk, &files).await;
    let answers: Vec<_> = entries.iter().map(of::<EntryId>).zip(offers).collect();
    serve(&mut talk.wire, move |request| {
        let (_, offer) = answers.iter().find(|(entry, _)| *entry == request.entry).unwrap();
        offer.answer(request)
    });
    for (entry, (bad, good)) in entries.iter().zip(&names) {
        victim.get(&mallory, entry);
        assert_eq!(victim.is_done(entry), victim.downloads().join(good), "{bad:?}");
    }
    let mut there: Vec<_> = fs::read_dir(victim.downloads())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let mut good: Vec<_> = names.iter().map(|(_, good)| (*good).to_owned()).collect();
    there.sort();
    good.sort();
    assert_eq!(there, good);
    let shown = history(&victim.process, &victim.conversation_with(&mallory));
    for (shown, (_, good)) in shown.iter().zip(&names) {
        let name = shown["file"]["name"].as_str().unwrap();
        assert_eq!(name, good.replace(" (2)", ""));
    }
    victim.is_unharmed(32 * MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_offers_and_never_delivers_is_given_up() {
    let mut victim = Victim::new();
    let mut mallory = Mallory::befriends(&victim).await;
    let mut talk = talks(&mallory).await;
    let offered = Offer::new("never.bin", content(100_000));
    let entry = offer(&victim, &mut mallory, &mut talk, &[&offered.file]).await.remove(0);
    // Each stream ends as soon as it is opened.
    let mut streams = talk.wire.take_files();
    tokio::spawn(async move { while streams.recv().await.is_some() {} });
    victim.get(&mallory, &entry);
    let (kind, text) = victim.has_failed(&entry);
    assert_eq!(kind, "file_gone");
    assert!(text.contains("broke off again and again"), "{text}");
    victim.is_unharmed(32 * MIB);
}
