//! Voice notes as Ogg Opus (RFC 7845): one channel, 48 kHz, at a rate for speech.

use std::io::{self, Read, Take, Write};

use opus_pure::{
    Application, MAX_PACKET_BYTES, MAX_PACKET_SAMPLES, OggOpusReader, OggOpusWriter, OggPacket,
    OpusDecoder, OpusEncoder, OpusHead, Trim,
};

use super::{MAX_LEVELS, MAX_MILLIS, Voice, squeezed};
use crate::picture::guarded;

/// Samples in a second, of all that is encoded and decoded here.
pub const RATE: u32 = 48_000;

/// Samples in a packet: 20 ms, as RFC 7845 has it in its examples.
const FRAME: usize = 960;

/// Bits in a second: speech is as clear as it gets by so many.
const BITS: i32 = 24_000;

/// Samples in a part whose level is taken: a tenth of a second.
const PART: usize = 4_800;

/// The most samples of a voice note.
const MAX_SAMPLES: usize = MAX_MILLIS as usize * (RATE as usize / 1000);

/// How many samples of a stranger's file are decoded at most: as many as of one of ours, and as
/// much again.
const MAX_DECODED: usize = 2 * MAX_SAMPLES;

/// How many bytes of it are read at most: so many samples at Opus's highest rate, 510 kbit/s. In a
/// longer one pages may follow one another without a packet.
const MAX_READ: u64 = MAX_DECODED as u64 / RATE as u64 * 510_000 / 8;

/// Encodes a voice note while it is recorded, and says how loud it is.
pub struct Encoder<W: Write> {
    opus: Box<OpusEncoder>,
    writer: OggOpusWriter<W>,
    packet: Vec<u8>,
    /// What does not fill a packet yet.
    waiting: Vec<f32>,
    samples: usize,
    pre_skip: u16,
    /// How loud each part is, and the part that is being taken.
    levels: Vec<u8>,
}

impl<W: Write> Encoder<W> {
    /// Begins a voice note.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn new(to: W) -> io::Result<Self> {
        let mut opus = Box::new(OpusEncoder::new(48_000, 1, Application::Voip).map_err(other)?);
        opus.bitrate_bps = BITS;
        let head = OpusHead::for_encoder(&opus, RATE);
        let pre_skip = head.pre_skip;
        let writer = OggOpusWriter::new(to, head).map_err(other)?;
        Ok(Self {
            opus,
            writer,
            packet: vec![0; MAX_PACKET_BYTES],
            waiting: Vec::new(),
            samples: 0,
            pre_skip,
            levels: Vec::new(),
        })
    }

    /// Takes more samples, from -1 to 1. False once there is no room for more.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn write(&mut self, samples: &[f32]) -> io::Result<bool> {
        let taken = samples.get(..MAX_SAMPLES - self.samples).unwrap_or(samples);
        for &sample in taken {
            if self.samples.is_multiple_of(PART) {
                self.levels.push(0);
            }
            self.samples += 1;
            if let Some(last) = self.levels.last_mut() {
                *last = (*last).max(level(sample));
            }
        }
        self.waiting.extend_from_slice(taken);
        while self.waiting.len() >= FRAME {
            let length = self.encode()?;
            let packet = self.packet.get(..length).unwrap_or_default();
            self.writer.write_packet(packet).map_err(other)?;
        }
        Ok(self.samples < MAX_SAMPLES)
    }

    /// Encodes the first packet of what waits. Its length.
    fn encode(&mut self) -> io::Result<usize> {
        let mut frame = [0.0; FRAME];
        for (to, from) in frame.iter_mut().zip(self.waiting.drain(..FRAME.min(self.waiting.len())))
        {
            *to = from;
        }
        self.opus.encode(&frame, FRAME, &mut self.packet).map_err(other)
    }

    /// How long it is by now, in milliseconds.
    pub fn millis(&self) -> u32 {
        u32::try_from(self.samples / (RATE as usize / 1000)).unwrap_or(MAX_MILLIS)
    }

    /// How loud it is at the moment.
    pub fn level(&self) -> u8 {
        let last = self.levels.len().saturating_sub(2);
        self.levels.get(last..).unwrap_or_default().iter().copied().max().unwrap_or(0)
    }

    /// Ends the voice note. What it was written to, and what is said of it; none if it is empty.
    ///
    /// # Errors
    /// The end cannot be written.
    pub fn finish(mut self) -> io::Result<(W, Option<Voice>)> {
        let voice = Voice::new(self.millis(), squeezed(&self.levels, MAX_LEVELS));
        // The encoder is behind by the pre-skip: so much silence brings out the end. The last
        // packet says where that is (RFC 7845 section 4.4).
        let end = u64::from(self.pre_skip) + self.samples as u64;
        loop {
            let written = u64::try_from(self.writer.granule()).unwrap_or(0);
            let length = self.encode()?;
            let packet = self.packet.get(..length).unwrap_or_default();
            if written + FRAME as u64 >= end {
                let rest = u32::try_from(end.saturating_sub(written)).unwrap_or(0);
                self.writer.write_packet_with_duration(packet, rest).map_err(other)?;
                return Ok((self.writer.finish().map_err(other)?, voice));
            }
            self.writer.write_packet(packet).map_err(other)?;
        }
    }
}

/// How loud a sample is; what is no number is silent.
fn level(sample: f32) -> u8 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within 0 and 255")]
    let level = (sample.abs().min(1.0) * 255.0).round() as u8;
    level
}

/// Decodes a voice note, as it is played.
pub struct Decoder<R: Read> {
    reader: OggOpusReader<Take<R>>,
    opus: Box<OpusDecoder>,
    trim: Trim,
    packet: OggPacket,
    block: Vec<f32>,
    channels: usize,
    samples: usize,
}

impl<R: Read> Decoder<R> {
    /// Begins to read.
    ///
    /// # Errors
    /// It cannot be read, or is no Ogg Opus of one or two channels.
    pub fn new(from: R) -> io::Result<Self> {
        guarded(|| Self::begin(from)).unwrap_or_else(broken)
    }

    fn begin(from: R) -> io::Result<Self> {
        let reader = OggOpusReader::new(from.take(MAX_READ)).map_err(other)?;
        let channels = usize::from(reader.head().channel_count);
        if !(1..=2).contains(&channels) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let opus = Box::new(reader.head().decoder(48_000).map_err(other)?);
        let trim = Trim::new(reader.head(), 48_000, channels).map_err(other)?;
        Ok(Self {
            reader,
            opus,
            trim,
            packet: OggPacket::default(),
            block: vec![0.0; MAX_PACKET_SAMPLES * channels],
            channels,
            samples: 0,
        })
    }

    /// The next samples, of one channel, none louder than there is; none at the end.
    ///
    /// # Errors
    /// It cannot be read, or is broken: then nothing more comes of it.
    pub fn read(&mut self) -> io::Result<Option<Vec<f32>>> {
        guarded(|| self.decode()).unwrap_or_else(broken)
    }

    fn decode(&mut self) -> io::Result<Option<Vec<f32>>> {
        if self.samples >= MAX_DECODED
            || !self.reader.read_packet_into(&mut self.packet).map_err(other)?
        {
            return Ok(None);
        }
        let decoded = self
            .opus
            .decode(&self.packet.data, MAX_PACKET_SAMPLES, &mut self.block)
            .map_err(other)?;
        // A packet of nothing takes its part of what is read as well.
        self.samples += decoded.max(1);
        let decoded = self.block.get(..decoded * self.channels).unwrap_or_default();
        let kept = self.trim.keep(&self.packet, decoded);
        #[expect(clippy::cast_precision_loss, reason = "1 or 2")]
        let channels = self.channels as f32;
        let mixed = |frame: &[f32]| (frame.iter().sum::<f32>() / channels).clamp(-1.0, 1.0);
        Ok(Some(kept.chunks_exact(self.channels).map(mixed).collect()))
    }
}

fn other(error: opus_pure::Error) -> io::Error {
    io::Error::other(error)
}

/// The decoder panicked.
fn broken<T>() -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::InvalidData, "it is damaged"))
}

/// Makes samples of another rate out of those that a device gives or takes, by straight lines
/// between them.
pub struct Resampler {
    /// How far apart two samples that go out are, in samples that come in, in 2⁻³².
    step: u64,
    /// Where the next one is, after the last that came in.
    at: u64,
    last: f32,
}

impl Resampler {
    /// From this rate to that.
    pub fn new(from: u32, to: u32) -> Self {
        Self { step: (u64::from(from) << 32) / u64::from(to.max(1)), at: 0, last: 0.0 }
    }

    /// Takes samples, and gives as many as they make.
    pub fn resample(&mut self, samples: &[f32]) -> Vec<f32> {
        const ONE: u64 = 1 << 32;
        let mut made = Vec::new();
        for &sample in samples {
            while self.at < ONE && self.step > 0 {
                #[expect(clippy::cast_precision_loss, reason = "a part of one sample")]
                let part = self.at as f32 / ONE as f32;
                made.push(self.last + (sample - self.last) * part);
                self.at += self.step;
            }
            self.at -= ONE;
            self.last = sample;
        }
        made
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A tone of this frequency, in Hz, of so many samples.
    #[expect(clippy::cast_precision_loss)]
    fn tone(frequency: f32, rate: u32, loudness: f32, samples: usize) -> Vec<f32> {
        let turn = std::f32::consts::TAU * frequency / rate as f32;
        (0..samples).map(|at| loudness * (turn * at as f32).sin()).collect()
    }

    /// The frequency of a tone, by how often it crosses zero upwards.
    #[expect(clippy::cast_precision_loss)]
    fn frequency(samples: &[f32], rate: u32) -> f32 {
        let crossings = samples.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count();
        crossings as f32 * rate as f32 / samples.len() as f32
    }

    fn loudest(samples: &[f32]) -> f32 {
        samples.iter().copied().fold(0.0, |most: f32, sample| most.max(sample.abs()))
    }

    fn encoded(samples: &[f32]) -> (Vec<u8>, Option<Voice>) {
        let mut encoder = Encoder::new(Vec::new()).unwrap();
        // As it comes from a device: in pieces of any length.
        for piece in samples.chunks(1_111) {
            assert!(encoder.write(piece).unwrap());
        }
        encoder.finish().unwrap()
    }

    fn decoded(note: &[u8]) -> io::Result<Vec<f32>> {
        let mut decoder = Decoder::new(note)?;
        let mut samples = Vec::new();
        while let Some(more) = decoder.read()? {
            samples.extend(more);
        }
        Ok(samples)
    }

    #[test]
    fn a_tone_comes_back_as_long_as_high_and_as_loud_as_it_was() {
        let samples = [tone(440.0, RATE, 0.5, 72_000), tone(880.0, RATE, 0.25, 72_000)].concat();
        let (note, voice) = encoded(&samples);
        // A second takes some 3 kB.
        assert!((6_000..14_000).contains(&note.len()), "{}", note.len());
        let voice = voice.unwrap();
        assert_eq!((voice.millis(), voice.levels().len()), (3_000, 30));
        let expected = [[128; 15], [64; 15]].concat();
        let differ = |(a, b): (&u8, &u8)| a.abs_diff(*b) > 1;
        assert!(!voice.levels().iter().zip(&expected).any(differ), "{voice:?}");
        let back = decoded(&note).unwrap();
        assert_eq!(back.len(), samples.len());
        let (first, second) = (&back[10_000..60_000], &back[82_000..132_000]);
        let (low, high) = (frequency(first, RATE), frequency(second, RATE));
        assert!((low - 440.0).abs() < 3.0 && (high - 880.0).abs() < 3.0, "{low} Hz, {high} Hz");
        let (loud, quiet) = (loudest(first), loudest(second));
        assert!((0.4..0.6).contains(&loud) && (0.2..0.32).contains(&quiet), "{loud}, {quiet}");
    }

    #[test]
    fn of_any_length_it_is_as_long_as_it_was() {
        for length in [1, 47, 48, 959, 960, 961, 4_800, 4_801, 10_007] {
            let (note, voice) = encoded(&tone(300.0, RATE, 0.9, length));
            assert_eq!(decoded(&note).unwrap().len(), length);
            let millis = u32::try_from(length / 48).unwrap();
            assert_eq!(voice.map_or(0, |voice| voice.millis()), millis, "{length}");
        }
        let (note, voice) = encoded(&[]);
        assert_eq!((decoded(&note).unwrap().len(), voice), (0, None));
    }

    #[test]
    fn a_long_one_has_few_levels_and_the_longest_ends() {
        let mut encoder = Encoder::new(io::sink()).unwrap();
        encoder.samples = MAX_SAMPLES - 100_000;
        encoder.levels = vec![10; encoder.samples / PART];
        assert!(encoder.write(&tone(440.0, RATE, 1.0, 99_999)).unwrap());
        assert_eq!(encoder.level(), 255);
        assert!(!encoder.write(&[0.0; 5]).unwrap() && !encoder.write(&[0.0; 5]).unwrap());
        assert_eq!(encoder.millis(), MAX_MILLIS);
        encoder.waiting.clear();
        let levels = squeezed(&encoder.levels, MAX_LEVELS);
        assert_eq!((levels.len(), levels[0], levels[MAX_LEVELS - 1]), (MAX_LEVELS, 10, 255));
    }

    #[test]
    fn samples_that_are_no_numbers_are_silent() {
        let (note, voice) = encoded(&[f32::NAN, f32::INFINITY, -9.0, 0.0].repeat(1_200));
        assert_eq!(voice.unwrap().levels(), [255]);
        assert!(decoded(&note).unwrap().iter().all(|sample| (-1.0..=1.0).contains(sample)));
    }

    #[test]
    fn what_is_no_voice_note_is_refused_and_nothing_broken_panics() {
        let (note, _) = encoded(&tone(440.0, RATE, 0.5, 24_000));
        for wrong in [&b""[..], b"OggS", b"RIFF....WAVE", &note[..40]] {
            assert!(decoded(wrong).is_err(), "{wrong:?}");
        }
        for at in 0..note.len() {
            let mut broken = note.clone();
            broken[at] ^= 0x55;
            // A page whose checksum is wrong is an error or passed over.
            let _ = decoded(&broken).map(|samples| assert!(samples.len() <= 24_000 + 5_760));
            let _ = decoded(&note[..at]);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// Packets of any bytes, and of ours that are bent, in pages that are whole.
        #[test]
        fn any_packets_are_decoded_or_an_error_and_never_panic(
            channels in 1..=2_u8,
            pre_skip in any::<u16>(),
            gain in any::<i16>(),
            packets in prop::collection::vec(
                (any::<u8>(), prop::collection::vec(any::<u8>(), 0..60), 0..12_000_u32), 1..12),
        ) {
            let mut opus = OpusEncoder::new(48_000, channels.into(), Application::Voip).unwrap();
            let mut head = OpusHead::for_encoder(&opus, RATE);
            (head.pre_skip, head.output_gain_q8) = (pre_skip, gain);
            let mut writer = OggOpusWriter::new(Vec::new(), head).unwrap();
            for (kind, bytes, duration) in packets {
                let mut packet = vec![0; MAX_PACKET_BYTES];
                let samples = tone(440.0, RATE, 0.5, FRAME * usize::from(channels));
                let length = opus.encode(&samples, FRAME, &mut packet).unwrap();
                packet.truncate(length);
                for (at, byte) in bytes.iter().enumerate().filter(|_| kind & 1 == 1) {
                    let at = at * 7 % packet.len();
                    packet[at] ^= byte;
                }
                let packet = if kind & 2 == 2 { &packet } else { &bytes };
                // What it does not write is no packet at all.
                let _ = writer.write_packet_with_duration(packet, duration);
            }
            let note = writer.finish().unwrap();
            let read = std::panic::catch_unwind(|| {
                let mut decoder = Decoder::begin(&note[..])?;
                while let Some(samples) = decoder.decode()? {
                    assert!(samples.iter().all(|sample| (-1.0..=1.0).contains(sample)));
                }
                io::Result::Ok(())
            });
            prop_assert!(read.is_ok());
        }
    }

    /// A page that comes again and again, and how many bytes were read of it.
    struct Endless<'a>(&'a [u8], &'a std::cell::Cell<u64>);

    impl Read for Endless<'_> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            if self.1.get() > 2 * MAX_READ {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let at = usize::try_from(self.1.get()).unwrap() % self.0.len();
            let length = (&self.0[at..]).read(to)?;
            self.1.set(self.1.get() + length as u64);
            Ok(length)
        }
    }

    /// A page's checksum (RFC 3533 section 6).
    fn checksum(page: &[u8]) -> u32 {
        page.iter().fold(0, |sum, &byte| {
            (0..8).fold(sum ^ u32::from(byte) << 24, |sum, _| {
                (sum << 1) ^ (0x04c1_1db7 & (sum >> 31).wrapping_neg())
            })
        })
    }

    #[test]
    fn pages_without_an_end_and_without_a_packet_are_not_all_read() {
        let (note, _) = encoded(&tone(440.0, RATE, 0.5, 960));
        let pages: Vec<_> = (0..note.len()).filter(|at| note[*at..].starts_with(b"OggS")).collect();
        let (headers, audio) = note.split_at(pages[2]);
        // In its place one of as many segments as there can be, all of them empty.
        let mut empty = [&audio[..26], &[255], &[0; 255]].concat();
        empty[5] = 0;
        empty[22..26].fill(0);
        let sum = checksum(&empty);
        empty[22..26].copy_from_slice(&sum.to_le_bytes());
        let read = std::cell::Cell::new(0);
        let mut decoder = Decoder::new(headers.chain(Endless(&empty, &read))).unwrap();
        let _ = decoder.read().map(|samples| assert_eq!(samples, None));
        assert_eq!(read.get(), MAX_READ - headers.len() as u64);
    }

    #[test]
    fn a_decoder_that_panics_is_an_error() {
        struct Panics(Vec<u8>);
        impl Read for Panics {
            fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
                assert!(!self.0.is_empty());
                let length = to.len().min(self.0.len());
                to[..length].copy_from_slice(&self.0[..length]);
                self.0.drain(..length);
                Ok(length)
            }
        }
        let (note, _) = encoded(&tone(440.0, RATE, 0.5, 960));
        assert!(Decoder::new(Panics(note[..40].to_vec())).is_err());
        let pages: Vec<_> = (0..note.len()).filter(|at| note[*at..].starts_with(b"OggS")).collect();
        let mut decoder = Decoder::new(Panics(note[..pages[2]].to_vec())).unwrap();
        assert_eq!(decoder.read().unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn devices_of_other_rates_are_served() {
        for (from, to) in [(44_100, 48_000), (48_000, 44_100), (16_000, 48_000), (48_000, 48_000)] {
            let mut resampler = Resampler::new(from, to);
            let samples = tone(440.0, from, 0.5, usize::try_from(from).unwrap());
            let made: Vec<f32> =
                samples.chunks(777).flat_map(|piece| resampler.resample(piece)).collect();
            let second = usize::try_from(to).unwrap();
            assert!(made.len().abs_diff(second) <= 1, "{from} to {to}: {}", made.len());
            let heard = frequency(&made, to);
            assert!((heard - 440.0).abs() < 2.0, "{from} to {to}: {heard} Hz");
            assert!((0.48..0.52).contains(&loudest(&made)), "{from} to {to}");
        }
    }
}
