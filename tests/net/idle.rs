//! What it costs to do nothing.

use std::time::{Duration, Instant};

use crate::support::{
    at_most, figure,
    lab::{Addresses, Lab},
    load::{processor_time, resident},
    measured_or,
    profile::{Profile, pair},
};

pub fn costs_little() {
    let window = Duration::from_secs(measured_or(120, 10));
    let lab = Lab::new(2, Addresses::Both);
    let a = Profile::in_namespace(&lab.hosts[0]).start();
    let b = Profile::in_namespace(&lab.hosts[1]).start();
    pair(&a, &b);
    // Idle begins when the work of pairing has ebbed away.
    std::thread::sleep(Duration::from_secs(measured_or(10, 3)));
    let (began, processor, (received, sent)) =
        (Instant::now(), processor_time(a.pid()), lab.traffic(0));
    std::thread::sleep(window);
    let seconds = began.elapsed().as_secs_f64();
    let processor =
        processor_time(a.pid()).saturating_sub(processor).as_secs_f64() * 60.0 / seconds;
    let (received_now, sent_now) = lab.traffic(0);
    #[expect(clippy::cast_precision_loss, reason = "a few thousand bytes")]
    let bytes = (received_now - received + sent_now - sent) as f64 / seconds;
    let resident = resident(a.pid()) / 1024;
    figure("idle with one contact, resident", format!("{resident} KiB"));
    figure("idle with one contact, processor", format!("{processor:.3} s a minute"));
    figure("idle with one contact, traffic both ways", format!("{bytes:.0} bytes/s"));
    at_most("resident KiB", resident, 40 * 1024, 120 * 1024);
    at_most("processor seconds a minute", processor, 0.1, 5.0);
    at_most("bytes a second", bytes, 300.0, 3000.0);
}
