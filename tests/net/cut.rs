//! A link that is cut again and again.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{
    at_most, figure,
    lab::{Addresses, Lab},
    measured_or,
    process::Process,
    profile::{Profile, id, pair, texts_by},
};

/// How long the link stays cut, in turn: shorter and longer than what a link survives.
const CUTS: [u64; 4] = [2, 5, 1, 9];
/// From one return to the next cut.
const WHOLE: Duration = Duration::from_secs(5);

pub fn link_is_cut_again_and_again() {
    let duration = Duration::from_secs(measured_or(300, 30));
    let lab = Lab::new(2, Addresses::Both);
    let a = Profile::in_namespace(&lab.hosts[0]).start();
    let b = Profile::in_namespace(&lab.hosts[1]).start();
    let (a_id, b_id) = (id(&a), id(&b));
    let conversation = pair(&a, &b);
    let send = |from: &Process, text: &str| {
        from.call("send", json!({ "conversation": conversation, "text": text }))["entry"].clone()
    };
    let arrived = |to: &Process, entry: &Value| {
        let patience = Duration::from_mins(1);
        to.event_within(patience, "message", |e| &e["entry"] == entry).0
    };

    let began = Instant::now();
    let (mut worst, mut expected) = (Duration::ZERO, [Vec::new(), Vec::new()]);
    for round in 0.. {
        if began.elapsed() > duration {
            break;
        }
        let seconds = CUTS[round % CUTS.len()];
        // In turn: the cable is pulled, which the system notices, or packets vanish silently.
        let pulled = (round / CUTS.len()).is_multiple_of(2);
        if pulled {
            lab.cable(0, false);
        } else {
            lab.silence(true);
        }
        let cut_until = Instant::now() + Duration::from_secs(seconds);
        let mut waiting = [Vec::new(), Vec::new()];
        let mut number = 0;
        while Instant::now() < cut_until {
            for (side, process) in [&a, &b].into_iter().enumerate() {
                let text = format!("round {round:04} {number:04}");
                waiting[side].push(send(process, &text));
                expected[side].push(text);
            }
            number += 1;
            std::thread::sleep(Duration::from_millis(100));
        }
        if pulled {
            lab.cable(0, true);
        } else {
            lab.silence(false);
        }
        let returned = Instant::now();
        let mut back = returned;
        for (side, to) in [&b, &a].into_iter().enumerate() {
            for entry in &waiting[side] {
                back = back.max(arrived(to, entry));
            }
        }
        let took = back - returned;
        println!(
            "cut for {seconds} s ({}): everything there after {} ms",
            if pulled { "cable" } else { "silence" },
            took.as_millis()
        );
        worst = worst.max(took);
        std::thread::sleep(WHOLE.saturating_sub(returned.elapsed()));
    }
    figure("worst time from the link's return to everything delivered", format!("{worst:.2?}"));
    for (texts, author, other) in [(&expected[0], &a_id, &b), (&expected[1], &b_id, &a)] {
        assert_eq!(&texts_by(other, &conversation, author), texts);
    }
    at_most("back", worst, Duration::from_secs(3), Duration::from_secs(10));
}
