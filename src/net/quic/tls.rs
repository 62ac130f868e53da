//! TLS 1.3 as libp2p has it: each side shows a certificate that carries its libp2p key, signed by
//! that key. [`libp2p::tls::certificate`] makes and checks them; what is chosen here is the order
//! of the ciphers, which `libp2p_tls::make_client_config` fixes.
//!
//! Source: <https://github.com/libp2p/specs/blob/master/tls/tls.md>

use std::sync::Arc;

use libp2p::{
    PeerId,
    identity::Keypair,
    tls::certificate::{self, P2pCertificate},
};
use rustls::{
    CertificateError, CipherSuite, ClientConfig, DigitallySignedStruct, DistinguishedName, Error,
    ServerConfig, SignatureScheme, SupportedCipherSuite,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs, ring},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
    sign::{CertifiedKey, SingleCertAndKey},
};

/// The protocol name that both sides must agree on (ALPN, RFC 7301).
const ALPN: &[u8] = b"libp2p";

/// Signatures that are understood: the keys of other implementations may be of any of these.
const SCHEMES: [SignatureScheme; 9] = [
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ED25519,
    SignatureScheme::RSA_PSS_SHA512,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PKCS1_SHA512,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA256,
];

/// Ciphers, the fastest on this processor first. The dialer's order decides.
fn suites(has_vaes_alone: bool, has_aes: bool) -> Vec<SupportedCipherSuite> {
    let library =
        if has_vaes_alone { ring::ALL_CIPHER_SUITES } else { aws_lc_rs::ALL_CIPHER_SUITES };
    let mut order = [
        CipherSuite::TLS13_AES_128_GCM_SHA256,
        CipherSuite::TLS13_AES_256_GCM_SHA384,
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
    ];
    if !has_aes {
        order.rotate_right(1);
    }
    let suite = |name| library.iter().find(|suite| suite.suite() == name).copied();
    order.into_iter().filter_map(suite).collect()
}

/// Whether the processor has instructions for several blocks of AES at a time, and no AVX-512: ring
/// makes use of them then, aws-lc does not. Where there is AVX-512, it is the other way round.
fn has_vaes_alone() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx2")
        && std::arch::is_x86_feature_detected!("vaes")
        && std::arch::is_x86_feature_detected!("vpclmulqdq")
        && !std::arch::is_x86_feature_detected!("avx512f");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

/// Whether the processor has instructions for AES.
fn has_aes() -> bool {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    return std::arch::is_x86_feature_detected!("aes");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
    return false;
}

/// The configurations of a dialer and a listener with this key.
///
/// # Errors
///
/// When no certificate can be made for the key; that does not depend on a peer.
pub fn configs(keypair: &Keypair) -> Result<(ClientConfig, ServerConfig), Error> {
    let provider = CryptoProvider {
        cipher_suites: suites(has_vaes_alone(), has_aes()),
        ..aws_lc_rs::default_provider()
    };
    let provider = Arc::new(provider);
    let versions = &[&rustls::version::TLS13];
    let (certificate, key) =
        certificate::generate(keypair).map_err(|error| Error::General(error.to_string()))?;
    // Not checked against the certificate: rustls's check knows no critical extension of libp2p.
    let key = provider.key_provider.load_private_key(key)?;
    let certified = Arc::new(SingleCertAndKey::from(CertifiedKey::new(vec![certificate], key)));

    let mut client = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier))
        .with_client_cert_resolver(Arc::clone(&certified) as _);
    client.alpn_protocols = vec![ALPN.to_vec()];
    // The other side has never met this throwaway key.
    client.resumption = rustls::client::Resumption::disabled();
    client.enable_sni = false;

    let mut server = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)?
        .with_client_cert_verifier(Arc::new(Verifier))
        .with_cert_resolver(certified);
    server.alpn_protocols = vec![ALPN.to_vec()];
    server.send_tls13_tickets = 0;
    Ok((client, server))
}

/// The key behind a certificate that was verified.
///
/// # Errors
///
/// When it is no certificate of libp2p.
pub fn peer_id(chain: &[CertificateDer<'_>]) -> Result<PeerId, Error> {
    let [only] = chain else { return Err(CertificateError::BadEncoding.into()) };
    parse(only).map(|certificate| certificate.peer_id())
}

fn parse<'a>(certificate: &'a CertificateDer<'a>) -> Result<P2pCertificate<'a>, Error> {
    certificate::parse(certificate).map_err(|_| CertificateError::BadEncoding.into())
}

/// Accepts whoever proves that the key in the certificate is theirs. Whose it should be is the
/// swarm's to compare.
#[derive(Debug)]
struct Verifier;

impl Verifier {
    /// "Endpoints MUST NOT send a certificate chain that contains more than one certificate."
    fn certificate(only: &CertificateDer<'_>, rest: &[CertificateDer<'_>]) -> Result<(), Error> {
        if !rest.is_empty() {
            return Err(CertificateError::BadEncoding.into());
        }
        parse(only).map(drop)
    }

    fn signature(
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        parse(certificate)?
            .verify_signature(signed.scheme, message, signed.signature())
            .map_err(|_| Error::from(CertificateError::BadSignature))?;
        Ok(HandshakeSignatureValid::assertion())
    }

    /// Only TLS 1.3 is configured.
    fn no_tls12() -> Result<HandshakeSignatureValid, Error> {
        Err(rustls::PeerIncompatible::Tls13RequiredForQuic.into())
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Self::certificate(end_entity, intermediates)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Self::no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Self::signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SCHEMES.to_vec()
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Self::certificate(end_entity, intermediates)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Self::no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Self::signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SCHEMES.to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whichever_library_has_them_the_ciphers_are_the_same() {
        let [aes, more_aes, chacha] = [
            CipherSuite::TLS13_AES_128_GCM_SHA256,
            CipherSuite::TLS13_AES_256_GCM_SHA384,
            CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
        ];
        for has_vaes_alone in [false, true] {
            for (has_aes, order) in
                [(true, [aes, more_aes, chacha]), (false, [chacha, aes, more_aes])]
            {
                let suites = suites(has_vaes_alone, has_aes);
                assert!(suites.iter().map(SupportedCipherSuite::suite).eq(order));
                assert!(suites.iter().all(|suite| suite.tls13().unwrap().quic_suite().is_some()));
            }
        }
    }
}
