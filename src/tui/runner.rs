//! The loop: keys, the node's events, what the disk says and the time in, frames and requests out.

use std::{
    collections::VecDeque,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crossterm::event::{Event as Input, EventStream, KeyEventKind};
use futures::StreamExt as _;
use rustix::process::Signal;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    Effect, Error, Model, Msg, Options, disk::Disk, graphics::Answers, model::MAX_PENDING,
    sound::Sound, terminal::Screen, update,
};
use crate::node::api::{Command, Event, Handle, Request, UnixMillis};

/// The least time between two frames: more than 60 a second nobody sees.
const FRAME: Duration = Duration::from_millis(16);

/// Events taken in one go between two looks at the keyboard.
const BURST: usize = 500;

/// How long the node may take to close: it writes what it accepted, which takes milliseconds,
/// and says goodbye to its links. Beyond that something hangs, and the terminal should be free.
const CLOSING: Duration = Duration::from_secs(10);

fn unix_now() -> UnixMillis {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis::try_from(now.as_millis()).unwrap_or(UnixMillis::MAX)
}

/// Opens the screen and keeps it until the user leaves or the node ends; then the node has
/// closed as well. Draws its first frame at once, whatever the node does.
///
/// # Errors
///
/// [`Error::Config`] before anything is drawn; [`Error::Terminal`] if the terminal cannot be used;
/// [`Error::Stopped`] with a sentence for people if the node ended by itself.
pub async fn run(mut node: Handle, options: Options) -> Result<(), Error> {
    let mut model = Model::new(&options, unix_now())?;
    let mut outbox = VecDeque::new();
    let ended = {
        let mut screen = Screen::enter()?;
        let chosen = options.config.pictures;
        let mut answers = Answers::new(chosen, &options.surroundings, unix_now());
        if let Some(question) = answers.poll_question().filter(|_| model.theme.has_colours()) {
            screen.ask(&question)?;
        }
        main_loop(&mut model, &mut screen, &mut node, &mut outbox, &mut answers).await
    };
    let failure = timeout(CLOSING, close(&mut node, outbox)).await.unwrap_or_default();
    match ended?.or(failure) {
        Some(reason) => Err(Error::Stopped(reason)),
        None => Ok(()),
    }
}

/// Hands over what was accepted, and waits for the node's end. Some sentence if it went wrong.
async fn close(node: &mut Handle, outbox: VecDeque<Request>) -> Option<String> {
    for request in outbox {
        node.requests.send(request).await.ok()?;
    }
    // The number is never used by the model within a lifetime.
    let shutdown = Request { number: u64::MAX, command: Command::Shutdown };
    node.requests.send(shutdown).await.ok()?;
    while let Some(event) = node.events.recv().await {
        if let Event::Stopped { failure } = event {
            return failure.map(|failure| failure.text);
        }
    }
    None
}

fn message(input: Input) -> Option<Msg> {
    match input {
        Input::Key(key) if key.kind != KeyEventKind::Release => Some(Msg::Key(key)),
        Input::Key(_) | Input::Mouse(_) => None,
        Input::Paste(text) => Some(Msg::Paste(text)),
        Input::Resize(columns, rows) => Some(Msg::Resize(columns, rows)),
        Input::FocusGained => Some(Msg::Focus(true)),
        Input::FocusLost => Some(Msg::Focus(false)),
    }
}

/// What came out of the effects: go on, or leave with a reason or none.
type Flow = Option<Option<String>>;

async fn main_loop(
    model: &mut Model,
    screen: &mut Screen,
    node: &mut Handle,
    outbox: &mut VecDeque<Request>,
    answers: &mut Answers,
) -> Result<Option<String>, Error> {
    let mut typed = VecDeque::new();
    let mut input = EventStream::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut resumed = signal(SignalKind::from_raw(Signal::CONT.as_raw()))?;
    let mut is_dirty = true;
    let mut next_frame = Instant::now();
    let mut is_gone = false;
    let mut disk = Disk::default();
    let mut sound = Sound::default();
    loop {
        if is_dirty && Instant::now() >= next_frame {
            // The size is asked for, not only waited for: no frame is drawn for a size that was.
            let ((columns, rows), cell) = screen.size()?;
            let before = [Msg::Resize(columns, rows), Msg::Graphics(answers.graphics(cell))];
            let mut flow = None;
            for msg in before {
                flow = flow.or(step(model, msg, screen, node, (&disk, &mut sound), outbox)?);
            }
            screen.draw(model)?;
            is_dirty = false;
            next_frame = Instant::now() + FRAME;
            flow = flow.or(step(model, Msg::Drawn, screen, node, (&disk, &mut sound), outbox)?);
            if let Some(reason) = flow {
                return Ok(reason);
            }
        }
        let until_tick = Duration::from_millis(model.deadline().saturating_sub(unix_now()));
        let release = answers.poll_timeout();
        let until_release =
            Duration::from_millis(release.unwrap_or_default().saturating_sub(unix_now()));
        let msg = tokio::select! {
                    biased;
                    _ = terminate.recv() => return Ok(None),
                    _ = hangup.recv() => return Ok(None),
                    _ = interrupt.recv() => return Ok(None),
                    _ = resumed.recv() => {
                        screen.resume()?;
                        Msg::Resumed
                    }
                    Some(msg) = async { typed.pop_front() } => msg,
                    () = sleep(until_release), if release.is_some() => {
                        typed.extend(answers.handle_timeout(unix_now()).into_iter().map(Msg::Key));
                        let Some(msg) = typed.pop_front() else { continue };
                        msg
                    }
                    event = input.next() => match event {
                        Some(Ok(event)) => match message(event) {
                            Some(Msg::Key(key)) => {
                                let keys = answers.handle_key(key, unix_now());
                                typed.extend(keys.into_iter().map(Msg::Key));
                                // Without one there may have been an answer.
                                is_dirty = true;
                                let Some(msg) = typed.pop_front() else { continue };
                                msg
                            }
                            Some(msg) => msg,
                            None => continue,
                        },
                        Some(Err(error)) => return Err(error.into()),
                        None => return Ok(None),
                    },
                    permit = node.requests.reserve(), if !outbox.is_empty() && !is_gone => {
                        match (permit, outbox.pop_front()) {
                            (Ok(permit), Some(request)) => permit.send(request),
                            (_, Some(request)) => {
                                is_gone = true;
                                let _ = step(model, Msg::Refused(request.number), screen, node, (&disk, &mut sound), outbox)?;
                            }
                            _ => {}
                        }
                        continue;
                    }
                    () = sleep_until(next_frame), if is_dirty => continue,
                    () = sleep(until_tick) => Msg::Tick,
                    msg = disk.next() => msg,
                    msg = sound.next() => msg,
                    event = node.events.recv(), if !is_gone => event.map_or_else(
        || {
        is_gone = true;
        Msg::NodeGone
        },
        Msg::Node,
        ),
                };
        is_dirty = true;
        let mut flow = step(model, msg, screen, node, (&disk, &mut sound), outbox)?;
        for _ in 0..BURST {
            let Ok(event) = node.events.try_recv() else { break };
            flow =
                flow.or(step(model, Msg::Node(event), screen, node, (&disk, &mut sound), outbox)?);
        }
        if let Some(reason) = flow {
            return Ok(reason);
        }
    }
}

/// One message through the model, and what it wants done.
fn step(
    model: &mut Model,
    msg: Msg,
    screen: &mut Screen,
    node: &Handle,
    (disk, sound): (&Disk, &mut Sound),
    outbox: &mut VecDeque<Request>,
) -> Result<Flow, Error> {
    let mut flow = None;
    let mut messages = VecDeque::from([msg]);
    while let Some(msg) = messages.pop_front() {
        model.set_now(unix_now());
        for effect in update(model, msg) {
            match effect {
                Effect::Send(request) => {
                    if let Some(refused) = send(request, node, outbox) {
                        messages.push_back(Msg::Refused(refused));
                    }
                }
                Effect::Look(number, look) => disk.look(number, look),
                Effect::Open(path) => disk.open(path),
                Effect::Record(number, path) => messages.extend(sound.record(number, path)),
                Effect::EndRecording(keep) => sound.end_recording(keep),
                Effect::ForgetRecording(path) => sound.forget(path),
                Effect::Play(number, path) => messages.extend(sound.play(number, path)),
                Effect::StopPlaying => sound.stop_playing(),
                Effect::Bell => screen.bell()?,
                Effect::Title(title) => screen.title(&title)?,
                Effect::Redraw => screen.redraw()?,
                Effect::Suspend => screen.suspend()?,
                Effect::Quit(reason) => flow = Some(reason),
            }
        }
    }
    Ok(flow)
}

/// Hands a request over, or keeps it until there is room. Its number if neither is possible.
fn send(request: Request, node: &Handle, outbox: &mut VecDeque<Request>) -> Option<u64> {
    use tokio::sync::mpsc::error::TrySendError;
    let number = request.number;
    if outbox.is_empty() {
        match node.requests.try_send(request) {
            Ok(()) => None,
            Err(TrySendError::Full(request)) => {
                outbox.push_back(request);
                None
            }
            Err(TrySendError::Closed(_)) => Some(number),
        }
    } else if outbox.len() < MAX_PENDING {
        outbox.push_back(request);
        None
    } else {
        Some(number)
    }
}
