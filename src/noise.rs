//! The Noise Protocol Framework, revision 34 (<https://noiseprotocol.org/noise.html>), for
//! `25519`, `ChaChaPoly` and `BLAKE2s`. Pure.
//!
//! One type for each object of the specification's section 5, named as there: [`CipherState`],
//! [`SymmetricState`], [`HandshakeState`]; and the handshake patterns of sections 7, 9 and 18 as
//! one table, [`PATTERNS`]. It is of our own making so that the whole of it can be read, and is
//! checked against the official vectors and, live, against the `snow` crate, for every row of the
//! table in both roles.
//!
//! Two things go beyond the specification, both allowed by it: a Diffie-Hellman result of all
//! zeros is refused (section 12.1), and a message that cannot be read leaves the state as it was.

mod cipher_state;
mod handshake_state;
mod pattern;
mod symmetric_state;

pub use cipher_state::{CipherState, TAG_LEN};
pub use handshake_state::{Finished, HandshakeState, Keypair, Role, Setup};
pub use pattern::{PATTERNS, Pattern, Token};
pub use symmetric_state::SymmetricState;

/// Longest Noise message, in bytes (section 3): fits a two-byte length.
pub const MAX_MESSAGE: usize = 65_535;

/// Bytes of a Diffie-Hellman key and of a hash.
const LEN: usize = 32;

/// Why a step of a handshake, or an encryption, did not work. The state is as it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoiseError {
    /// The pattern needs a static key, the other's static key or a pre-shared key that was not
    /// given, or was given one too many.
    #[error("the keys given are not those that the pattern needs")]
    Keys,
    /// It is the other side's turn, or the handshake is complete (or, for `finish`, is not).
    #[error("the handshake is not at this step")]
    Step,
    /// The message would be, or is, over [`MAX_MESSAGE`], or too short for what it must contain.
    #[error("the message has an impossible length")]
    Length,
    /// A Diffie-Hellman result of all zeros.
    #[error("the other's key has small order")]
    LowOrder,
    /// The authentication tag does not hold.
    #[error("the message is not authentic")]
    Decrypt,
    /// 2^64 − 1 messages were encrypted under one key.
    #[error("the key is used up")]
    Nonce,
}

#[cfg(test)]
pub(crate) mod tests;
