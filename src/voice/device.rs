//! The microphone and the loudspeaker. Each is used by a thread of its own, which waits for it; the
//! samples come and go on one of the system's, which never waits.

use std::{
    collections::VecDeque,
    fs::File,
    io::{BufReader, BufWriter, Write as _},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread::sleep,
    time::{Duration, Instant},
};

use cpal::{
    Device, ErrorKind, FromSample, SampleFormat, SizedSample, Stream, StreamConfig,
    SupportedStreamConfig,
    traits::{DeviceTrait as _, HostTrait as _, StreamTrait as _},
};

use super::{
    Voice,
    codec::{Decoder, Encoder, RATE, Resampler},
};

/// How often it is looked whether to go on.
const LOOK: Duration = Duration::from_millis(20);

/// How long a device may do nothing.
const SILENCE: Duration = Duration::from_secs(5);

/// Pieces of sound that may wait: some hundred milliseconds, enough for a busy computer.
const WAITING: usize = 32;

/// How a device is asked to begin, at most.
const OPENING: Duration = Duration::from_secs(5);

/// Records into this file until `stop` is set. Tells how long it is by now, in milliseconds, and
/// how loud. What is said of it; none if there is nothing in it.
///
/// # Errors
/// A sentence: there is no microphone, or it does not work; or the file cannot be written.
pub fn record(
    to: File,
    stop: &AtomicBool,
    mut heard: impl FnMut(u32, u8),
) -> Result<Option<Voice>, String> {
    let _quiet = quiet();
    let device = cpal::default_host().default_input_device();
    let device = device.ok_or_else(|| none("microphone"))?;
    let broken = |error| unusable("microphone", &error);
    let config = device.default_input_config().map_err(broken)?;
    let (samples, taken) = sync_channel(WAITING);
    let failed = Arc::new(AtomicBool::new(false));
    let stream = input(&device, &config, samples, Arc::clone(&failed)).map_err(broken)?;
    stream.play().map_err(broken)?;
    let unwritable = |error| format!("The recording cannot be written: {error}.");
    let mut encoder = Encoder::new(BufWriter::new(to)).map_err(unwritable)?;
    let mut resampler = Resampler::new(config.sample_rate(), RATE);
    let mut last = Instant::now();
    let mut has_room = true;
    while !stop.load(Ordering::Acquire) {
        match taken.recv_timeout(LOOK) {
            Ok(piece) => {
                last = Instant::now();
                if has_room {
                    has_room = encoder.write(&resampler.resample(&piece)).map_err(unwritable)?;
                    heard(encoder.millis(), encoder.level());
                }
            }
            Err(RecvTimeoutError::Timeout) if last.elapsed() < SILENCE => {}
            Err(_) => return Err("The microphone gives no sound.".to_owned()),
        }
        if failed.load(Ordering::Relaxed) {
            return Err("The microphone is gone.".to_owned());
        }
    }
    let (mut to, voice) = encoder.finish().map_err(unwritable)?;
    to.flush().map_err(unwritable)?;
    Ok(voice)
}

/// Plays a voice note until its end, or until `stop` is set. Tells how far it is, in milliseconds.
///
/// # Errors
/// A sentence: there is no loudspeaker, or it does not work; or the file is no voice note.
pub fn play(path: &Path, stop: &AtomicBool, mut heard: impl FnMut(u32)) -> Result<(), String> {
    let unreadable = |error: std::io::Error| format!("This cannot be played: {error}.");
    let file = crate::picture::open(path).map_err(unreadable)?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err("This cannot be played: it is no file.".to_owned());
    }
    let mut decoder = Decoder::new(BufReader::new(file)).map_err(unreadable)?;
    let _quiet = quiet();
    let device = cpal::default_host().default_output_device();
    let device = device.ok_or_else(|| none("loudspeaker"))?;
    let broken = |error| unusable("loudspeaker", &error);
    let config = device.default_output_config().map_err(broken)?;
    let rate = config.sample_rate();
    let mut resampler = Resampler::new(RATE, rate);
    let (give, given) = sync_channel(WAITING);
    let failed = Arc::new(AtomicBool::new(false));
    let played = Arc::new(AtomicUsize::new(0));
    let stream = output(&device, &config, given, Arc::clone(&played), Arc::clone(&failed));
    let stream = stream.map_err(broken)?;
    stream.play().map_err(broken)?;
    let (mut sent, mut was_played, mut last) = (0, 0, Instant::now());
    let mut waiting = VecDeque::new();
    let mut is_read = false;
    while !stop.load(Ordering::Acquire) {
        if waiting.is_empty() && !is_read {
            match decoder.read().map_err(unreadable)? {
                Some(samples) => waiting.push_back(resampler.resample(&samples)),
                None => is_read = true,
            }
        }
        let is_full = waiting.pop_front().is_some_and(|piece: Vec<f32>| {
            let length = piece.len();
            match give.try_send(piece) {
                Ok(()) => {
                    sent += length;
                    false
                }
                Err(TrySendError::Full(piece) | TrySendError::Disconnected(piece)) => {
                    waiting.push_front(piece);
                    true
                }
            }
        });
        let now_played = played.load(Ordering::Relaxed);
        if now_played != was_played {
            (was_played, last) = (now_played, Instant::now());
            let millis = now_played as u64 * 1000 / u64::from(rate.max(1));
            heard(u32::try_from(millis).unwrap_or(u32::MAX));
        }
        if is_read && waiting.is_empty() && now_played >= sent {
            return Ok(());
        }
        if failed.load(Ordering::Relaxed) || last.elapsed() > SILENCE {
            return Err("The loudspeaker is gone.".to_owned());
        }
        if is_full || is_read {
            sleep(LOOK);
        }
    }
    Ok(())
}

fn none(what: &str) -> String {
    format!("There is no {what} here, or it may not be used.")
}

fn unusable(what: &str, error: &cpal::Error) -> String {
    match error.kind() {
        ErrorKind::DeviceNotAvailable
        | ErrorKind::HostUnavailable
        | ErrorKind::PermissionDenied => none(what),
        _ => format!("The {what} cannot be used: {}.", error.to_string().trim_end_matches('.')),
    }
}

/// ALSA says on standard error what does not work, which is where the screen is.
#[cfg(target_os = "linux")]
fn quiet() -> impl Sized {
    alsa::Output::local_error_handler()
}

#[cfg(not(target_os = "linux"))]
fn quiet() -> impl Sized {}

/// What ends a stream; the rest is heard at most.
fn on_error(failed: Arc<AtomicBool>) -> impl FnMut(cpal::Error) + Send + 'static {
    move |error| {
        let goes_on = [ErrorKind::Xrun, ErrorKind::RealtimeDenied, ErrorKind::DeviceChanged];
        if !goes_on.contains(&error.kind()) {
            failed.store(true, Ordering::Relaxed);
        }
    }
}

/// Begins to take sound: pieces of one channel.
fn input(
    device: &Device,
    config: &SupportedStreamConfig,
    to: SyncSender<Vec<f32>>,
    failed: Arc<AtomicBool>,
) -> Result<Stream, cpal::Error> {
    fn of<T: SizedSample>(
        device: &Device,
        config: StreamConfig,
        to: SyncSender<Vec<f32>>,
        failed: Arc<AtomicBool>,
    ) -> Result<Stream, cpal::Error>
    where
        f32: FromSample<T>,
    {
        let channels = config.channels.max(1);
        let take = move |data: &[T], _: &_| {
            let frames = data.chunks_exact(channels.into());
            let mixed = frames.map(|frame| {
                let sum: f32 = frame.iter().map(|&sample| f32::from_sample_(sample)).sum();
                sum / f32::from(channels)
            });
            // What finds no room is lost, as it is when nothing is listened to.
            let _ = to.try_send(mixed.collect());
        };
        device.build_input_stream(config, take, on_error(failed), Some(OPENING))
    }
    let plain = config.config();
    match config.sample_format() {
        SampleFormat::I8 => of::<i8>(device, plain, to, failed),
        SampleFormat::I16 => of::<i16>(device, plain, to, failed),
        SampleFormat::I32 => of::<i32>(device, plain, to, failed),
        SampleFormat::U8 => of::<u8>(device, plain, to, failed),
        SampleFormat::U16 => of::<u16>(device, plain, to, failed),
        SampleFormat::F32 => of::<f32>(device, plain, to, failed),
        _ => Err(ErrorKind::UnsupportedConfig.into()),
    }
}

/// Begins to give sound, and counts how much was taken: samples of one channel, which is every
/// channel's.
fn output(
    device: &Device,
    config: &SupportedStreamConfig,
    from: Receiver<Vec<f32>>,
    played: Arc<AtomicUsize>,
    failed: Arc<AtomicBool>,
) -> Result<Stream, cpal::Error> {
    fn of<T: SizedSample + FromSample<f32>>(
        device: &Device,
        config: StreamConfig,
        from: Receiver<Vec<f32>>,
        played: Arc<AtomicUsize>,
        failed: Arc<AtomicBool>,
    ) -> Result<Stream, cpal::Error> {
        let channels = config.channels.max(1);
        let mut piece = Vec::new().into_iter();
        let give = move |data: &mut [T], _: &_| {
            let mut given = 0;
            for frame in data.chunks_exact_mut(channels.into()) {
                let sample = piece.next().or_else(|| {
                    piece = from.try_recv().ok()?.into_iter();
                    piece.next()
                });
                // What is not given is silent.
                let Some(sample) = sample else { break };
                frame.fill(T::from_sample_(sample));
                given += 1;
            }
            played.fetch_add(given, Ordering::Relaxed);
        };
        device.build_output_stream(config, give, on_error(failed), Some(OPENING))
    }
    let plain = config.config();
    match config.sample_format() {
        SampleFormat::I8 => of::<i8>(device, plain, from, played, failed),
        SampleFormat::I16 => of::<i16>(device, plain, from, played, failed),
        SampleFormat::I32 => of::<i32>(device, plain, from, played, failed),
        SampleFormat::U8 => of::<u8>(device, plain, from, played, failed),
        SampleFormat::U16 => of::<u16>(device, plain, from, played, failed),
        SampleFormat::F32 => of::<f32>(device, plain, from, played, failed),
        _ => Err(ErrorKind::UnsupportedConfig.into()),
    }
}
