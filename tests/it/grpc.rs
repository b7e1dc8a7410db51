//! gRPC through the gateway, as its library speaks it: calls, both ways at once, errors in trailers, and access rules.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf, BufMut, Bytes};
use futures_util::{StreamExt, future::BoxFuture, stream};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, ServerConfig,
    crypto::ring,
    pki_types::{PrivateKeyDer, ServerName, pem::PemObject},
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tonic::{
    Code, Request, Response, Status, Streaming,
    body::Body,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    metadata::MetadataValue,
    server::NamedService,
    transport::{Channel, Endpoint, Server, server::TcpIncoming},
};
use tower::{Service, service_fn};

use crate::support::{Authority, Client, Gateway, Identity, TlsCaller, own_address};

const PATIENCE: Duration = Duration::from_secs(20);

/// Messages as they are.
#[derive(Clone, Copy, Default)]
struct Raw;

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

/// A service that says who called, fails where it is asked to, and returns each message of a conversation.
#[derive(Clone)]
struct Echo;

impl NamedService for Echo {
    const NAME: &'static str = "test.Echo";
}

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(Raw);
            Ok(match request.uri().path() {
                "/test.Echo/WhoAmI" => grpc.unary(service_fn(who_am_i), request).await,
                "/test.Echo/Fail" => grpc.unary(service_fn(fail), request).await,
                _ => grpc.streaming(service_fn(converse), request).await,
            })
        })
    }
}

async fn who_am_i(request: Request<Bytes>) -> Result<Response<Bytes>, Status> {
    let client = request.metadata().get("x-portcullis-client").map(|client| client.as_bytes().to_vec());
    Ok(Response::new(client.unwrap_or_default().into()))
}

async fn fail(request: Request<Bytes>) -> Result<Response<Bytes>, Status> {
    Err(Status::failed_precondition(String::from_utf8_lossy(request.get_ref())))
}

async fn converse(request: Request<Streaming<Bytes>>) -> Result<Response<Streaming<Bytes>>, Status> {
    Ok(Response::new(request.into_inner()))
}

fn upstream(runtime: &Runtime) -> SocketAddr {
    let listener = runtime.block_on(TcpListener::bind((own_address(), 9000))).unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(Server::builder().add_service(Echo).serve_with_incoming(TcpIncoming::from(listener)));
    address
}

/// TLS in front of a server: HTTP/2 alone is spoken under it.
fn under_tls(runtime: &Runtime, server: SocketAddr, identity: &Identity) -> SocketAddr {
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let mut config = builder.with_single_cert(vec![identity.der()], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = runtime.block_on(TcpListener::bind((server.ip(), 9443))).unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let (mut outside, mut inside) = (acceptor.accept(socket).await?, TcpStream::connect(server).await?);
                copy_bidirectional(&mut outside, &mut inside).await
            });
        }
    });
    address
}

async fn channel(to: SocketAddr, tls: Option<Arc<ClientConfig>>) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{to}")).unwrap();
    let Some(config) = tls else { return endpoint.connect().await.unwrap() };
    let connect = service_fn(move |_| {
        let connector = TlsConnector::from(config.clone());
        async move {
            let socket = TcpStream::connect(to).await?;
            Ok::<_, io::Error>(TokioIo::new(connector.connect(ServerName::from(to.ip()), socket).await?))
        }
    });
    endpoint.connect_with_connector(connect).await.unwrap()
}

struct Caller {
    grpc: Grpc<Channel>,
    token: String,
}

impl Caller {
    async fn new(gateway: &Gateway, token: &str, tls: Option<&TlsCaller>) -> Self {
        let channel = channel(gateway.public, tls.map(TlsCaller::config)).await;
        Self { grpc: Grpc::new(channel), token: token.to_owned() }
    }

    fn with_token<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let value = MetadataValue::try_from(format!("Bearer {}", self.token)).unwrap();
        request.metadata_mut().insert("authorization", value);
        request
    }

    async fn call(&mut self, method: &'static str, message: &'static str) -> Result<Bytes, Status> {
        self.grpc.ready().await.unwrap();
        let request = self.with_token(Bytes::from_static(message.as_bytes()));
        let call = self.grpc.unary(request, http::uri::PathAndQuery::from_static(method), Raw);
        Ok(timeout(PATIENCE, call).await.unwrap()?.into_inner())
    }
}

fn api(server: &str, more: &str) -> String {
    format!(
        "[upstreams.echo]\nservers = [\"{server}\"]\n{more}\n\
         [[upstreams.echo.rules]]\npath = \"/test.Echo/**\"\nscopes = [\"call\"]\n\
         [[upstreams.echo.rules]]\npath = \"/test.Echo/Locked\"\nscopes = [\"other\"]\n"
    )
}

/// A client may say nothing for longer than that once it is heard.
const BODY_TIMEOUT: &str = "body_timeout = \"500ms\"";

#[test]
fn grpc_passes_with_its_trailers_and_ends_with_its_token() {
    let runtime = Runtime::new().unwrap();
    let api = api(&format!("h2c://{}", upstream(&runtime)), "");
    let gateway = Gateway::with(&format!("h2c = true\n{BODY_TIMEOUT}"), &api);
    let client = gateway.client(&["call"]);
    let token = gateway.token(&client, None);
    runtime.block_on(converses(&gateway, &client, &token, None));
}

#[test]
fn grpc_passes_under_tls_on_both_sides() {
    let runtime = Runtime::new().unwrap();
    let authority = Authority::new();
    let server = upstream(&runtime);
    let server = under_tls(&runtime, server, &authority.sign(&[&server.ip().to_string()]));
    let tls = "tls = { cert = 'one.pem', key = 'one-key.pem' }";
    let api = api(&format!("https://{server}"), "tls = { ca = 'ca.pem' }");
    let mut gateway = Gateway::prepare(&format!("{tls}\n{BODY_TIMEOUT}"), &api);
    authority.sign(&[&gateway.public.ip().to_string()]).write(gateway.folder.path(), "one");
    std::fs::write(gateway.folder.path().join("ca.pem"), authority.pem()).unwrap();
    gateway.launch();
    let mut caller = TlsCaller::new(&authority);
    caller.protocols = vec![b"h2"];
    let client = gateway.client(&["call"]);
    let token = gateway.token_at(gateway.admin, &client, None);
    runtime.block_on(converses(&gateway, &client, &token, Some(&caller)));
}

/// Calls, is refused, converses, and is cut off when the token is revoked.
async fn converses(gateway: &Gateway, client: &Client, token: &str, tls: Option<&TlsCaller>) {
    let mut caller = Caller::new(gateway, token, tls).await;
    assert_eq!(caller.call("/test.Echo/WhoAmI", "").await.unwrap(), client.id);
    let failed = caller.call("/test.Echo/Fail", "not today").await.unwrap_err();
    assert_eq!((failed.code(), failed.message()), (Code::FailedPrecondition, "not today"));
    // The status is an HTTP one, as any refusal's.
    let denied = caller.call("/test.Echo/Locked", "").await.unwrap_err();
    assert!(denied.message().contains("403"), "{denied}");
    let refused = Caller::new(gateway, "nobody's", tls).await.call("/test.Echo/WhoAmI", "").await.unwrap_err();
    assert!(refused.message().contains("401"), "{refused}");

    let path = || http::uri::PathAndQuery::from_static("/test.Echo/Converse");
    let request = caller.with_token(Bytes::from_static(b"once"));
    caller.grpc.ready().await.unwrap();
    let mut heard = caller.grpc.server_streaming(request, path(), Raw).await.unwrap().into_inner();
    assert_eq!(timeout(PATIENCE, heard.message()).await.unwrap().unwrap().unwrap(), "once");
    assert!(timeout(PATIENCE, heard.message()).await.unwrap().unwrap().is_none());

    let said = stream::iter([Bytes::from_static(b"one"), Bytes::from_static(b"two")]).chain(stream::pending());
    let request = caller.with_token(said);
    caller.grpc.ready().await.unwrap();
    let mut heard = caller.grpc.streaming(request, path(), Raw).await.unwrap().into_inner();
    for word in ["one", "two"] {
        assert_eq!(timeout(PATIENCE, heard.message()).await.unwrap().unwrap().unwrap(), word);
    }
    assert!(timeout(Duration::from_millis(800), heard.message()).await.is_err(), "silence is no end");
    let form = format!("token={token}");
    let revoked = Gateway::post_form_at(gateway.admin, "/oauth2/revoke", &client.basic(), &form);
    assert_eq!(revoked.status, 200);
    let cut = timeout(Duration::from_secs(2), heard.message()).await.unwrap().unwrap_err();
    assert_eq!(cut.code(), Code::Cancelled, "{cut}");
}
