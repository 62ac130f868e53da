//! Nodes of DHTs that answered, to begin with next time.

use super::{Core, MAX_ADDRESS_BYTES, Result};

/// The most nodes kept.
pub const MAX_DHT_NODES: usize = 32;

impl Core {
    pub(super) fn dht_nodes(&self) -> Result<Vec<String>> {
        let sql = "SELECT address FROM dht_node ORDER BY number";
        let mut nodes = self.connection().prepare_cached(sql)?;
        let nodes = nodes.query_map([], |row| row.get(0))?;
        Ok(nodes.collect::<rusqlite::Result<_>>()?)
    }

    pub(super) fn set_dht_nodes(&self, nodes: &[String]) -> Result<()> {
        self.connection().execute("DELETE FROM dht_node", [])?;
        let sql = "INSERT INTO dht_node (address) VALUES (?1)";
        let mut insert = self.connection().prepare_cached(sql)?;
        let fitting = nodes.iter().filter(|address| address.len() <= MAX_ADDRESS_BYTES);
        for address in fitting.take(MAX_DHT_NODES) {
            insert.execute([address])?;
        }
        Ok(())
    }
}
