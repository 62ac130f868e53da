//! What is sent arrives as it was, whatever its size.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::support::{
    process::Process,
    profile::{Profile, conversation_with, id, pair},
};

/// Two who are online, and their conversation as the first sees it.
pub struct Two {
    pub a: Process,
    pub b: Process,
    pub conversation: Value,
    pub profiles: (Profile, Profile),
}

impl Two {
    pub fn online() -> Self {
        let profiles = Profile::loopback_pair();
        let (a, b) = (profiles.0.start(), profiles.1.start());
        pair(&a, &b);
        let conversation = conversation_with(&a, &id(&b));
        Self { a, b, conversation, profiles }
    }

    /// A offers what lies at this path. Returns the entry once B has heard of it.
    pub fn offer(&self, path: &Path) -> Value {
        let params = json!({ "conversation": self.conversation, "path": path });
        let offered = self.a.call("sendFile", params);
        let entry = offered["entry"].clone();
        self.b.event("fileOffered", |event| event["entry"] == entry);
        entry
    }

    /// B fetches it. Returns where it is.
    pub fn get(&self, entry: &Value) -> String {
        let params = json!({ "conversation": self.conversation, "entry": entry });
        self.b.call("getFile", params);
        let done = self.b.event("fileDone", |event| event["entry"] == *entry);
        done["path"].as_str().unwrap().to_owned()
    }
}

/// Bytes without a pattern, the same each time.
pub fn content(size: usize) -> Vec<u8> {
    let mut content = vec![0; size];
    blake3::Hasher::new().update(&size.to_be_bytes()).finalize_xof().fill(&mut content);
    content
}

#[test]
fn of_any_size_it_arrives_as_it_was() {
    let two = Two::online();
    let from = tempfile::tempdir().unwrap();
    for size in [0, 1, 16 * 1024 - 1, 16 * 1024, 16 * 1024 + 1, 5_000_000] {
        let path = from.path().join(format!("{size}.bin"));
        fs::write(&path, content(size)).unwrap();
        let entry = two.offer(&path);
        let arrived = two.get(&entry);
        assert_eq!(fs::read(&arrived).unwrap(), content(size), "{size}");
        assert!(arrived.ends_with(&format!("downloads/{size}.bin")), "{arrived}");
    }
    let downloads = two.profiles.1.dir().join("downloads");
    assert_eq!(fs::read_dir(downloads).unwrap().count(), 6, "nothing else is left there");
}
