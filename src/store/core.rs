//! What the store's thread keeps: the connection, and in memory what every entry needs.

use rusqlite::{Connection, OptionalExtension as _};
use zeroize::Zeroizing;

use super::{Directory, Profile, Result, StoreError, check::Check, log::Logs, schema};
use crate::{
    conversation::{FeedId, Held, MarkKey},
    identity::{Certificate, DeviceKey, Identity, IdentityKey},
    text,
};

/// The state of the store's thread.
pub(super) struct Core {
    /// The logs, and by that the connection.
    pub(super) logs: Logs,
    /// Early entries of others. In memory only: they come again.
    pub(super) held: Held,
    /// The own feed, in every conversation.
    pub(super) me: FeedId,
    /// The key of the own marks.
    pub(super) mark_key: MarkKey,
    has_passphrase: bool,
    /// Why the current group cannot be committed any more.
    failed: Option<StoreError>,
    check: Option<Check>,
    // Last, so that it is given back after everything else is closed.
    directory: Directory,
}

/// What an open profile consists of.
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) keys: Keys,
    pub(super) has_passphrase: bool,
    pub(super) check: Option<Check>,
}

impl Core {
    pub(super) fn new(opened: Opened, directory: Directory) -> Self {
        let Opened { connection, keys, has_passphrase, check } = opened;
        let me = FeedId { author: keys.identity_key.public(), device: keys.certificate.device };
        let mark_key = MarkKey::derive(&*keys.device_key.to_bytes());
        // Whoever ended uncleanly may have left deleted text in the write-ahead log.
        let unclean = check.is_some();
        Self {
            logs: Logs::new(connection, me.author, unclean),
            held: Held::default(),
            me,
            mark_key,
            has_passphrase,
            failed: None,
            check,
            directory,
        }
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.logs.connection
    }

    /// Begins a group.
    pub(super) fn begin(&mut self) {
        self.failed = self.execute("BEGIN").err();
    }

    fn execute(&self, sql: &str) -> Result<()> {
        self.connection().prepare_cached(sql)?.execute([])?;
        Ok(())
    }

    /// Runs one job of a group; if it fails, it has done nothing.
    pub(super) fn in_savepoint<T>(
        &mut self,
        job: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        self.execute("SAVEPOINT job")?;
        let mark = self.logs.mark();
        let result = job(self);
        if result.is_err() {
            self.logs.undo_to(mark);
            let undone = self.execute("ROLLBACK TO job");
            // SQLite gives the whole transaction up when the disk fails in the middle of it. And
            // what earlier jobs wrote into the search index is lost if this one flushed it.
            let lost = self.logs.mark().0 < mark.0;
            if self.connection().is_autocommit() || undone.is_err() || lost {
                self.failed = result.as_ref().err().cloned();
                return result;
            }
        }
        self.execute("RELEASE job")?;
        result
    }

    /// How many entries the current group has written.
    pub(super) fn written(&self) -> usize {
        self.logs.written()
    }

    /// Commits a group. If that fails, nothing of it has happened.
    pub(super) fn commit(&mut self) -> Result<()> {
        let committed = match self.failed.take() {
            Some(failed) => Err(failed),
            None => self.logs.flush_search().and_then(|()| self.execute("COMMIT")),
        };
        if committed.is_err() {
            if !self.connection().is_autocommit() {
                // If this fails too, the next BEGIN does.
                let _ = self.execute("ROLLBACK");
            }
            self.logs.forget();
            self.held = Held::default();
        }
        self.logs.begin_again();
        committed
    }

    /// Nothing is queued: takes deleted text out of the write-ahead log too.
    pub(super) fn rest(&mut self) {
        if self.logs.pruned {
            // If the integrity check reads, it is done after the next group.
            self.logs.pruned = !matches!(schema::empty_log(self.connection()), Ok(true));
        }
    }

    /// Ends cleanly.
    pub(super) fn close(self) -> Result<()> {
        let Self { logs, check, directory, .. } = self;
        if let Some(check) = check {
            check.stop();
        }
        let emptied = schema::empty_log(&logs.connection);
        logs.connection.flush_prepared_statement_cache();
        let closed = logs.connection.close().map_err(|(_, error)| error);
        drop(directory);
        emptied?;
        closed?;
        Ok(())
    }

    pub(super) fn profile(&self) -> Result<Profile> {
        let Keys { identity_key, device_key, certificate, name } = Keys::read(self.connection())?;
        Ok(Profile {
            identity_key,
            device_key,
            certificate,
            name,
            has_passphrase: self.has_passphrase,
        })
    }

    pub(super) fn set_name(&mut self, name: &str) -> Result<String> {
        let name = own_name(name, &self.me.author);
        self.connection().prepare_cached("UPDATE profile SET name = ?1")?.execute([&name])?;
        Ok(name)
    }
}

/// The own name as it is kept.
pub(super) fn own_name(name: &str, me: &Identity) -> String {
    text::name(name).unwrap_or_else(|| short(me))
}

/// What somebody without a name is called: the first 8 digits of the identity.
pub(super) fn short(identity: &Identity) -> String {
    hex::encode(&identity.0[..4])
}

/// The row that says who one is.
pub(super) struct Keys {
    pub(super) identity_key: IdentityKey,
    pub(super) device_key: DeviceKey,
    pub(super) certificate: Certificate,
    pub(super) name: String,
}

impl Keys {
    pub(super) fn read(connection: &Connection) -> Result<Self> {
        let damaged = || StoreError::Damaged("the own keys".to_owned());
        let sql = "SELECT identity_key, device_key, certificate, name FROM profile";
        let row = connection
            .query_row(sql, [], |row| {
                let secret = |index| row.get(index).map(Zeroizing::<[u8; 32]>::new);
                let certificate: Vec<u8> = row.get(2)?;
                Ok((secret(0)?, secret(1)?, certificate, row.get(3)?))
            })
            .optional()?;
        let (identity_key, device_key, certificate, name) = row.ok_or_else(damaged)?;
        Ok(Self {
            identity_key: IdentityKey::from_bytes(&identity_key),
            device_key: DeviceKey::from_bytes(&device_key),
            certificate: Certificate::decode(&certificate).map_err(|_| damaged())?,
            name,
        })
    }

    pub(super) fn write(&self, connection: &Connection) -> Result<()> {
        connection.execute(
            "INSERT INTO profile (one, identity_key, device_key, certificate, name)
             VALUES (1, ?1, ?2, ?3, ?4)",
            (
                self.identity_key.to_bytes().as_slice(),
                self.device_key.to_bytes().as_slice(),
                self.certificate.encode(),
                &self.name,
            ),
        )?;
        Ok(())
    }
}
