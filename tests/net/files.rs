//! Files over links that are cut, and onto disks that have no room. Here for the mounts and the
//! cables, which need a laboratory.

use std::{
    fs,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    storage::SmallDisk,
    support::{
        PATIENCE,
        fetch::{MIB, Transfer, content, parts},
        figure,
        lab::{Addresses, Lab},
        measured_or,
        nat::Nat,
        profile::{Profile, pair},
        world::World,
    },
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
            lab.silence(true);
        } else {
            lab.cable(0, false);
        }
        std::thread::sleep(Duration::from_secs(*seconds));
        transfer.was_cut();
        assert!(transfer.here() < size, "it was over before it was cut");
        if silently { lab.silence(false) } else { lab.cable(0, true) }
    }
    transfer.ends_well("a link that is cut");
}

pub fn a_way_that_carries_less_than_before_is_gone_on_from() {
    let lab = Lab::new(2, Addresses::Both);
    lab.carry_jumbo_frames();
    let profiles = [0, 1].map(|host| Profile::in_namespace(&lab.hosts[host]));
    let size = 64 * MIB;
    let transfer = Transfer::begin(profiles, size);
    assert!(!transfer.wait(size / 4));
    let came_and_went = |transfer: &Transfer| transfer.b.events("contactState").len();
    let before = came_and_went(&transfer);
    lab.drop_jumbo_frames();
    let (since, here) = (Instant::now(), transfer.here());
    // More than can be on its way.
    assert!(!transfer.wait(here + 8 * MIB));
    let held_up = since.elapsed();
    let dropped = lab.dropped_jumbo_frames();
    assert!(dropped > 0, "no packet was longer");
    // As long as the connection is used to be silent.
    assert!(held_up < Duration::from_secs(6), "{held_up:?}");
    assert_eq!(came_and_went(&transfer), before, "the link broke");
    figure("a way that carries less than before: held up, ms", held_up.as_millis());
    transfer.ends_well("a way that carries less than before");
}

/// How far a line is says nothing about how much it carries: what is on its way is not bounded by a
/// little window, and nobody waits there and back between two pieces.
pub fn a_far_line_is_filled() {
    let one_way = Duration::from_millis(50);
    let mut world = World::new(Nat::None, Nat::None);
    world.internet.delay(one_way);
    let World { people, nodes: _nodes, internet: _internet, .. } = world;
    let size = measured_or(128, 48) * MIB;
    let began = Instant::now();
    let transfer = Transfer::begin(people, size);
    // Once it is on its way: finding one another is not counted.
    assert!(!transfer.wait(size / 8));
    let (since, before) = (Instant::now(), transfer.here());
    transfer.ends_well("a far line");
    let kib = u32::try_from((size - before) / 1024).unwrap();
    let rate = f64::from(kib) * 1024.0 / since.elapsed().as_secs_f64() / 1e6;
    figure("a file over 50 ms one way, MB/s", format!("{rate:.1}"));
    figure("all of it, with pairing", format!("{:.1} s", began.elapsed().as_secs_f64()));
    assert!(rate >= measured_or(20.0, 10.0), "{rate} MB/s");
}

/// What B is told when a file will not come.
#[track_caller]
fn failed(transfer: &Transfer) -> (String, String) {
    let event = transfer.b.event("fileFailed", |event| event["entry"] == transfer.entry);
    let word = |name: &str| event[name].as_str().unwrap().to_owned();
    (word("kind"), word("text"))
}

pub fn without_room_nothing_is_begun() {
    let (a, b) = Profile::loopback_pair();
    let downloads = b.dir().join("downloads");
    let disk = SmallDisk::mount_at(&downloads, "8m");
    let transfer = Transfer::begin([a, b], 16 * MIB);
    let (kind, text) = failed(&transfer);
    assert_eq!(kind, "disk_full");
    assert!(text.contains("no room on the disk"), "{text}");
    assert_eq!(transfer.here(), 0);
    disk.resize("32m");
    transfer.get();
    transfer.ends_well("a disk with room at last");
}

pub fn a_disk_that_fills_up_keeps_what_came() {
    let (a, b) = Profile::loopback_pair();
    let downloads = b.dir().join("downloads");
    let disk = SmallDisk::mount_at(&downloads, "64m");
    let mut transfer = Transfer::begin([a, b], 48 * MIB);
    assert!(!transfer.wait(8 * MIB));
    let filler = disk.path().join("filler");
    transfer.restart_sender(|sender| {
        sender.kill();
        // Until nothing more fits; what was being fetched takes its part.
        assert!(fs::write(&filler, content(64 << 20)).is_err());
    });
    let (kind, text) = failed(&transfer);
    assert_eq!(kind, "disk_full");
    assert!(text.contains("What came of it is kept"), "{text}");
    let here = transfer.here();
    assert!((8 * MIB..48 * MIB).contains(&here), "{here}");
    assert_eq!(transfer.shown()["file"]["state"], "stopped");
    // Neither has it more room when it is tried again, nor is anything lost by that.
    transfer.get();
    assert_eq!(failed(&transfer).0, "disk_full");
    assert_eq!(transfer.here(), here);
    fs::remove_file(&filler).unwrap();
    transfer.get();
    transfer.ends_well("a disk that fills up");
}

pub fn a_read_only_disk_is_said_to_be_one() {
    let (a, b) = Profile::loopback_pair();
    let downloads = b.dir().join("downloads");
    let disk = SmallDisk::mount_at(&downloads, "32m");
    let mut transfer = Transfer::begin([a, b], 16 * MIB);
    assert!(!transfer.wait(MIB));
    transfer.restart_receiver_with(|| disk.options("ro"));
    let (kind, text) = failed(&transfer);
    assert_eq!(kind, "file_unreadable");
    assert!(text.contains("Read-only file system") && text.contains("is kept"), "{text}");
    assert_eq!(parts(&downloads).len(), 1);
    disk.options("rw");
    transfer.get();
    transfer.ends_well("a disk that was read-only");
}

/// What each holder may send, in bytes a second.
const CAP: u64 = 5_000_000;

pub fn four_holders_are_as_fast_as_all_four() {
    let lab = Lab::new(5, Addresses::Both);
    let profiles: Vec<_> = lab.hosts.iter().map(|host| Profile::in_namespace(host)).collect();
    let people: Vec<_> = profiles.iter().map(Profile::start).collect();
    let (holders, fifth) = people.split_at(4);
    let fifth = &fifth[0];
    // So much that its beginning and its end count for little, when it is measured.
    let mebibytes: u32 = measured_or(128, 44);
    let size = u64::from(mebibytes) * MIB;
    let from = profiles[0].outside().join("shared.bin");
    fs::write(&from, content(usize::try_from(size).unwrap())).unwrap();
    // The first offers it to all others, who have it then, and offer it to the fifth.
    let first = pair(&holders[0], fifth);
    let path = json!({ "conversation": first, "path": from });
    let mut offers = vec![(first.clone(), holders[0].call("sendFile", path)["entry"].clone())];
    for holder in &holders[1..] {
        let theirs = pair(&holders[0], holder);
        let params = json!({ "conversation": first, "entry": offers[0].1, "to": theirs });
        let entry = holders[0].call("forwardFile", params)["entry"].clone();
        let params = json!({ "conversation": theirs, "entry": entry });
        holder.event("fileOffered", |event| event["entry"] == entry);
        holder.call("getFile", params);
        holder.event("fileDone", |event| event["entry"] == entry);
        let to = pair(holder, fifth);
        let params = json!({ "conversation": theirs, "entry": entry, "to": to });
        offers.push((to, holder.call("forwardFile", params)["entry"].clone()));
    }
    for (_, entry) in &offers {
        fifth.event("fileOffered", |event| event["entry"] == *entry);
    }
    for host in 0..4 {
        lab.limit(host, CAP);
    }
    let (conversation, entry) = &offers[1];
    let began = Instant::now();
    fifth.call("getFile", json!({ "conversation": conversation, "entry": entry }));
    let (done, event) = fifth.event_within(PATIENCE, "fileDone", |event| event["entry"] == *entry);
    let took = (done - began).as_secs_f64();
    let progress = fifth.events("fileProgress");
    let asked = progress.iter().filter_map(|event| event["holders"].as_u64()).max();
    assert_eq!(asked, Some(4), "{progress:?}");
    assert!(fs::read(event["path"].as_str().unwrap()).unwrap() == fs::read(&from).unwrap());
    for (holder, (_, entry)) in holders.iter().zip(&offers) {
        holder.event("fileSent", |event| event["entry"] == *entry);
    }
    let rate = f64::from(mebibytes) * 1.048_576 / took;
    figure("a file from four holders of 5 MB/s each, MB/s", format!("{rate:.1}"));
    // More than three could send, even where this machine has other things to do.
    let least = measured_or(18.0, 15.1);
    assert!(rate >= least, "{rate:.1} MB/s");
}
