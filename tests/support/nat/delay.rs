//! Delay, in user space: a queueing discipline for it is not in every kernel.
//!
//! This process is a cable: what goes into one of two TAP devices comes out of the other a while
//! later. The devices end with the process, however it ends.

use std::{sync::Arc, time::Duration};

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
}

impl Delay {
    /// Cables that take so long one way.
    pub fn new(hold: Duration) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self { runtime, hold }
    }

    /// A cable between two new devices of these names, which may then be moved to any namespace.
    pub fn cable(&self, ends: [&str; 2]) {
        let _inside = self.runtime.enter();
        let [a, b] = ends.map(|name| {
            let device = DeviceBuilder::new().name(name).layer(Layer::L2).build_async();
            Arc::new(device.unwrap_or_else(|e| panic!("TAP device {name}: {e}")))
        });
        self.runtime.spawn(carry(Arc::clone(&a), Arc::clone(&b), self.hold));
        self.runtime.spawn(carry(b, a, self.hold));
    }
}

/// One direction, in order, until a device ends.
async fn carry(from: Arc<AsyncDevice>, to: Arc<AsyncDevice>, hold: Duration) {
    let (queue, mut on_the_way) = mpsc::channel::<(Instant, Vec<u8>)>(MAX_HELD);
    let enter = async move {
        let mut buffer = [0; BUFFER];
        while let Ok(length) = from.recv(&mut buffer).await {
            let _ = queue.try_send((Instant::now() + hold, buffer[..length].to_vec()));
        }
    };
    let leave = async move {
        while let Some((due, frame)) = on_the_way.recv().await {
            sleep_until(due).await;
            // An end that is down loses it.
            let _ = to.send(&frame).await;
        }
    };
    tokio::join!(enter, leave);
}
