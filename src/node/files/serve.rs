//! Sending what another asks for.

use std::{
    fs::File,
    io::{self, BufWriter, Read, Write},
    path::PathBuf,
};

use tokio::{runtime::Handle, task::spawn_blocking};

use super::{disk, stream::Waiting};
use crate::{
    blob::{self, Broken, Outboard},
    conversation::{ConversationId, EntryId},
    node::api::FileState,
    store::{KeptFile, Store},
    sync::{
        FileRefusal, FileRequest,
        file_request::{GRANTED, MAX_FILE_REQUEST_BYTES},
    },
};

/// What is written to a stream at a time.
const WRITE: usize = 256 * 1024;

/// What somebody may ask for, and where it is found.
pub struct Serving {
    /// The conversation that the one who asks is in.
    pub conversation: ConversationId,
    /// Knows the files.
    pub store: Store,
    /// Where the hashes lie.
    pub blobs: PathBuf,
}

/// A file that is being sent.
struct Source {
    kept: KeptFile,
    content: File,
    hashes: File,
}

impl Serving {
    /// Answers requests on this stream until it ends. Returns the file that was asked for and has
    /// changed or vanished, if there was one.
    pub async fn serve(self, stream: Waiting) -> Option<(ConversationId, EntryId)> {
        let runtime = Handle::current();
        spawn_blocking(move || self.answer(&runtime, stream)).await.ok().flatten()
    }

    fn answer(&self, runtime: &Handle, mut stream: Waiting) -> Option<(ConversationId, EntryId)> {
        let mut source: Option<Source> = None;
        while let Ok(request) = read_request(&mut stream) {
            let entry = request.entry;
            if source.as_ref().is_none_or(|source| source.kept.entry != entry) {
                source = None;
                match self.open(runtime, &request) {
                    Ok(opened) => source = Some(opened),
                    Err(refusal) => {
                        stream.write_all(&[refusal.number()]).ok()?;
                        stream.flush().ok()?;
                        if refusal == FileRefusal::Gone {
                            return Some((self.conversation, entry));
                        }
                        continue;
                    }
                }
            }
            if let Some(source) = &source {
                match source.send(&request, &mut stream) {
                    Ok(()) => {}
                    Err(Broken::Changed | Broken::Local(_)) => {
                        return Some((self.conversation, entry));
                    }
                    Err(_) => return None,
                }
            }
        }
        None
    }

    fn open(&self, runtime: &Handle, request: &FileRequest) -> Result<Source, FileRefusal> {
        if request.conversation != self.conversation {
            return Err(FileRefusal::Unknown);
        }
        let kept = runtime.block_on(self.store.file(request.conversation, request.entry));
        let kept = kept.map_err(|_| FileRefusal::Unknown)?;
        match kept.place.state {
            FileState::Here => {}
            FileState::Gone => return Err(FileRefusal::Gone),
            _ => return Err(FileRefusal::Unknown),
        }
        let content = disk::open_source(&kept.place.path).map_err(|_| FileRefusal::Gone)?;
        let hashes = disk::open_again(&super::hashes(&self.blobs, request.entry));
        let hashes = hashes.map_err(|_| FileRefusal::Gone)?;
        Ok(Source { kept, content, hashes })
    }
}

impl Source {
    fn send(&self, request: &FileRequest, stream: &mut Waiting) -> Result<(), Broken> {
        let file = &self.kept.file;
        let outboard = Outboard::new(file.root, file.size, &self.hashes);
        let mut writer = BufWriter::with_capacity(WRITE, stream);
        writer.write_all(&[GRANTED]).map_err(Broken::Remote)?;
        blob::send(&self.content, &file.key, &outboard, &request.spans, &mut writer)?;
        writer.flush().map_err(Broken::Remote)
    }
}

fn read_request(stream: &mut Waiting) -> io::Result<FileRequest> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let length = usize::from(u16::from_be_bytes(length));
    if length > MAX_FILE_REQUEST_BYTES {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes)?;
    FileRequest::decode(&bytes).ok_or_else(|| io::ErrorKind::InvalidData.into())
}
