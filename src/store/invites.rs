//! Invites, issued and accepted: contacts to be.
//!
//! A crash anywhere leaves an invite that still works, or a contact on both sides. The one who
//! accepted keeps the invite, and the issuer's certificate, before saying Hello; the issuer makes
//! the contact and consumes the invite in one transaction; only when the issuer's Hello comes does
//! the other make its contact too. If it never comes, the invite is used again by the same
//! person, which changes nothing.

use rusqlite::{OptionalExtension as _, Row, types::Type};

use super::{Contact, Core, Direction, Invitation, InviteState, Result, StoreError};
use crate::{
    identity::{Certificate, Identity, Invite, InviteSecret},
    node::api::UnixMillis,
};

/// The most invites that may be open at once in each direction: each costs tags in every hail.
pub const MAX_OPEN_INVITES: u32 = 64;
/// The most invites that are remembered; the oldest that are not open are forgotten first.
pub const MAX_INVITES: u32 = 256;

const OPEN: i64 = 0;
const USED: i64 = 1;
const REVOKED: i64 = 2;
const FAILED: i64 = 3;

const COLUMNS: &str = "number, accepted, issuer, secret, expires_at, uses_left, state, certificate";

/// Reads [`COLUMNS`].
fn invitation(row: &Row<'_>, now: UnixMillis) -> rusqlite::Result<Invitation> {
    let expires_at = row.get::<_, i64>(4)?.cast_unsigned();
    let certificate: Option<Vec<u8>> = row.get(7)?;
    let certificate = certificate.map(|bytes| Certificate::decode(&bytes)).transpose();
    let invite =
        Invite::new(Identity(row.get(2)?), InviteSecret::from_bytes(row.get(3)?), expires_at);
    let state = match row.get(6)? {
        OPEN if invite.check_expiry(now / 1000).is_ok() => InviteState::Open,
        OPEN => InviteState::Expired,
        USED => InviteState::Used,
        REVOKED => InviteState::Revoked,
        _ => InviteState::Failed,
    };
    Ok(Invitation {
        number: row.get(0)?,
        direction: if row.get(1)? { Direction::Accepted } else { Direction::Issued },
        invite,
        certificate: certificate.map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(7, Type::Blob, Box::new(error))
        })?,
        uses_left: row.get(5)?,
        state,
    })
}

impl Core {
    fn invitation(&self, number: i64, direction: Direction, now: UnixMillis) -> Result<Invitation> {
        let sql = format!("SELECT {COLUMNS} FROM invite WHERE number = ?1 AND accepted = ?2");
        let found = self
            .connection()
            .prepare_cached(&sql)?
            .query_row((number, direction == Direction::Accepted), |row| invitation(row, now))
            .optional()?;
        found.ok_or(StoreError::UnknownInvite)
    }

    fn set_invite_state(&self, number: i64, state: i64) -> Result<()> {
        self.connection()
            .prepare_cached("UPDATE invite SET state = ?2 WHERE number = ?1")?
            .execute((number, state))?;
        Ok(())
    }

    /// Refuses one more open invite if there are too many.
    fn check_room(&self, direction: Direction, now: UnixMillis) -> Result<()> {
        let open: u32 = self
            .connection()
            .prepare_cached(
                "SELECT count(*) FROM invite
                 WHERE accepted = ?1 AND state = 0 AND expires_at > ?2",
            )?
            .query_row((direction == Direction::Accepted, (now / 1000).cast_signed()), |row| {
                row.get(0)
            })?;
        if open >= MAX_OPEN_INVITES { Err(StoreError::InviteLimit) } else { Ok(()) }
    }

    fn keep_invite(
        &self,
        direction: Direction,
        invite: &Invite,
        uses: u32,
        now: UnixMillis,
    ) -> Result<i64> {
        self.connection()
            .prepare_cached(
                "INSERT INTO invite (accepted, issuer, secret, expires_at, uses_left, state)
                 VALUES (?1, ?2, ?3, ?4, ?5, 0)",
            )?
            .execute((
                direction == Direction::Accepted,
                invite.identity.0,
                invite.secret.as_bytes(),
                invite.expires_at.cast_signed(),
                uses,
            ))?;
        let number = self.connection().last_insert_rowid();
        self.connection()
            .prepare_cached(
                "DELETE FROM invite WHERE number IN (
                     SELECT number FROM invite WHERE NOT (state = 0 AND expires_at > ?1)
                     ORDER BY number
                     LIMIT max(0, (SELECT count(*) FROM invite) - ?2)
                 )",
            )?
            .execute(((now / 1000).cast_signed(), MAX_INVITES))?;
        Ok(number)
    }

    pub(super) fn issue_invite(&self, invite: &Invite, uses: u32, now: UnixMillis) -> Result<i64> {
        if uses == 0 || invite.identity != self.me.author {
            return Err(StoreError::InvalidInput("An invite is one's own, for at least one use."));
        }
        invite.check_expiry(now / 1000).map_err(|_| StoreError::InviteExpired)?;
        self.check_room(Direction::Issued, now)?;
        self.keep_invite(Direction::Issued, invite, uses, now)
    }

    pub(super) fn revoke_invite(&self, number: i64, now: UnixMillis) -> Result<()> {
        let issued = self.invitation(number, Direction::Issued, now);
        let found = issued.or_else(|_| self.invitation(number, Direction::Accepted, now))?;
        match found.state {
            InviteState::Open | InviteState::Expired => self.set_invite_state(number, REVOKED),
            InviteState::Revoked => Ok(()),
            InviteState::Used | InviteState::Failed => Err(StoreError::UnknownInvite),
        }
    }

    pub(super) fn accept_invite(&self, invite: &Invite, now: UnixMillis) -> Result<i64> {
        if invite.identity == self.me.author {
            return Err(StoreError::InviteOwn);
        }
        if self.is_contact(&invite.identity)? {
            return Err(StoreError::InviteKnown);
        }
        invite.check_expiry(now / 1000).map_err(|_| StoreError::InviteExpired)?;
        let known = self
            .connection()
            .prepare_cached(
                "SELECT number, state, expires_at FROM invite
                 WHERE accepted = 1 AND issuer = ?1 AND secret = ?2",
            )?
            .query_row((invite.identity.0, invite.secret.as_bytes()), |row| {
                Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)?.cast_unsigned()))
            })
            .optional()?;
        match known {
            Some((_, _, expires_at)) if expires_at != invite.expires_at => {
                Err(StoreError::InvalidInput(
                    "This invite was accepted before with another expiry, so somebody changed it; \
                     ask for a new one.",
                ))
            }
            Some((number, OPEN, _)) => Ok(number),
            Some((number, ..)) => {
                self.check_room(Direction::Accepted, now)?;
                self.set_invite_state(number, OPEN)?;
                Ok(number)
            }
            None => {
                self.check_room(Direction::Accepted, now)?;
                self.keep_invite(Direction::Accepted, invite, 1, now)
            }
        }
    }

    pub(super) fn open_invites(&self, now: UnixMillis) -> Result<Vec<Invitation>> {
        let sql = format!("SELECT {COLUMNS} FROM invite ORDER BY number");
        let mut invites = self.connection().prepare_cached(&sql)?;
        let invites = invites.query_map([], |row| invitation(row, now))?;
        let mut invites: Vec<_> = invites.collect::<rusqlite::Result<_>>()?;
        // One whose issuer was met may have made us a contact just before it expired.
        let may_be_made =
            |i: &Invitation| i.state == InviteState::Expired && i.certificate.is_some();
        invites.retain(|i| {
            let open = i.state == InviteState::Open || may_be_made(i);
            i.direction == Direction::Issued || open
        });
        Ok(invites)
    }

    pub(super) fn note_issuer(&self, number: i64, certificate: &Certificate) -> Result<()> {
        self.invitation(number, Direction::Accepted, 0)?;
        self.connection()
            .prepare_cached("UPDATE invite SET certificate = ?2 WHERE number = ?1")?
            .execute((number, certificate.encode()))?;
        Ok(())
    }

    pub(super) fn complete_issued(
        &self,
        number: i64,
        who: &Identity,
        certificate: &Certificate,
        name: &str,
        now: UnixMillis,
    ) -> Result<Contact> {
        let invitation = self.invitation(number, Direction::Issued, now)?;
        if *who == self.me.author {
            return Err(StoreError::InviteOwn);
        }
        let used = self
            .connection()
            .prepare_cached("SELECT 1 FROM invite_use WHERE invite = ?1 AND identity = ?2")?
            .exists((number, who.0))?;
        if used {
            // Again, because the answer was lost; unless they were removed since.
            return if self.is_contact(who)? {
                self.make_contact(who, certificate, name)
            } else {
                Err(StoreError::InviteUsed)
            };
        }
        match invitation.state {
            InviteState::Open => {}
            InviteState::Expired => return Err(StoreError::InviteExpired),
            InviteState::Revoked => return Err(StoreError::InviteRevoked),
            InviteState::Used | InviteState::Failed => return Err(StoreError::InviteUsed),
        }
        let contact = self.make_contact(who, certificate, name)?;
        self.connection()
            .prepare_cached("INSERT INTO invite_use (invite, identity) VALUES (?1, ?2)")?
            .execute((number, who.0))?;
        self.connection()
            .prepare_cached(
                "UPDATE invite SET uses_left = uses_left - 1, state = (uses_left <= 1)
                 WHERE number = ?1",
            )?
            .execute([number])?;
        Ok(contact)
    }

    pub(super) fn complete_accepted(
        &self,
        number: i64,
        name: &str,
        now: UnixMillis,
    ) -> Result<Contact> {
        let invitation = self.invitation(number, Direction::Accepted, now)?;
        let certificate = invitation.certificate.ok_or(StoreError::UnknownInvite)?;
        if invitation.state == InviteState::Revoked {
            return Err(StoreError::InviteRevoked);
        }
        let contact = self.make_contact(&invitation.invite.identity, &certificate, name)?;
        self.set_invite_state(number, USED)?;
        Ok(contact)
    }

    /// Invites of somebody who becomes a contact have done their work: left open, they would
    /// bring the contact back after a removal.
    pub(super) fn close_accepted_of(&self, issuer: &Identity) -> Result<()> {
        self.connection()
            .prepare_cached(
                "UPDATE invite SET state = ?2 WHERE accepted AND issuer = ?1 AND state = ?3",
            )?
            .execute((issuer.0, USED, OPEN))?;
        Ok(())
    }

    pub(super) fn fail_accepted(&self, number: i64) -> Result<()> {
        self.invitation(number, Direction::Accepted, 0)?;
        self.set_invite_state(number, FAILED)
    }
}
