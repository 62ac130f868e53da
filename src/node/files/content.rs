//! What is sent, where it lies.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::{
    disk,
    folder::{self, Folder},
};
use crate::{blob::ReadAt, conversation};

/// The content of a file or folder, to be read from anywhere.
pub enum Content {
    File(File),
    Folder(Folder),
}

impl Content {
    /// The content of an offered file that lies at this path. `hashes` is where its hashes lie.
    ///
    /// # Errors
    /// It is not there, or something else.
    pub fn open(file: &conversation::File, path: &Path, hashes: &Path) -> io::Result<Self> {
        if file.manifest == 0 {
            return disk::open_source(path).map(Self::File);
        }
        let list = fs::read(list_of(hashes))?;
        let items = folder::decode(&list, file.size - file.manifest);
        let items = items.ok_or(io::ErrorKind::InvalidData)?;
        Ok(Self::Folder(Folder::new(path, list, &items)))
    }
}

/// Where the list of a folder's files lies, beside its hashes.
pub fn list_of(hashes: &Path) -> PathBuf {
    hashes.with_extension("list")
}

/// Writes the list of a folder's files; only this user reads it.
pub fn write_list(hashes: &Path, list: &[u8]) -> io::Result<()> {
    let path = list_of(hashes);
    if let Err(error) = fs::remove_file(&path)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = disk::create(&path)?;
    file.write_all(list)?;
    file.sync_all()
}

impl ReadAt for Content {
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read_at(offset, bytes),
            Self::Folder(folder) => folder.read_at(offset, bytes),
        }
    }
}
