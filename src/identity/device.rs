//! Devices: the keys that take part in sessions, and the identity's word for them.

use std::fmt;

use rand::CryptoRng;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use super::{Identity, IdentityKey};
use crate::labels;

/// The secret half of a device's key: X25519 (RFC 7748), 32 bytes. Wiped when dropped, never
/// printed.
#[derive(Clone)]
pub struct DeviceKey(StaticSecret);

/// A Diffie-Hellman result of all zeros: the other's public key has small order, and everybody
/// could compute the result (RFC 7748, section 6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the public key has small order")]
pub struct LowOrder;

impl DeviceKey {
    /// A new device.
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        rng.fill_bytes(bytes.as_mut());
        Self::from_bytes(&bytes)
    }

    /// The key of these bytes; they are clamped when used.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(StaticSecret::from(*bytes))
    }

    /// The bytes, to be stored.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public half.
    pub fn public(&self) -> DevicePublic {
        DevicePublic(PublicKey::from(&self.0).to_bytes())
    }

    /// X25519 with another device's key.
    pub(super) fn diffie_hellman(
        &self,
        their: &DevicePublic,
    ) -> Result<Zeroizing<[u8; 32]>, LowOrder> {
        let shared = self.0.diffie_hellman(&PublicKey::from(their.0));
        if shared.was_contributory() {
            Ok(Zeroizing::new(shared.to_bytes()))
        } else {
            Err(LowOrder)
        }
    }
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceKey(…)")
    }
}

/// The public half of a device's X25519 key: 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DevicePublic(pub [u8; 32]);

impl DevicePublic {
    /// Whether Diffie-Hellman with this key can have a secret result.
    ///
    /// # Errors
    /// [`LowOrder`] for every encoding of a point of small order.
    pub fn check(&self) -> Result<(), LowOrder> {
        // X25519 scalars are multiples of the cofactor, so any of them maps exactly the points of
        // small order to zero.
        DeviceKey::from_bytes(&[0x55; 32]).diffie_hellman(self).map(|_| ())
    }
}

impl fmt::Debug for DevicePublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DevicePublic({})", hex::encode(&self.0[..4]))
    }
}

/// An identity's word that a device is one of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Certificate {
    /// The device's key.
    pub device_public: DevicePublic,
    /// The device's number among those of its person; 1 is the first.
    pub device: u32,
    /// A later certificate of one device has a higher number; 1 is the first.
    pub seq: u64,
    /// By the identity, over [`labels::CERTIFICATE`] and the three fields above.
    pub signature: [u8; 64],
}

/// Why a certificate does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not [`Certificate::LEN`] bytes.
    #[error("a certificate is 108 bytes long")]
    Length,
    /// The device's key has small order, so sessions with it would be no secret.
    #[error("the certified device key is unusable")]
    Device,
    /// The identity did not sign this, or is no usable key.
    #[error("the certificate is not signed by this identity")]
    Signature,
}

impl Certificate {
    /// Bytes of an encoded certificate.
    pub const LEN: usize = 32 + 4 + 8 + 64;

    /// Bytes that are signed after the label: all but the signature.
    const SIGNED_LEN: usize = Self::LEN - 64;

    /// Certifies a device.
    pub fn issue(key: &IdentityKey, device_public: DevicePublic, device: u32, seq: u64) -> Self {
        let mut certificate = Self { device_public, device, seq, signature: [0; 64] };
        certificate.signature = key.sign(&certificate.signed_bytes());
        certificate
    }

    /// The bytes; numbers are big-endian.
    ///
    /// ```text
    /// 0        32       36    44          108
    /// | device | number | seq | signature |
    /// ```
    pub fn encode(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..32].copy_from_slice(&self.device_public.0);
        bytes[32..36].copy_from_slice(&self.device.to_be_bytes());
        bytes[36..44].copy_from_slice(&self.seq.to_be_bytes());
        bytes[44..].copy_from_slice(&self.signature);
        bytes
    }

    /// Reads what [`Self::encode`] wrote. Nothing is verified yet.
    ///
    /// # Errors
    /// [`CertificateError::Length`].
    pub fn decode(bytes: &[u8]) -> Result<Self, CertificateError> {
        let bytes: &[u8; Self::LEN] = bytes.try_into().map_err(|_| CertificateError::Length)?;
        let (device_public, rest) = bytes.split_first_chunk().ok_or(CertificateError::Length)?;
        let (device, rest) = rest.split_first_chunk().ok_or(CertificateError::Length)?;
        let (seq, signature) = rest.split_first_chunk().ok_or(CertificateError::Length)?;
        Ok(Self {
            device_public: DevicePublic(*device_public),
            device: u32::from_be_bytes(*device),
            seq: u64::from_be_bytes(*seq),
            signature: signature.try_into().map_err(|_| CertificateError::Length)?,
        })
    }

    /// Whether this identity signed this, and the device's key is usable.
    ///
    /// # Errors
    /// [`CertificateError::Device`] for a key of small order, [`CertificateError::Signature`] for
    /// a signature that does not hold under the strict rules of [`Identity::verify`].
    pub fn verify(&self, identity: &Identity) -> Result<(), CertificateError> {
        self.device_public.check().map_err(|_| CertificateError::Device)?;
        identity
            .verify(&self.signed_bytes(), &self.signature)
            .map_err(|_| CertificateError::Signature)
    }

    fn signed_bytes(&self) -> Vec<u8> {
        [labels::CERTIFICATE.as_bytes(), &self.encode()[..Self::SIGNED_LEN]].concat()
    }
}
