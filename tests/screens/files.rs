//! Files: in the conversation, on their way, chosen, shown.

use super::*;

/// An offered file, with a longer name than fits for some.
fn file(number: u8, author: Identity, name: &str, size: u64, state: FileState) -> EntryView {
    let media_type = if name.contains(".png") { "image/png" } else { "" };
    let path = match state {
        FileState::Here if author == ME => Some(format!("/home/alice/Pictures/canal/{name}")),
        FileState::Here => Some(format!("/home/alice/Downloads/{name}")),
        _ => None,
    };
    let file = FileView {
        name: name.to_owned(),
        size,
        media_type: media_type.to_owned(),
        blob: "b1".repeat(32),
        folder: false,
        preview: None,
        voice: None,
        state,
        path,
    };
    let minutes_ago = 60 - u64::from(number);
    EntryView {
        kind: EntryKind::File,
        text: None,
        file: Some(Box::new(file)),
        ..entry(number, author, minutes_ago, "")
    }
}

const FILM: EntryId = EntryId([24; 32]);
const VANISHED: EntryId = EntryId([25; 32]);

/// Files in every state, two of them on their way.
pub fn offer_files(stage: &mut Stage) {
    let tell = |stage: &mut Stage, message| {
        stage.tell(Msg::Node(Event::FileOffered { conversation: conversation_id(1), message }));
    };
    let long = "Der_lange_Film_vom_Wochenende_am_Kanal_日本語_mit_allen.director's-cut.mkv";
    tell(stage, file(21, ME, "lock.png", 2_400_000, FileState::Here));
    let fetched = Event::FileFetched {
        conversation: conversation_id(1),
        entry: EntryId([21; 32]),
        by: BERTRAND,
    };
    stage.tell(Msg::Node(fetched));
    tell(stage, file(22, BERTRAND, "notes.txt", 512, FileState::Offered));
    tell(stage, file(23, BERTRAND, "canal.png", 3_100_000, FileState::Here));
    tell(stage, file(24, BERTRAND, long, 1_000_000_000, FileState::Fetching));
    tell(stage, file(25, BERTRAND, "lost.zip", 40_000_000, FileState::Fetching));
    tell(stage, file(26, ME, "old.png", 99, FileState::Gone));
    let progress = |entry, done, total| Event::FileProgress {
        conversation: conversation_id(1),
        entry,
        done,
        total,
        bytes_per_second: 12_300_000,
        holders: 2,
    };
    stage.tell(Msg::Node(progress(FILM, 430_000_000, 1_000_000_000)));
    stage.tell(Msg::Node(progress(VANISHED, 10_000_000, 40_000_000)));
    stage.tell(Msg::Node(Event::FileFailed {
        conversation: conversation_id(1),
        entry: VANISHED,
        kind: FailureKind::FileGone,
        text: "The file has changed or vanished at whoever offered it. What came of it is kept; \
               ask them to send it again."
            .into(),
    }));
    let stopped = file(25, BERTRAND, "lost.zip", 40_000_000, FileState::Stopped);
    let conversation = conversation_id(1);
    stage.tell(Msg::Node(Event::EntryChanged { conversation, message: stopped }));
    // The sentence about it has gone.
    stage.press(KeyCode::Esc);
}

#[test]
fn files_in_the_conversation() {
    snapshot("files", offer_files, true);
    let prepare = |stage: &mut Stage| {
        offer_files(stage);
        stage.key(KeyCode::Up, KeyModifiers::ALT);
        for _ in 0..4 {
            stage.press(KeyCode::Char('k'));
        }
    };
    snapshot("files-selected", prepare, true);
    let prepare = |stage: &mut Stage| {
        offer_files(stage);
        stage.key(KeyCode::Up, KeyModifiers::ALT);
        for _ in 0..3 {
            stage.press(KeyCode::Char('k'));
        }
        stage.press(KeyCode::Char('i'));
    };
    snapshot("file-details", prepare, true);
}

#[test]
fn a_picture_that_is_offered_has_a_preview() {
    // Each of one colour: a few rows of a wide one, and of a high one.
    let offered = |number, name: &str, hash: &str| {
        let mut offered = file(number, BERTRAND, name, 3_100_000, FileState::Offered);
        let preview = Preview::try_from(hash.to_owned()).unwrap();
        offered.file.as_mut().unwrap().preview = Some(preview);
        offered
    };
    let prepare = |stage: &mut Stage| {
        let conversation = conversation_id(1);
        for message in [
            offered(22, "sunrise.png", "20280304800000000000000000000000000000"),
            offered(23, "portrait.png", "20ea00050000000000000000000000000000000000"),
        ] {
            stage.tell(Msg::Node(Event::FileOffered { conversation, message }));
        }
        stage.key(KeyCode::Up, KeyModifiers::ALT);
    };
    snapshot("preview", prepare, true);
}

#[test]
fn a_voice_note_shows_how_long_and_how_loud_it_is() {
    let prepare = |stage: &mut Stage| {
        let mut note = file(22, BERTRAND, "voice.ogg", 84_000, FileState::Offered);
        let levels = (0..64_u8).map(|at| 120 - at.abs_diff(32) * 3 + 40 * (at % 3)).collect();
        note.file.as_mut().unwrap().voice = Voice::new(42_000, levels);
        let conversation = conversation_id(1);
        stage.tell(Msg::Node(Event::FileOffered { conversation, message: note }));
    };
    snapshot("voice", prepare, true);
}

#[test]
fn a_voice_note_that_is_recorded_or_played() {
    let prepare = |stage: &mut Stage| {
        stage.type_in("/voice");
        stage.press(KeyCode::Enter);
    };
    snapshot("recording", prepare, true);
    let prepare = |stage: &mut Stage| {
        let mut note = file(22, BERTRAND, "voice.ogg", 84_000, FileState::Here);
        let file = note.file.as_mut().unwrap();
        file.voice = Voice::new(42_000, (0..64).map(|at| 40 + 20 * (at % 10)).collect());
        file.media_type = "audio/ogg".to_owned();
        let conversation = conversation_id(1);
        stage.tell(Msg::Node(Event::FileOffered { conversation, message: note }));
        stage.key(KeyCode::Up, KeyModifiers::ALT);
        stage.press(KeyCode::Char('l'));
    };
    snapshot("voice-played", prepare, true);
}

#[test]
fn a_picture() {
    let prepare = |stage: &mut Stage| {
        offer_files(stage);
        stage.key(KeyCode::Up, KeyModifiers::ALT);
        for _ in 0..3 {
            stage.press(KeyCode::Char('k'));
        }
        stage.press(KeyCode::Enter);
    };
    snapshot("picture", prepare, true);
}

#[test]
fn files_on_their_way() {
    let prepare = |stage: &mut Stage| {
        offer_files(stage);
        stage.press(KeyCode::F(6));
        stage.press(KeyCode::Down);
    };
    snapshot("transfers", prepare, true);
    let prepare = |stage: &mut Stage| {
        offer_files(stage);
        let conversation = conversation_id(1);
        let message = file(23, ME, "holidays.mp4", 1_200_000_000, FileState::Here);
        let entry = message.entry;
        stage.tell(Msg::Node(Event::FileOffered { conversation, message }));
        let sent = Event::FileSent { conversation, entry, to: BERTRAND, bytes: 400_000_000 };
        stage.tell(Msg::Node(sent));
        stage.press(KeyCode::F(6));
        (0..9).for_each(|_| stage.press(KeyCode::Down));
        stage.press(KeyCode::Char('s'));
    };
    snapshot("transfers-sent", prepare, true);
    snapshot("transfers-none", |stage| stage.press(KeyCode::F(6)), true);
}

#[test]
fn choosing_a_file() {
    let prepare = |stage: &mut Stage| {
        stage.press(KeyCode::F(5));
        stage.press(KeyCode::Down);
        stage.press(KeyCode::Down);
    };
    snapshot("picker", prepare, true);
    let prepare = |stage: &mut Stage| {
        stage.press(KeyCode::F(5));
        stage.type_in("写");
    };
    snapshot("picker-found", prepare, true);
    let prepare = |stage: &mut Stage| stage.tell(Msg::Paste("/home/alice/写真.png".into()));
    snapshot("dropped", prepare, true);
}
