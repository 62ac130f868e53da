//! Section 5.3: a handshake, driven by its pattern.

use std::fmt;

use rand::CryptoRng;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use super::{CipherState, LEN, MAX_MESSAGE, NoiseError, Pattern, SymmetricState, TAG_LEN, Token};

/// An X25519 key pair. Wiped when dropped, never printed.
#[derive(Clone)]
pub struct Keypair {
    secret: StaticSecret,
    public: [u8; LEN],
}

impl Keypair {
    /// `GENERATE_KEYPAIR()`: 32 bytes are drawn.
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut bytes = Zeroizing::new([0; LEN]);
        rng.fill_bytes(bytes.as_mut());
        Self::from_secret(&bytes)
    }

    /// The pair with this secret half.
    pub fn from_secret(secret: &[u8; LEN]) -> Self {
        let secret = StaticSecret::from(*secret);
        let public = PublicKey::from(&secret).to_bytes();
        Self { secret, public }
    }

    /// The public half.
    pub fn public(&self) -> [u8; LEN] {
        self.public
    }

    /// `DH(key_pair, public_key)`. Section 12.1 leaves it open whether an all-zero result is
    /// refused; here it is.
    fn dh(&self, public: &[u8; LEN]) -> Result<Zeroizing<[u8; LEN]>, NoiseError> {
        let shared = self.secret.diffie_hellman(&PublicKey::from(*public));
        if shared.was_contributory() {
            Ok(Zeroizing::new(shared.to_bytes()))
        } else {
            Err(NoiseError::LowOrder)
        }
    }
}

impl fmt::Debug for Keypair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keypair(…)")
    }
}

/// Who sends the first message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// This side.
    Initiator,
    /// The other side.
    Responder,
}

/// What a handshake begins with. Its keys are never printed.
pub struct Setup<'a> {
    /// The pattern.
    pub pattern: &'static Pattern,
    /// This side's role.
    pub role: Role,
    /// What both sides must agree on beforehand.
    pub prologue: &'a [u8],
    /// `s`: this side's static key, if the pattern has one for its role.
    pub local_static: Option<Keypair>,
    /// `rs`: the other's static key, if the pattern has it known beforehand.
    pub remote_static: Option<[u8; LEN]>,
    /// The pre-shared keys, one for each `psk` of the pattern, in order.
    pub psks: &'a [[u8; LEN]],
}

impl fmt::Debug for Setup<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup")
            .field("pattern", &self.pattern.name)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// "A `HandshakeState` object contains a `SymmetricState` plus DH variables `(s, e, rs, re)` and
/// a variable representing the handshake pattern."
///
/// Call [`Self::write_message`] and [`Self::read_message`] in turn, beginning with the initiator's
/// write, until [`Self::is_complete`]; then [`Self::finish`]. Secrets are wiped when dropped.
#[derive(Clone)]
pub struct HandshakeState {
    symmetric: SymmetricState,
    s: Option<Keypair>,
    e: Option<Keypair>,
    rs: Option<[u8; LEN]>,
    re: Option<[u8; LEN]>,
    role: Role,
    pattern: &'static Pattern,
    /// Messages written or read so far.
    step: usize,
    psks: Zeroizing<Vec<[u8; LEN]>>,
    /// Pre-shared keys mixed in so far.
    psks_used: usize,
}

/// What a complete handshake leaves.
#[derive(Debug)]
pub struct Finished {
    /// `h`: unique to this handshake, the same for both sides, no secret.
    pub handshake_hash: [u8; LEN],
    /// For what the initiator sends.
    pub initiator: CipherState,
    /// For what the responder sends; unused in one-way patterns.
    pub responder: CipherState,
}

impl HandshakeState {
    /// `Initialize(…)`.
    ///
    /// # Errors
    /// [`NoiseError::Keys`] unless exactly the keys that the pattern needs are given.
    pub fn new(setup: Setup<'_>) -> Result<Self, NoiseError> {
        let Setup { pattern, role, prologue, local_static, remote_static, psks } = setup;
        let initiator = role == Role::Initiator;
        let (own_known, their_known) = if initiator {
            (pattern.initiator_known, pattern.responder_known)
        } else {
            (pattern.responder_known, pattern.initiator_known)
        };
        if local_static.is_some() != pattern.has_static(initiator)
            || remote_static.is_some() != their_known
            || psks.len() != pattern.psks()
        {
            return Err(NoiseError::Keys);
        }
        let mut symmetric = SymmetricState::new(pattern.protocol_name().as_bytes());
        symmetric.mix_hash(prologue);
        let own = local_static.as_ref().filter(|_| own_known).map(Keypair::public);
        // "the initiator's public keys are hashed first" (section 5.3)
        let known = if initiator { [own, remote_static] } else { [remote_static, own] };
        for public in known.iter().flatten() {
            symmetric.mix_hash(public);
        }
        Ok(Self {
            symmetric,
            s: local_static,
            e: None,
            rs: remote_static,
            re: None,
            role,
            pattern,
            step: 0,
            psks: Zeroizing::new(psks.to_vec()),
            psks_used: 0,
        })
    }

    /// Whether all messages were exchanged.
    pub fn is_complete(&self) -> bool {
        self.step == self.pattern.messages.len()
    }

    /// Whether the next message is this side's.
    pub fn is_own_turn(&self) -> bool {
        !self.is_complete() && (self.step.is_multiple_of(2)) == (self.role == Role::Initiator)
    }

    /// The other's static key, once it is known. Until the handshake is complete it may be
    /// anybody's claim.
    pub fn remote_static(&self) -> Option<[u8; LEN]> {
        self.rs
    }

    /// `WriteMessage(payload, message_buffer)`: the message is appended to `out`.
    ///
    /// # Errors
    /// [`NoiseError::Step`], [`NoiseError::Length`], [`NoiseError::LowOrder`]; neither state nor
    /// `out` has changed then.
    pub fn write_message(
        &mut self,
        rng: &mut (impl CryptoRng + ?Sized),
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), NoiseError> {
        if !self.is_own_turn() {
            return Err(NoiseError::Step);
        }
        let mut next = self.clone();
        let mut message = Vec::new();
        for &token in next.take_message()? {
            match token {
                Token::E => {
                    let e = Keypair::generate(rng);
                    message.extend_from_slice(&e.public);
                    next.mix_ephemeral(&e.public);
                    next.e = Some(e);
                }
                Token::S => {
                    let from = message.len();
                    message.extend_from_slice(&next.s.as_ref().ok_or(NoiseError::Keys)?.public);
                    next.symmetric.encrypt_and_hash(&mut message, from)?;
                }
                token => next.mix(token)?,
            }
        }
        let from = message.len();
        message.extend_from_slice(payload);
        next.symmetric.encrypt_and_hash(&mut message, from)?;
        if message.len() > MAX_MESSAGE {
            return Err(NoiseError::Length);
        }
        out.append(&mut message);
        *self = next;
        Ok(())
    }

    /// `ReadMessage(message, payload_buffer)`: the payload.
    ///
    /// # Errors
    /// [`NoiseError::Step`], [`NoiseError::Length`], [`NoiseError::LowOrder`],
    /// [`NoiseError::Decrypt`]; the state has not changed then.
    pub fn read_message(&mut self, message: &[u8]) -> Result<Vec<u8>, NoiseError> {
        if self.is_complete() || self.is_own_turn() {
            return Err(NoiseError::Step);
        }
        if message.len() > MAX_MESSAGE {
            return Err(NoiseError::Length);
        }
        // All work is done on a copy, which replaces the state only once the tag holds.
        let mut next = self.clone();
        let mut rest = message;
        for &token in next.take_message()? {
            match token {
                Token::E => {
                    let (re, after) = rest.split_first_chunk().ok_or(NoiseError::Length)?;
                    next.mix_ephemeral(re);
                    next.re = Some(*re);
                    rest = after;
                }
                Token::S => {
                    let tag = if next.symmetric.cipher.has_key() { TAG_LEN } else { 0 };
                    let (encrypted, after) =
                        rest.split_at_checked(LEN + tag).ok_or(NoiseError::Length)?;
                    let rs = next.symmetric.decrypt_and_hash(encrypted)?;
                    next.rs = Some(rs.try_into().map_err(|_| NoiseError::Length)?);
                    rest = after;
                }
                token => next.mix(token)?,
            }
        }
        let payload = next.symmetric.decrypt_and_hash(rest)?;
        *self = next;
        Ok(payload)
    }

    /// `Split()`, once the handshake is complete.
    ///
    /// # Errors
    /// [`NoiseError::Step`] before that.
    pub fn finish(self) -> Result<Finished, NoiseError> {
        if !self.is_complete() {
            return Err(NoiseError::Step);
        }
        let (initiator, responder) = self.symmetric.split();
        let handshake_hash = self.symmetric.handshake_hash();
        Ok(Finished { handshake_hash, initiator, responder })
    }

    fn take_message(&mut self) -> Result<&'static [Token], NoiseError> {
        let tokens = self.pattern.messages.get(self.step).ok_or(NoiseError::Step)?;
        self.step += 1;
        Ok(tokens)
    }

    /// "the `"e"` token … In a PSK handshake, … followed by `MixKey(e.public_key)`" (section 9.2).
    fn mix_ephemeral(&mut self, public: &[u8; LEN]) {
        self.symmetric.mix_hash(public);
        if self.pattern.psks() > 0 {
            self.symmetric.mix_key(public);
        }
    }

    /// The tokens that are the same for writing and reading.
    fn mix(&mut self, token: Token) -> Result<(), NoiseError> {
        let initiator = self.role == Role::Initiator;
        let (own, their) = match token {
            Token::Ee => (&self.e, &self.re),
            Token::Ss => (&self.s, &self.rs),
            Token::Es if initiator => (&self.e, &self.rs),
            Token::Se if !initiator => (&self.e, &self.rs),
            Token::Es | Token::Se => (&self.s, &self.re),
            Token::Psk => {
                let psk = self.psks.get(self.psks_used).ok_or(NoiseError::Keys)?;
                self.symmetric.mix_key_and_hash(psk);
                self.psks_used += 1;
                return Ok(());
            }
            // The callers send or receive these.
            Token::E | Token::S => return Err(NoiseError::Step),
        };
        let (Some(own), Some(their)) = (own, their) else { return Err(NoiseError::Keys) };
        self.symmetric.mix_key(own.dh(their)?.as_ref());
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn is_initiator(&self) -> bool {
        self.role == Role::Initiator
    }

    /// Whether all of it is equal; for tests.
    #[cfg(test)]
    pub(super) fn same(&self, other: &Self) -> bool {
        let public = |pair: &Option<Keypair>| pair.as_ref().map(Keypair::public);
        self.symmetric.same(&other.symmetric)
            && public(&self.s) == public(&other.s)
            && public(&self.e) == public(&other.e)
            && (self.rs, self.re, self.step, self.psks_used)
                == (other.rs, other.re, other.step, other.psks_used)
    }
}

impl fmt::Debug for HandshakeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandshakeState")
            .field("pattern", &self.pattern.name)
            .field("role", &self.role)
            .field("step", &self.step)
            .finish_non_exhaustive()
    }
}
