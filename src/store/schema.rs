//! The tables, their migrations, and what a connection is set to.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags};

use super::{Result, StoreError, key::DatabaseKey};

/// Says that a database is ours: `entr`.
const APPLICATION_ID: i64 = 0x656e_7472;

/// What brings a database from each version to the next; the version is the number of those that
/// were applied. One that was ever released is never changed.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
    include_str!("schema/4.sql"),
    include_str!("schema/5.sql"),
    include_str!("schema/6.sql"),
];

/// The version since which offers are found by their content.
const CONTENTS_NAMED: usize = 6;

/// The page cache of the thread's connection, in KiB: holds what a group of commits changes and
/// the inner pages of all indices of a million entries.
const CACHE_KIB: u32 = 8 * 1024;
/// The page cache of the integrity check's connection, in KiB: it reads everything once.
const CHECK_CACHE_KIB: u32 = 512;
/// Pages in the write-ahead log before they are moved into the database: 16 MiB, so that a page
/// that many commits changed is moved once.
const CHECKPOINT_PAGES: u32 = 4096;

/// SQLCipher's page: the least that a database has.
pub(super) const PAGE_BYTES: u64 = 4096;

/// Opens a database and proves the key on its first page.
///
/// # Errors
/// [`StoreError::Damaged`] if the key, which is known to be right, does not open it.
pub(super) fn connect(path: &Path, key: &DatabaseKey, purpose: Purpose) -> Result<Connection> {
    let flags = match purpose {
        Purpose::Own => OpenFlags::SQLITE_OPEN_READ_WRITE,
        Purpose::Check => OpenFlags::SQLITE_OPEN_READ_ONLY,
    };
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    // SQLCipher would write what it finds to the terminal; it is in the errors anyway.
    connection.execute_batch("PRAGMA cipher_log_level = NONE;")?;
    connection.execute_batch(&key.pragma())?;
    let cache = if purpose == Purpose::Own { CACHE_KIB } else { CHECK_CACHE_KIB };
    // Nothing about the key is cached on disk, and nothing is sorted on disk.
    connection.execute_batch(&format!("PRAGMA temp_store=MEMORY; PRAGMA cache_size=-{cache};"))?;
    let _: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0))?;
    if purpose == Purpose::Own {
        // The only other connection is the integrity check's, which reads, and readers are in the
        // way of nothing but a truncating checkpoint. That is tried again later, instead of making
        // everybody wait for the 5 s that rusqlite would.
        connection.busy_timeout(Duration::ZERO)?;
        connection.execute_batch(&format!(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON;
             PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF;
             PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES};
             PRAGMA journal_size_limit={};",
            CHECKPOINT_PAGES * 4096,
        ))?;
        connection.set_prepared_statement_cache_capacity(64);
    }
    Ok(connection)
}

/// Moves everything from the write-ahead log into the database, and empties it. Whether that was
/// done: not while another connection reads.
///
/// # Errors
/// The disk; then the log still has what was committed.
pub(super) fn empty_log(connection: &Connection) -> Result<bool> {
    let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
    let busy: bool = connection.query_row(checkpoint, [], |row| row.get(0))?;
    Ok(!busy)
}

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Own,
    Check,
}

/// Brings a database to this version; one of version 0 is new, and only `create` may meet that.
///
/// # Errors
/// [`StoreError::TooNew`] if it is of a later one, [`StoreError::Damaged`] if it is none of ours.
pub(super) fn migrate(connection: &mut Connection, new: bool) -> Result<()> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let application = pragma("application_id")?;
    let version = pragma("user_version")?;
    if new != (version == 0) || (!new && application != APPLICATION_ID) {
        return Err(StoreError::Damaged("the database is not one of entrenous".to_owned()));
    }
    let version = usize::try_from(version)
        .map_err(|_| StoreError::Damaged("the database's version".to_owned()))?;
    let Some(pending) = MIGRATIONS.get(version..) else { return Err(StoreError::TooNew) };
    for (migration, number) in pending.iter().zip(version + 1..) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(migration)?;
        if number == CONTENTS_NAMED {
            super::files::name_contents(&transaction)?;
        }
        transaction.execute_batch(&format!(
            "PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={number};"
        ))?;
        transaction.commit()?;
    }
    Ok(())
}
