//! Contacts.

use rusqlite::{OptionalExtension as _, Row};

use super::{Contact, Core, MAX_INVITES, Result, StoreError, core::short};
use crate::{
    conversation::ConversationId,
    identity::{Certificate, Identity},
    node::api::UnixMillis,
    session::MAX_TAGS,
    text,
};

/// The most contacts: 512, so that with all invites that are remembered there is a tag for
/// everybody in every hail. An accepted invite takes two: its own, and one for its issuer's device.
pub const MAX_CONTACTS: usize = MAX_TAGS - 2 * MAX_INVITES as usize;
/// The most addresses kept of a contact: two families and two transports on two networks.
pub const MAX_ADDRESSES: usize = 8;
/// The longest address kept, in bytes; the longest that the network uses has about 120.
pub const MAX_ADDRESS_BYTES: usize = 256;

const COLUMNS: &str =
    "identity, certificate, own_name, their_name, verified, last_seen, addresses, unasked";

impl Core {
    fn contact_of(&self, row: &Row<'_>) -> rusqlite::Result<Contact> {
        let identity = Identity(row.get(0)?);
        let certificate: Vec<u8> = row.get(1)?;
        let certificate = Certificate::decode(&certificate).map_err(|e| {
            rusqlite::Error::FromSqlConversionFailure(1, rusqlite::types::Type::Blob, Box::new(e))
        })?;
        let own_name: Option<String> = row.get(2)?;
        let their_name: Option<String> = row.get(3)?;
        let name = own_name.as_ref().or(their_name.as_ref()).cloned();
        let last_seen: Option<i64> = row.get(5)?;
        let addresses: String = row.get(6)?;
        Ok(Contact {
            identity,
            certificate,
            name: name.unwrap_or_else(|| short(&identity)),
            own_name,
            their_name,
            verified: row.get(4)?,
            last_seen: last_seen.map(i64::cast_unsigned),
            // Only hints: what cannot be read is as good as none.
            addresses: serde_json::from_str(&addresses).unwrap_or_default(),
            unasked: row.get::<_, Option<i64>>(7)?.map(i64::cast_unsigned),
            conversation: ConversationId::direct(&self.me.author, &identity),
        })
    }

    pub(super) fn contacts(&self) -> Result<Vec<Contact>> {
        let sql = format!("SELECT {COLUMNS} FROM contact ORDER BY number");
        let mut contacts = self.connection().prepare_cached(&sql)?;
        let contacts = contacts.query_map([], |row| self.contact_of(row))?;
        Ok(contacts.collect::<rusqlite::Result<_>>()?)
    }

    pub(super) fn contact(&self, who: &Identity) -> Result<Option<Contact>> {
        let sql = format!("SELECT {COLUMNS} FROM contact WHERE identity = ?1");
        let mut contact = self.connection().prepare_cached(&sql)?;
        Ok(contact.query_row([who.0], |row| self.contact_of(row)).optional()?)
    }

    fn known(&self, who: &Identity) -> Result<Contact> {
        self.contact(who)?.ok_or(StoreError::UnknownContact)
    }

    pub(super) fn is_contact(&self, who: &Identity) -> Result<bool> {
        let mut contact =
            self.connection().prepare_cached("SELECT 1 FROM contact WHERE identity = ?1")?;
        Ok(contact.exists([who.0])?)
    }

    /// Makes a contact, or brings what is known of one up to date.
    pub(super) fn make_contact(
        &self,
        who: &Identity,
        certificate: &Certificate,
        their_name: &str,
    ) -> Result<Contact> {
        self.close_accepted_of(who)?;
        if self.is_contact(who)? {
            self.contact_hello(who, their_name)?;
            self.contact_certificate(who, certificate)?;
            return self.known(who);
        }
        let count: isize =
            self.connection().query_row("SELECT count(*) FROM contact", [], |row| row.get(0))?;
        if count.cast_unsigned() >= MAX_CONTACTS {
            return Err(StoreError::ContactLimit);
        }
        self.connection()
            .prepare_cached(
                "INSERT INTO contact (identity, certificate, their_name) VALUES (?1, ?2, ?3)",
            )?
            .execute((who.0, certificate.encode(), text::name(their_name)))?;
        self.make_direct(who)?;
        self.known(who)
    }

    pub(super) fn rename_contact(&self, who: &Identity, name: &str) -> Result<Contact> {
        self.known(who)?;
        self.connection()
            .prepare_cached("UPDATE contact SET own_name = ?2 WHERE identity = ?1")?
            .execute((who.0, text::name(name)))?;
        self.known(who)
    }

    pub(super) fn remove_contact(&self, who: &Identity) -> Result<()> {
        let contact = self.known(who)?;
        self.connection()
            .prepare_cached("UPDATE conversation SET name = ?2 WHERE id = ?1")?
            .execute((contact.conversation.0, contact.name))?;
        self.connection()
            .prepare_cached("DELETE FROM contact WHERE identity = ?1")?
            .execute([who.0])?;
        // No invite that is out already makes them a contact again: it counts as used by them.
        self.connection()
            .prepare_cached(
                "INSERT OR IGNORE INTO invite_use (invite, identity)
                 SELECT number, ?1 FROM invite WHERE NOT accepted",
            )?
            .execute([who.0])?;
        Ok(())
    }

    pub(super) fn set_verified(&self, who: &Identity, verified: bool) -> Result<Contact> {
        self.known(who)?;
        self.connection()
            .prepare_cached("UPDATE contact SET verified = ?2 WHERE identity = ?1")?
            .execute((who.0, verified))?;
        self.known(who)
    }

    pub(super) fn set_unasked(&self, who: &Identity, bytes: Option<u64>) -> Result<Contact> {
        self.known(who)?;
        self.connection()
            .prepare_cached("UPDATE contact SET unasked = ?2 WHERE identity = ?1")?
            .execute((who.0, bytes.map(u64::cast_signed)))?;
        self.known(who)
    }

    pub(super) fn contact_hello(
        &self,
        who: &Identity,
        their_name: &str,
    ) -> Result<Option<Contact>> {
        let contact = self.known(who)?;
        let their_name = text::name(their_name);
        if their_name == contact.their_name {
            return Ok(None);
        }
        self.connection()
            .prepare_cached("UPDATE contact SET their_name = ?2 WHERE identity = ?1")?
            .execute((who.0, their_name))?;
        self.contact(who)
    }

    pub(super) fn contact_certificate(
        &self,
        who: &Identity,
        certificate: &Certificate,
    ) -> Result<Option<Contact>> {
        let known = self.known(who)?.certificate;
        if (certificate.device, certificate.seq) <= (known.device, known.seq) {
            return Ok(None);
        }
        self.connection()
            .prepare_cached("UPDATE contact SET certificate = ?2 WHERE identity = ?1")?
            .execute((who.0, certificate.encode()))?;
        self.contact(who)
    }

    pub(super) fn contact_seen(
        &self,
        who: &Identity,
        at: UnixMillis,
        addresses: &[String],
    ) -> Result<()> {
        let contact = self.known(who)?;
        let at = contact.last_seen.unwrap_or(0).max(at);
        let mut kept: Vec<&String> = Vec::new();
        for address in addresses.iter().chain(&contact.addresses) {
            let wanted = address.len() <= MAX_ADDRESS_BYTES && !kept.contains(&address);
            if wanted && kept.len() < MAX_ADDRESSES {
                kept.push(address);
            }
        }
        let kept =
            serde_json::to_string(&kept).map_err(|error| StoreError::Storage(error.to_string()))?;
        self.connection()
            .prepare_cached(
                "UPDATE contact SET last_seen = ?2, addresses = ?3 WHERE identity = ?1",
            )?
            .execute((who.0, at.cast_signed(), kept))?;
        Ok(())
    }
}
