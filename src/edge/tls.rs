//! TLS at the door: which certificate is shown for which name, and which clients may come in.
//!
//! A reload puts another [`DoorTls`] in force, which the next handshake takes (`accept`).

use std::{fmt, sync::Arc};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use tokio_rustls::TlsAcceptor;
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer};

use super::pem::{TlsError, certificates, pair, roots};
use crate::model::Timestamp;

/// What is offered by ALPN (RFC 7301), the preferred one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// A certificate with its chain and its private key.
#[derive(Clone)]
pub struct ServerCertificate {
    key: Arc<CertifiedKey>,
    /// The host names of its subjectAltName in lower case; `*.example.com` stands for one label more.
    names: Vec<String>,
    valid_from: Timestamp,
    valid_to: Timestamp,
}

impl ServerCertificate {
    /// Reads a chain, the server's own certificate first, and its key: PKCS#8, SEC1 or PKCS#1, not encrypted.
    ///
    /// # Errors
    /// [`TlsError`] if one of them cannot be read, or the key is another certificate's.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let (key, _) = pair(chain, key)?;
        let (names, valid_from, valid_to) = read_certificate(key.end_entity_cert().map_err(TlsError::Together)?)?;
        Ok(Self { key: Arc::new(key), names, valid_from, valid_to })
    }

    /// Whether it names a host, so that a client's wish can choose it.
    #[must_use]
    pub const fn has_names(&self) -> bool {
        !self.names.is_empty()
    }

    /// From when to when it is valid.
    #[must_use]
    pub const fn validity(&self) -> (Timestamp, Timestamp) {
        (self.valid_from, self.valid_to)
    }

    fn names_exactly(&self, host: &str) -> bool {
        self.names.iter().any(|name| name.eq_ignore_ascii_case(host))
    }

    fn covers(&self, host: &str) -> bool {
        let Some((_, parent)) = host.split_once('.') else { return false };
        self.names.iter().filter_map(|name| name.strip_prefix("*.")).any(|name| name.eq_ignore_ascii_case(parent))
    }
}

/// Who signs the certificates of clients.
#[derive(Clone)]
pub struct ClientAuthorities {
    roots: Arc<RootCertStore>,
    required: bool,
}

impl ClientAuthorities {
    /// Reads certificates of authorities. A client without a certificate is let in only if none is `required`; a bad
    /// one never is.
    ///
    /// # Errors
    /// [`TlsError`] if there is none, or one cannot be used.
    pub fn from_pem(authorities: &[u8], required: bool) -> Result<Self, TlsError> {
        let roots = roots(&certificates(authorities)?)?;
        Ok(Self { roots: Arc::new(roots), required })
    }
}

/// All that a handshake needs.
#[derive(Clone)]
pub struct DoorTls {
    config: Arc<ServerConfig>,
}

impl DoorTls {
    /// TLS 1.2 and 1.3 with these certificates, at least one. A client gets the one that has the name that it asks for,
    /// or else the first.
    ///
    /// # Errors
    /// [`TlsError`] without a certificate, or if the system gives no random numbers.
    pub fn new(certificates: Vec<ServerCertificate>, clients: Option<ClientAuthorities>) -> Result<Self, TlsError> {
        if certificates.is_empty() {
            return Err(TlsError::NoCertificate);
        }
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(TlsError::Together)?;
        let builder = match clients {
            Some(clients) => builder.with_client_cert_verifier(verifier(clients, provider)?),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(ByName(certificates)));
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        // Tickets take no memory for the clients that come back. Each reload makes new keys, so that a session never
        // outlives the authorities that its client was admitted by.
        config.ticketer = ring::Ticketer::new().map_err(TlsError::Together)?;
        Ok(Self { config: Arc::new(config) })
    }

    /// Shakes hands.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.clone())
    }
}

impl fmt::Debug for DoorTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DoorTls")
    }
}

fn verifier(
    clients: ClientAuthorities,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, TlsError> {
    let builder = WebPkiClientVerifier::builder_with_provider(clients.roots, provider);
    let builder = if clients.required { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(|error| TlsError::Together(rustls::Error::General(error.to_string())))
}

/// The certificates in the order of the configuration.
#[derive(Debug)]
struct ByName(Vec<ServerCertificate>);

impl ByName {
    /// The certificate for a name: one that has it, else one whose wildcard covers it, else the first. Of several, one
    /// whose key `fits` the client is preferred.
    fn choose(&self, host: Option<&str>, fits: impl Fn(&CertifiedKey) -> bool) -> Option<&Arc<CertifiedKey>> {
        let best = |of: &dyn Fn(&ServerCertificate) -> bool| {
            let mut having = self.0.iter().filter(|certificate| of(certificate));
            let first = having.next()?;
            let fitting = if fits(&first.key) { None } else { having.find(|certificate| fits(&certificate.key)) };
            Some(&fitting.unwrap_or(first).key)
        };
        let named = host.and_then(|host| {
            best(&|certificate| certificate.names_exactly(host))
                .or_else(|| best(&|certificate| certificate.covers(host)))
        });
        named.or_else(|| self.0.first().map(|first| &first.key))
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let fits = |key: &CertifiedKey| key.key.choose_scheme(hello.signature_schemes()).is_some();
        self.choose(hello.server_name(), fits).cloned()
    }
}

impl fmt::Debug for ServerCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServerCertificate").field(&self.names).finish()
    }
}

impl fmt::Debug for ClientAuthorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientAuthorities")
    }
}

/// The host names of a certificate, and from when to when it is valid.
fn read_certificate(der: &[u8]) -> Result<(Vec<String>, Timestamp, Timestamp), TlsError> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|_| TlsError::Certificate(1))?;
    let alternatives = certificate.subject_alternative_name().map_err(|_| TlsError::Certificate(1))?;
    let names = alternatives.into_iter().flat_map(|extension| &extension.value.general_names);
    let hosts = names.filter_map(|name| match name {
        GeneralName::DNSName(host) => Some(host.to_ascii_lowercase()),
        _ => None,
    });
    let validity = certificate.validity();
    let time = |time: x509_parser::time::ASN1Time| Timestamp::from_seconds(time.timestamp());
    Ok((hosts.collect(), time(validity.not_before), time(validity.not_after)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};

    fn certificate(hosts: &[&str]) -> ServerCertificate {
        let key = KeyPair::generate().unwrap();
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let chain = CertificateParams::new(hosts).unwrap().self_signed(&key).unwrap();
        ServerCertificate::from_pem(chain.pem().as_bytes(), key.serialize_pem().as_bytes()).unwrap()
    }

    #[test]
    fn a_client_gets_the_certificate_of_the_name_it_asks_for() {
        let all = [&["a.example", "192.0.2.1"][..], &["*.b.example"], &["x.b.example", "B.example"], &["*.a.example"]];
        let by_name = ByName(all.map(certificate).into());
        let place = |host: Option<&str>| {
            let chosen = by_name.choose(host, |_| true).unwrap();
            by_name.0.iter().position(|one| Arc::ptr_eq(&one.key, chosen)).unwrap()
        };
        for (host, expected) in [
            ("a.example", 0),
            ("y.b.example", 1),
            ("X.B.EXAMPLE", 2),
            ("b.example", 2),
            ("z.a.example", 3),
            ("z.z.a.example", 0),
            ("unknown", 0),
            ("*.b.example", 1),
        ] {
            assert_eq!(place(Some(host)), expected, "{host}");
        }
        assert_eq!(place(None), 0);
    }

    #[test]
    fn of_two_with_the_name_the_one_is_taken_whose_key_the_client_knows() {
        let by_name = ByName(vec![certificate(&["other"]), certificate(&["a"]), certificate(&["a"])]);
        let second = by_name.0[2].key.clone();
        let fits = |key: &CertifiedKey| key.cert == second.cert;
        assert!(Arc::ptr_eq(by_name.choose(Some("a"), fits).unwrap(), &second));
        let chosen = by_name.choose(Some("a"), |_| false).unwrap();
        assert!(Arc::ptr_eq(chosen, &by_name.0[1].key), "if none fits, the first");
    }

    #[test]
    fn nothing_of_a_key_is_shown() {
        let certificate = certificate(&["a.example"]);
        assert_eq!(format!("{certificate:?}"), r#"ServerCertificate(["a.example"])"#);
        let door = DoorTls::new(vec![certificate], None).unwrap();
        assert_eq!(format!("{door:?}"), "DoorTls");
        assert!(DoorTls::new(Vec::new(), None).is_err());
    }
}
