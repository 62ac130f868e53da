//! The thread that owns the database, and group commit.
//!
//! ```text
//! Store ──Job──▶ bounded queue ──▶ thread: BEGIN, job, job, job …, COMMIT ──answers──▶ Store
//! ```

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    thread::JoinHandle,
};

use tokio::sync::{
    mpsc::{self, error::TrySendError},
    oneshot, watch,
};

use super::{Core, Result, StoreError};

/// Jobs that may wait. A page of pipelined sends fits; more would only be latency.
pub(super) const MAX_QUEUED: usize = 1024;
/// A group takes no further job once it has written so many entries: some 50 ms of work, so that
/// no answer waits long, and few enough that the pages that they change stay in the cache.
const MAX_GROUP_ENTRIES: usize = 1024;

/// Runs in a group; returns what is to be done with the answer after the commit.
type Job = Box<dyn FnOnce(&mut Core) -> Answer + Send>;
/// Sends the answer: that of the job if the commit went well, else why it did not.
type Answer = Box<dyn FnOnce(Option<&StoreError>) + Send>;

enum Message {
    Job(Job),
    Close(oneshot::Sender<Result<()>>),
}

/// The other end of the thread's queue.
pub(super) struct Actor {
    queue: mpsc::Sender<Message>,
    damage: watch::Receiver<Option<StoreError>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Actor").field("free", &self.free()).finish_non_exhaustive()
    }
}

/// A thread that waits for what it is to own: so nothing is lost if there can be none.
pub(super) struct Starting {
    core: oneshot::Sender<Core>,
    queue: mpsc::Sender<Message>,
    thread: JoinHandle<()>,
}

impl Starting {
    pub(super) fn new() -> Result<Self> {
        let (queue, jobs) = mpsc::channel(MAX_QUEUED);
        let (core, given) = oneshot::channel();
        let thread = std::thread::Builder::new().name("store".to_owned()).spawn(move || {
            if let Ok(core) = given.blocking_recv() {
                run(core, jobs);
            }
        })?;
        Ok(Self { core, queue, thread })
    }

    pub(super) fn run(self, core: Core, damage: watch::Receiver<Option<StoreError>>) -> Actor {
        // The thread waits for it, so it takes it.
        let _ = self.core.send(core);
        Actor { queue: self.queue, damage, thread: Mutex::new(Some(self.thread)) }
    }
}

impl Actor {
    pub(super) fn free(&self) -> usize {
        self.queue.capacity()
    }

    pub(super) async fn damage(&self) -> StoreError {
        let mut damage = self.damage.clone();
        let found = damage.wait_for(Option::is_some).await.ok().and_then(|found| found.clone());
        match found {
            Some(error) => error,
            // The check is over and found nothing.
            None => std::future::pending().await,
        }
    }

    pub(super) async fn call<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Core) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (sender, answer) = oneshot::channel();
        let job: Job = Box::new(move |core| {
            let result = core.in_savepoint(job);
            Box::new(move |failed| {
                // Nobody may wait any more.
                let _ = sender.send(match failed {
                    Some(error) if result.is_ok() => Err(error.clone()),
                    _ => result,
                });
            })
        });
        // At once if there is a place, so that jobs stand in the queue in the order in which they
        // were first polled: tokio makes a task that polls many wait in the middle of them.
        if let Err(error) = self.queue.try_send(Message::Job(job)) {
            let message = match error {
                TrySendError::Full(message) => message,
                TrySendError::Closed(_) => return Err(StoreError::Closed),
            };
            self.queue.send(message).await.map_err(|_| StoreError::Closed)?;
        }
        answer.await.map_err(|_| StoreError::Closed)?
    }

    pub(super) async fn close(&self) -> Result<()> {
        let (sender, answer) = oneshot::channel();
        self.queue.send(Message::Close(sender)).await.map_err(|_| StoreError::Closed)?;
        let closed = answer.await.map_err(|_| StoreError::Closed)?;
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // It has answered, so it is at its end.
            let _ = thread.join();
        }
        closed
    }
}

fn run(mut core: Core, mut jobs: mpsc::Receiver<Message>) {
    let mut answers = Vec::new();
    while let Some(first) = jobs.blocking_recv() {
        let mut next = Some(first);
        let mut closing = None;
        core.begin();
        while let Some(message) = next {
            match message {
                Message::Job(job) => answers.push(job(&mut core)),
                Message::Close(sender) => {
                    closing = Some(sender);
                    break;
                }
            }
            next = if answers.len() < MAX_QUEUED && core.written() < MAX_GROUP_ENTRIES {
                jobs.try_recv().ok()
            } else {
                None
            };
        }
        let committed = core.commit();
        for answer in answers.drain(..) {
            answer(committed.as_ref().err());
        }
        if let Some(sender) = closing {
            jobs.close();
            let closed = core.close();
            let _ = sender.send(committed.and(closed));
            return;
        }
        if jobs.is_empty() {
            core.rest();
        }
    }
    let _ = core.close();
}
