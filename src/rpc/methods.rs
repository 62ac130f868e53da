//! The methods: from a line of JSON to a [`Command`], or to a refusal.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    conversation::{ConversationId, EntryId},
    identity::Identity,
    node::api::{Command, FailureKind},
    voice::Voice,
};

/// What a request comes to.
#[derive(Debug)]
pub enum Call {
    /// The node must be asked.
    Command(Command),
    /// The answer is known.
    Result(Value),
}

/// A JSON-RPC error object.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Refusal {
    code: i32,
    message: String,
    data: Kind,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Kind {
    kind: Value,
}

impl Refusal {
    fn standard(code: i32, kind: &str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: Kind { kind: kind.into() } }
    }

    /// Not JSON: -32700.
    pub fn parse(message: impl Into<String>) -> Self {
        Self::standard(-32700, "parse", message)
    }

    fn request(message: impl Into<String>) -> Self {
        Self::standard(-32600, "request", message)
    }

    fn method(name: &str) -> Self {
        let name: String = name.chars().take(64).collect();
        Self::standard(-32601, "method", format!("there is no method {name:?}"))
    }

    fn params(message: impl Into<String>) -> Self {
        Self::standard(-32602, "params", message)
    }

    /// The program's own: -32000 and below.
    pub fn own(kind: FailureKind, message: String) -> Self {
        let kind_text = serde_json::to_value(kind).unwrap_or(Value::Null);
        Self { code: code(kind), message, data: Kind { kind: kind_text } }
    }
}

/// The code of each kind of failure; stable, never reused.
fn code(kind: FailureKind) -> i32 {
    match kind {
        FailureKind::Internal => -32000,
        FailureKind::NotReady => -32001,
        FailureKind::InvalidInput => -32002,
        FailureKind::TextTooLong => -32003,
        FailureKind::InviteMalformed => -32010,
        FailureKind::InviteChecksum => -32011,
        FailureKind::InviteVersion => -32012,
        FailureKind::InviteExpired => -32013,
        FailureKind::InviteUsed => -32014,
        FailureKind::InviteOwn => -32015,
        FailureKind::InviteKnown => -32016,
        FailureKind::InviteLimit => -32017,
        FailureKind::UnknownContact => -32020,
        FailureKind::UnknownConversation => -32021,
        FailureKind::UnknownEntry => -32022,
        FailureKind::NotAuthor => -32023,
        FailureKind::ProfileInUse => -32030,
        FailureKind::WrongPassphrase => -32031,
        FailureKind::ProfileTooNew => -32032,
        FailureKind::ProfileDamaged => -32033,
        FailureKind::ProfileUnreadable => -32034,
        FailureKind::DiskFull => -32035,
        FailureKind::Storage => -32036,
        FailureKind::Address => -32040,
        FailureKind::NoFile => -32050,
        FailureKind::FileGone => -32051,
        FailureKind::FileUnreadable => -32052,
        FailureKind::FileTooLarge => -32053,
    }
}

/// The JSON-RPC id of a request; none for a notification.
type Id = Option<Value>;

/// Reads one line.
///
/// # Errors
///
/// The refusal, and the id to send it under: null where none could be read, none where nothing is
/// to be sent, since a notification is never answered.
pub fn parse(line: &str) -> Result<(Id, Call), (Id, Refusal)> {
    let value: Value = serde_json::from_str(line)
        .map_err(|error| (Some(Value::Null), Refusal::parse(format!("not JSON: {error}"))))?;
    let Value::Object(mut request) = value else {
        let refusal = Refusal::request("a request is one JSON object on one line");
        return Err((Some(Value::Null), refusal));
    };
    let id = request.remove("id");
    let usable = match &id {
        None | Some(Value::Null | Value::String(_)) => true,
        Some(Value::Number(number)) => number.is_i64() || number.is_u64(),
        Some(_) => false,
    };
    let reply_to = if usable { id.clone().unwrap_or(Value::Null) } else { Value::Null };
    let refuse = |refusal| (Some(reply_to.clone()), refusal);
    if !usable {
        return Err(refuse(Refusal::request("an id is a string, an integer or null")));
    }
    if request.remove("jsonrpc") != Some(Value::from("2.0")) {
        return Err(refuse(Refusal::request("a request has \"jsonrpc\": \"2.0\"")));
    }
    let Some(Value::String(method)) = request.remove("method") else {
        return Err(refuse(Refusal::request("a request has a \"method\", a string")));
    };
    let params = request.remove("params").unwrap_or_else(|| json!({}));
    if let Some(name) = request.keys().next() {
        return Err(refuse(Refusal::request(format!("a request has no member {name:?}"))));
    }
    // From here on it is a request or a notification, if perhaps not one that can be done.
    let call = if params.is_object() {
        call(&method, params)
    } else {
        Err(Refusal::params("params are an object, by name"))
    };
    match call {
        Ok(call) => Ok((id, call)),
        Err(refusal) => Err((id, refusal)),
    }
}

/// Declares, for each method, its parameters and the command it comes to.
macro_rules! methods {
    ($($method:literal { $($(#[$attribute:meta])* $field:ident: $type:ty),* } => $command:expr;)*) => {
        fn call(method: &str, params: Value) -> Result<Call, Refusal> {
            match method {
                "version" => {
                    #[derive(Deserialize)]
                    #[serde(deny_unknown_fields)]
                    struct Params {}
                    let Params {} = read(params)?;
                    Ok(Call::Result(json!({
                        "version": env!("CARGO_PKG_VERSION"),
                        "protocol": 1,
                    })))
                }
                $($method => {
                    #[derive(Deserialize)]
                    #[serde(deny_unknown_fields, rename_all = "camelCase")]
                    struct Params { $($(#[$attribute])* $field: $type),* }
                    let Params { $($field),* } = read(params)?;
                    Ok(Call::Command($command))
                })*
                _ => Err(Refusal::method(method)),
            }
        }
    };
}

methods! {
    "whoami" {} => Command::WhoAmI;
    "setName" { name: String } => Command::SetName { name };
    "createInvite" { uses: Option<u32>, expires_in_seconds: Option<u64> } =>
        Command::CreateInvite { uses, expires_in_seconds };
    "acceptInvite" { invite: String } =>
        Command::AcceptInvite { invite: invite.into() };
    "contacts" {} => Command::ListContacts;
    "conversations" {} => Command::ListConversations;
    "send" { conversation: ConversationId, text: String, reply_to: Option<EntryId> } =>
        Command::SendText { conversation, text, reply_to };
    "edit" { conversation: ConversationId, entry: EntryId, text: String } =>
        Command::Edit { conversation, entry, text };
    "delete" { conversation: ConversationId, entry: EntryId } =>
        Command::Delete { conversation, entry };
    "react" { conversation: ConversationId, entry: EntryId, emoji: String } =>
        Command::React { conversation, entry, emoji };
    "history" { conversation: ConversationId, before: Option<EntryId>, limit: Option<u32> } =>
        Command::History { conversation, before, after: None, limit };
    "search" { query: String, conversation: Option<ConversationId>, limit: Option<u32> } =>
        Command::Search { query, conversation, limit };
    "markRead" { conversation: ConversationId, entry: EntryId } =>
        Command::MarkRead { conversation, entry };
    "sendFile" { conversation: ConversationId, path: String, voice: Option<Voice> } =>
        Command::SendFile { conversation, path, voice };
    "forwardFile" { conversation: ConversationId, entry: EntryId, to: ConversationId } =>
        Command::ForwardFile { conversation, entry, to };
    "getFile" { conversation: ConversationId, entry: EntryId, to: Option<String> } =>
        Command::GetFile { conversation, entry, to };
    "cancelFile" { conversation: ConversationId, entry: EntryId } =>
        Command::CancelFile { conversation, entry };
    "setUnasked" { contact: Identity, bytes: Option<u64> } =>
        Command::SetUnasked { contact, bytes };
    "network" {} => Command::Network;
    "why" { contact: Identity } => Command::Why { contact };
    "shutdown" {} => Command::Shutdown;
}

fn read<T: DeserializeOwned>(params: Value) -> Result<T, Refusal> {
    serde_json::from_value(params).map_err(|error| Refusal::params(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(line: &str) -> (Value, i32) {
        let (id, refusal) = parse(line).unwrap_err();
        assert!(!refusal.message.is_empty());
        (id.unwrap(), refusal.code)
    }

    #[test]
    fn every_method_of_this_version_is_known_and_the_later_ones_are_not() {
        let id = "0".repeat(64);
        for (method, params) in [
            ("version", json!({})),
            ("whoami", json!({})),
            ("setName", json!({ "name": "n" })),
            ("createInvite", json!({ "uses": 2, "expiresInSeconds": 60 })),
            ("createInvite", json!({})),
            ("acceptInvite", json!({ "invite": "i" })),
            ("contacts", json!({})),
            ("conversations", json!({})),
            ("send", json!({ "conversation": id, "text": "t", "replyTo": id })),
            ("edit", json!({ "conversation": id, "entry": id, "text": "t" })),
            ("delete", json!({ "conversation": id, "entry": id })),
            ("react", json!({ "conversation": id, "entry": id, "emoji": "👍" })),
            ("history", json!({ "conversation": id, "before": id, "limit": 5 })),
            ("search", json!({ "query": "q", "conversation": null })),
            ("markRead", json!({ "conversation": id, "entry": id })),
            ("sendFile", json!({ "conversation": id, "path": "/p" })),
            ("forwardFile", json!({ "conversation": id, "entry": id, "to": id })),
            ("getFile", json!({ "conversation": id, "entry": id })),
            ("getFile", json!({ "conversation": id, "entry": id, "to": "/d" })),
            ("cancelFile", json!({ "conversation": id, "entry": id })),
            ("setUnasked", json!({ "contact": id, "bytes": 5 })),
            ("network", json!({})),
            ("why", json!({ "contact": id })),
            ("shutdown", json!({})),
        ] {
            let line = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
            assert!(parse(&line.to_string()).is_ok(), "{method}");
        }
        for later in ["createGroup", "addMember", "removeMember", "leave", "toString", ""] {
            let line = json!({ "jsonrpc": "2.0", "id": 1, "method": later, "params": {} });
            assert_eq!(refusal(&line.to_string()), (json!(1), -32601), "{later}");
        }
    }

    #[test]
    fn a_bad_line_is_answered_with_the_code_of_what_is_wrong() {
        for (line, id, code) in [
            ("", json!(null), -32700),
            ("{", json!(null), -32700),
            ("{\"jsonrpc\":\"2.0\"} {}", json!(null), -32700),
            ("[]", json!(null), -32600),
            ("[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"whoami\"}]", json!(null), -32600),
            ("7", json!(null), -32600),
            ("{}", json!(null), -32600),
            ("{\"id\":3,\"method\":\"whoami\"}", json!(3), -32600),
            ("{\"jsonrpc\":\"1.0\",\"id\":3,\"method\":\"whoami\"}", json!(3), -32600),
            ("{\"jsonrpc\":\"2.0\",\"id\":\"x\"}", json!("x"), -32600),
            ("{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"whoami\"}", json!(null), -32600),
            ("{\"jsonrpc\":\"2.0\",\"id\":[],\"method\":\"whoami\"}", json!(null), -32600),
            ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":7}", json!(1), -32600),
            ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"whoami\",\"x\":1}", json!(1), -32600),
            (
                "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"whoami\",\"params\":[]}",
                json!(1),
                -32602,
            ),
            (
                "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"whoami\",\"params\":{\"a\":1}}",
                json!(1),
                -32602,
            ),
            ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"send\",\"params\":{}}", json!(1), -32602),
            (
                "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"send\",\"params\":{\"conversation\":\"zz\",\"text\":\"\"}}",
                json!(1),
                -32602,
            ),
            (
                "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"createInvite\",\"params\":{\"uses\":-1}}",
                json!(1),
                -32602,
            ),
        ] {
            assert_eq!(refusal(line), (id, code), "{line}");
        }
    }

    #[test]
    fn a_notification_is_not_answered_whatever_is_wrong_with_it() {
        for line in [
            "{\"jsonrpc\":\"2.0\",\"method\":\"nonsense\"}",
            "{\"jsonrpc\":\"2.0\",\"method\":\"send\",\"params\":{}}",
            "{\"jsonrpc\":\"2.0\",\"method\":\"whoami\",\"params\":[]}",
        ] {
            assert_eq!(parse(line).unwrap_err().0, None, "{line}");
        }
    }

    #[test]
    fn a_deep_or_odd_line_is_refused_not_fatal() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(refusal(&deep).1, -32700);
        assert_eq!(refusal("\u{feff}{}").1, -32700);
        assert_eq!(refusal("nul").1, -32700);
    }

    #[test]
    fn codes_are_the_program_s_own_and_differ() {
        use FailureKind::*;
        let all = [
            Internal,
            NotReady,
            InvalidInput,
            TextTooLong,
            InviteMalformed,
            InviteChecksum,
            InviteVersion,
            InviteExpired,
            InviteUsed,
            InviteOwn,
            InviteKnown,
            InviteLimit,
            UnknownContact,
            UnknownConversation,
            UnknownEntry,
            NotAuthor,
            ProfileInUse,
            WrongPassphrase,
            ProfileTooNew,
            ProfileDamaged,
            ProfileUnreadable,
            DiskFull,
            Storage,
            Address,
            NoFile,
            FileGone,
            FileUnreadable,
            FileTooLarge,
        ];
        let mut codes: Vec<_> = all.iter().map(|kind| code(*kind)).collect();
        assert!(codes.iter().all(|code| (-32099..=-32000).contains(code)));
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), all.len());
    }
}
