//! The JSON-RPC 2.0 front end: one object a line in, one object a line out, for programs.
//!
//! A line is taken only when there is a place for its request, a request is sent when the node has
//! room, and whatever the node says is written before more is done. So a program that stops
//! reading slows down what it asks for, and nothing piles up.

mod input;
mod lines;
mod methods;
mod signals;

use std::{collections::HashMap, future::Future, io, time::Duration};

use futures::FutureExt;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufRead, AsyncWrite, AsyncWriteExt, BufWriter},
    time::{sleep, timeout},
};

pub use self::input::standard_input;
use self::{
    lines::{Line, Lines},
    methods::{Call, Refusal},
};
use crate::node::api::{Command, Event, Failure, FailureKind, Handle, Request};

/// Requests accepted and not answered yet; more lines are read when answers have gone out.
const MAX_PENDING: usize = 4096;

/// What is under way may take so long to end when the program is asked to; whoever stopped reading
/// is not waited for.
const GRACE: Duration = Duration::from_secs(10);

/// So long the node may take to end when nobody can be told any more.
const CLOSING: Duration = Duration::from_secs(5);

/// Why the front end ended before its input did.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The profile could not be opened.
    #[error("{}", .0.text)]
    Stopped(Failure),
    /// Standard input or output failed.
    #[error("standard input or output: {0}")]
    Io(#[from] io::Error),
    /// A signal asked to end, and 10 s later what was under way had not.
    #[error("asked to end, and what was under way did not: does nobody read the output?")]
    Late,
}

/// Speaks JSON-RPC until the input ends, `shutdown` is called, or a signal asks to end; then
/// everything that was accepted is on disk.
///
/// # Errors
///
/// [`Error::Stopped`] when the profile can't be opened (the reason also goes out as an event
/// `stopped`), [`Error::Io`] when the other side of the pipes fails, [`Error::Late`].
pub async fn run(
    mut node: Handle,
    input: impl AsyncBufRead + Unpin,
    output: impl AsyncWrite + Unpin,
) -> Result<(), Error> {
    let stop = signals::stop().shared();
    let late = stop.clone().then(|()| sleep(GRACE));
    let ended = tokio::select! {
        ended = talk(&mut node, input, output, stop) => ended,
        () = late => Err(Error::Late),
    };
    if ended.is_err() {
        // Without requests the node ends; what it still says is for nobody.
        let Handle { requests, mut events } = node;
        drop(requests);
        let end = async { while events.recv().await.is_some() {} };
        let _ = timeout(CLOSING, end).await;
    }
    ended
}

async fn talk(
    node: &mut Handle,
    input: impl AsyncBufRead + Unpin,
    output: impl AsyncWrite + Unpin,
    mut stop: impl Future<Output = ()> + Unpin,
) -> Result<(), Error> {
    let Handle { requests, events } = node;
    let mut output = Output(BufWriter::new(output));
    let mut lines = Lines::new(input);
    let mut state = State::default();
    loop {
        let wants_line = state.ready
            && !state.input_ended
            && state.outgoing.is_none()
            && state.pending.len() < MAX_PENDING;
        tokio::select! {
            event = events.recv() => {
                let Some(event) = event else { break };
                if let Event::Stopped { failure } = event {
                    if let Some(failure) = failure {
                        output.event(&Event::Stopped { failure: Some(failure.clone()) }).await?;
                        output.flush().await?;
                        return Err(Error::Stopped(failure));
                    }
                    break;
                }
                state.handle(event, &mut output).await?;
                if events.is_empty() {
                    output.flush().await?;
                }
            }
            permit = requests.reserve(), if state.outgoing.is_some() => {
                let (Ok(permit), Some(request)) = (permit, state.outgoing.take()) else { break };
                permit.send(request);
            }
            () = &mut stop, if !state.input_ended => state.input_ended = true,
            line = lines.next(), if wants_line => {
                match line? {
                    Some(line) => {
                        if let Some(answer) = state.accept(line) {
                            output.line(&answer).await?;
                            output.flush().await?;
                        }
                    }
                    None => state.input_ended = true,
                }
            }
        }
        state.shut_down_if_done();
    }
    output.flush().await?;
    Ok(())
}

/// What is between the lines and the node.
#[derive(Default)]
struct State {
    ready: bool,
    input_ended: bool,
    stopping: bool,
    next_number: u64,
    /// The JSON-RPC id by request number; none for a notification.
    pending: HashMap<u64, Option<Value>>,
    outgoing: Option<Request>,
}

impl State {
    /// Takes a line in. Some lines are answered at once.
    fn accept(&mut self, line: Line) -> Option<Value> {
        let call = match line {
            Line::Text(text) => methods::parse(&text),
            Line::NotUtf8 => Err((Some(Value::Null), Refusal::parse("the line is not UTF-8"))),
            Line::TooLong => {
                Err((Some(Value::Null), Refusal::parse("the line is over 1 MiB long")))
            }
        };
        match call {
            Ok((id, Call::Result(result))) => id.map(|id| answered(&id, &result)),
            Ok((id, Call::Command(command))) => {
                let number = self.request(command);
                self.pending.insert(number, id);
                None
            }
            Err((id, refusal)) => id.map(|id| refused(&id, &refusal)),
        }
    }

    fn request(&mut self, command: Command) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        self.outgoing = Some(Request { number, command });
        number
    }

    async fn handle(
        &mut self,
        event: Event,
        output: &mut Output<impl AsyncWrite + Unpin>,
    ) -> Result<(), Error> {
        match event {
            Event::Answered { request, result } => match self.pending.remove(&request) {
                Some(Some(id)) => match result {
                    Ok(answer) => output.line(&answered(&id, &answer)).await?,
                    Err(failure) => output.line(&refused(&id, &failure.into())).await?,
                },
                Some(None) => {}
                // To a command of this front end itself: opening or creating the profile.
                None => {
                    if let Err(failure) = result {
                        return self.give_up(failure, output).await;
                    }
                }
            },
            Event::ProfileNeeded if self.stopping => {}
            Event::ProfileNeeded => {
                self.request(Command::CreateProfile { name: String::new(), passphrase: None });
            }
            Event::PassphraseNeeded => {
                let text = "This profile has a passphrase: give it with --passphrase-fd.";
                let kind = FailureKind::WrongPassphrase;
                return self.give_up(Failure { kind, text: text.to_owned() }, output).await;
            }
            event => {
                self.ready |= matches!(event, Event::Ready { .. });
                output.event(&event).await?;
            }
        }
        Ok(())
    }

    async fn give_up(
        &self,
        failure: Failure,
        output: &mut Output<impl AsyncWrite + Unpin>,
    ) -> Result<(), Error> {
        output.event(&Event::Stopped { failure: Some(failure.clone()) }).await?;
        output.flush().await?;
        Err(Error::Stopped(failure))
    }

    fn shut_down_if_done(&mut self) {
        // Before the profile is open there is nothing that could be on its way.
        let done = self.input_ended && self.pending.is_empty() && self.outgoing.is_none();
        if done && !self.stopping {
            self.stopping = true;
            self.request(Command::Shutdown);
        }
    }
}

fn answered(id: &Value, result: &impl Serialize) -> Value {
    // An answer is made of strings, numbers and lists: it always serialises.
    let result = serde_json::to_value(result).unwrap_or(Value::Null);
    json!({ "jsonrpc": "2.0", "id": id, "result": result })
}

fn refused(id: &Value, refusal: &Refusal) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": refusal })
}

/// Standard output, a line at a time.
struct Output<W>(BufWriter<W>);

impl<W: AsyncWrite + Unpin> Output<W> {
    async fn line(&mut self, value: &impl Serialize) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(value)?;
        bytes.push(b'\n');
        self.0.write_all(&bytes).await
    }

    async fn event(&mut self, event: &Event) -> io::Result<()> {
        #[derive(Serialize)]
        struct Notification<'a> {
            jsonrpc: &'static str,
            method: &'static str,
            params: &'a Event,
        }
        self.line(&Notification { jsonrpc: "2.0", method: "event", params: event }).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.0.flush().await
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::own(failure.kind, failure.text)
    }
}
