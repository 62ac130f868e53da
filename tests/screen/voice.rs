//! Voice notes by the real program: with no device, and with one that ALSA makes of files.

use std::{
    f64::consts::TAU,
    fs,
    path::{Path, PathBuf},
};

use entrenous::voice::{
    Voice,
    codec::{Decoder, Encoder},
};

use super::{Profile, Screen, json, wait_for};
use crate::support::profile::pair;

/// A profile with a contact, to whom voice notes can be sent.
fn with_contact() -> Profile {
    let (profile, other) = Profile::loopback_pair();
    let (a, b) = (profile.start(), other.start());
    a.call("setName", json!({ "name": "Vanessa" }));
    pair(&a, &b);
    a.shutdown();
    b.shutdown();
    profile
}

/// The screen, with ALSA's configuration in this file.
fn with_alsa(profile: &Profile, configuration: &Path) -> Screen {
    let environment = [("ALSA_CONFIG_PATH", configuration.to_str().unwrap())];
    let screen = Screen::open(profile, (100, 30), &environment);
    screen.wait_until_shown("Write to");
    screen
}

fn recordings(profile: &Profile) -> Vec<PathBuf> {
    let entries = fs::read_dir(profile.dir().join("voice")).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

pub fn without_a_device_it_is_said_on_a_whole_screen() {
    let profile = with_contact();
    let empty = profile.outside().join("asound.conf");
    fs::write(&empty, "").unwrap();
    let mut screen = with_alsa(&profile, &empty);
    screen.type_in("/voice\r");
    screen.wait_until_shown("There is no microphone here");
    // What the system's library says is not on the screen, and keys go on.
    screen.type_in("hello");
    screen.wait_until_shown("hello");
    assert!(!screen.text().contains("ALSA"), "{}", screen.text());
    assert_eq!(recordings(&profile), [] as [PathBuf; 0]);
    screen.signal("TERM");
    screen.ended_in_order();
}

/// A tone of 440 Hz, half as loud as can be.
fn tone(rate: u32, seconds: u32) -> impl Iterator<Item = f64> {
    (0..rate * seconds).map(move |at| 0.5 * (TAU * 440.0 * f64::from(at) / f64::from(rate)).sin())
}

/// ALSA's configuration for a microphone that hears 440 Hz, and a loudspeaker that writes into the
/// file `out.raw`: 48 kHz, 16 bits. Neither takes its time.
fn devices(profile: &Profile) -> PathBuf {
    let at = |name: &str| profile.outside().join(name);
    #[expect(clippy::cast_possible_truncation)]
    let bytes = tone(48_000, 60).flat_map(|sample| ((sample * 32_768.0) as i16).to_le_bytes());
    fs::write(at("in.raw"), bytes.collect::<Vec<u8>>()).unwrap();
    let devices = format!(
        "pcm.!default {{ type plug slave {{ pcm files format S16_LE channels 1 rate 48000 }} }}\n\
         pcm.files {{ type file slave.pcm {{ type null }} format raw file \"{}\" infile \"{}\" }}\n",
        at("out.raw").display(),
        at("in.raw").display(),
    );
    fs::write(at("asound.conf"), devices).unwrap();
    at("asound.conf")
}

pub fn what_the_microphone_hears_is_dropped_or_sent() {
    let profile = with_contact();
    let mut screen = with_alsa(&profile, &devices(&profile));
    screen.type_in("/voice\r");
    screen.wait_until_shown("● 0:01");
    assert_eq!(recordings(&profile).len(), 1);
    screen.type_in("\x1b");
    wait_for("it is dropped", || recordings(&profile).is_empty());
    wait_for("its window is gone", || !screen.text().contains("Enter sends it"));
    screen.type_in("/voice\r");
    screen.wait_until_shown("● 0:01");
    screen.type_in("\r");
    screen.wait_until_shown("audio/ogg");
    screen.signal("TERM");
    screen.ended_in_order();
    let [note] = &recordings(&profile)[..] else { panic!("{:?}", recordings(&profile)) };
    let mut decoder = Decoder::new(fs::File::open(note).unwrap()).unwrap();
    let mut samples = 0;
    while let Some(more) = decoder.read().unwrap() {
        samples += more.len();
    }
    let process = profile.start();
    let conversation = process.call("conversations", json!({}))[0]["id"].clone();
    let history = process.call("history", json!({ "conversation": conversation }));
    let file = &history[0]["file"];
    assert_eq!(file["path"].as_str(), note.to_str());
    let said = serde_json::from_value::<Voice>(file["voice"].clone()).unwrap();
    assert_eq!(samples / 48, usize::try_from(said.millis()).unwrap());
    // The first part may have begun in silence.
    let heard = said.levels().get(1..).unwrap();
    assert!(heard.iter().all(|level| (118..=138).contains(level)), "{heard:?}");
    process.shutdown();
}

pub fn a_voice_note_is_heard_as_it_is() {
    let profile = with_contact();
    let (note, out) = (profile.outside().join("note.ogg"), profile.outside().join("out.raw"));
    let mut encoder = Encoder::new(fs::File::create(&note).unwrap()).unwrap();
    #[expect(clippy::cast_possible_truncation)]
    let samples: Vec<f32> = tone(48_000, 2).map(|sample| sample as f32).collect();
    encoder.write(&samples).unwrap();
    let (_, voice) = encoder.finish().unwrap();
    let process = profile.start();
    let conversation = process.call("conversations", json!({}))[0]["id"].clone();
    let params = json!({ "conversation": conversation, "path": note, "voice": voice });
    process.call("sendFile", params);
    process.shutdown();
    let mut screen = with_alsa(&profile, &devices(&profile));
    screen.wait_until_shown("█ 0:02");
    screen.type_in("\x1b[1;3Al");
    let played = || -> Vec<i16> {
        let bytes = fs::read(&out).unwrap_or_default();
        let samples = bytes.as_chunks().0.iter().map(|&sample| i16::from_le_bytes(sample));
        // Silence comes before and between what is played, as nothing takes its time.
        samples.filter(|&sample| sample != 0).collect()
    };
    wait_for("a second of it", || played().len() > 60_000);
    let played = &played()[6_000..54_000];
    let crossings = played.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
    assert!((425..=455).contains(&crossings), "{crossings} Hz");
    let loudest = played.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
    assert!((14_000..19_000).contains(&loudest), "{loudest}");
    screen.signal("TERM");
    screen.ended_in_order();
}
