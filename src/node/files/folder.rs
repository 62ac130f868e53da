//! A folder as one blob: the list of its files, then their contents, one after the other.
//!
//! ```text
//! list = CBOR array of [path, bytes], of a directory [path]; sorted; paths with `/` between
//! ```
//!
//! Only files and directories are in it: neither links nor devices. What comes is laid out in a
//! directory beside its place, under names that are harmless one by one, and gets its name when
//! all of it is there.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Component, Path, PathBuf},
    sync::Mutex,
};

use super::disk;
use crate::{
    blob::ReadAt,
    conversation::{
        MAX_MANIFEST_BYTES,
        cbor::{Invalid, Reader, Writer},
    },
    text,
};

/// The most files and directories of a folder.
pub const MAX_FILES: usize = 65_536;

/// The longest path within a folder, in bytes.
const MAX_PATH_BYTES: usize = 4096;

/// The most directories within each other.
const MAX_DEPTH: usize = 64;

/// What is copied at a time, in bytes.
const COPY: usize = 256 * 1024;

/// A file of a folder, or a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// With `/` between.
    path: String,
    /// None: a directory.
    bytes: Option<u64>,
}

impl Item {
    /// Whether its path leads to nowhere outside of the folder.
    pub fn is_inside(&self) -> bool {
        Path::new(&self.path).components().all(|part| matches!(part, Component::Normal(_)))
    }
}

/// Why a folder cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum Unsendable {
    /// It could not be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A name in it.
    #[error("the name of {0} is not UTF-8")]
    Name(String),
    /// Too many, too deep or too long.
    #[error("it has more than {MAX_FILES} files, or they lie too deep")]
    TooMany,
}

/// What is in a folder, in the order of its paths.
pub fn list(folder: &Path) -> Result<Vec<Item>, Unsendable> {
    let mut items = Vec::new();
    let mut open = vec![(folder.to_owned(), String::new(), 0)];
    while let Some((directory, before, depth)) = open.pop() {
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
                let name = entry.file_name().to_string_lossy().into_owned();
                return Err(Unsendable::Name(text::line(&name)));
            };
            let path = if before.is_empty() { name } else { format!("{before}/{name}") };
            let kind = entry.file_type()?;
            let bytes = if kind.is_file() { Some(entry.metadata()?.len()) } else { None };
            if !kind.is_file() && !kind.is_dir() {
                continue;
            }
            if items.len() >= MAX_FILES || depth >= MAX_DEPTH || path.len() > MAX_PATH_BYTES {
                return Err(Unsendable::TooMany);
            }
            if kind.is_dir() {
                open.push((entry.path(), path.clone(), depth + 1));
            }
            items.push(Item { path, bytes });
        }
    }
    items.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(items)
}

/// The bytes of a list.
///
/// # Errors
/// It is too long.
pub fn encode(items: &[Item]) -> Result<Vec<u8>, Unsendable> {
    let mut w = Writer::default();
    w.array(items.len());
    for item in items {
        match item.bytes {
            Some(bytes) => w.array(2).text(&item.path).uint(bytes),
            None => w.array(1).text(&item.path),
        };
    }
    if w.0.len() as u64 > MAX_MANIFEST_BYTES { Err(Unsendable::TooMany) } else { Ok(w.0) }
}

/// Reads what [`encode`] draws. None if it is something else, or its contents do not have so many
/// bytes together.
pub fn decode(bytes: &[u8], contents: u64) -> Option<Vec<Item>> {
    let items = decode_laid(bytes, contents)?;
    items.windows(2).all(|two| two[0].path < two[1].path).then_some(items)
}

/// The same of what was laid out here: under other names, it may be in another order.
pub fn decode_laid(bytes: &[u8], contents: u64) -> Option<Vec<Item>> {
    let read = || {
        let mut r = Reader::new(bytes);
        let mut items = Vec::new();
        for _ in 0..r.array(MAX_FILES, 3)? {
            let parts = r.array(2, 1)?;
            let path = r.text()?.to_owned();
            let depth = path.split('/').count();
            if parts == 0 || path.len() > MAX_PATH_BYTES || depth > MAX_DEPTH + 1 {
                return Err(Invalid);
            }
            items.push(Item { path, bytes: if parts == 2 { Some(r.uint()?) } else { None } });
        }
        r.end()?;
        Ok(items)
    };
    let items = read().ok()?;
    let sum = items.iter().filter_map(|item| item.bytes).try_fold(0, u64::checked_add);
    (sum == Some(contents)).then_some(items)
}

/// The content of a folder that lies here, to be read from anywhere.
pub struct Folder {
    root: PathBuf,
    list: Vec<u8>,
    /// Of each file that is not empty, where it ends, and its path.
    files: Vec<(u64, PathBuf)>,
    /// The file that was read last.
    open: Mutex<Option<(usize, File)>>,
}

impl Folder {
    /// What lies here, in the order of this list.
    pub fn new(root: &Path, list: Vec<u8>, items: &[Item]) -> Self {
        let mut end = list.len() as u64;
        let mut files = Vec::new();
        for item in items {
            if let Some(bytes) = item.bytes.filter(|bytes| *bytes > 0) {
                end = end.saturating_add(bytes);
                files.push((end, PathBuf::from(&item.path)));
            }
        }
        Self { root: root.to_owned(), list, files, open: Mutex::new(None) }
    }

    /// The bytes of all of it.
    pub fn size(&self) -> u64 {
        self.files.last().map_or(self.list.len() as u64, |(end, _)| *end)
    }

    fn read_file(&self, number: usize, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        let mut open = self.open.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((last, file)) = open.as_ref()
            && *last == number
        {
            return file.read_at(offset, bytes);
        }
        let file = disk::open_inside(&self.root.join(&self.files[number].1))?;
        let read = file.read_at(offset, bytes);
        *open = Some((number, file));
        read
    }
}

impl ReadAt for Folder {
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        if let Some(rest) = usize::try_from(offset).ok().and_then(|at| self.list.get(at..))
            && !rest.is_empty()
        {
            let most = rest.len().min(bytes.len());
            bytes[..most].copy_from_slice(&rest[..most]);
            return Ok(most);
        }
        let number = self.files.partition_point(|(end, _)| *end <= offset);
        let Some((end, _)) = self.files.get(number) else { return Ok(0) };
        let before = number.checked_sub(1).map(|before| self.files[before].0);
        let start = before.unwrap_or(self.list.len() as u64);
        let most = usize::try_from(end - offset).unwrap_or(usize::MAX).min(bytes.len());
        let read = self.read_file(number, offset - start, &mut bytes[..most])?;
        if read == 0 {
            // The file is shorter than it was: what follows is not what it stands for.
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(read)
    }
}

/// Lays out a folder, whose list was read already, in an empty directory. Names are made harmless;
/// two that become the same get numbers. Returns the list by its new paths, for [`Folder`].
///
/// # Errors
/// Reading or writing.
pub fn lay_out(content: &mut File, items: &[Item], directory: &File) -> io::Result<Vec<Item>> {
    // What each directory of the list is called here.
    let mut directories: HashMap<&str, String> = HashMap::new();
    let mut laid = Vec::with_capacity(items.len());
    let mut buffer = vec![0; COPY];
    for item in items {
        let (parent, name) = item.path.rsplit_once('/').unwrap_or(("", &item.path));
        let parent = parent_of(directory, &mut directories, parent)?;
        if item.bytes.is_none() && directories.contains_key(item.path.as_str()) {
            continue;
        }
        let name = text::file_name(name);
        let path = match item.bytes {
            None => {
                let path = free_name(&parent, &name, make_in(directory))?.0;
                directories.insert(&item.path, path.clone());
                path
            }
            Some(bytes) => {
                let create = |path: &str| disk::create_in(directory, path);
                let (path, mut file) = free_name(&parent, &name, create)?;
                copy(content, &mut file, bytes, &mut buffer)?;
                path
            }
        };
        laid.push(Item { path, bytes: item.bytes });
    }
    // Once for all of them, and not once for each.
    rustix::fs::syncfs(directory)?;
    Ok(laid)
}

/// Where a directory of the list is; it is made if it was not named before what is in it.
fn parent_of<'l>(
    directory: &File,
    directories: &mut HashMap<&'l str, String>,
    listed: &'l str,
) -> io::Result<String> {
    if listed.is_empty() {
        return Ok(String::new());
    }
    if let Some(known) = directories.get(listed) {
        return Ok(known.clone());
    }
    let (before, name) = listed.rsplit_once('/').unwrap_or(("", listed));
    let parent = parent_of(directory, directories, before)?;
    let name = text::file_name(name);
    let path = free_name(&parent, &name, make_in(directory))?.0;
    directories.insert(listed, path.clone());
    Ok(path)
}

/// Tries names until one is free.
fn free_name<T>(
    parent: &str,
    name: &str,
    create: impl Fn(&str) -> io::Result<T>,
) -> io::Result<(String, T)> {
    for number in 1..=disk::MAX_NAMES {
        let name = disk::numbered(name, number);
        let path = if parent.is_empty() { name } else { format!("{parent}/{name}") };
        match create(&path) {
            Ok(made) => return Ok((path, made)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn make_in(directory: &File) -> impl Fn(&str) -> io::Result<()> {
    |path| disk::make_directory_in(directory, path)
}

fn copy(from: &mut File, to: &mut File, bytes: u64, buffer: &mut [u8]) -> io::Result<()> {
    let mut left = bytes;
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        from.read_exact(&mut buffer[..most])?;
        to.write_all(&buffer[..most])?;
        left -= most as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, bytes: u64) -> Item {
        Item { path: path.to_owned(), bytes: Some(bytes) }
    }

    fn directory(path: &str) -> Item {
        Item { path: path.to_owned(), bytes: None }
    }

    fn names(directory: &Path) -> Vec<String> {
        list(directory).unwrap().into_iter().map(|item| item.path).collect()
    }

    #[test]
    fn a_list_reads_back_and_a_false_one_is_none() {
        let items = [directory("a"), file("a/b", 3), file("c", 0)];
        let bytes = encode(&items).unwrap();
        assert_eq!(decode(&bytes, 3).unwrap(), items);
        assert_eq!(decode(&bytes, 4), None);
        assert_eq!(decode(&bytes[..bytes.len() - 1], 3), None);
        let huge = encode(&[file("a", u64::MAX), file("b", 2)]).unwrap();
        assert_eq!(decode(&huge, 1), None, "no overflow");
        assert_eq!(decode(&[0x9a, 0xff, 0xff, 0xff, 0xff], 0), None);
        for items in [[file("b", 1), file("a", 2)], [file("a", 1), file("a", 2)]] {
            assert_eq!(decode(&encode(&items).unwrap(), 3), None, "out of order, or twice");
        }
        let deep = encode(&[file(&"x/".repeat(100), 0)]).unwrap();
        assert_eq!(decode(&deep, 0), None);
    }

    #[test]
    fn links_and_pipes_are_left_out() {
        let there = tempfile::tempdir().unwrap();
        fs::create_dir_all(there.path().join("sub/empty")).unwrap();
        fs::write(there.path().join("sub/file"), "x").unwrap();
        std::os::unix::fs::symlink("/etc", there.path().join("link")).unwrap();
        std::os::unix::fs::symlink("file", there.path().join("sub/link")).unwrap();
        assert_eq!(names(there.path()), ["sub", "sub/empty", "sub/file"]);
    }

    #[test]
    fn hostile_paths_stay_within_and_all_contents_come() {
        let here = tempfile::tempdir().unwrap();
        let items = [
            file("../../.ssh/x", 1),
            file("/etc/passwd", 1),
            file("a", 1),
            file("a/b", 1),
            directory("a"),
            file("A", 1),
            file("con", 1),
            file("..", 1),
            file("", 1),
            file("same", 1),
            file("same", 1),
            file("C:\\x", 1),
        ];
        let content = here.path().join("content");
        fs::write(&content, "0123456789ab").unwrap();
        let out = here.path().join("out");
        let mut content = File::open(&content).unwrap();
        let directory = disk::make_own_directory(&out, &content).unwrap();
        let laid = lay_out(&mut content, &items, &directory).unwrap();
        assert_eq!(names(here.path()).iter().filter(|name| !name.starts_with("out")).count(), 1);
        let files: Vec<_> = laid.iter().filter(|item| item.bytes.is_some()).collect();
        assert_eq!(files.len(), 11);
        for (number, item) in files.iter().enumerate() {
            let content = fs::read_to_string(out.join(&item.path)).unwrap();
            assert_eq!(content, "0123456789ab"[number..=number], "{}", item.path);
            assert!(!item.path.split('/').any(|name| name.is_empty() || name.starts_with('.')));
        }
        // What was laid out is what can be passed on.
        let list = encode(&laid).unwrap();
        let folder = Folder::new(&out, list.clone(), &laid);
        let mut all = vec![0; usize::try_from(folder.size()).unwrap()];
        let mut read = 0;
        while read < all.len() {
            read += folder.read_at(read as u64, &mut all[read..]).unwrap();
        }
        assert_eq!(all[list.len()..], *b"0123456789a");
    }
}
