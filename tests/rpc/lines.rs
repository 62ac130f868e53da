//! What one line comes to: answers, refusals, notifications, the end of input.

use std::{
    io::{Read, Write},
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::support::{PATIENCE, process::Process, profile::Profile};

fn program() -> (Profile, Process) {
    let profile = Profile::offline();
    let process = profile.start();
    (profile, process)
}

/// Writes a line and gives the code of the refusal, which must carry no number.
#[track_caller]
fn code_of(process: &Process, line: &[u8]) -> i64 {
    process.write(line);
    process.write(b"\n");
    let answer = process.other();
    assert_eq!(answer["jsonrpc"], "2.0");
    assert_eq!(answer["id"], Value::Null, "{answer}");
    assert!(answer["error"]["message"].is_string(), "{answer}");
    answer["error"]["code"].as_i64().unwrap()
}

#[test]
fn a_bad_line_is_answered_and_the_next_one_works() {
    let (_profile, process) = program();
    for (line, code) in [
        (&b"{"[..], -32700),
        (b"nonsense", -32700),
        (b"\xff\xfe{}", -32700),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"whoami\"", -32700),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"whoami\"}}", -32700),
        (b"\0", -32700),
        (b"[]", -32600),
        (b"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"whoami\"}]", -32600),
        (b"null", -32600),
        (b"7", -32600),
        (b"\"whoami\"", -32600),
        (b"{}", -32600),
        (b"{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"whoami\"}", -32600),
        (b"{\"jsonrpc\":\"2.0\",\"id\":true,\"method\":\"whoami\"}", -32600),
    ] {
        let shown = String::from_utf8_lossy(line);
        assert_eq!(code_of(&process, line), code, "{shown}");
        assert!(process.call("whoami", json!({}))["id"].is_string(), "after {shown}");
    }
    process.shutdown();
}

#[test]
fn a_huge_line_is_refused_in_bounded_memory() {
    let (_profile, process) = program();
    let before = crate::support::load::resident(process.pid());
    let chunk = vec![b'x'; 1 << 20];
    for _ in 0..64 {
        process.write(&chunk);
    }
    assert_eq!(code_of(&process, b""), -32700);
    let grown = crate::support::load::resident(process.pid()).saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes more for a line of 64 MiB");
    let deep = format!("{}1{}", "[".repeat(200_000), "]".repeat(200_000));
    assert_eq!(code_of(&process, deep.as_bytes()), -32700);
    process.call("whoami", json!({}));
    process.shutdown();
}

#[test]
fn blank_lines_and_windows_line_ends_are_fine() {
    let (_profile, process) = program();
    process.write(b"\n   \r\n\t\n");
    process
        .write(b"{\"jsonrpc\":\"2.0\",\"id\":\"a name\",\"method\":\"whoami\",\"params\":{}}\r\n");
    let answer = process.other();
    assert_eq!(answer["id"], "a name");
    assert!(answer["result"]["id"].is_string());
    process.shutdown();
}

#[test]
fn later_and_unknown_methods_are_not_found() {
    let (_profile, process) = program();
    for method in [
        "createGroup",
        "addMember",
        "removeMember",
        "leave",
        "Whoami",
        "",
        "rpc.discover",
        "\u{1b}[31m",
    ] {
        assert_eq!(process.refused(method, json!({})).code, -32601, "{method}");
    }
    process.shutdown();
}

#[test]
fn wrong_params_are_refused() {
    let (_profile, process) = program();
    let id = "00".repeat(32);
    for (method, params) in [
        ("whoami", json!([])),
        ("whoami", json!("x")),
        ("whoami", json!({ "extra": 1 })),
        ("setName", json!({})),
        ("setName", json!({ "name": 7 })),
        ("setName", json!({ "name": null })),
        ("createInvite", json!({ "uses": "1" })),
        ("createInvite", json!({ "uses": -1 })),
        ("createInvite", json!({ "uses": 1.5 })),
        ("createInvite", json!({ "expiresInSeconds": -1 })),
        ("createInvite", json!({ "expiresInSeconds": 1e30 })),
        ("acceptInvite", json!({})),
        ("send", json!({ "text": "x" })),
        ("send", json!({ "conversation": id })),
        ("send", json!({ "conversation": "zz", "text": "x" })),
        ("send", json!({ "conversation": &id[2..], "text": "x" })),
        ("send", json!({ "conversation": id, "text": "x", "replyTo": 1 })),
        ("edit", json!({ "conversation": id, "text": "x" })),
        ("delete", json!({ "conversation": id })),
        ("react", json!({ "conversation": id, "entry": id })),
        ("history", json!({})),
        ("history", json!({ "conversation": id, "limit": -1 })),
        ("history", json!({ "conversation": id, "limit": 4_294_967_296_u64 })),
        ("search", json!({})),
        ("search", json!({ "query": ["a"] })),
        ("markRead", json!({ "conversation": id })),
    ] {
        assert_eq!(process.refused(method, params.clone()).code, -32602, "{method} {params}");
    }
    process.shutdown();
}

#[test]
fn a_notification_is_done_and_not_answered() {
    let (_profile, process) = program();
    process.write(b"{\"jsonrpc\":\"2.0\",\"method\":\"setName\",\"params\":{\"name\":\"Vita\"}}\n");
    assert_eq!(process.call("whoami", json!({}))["name"], "Vita");
    // JSON-RPC 2.0, section 4.1: not even an error is answered.
    process.write(b"{\"jsonrpc\":\"2.0\",\"method\":\"noSuchMethod\"}\n");
    process.write(b"{\"jsonrpc\":\"2.0\",\"method\":\"setName\",\"params\":{}}\n");
    process.call("whoami", json!({}));
    assert_eq!(process.others_waiting(), 0, "a notification was answered");
    process.shutdown();
}

#[test]
fn version_and_whoami() {
    let (_profile, process) = program();
    let version = process.call("version", json!({}));
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    assert!(version["protocol"].is_u64(), "{version}");
    let me = process.call("whoami", json!({}));
    let id = me["id"].as_str().unwrap();
    assert!(id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{me}");
    assert!(!me["name"].as_str().unwrap().is_empty(), "{me}");
    // Params may be left out.
    process.write(b"{\"jsonrpc\":\"2.0\",\"id\":\"w\",\"method\":\"whoami\"}\n");
    assert_eq!(process.other()["result"], me);
    process.shutdown();
}

#[test]
fn the_end_of_input_ends_it_after_what_was_accepted_is_on_disk() {
    let (a, b) = Profile::loopback_pair();
    let (mut alice, bob) = (a.start(), b.start());
    let conversation = crate::support::profile::pair(&alice, &bob);
    let count: u64 = 500;
    let numbers: Vec<u64> = (0..count)
        .map(|n| {
            let text = format!("{n}");
            alice.request("send", json!({ "conversation": conversation, "text": text }))
        })
        .collect();
    let status = alice.close_input();
    assert!(status.success(), "{status}");
    let answers = alice.drain_answers();
    for number in &numbers {
        assert!(answers[number]["result"]["entry"].is_string(), "{:?}", answers.get(number));
    }
    drop(alice);
    let alice = a.start();
    let shown = crate::support::profile::history(&alice, &conversation);
    let texts: Vec<_> = shown.iter().map(|e| e["text"].as_str().unwrap().to_owned()).collect();
    assert_eq!(texts, (0..count).map(|n| n.to_string()).collect::<Vec<_>>());
    // A last line without its newline counts as well.
    let mut alice = alice;
    alice.write(b"{\"jsonrpc\":\"2.0\",\"id\":99999,\"method\":\"whoami\"}");
    assert!(alice.close_input().success());
    assert!(alice.drain_answers().contains_key(&99999));
}

#[test]
fn shutdown_is_answered_and_ends_it() {
    let (profile, process) = program();
    let mut process = process;
    let name = process.request("setName", json!({ "name": "Duncan" }));
    let last = process.request("shutdown", json!({}));
    assert_eq!(process.answer(name), Ok(json!({})));
    assert_eq!(process.answer(last), Ok(json!({})));
    let answered = Instant::now();
    assert!(process.wait_exit().success());
    // So long a thread is waited for that does not end: the one that reads the input is not one.
    assert!(answered.elapsed() < Duration::from_millis(500), "{:?}", answered.elapsed());
    assert_eq!(profile.start().call("whoami", json!({}))["name"], "Duncan");
}

#[test]
fn sigterm_ends_it_although_nobody_reads() {
    let profile = Profile::offline();
    let mut command = profile.command();
    command.arg("rpc").args(profile.arguments());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // Longer than a pipe and all that waits on both sides of it.
    let asking = std::thread::spawn(move || {
        let line = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"whoami\"}\n";
        while stdin.write_all(line).is_ok() {}
    });
    // A pipe may take no more before its pages are full: it is full when nothing more comes.
    let waiting = || rustix::io::ioctl_fionread(child.stdout.as_ref().unwrap()).unwrap();
    let deadline = Instant::now() + PATIENCE;
    let (mut before, mut since) = (0, Instant::now());
    while before == 0 || since.elapsed() < Duration::from_secs(1) {
        assert!(Instant::now() < deadline, "it is never full");
        let now = waiting();
        if now != before {
            (before, since) = (now, Instant::now());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{said}");
    assert!(said.contains("does nobody read the output?"), "{said}");
    asking.join().unwrap();
    profile.start().shutdown();
}

#[test]
fn sigterm_ends_it_in_order() {
    let (profile, process) = program();
    let mut process = process;
    process.call("setName", json!({ "name": "Clive" }));
    let pid = process.pid().to_string();
    let kill = std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap();
    assert!(kill.success());
    let status = process.wait_exit();
    assert!(status.success(), "{status}");
    assert_eq!(profile.start().call("whoami", json!({}))["name"], "Clive");
}
