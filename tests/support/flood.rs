//! Packets as fast as wanted: this very test program, run again in a namespace.

use std::{
    net::{SocketAddr, UdpSocket},
    process::Child,
    thread::sleep,
    time::{Duration, Instant},
};

use super::lab::again;

/// Set in the process that floods.
const ROLE: &str = "ENTRENOUS_FLOOD";

/// Packets between two looks at the clock.
const BATCH: u64 = 100;

/// A flood, until it is dropped.
pub struct Flood(Child);

impl Drop for Flood {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Flood {
    /// Datagrams that look like probes, so many a second.
    pub fn start(namespace: &str, to: &str, a_second: u64) -> Self {
        let child = again(namespace, ROLE, &format!("{to} {a_second}")).spawn().unwrap();
        Self(child)
    }
}

/// If this process was started to flood, does so for ever.
pub fn run_if_flood() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let (to, a_second) = role.split_once(' ').unwrap();
    let (to, a_second): (SocketAddr, u64) = (to.parse().unwrap(), a_second.parse().unwrap());
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    let (began, mut sent) = (Instant::now(), 0);
    loop {
        for _ in 0..BATCH {
            let mut probe: [u8; 25] = rand::random();
            probe[0] &= 0x3f;
            let _ = socket.send_to(&probe, to);
        }
        sent += BATCH;
        let due = began + Duration::from_micros(sent * 1_000_000 / a_second);
        sleep(due.saturating_duration_since(Instant::now()));
    }
}
