//! Offering a file: its content is hashed where it lies.

use std::{fs, io, path::Path};

use super::{
    content::{self, Content},
    disk, fetch,
    folder::{self, Folder},
};
use crate::{
    blob::{self, Key, MAX_BYTES},
    conversation::File,
    node::{
        api::{Failure, FailureKind},
        failure,
    },
    picture::{self, Preview},
    text,
    voice::Voice,
};

/// Hashes the content of a file or folder, under a fresh key. The hashes are on the disk, in the
/// directory `blobs` under the name `hashes`, before anybody can be told of it. `voice` is what
/// whoever recorded it says of a voice note.
///
/// # Errors
/// A sentence about the path; no hashes are left.
pub fn offer(
    path: &Path,
    blobs: &Path,
    hashes: &str,
    voice: Option<Voice>,
) -> Result<File, Failure> {
    fs::create_dir_all(blobs).map_err(|error| unofferable(path, &error))?;
    let hashes = blobs.join(hashes);
    let offered = hash(path, &hashes, voice);
    if offered.is_ok() {
        // Some file systems do not sync directories.
        let _ = fs::File::open(blobs).and_then(|directory| directory.sync_all());
    } else {
        let _ = fetch::forget_hashes(&hashes);
    }
    offered
}

/// Why a file is not offered.
pub fn unofferable(path: &Path, error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::StorageFull {
        let text = "The disk is full: the file could not be offered. Make room, and send it again.";
        return failure(FailureKind::DiskFull, text);
    }
    let text = format!("{} cannot be sent: {error}.", text::line(&path.to_string_lossy()));
    failure(FailureKind::FileUnreadable, text)
}

fn hash(path: &Path, hashes: &Path, voice: Option<Voice>) -> Result<File, Failure> {
    let unreadable = |error: io::Error| unofferable(path, &error);
    let is_folder = path.metadata().map_err(unreadable)?.is_dir();
    let (content, size, manifest) = if is_folder {
        let items = folder::list(path);
        let listed = items.and_then(|items| Ok((folder::encode(&items)?, items)));
        let (list, items) = listed.map_err(|error| unreadable(io::Error::other(error)))?;
        let manifest = list.len() as u64;
        content::write_list(hashes, &list).map_err(unreadable)?;
        let folder = Folder::new(path, list, &items);
        let size = folder.size();
        (Content::Folder(folder), size, manifest)
    } else {
        let file = disk::open_source(path).map_err(unreadable)?;
        let size = file.metadata().map_err(unreadable)?.len();
        (Content::File(file), size, 0)
    };
    if size > MAX_BYTES {
        return Err(failure(FailureKind::FileTooLarge, "A file of more than 1 TiB can't be sent."));
    }
    let key = Key::generate(&mut rand::rng());
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let written = disk::create(hashes).and_then(|mut hashes| {
        let root = blob::outboard(&content, size, &key, &mut hashes)?;
        hashes.sync_all()?;
        Ok(root)
    });
    let root = written.map_err(unreadable)?;
    let name = text::file_name(&name);
    let media_type = if is_folder { "inode/directory" } else { media_type(&name) }.to_owned();
    let preview = match &content {
        Content::File(file) if picture::is_shown(&media_type) => {
            file.try_clone().ok().and_then(Preview::make)
        }
        _ => None,
    };
    Ok(File { name, size, media_type, root, key, manifest, preview, voice })
}

/// What a name's extension says (IANA's registry of media types); empty if nothing.
fn media_type(name: &str) -> &'static str {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "svg" => "image/svg+xml",
        "txt" | "log" => "text/plain",
        "md" => "text/markdown",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        "gz" | "tgz" => "application/gzip",
        "mp3" => "audio/mpeg",
        "ogg" | "opus" => "audio/ogg",
        "flac" => "audio/flac",
        "wav" => "audio/vnd.wave",
        "mp4" => "video/mp4",
        "webm" => "video/webm",
        _ => "",
    }
}
