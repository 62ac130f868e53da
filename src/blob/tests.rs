#![allow(clippy::single_range_in_vec_init, reason = "one span is meant")]

use proptest::prelude::*;

use super::*;

fn plain(size: u64) -> Vec<u8> {
    (0..size).map(|i| (i * 31 + i / 251).to_le_bytes()[0]).collect()
}

fn key() -> Key {
    Key::from_bytes([7; 32])
}

fn hashed(plain: &[u8]) -> (Root, Vec<u8>) {
    let mut hashes = Vec::new();
    let root = outboard(plain, plain.len() as u64, &key(), &mut hashes).unwrap();
    hashes.resize(usize::try_from(outboard_bytes(plain.len() as u64)).unwrap(), 0);
    (root, hashes)
}

const SIZES: [u64; 10] =
    [0, 1, 1023, 16 * 1024 - 1, 16 * 1024, 16 * 1024 + 1, 65_536, 100_000, 1 << 20, 3_333_333];

#[test]
fn the_root_is_blake3_of_the_ciphertext() {
    for size in SIZES {
        let plain = plain(size);
        let mut ciphertext = plain.clone();
        key().apply(0, &mut ciphertext).unwrap();
        assert_eq!(hashed(&plain).0, blake3::hash(&ciphertext), "{size}");
        assert!(size < 16 || plain != ciphertext);
    }
}

#[test]
fn what_is_sent_arrives_whatever_its_size_and_in_whatever_parts() {
    for size in SIZES {
        let plain = plain(size);
        let (root, hashes) = hashed(&plain);
        let outboard = Outboard::new(root, size, &hashes[..]);
        let all = groups(size);
        for step in [1, 3, all] {
            let (mut arrived, mut their_hashes) = (Vec::new(), Vec::new());
            let mut theirs = Outboard::new(root, size, &mut their_hashes);
            let starts: Vec<_> = (0..all).step_by(usize::try_from(step).unwrap()).collect();
            for start in starts.into_iter().rev() {
                let spans = [start..(start + step).min(all)];
                // Whatever was in it before.
                let mut slices = vec![1; 77];
                send(&plain[..], &key(), &outboard, &spans, &mut slices).unwrap();
                assert_eq!(slices_bytes(size, &spans), slices.len() as u64);
                receive(&mut slices, &key(), &mut theirs, &spans, &mut arrived).unwrap();
            }
            assert_eq!(arrived, plain, "{size} by {step}");
            // So that it can be passed on.
            let theirs = Outboard::new(root, size, &their_hashes[..]);
            assert_eq!(verified(&arrived[..], &key(), &theirs).unwrap(), [0..all]);
        }
    }
}

#[test]
fn the_cipher_is_aes_256_in_counter_mode_from_any_group() {
    let key = hex::decode("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
    let key = Key::from_bytes(key.unwrap().try_into().unwrap());
    let mut zeros = vec![0; 3 * 16_384];
    key.apply(0, &mut zeros).unwrap();
    let mut later = vec![0; 16_384];
    key.apply(GROUP, &mut later).unwrap();
    assert_eq!(zeros[16_384..2 * 16_384], later);
    // `openssl enc -aes-256-ctr` of zeros, with the counter block 0.
    assert_eq!(hex::encode(&zeros[..16]), "e568f68194cf76d6174d4cc04310a854");
    assert_eq!(hex::encode(&later[..16]), "2210445c7a5c71088aa34a8325fc8b35");
}

#[test]
fn of_a_false_or_cut_block_nothing_is_kept() {
    let (size, plain) = (200_000, plain(200_000));
    let (root, hashes) = hashed(&plain);
    let outboard = Outboard::new(root, size, &hashes[..]);
    let spans = [1..3, 5..groups(size)];
    let mut slices = Vec::new();
    send(&plain[..], &key(), &outboard, &spans, &mut slices).unwrap();
    let refused = |mut slices: Vec<u8>| {
        let (mut arrived, mut their_hashes) = (Vec::new(), Vec::new());
        let mut theirs = Outboard::new(root, size, &mut their_hashes);
        let received = receive(&mut slices, &key(), &mut theirs, &spans, &mut arrived);
        assert!(matches!(received, Err(Broken::False)));
        assert!(arrived.is_empty() && their_hashes.is_empty());
    };
    for at in (0..slices.len()).step_by(997).chain([slices.len() - 1]) {
        let mut bent = slices.clone();
        bent[at] ^= 1;
        refused(bent);
        refused(slices[..at].to_vec());
    }
    refused([&slices[..], &[0]].concat());
}

proptest! {
    /// Whatever is asked for arrives; and of whatever else comes, nothing is kept.
    #[test]
    fn nothing_true_is_refused_and_nothing_false_kept(
        size in 0..200_000_u64,
        asked in 1..u64::MAX,
        bent in prop::collection::vec((any::<prop::sample::Index>(), 1..255_u8), 0..4),
        cut in prop_oneof![4 => Just(0_usize), 1 => 0..300_usize],
    ) {
        let mut spans: Vec<Span> = Vec::new();
        for group in (0..groups(size)).filter(|group| asked >> group & 1 == 1) {
            match spans.last_mut() {
                Some(last) if last.end == group => last.end += 1,
                _ => spans.push(group..group + 1),
            }
        }
        let plain = plain(size);
        let (root, hashes) = hashed(&plain);
        let outboard = Outboard::new(root, size, &hashes[..]);
        let mut slices = Vec::new();
        send(&plain[..], &key(), &outboard, &spans, &mut slices).unwrap();
        prop_assert_eq!(slices_bytes(size, &spans), slices.len() as u64);
        let sent = slices.clone();
        for (at, byte) in bent {
            if !slices.is_empty() {
                let at = at.index(slices.len());
                slices[at] ^= byte;
            }
        }
        slices.truncate(slices.len().saturating_sub(cut));
        let (is_true, mut arrived, mut their_hashes) = (slices == sent, Vec::new(), Vec::new());
        let mut theirs = Outboard::new(root, size, &mut their_hashes);
        let received = receive(&mut slices, &key(), &mut theirs, &spans, &mut arrived);
        prop_assert_eq!(received.is_ok(), is_true);
        for span in spans.iter().filter(|_| is_true) {
            let place = place(span, size);
            let place = usize::try_from(place.start).unwrap()..usize::try_from(place.end).unwrap();
            prop_assert_eq!(&arrived[place.clone()], &plain[place]);
        }
        prop_assert!(is_true || (arrived.is_empty() && their_hashes.is_empty()));
    }
}

#[test]
fn hashes_are_those_of_bao_on_one_thread_or_many() {
    for size in SIZES.into_iter().chain([20 * 1024 * 1024 + 12_345]) {
        let plain = plain(size);
        let mut ciphertext = plain.clone();
        key().apply(0, &mut ciphertext).unwrap();
        let mut theirs = bao_tree::io::outboard::PreOrderOutboard {
            root: Root::from([0; 32]),
            tree: tree(size),
            data: Vec::new(),
        };
        let root = bao_tree::io::sync::outboard(&ciphertext[..], tree(size), &mut theirs).unwrap();
        let (ours, mut hashes) = hashed(&plain);
        hashes.resize(theirs.data.len(), 0);
        assert!(ours == root && hashes == theirs.data, "{size}");
    }
}

#[test]
fn a_size_that_is_not_the_content_s_is_found_out() {
    let plain = plain(100_000);
    let (root, hashes) = hashed(&plain);
    let outboard = Outboard::new(root, 100_000, &hashes[..]);
    let mut slices = Vec::new();
    send(&plain[..], &key(), &outboard, &[0..groups(100_000)], &mut slices).unwrap();
    for size in [0, 1, 99_999, 100_001, 1 << 40] {
        let (mut arrived, mut their_hashes) = (vec![0; 200_000], vec![0; 200_000]);
        let mut theirs = Outboard::new(root, size, &mut their_hashes[..]);
        let spans = [0..groups(size)];
        let mut arrived = &mut arrived[..];
        let received = receive(&mut slices.clone(), &key(), &mut theirs, &spans, &mut arrived);
        assert!(matches!(received, Err(Broken::False)), "{size}");
    }
}

#[test]
fn a_source_that_changed_or_shrank_is_said() {
    let (size, mut plain) = (100_000, plain(100_000));
    let (root, hashes) = hashed(&plain);
    let outboard = Outboard::new(root, size, &hashes[..]);
    plain[50_000] ^= 1;
    let mut slices = Vec::new();
    let all = [0..groups(size)];
    let sent = send(&plain[..], &key(), &outboard, &all, &mut slices);
    assert!(matches!(sent, Err(Broken::Changed)));
    assert_eq!(verified(&plain[..], &key(), &outboard).unwrap(), [0..3, 4..7]);
    let shorter = send(&plain[..40_000], &key(), &outboard, &all, &mut Vec::new());
    assert!(matches!(shorter, Err(Broken::Changed)));
    assert_eq!(verified(&plain[..40_000], &key(), &outboard).unwrap(), [0..2]);
}

mod picker {
    use super::*;

    fn take(picker: &mut Picker, worker: Worker) -> u64 {
        let spans = picker.next(worker);
        for group in spans.iter().cloned().flatten() {
            picker.arrived(group);
        }
        picker.done(worker);
        spans.iter().map(|span| span.end - span.start).sum()
    }

    #[test]
    fn everything_that_is_missing_is_asked_once_in_order() {
        let size = 10 * PIECE * GROUP + 5;
        let mut picker = Picker::new(size, &[3..70, 200..201]);
        picker.join(1, 1, None);
        let mut asked = Vec::new();
        loop {
            let spans = picker.next(1);
            if spans.is_empty() {
                break;
            }
            for group in spans.iter().cloned().flatten() {
                picker.arrived(group);
            }
            picker.done(1);
            asked.extend(spans);
        }
        assert_eq!(picker.left(), 0);
        let groups: Vec<u64> = asked.into_iter().flatten().collect();
        let missing = (0..641).filter(|group| !(3..70).contains(group) && *group != 200);
        assert_eq!(groups, missing.collect::<Vec<_>>());
    }

    #[test]
    fn two_who_have_everything_are_asked_for_different_pieces_and_at_the_end_for_the_same() {
        let mut picker = Picker::new(8 * PIECE * GROUP, &[]);
        picker.join(1, 1, None);
        picker.join(2, 2, None);
        assert_eq!(picker.next(1), [0..4 * PIECE]);
        // Of the last ones each takes its share.
        assert_eq!(picker.next(2), [4 * PIECE..6 * PIECE]);
        for group in (0..4 * PIECE).chain(6 * PIECE..8 * PIECE) {
            picker.arrived(group);
        }
        // Nothing else is left than what the other was asked for.
        picker.done(1);
        assert_eq!(picker.next(1), [4 * PIECE + PIECE / 2..5 * PIECE]);
        picker.done(1);
        picker.leave(2);
        assert_eq!(picker.next(1), [4 * PIECE..6 * PIECE]);
    }

    #[test]
    fn who_has_a_request_to_answer_is_asked_for_what_nobody_was_asked_for_alone() {
        let mut picker = Picker::new(10 * PIECE * GROUP, &[]);
        picker.join(1, 1, None);
        picker.join(2, 2, None);
        assert_eq!(picker.next(1), [0..4 * PIECE]);
        assert_eq!(picker.next(1), [4 * PIECE..7 * PIECE]);
        assert_eq!(picker.next(2), [7 * PIECE..8 * PIECE]);
        assert_eq!(picker.next(2), [8 * PIECE..9 * PIECE]);
        assert_eq!(picker.next(2), [9 * PIECE..10 * PIECE]);
        assert_eq!((picker.next(1), picker.next(2)), (vec![], vec![]));
        // The oldest is the one that was answered.
        for group in 0..4 * PIECE {
            picker.arrived(group);
        }
        assert!(picker.done(1));
        assert_eq!(picker.next(1), []);
        // With everything answered but for what the other owes.
        for group in 4 * PIECE..7 * PIECE {
            picker.arrived(group);
        }
        assert!(picker.done(1));
        assert!(!picker.done(1));
        assert_eq!(picker.next(1), [7 * PIECE + PIECE / 2..8 * PIECE]);
        // What one owes who left is asked of the other.
        picker.leave(2);
        picker.done(1);
        assert_eq!(picker.next(1), [7 * PIECE..10 * PIECE]);
    }

    #[test]
    fn what_the_fewest_have_comes_first_and_nobody_is_asked_for_what_he_lacks() {
        let mut picker = Picker::new(8 * PIECE * GROUP, &[]);
        picker.join(1, 1, None);
        picker.join(2, 2, Some(vec![0..6 * PIECE]));
        picker.join(3, 3, Some(vec![0..2 * PIECE, 3 * PIECE..3 * PIECE + 1]));
        let spans = picker.next(1);
        assert!(spans.contains(&(6 * PIECE..8 * PIECE)) || spans[1..] == [6 * PIECE..8 * PIECE]);
        for piece in 0..2 {
            assert_eq!(picker.next(3), [piece * PIECE..(piece + 1) * PIECE]);
            for group in piece * PIECE..(piece + 1) * PIECE {
                picker.arrived(group);
            }
            picker.done(3);
        }
        assert_eq!(picker.next(3), []);
        let mut left = picker.left();
        while left > 0 {
            let taken = take(&mut picker, 1).max(take(&mut picker, 2));
            assert!(taken > 0);
            left = picker.left();
        }
    }

    #[test]
    fn spans_fall_into_blocks() {
        let spans = [3..4, 10..35, 40..41, 64..80];
        let blocks = [vec![3..4, 10..16], vec![16..32], vec![32..35, 40..41], vec![64..80]];
        assert_eq!(by_block(&spans), blocks);
        assert_eq!(by_block(&[]), Vec::<Vec<Span>>::new());
    }

    #[test]
    fn an_empty_blob_has_one_group() {
        let mut picker = Picker::new(0, &[]);
        picker.join(1, 1, None);
        assert_eq!(take(&mut picker, 1), 1);
        assert_eq!((picker.left(), picker.next(1).len()), (0, 0));
    }
}
