//! Two who are online, and files between them.

use std::path::Path;

use serde_json::{Value, json};

use super::{
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
        Self::of(Profile::loopback_pair())
    }

    /// Of these profiles.
    pub fn of(profiles: (Profile, Profile)) -> Self {
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
