//! The terms of TLS to an upstream's servers: whom to trust, what to show, and by which name.

use std::{fmt, str::FromStr, sync::Arc};

use pingora::{
    tls::{PrivateKeyDer, ServerName},
    utils::tls::{CertKey, WrappedX509, parse_x509},
};

use super::balance::hash;
use crate::edge::pem::{TlsError, certificates, pair, roots};

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

impl Authorities {
    /// Reads certificates in PEM (RFC 7468).
    ///
    /// # Errors
    /// [`TlsError`] if there is none, or one that is of no use as an authority's.
    pub fn from_pem(pem: &[u8]) -> Result<Self, TlsError> {
        let authorities = certificates(pem)?;
        roots(&authorities)?;
        let parsed = authorities.iter().map(|certificate| WrappedX509::new(certificate.to_vec(), parse_x509));
        Ok(Self(parsed.collect()))
    }
}

impl ClientCertificate {
    /// Reads a certificate with its chain, and its key, in PEM (RFC 7468; keys of PKCS #1, PKCS #8 or SEC 1).
    ///
    /// # Errors
    /// [`TlsError`]; [`TlsError::is_of_key`] says which of the two texts is to blame.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let (pair, key) = pair(chain, key)?;
        let bytes = key.secret_der().to_vec();
        // pingora is told the bytes alone, and guesses what kind of key they are.
        if PrivateKeyDer::try_from(bytes.as_slice()) != Ok(key) {
            return Err(TlsError::Key);
        }
        let chain = pair.cert.iter().map(|certificate| certificate.to_vec()).collect();
        Ok(Self(Arc::new(CertKey::new(chain, bytes))))
    }
}

impl FromStr for TlsName {
    type Err = TlsError;

    fn from_str(text: &str) -> Result<Self, TlsError> {
        // pingora reads `_` as `-`, which would be another name.
        let fits = ServerName::try_from(text).is_ok() && !text.contains('_');
        if fits { Ok(Self(text.into())) } else { Err(TlsError::Name) }
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
    fn a_name_is_never_empty_and_never_read_as_another() {
        for name in ["a.example", "localhost", "127.0.0.1", "::1"] {
            assert!(name.parse::<TlsName>().is_ok(), "{name}");
        }
        for name in ["", "a b", "https://a", "a:1", "[::1]", "a_b.example.com"] {
            assert_eq!(name.parse::<TlsName>(), Err(TlsError::Name), "{name}");
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
