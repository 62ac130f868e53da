//! The conversations' logs in SQL. What may enter is decided by [`crate::conversation`]; this
//! keeps and finds.

mod cache;
mod sql;

pub(super) use self::{
    cache::{Logs, State},
    sql::{LAST_SHOWN, NAMED, SqlLog, id_of, prefix},
};
