//! What still runs when its token ends: streams and web sockets, as libraries see them, at the running binary.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use futures_util::{SinkExt, StreamExt};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::{
    WebSocketStream, accept_async, client_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use crate::support::{Authority, Gateway, TlsCaller, own_address};

/// A second after its token's end it may still run, and a second more.
const CUT: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(20);

/// An upstream that returns each message of a web socket, and begins an endless stream of events for anything else.
fn upstream(runtime: &Runtime) -> SocketAddr {
    let listener = runtime.block_on(TcpListener::bind((own_address(), 9000))).unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(serve(socket));
        }
    });
    address
}

async fn serve(mut socket: TcpStream) {
    let mut head = [0; 12];
    while socket.peek(&mut head).await.unwrap() < head.len() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    if &head == b"GET /socket " {
        // A server that agrees before pingora has noted the end of the request's (empty) body loses the connection: pingora
        // takes that end for the end of the new protocol (`proxy_handle_upstream` in its `proxy_h1.rs`).
        tokio::time::sleep(Duration::from_millis(20)).await;
        let Ok(mut socket) = accept_async(socket).await else { return };
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() && socket.send(message).await.is_err() {
                return;
            }
        }
        return;
    }
    let answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    let _gone = socket.write_all(answer).await;
    let _gone = socket.write_all(b"9\r\ndata: 1\n\n\r\n").await;
    std::future::pending::<()>().await;
}

/// A gateway to it: `/kept` outlives its token, all else does not.
fn gateway(upstream: SocketAddr) -> Gateway {
    Gateway::start(&api(upstream))
}

fn api(upstream: SocketAddr) -> String {
    let one = |name: &str, path: &str, more: &str| {
        format!(
            "[upstreams.{name}]\nservers = [\"{upstream}\"]\npath = \"{path}\"\n{more}\n\
             [[upstreams.{name}.rules]]\naccess = \"token\"\n"
        )
    };
    one("cut", "/", "") + &one("kept", "/kept", "close_on_revoke = false")
}

async fn web_socket(gateway: &Gateway, token: &str) -> WebSocketStream<TcpStream> {
    web_socket_over(TcpStream::connect(gateway.public).await.unwrap(), token).await
}

async fn web_socket_over<S: AsyncRead + AsyncWrite + Unpin>(stream: S, token: &str) -> WebSocketStream<S> {
    let mut request = "ws://api.example/socket".into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    let mut socket = client_async(request, stream).await.unwrap().0;
    echo(&mut socket).await;
    socket
}

/// Says something, which comes back.
async fn echo<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut WebSocketStream<S>) {
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap(), Message::text("hello"));
}

async fn events(gateway: &Gateway, path: &str, token: &str) -> TcpStream {
    let mut socket = TcpStream::connect(gateway.public).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut begun = Vec::new();
    while !begun.ends_with(b"data: 1\n\n\r\n") {
        assert_ne!(timeout(PATIENCE, socket.read_buf(&mut begun)).await.unwrap().unwrap(), 0);
    }
    socket
}

/// Waits for the end of a stream, and checks that it came in time and not as if all had been said.
async fn ends(mut events: TcpStream, since: Instant) {
    let mut rest = Vec::new();
    let _reset = timeout(PATIENCE, events.read_to_end(&mut rest)).await.unwrap();
    assert!(rest.is_empty(), "{rest:?}");
    assert!(since.elapsed() < CUT, "{:?}", since.elapsed());
}

async fn web_socket_ends<S: AsyncRead + AsyncWrite + Unpin>(mut socket: WebSocketStream<S>, since: Instant) {
    let end = timeout(PATIENCE, socket.next()).await.unwrap();
    assert!(end.is_none_or(|message| message.is_err()));
    assert!(since.elapsed() < CUT, "{:?}", since.elapsed());
}

async fn go_on(events: &mut TcpStream) {
    assert!(timeout(Duration::from_millis(10), events.read(&mut [0])).await.is_err(), "it was cut");
}

#[test]
fn web_sockets_and_streams_end_with_their_token_and_others_go_on() {
    let runtime = Runtime::new().unwrap();
    let gateway = gateway(upstream(&runtime));
    let (client, other) = (gateway.client(&["a"]), gateway.client(&["a"]));
    let (token, others) = (gateway.token(&client, None), gateway.token(&other, None));
    let (socket, mut neighbour) =
        runtime.block_on(async { (web_socket(&gateway, &token).await, web_socket(&gateway, &others).await) });
    let stream = runtime.block_on(events(&gateway, "/events", &token));
    let mut kept = runtime.block_on(events(&gateway, "/kept", &token));

    let revoked = gateway.post_form("/oauth2/revoke", &client.basic(), &format!("token={token}"));
    assert_eq!(revoked.status, 200);
    let since = Instant::now();
    runtime.block_on(async {
        tokio::join!(ends(stream, since), web_socket_ends(socket, since));
        echo(&mut neighbour).await;
        go_on(&mut kept).await;
    });
    let line = gateway.wait_for_log(r#""cut":"token_ended""#);
    assert!(line.contains(r#""upstream":"cut""#) && line.contains(&client.id), "{line}");

    // The command line is another process.
    let gone = gateway.cli(&["client", "disable", &other.id], "");
    assert!(gone.status.success(), "{gone:?}");
    runtime.block_on(web_socket_ends(neighbour, Instant::now()));
    assert_eq!(gateway.call("GET /events", &token).status, 401);
}

#[test]
fn a_web_socket_under_tls_ends_with_its_token_too() {
    let runtime = Runtime::new().unwrap();
    let authority = Authority::new();
    let tls = "tls = { cert = 'one.pem', key = 'one-key.pem' }";
    let mut gateway = Gateway::prepare(tls, &api(upstream(&runtime)));
    authority.sign(&[&gateway.public.ip().to_string()]).write(gateway.folder.path(), "one");
    gateway.launch();
    let client = gateway.client(&["a"]);
    let token = gateway.token_at(gateway.admin, &client, None);
    let socket = runtime.block_on(async {
        let socket = TcpStream::connect(gateway.public).await.unwrap();
        let name = ServerName::from(gateway.public.ip());
        let connector = TlsConnector::from(TlsCaller::new(&authority).config());
        web_socket_over(connector.connect(name, socket).await.unwrap(), &token).await
    });
    let form = format!("token={token}");
    let revoked = Gateway::post_form_at(gateway.admin, "/oauth2/revoke", &client.basic(), &form);
    assert_eq!(revoked.status, 200);
    runtime.block_on(web_socket_ends(socket, Instant::now()));
}

#[test]
fn a_stream_ends_when_its_token_expires_and_when_its_organisation_is_gone() {
    let runtime = Runtime::new().unwrap();
    let gateway = gateway(upstream(&runtime));
    let client = gateway.client(&["a"]);
    let lasting = gateway.token(&client, None);
    assert!(gateway.cli(&["client", "update", &client.id, "--token-duration", "2s"], "").status.success());
    // The gateway hears of that within a second, and then gives tokens that live so long.
    let deadline = Instant::now() + PATIENCE;
    let short = loop {
        let form = "grant_type=client_credentials";
        let reply = gateway.post_form("/oauth2/tokens", &client.basic(), form).json();
        if reply["expires_in"] == 2 {
            break reply["access_token"].as_str().unwrap().to_owned();
        }
        assert!(Instant::now() < deadline, "{reply}");
        std::thread::sleep(Duration::from_millis(50));
    };
    let issued = Instant::now();
    let stream = runtime.block_on(events(&gateway, "/events", &short));
    runtime.block_on(ends(stream, issued + Duration::from_secs(2)));

    let stream = runtime.block_on(events(&gateway, "/events", &lasting));
    let deleted = gateway.cli(&["org", "delete", &client.organization], "");
    assert!(deleted.status.success(), "{deleted:?}");
    runtime.block_on(ends(stream, Instant::now()));
}
