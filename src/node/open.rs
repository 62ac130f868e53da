//! Opening the profile: before there is a store there is nothing but this.

use tokio::{sync::mpsc, task::spawn_blocking};

use super::{
    Config,
    api::{Answer, Command, Event, Failure, FailureKind, Passphrase, Request},
    failure,
    run::Node,
};
use crate::store::{self, Directory, Presence, Store, StoreError};

/// The two ends that the node has of its front end.
struct FrontEnd {
    requests: mpsc::Receiver<Request>,
    events: mpsc::Sender<Event>,
}

/// Opens the profile with the front end's help, then runs the node.
pub async fn run(config: Config, requests: mpsc::Receiver<Request>, events: mpsc::Sender<Event>) {
    let mut front_end = FrontEnd { requests, events };
    let failure = match open(&config, &mut front_end).await {
        Ok(Some(store)) => {
            let FrontEnd { requests, events } = front_end;
            let stopped = events.clone();
            let failure = match Node::new(&config, store, events).await {
                Ok(node) => Box::pin(node.run(requests)).await.err(),
                Err(failure) => Some(failure),
            };
            let _ = stopped.send(Event::Stopped { failure }).await;
            return;
        }
        Ok(None) => None,
        Err(failure) => Some(failure),
    };
    front_end.tell(Event::Stopped { failure }).await;
}

/// The open store, or none if the front end wants to end before that.
async fn open(config: &Config, front_end: &mut FrontEnd) -> Result<Option<Store>, Failure> {
    let path = config.directory.clone();
    let directory = blocking(move || store::lock(&path)).await??;
    match directory.presence() {
        Presence::Unlocked => {
            let opened = blocking(move || store::open(directory, None)).await?;
            opened.map(Some).map_err(|(_, error)| error.into())
        }
        Presence::Locked => {
            if let Some(given) = config.passphrase.clone() {
                let opened = blocking(move || store::open(directory, Some(given.0.as_str())));
                return opened.await?.map(Some).map_err(|(_, error)| error.into());
            }
            front_end.tell(Event::PassphraseNeeded).await;
            unlock(directory, front_end).await
        }
        Presence::Fresh => {
            front_end.tell(Event::ProfileNeeded).await;
            create(directory, front_end, config.passphrase.clone()).await
        }
    }
}

async fn create(
    directory: Directory,
    front_end: &mut FrontEnd,
    given: Option<Passphrase>,
) -> Result<Option<Store>, Failure> {
    while let Some(Request { number, command }) = front_end.requests.recv().await {
        match command {
            Command::CreateProfile { name, passphrase } => {
                let created = blocking(move || {
                    let passphrase = passphrase.or(given);
                    let passphrase = passphrase.as_ref().map(|passphrase| passphrase.0.as_str());
                    store::create(directory, &name, passphrase)
                });
                let store = created.await??;
                front_end.answer(number, Ok(Answer::Done {})).await;
                return Ok(Some(store));
            }
            command => {
                if front_end.refuse(number, &command).await {
                    return Ok(None);
                }
            }
        }
    }
    Ok(None)
}

async fn unlock(
    mut directory: Directory,
    front_end: &mut FrontEnd,
) -> Result<Option<Store>, Failure> {
    while let Some(Request { number, command }) = front_end.requests.recv().await {
        match command {
            Command::Unlock { passphrase } => {
                let opened = blocking(move || store::open(directory, Some(passphrase.0.as_str())));
                match opened.await? {
                    Ok(store) => {
                        front_end.answer(number, Ok(Answer::Done {})).await;
                        return Ok(Some(store));
                    }
                    Err((again, error @ StoreError::WrongPassphrase)) => {
                        directory = again;
                        front_end.answer(number, Err(error.into())).await;
                    }
                    Err((_, error)) => return Err(error.into()),
                }
            }
            command => {
                if front_end.refuse(number, &command).await {
                    return Ok(None);
                }
            }
        }
    }
    Ok(None)
}

/// Runs what may take a second (Argon2, the disk) where it holds up nothing.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    spawn_blocking(work).await.map_err(|error| failure(FailureKind::Internal, error.to_string()))
}

impl FrontEnd {
    async fn tell(&self, event: Event) {
        // If the front end is gone there is nobody to tell.
        let _ = self.events.send(event).await;
    }

    async fn answer(&self, request: u64, result: Result<Answer, Failure>) {
        self.tell(Event::Answered { request, result }).await;
    }

    /// Answers what can't be done without a profile; true if the front end wants to end.
    async fn refuse(&self, number: u64, command: &Command) -> bool {
        if matches!(command, Command::Shutdown) {
            self.answer(number, Ok(Answer::Done {})).await;
            return true;
        }
        let text = "The profile is not open yet.";
        self.answer(number, Err(failure(FailureKind::NotReady, text))).await;
        false
    }
}
