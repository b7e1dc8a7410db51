//! The terms of TLS to an upstream's servers: whom to trust, what to show, and by which name.
//!
//! Everything is checked here, when it is read: pingora panics at the first connection over a certificate or a key that
//! it cannot understand.

use std::{fmt, str::FromStr, sync::Arc};

use pingora::{
    tls::{CertificateDer, ClientConfig, PrivateKeyDer, RootCertStore, RusTlsError, ServerName, version},
    utils::tls::{CertKey, WrappedX509, parse_x509},
};
use rustls_pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::balance::hash;

/// The terms of TLS to the servers of one upstream. The default trusts the system's authorities, shows no certificate,
/// and expects a server to be named as it is configured.
#[derive(Clone, Default)]
pub struct UpstreamTls {
    authorities: Option<Authorities>,
    certificate: Option<ClientCertificate>,
    server_name: Option<TlsName>,
}

/// The certificates of authorities that servers' certificates must come from, instead of the system's.
#[derive(Clone)]
pub struct Authorities(Arc<[WrappedX509]>);

/// A certificate, with those that lead to its authority, and its key: what servers know us by.
#[derive(Clone)]
pub struct ClientCertificate(Arc<CertKey>);

/// A name that a server's certificate can be for: a DNS name or an address, never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsName(Arc<str>);

/// Why a file, or a name, is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamTlsError {
    /// The text has no certificate in PEM.
    #[error("there is no certificate in it")]
    NoCertificate,
    /// One of its certificates cannot be understood.
    #[error("certificate {0} in it cannot be understood")]
    Certificate(usize),
    /// The text has no key in PEM that needs no password.
    #[error("there is no private key without a password in it")]
    NoKey,
    /// The key is of no kind that is supported.
    #[error("the private key in it is of no kind that is supported")]
    Key,
    /// The key is another certificate's.
    #[error("the private key in it does not belong to the certificate")]
    OtherKey,
    /// The text cannot stand in a certificate as a server's name.
    #[error("not a name that a certificate can be for: neither a DNS name nor an address")]
    Name,
}

impl Authorities {
    /// Reads certificates in PEM (RFC 7468).
    ///
    /// # Errors
    /// [`UpstreamTlsError`] if there is none, or one that is of no use as an authority's.
    pub fn from_pem(pem: &[u8]) -> Result<Self, UpstreamTlsError> {
        let mut store = RootCertStore::empty();
        for (index, certificate) in certificates(pem)?.into_iter().enumerate() {
            store.add(certificate).map_err(|_| UpstreamTlsError::Certificate(index + 1))?;
        }
        let parsed =
            certificates(pem)?.into_iter().map(|certificate| WrappedX509::new(certificate.to_vec(), parse_x509));
        Ok(Self(parsed.collect()))
    }
}

impl ClientCertificate {
    /// Reads a certificate with its chain, and its key, in PEM (RFC 7468; keys of PKCS #1, PKCS #8 or SEC 1).
    ///
    /// # Errors
    /// [`UpstreamTlsError`]; [`UpstreamTlsError::is_of_key`] says which of the two texts is to blame.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, UpstreamTlsError> {
        let chain = certificates(chain)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| UpstreamTlsError::NoKey)?.secret_der().to_vec();
        // Read back as pingora will: from its bytes, without being told its kind.
        let read_back = PrivateKeyDer::try_from(key.clone()).map_err(|_| UpstreamTlsError::Key)?;
        pingora::tls::install_default_crypto_provider();
        ClientConfig::builder_with_protocol_versions(&[&version::TLS12, &version::TLS13])
            .with_root_certificates(RootCertStore::empty())
            .with_client_auth_cert(chain.clone(), read_back)
            .map_err(|error| match error {
                RusTlsError::InconsistentKeys(_) => UpstreamTlsError::OtherKey,
                RusTlsError::InvalidCertificate(_) => UpstreamTlsError::Certificate(1),
                _ => UpstreamTlsError::Key,
            })?;
        let chain = chain.into_iter().map(|certificate| certificate.to_vec()).collect();
        Ok(Self(Arc::new(CertKey::new(chain, key))))
    }
}

impl UpstreamTlsError {
    /// Whether the key is to blame, and not the certificate.
    #[must_use]
    pub const fn is_of_key(&self) -> bool {
        matches!(self, Self::NoKey | Self::Key | Self::OtherKey)
    }
}

/// At least one certificate, and each of them one that pingora can read.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, UpstreamTlsError> {
    let mut found = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let broken = UpstreamTlsError::Certificate(found.len() + 1);
        let certificate = certificate.map_err(|_| broken.clone())?;
        match X509Certificate::from_der(&certificate) {
            Ok(([], _)) => found.push(certificate),
            _ => return Err(broken),
        }
    }
    if found.is_empty() { Err(UpstreamTlsError::NoCertificate) } else { Ok(found) }
}

impl FromStr for TlsName {
    type Err = UpstreamTlsError;

    fn from_str(text: &str) -> Result<Self, UpstreamTlsError> {
        // pingora reads `_` as `-`, which would be another name.
        let fits = ServerName::try_from(text).is_ok() && !text.contains('_');
        if fits { Ok(Self(text.into())) } else { Err(UpstreamTlsError::Name) }
    }
}

impl UpstreamTls {
    /// These terms; what is left out is as in the default.
    #[must_use]
    pub const fn new(
        authorities: Option<Authorities>,
        certificate: Option<ClientCertificate>,
        server_name: Option<TlsName>,
    ) -> Self {
        Self { authorities, certificate, server_name }
    }

    /// Whether servers are expected under another name than their own.
    #[must_use]
    pub const fn has_server_name(&self) -> bool {
        self.server_name.is_some()
    }

    pub(super) fn authorities(&self) -> Option<Arc<[WrappedX509]>> {
        self.authorities.as_ref().map(|authorities| authorities.0.clone())
    }

    pub(super) fn certificate(&self) -> Option<Arc<CertKey>> {
        self.certificate.as_ref().map(|certificate| certificate.0.clone())
    }

    pub(super) fn server_name(&self) -> Option<&str> {
        self.server_name.as_ref().map(|name| &*name.0)
    }

    /// A number that differs where the certificates do: a connection made on other terms must not be used again.
    pub(super) fn fingerprint(&self) -> u64 {
        let der = |certificate: &WrappedX509| certificate.borrow_raw_cert().clone();
        let trusted: Vec<Vec<u8>> = self.authorities.iter().flat_map(|all| all.0.iter().map(der)).collect();
        let shown: Vec<Vec<u8>> = self
            .certificate
            .iter()
            .flat_map(|certificate| [vec![certificate.0.leaf()], certificate.0.intermediates()].concat())
            .map(der)
            .collect();
        let count = trusted.len().to_be_bytes();
        let parts: Vec<&[u8]> =
            std::iter::once(count.as_slice()).chain(trusted.iter().chain(&shown).map(Vec::as_slice)).collect();
        hash(&parts)
    }
}

impl fmt::Debug for UpstreamTls {
    /// Nothing of the certificates and the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamTls")
            .field("authorities", &self.authorities.as_ref().map(|authorities| authorities.0.len()))
            .field("certificate", &self.certificate.is_some())
            .field("server_name", &self.server_name)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertifiedKey, generate_simple_self_signed};

    fn pair(name: &str) -> (String, String) {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        (cert.pem(), signing_key.serialize_pem())
    }

    #[test]
    fn what_pingora_would_panic_over_is_an_error_when_it_is_read() {
        let (cert, key) = pair("a.example");
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let authorities = |pem: &str| Authorities::from_pem(pem.as_bytes()).err();
        assert_eq!(authorities(&cert), None);
        assert_eq!(authorities(""), Some(UpstreamTlsError::NoCertificate));
        assert_eq!(authorities(&key), Some(UpstreamTlsError::NoCertificate));
        assert_eq!(authorities(&format!("{cert}{broken}")), Some(UpstreamTlsError::Certificate(2)));
        let client = |chain: &str, key: &str| ClientCertificate::from_pem(chain.as_bytes(), key.as_bytes()).err();
        assert_eq!(client(&cert, &key), None);
        assert_eq!(client("x", &key), Some(UpstreamTlsError::NoCertificate));
        assert_eq!(client(broken, &key), Some(UpstreamTlsError::Certificate(1)));
        assert_eq!(client(&cert, &cert), Some(UpstreamTlsError::NoKey));
        assert_eq!(client(&cert, &pair("a.example").1), Some(UpstreamTlsError::OtherKey));
        let nonsense = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert_eq!(client(&cert, nonsense), Some(UpstreamTlsError::Key));
        assert!(UpstreamTlsError::OtherKey.is_of_key() && !UpstreamTlsError::NoCertificate.is_of_key());
    }

    #[test]
    fn a_name_is_never_empty_and_never_read_as_another() {
        for name in ["a.example", "localhost", "127.0.0.1", "::1"] {
            assert!(name.parse::<TlsName>().is_ok(), "{name}");
        }
        for name in ["", "a b", "https://a", "a:1", "[::1]", "a_b.example.com"] {
            assert_eq!(name.parse::<TlsName>(), Err(UpstreamTlsError::Name), "{name}");
        }
    }

    #[test]
    fn terms_differ_where_their_certificates_do() {
        let (cert, key) = pair("a.example");
        let other = pair("a.example").0;
        let authorities = |pem: &str| Some(Authorities::from_pem(pem.as_bytes()).unwrap());
        let client = || Some(ClientCertificate::from_pem(cert.as_bytes(), key.as_bytes()).unwrap());
        let terms = [
            UpstreamTls::default(),
            UpstreamTls::new(authorities(&cert), None, None),
            UpstreamTls::new(authorities(&other), None, None),
            UpstreamTls::new(None, client(), None),
            UpstreamTls::new(authorities(&cert), client(), None),
        ];
        let mut seen: Vec<u64> = terms.iter().map(UpstreamTls::fingerprint).collect();
        assert_eq!(seen[4], UpstreamTls::new(authorities(&cert), client(), None).fingerprint());
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), terms.len());
        assert!(!format!("{:?}", terms[4]).contains("BEGIN"));
    }
}
