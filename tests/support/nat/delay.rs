//! Delay, in user space: a queueing discipline for it is not in every kernel.
//!
//! This process is a cable: what goes into one of two TAP devices comes out of the other a while
//! later. The devices end with the process, however it ends.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{
    runtime::{Builder, Runtime},
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tun_rs::{AsyncDevice, DeviceBuilder, Layer};

/// Frames in a cable, one way. Those beyond are lost.
const MAX_HELD: usize = 4096;

/// Longer than any frame.
const BUFFER: usize = 2048;

/// Whether there can be delay, or why not.
pub fn can_delay() -> Result<(), String> {
    match DeviceBuilder::new().layer(Layer::L2).build_sync() {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("no TAP device can be made with /dev/net/tun: {error}")),
    }
}

/// Slow cables, all equally long.
pub struct Delay {
    runtime: Runtime,
    hold: Duration,
    jitter: Duration,
    /// Each direction of each cable has a number, from which its delays follow.
    directions: AtomicU64,
}

impl Delay {
    /// Cables that take so long one way, each frame up to `jitter` more or less: one may overtake
    /// another.
    pub fn new(hold: Duration, jitter: Duration) -> Self {
        assert!(jitter <= hold, "nothing arrives before it was sent");
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self { runtime, hold, jitter, directions: AtomicU64::new(0) }
    }

    /// A cable between two new devices of these names, which may then be moved to any namespace.
    pub fn cable(&self, ends: [&str; 2]) {
        let _inside = self.runtime.enter();
        let [a, b] = ends.map(|name| {
            let device = DeviceBuilder::new().name(name).layer(Layer::L2).build_async();
            Arc::new(device.unwrap_or_else(|e| panic!("TAP device {name}: {e}")))
        });
        self.carry(Arc::clone(&a), Arc::clone(&b));
        self.carry(b, a);
    }

    /// One direction, until a device ends.
    fn carry(&self, from: Arc<AsyncDevice>, to: Arc<AsyncDevice>) {
        let (queue, entered) = mpsc::channel::<(Instant, Vec<u8>)>(MAX_HELD);
        let mut rng = StdRng::seed_from_u64(self.directions.fetch_add(1, Ordering::Relaxed));
        let (least, more) = (self.hold.saturating_sub(self.jitter), self.jitter * 2);
        let enter = async move {
            let mut buffer = [0; BUFFER];
            while let Ok(length) = from.recv(&mut buffer).await {
                let hold = least + more.mul_f64(rng.random());
                let _ = queue.try_send((Instant::now() + hold, buffer[..length].to_vec()));
            }
        };
        self.runtime.spawn(async move { tokio::join!(enter, leave(entered, to)) });
    }
}

/// Each frame leaves when it is due, of those that are due at once the first first.
async fn leave(mut entered: mpsc::Receiver<(Instant, Vec<u8>)>, to: Arc<AsyncDevice>) {
    let (mut on_the_way, mut number) = (BTreeMap::new(), 0_u64);
    loop {
        let first = on_the_way.keys().next().copied();
        tokio::select! {
            entered = entered.recv(), if on_the_way.len() < MAX_HELD => {
                let Some((due, frame)) = entered else { return };
                on_the_way.insert((due, number), frame);
                number += 1;
            }
            () = sleep_until(first.map_or_else(Instant::now, |(due, _)| due)), if first.is_some() => {
                if let Some((_, frame)) = on_the_way.pop_first() {
                    // An end that is down loses it.
                    let _ = to.send(&frame).await;
                }
            }
        }
    }
}
