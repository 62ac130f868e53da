//! [`Log`] over SQL.

use rusqlite::{CachedStatement, Connection, OptionalExtension as _, Row};

use super::{State, cache::Pending};
use crate::{
    conversation::{
        Body, Branch, Budget, ConversationId, Entry, EntryId, FeedId, Kind, Log, Placed, Point,
        Stored, WireEntry,
    },
    identity::Identity,
    store::{Result, StoreError, search::Change},
};

/// The log of one conversation, within a transaction. It knows no other: of those, it says that
/// they are empty.
pub(in crate::store) struct SqlLog<'a> {
    pub(in crate::store) connection: &'a Connection,
    pub(in crate::store) id: ConversationId,
    pub(in crate::store) me: Identity,
    pub(in crate::store) state: &'a mut State,
    pub(super) pending: &'a mut Pending,
}

/// The first 8 bytes of a name, as they are indexed.
pub(in crate::store) fn prefix(id: &EntryId) -> i64 {
    let mut first = [0; 8];
    first.copy_from_slice(&id.0[..8]);
    i64::from_be_bytes(first)
}

pub(in crate::store) fn id_of(row: &Row<'_>, index: usize) -> rusqlite::Result<EntryId> {
    row.get(index).map(EntryId)
}

/// The entry of a name, in one conversation. By the index of names: the plus keeps SQLite from
/// taking one that begins with the conversation instead, and reading all of it.
pub(in crate::store) const NAMED: &str = "prefix = ?1 AND id = ?2 AND +conversation = ?3";

/// The last item of a branch to arrive, among its last 10,000 entries: what follows another
/// arrives after it.
pub(in crate::store) const LAST_SHOWN: &str = "SELECT row, header FROM (
         SELECT row, header, shown FROM entry WHERE conversation = ?1 AND branch = ?2
         ORDER BY seq DESC LIMIT 10000
     ) WHERE shown LIMIT 1";

/// What [`SqlLog::stored`] reads.
const STORED: &str = "id, branch, seq, time, kind, body IS NULL, row, header, body";

impl SqlLog<'_> {
    fn prepare(&self, sql: &str) -> Result<CachedStatement<'_>> {
        Ok(self.connection.prepare_cached(sql)?)
    }

    /// The row of an entry.
    pub(in crate::store) fn row(&self, id: &EntryId) -> Result<Option<i64>> {
        let mut find = self.prepare(&format!("SELECT row FROM entry WHERE {NAMED}"))?;
        let params = (prefix(id), id.0, self.state.number);
        Ok(find.query_row(params, |row| row.get(0)).optional()?)
    }

    fn feed(&self, branch: u32) -> Option<FeedId> {
        self.state.branch(branch).map(|b| b.feed)
    }

    /// Reads columns 1 to 5 of [`STORED`].
    fn placed(&self, row: &Row<'_>) -> rusqlite::Result<Placed> {
        let branch = row.get(1)?;
        let feed = self
            .feed(branch)
            .ok_or(rusqlite::Error::IntegralValueOutOfRange(1, i64::from(branch)))?;
        Ok(Placed {
            feed,
            branch,
            seq: row.get::<_, i64>(2)?.cast_unsigned(),
            time: row.get::<_, i64>(3)?.cast_unsigned(),
            kind: Kind::from_number(row.get(4)?),
            pruned: row.get(5)?,
        })
    }

    /// Reads the columns of [`STORED`].
    pub(in crate::store) fn stored(&self, row: &Row<'_>) -> rusqlite::Result<Stored> {
        Ok(Stored {
            id: id_of(row, 0)?,
            placed: self.placed(row)?,
            wire: WireEntry { header: row.get(7)?, body: row.get(8)? },
        })
    }

    /// Items between two places in the order shown, with their rows.
    pub(in crate::store) fn items(
        &self,
        condition: &str,
        params: impl rusqlite::Params,
    ) -> Result<Vec<(i64, Stored)>> {
        let sql = format!("SELECT {STORED} FROM entry WHERE shown AND {condition}");
        let mut items = self.prepare(&sql)?;
        let items = items.query_map(params, |row| Ok((row.get(6)?, self.stored(row)?)))?;
        Ok(items.collect::<rusqlite::Result<_>>()?)
    }

    /// The modifiers of an item, by its row.
    pub(in crate::store) fn modifiers_of(&self, row: i64) -> Result<Vec<Stored>> {
        let sql = format!(
            "SELECT {STORED} FROM entry WHERE row IN (SELECT row FROM modifier WHERE target = ?1)"
        );
        let mut modifiers = self.prepare(&sql)?;
        let modifiers = modifiers.query_map([row], |row| self.stored(row))?;
        Ok(modifiers.collect::<rusqlite::Result<_>>()?)
    }

    /// Keeps the text of an item as it is now, here and in the search index.
    pub(in crate::store) fn set_text(&mut self, id: &EntryId, text: Option<&str>) -> Result<()> {
        let Some(row) = self.row(id)? else { return Ok(()) };
        let old: Option<String> = self
            .prepare("SELECT text FROM entry WHERE row = ?1")?
            .query_row([row], |row| row.get(0))?;
        if old.as_deref() == text {
            return Ok(());
        }
        self.prepare("UPDATE entry SET text = ?2 WHERE row = ?1")?.execute((row, text))?;
        let new = text.map(str::to_owned);
        self.pending.search.push(Change { row, conversation: self.state.number, old, new });
        Ok(())
    }

    fn write_branch(&mut self, branch: &Branch) -> Result<()> {
        let number = self.state.number;
        if let Some(known) = self.state.branches.iter_mut().find(|b| b.number == branch.number) {
            *known = *branch;
            self.prepare(
                "UPDATE branch SET tip_seq = ?3, tip_id = ?4, tip_time = ?5, tip_arrival = ?6
                     WHERE conversation = ?1 AND number = ?2",
            )?
            .execute((
                number,
                branch.number,
                branch.tip.seq.cast_signed(),
                branch.tip.id.0,
                branch.tip.time.cast_signed(),
                branch.tip.arrival.cast_signed(),
            ))?;
        } else {
            self.state.branches.push(*branch);
            self.prepare("INSERT INTO branch VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")?
                .execute((
                    number,
                    branch.number,
                    branch.feed.author.0,
                    branch.feed.device,
                    branch.parent.map(|p| p.branch),
                    branch.parent.map(|p| p.seq.cast_signed()),
                    branch.tip.seq.cast_signed(),
                    branch.tip.id.0,
                    branch.tip.time.cast_signed(),
                    branch.tip.arrival.cast_signed(),
                ))?;
        }
        Ok(())
    }

    /// Notes a modifier if it is the last of its kind and author in the order shown.
    fn write_modifier(&self, target: i64, row: i64, entry: &Entry, placed: &Placed) -> Result<()> {
        self.prepare(
            "INSERT INTO modifier VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT DO UPDATE SET row = excluded.row, time = excluded.time, id = excluded.id
             WHERE (excluded.time, excluded.id) > (time, id)",
        )?
        .execute((
            target,
            placed.kind.number(),
            placed.feed.author.0,
            row,
            placed.time.cast_signed(),
            entry.id.0,
        ))?;
        Ok(())
    }
}

impl Log for SqlLog<'_> {
    type Error = StoreError;

    fn branches(&self, conversation: &ConversationId) -> Result<Vec<Branch>> {
        Ok(if *conversation == self.id { self.state.branches.clone() } else { Vec::new() })
    }

    fn find(&self, _: &ConversationId, id: &EntryId) -> Result<Option<Placed>> {
        let sql =
            format!("SELECT id, branch, seq, time, kind, body IS NULL FROM entry WHERE {NAMED}");
        let mut find = self.prepare(&sql)?;
        let params = (prefix(id), id.0, self.state.number);
        Ok(find.query_row(params, |row| self.placed(row)).optional()?)
    }

    fn entry(&self, _: &ConversationId, id: &EntryId) -> Result<Option<Stored>> {
        let sql = format!("SELECT {STORED} FROM entry WHERE {NAMED}");
        let params = (prefix(id), id.0, self.state.number);
        Ok(self.prepare(&sql)?.query_row(params, |row| self.stored(row)).optional()?)
    }

    fn at(&self, _: &ConversationId, point: Point) -> Result<Option<EntryId>> {
        let mut at = self
            .prepare("SELECT id FROM entry WHERE conversation = ?1 AND branch = ?2 AND seq = ?3")?;
        let params = (self.state.number, point.branch, point.seq.cast_signed());
        Ok(at.query_row(params, |row| id_of(row, 0)).optional()?)
    }

    fn read(
        &self,
        _: &ConversationId,
        branch: u32,
        after: u64,
        budget: Budget,
    ) -> Result<Vec<Stored>> {
        let sql = format!(
            "SELECT {STORED} FROM entry WHERE conversation = ?1 AND branch = ?2 AND seq > ?3
             ORDER BY seq LIMIT ?4"
        );
        let most = i64::try_from(budget.entries.max(1)).unwrap_or(i64::MAX);
        let mut read = self.prepare(&sql)?;
        let mut rows = read.query((self.state.number, branch, after.cast_signed(), most))?;
        let mut entries: Vec<Stored> = Vec::new();
        let mut bytes = 0;
        while let Some(row) = rows.next()? {
            let stored = self.stored(row)?;
            bytes += stored.wire.size();
            if bytes > budget.bytes && !entries.is_empty() {
                break;
            }
            entries.push(stored);
        }
        Ok(entries)
    }

    fn modifiers(&self, _: &ConversationId, target: &EntryId) -> Result<Vec<Stored>> {
        match self.row(target)? {
            Some(row) => self.modifiers_of(row),
            None => Ok(Vec::new()),
        }
    }

    fn insert(&mut self, entry: &Entry, placed: &Placed, branch: &Branch) -> Result<()> {
        self.write_branch(branch)?;
        let target = match &entry.header.target {
            Some(target) if placed.kind.modifies() => self.row(target)?,
            _ => None,
        };
        let shown = placed.kind.is_shown();
        let text = if shown { entry.body.as_ref().and_then(|body| body.text()) } else { None };
        let content = entry.body.as_ref().and_then(Body::content);
        self.prepare(
            "INSERT INTO entry (conversation, prefix, id, branch, seq, time, kind, mine, lacks,
                                shown, edits, header, body, text, content)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        )?
        .execute((
            self.state.number,
            prefix(&entry.id),
            entry.id.0,
            placed.branch,
            placed.seq.cast_signed(),
            placed.time.cast_signed(),
            placed.kind.number(),
            placed.feed.author == self.me,
            entry.wire.body.is_none(),
            shown,
            target.filter(|_| placed.kind == Kind::Edit),
            &entry.wire.header,
            &entry.wire.body,
            text,
            content,
        ))?;
        let row = self.connection.last_insert_rowid();
        if let Some(target) = target {
            self.write_modifier(target, row, entry, placed)?;
        }
        if let Some(text) = text {
            let new = Some(text.to_owned());
            let conversation = self.state.number;
            self.pending.search.push(Change { row, conversation, old: None, new });
        }
        self.pending.written += 1;
        Ok(())
    }

    fn prune(&mut self, _: &ConversationId, id: &EntryId) -> Result<()> {
        self.set_text(id, None)?;
        let Some(row) = self.row(id)? else { return Ok(()) };
        let forget = |which: &str| -> Result<bool> {
            let sql = format!(
                "UPDATE entry SET body = NULL, lacks = 0, content = NULL
                 WHERE {which} = ?1 AND (body IS NOT NULL OR lacks)"
            );
            Ok(self.prepare(&sql)?.execute([row])? > 0)
        };
        // A peer can write any number of edits, and of what makes an item be folded again.
        if forget("row")? {
            forget("edits")?;
            self.pending.pruned = true;
        }
        Ok(())
    }

    fn lacking(&self, _: &ConversationId, most: usize) -> Result<Vec<EntryId>> {
        let mut lacking = self.prepare(
            "SELECT id FROM entry WHERE lacks AND conversation = ?1 ORDER BY row LIMIT ?2",
        )?;
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let ids = lacking.query_map((self.state.number, most), |row| id_of(row, 0))?;
        Ok(ids.collect::<rusqlite::Result<_>>()?)
    }

    fn restore(&mut self, _: &ConversationId, id: &EntryId, body: &[u8]) -> Result<()> {
        if let Some(row) = self.row(id)? {
            let content = Body::decode(Kind::File, None, body).ok().and_then(|body| body.content());
            self.prepare(
                "UPDATE entry SET body = ?2, lacks = 0, content = iif(kind = ?4, ?3, NULL)
                 WHERE row = ?1",
            )?
            .execute((row, body, content, Kind::File.number()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{
        files::{PLACES, SAME},
        schema,
    };

    #[test]
    fn no_look_up_reads_a_whole_conversation() {
        let connection = Connection::open_in_memory().unwrap();
        for migration in schema::MIGRATIONS {
            connection.execute_batch(migration).unwrap();
        }
        for (sql, index) in [
            (format!("SELECT row FROM entry WHERE {NAMED}"), "entry_prefix (prefix=?)"),
            (format!("SELECT row FROM entry WHERE shown AND {NAMED}"), "entry_prefix (prefix=?)"),
            (
                "SELECT row FROM entry WHERE conversation = ?1 AND branch = ?2 AND seq > ?3
                 ORDER BY seq LIMIT ?4"
                    .to_owned(),
                "entry_point (conversation=? AND branch=? AND seq>?)",
            ),
            (
                "SELECT id FROM entry WHERE shown AND conversation = ?1 AND (time, id) < (?2, ?3)
                 ORDER BY time DESC, id DESC LIMIT ?4"
                    .to_owned(),
                "entry_shown (conversation=? AND (time,id)<(?,?))",
            ),
            (
                format!("SELECT id FROM entry WHERE {SAME}"),
                "entry_content (content=? AND mine=? AND conversation>?)",
            ),
            (PLACES.to_owned(), "entry_content (content=?)"),
            (LAST_SHOWN.to_owned(), "entry_point (conversation=? AND branch=?)"),
        ] {
            // Without values for its parameters: the plan is made without them.
            let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let plan = explain.raw_query().mapped(|row| row.get::<_, String>(3));
            let plan: Vec<_> = plan.collect::<rusqlite::Result<_>>().unwrap();
            assert!(plan.iter().any(|step| step.ends_with(index)), "{sql}: {plan:?}");
            let reads_all =
                |step: &String| step.contains("SCAN entry") || step.contains("TEMP B-TREE");
            assert!(!plan.iter().any(reads_all), "{sql}: {plan:?}");
        }
    }
}
