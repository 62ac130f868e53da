//! What is sent, where it lies.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::{
    disk,
    folder::{self, Folder, Item},
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
        let (list, contents) = (fs::read(list_of(hashes))?, file.size - file.manifest);
        let items = match fs::read(names_of(hashes)) {
            Ok(names) => folder::decode_laid(&names, contents),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                folder::decode(&list, contents)
            }
            Err(error) => return Err(error),
        };
        // The list is of whoever offered it, unless there is one by the names here.
        let items = items.filter(|items| items.iter().all(Item::is_inside));
        let items = items.ok_or(io::ErrorKind::InvalidData)?;
        Ok(Self::Folder(Folder::new(path, list, &items)))
    }
}

/// Where the list of a folder's files lies, beside its hashes.
fn list_of(hashes: &Path) -> PathBuf {
    hashes.with_extension("list")
}

/// Where the same list lies by the names that the files have here, if they are others.
fn names_of(hashes: &Path) -> PathBuf {
    hashes.with_extension("names")
}

/// What lies beside the hashes of a folder.
pub fn beside(hashes: &Path) -> [PathBuf; 2] {
    [list_of(hashes), names_of(hashes)]
}

/// Writes the list of a folder's files; only this user reads it.
pub fn write_list(hashes: &Path, list: &[u8]) -> io::Result<()> {
    write(&list_of(hashes), list)
}

/// Writes it by the names that the files have here; only this user reads it.
pub fn write_names(hashes: &Path, names: &[u8]) -> io::Result<()> {
    write(&names_of(hashes), names)
}

/// There are no other names.
pub fn forget_names(hashes: &Path) -> io::Result<()> {
    disk::remove(&names_of(hashes))
}

fn write(path: &Path, list: &[u8]) -> io::Result<()> {
    disk::remove(path)?;
    let mut file = disk::create(path)?;
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
