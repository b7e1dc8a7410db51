//! gRPC through the gateway, as its library speaks it: calls, both ways at once, errors in trailers, and access rules.

use std::{
    convert::Infallible,
    net::SocketAddr,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf, BufMut, Bytes};
use futures_util::{StreamExt, future::BoxFuture, stream};
use tokio::{net::TcpListener, runtime::Runtime, time::timeout};
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

use crate::support::{Gateway, own_address};

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

struct Caller {
    grpc: Grpc<Channel>,
    token: String,
}

impl Caller {
    async fn new(gateway: &Gateway, token: &str) -> Self {
        let channel = Endpoint::from_shared(format!("http://{}", gateway.public)).unwrap().connect().await.unwrap();
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

#[test]
fn grpc_passes_with_its_trailers_and_ends_with_its_token() {
    let runtime = Runtime::new().unwrap();
    let api = format!(
        "[upstreams.echo]\nservers = [\"h2c://{}\"]\n\
         [[upstreams.echo.rules]]\npath = \"/test.Echo/**\"\nscopes = [\"call\"]\n\
         [[upstreams.echo.rules]]\npath = \"/test.Echo/Locked\"\nscopes = [\"other\"]\n",
        upstream(&runtime)
    );
    let gateway = Gateway::with("h2c = true", &api);
    let client = gateway.client(&["call"]);
    let token = gateway.token(&client, None);
    runtime.block_on(async {
        let mut caller = Caller::new(&gateway, &token).await;
        assert_eq!(caller.call("/test.Echo/WhoAmI", "").await.unwrap(), client.id);
        let failed = caller.call("/test.Echo/Fail", "not today").await.unwrap_err();
        assert_eq!((failed.code(), failed.message()), (Code::FailedPrecondition, "not today"));
        // The status is an HTTP one, as any refusal's.
        let denied = caller.call("/test.Echo/Locked", "").await.unwrap_err();
        assert!(denied.message().contains("403"), "{denied}");
        let refused = Caller::new(&gateway, "nobody's").await.call("/test.Echo/WhoAmI", "").await.unwrap_err();
        assert!(refused.message().contains("401"), "{refused}");

        let said = stream::iter([Bytes::from_static(b"one"), Bytes::from_static(b"two")]).chain(stream::pending());
        let request = caller.with_token(said);
        caller.grpc.ready().await.unwrap();
        let path = http::uri::PathAndQuery::from_static("/test.Echo/Converse");
        let mut heard = caller.grpc.streaming(request, path, Raw).await.unwrap().into_inner();
        for word in ["one", "two"] {
            assert_eq!(timeout(PATIENCE, heard.message()).await.unwrap().unwrap().unwrap(), word);
        }
        let revoked = gateway.post_form("/oauth2/revoke", &client.basic(), &format!("token={token}"));
        assert_eq!(revoked.status, 200);
        timeout(Duration::from_secs(2), heard.message()).await.unwrap().unwrap_err();
    });
}
