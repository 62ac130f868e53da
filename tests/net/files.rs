//! A file over a link that is cut.

use std::time::Duration;

use crate::support::{
    fetch::{MIB, Transfer},
    lab::{Addresses, Lab},
    measured_or,
    profile::Profile,
};

/// Shorter and longer than what a link survives.
const CUTS: [u64; 4] = [2, 12, 1, 15];

pub fn a_link_that_is_cut_is_gone_on_from() {
    let cuts = &CUTS[..measured_or(4, 2)];
    let lab = Lab::new(2, Addresses::Both);
    let profiles = [0, 1].map(|host| Profile::in_namespace(&lab.hosts[host]));
    let size = 64 * MIB;
    let mut transfer = Transfer::begin(profiles, size);
    for (round, seconds) in cuts.iter().enumerate() {
        let point = size * (round as u64 + 1) / (cuts.len() as u64 + 1);
        assert!(!transfer.wait(point));
        // In turn: packets vanish silently, or the cable is pulled, which the system notices.
        let silently = round.is_multiple_of(2);
        if silently {
            lab.silence(true)
        } else {
            lab.cable(0, false)
        }
        std::thread::sleep(Duration::from_secs(*seconds));
        transfer.was_cut();
        assert!(transfer.here() < size, "it was over before it was cut");
        if silently { lab.silence(false) } else { lab.cable(0, true) }
    }
    transfer.ends_well("a link that is cut");
}
