//! What is asked for of a file, and what comes as an answer: nothing false is kept, and nothing true
//! refused.
#![no_main]

use entrenous::{
    blob::{self, Key, Outboard, Span},
    sync::FileRequest,
};
use libfuzzer_sys::fuzz_target;

/// The bytes of the file.
const SIZE: u64 = 100_000;

fuzz_target!(|input: (Vec<u8>, u8, Vec<(u32, u8)>, u32)| {
    let (request, asked, bent, cut) = input;
    if let Some(request) = FileRequest::decode(&request) {
        let bytes = request.encode();
        assert_eq!(FileRequest::decode(&bytes[2..]), Some(request));
    }
    let all = blob::groups(SIZE);
    let mut spans: Vec<Span> = Vec::new();
    for group in (0..all).filter(|group| asked >> group & 1 == 1) {
        match spans.last_mut() {
            Some(last) if last.end == group => last.end += 1,
            _ => spans.push(group..group + 1),
        }
    }
    if spans.is_empty() {
        return;
    }
    let plain: Vec<u8> = (0..SIZE).map(|at| at.to_le_bytes()[0]).collect();
    let (key, mut hashes) = (Key::from_bytes([7; 32]), Vec::new());
    let root = blob::outboard(&plain[..], SIZE, &key, &mut hashes).expect("it is in memory");
    let outboard = Outboard::new(root, SIZE, &hashes[..]);
    let mut slices = Vec::new();
    blob::send(&plain[..], &key, &outboard, &spans, &mut slices).expect("it has not changed");
    assert_eq!(slices.len() as u64, blob::slices_bytes(SIZE, &spans));
    let sent = slices.clone();
    for (at, byte) in bent {
        let at = at as usize % slices.len();
        slices[at] ^= byte;
    }
    slices.truncate(slices.len().saturating_sub(cut as usize));
    let (is_true, mut arrived, mut theirs) = (slices == sent, Vec::new(), Vec::new());
    let mut outboard = Outboard::new(root, SIZE, &mut theirs);
    let received = blob::receive(&mut slices, &key, &mut outboard, &spans, &mut arrived);
    assert_eq!(received.is_ok(), is_true);
    assert!(is_true || (arrived.is_empty() && theirs.is_empty()));
});
