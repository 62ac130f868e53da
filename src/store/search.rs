//! The search index and what is looked up in it.

use rusqlite::Connection;

use super::{Core, MAX_PAGE, Result, StoreError, log::id_of};
use crate::{conversation::ConversationId, node::api::Hit};

/// The longest query in bytes.
pub const MAX_QUERY_BYTES: usize = 1024;
/// The most words of a query that are looked up; further ones are left out.
pub const MAX_WORDS: usize = 16;
/// Words around a match in [`Hit::snippet`].
const SNIPPET_WORDS: u32 = 12;

/// A change of one item's text.
pub(super) struct Change {
    pub(super) row: i64,
    /// The conversation's row.
    pub(super) conversation: i64,
    /// As it was; none: it was not in the index.
    pub(super) old: Option<String>,
    /// As it is; none: it leaves the index.
    pub(super) new: Option<String>,
}

impl Change {
    pub(super) fn apply(&self, connection: &Connection) -> Result<()> {
        let place = place(self.conversation);
        if let Some(old) = &self.old {
            connection
                .prepare_cached(
                    "INSERT INTO search (search, rowid, place, text)
                     VALUES ('delete', ?1, ?2, ?3)",
                )?
                .execute((self.row, &place, old))?;
        }
        if let Some(new) = &self.new {
            connection
                .prepare_cached("INSERT INTO search (rowid, place, text) VALUES (?1, ?2, ?3)")?
                .execute((self.row, &place, new))?;
        }
        Ok(())
    }
}

/// The word that stands for a conversation.
fn place(conversation: i64) -> String {
    format!("c{conversation}")
}

impl Core {
    pub(super) fn search(
        &mut self,
        query: &str,
        conversation: Option<ConversationId>,
        limit: u32,
    ) -> Result<Vec<Hit>> {
        if query.len() > MAX_QUERY_BYTES {
            return Err(StoreError::InvalidInput("The search is too long; use fewer words."));
        }
        let number = match conversation {
            Some(id) => Some(self.logs.open(&id)?.state.number),
            None => None,
        };
        let Some(expression) = expression(query, number) else { return Ok(Vec::new()) };
        // What this group has written so far is to be found. Last of what may fail for a reason
        // of this job alone: see `in_savepoint`.
        self.logs.flush_search()?;
        let mut search = self.connection().prepare_cached(
            "SELECT conversation.id, entry.id,
                    snippet(search, 1, char(0x2068), char(0x2069), '…', ?3)
             FROM search
             JOIN entry ON entry.row = search.rowid
             JOIN conversation ON conversation.number = entry.conversation
             WHERE search MATCH ?1 ORDER BY search.rowid DESC LIMIT ?2",
        )?;
        let hits = search.query_map((expression, limit.min(MAX_PAGE), SNIPPET_WORDS), |row| {
            Ok(Hit {
                conversation: ConversationId(row.get(0)?),
                entry: id_of(row, 1)?,
                snippet: row.get(2)?,
            })
        })?;
        Ok(hits.collect::<rusqlite::Result<_>>()?)
    }
}

/// The FTS5 expression for a query: every word quoted, so that none is taken for syntax, and each
/// matching as a prefix. None if there is no word in it.
fn expression(query: &str, conversation: Option<i64>) -> Option<String> {
    use std::fmt::Write as _;
    let words = query.split(|c: char| c.is_whitespace() || c.is_control());
    let words = words.filter(|word| word.chars().any(char::is_alphanumeric));
    let mut expression = String::new();
    for word in words.take(MAX_WORDS) {
        if !expression.is_empty() {
            expression.push_str(" AND ");
        }
        // Writing to a string does not fail.
        let _ = write!(expression, "text : \"{}\" *", word.replace('"', "\"\""));
    }
    if expression.is_empty() {
        return None;
    }
    if let Some(number) = conversation {
        let _ = write!(expression, " AND place : \"{}\"", place(number));
    }
    Some(expression)
}
