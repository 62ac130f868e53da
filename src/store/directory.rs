//! The profile's directory: who may read it, and which process owns it.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use super::{Presence, Result, StoreError, key};

const LOCK: &str = "lock";
const DATABASE: &str = "entrenous.db";
const KEY: &str = "key";
const NEW_DATABASE: &str = "entrenous.db.new";
const NEW_KEY: &str = "key.new";
const UNCHECKED: &str = "unchecked";

/// The largest key file that is read, in bytes: several times what any version wrote.
const MAX_KEY_FILE: u64 = 1024;

/// A profile's directory, locked: no other process has it while this value lives.
///
/// ```text
/// lock            held by the owner; empty
/// key             the database key, wrapped by a passphrase or plain
/// entrenous.db    SQLCipher; beside it -wal and -shm while it is open
/// unchecked       after an unclean end, until the integrity check is through
/// ```
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    presence: Presence,
    // Unlocked by being closed.
    _lock: File,
}

/// Makes the directory if there is none (0700), and locks it.
///
/// # Errors
/// [`StoreError::InUse`] if another process has it, [`StoreError::Unreadable`],
/// [`StoreError::DiskFull`], and [`StoreError::Damaged`] if there is a database without its key or
/// a key without its database.
pub fn lock(path: &Path) -> Result<Directory> {
    create_private(path)?;
    let lock = open_private(&path.join(LOCK), false)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(StoreError::InUse),
        Err(TryLockError::Error(error)) => return Err(error.into()),
    }
    let mut directory = Directory { path: path.to_owned(), presence: Presence::Fresh, _lock: lock };
    directory.look()?;
    Ok(directory)
}

impl Directory {
    /// What was there when it was locked.
    pub fn presence(&self) -> Presence {
        self.presence
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn look(&mut self) -> Result<()> {
        let database = self.database().try_exists()?;
        let key = self.path.join(KEY).try_exists()?;
        self.presence = match (database, key) {
            (false, false) => Presence::Fresh,
            // Creation was cut between its two renames: nobody was told that it worked.
            (false, true) if self.path.join(NEW_DATABASE).try_exists()? => Presence::Fresh,
            (false, true) => {
                return Err(StoreError::Damaged("its database is not there".to_owned()));
            }
            (true, false) => {
                return Err(StoreError::Damaged("its key file is not there".to_owned()));
            }
            (true, true) => {
                if key::Sealed::decode(&self.read_key()?)?.has_passphrase() {
                    Presence::Locked
                } else {
                    Presence::Unlocked
                }
            }
        };
        Ok(())
    }

    pub(super) fn database(&self) -> PathBuf {
        self.path.join(DATABASE)
    }

    pub(super) fn new_database(&self) -> PathBuf {
        self.path.join(NEW_DATABASE)
    }

    /// The bytes of the key file. Whoever else could read it no longer can.
    pub(super) fn read_key(&self) -> Result<zeroize::Zeroizing<Vec<u8>>> {
        use io::Read as _;
        let file = File::open(self.path.join(KEY))?;
        restrict(&file)?;
        let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(256));
        file.take(MAX_KEY_FILE).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Makes a new, empty file for the database, so that nobody else can read it from the first
    /// byte on. One left over from a creation that was cut is replaced.
    pub(super) fn make_new_database(&self) -> Result<()> {
        for suffix in ["", "-wal", "-shm", "-journal"] {
            let left = self.path.join(format!("{NEW_DATABASE}{suffix}"));
            match fs::remove_file(left) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        open_private(&self.new_database(), true)?;
        Ok(())
    }

    /// Puts a new profile in its place: first the key, then the database. `self` is that of a
    /// fresh directory, so that nothing is replaced.
    pub(super) fn finish(&mut self, key: &[u8]) -> Result<()> {
        let new_key = self.path.join(NEW_KEY);
        let mut file = open_private(&new_key, true)?;
        file.write_all(key)?;
        file.sync_all()?;
        fs::rename(new_key, self.path.join(KEY))?;
        // A cut between the two leaves a key without a database, which is known to be unfinished;
        // never the other way round.
        sync_directory(&self.path)?;
        fs::rename(self.new_database(), self.database())?;
        sync_directory(&self.path)?;
        self.look()
    }

    /// Whether the last owner did not end cleanly: the write-ahead log is removed at a clean end.
    /// Stays so until [`Self::checked`].
    pub(super) fn is_unclean(&self) -> bool {
        let unclean = self.path.join(format!("{DATABASE}-wal")).exists();
        if unclean {
            // If there is no room for it, the check is repeated less often than it might be.
            let _ = open_private(&self.unchecked(), false);
        }
        unclean || self.unchecked().exists()
    }

    pub(super) fn unchecked(&self) -> PathBuf {
        self.path.join(UNCHECKED)
    }
}

#[cfg(unix)]
fn create_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(not(unix))]
fn create_private(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

/// Opens a file for writing that only this user can read; `empty`: without what was in it.
fn open_private(path: &Path, empty: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(empty);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    restrict(&file)?;
    Ok(file)
}

/// Takes away what others may do with a file.
#[cfg(unix)]
fn restrict(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = file.metadata()?.permissions().mode();
    if mode & 0o077 != 0 {
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn restrict(_file: &File) -> io::Result<()> {
    Ok(())
}

/// Makes names in a directory durable.
#[cfg(unix)]
fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(not(unix))]
fn sync_directory(_path: &Path) -> io::Result<()> {
    Ok(())
}
