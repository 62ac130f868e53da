//! Bytes of a stranger, on either end of a link, in any pieces: hail, handshake, frames.
#![no_main]

use std::{sync::Arc, time::Instant};

use entrenous::{
    identity::{Certificate, DeviceKey, IdentityKey, InviteSecret},
    session::{Acquaintance, LinkIds, Local, Session},
};
use libfuzzer_sys::fuzz_target;
use rand::{SeedableRng, rngs::StdRng};

fuzz_target!(|input: (bool, Vec<Vec<u8>>)| {
    let (dialed, pieces) = input;
    let mut rng = StdRng::seed_from_u64(1);
    let (key, device) = (IdentityKey::generate(&mut rng), DeviceKey::generate(&mut rng));
    let certificate = Certificate::issue(&key, device.public(), 1, 1);
    let invite = Acquaintance::Issued { number: 1, secret: InviteSecret::generate(&mut rng) };
    let local = Arc::new(Local::new(key.public(), device, certificate, vec![invite]));
    let ids = LinkIds { own_peer_id: vec![1; 38], their_peer_id: vec![2; 38] };
    let now = Instant::now();
    let mut session = if dialed {
        Session::dial(local, ids, now, rng)
    } else {
        Session::listen(local, ids, now, rng)
    };
    for piece in pieces {
        let result = session.handle_input(now, &piece);
        while session.poll_transmit().is_some() {}
        assert!(session.poll_event().is_none(), "a stranger was taken for somebody");
        if result.is_err() {
            return;
        }
    }
});
