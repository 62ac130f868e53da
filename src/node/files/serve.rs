//! Sending what another asks for.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use libp2p::Stream;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{
    Happened,
    sources::{Shared, Source, Sources},
    stream::Timed,
};
use crate::{
    blob::{self, Broken, Span},
    conversation::{ConversationId, EntryId},
    identity::Identity,
    node::api::FileState,
    store::Store,
    sync::{
        FileRefusal, FileRequest,
        file_request::{GRANTED, MAX_FILE_REQUEST_BYTES},
    },
};

/// How long a request that is refused may take to come, and the byte of its refusal to leave.
const REFUSAL: Duration = Duration::from_secs(2);

/// How long the next request may take to come, from the first moment to its last byte: whoever has
/// nothing to ask must not hold a stream that others could have.
const REQUEST: Duration = Duration::from_secs(20);

/// Requests that are refused before their stream ends: an honest one ends it at the first, and may
/// have asked for more before it heard that.
const MAX_REFUSALS: u32 = 16;

/// Streams on which one contact is sent files at the same time: two for each of the four files that
/// an honest one fetches. A few who take all of theirs leave some for others.
pub const SHARE: usize = 8;

/// The streams of one contact.
#[derive(Clone)]
pub struct Share {
    streams: Arc<Semaphore>,
    /// Ends them all.
    pub stop: CancellationToken,
}

impl Default for Share {
    fn default() -> Self {
        Self { streams: Arc::new(Semaphore::new(SHARE)), stop: CancellationToken::new() }
    }
}

impl Share {
    /// Waits a moment for a stream that ends, as one does whose file is whole. None: too many are
    /// in use.
    pub async fn take(&self) -> Option<OwnedSemaphorePermit> {
        let permit = Arc::clone(&self.streams).acquire_owned();
        timeout(REFUSAL, permit).await.ok()?.ok()
    }
}

/// What somebody may ask for, and where it is found.
pub struct Serving {
    /// The conversation that the one who asks is in.
    pub conversation: ConversationId,
    /// Knows the files.
    pub store: Store,
    /// Where the hashes lie.
    pub blobs: PathBuf,
    /// Who asks.
    pub who: Identity,
    /// What is being sent, to whomever.
    pub sources: Sources,
    /// Is told what was sent.
    pub happened: mpsc::Sender<Happened>,
}

/// Answers that there is too much to do, whatever is asked.
pub async fn refuse(mut stream: Stream) {
    let answer = async {
        let mut length = [0; 2];
        stream.read_exact(&mut length).await?;
        let request = u64::from(u16::from_be_bytes(length)).min(MAX_FILE_REQUEST_BYTES as u64);
        futures::io::copy((&mut stream).take(request), &mut futures::io::sink()).await?;
        stream.write_all(&[FileRefusal::Busy.number()]).await?;
        stream.close().await
    };
    // Whoever does not take it will see that the stream is gone.
    let _ = timeout(REFUSAL, answer).await;
}

impl Serving {
    /// Answers requests on this stream until it ends. Returns the file that was asked for and has
    /// changed or vanished, if there was one.
    pub async fn serve(self, mut stream: Timed) -> Option<(ConversationId, EntryId)> {
        // Kept from one request to the next, so that it stays open.
        let mut shared: Option<(EntryId, Arc<Shared>)> = None;
        // Memory is used again: fresh pages cost as much as what is done with them.
        let mut spare = Vec::new();
        let mut refused = 0;
        while let Ok(Ok(request)) = timeout(REQUEST, read_request(&mut stream)).await {
            let entry = request.entry;
            if shared.as_ref().is_none_or(|(of, _)| *of != entry) {
                shared = Some((entry, self.sources.of(entry)));
            }
            let Some((_, file)) = &shared else { return None };
            let source = match self.open(&request, file).await {
                Ok(source) => source,
                Err(refusal) => {
                    shared = None;
                    stream.write(&[refusal.number()]).await.ok()?;
                    if refusal == FileRefusal::Gone {
                        return Some((self.conversation, entry));
                    }
                    refused += 1;
                    if refused < MAX_REFUSALS {
                        continue;
                    }
                    return None;
                }
            };
            let sent = tokio::select! {
                () = file.stop.cancelled() => return None,
                sent = send(file, &source, &request, &mut stream, &mut spare) => sent,
            };
            match sent {
                Ok(()) => {
                    let (conversation, to) = (self.conversation, self.who);
                    let bytes = blob::bytes(&request.spans, source.kept.file.size);
                    let sent = Happened::Sent { conversation, entry, to, bytes };
                    self.happened.send(sent).await.ok()?;
                }
                Err(Broken::Changed) => return Some((self.conversation, entry)),
                Err(_) => return None,
            }
        }
        None
    }

    /// Whether this may be asked for is looked at each time: it may have been deleted meanwhile.
    async fn open(
        &self,
        request: &FileRequest,
        file: &Arc<Shared>,
    ) -> Result<Arc<Source>, FileRefusal> {
        if request.conversation != self.conversation {
            return Err(FileRefusal::Unknown);
        }
        let kept = self.store.file(request.conversation, request.entry).await;
        let kept = kept.map_err(|_| FileRefusal::Unknown)?;
        match kept.place.state {
            FileState::Here => {}
            FileState::Gone => return Err(FileRefusal::Gone),
            _ => return Err(FileRefusal::Unknown),
        }
        if kept.author == self.who {
            // They have it; whether I still do is not theirs to ask.
            return Err(FileRefusal::Unknown);
        }
        let hashes = self.blobs.join(&kept.place.hashes);
        file.open(kept, hashes).await.map_err(|error| {
            // A disk that does not answer now may do so later.
            if is_gone(&error) { FileRefusal::Gone } else { FileRefusal::Busy }
        })
    }
}

/// Whether something is not there any more, or is something else.
fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, IsADirectory, NotADirectory, NotFound};
    matches!(error.kind(), InvalidData | InvalidInput | IsADirectory | NotADirectory | NotFound)
}

/// While one block is sent, the next is read.
async fn send(
    file: &Arc<Shared>,
    source: &Arc<Source>,
    request: &FileRequest,
    stream: &mut Timed,
    spare: &mut Vec<Vec<u8>>,
) -> Result<(), Broken> {
    let read = |block: Vec<Span>, spare| {
        let read = Arc::clone(file).read(Arc::clone(source), block, spare);
        AbortOnDropHandle::new(tokio::spawn(read))
    };
    let groups = blob::groups(source.kept.file.size);
    if request.spans.last().is_none_or(|last| last.end > groups) {
        return Err(Broken::False);
    }
    let mut blocks = blob::by_block(&request.spans).into_iter();
    let mut next = blocks.next().map(|block| read(block, spare.pop().unwrap_or_default()));
    stream.write(&[GRANTED]).await.map_err(Broken::Remote)?;
    while let Some(ready) = next {
        next = blocks.next().map(|block| read(block, spare.pop().unwrap_or_default()));
        let slices = ready.await.map_err(|error| Broken::Local(error.into()))??;
        stream.write(&slices).await.map_err(Broken::Remote)?;
        spare.push(slices);
    }
    Ok(())
}

async fn read_request(stream: &mut Timed) -> io::Result<FileRequest> {
    let mut length = [0; 2];
    stream.read(&mut length).await?;
    let length = usize::from(u16::from_be_bytes(length));
    if length > MAX_FILE_REQUEST_BYTES {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = vec![0; length];
    stream.read(&mut bytes).await?;
    FileRequest::decode(&bytes).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_there_or_is_something_else_is_gone() {
        use io::ErrorKind::{
            InvalidData, NotADirectory, NotFound, PermissionDenied, StaleNetworkFileHandle,
            TimedOut,
        };
        for (kind, gone) in [
            (NotFound, true),
            (NotADirectory, true),
            (InvalidData, true),
            (PermissionDenied, false),
            (TimedOut, false),
            (StaleNetworkFileHandle, false),
        ] {
            assert_eq!(is_gone(&kind.into()), gone, "{kind}");
        }
    }
}
