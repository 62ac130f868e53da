//! What is known here of files that entries offer.

use std::path::PathBuf;

use rusqlite::{Connection, OptionalExtension as _};

use super::{
    Core, Result, StoreError, WrittenEntry,
    log::{SqlLog, prefix},
};
use crate::{
    conversation::{Body, ConversationId, EntryId, File, Kind, Log as _},
    identity::Identity,
    node::api::{FileState, UnixMillis},
};

/// A file that an entry offers, and what is known of it here.
#[derive(Debug, Clone)]
pub struct KeptFile {
    /// Where.
    pub conversation: ConversationId,
    /// Which entry.
    pub entry: EntryId,
    /// Who offers it.
    pub author: Identity,
    /// What is offered.
    pub file: File,
    /// How far it is here.
    pub place: Place,
}

/// How far a file is here, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// How far.
    pub state: FileState,
    /// Where its content lies, or is gathered; empty if nowhere.
    pub path: PathBuf,
    /// Of one that is not here: the path that it is to have.
    pub target: PathBuf,
    /// The name of the file in which its hashes lie; empty if nowhere.
    pub hashes: String,
}

impl Default for Place {
    fn default() -> Self {
        let (path, target) = (PathBuf::new(), PathBuf::new());
        Self { state: FileState::Offered, path, target, hashes: String::new() }
    }
}

/// What is known here of a file, be it offered still or not.
#[derive(Debug, Clone)]
pub struct Remembered {
    /// Where it was offered.
    pub conversation: ConversationId,
    /// By which entry.
    pub entry: EntryId,
    /// How far it is here.
    pub place: Place,
    /// The entry is there, and was not deleted.
    pub offered: bool,
}

/// The newest offer of a content by another in the first conversation after one.
pub(super) const SAME: &str = "content = ?1 AND mine = 0 AND conversation > ?2
     ORDER BY conversation, row DESC LIMIT 1";

/// A few of the places where a content is here.
pub(super) const PLACES: &str = "SELECT state, path, target, hashes FROM file
     WHERE entry IN (SELECT id FROM entry WHERE content = ?1) AND state = ?2 LIMIT 4";

/// Names the content of each offer that was written before contents had names.
pub(super) fn name_contents(connection: &Connection) -> Result<()> {
    let mut offers =
        connection.prepare("SELECT row, body FROM entry WHERE kind = ?1 AND body IS NOT NULL")?;
    let mut rows = offers.query([Kind::File.number()])?;
    let mut set = connection.prepare("UPDATE entry SET content = ?2 WHERE row = ?1")?;
    while let Some(row) = rows.next()? {
        let body: Vec<u8> = row.get(1)?;
        if let Ok(body) = Body::decode(Kind::File, None, &body) {
            set.execute((row.get::<_, i64>(0)?, body.content()))?;
        }
    }
    Ok(())
}

fn number(state: FileState) -> i64 {
    match state {
        FileState::Offered => 0,
        FileState::Fetching => 1,
        FileState::Stopped => 2,
        FileState::Here => 3,
        FileState::Gone => 4,
    }
}

fn state(number: i64) -> FileState {
    match number {
        1 => FileState::Fetching,
        2 => FileState::Stopped,
        3 => FileState::Here,
        4 => FileState::Gone,
        _ => FileState::Offered,
    }
}

impl Core {
    pub(super) fn write_file(
        &mut self,
        conversation: &ConversationId,
        file: File,
        place: &Place,
        now: UnixMillis,
    ) -> Result<WrittenEntry> {
        let mut written = self.write(conversation, Body::File(Box::new(file)), now)?;
        let id = written.entry.id;
        self.put_place(conversation, &id, place)?;
        written.shown = self.logs.open(conversation)?.view(&id)?;
        Ok(written)
    }

    pub(super) fn file(
        &mut self,
        conversation: &ConversationId,
        entry: &EntryId,
    ) -> Result<KeptFile> {
        let log = self.logs.open(conversation)?;
        let stored = log.entry(conversation, entry)?.ok_or(StoreError::UnknownEntry)?;
        let body = stored.wire.body.as_deref().filter(|_| stored.placed.kind == Kind::File);
        let body = body.and_then(|body| Body::decode(Kind::File, None, body).ok());
        let Some(Body::File(file)) = body else { return Err(StoreError::NoFile) };
        Ok(KeptFile {
            conversation: *conversation,
            entry: *entry,
            author: stored.placed.feed.author,
            file: *file,
            place: log.place(entry)?,
        })
    }

    pub(super) fn set_place(
        &mut self,
        conversation: &ConversationId,
        entry: &EntryId,
        place: &Place,
    ) -> Result<()> {
        self.file(conversation, entry)?;
        self.put_place(conversation, entry, place)
    }

    fn put_place(
        &self,
        conversation: &ConversationId,
        entry: &EntryId,
        place: &Place,
    ) -> Result<()> {
        let (path, target) = (utf8(&place.path)?, utf8(&place.target)?);
        self.connection()
            .prepare_cached(
                "INSERT INTO file (entry, conversation, state, path, target, hashes)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT DO UPDATE SET
                     state = excluded.state, path = excluded.path, target = excluded.target,
                     hashes = excluded.hashes",
            )?
            .execute((entry.0, conversation.0, number(place.state), path, target, &place.hashes))?;
        Ok(())
    }

    pub(super) fn place(
        &mut self,
        conversation: &ConversationId,
        entry: &EntryId,
    ) -> Result<Place> {
        self.logs.open(conversation)?.place(entry)
    }

    pub(super) fn same_offers(&mut self, file: &File) -> Result<Vec<(ConversationId, EntryId)>> {
        let content = file.content();
        let mut next = self.connection().prepare_cached(&format!(
            "SELECT (SELECT id FROM conversation WHERE number = entry.conversation), id,
                    conversation
             FROM entry WHERE {SAME}"
        ))?;
        let (mut all, mut after) = (Vec::new(), -1);
        loop {
            let found = next
                .query_row((content, after), |row| {
                    Ok((ConversationId(row.get(0)?), EntryId(row.get(1)?), row.get(2)?))
                })
                .optional()?;
            let Some((conversation, entry, number)) = found else { return Ok(all) };
            all.push((conversation, entry));
            after = number;
        }
    }

    pub(super) fn places(&mut self, file: &File) -> Result<Vec<Place>> {
        let places = self
            .connection()
            .prepare_cached(PLACES)?
            .query_map((file.content(), number(FileState::Here)), place)?
            .collect::<rusqlite::Result<_>>()?;
        Ok(places)
    }

    pub(super) fn forget_file(&mut self, entry: &EntryId) -> Result<()> {
        self.connection()
            .prepare_cached("DELETE FROM file WHERE entry = ?1")?
            .execute([entry.0])?;
        Ok(())
    }

    pub(super) fn files(&mut self) -> Result<Vec<Remembered>> {
        let all = self
            .connection()
            .prepare_cached("SELECT state, path, target, hashes, conversation, entry FROM file")?
            .query_map([], |row| {
                Ok((ConversationId(row.get(4)?), EntryId(row.get(5)?), place(row)?))
            })?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let mut offered = self.connection().prepare_cached(
            "SELECT 1 FROM entry WHERE prefix = ?1 AND id = ?2 AND body IS NOT NULL",
        )?;
        all.into_iter()
            .map(|(conversation, entry, place)| {
                let offered = offered.exists((prefix(&entry), entry.0))?;
                Ok(Remembered { conversation, entry, place, offered })
            })
            .collect()
    }
}

/// What the first columns say.
fn place(row: &rusqlite::Row<'_>) -> rusqlite::Result<Place> {
    Ok(Place {
        state: state(row.get(0)?),
        path: row.get::<_, String>(1)?.into(),
        target: row.get::<_, String>(2)?.into(),
        hashes: row.get(3)?,
    })
}

fn utf8(path: &std::path::Path) -> Result<&str> {
    path.to_str().ok_or(StoreError::InvalidInput("The path is not UTF-8."))
}

impl SqlLog<'_> {
    /// How far a file is here.
    pub(super) fn place(&self, entry: &EntryId) -> Result<Place> {
        let place = self
            .connection
            .prepare_cached("SELECT state, path, target, hashes FROM file WHERE entry = ?1")?
            .query_row([entry.0], place)
            .optional()?;
        Ok(place.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        blob::{Key, Root},
        store::schema::MIGRATIONS,
    };

    fn offer(size: u64) -> File {
        File {
            name: "a.bin".to_owned(),
            size,
            media_type: String::new(),
            root: Root::from([4; 32]),
            key: Key::from_bytes([5; 32]),
            manifest: 0,
            preview: None,
            voice: None,
        }
    }

    #[test]
    fn offers_of_before_contents_had_names_are_found_and_no_others() {
        let connection = Connection::open_in_memory().unwrap();
        for migration in &MIGRATIONS[..5] {
            connection.execute_batch(migration).unwrap();
        }
        let row = |conversation: i64, mine: bool, kind: Kind, body: Option<Vec<u8>>| {
            let sql = "INSERT INTO entry (conversation, prefix, id, branch, seq, time, kind, mine,
                                          lacks, shown, header, body)
                       VALUES (?1, 0, randomblob(32), 0, (SELECT count(*) FROM entry), 0, ?2, ?3,
                               0, 1, x'', ?4)";
            connection.execute(sql, (conversation, kind.number(), mine, body)).unwrap();
            connection.last_insert_rowid()
        };
        let body = |size| Some(Body::File(Box::new(offer(size))).encode());
        row(1, false, Kind::File, body(5));
        let newest = row(1, false, Kind::File, body(5));
        row(1, false, Kind::File, body(6));
        row(2, true, Kind::File, body(5));
        row(3, false, Kind::File, None);
        row(4, false, Kind::File, Some(b"damaged".to_vec()));
        let last = row(5, false, Kind::File, body(5));
        connection.execute_batch(MIGRATIONS[5]).unwrap();
        name_contents(&connection).unwrap();
        let next = |after: i64| {
            let sql = format!("SELECT conversation, row FROM entry WHERE {SAME}");
            let params = (offer(5).content(), after);
            let row = connection.query_row(&sql, params, |row| Ok((row.get(0)?, row.get(1)?)));
            row.optional().unwrap()
        };
        assert_eq!(next(-1), Some((1, newest)));
        assert_eq!(next(1), Some((5, last)));
        assert_eq!(next(5), None);
    }
}
