use std::os::unix::fs::symlink;

use super::*;
use crate::{
    blob::{Key, Root},
    conversation::{self, ConversationId, EntryId},
    identity::Identity,
};

/// A file that is to come to `x`, of which all lies where it is gathered.
struct Gathered {
    directory: tempfile::TempDir,
    kept: KeptFile,
}

static CONTENT: [u8; 40_000] = [7; 40_000];

impl Gathered {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir(at("blobs")).unwrap();
        let (key, size) = (Key::from_bytes([9; 32]), CONTENT.len() as u64);
        let mut hashes = disk::create(&at("blobs/hashes")).unwrap();
        let root: Root = blob::outboard(&CONTENT[..], size, &key, &mut hashes).unwrap();
        fs::write(at("part"), CONTENT).unwrap();
        let kept = KeptFile {
            conversation: ConversationId([1; 32]),
            entry: EntryId([2; 32]),
            author: Identity([3; 32]),
            file: conversation::File {
                name: "x".to_owned(),
                size,
                media_type: String::new(),
                root,
                key,
                manifest: 0,
                preview: None,
                voice: None,
            },
            place: Place {
                state: FileState::Fetching,
                path: at("part"),
                target: at("x"),
                hashes: "hashes".to_owned(),
            },
        };
        Self { directory, kept }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn prepare(&self) -> Ready {
        Fetch::prepare(self.kept.clone(), &self.at("blobs"), &[]).unwrap()
    }

    /// What is prepared, where it is not there yet.
    #[track_caller]
    fn fetch(&self) -> Fetch {
        match self.prepare() {
            Ready::Fetch(fetch) => *fetch,
            Ready::There(path) => panic!("it is at {}", path.display()),
        }
    }
}

#[test]
fn a_disk_that_failed_once_is_not_believed_again() {
    let gathered = Gathered::new();
    let fetch = gathered.fetch();
    assert!(fetch.is_whole());
    let failed = fetch.sync(|| Err(io::Error::other("the disk is broken")));
    assert!(failed.is_err());
    // The system tells of it once: now all seems well.
    assert!(fetch.finish(&gathered.at("blobs")).is_err());
    assert!(!gathered.at("x").exists());
    // What reads back as it should may not be there after a power cut, so nothing of it counts.
    assert_eq!(gathered.fetch().done(), 0);
    // Where nothing failed, it gets its name.
    let gathered = Gathered::new();
    assert_eq!(gathered.fetch().finish(&gathered.at("blobs")).unwrap(), gathered.at("x"));
}

#[test]
fn a_file_that_has_its_name_already_is_found_under_whichever() {
    let gathered = Gathered::new();
    // All that is taken by others, in all ways.
    fs::write(gathered.at("x"), vec![8; 40_000]).unwrap();
    fs::create_dir(gathered.at("x (2)")).unwrap();
    symlink(gathered.at("part"), gathered.at("x (3)")).unwrap();
    fs::write(gathered.at("x (4)"), vec![7; 39_999]).unwrap();
    let named = gathered.fetch().finish(&gathered.at("blobs")).unwrap();
    assert_eq!(named, gathered.at("x (5)"));
    match gathered.prepare() {
        Ready::There(path) => assert_eq!(path, named),
        Ready::Fetch(_) => panic!("it would be fetched again"),
    }
    // Of what is something else by now, nothing is taken over.
    fs::write(&named, vec![6; 40_000]).unwrap();
    assert_eq!(gathered.fetch().done(), 0);
    assert_eq!(fs::read(named).unwrap(), vec![6; 40_000]);
}

#[test]
fn forgetting_leaves_what_is_whole_and_takes_what_is_not() {
    let gathered = Gathered::new();
    let mut place = gathered.kept.place.clone();
    fs::create_dir_all(folder_of(&place).join("inner")).unwrap();
    fs::write(gathered.at("blobs/other"), "").unwrap();
    place.state = FileState::Here;
    forget(&place, &gathered.at("blobs")).unwrap();
    assert!(gathered.at("part").exists() && !gathered.at("blobs/hashes").exists());
    place.state = FileState::Stopped;
    forget(&place, &gathered.at("blobs")).unwrap();
    assert!(!gathered.at("part").exists() && !folder_of(&place).exists());
    // Of one of which nothing came, too.
    forget(&Place::default(), &gathered.at("blobs")).unwrap();
    assert!(gathered.at("blobs/other").exists());
}
