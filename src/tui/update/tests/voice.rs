//! Voice notes: recorded, sent, dropped, played.

use std::path::PathBuf;

use super::{files::file, *};
use crate::{
    node::api::FileState,
    tui::sound::Heard,
    voice::{MEDIA_TYPE, Voice},
};

fn note(number: u8, state: FileState) -> EntryView {
    let mut view = file(number, BOB, "voice.ogg", state);
    let file = view.file.as_mut().unwrap();
    (file.media_type, file.voice) = (MEDIA_TYPE.into(), Voice::new(9_000, vec![1, 2, 3]));
    view
}

impl Stage {
    /// What is asked of the microphone or the loudspeaker next, taken.
    fn sound(&mut self) -> Option<Effect> {
        let is_one = |effect: &Effect| {
            use Effect::{EndRecording, ForgetRecording, Play, Record, StopPlaying};
            let is_recording = matches!(effect, Record(..) | EndRecording(_) | ForgetRecording(_));
            is_recording || matches!(effect, Play(..) | StopPlaying)
        };
        let at = self.other.iter().position(is_one)?;
        Some(self.other.remove(at))
    }

    /// Begins a recording: its number and its path.
    fn record(&mut self) -> (u64, PathBuf) {
        self.enter("/voice");
        match self.sound() {
            Some(Effect::Record(number, path)) => (number, path),
            other => panic!("{other:?}"),
        }
    }

    fn is_recording(&self) -> bool {
        matches!(self.model.window, Some(Window::Recording))
    }
}

#[test]
fn a_voice_note_is_recorded_and_sent() {
    let mut stage = Stage::open(vec![]);
    let (number, path) = stage.record();
    assert_eq!(path, PathBuf::from("/home/me/voice/voice-2026-11-14-140509.ogg"));
    stage.tell(Msg::Heard(number, Heard::Recording(1_500, 77)));
    let recording = stage.model.recording.as_ref().unwrap();
    assert_eq!((recording.millis, &recording.levels[..]), (1_500, &[77][..]));
    // Other keys do nothing, not even F1.
    for key in ["x", "f1", "up"] {
        stage.key(key);
        assert!(stage.is_recording() && stage.sound().is_none(), "{key}");
    }
    stage.key("enter");
    assert!(matches!(stage.sound(), Some(Effect::EndRecording(true))));
    assert!(stage.is_recording(), "until it is written");
    let voice = Voice::new(1_600, vec![77]).unwrap();
    let recorded = Heard::Recorded(Ok(Some((path.clone(), voice.clone()))));
    stage.tell(Msg::Heard(number + 1, Heard::Recorded(Ok(None))));
    stage.nothing();
    stage.tell(Msg::Heard(number, recorded));
    assert!(!stage.is_recording());
    let Command::SendFile { conversation: WITH_BOB, path: sent, voice: Some(said) } =
        stage.command()
    else {
        panic!("it is not sent");
    };
    assert_eq!((PathBuf::from(sent), said), (path, voice));
}

#[test]
fn a_recording_is_dropped_with_its_window() {
    let mut stage = Stage::open(vec![]);
    let (number, path) = stage.record();
    stage.key("esc");
    assert!(matches!(stage.sound(), Some(Effect::EndRecording(false))));
    assert!(!stage.is_recording() && stage.sound().is_none());
    stage.tell(Msg::Heard(number, Heard::Recorded(Ok(None))));
    stage.nothing();
    assert!(stage.sound().is_none());
    // After Enter, while it is written: it does not stay there unseen.
    let (number, _) = stage.record();
    stage.key("enter");
    assert!(matches!(stage.sound(), Some(Effect::EndRecording(true))));
    stage.key("esc");
    assert!(matches!(stage.sound(), Some(Effect::EndRecording(false))));
    let voice = Voice::new(1_600, vec![77]).unwrap();
    stage.tell(Msg::Heard(number, Heard::Recorded(Ok(Some((path.clone(), voice))))));
    stage.nothing();
    let Some(Effect::ForgetRecording(forgotten)) = stage.sound() else { panic!("it stays") };
    assert_eq!(forgotten, path);
    // Something else comes over it: a question before leaving.
    stage.type_in("a draft");
    stage.model.record_voice();
    stage.tell(Msg::Tick);
    assert!(matches!(stage.sound(), Some(Effect::Record(..))));
    stage.key("ctrl-q");
    assert!(!stage.question().is_empty());
    assert!(matches!(stage.sound(), Some(Effect::EndRecording(false))));
    assert!(stage.model.recording.is_none());
}

#[test]
fn what_is_wrong_with_a_recording_is_said() {
    let mut stage = Stage::open(vec![]);
    let (number, _) = stage.record();
    let why = "There is no microphone here.";
    stage.tell(Msg::Heard(number, Heard::Recorded(Err(why.into()))));
    assert_eq!(stage.notice(), why);
    assert!(!stage.is_recording() && stage.model.recording.is_none());
    assert!(stage.other.iter().any(|effect| matches!(effect, Effect::Redraw)));
    // Enter before anything was heard.
    let (number, _) = stage.record();
    stage.key("enter");
    stage.tell(Msg::Heard(number, Heard::Recorded(Ok(None))));
    assert_eq!(stage.notice(), "There was nothing to send.");
    stage.nothing();
}

#[test]
fn a_voice_note_is_played_and_stopped_with_the_same_key() {
    let mut other = note(3, FileState::Here);
    // Music of the same type: its author says nothing of a voice.
    other.file.as_mut().unwrap().voice = None;
    let mut stage = Stage::open(vec![note(1, FileState::Here), note(2, FileState::Offered), other]);
    stage.key("alt-up");
    stage.key("l");
    assert_eq!(stage.notice(), "This file is no voice note.");
    stage.key("k");
    stage.key("l");
    assert_eq!(stage.notice(), "The file is not here.");
    stage.key("k");
    for key in ["l", "enter"] {
        stage.key(key);
        let Some(Effect::Play(number, path)) = stage.sound() else { panic!("{key}") };
        assert_eq!(path, PathBuf::from("/home/me/voice.ogg"));
        stage.tell(Msg::Heard(number + 1, Heard::Playing(1_000)));
        assert_eq!(stage.model.playing.as_ref().unwrap().millis, 0, "of another");
        stage.tell(Msg::Heard(number, Heard::Playing(4_500)));
        assert_eq!(stage.model.playing.as_ref().unwrap().millis, 4_500);
        stage.key(key);
        assert!(matches!(stage.sound(), Some(Effect::StopPlaying)));
        assert!(stage.model.playing.is_none());
    }
    // It ends by itself, well or not.
    for (result, notice) in [(Ok(()), None), (Err("The loudspeaker is gone."), Some(()))] {
        stage.key("l");
        let Some(Effect::Play(number, _)) = stage.sound() else { panic!() };
        let result = result.map_err(str::to_owned);
        stage.tell(Msg::Heard(number, Heard::Played(result)));
        assert!(stage.model.playing.is_none() && stage.sound().is_none());
        assert_eq!(stage.notice() == "The loudspeaker is gone.", notice.is_some());
    }
}
