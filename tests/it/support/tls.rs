//! Authorities, certificates, and callers that speak TLS.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::Arc,
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};

/// An authority that signs certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, as PEM.
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        // Else it would have the name of what it signs, which then looks self-signed.
        parameters.distinguished_name.push(DnType::CommonName, "the tests' authority");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for these hosts, or a client's.
    pub(crate) fn sign(&self, hosts: &[&str]) -> Identity {
        let key = KeyPair::generate().unwrap();
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let certificate = CertificateParams::new(hosts).unwrap().signed_by(&key, &self.0).unwrap();
        Identity { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

impl Identity {
    /// Writes it as `NAME.pem` and `NAME-key.pem`.
    pub(crate) fn write(&self, folder: &Path, name: &str) {
        std::fs::write(folder.join(format!("{name}.pem")), &self.certificate).unwrap();
        std::fs::write(folder.join(format!("{name}-key.pem")), &self.key).unwrap();
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()
    }
}

/// A connection under TLS.
pub(crate) type Secure = StreamOwned<ClientConnection, TcpStream>;

/// A caller that trusts one authority.
pub(crate) struct TlsCaller {
    roots: RootCertStore,
    pub(crate) versions: Vec<&'static SupportedProtocolVersion>,
    pub(crate) identity: Option<(CertificateDer<'static>, String)>,
    pub(crate) protocols: Vec<&'static [u8]>,
}

impl TlsCaller {
    pub(crate) fn new(authority: &Authority) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
        Self { roots, versions: rustls::ALL_VERSIONS.to_vec(), identity: None, protocols: Vec::new() }
    }

    /// The same with a certificate of its own.
    pub(crate) fn with(authority: &Authority, identity: &Identity) -> Self {
        Self { identity: Some((identity.der(), identity.key.clone())), ..Self::new(authority) }
    }

    /// What a library is told to speak like it.
    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder =
            builder.with_protocol_versions(&self.versions).unwrap().with_root_certificates(self.roots.clone());
        let mut config = match &self.identity {
            Some((certificate, key)) => {
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![certificate.clone()], key).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = self.protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Arc::new(config)
    }

    /// Shakes hands. A refusal of the caller's certificate may come only with the first answer.
    pub(crate) fn connect(&self, to: SocketAddr, host: &str) -> io::Result<Secure> {
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let mut session = ClientConnection::new(self.config(), name).unwrap();
        let mut socket = TcpStream::connect(to)?;
        socket.set_read_timeout(Some(Duration::from_secs(20)))?;
        while session.is_handshaking() {
            session.complete_io(&mut socket)?;
        }
        Ok(StreamOwned::new(session, socket))
    }

    /// The answer to a GET, and the certificate that the server showed.
    pub(crate) fn get(&self, to: SocketAddr, host: &str, path: &str) -> io::Result<(String, CertificateDer<'static>)> {
        let mut stream = self.connect(to, host)?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let shown = stream.conn.peer_certificates().unwrap()[0].clone().into_owned();
        Ok((answer, shown))
    }
}
