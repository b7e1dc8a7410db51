//! An upstream that speaks TLS, HTTP/2, or both, and an authority for its certificates.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use http::{HeaderMap, Response};
use pingora::tls::{CertificateDer, PrivateKeyDer, RootCertStore, ServerConfig, TlsAcceptor, WebPkiClientVerifier};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
};

use crate::edge::{Authorities, ClientCertificate};

/// One that signs certificates.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    der: CertificateDer<'static>,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        let (pem, der) = (certificate.pem(), certificate.der().clone());
        Self { issuer: Issuer::new(parameters, key), pem, der }
    }

    fn sign(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        (certificate, key)
    }

    /// As what an upstream's servers are to be signed by.
    pub(super) fn trusted(&self) -> Authorities {
        Authorities::from_pem(self.pem.as_bytes()).unwrap()
    }

    /// What the gateway is known by.
    pub(super) fn client(&self) -> ClientCertificate {
        let (certificate, key) = self.sign("gateway");
        ClientCertificate::from_pem(certificate.pem().as_bytes(), key.serialize_pem().as_bytes()).unwrap()
    }

    /// The terms of a server of this name that offers these protocols; with `clients`, to theirs alone.
    pub(super) fn server(&self, name: &str, offered: &[&str], clients: Option<&Self>) -> ServerConfig {
        pingora::tls::install_default_crypto_provider();
        let (certificate, key) = self.sign(name);
        let builder = ServerConfig::builder();
        let builder = match clients {
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.der.clone()).unwrap();
                builder.with_client_cert_verifier(WebPkiClientVerifier::builder(roots.into()).build().unwrap())
            }
            None => builder.with_no_client_auth(),
        };
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut config = builder.with_single_cert(vec![certificate.der().clone()], key).unwrap();
        config.alpn_protocols = offered.iter().map(|name| name.as_bytes().to_vec()).collect();
        config
    }
}

/// What a request is answered with over HTTP/2.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    Answers,
    /// Never says anything.
    Hangs,
    /// Refuses the first request before looking at it, and answers the others.
    RefusesFirst,
    /// Ends the connection at the first request.
    BreaksOff,
}

/// The upstream, and what it saw: method, target, version and headers of each request.
pub(super) struct Secure {
    pub(super) port: u16,
    seen: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
}

impl Secure {
    /// With terms for TLS, else HTTP/2 in clear.
    pub(super) async fn start(terms: Option<ServerConfig>, manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (seen, connections) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicUsize>::default());
        let acceptor = terms.map(|terms| TlsAcceptor::from(Arc::new(terms)));
        let (all, count) = (seen.clone(), connections.clone());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let (acceptor, all) = (acceptor.clone(), all.clone());
                tokio::spawn(async move {
                    let Some(acceptor) = acceptor else { return http2(socket, &all, manner).await };
                    let Ok(stream) = acceptor.accept(socket).await else { return };
                    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                        http2(stream, &all, manner).await;
                    } else {
                        http1(stream, &all).await;
                    }
                });
            }
        });
        Self { port, seen, connections }
    }

    pub(super) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn http1(mut stream: impl AsyncRead + AsyncWrite + Unpin, seen: &Mutex<Vec<String>>) {
    let mut head = Vec::new();
    while let Ok(byte) = stream.read_u8().await {
        head.push(byte);
        if head.ends_with(b"\r\n\r\n") {
            let text = String::from_utf8(std::mem::take(&mut head)).unwrap();
            let takes_over = text.to_lowercase().contains("upgrade: websocket");
            seen.lock().unwrap().push(text);
            let answer: &[u8] = if takes_over {
                b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
            } else {
                b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
            };
            stream.write_all(answer).await.unwrap_or_default();
        }
    }
}

async fn http2(stream: impl AsyncRead + AsyncWrite + Unpin, seen: &Mutex<Vec<String>>, manner: Manner) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    let mut waiting = Vec::new();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let (head, mut body) = request.into_parts();
        seen.lock().unwrap().push(format!("{} {} {:?} {:?}", head.method, head.uri, head.version, head.headers));
        let refused = manner == Manner::RefusesFirst && seen.lock().unwrap().len() == 1;
        match manner {
            Manner::RefusesFirst if refused => respond.send_reset(h2::Reason::REFUSED_STREAM),
            Manner::Hangs => waiting.push((respond, body)),
            Manner::BreaksOff => return,
            Manner::Answers | Manner::RefusesFirst => drop(tokio::spawn(async move {
                let mut sent = Vec::new();
                while let Some(Ok(bytes)) = body.data().await {
                    body.flow_control().release_capacity(bytes.len()).unwrap();
                    sent.extend_from_slice(&bytes);
                }
                let mut answer = respond
                    .send_response(Response::builder().header("x-theirs", "a").body(()).unwrap(), false)
                    .unwrap();
                let _gone = answer.send_data(Bytes::from([b"ok".as_slice(), &sent].concat()), false);
                let _gone = answer.send_trailers(HeaderMap::from_iter([(http::header::ETAG, "x".parse().unwrap())]));
            })),
        }
    }
}
