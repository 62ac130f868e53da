//! The integrity check after an unclean end. It reads the whole database, which takes seconds at
//! a million entries, so it runs beside the store's thread, on a connection of its own.

use std::{
    fs,
    path::PathBuf,
    thread::{self, JoinHandle},
};

use rusqlite::{Connection, InterruptHandle};
use tokio::sync::watch;

use super::{Directory, Result, StoreError, key::DatabaseKey, schema};

/// The thread's side of [`super::Store::damage`].
pub(super) type Damage = watch::Sender<Option<StoreError>>;

/// A check under way.
pub(super) struct Check {
    interrupt: InterruptHandle,
    thread: JoinHandle<()>,
}

impl Check {
    /// Starts it. What it finds goes to `damage`; if all is well, the mark of the unclean end is
    /// removed.
    pub(super) fn start(directory: &Directory, key: &DatabaseKey, damage: Damage) -> Result<Self> {
        let connection = schema::connect(&directory.database(), key, schema::Purpose::Check)?;
        let interrupt = connection.get_interrupt_handle();
        let unchecked = directory.unchecked();
        let thread = thread::Builder::new()
            .name("check".to_owned())
            .spawn(move || run(&connection, &unchecked, &damage))?;
        Ok(Self { interrupt, thread })
    }

    /// Ends it, wherever it is; it begins again at the next start.
    pub(super) fn stop(self) {
        self.interrupt.interrupt();
        // A check that panicked has found nothing.
        let _ = self.thread.join();
    }
}

fn run(connection: &Connection, unchecked: &PathBuf, damage: &Damage) {
    match check(connection) {
        Ok(()) => {
            // If it stays, the check is only done once more.
            let _ = fs::remove_file(unchecked);
        }
        Err(error @ StoreError::Damaged(_)) => {
            damage.send_replace(Some(error));
        }
        Err(_) => {} // interrupted, or unreadable: which the store's thread will meet too
    }
}

/// Reads everything: the pages (SQLCipher proves the MAC of each), the trees, that each index
/// agrees with its table, and the search index.
pub(super) fn check(connection: &Connection) -> Result<()> {
    let found: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if found == "ok" { Ok(()) } else { Err(StoreError::Damaged(found)) }
}
