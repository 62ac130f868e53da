//! What is here already, by another entry.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::{
    support::fetch::{MIB, content, names},
    transfer::Two,
};

/// What is done to what lies there.
type Change = fn(&Path);

impl Two {
    /// A offers once more what it offered by this entry.
    fn offer_again(&self, entry: &Value) -> Value {
        let conversation = &self.conversation;
        let params = json!({ "conversation": conversation, "entry": entry, "to": conversation });
        let entry = self.a.call("forwardFile", params)["entry"].clone();
        self.b.event("fileOffered", |event| event["entry"] == entry);
        entry
    }

    fn bytes_in(&self) -> u64 {
        self.b.call("network", json!({}))["bytesIn"].as_u64().unwrap()
    }
}

#[test]
fn what_is_here_already_is_not_fetched_again() {
    let mut two = Two::online();
    let outside = two.profiles.0.outside().to_owned();
    let (file, folder) = (outside.join("a.bin"), outside.join("folder"));
    fs::write(&file, content(5_000_000)).unwrap();
    fs::create_dir_all(folder.join("con")).unwrap();
    fs::write(folder.join("con/a?b"), content(300_000)).unwrap();
    let offers = [&file, &folder].map(|path| {
        let first = two.offer(path);
        (two.get(&first), two.offer_again(&first))
    });
    two.a.kill();
    let before = two.bytes_in();
    let [copied, copied_folder] = offers.each_ref().map(|(_, again)| two.get(again));
    assert_eq!(two.bytes_in(), before);
    let downloads = two.profiles.1.dir().join("downloads");
    assert_eq!(names(&downloads), ["a (2).bin", "a.bin", "folder", "folder (2)"]);
    assert_eq!(PathBuf::from(&copied), downloads.join("a (2).bin"));
    assert!(fs::read(&copied).unwrap() == content(5_000_000));
    let within = Path::new(&copied_folder).join("_con/a_b");
    assert!(fs::read(within).unwrap() == content(300_000));
    // Each is a file of its own.
    fs::write(&copied, "changed").unwrap();
    assert!(fs::read(&offers[0].0).unwrap() == content(5_000_000));
}

#[test]
fn what_is_here_and_has_changed_is_fetched_as_far_as_it_has() {
    let two = Two::online();
    let path = two.profiles.0.outside().join("a.bin");
    let right = content(8_000_000);
    fs::write(&path, &right).unwrap();
    let first = two.offer(&path);
    let there = two.get(&first);
    let changes: [(&str, Change, std::ops::Range<u64>); 4] = [
        (
            "a byte",
            |path| {
                let mut bytes = content(8_000_000);
                bytes[4_000_000] ^= 1;
                fs::write(path, bytes).unwrap();
            },
            16_384..MIB,
        ),
        (
            "its end",
            |path| fs::write(path, &content(8_000_000)[..4_000_000]).unwrap(),
            4_000_000..5_000_000,
        ),
        ("all of it", |path| fs::write(path, vec![7; 8_000_000]).unwrap(), 8_000_000..9_000_000),
        ("it is no more", |path| fs::remove_file(path).unwrap(), 8_000_000..9_000_000),
    ];
    for (what, change, fetched) in changes {
        change(Path::new(&there));
        let before = two.bytes_in();
        let again = two.get(&two.offer_again(&first));
        assert!(fs::read(&again).unwrap() == right, "{what}");
        let bytes = two.bytes_in() - before;
        assert!(fetched.contains(&bytes), "{what}: {bytes} bytes");
        // So that the first is the only one that is here.
        fs::remove_file(again).unwrap();
    }
}
