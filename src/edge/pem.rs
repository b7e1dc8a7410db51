//! Certificates and keys as files have them, in PEM (RFC 7468), for both sides: the door and the servers behind.
//!
//! Everything is checked here, once, when the configuration is read: what comes out cannot fail any more in a handshake,
//! and pingora, which panics over a certificate or a key that it cannot understand, never sees such a one.

use rustls::{
    RootCertStore,
    crypto::ring,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    sign::CertifiedKey,
};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Why a file, or a name, is of no use for TLS.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TlsError {
    /// There is no certificate.
    #[error("there is no certificate in it (-----BEGIN CERTIFICATE-----)")]
    NoCertificate,
    /// One of the certificates cannot be understood, or be what it is to be; the first one is 1.
    #[error("certificate {0} in it cannot be understood")]
    Certificate(usize),
    /// There is no private key.
    #[error("there is no private key in it (-----BEGIN PRIVATE KEY-----)")]
    NoKey,
    /// The private key needs a passphrase.
    #[error("the private key is encrypted: write it without a passphrase, readable by the gateway alone")]
    EncryptedKey,
    /// The private key cannot be read, or is of no kind that is supported.
    #[error("the private key in it cannot be understood")]
    Key,
    /// The private key is another certificate's.
    #[error("it is not the key of the first certificate in `cert`")]
    OtherKey,
    /// A text cannot stand in a certificate as a server's name.
    #[error("not a name that a certificate can be for: neither a DNS name nor an address")]
    Name,
    /// What the files come to together.
    #[error("TLS cannot be set up: {0}")]
    Together(rustls::Error),
}

impl TlsError {
    /// Whether the key's file is to blame, and not that of the certificate.
    #[must_use]
    pub const fn is_of_key(&self) -> bool {
        matches!(self, Self::NoKey | Self::EncryptedKey | Self::Key | Self::OtherKey)
    }
}

/// Certificates, at least one.
pub(super) fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let mut found = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(text) {
        let broken = TlsError::Certificate(found.len() + 1);
        match certificate {
            Ok(certificate) if matches!(X509Certificate::from_der(&certificate), Ok(([], _))) => {
                found.push(certificate);
            }
            _ => return Err(broken),
        }
    }
    if found.is_empty() { Err(TlsError::NoCertificate) } else { Ok(found) }
}

/// Certificates as those of authorities.
pub(super) fn roots(certificates: &[CertificateDer<'static>]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for (index, certificate) in certificates.iter().enumerate() {
        roots.add(certificate.clone()).map_err(|_| TlsError::Certificate(index + 1))?;
    }
    Ok(roots)
}

/// A certificate with those that lead to its authority, and the key that fits it, also as its bytes: PKCS#8, SEC1 or
/// PKCS#1, not encrypted.
pub(super) fn pair(chain: &[u8], key: &[u8]) -> Result<(CertifiedKey, PrivateKeyDer<'static>), TlsError> {
    let (chain, key) = (certificates(chain)?, private_key(key)?);
    let pair = CertifiedKey::from_der(chain, key.clone_key(), &ring::default_provider());
    let pair = pair.map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => TlsError::OtherKey,
        rustls::Error::InvalidCertificate(_) => TlsError::Certificate(1),
        _ => TlsError::Key,
    })?;
    Ok((pair, key))
}

fn private_key(text: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    let encrypted = b"ENCRYPTED";
    // The reader's own words may quote the file.
    PrivateKeyDer::from_pem_slice(text).map_err(|error| match error {
        _ if text.windows(encrypted.len()).any(|word| word == encrypted) => TlsError::EncryptedKey,
        pem::Error::NoItemsFound => TlsError::NoKey,
        _ => TlsError::Key,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};

    fn written(algorithm: &'static rcgen::SignatureAlgorithm) -> (String, String) {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let certificate = CertificateParams::new(vec!["a.example".to_owned()]).unwrap().self_signed(&key).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    #[test]
    fn every_usual_kind_of_key_is_read() {
        for algorithm in [&PKCS_ED25519, &PKCS_ECDSA_P384_SHA384] {
            let (chain, key) = written(algorithm);
            assert!(pair(chain.as_bytes(), key.as_bytes()).is_ok());
        }
    }

    #[test]
    fn what_cannot_be_used_is_an_error_when_it_is_read() {
        let (chain, key) = written(&PKCS_ECDSA_P256_SHA256);
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let error = |chain: &str, key: &str| pair(chain.as_bytes(), key.as_bytes()).err();
        assert_eq!(error(&chain, &key), None);
        for text in ["", "x", &key] {
            assert_eq!(error(text, &key), Some(TlsError::NoCertificate));
        }
        assert_eq!(error(broken, &key), Some(TlsError::Certificate(1)));
        assert_eq!(error(&format!("{chain}{broken}"), &key), Some(TlsError::Certificate(2)));
        let labelled = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
        for (text, expected) in [
            (chain.clone(), TlsError::NoKey),
            (labelled("ENCRYPTED PRIVATE KEY"), TlsError::EncryptedKey),
            (labelled("PRIVATE KEY"), TlsError::Key),
            (written(&PKCS_ED25519).1, TlsError::OtherKey),
        ] {
            assert!(expected.is_of_key());
            assert_eq!(error(&chain, &text), Some(expected));
        }
    }
}
