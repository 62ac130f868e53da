//! Files on disks: where one that comes is gathered, and how it gets its name.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rand::RngExt;
use rustix::{
    fs::{CWD, Mode, OFlags, RenameFlags},
    io::Errno,
};

use crate::blob::{GROUP, ReadAt, WriteAt};

/// How many names beside the wanted one are tried.
pub const MAX_NAMES: u32 = 10_000;

/// Where a file that is to have this path is gathered before it is whole: in the same directory,
/// hidden, under a name that nobody can foresee.
pub fn temporary(target: &Path) -> PathBuf {
    let random: u64 = rand::rng().random();
    target.with_file_name(format!(".entrenous-{random:016x}.part"))
}

/// The whole path that a file of this name is to have: in a directory, if `to` is one or ends with
/// a slash, else `to` itself. The directory is made if there is none.
pub fn target(to: &Path, name: &str) -> io::Result<PathBuf> {
    let is_directory = to.is_dir() || to.as_os_str().as_encoded_bytes().ends_with(b"/");
    let target = if is_directory { to.join(name) } else { to.to_owned() };
    fs::create_dir_all(target.parent().unwrap_or(Path::new("/")))?;
    match target.symlink_metadata() {
        // Too long a name, for one: better said now than when all has come.
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(target),
    }
}

/// Makes a file that was not there, for this user alone.
pub fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

/// Makes a directory that was not there, for this user alone.
pub fn make_directory(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().mode(0o700).create(path)
}

/// Removes a file, if there is one.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Makes a directory that was not there, and holds on to it: to what is made in it by way of this,
/// nobody else has a way, even if they may write where it lies and give its name to something else.
/// `beside` was made there before: so it is known whom what is made there belongs to, which on some
/// file systems is somebody else.
pub fn make_own_directory(path: &Path, beside: &File) -> io::Result<File> {
    make_directory(path)?;
    let flags = (OFlags::NOFOLLOW | OFlags::DIRECTORY).bits().cast_signed();
    let directory = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let is_ours = directory.metadata()?.uid() == beside.metadata()?.uid();
    if is_ours { Ok(directory) } else { Err(not_ours()) }
}

/// As [`create`], in a directory that is held.
pub fn create_in(directory: &File, path: &str) -> io::Result<File> {
    let new = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made = rustix::fs::openat(directory, path, new, Mode::RUSR | Mode::WUSR)?;
    Ok(File::from(made))
}

/// As [`make_directory`], in a directory that is held.
pub fn make_directory_in(directory: &File, path: &str) -> io::Result<()> {
    Ok(rustix::fs::mkdirat(directory, path, Mode::RWXU)?)
}

/// Opens a file that was made by [`create`]: a plain one, not by way of a link.
pub fn open_again(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let opened = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path);
    match opened {
        Ok(file) if file.metadata()?.is_file() => Ok(file),
        // What `open` says of a link, a directory, a pipe or a socket.
        Ok(_) => Err(not_ours()),
        Err(error) if OTHERS.contains(&Errno::from_io_error(&error)) => Err(not_ours()),
        Err(error) => Err(error),
    }
}

const OTHERS: [Option<Errno>; 3] = [Some(Errno::LOOP), Some(Errno::ISDIR), Some(Errno::NXIO)];

/// Something else lies where a file of ours was.
#[derive(Debug, thiserror::Error)]
#[error("another file has taken its place")]
struct NotOurs;

fn not_ours() -> io::Error {
    io::Error::other(NotOurs)
}

/// Whether something else lies where a file of ours was.
pub fn is_not_ours(error: &io::Error) -> bool {
    error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<NotOurs>)
}

/// Opens a plain file to send it. Of a pipe or a device nothing is read, and none is waited for.
pub fn open_source(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) if file.metadata()?.is_file() => Ok(file),
        // What `open` says of a socket.
        Err(error) if Errno::from_io_error(&error) != Some(Errno::NXIO) => Err(error),
        _ => {
            let text = "neither a file nor a folder";
            Err(io::Error::new(io::ErrorKind::InvalidInput, text))
        }
    }
}

/// Opens a plain file within a folder, not by way of a link.
pub fn open_inside(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::NotFound.into()) }
}

/// Leaves holes where nothing but zeros is written over them: a disk image of 20 GiB may have one
/// of content.
pub struct Sparse<'a>(pub &'a File);

impl WriteAt for Sparse<'_> {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let is_hole = |group: &[u8]| group.iter().all(|byte| *byte == 0);
        let groups = || bytes.chunks(usize::try_from(GROUP).unwrap_or(usize::MAX));
        let hole = groups().next().is_some_and(is_hole);
        // What is alike; the rest is written by the next call.
        let alike = groups().take_while(|group| is_hole(group) == hole).map(<[u8]>::len).sum();
        let bytes = &bytes[..alike];
        if hole {
            let mut there = vec![0; bytes.len()];
            if self.0.read_exact_at(offset, &mut there).is_ok() && there == bytes {
                return Ok(bytes.len());
            }
        }
        std::os::unix::fs::FileExt::write_at(self.0, bytes, offset)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes what was brought to the disk out of memory: a long file would push out what others have
/// there, and to get fresh memory for each block costs more than all that is done with it. Who opens
/// it reads it from the disk.
pub fn uncache(file: &File) {
    // It is but advice, and macOS has none.
    #[cfg(not(target_vendor = "apple"))]
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
    #[cfg(target_vendor = "apple")]
    let _ = file;
}

/// Bytes that are free for this user where this path is.
pub fn free(directory: &Path) -> io::Result<u64> {
    let free = rustix::fs::statvfs(directory)?;
    Ok(free.f_bavail.saturating_mul(free.f_frsize))
}

/// Gives a file that is whole, and on the disk, its path; if that is taken the next one:
/// `name (2).txt`. Never replaces anything, and moves nothing but the file that it is given.
/// Returns where it is.
pub fn name(file: &File, path: &Path, target: &Path) -> io::Result<PathBuf> {
    let directory = target.parent().unwrap_or(Path::new("/"));
    let (ours, there) = (file.metadata()?, path.symlink_metadata()?);
    if (ours.dev(), ours.ino()) != (there.dev(), there.ino()) {
        return Err(not_ours());
    }
    for target in names(target) {
        match rename(path, &target) {
            Ok(()) => {
                // It has its name, whether that survives a power cut or not: some file systems do
                // not sync directories.
                let _ = File::open(directory).and_then(|directory| directory.sync_all());
                return Ok(target);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// The paths that are tried for one that is to have this.
pub fn names(target: &Path) -> impl Iterator<Item = PathBuf> {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    (1..=MAX_NAMES).map(move |number| target.with_file_name(numbered(&name, number)))
}

/// Unless there is something of this name.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        // A file system that does not know how.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => rename_over_own(from, to),
        Err(error) => Err(error.into()),
    }
}

/// The same in two steps, each of which replaces nothing of anybody's: something empty takes the
/// name, unless that is taken, and then makes way.
fn rename_over_own(from: &Path, to: &Path) -> io::Result<()> {
    if from.symlink_metadata()?.is_dir() {
        make_directory(to)?;
        return fs::rename(from, to).inspect_err(|_| {
            let _ = fs::remove_dir(to);
        });
    }
    match fs::hard_link(from, to) {
        // FAT has no second names.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            create(to)?;
            fs::rename(from, to).inspect_err(|_| {
                let _ = fs::remove_file(to);
            })
        }
        linked => linked.and_then(|()| fs::remove_file(from)),
    }
}

/// `name.txt`, `name (2).txt`, `name (3).txt` …
pub fn numbered(name: &str, number: u32) -> String {
    if number == 1 {
        return name.to_owned();
    }
    match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => format!("{stem} ({number}).{extension}"),
        _ => format!("{name} ({number})"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn part(directory: &Path) -> (File, PathBuf) {
        let path = temporary(&directory.join("a.txt"));
        let file = create(&path).unwrap();
        fs::write(&path, "new").unwrap();
        (file, path)
    }

    #[test]
    fn between_scattered_bytes_there_are_holes() {
        let file = tempfile::tempfile().unwrap();
        let (block, blocks) = (16 * GROUP, 32);
        file.set_len(blocks * block).unwrap();
        let mut content = vec![0; usize::try_from(block).unwrap()];
        content[100_000] = 1;
        for number in 0..blocks {
            Sparse(&file).write_all_at(number * block, &content).unwrap();
        }
        let mut read = vec![7; content.len()];
        for number in 0..blocks {
            file.read_exact_at(number * block, &mut read).unwrap();
            assert!(read == content, "{number}");
        }
        assert!(file.metadata().unwrap().blocks() * 512 <= blocks * GROUP);
        // What is written over something else is written, though it is zeros.
        Sparse(&file).write_all_at(0, &vec![0; content.len()]).unwrap();
        file.read_exact_at(0, &mut read).unwrap();
        assert!(read.iter().all(|byte| *byte == 0));
    }

    #[test]
    fn a_name_that_is_taken_by_whatever_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        fs::write(directory.join("a.txt"), "old").unwrap();
        symlink("/nonexistent/elsewhere", directory.join("a (2).txt")).unwrap();
        fs::create_dir(directory.join("a (3).txt")).unwrap();
        rustix::fs::mknodat(
            CWD,
            directory.join("a (4).txt"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        let (file, path) = part(directory);
        let there = name(&file, &path, &directory.join("a.txt")).unwrap();
        assert_eq!(there, directory.join("a (5).txt"));
        assert_eq!(fs::read_to_string(there).unwrap(), "new");
        assert_eq!(fs::read_to_string(directory.join("a.txt")).unwrap(), "old");
        assert!(!path.exists());
    }

    #[test]
    fn where_renaming_would_replace_nothing_is_replaced_either() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("file"), "old").unwrap();
        fs::create_dir(at("folder")).unwrap();
        symlink("/nonexistent/elsewhere", at("link")).unwrap();
        fs::write(at("new"), "new").unwrap();
        fs::create_dir_all(at("new folder/inner")).unwrap();
        for from in ["new", "new folder"] {
            for taken in ["file", "folder", "link"] {
                let error = rename_over_own(&at(from), &at(taken)).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::AlreadyExists, "{from} to {taken}");
                assert!(at(from).exists());
            }
        }
        assert_eq!(fs::read_to_string(at("file")).unwrap(), "old");
        rename_over_own(&at("new"), &at("free")).unwrap();
        rename_over_own(&at("new folder"), &at("free folder")).unwrap();
        assert_eq!(fs::read_to_string(at("free")).unwrap(), "new");
        assert!(at("free folder/inner").is_dir());
        assert!(!at("new").exists() && !at("new folder").exists());
        assert!(rename_over_own(&at("nothing"), &at("free (2)")).is_err());
        assert!(!at("free (2)").exists());
    }

    #[test]
    fn a_directory_of_ones_own_is_none_that_was_there() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        make_directory(&at("victim")).unwrap();
        symlink(at("victim"), at("link")).unwrap();
        let beside = create(&at("beside")).unwrap();
        for name in ["victim", "link"] {
            assert!(make_own_directory(&at(name), &beside).is_err(), "{name}");
        }
        // Once it is held, its name may go to something else.
        let held = make_own_directory(&at("own"), &beside).unwrap();
        fs::rename(at("own"), at("moved")).unwrap();
        symlink(at("victim"), at("own")).unwrap();
        make_directory_in(&held, "a").unwrap();
        create_in(&held, "a/b").unwrap();
        assert!(create_in(&held, "a/b").is_err());
        assert!(at("moved/a/b").exists());
        assert_eq!(fs::read_dir(at("victim")).unwrap().count(), 0);
        let opened = File::open(at("moved/a/b")).unwrap().metadata().unwrap();
        assert_eq!(opened.mode() & 0o777, 0o600);
    }

    #[test]
    fn a_link_put_in_the_place_of_what_was_gathered_is_not_named() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let victim = directory.join("victim");
        fs::write(&victim, "old").unwrap();
        let (file, path) = part(directory);
        fs::remove_file(&path).unwrap();
        symlink(&victim, &path).unwrap();
        assert!(name(&file, &path, &directory.join("a.txt")).is_err());
        assert!(!directory.join("a.txt").exists());
        assert!(open_again(&path).is_err());
        assert_eq!(fs::read_to_string(victim).unwrap(), "old");
    }

    #[test]
    fn names_are_numbered_before_their_extension() {
        for (name, second) in [("a.txt", "a (2).txt"), ("a.tar.gz", "a.tar (2).gz"), ("a", "a (2)")]
        {
            assert_eq!(numbered(name, 1), name);
            assert_eq!(numbered(name, 2), second);
        }
    }

    #[test]
    fn what_is_no_file_is_not_sent_and_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
        rustix::fs::mknodat(CWD, &pipe, kind, mode, 0).unwrap();
        assert!(open_source(&pipe).is_err());
        assert!(open_source(Path::new("/dev/zero")).is_err());
        assert!(open_source(directory.path()).is_err());
    }
}
