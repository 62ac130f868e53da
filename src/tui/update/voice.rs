//! Voice notes: recorded, sent, played.

use std::path::PathBuf;

use jiff::Timestamp;

use crate::{
    conversation::EntryId,
    node::api::{EntryView, FileState},
    tui::{
        model::{Effect, Model, Phase, Playing, Recording, Tone},
        sound::Heard,
        window::Window,
    },
};

/// Levels that are remembered while it is recorded: as many as fit the window.
pub const SHOWN_LEVELS: usize = 40;

impl Model {
    /// `/voice`
    pub(super) fn record_voice(&mut self) {
        let Some(conversation) = self.open else {
            self.notify(Tone::Bad, "There is nobody to send this to yet: /invite a friend first.");
            return;
        };
        self.stop_playing();
        let number = self.next_request;
        self.next_request += 1;
        let path = self.voices.join(self.voice_name());
        self.recording = Some(Recording { number, conversation, millis: 0, levels: Vec::new() });
        self.window = Some(Window::Recording);
        self.effects.push(Effect::Record(number, path));
    }

    /// `voice-2026-11-25-154512.ogg`, by the time of its beginning.
    fn voice_name(&self) -> String {
        let millis = i64::try_from(self.now).unwrap_or(0);
        let time = Timestamp::from_millisecond(millis).unwrap_or_default();
        let time = time.to_zoned(self.zone.clone()).strftime("%Y-%m-%d-%H%M%S").to_string();
        format!("voice-{time}.ogg")
    }

    /// Ends the recording: to be sent once it is written, or dropped.
    pub(super) fn end_recording(&mut self, keep: bool) {
        if !keep {
            self.recording = None;
        }
        self.effects.push(Effect::EndRecording(keep));
    }

    /// What is recorded is shown: where its window went, it is dropped.
    pub(super) fn watch_recording(&mut self) {
        let is_shown = matches!(self.window, Some(Window::Recording));
        if self.recording.is_some() && !(is_shown && matches!(self.phase, Phase::Open)) {
            self.end_recording(false);
        }
        if is_shown && self.recording.is_none() {
            self.window = None;
        }
    }

    /// Plays the voice note of an entry, or stops it.
    pub(super) fn play_voice(&mut self, entry: EntryId) {
        if self.playing.as_ref().is_some_and(|playing| playing.entry == entry) {
            self.stop_playing();
            return;
        }
        let Some(file) = self.file_of(entry) else {
            self.notify(Tone::Bad, "This message offers no file.");
            return;
        };
        if file.voice.is_none() {
            self.notify(Tone::Bad, "This file is no voice note.");
            return;
        }
        let path = file.path.as_ref().filter(|_| file.state == FileState::Here);
        let Some(path) = path.map(PathBuf::from).filter(|path| path.is_absolute()) else {
            self.notify(Tone::Bad, "The file is not here.");
            return;
        };
        let number = self.next_request;
        self.next_request += 1;
        self.playing = Some(Playing { number, entry, millis: 0 });
        self.effects.push(Effect::Play(number, path));
    }

    fn stop_playing(&mut self) {
        if self.playing.take().is_some() {
            self.effects.push(Effect::StopPlaying);
        }
    }

    /// Whether an entry has a voice note that can be played.
    pub(in crate::tui) fn is_voice_note(view: &EntryView) -> bool {
        let file = view.file.as_ref().filter(|_| !view.deleted);
        file.is_some_and(|file| file.state == FileState::Here && file.voice.is_some())
    }

    /// What the microphone or the loudspeaker does. What belongs to neither is passed over.
    pub(super) fn heard(&mut self, number: u64, heard: Heard) {
        match heard {
            Heard::Recording(millis, level) => {
                let recording = self.recording.as_mut().filter(|one| one.number == number);
                if let Some(recording) = recording {
                    recording.millis = millis;
                    if recording.levels.len() == SHOWN_LEVELS {
                        recording.levels.remove(0);
                    }
                    recording.levels.push(level);
                }
            }
            Heard::Recorded(result) => {
                let Some(recording) = self.recording.take_if(|one| one.number == number) else {
                    // Dropped while it was written: nobody would know that it lies there.
                    if let Ok(Some((path, _))) = result {
                        self.effects.push(Effect::ForgetRecording(path));
                    }
                    return;
                };
                match result {
                    Ok(Some((path, voice))) => {
                        self.offer(recording.conversation, &path, Some(voice));
                    }
                    Ok(None) => self.notify(Tone::Info, "There was nothing to send."),
                    Err(why) => self.sound_failed(why),
                }
            }
            Heard::Playing(millis) => {
                if let Some(playing) = self.playing.as_mut().filter(|one| one.number == number) {
                    playing.millis = millis;
                }
            }
            Heard::Played(result) => {
                let is_it = self.playing.take_if(|one| one.number == number).is_some();
                if let Some(why) = result.err().filter(|_| is_it) {
                    self.sound_failed(why);
                }
            }
        }
    }

    fn sound_failed(&mut self, why: String) {
        self.notify(Tone::Bad, why);
        // The system's part of it may have written over the screen.
        self.effects.push(Effect::Redraw);
    }
}
