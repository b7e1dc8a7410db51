//! HTTP/2 at the door: the same requests, answers and limits as over HTTP/1.1, for each stream alone.

use std::time::Duration;

use bytes::Bytes;
use h2::{
    Reason, RecvStream, SendStream,
    client::{ResponseFuture, SendRequest},
};
use http::{HeaderMap, Method, Request, Version};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep, timeout},
};

use super::harness::{House, OK, Recorder, Reply, audit, guarded, rest, server_settings, status, upstream_settings};
use crate::edge::ServerSettings;

const SHORT: Duration = Duration::from_millis(200);
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);
const STREAM: Reply = Reply::Hang("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");

fn settings() -> ServerSettings {
    ServerSettings { h2c: true, ..server_settings() }
}

async fn open(upstream: &Recorder) -> House {
    House::open(settings(), vec![upstream_settings("u", "/", upstream.port)]).await
}

/// A connection that is driven by itself. What one stream does not take is no hindrance to others.
async fn connect(house: &House) -> SendRequest<Bytes> {
    let mut settings = h2::client::Builder::new();
    settings.initial_connection_window_size(10_000_000).initial_max_send_streams(100);
    let (client, connection) = settings.handshake(house.connect().await).await.unwrap();
    tokio::spawn(connection);
    client.ready().await.unwrap()
}

fn request(method: Method, target: &str, headers: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::builder().method(method).uri(target).version(Version::HTTP_2);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

/// Begins a request, with a body to follow or not.
async fn begin(client: &SendRequest<Bytes>, request: Request<()>, body: bool) -> (ResponseFuture, SendStream<Bytes>) {
    client.clone().ready().await.unwrap().send_request(request, !body).unwrap()
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

/// A whole answer, or why its stream ended.
async fn answer(response: ResponseFuture) -> Result<Answer, h2::Error> {
    let read = async {
        let (head, mut body) = response.await?.into_parts();
        let mut text = Vec::new();
        while let Some(data) = next(&mut body).await {
            text.extend_from_slice(&data?);
        }
        let body = String::from_utf8(text).unwrap();
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
    };
    timeout(PATIENCE, read).await.expect("an answer comes")
}

async fn next(body: &mut RecvStream) -> Option<Result<Bytes, h2::Error>> {
    let data = timeout(PATIENCE, body.data()).await.expect("more comes")?;
    if let Ok(data) = &data {
        body.flow_control().release_capacity(data.len()).unwrap();
    }
    Some(data)
}

async fn get(client: &SendRequest<Bytes>, target: &str, headers: &[(&str, &str)]) -> Answer {
    let (response, _) = begin(client, request(Method::GET, target, headers), false).await;
    answer(response).await.unwrap()
}

/// A frame as it is on the wire.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

/// A connection on which the preface and empty settings are sent.
async fn raw(house: &House) -> TcpStream {
    let mut socket = house.connect().await;
    socket.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    socket.write_all(&frame(4, 0, 0, b"")).await.unwrap();
    socket
}

/// `:method GET`, `:scheme http`, `:path /`, `:authority a` (RFC 7541).
const HEAD: &[u8] = &[0x82, 0x86, 0x84, 0x01, 0x01, b'a'];

#[tokio::test]
async fn a_stream_is_judged_and_cleaned_as_any_request_is() {
    let upstream = Recorder::start(&[OK]).await;
    let settings_of = vec![upstream_settings("open", "/open", upstream.port), guarded("closed", "/", upstream.port)];
    let house = House::open(settings(), settings_of).await;
    let (token, owner) = house.token().await;
    let bearer = format!("Bearer {token}");
    let client = connect(&house).await;
    let spoofed = [
        ("authorization", bearer.as_str()),
        ("cookie", "a=1"),
        ("cookie", "b=2"),
        ("x-portcullis-owner", "org_spoofed"),
        ("x_portcullis_owner", "org_spoofed"),
        ("x-copy", token.as_str()),
        ("x-request-id", "mine-1"),
    ];
    let passed = get(&client, "http://a.example/%7Eb?c", &spoofed).await;
    assert_eq!((passed.status, passed.body.as_str()), (200, "ok"));
    assert_eq!(passed.headers["x-request-id"], "mine-1");
    let seen = upstream.only().to_lowercase();
    assert!(seen.starts_with("get /~b?c http/1.1\r\n"), "{seen}");
    assert!(!seen.contains("spoofed") && !seen.contains("prt_") && !seen.contains("authorization"), "{seen}");
    for line in [
        "host: a.example\r\n",
        "cookie: a=1; b=2\r\n",
        "x-forwarded-host: a.example\r\n",
        "x-forwarded-for: 127.0.0.1\r\n",
        &format!("x-portcullis-owner: {owner}\r\n"),
    ] {
        assert_eq!(seen.matches(&format!("\n{line}")).count(), 1, "{line} in {seen}");
    }

    let many: Vec<(String, &str)> = (0..30).map(|number| (format!("x-{number}"), "1")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let long = "x".repeat(2000);
    for (method, target, headers, status) in [
        (Method::GET, "http://a/", &[][..], 401),
        (Method::GET, "http://a/", &[("authorization", "Bearer prt_at_x")], 401),
        (Method::GET, "http://a/a/../b", &[], 400),
        (Method::GET, "http://a/?access_token=x", &[], 400),
        (Method::GET, "http://a/", &[("host", "b")], 400),
        (Method::GET, "http://u@a/", &[], 400),
        (Method::TRACE, "http://a/", &[], 405),
        (Method::CONNECT, "a:80", &[], 405),
        (Method::GET, &format!("http://a/{long}"), &[], 414),
        (Method::GET, "http://a/", &many, 431),
        (Method::GET, "http://a/", &[("expect", "miracles")], 417),
        (Method::POST, "http://a/", &[("content-length", "99999999")], 413),
    ] {
        let (response, _body) = begin(&client, request(method, target, headers), status == 413).await;
        let refused = answer(response).await.unwrap();
        assert_eq!(refused.status, status, "{target}");
        // pingora itself refuses what tells two authorities.
        if !(target.contains('@') || headers.contains(&("host", "b"))) {
            let body: serde_json::Value = serde_json::from_str(&refused.body).unwrap();
            assert_eq!(body["request_id"], refused.headers["x-request-id"].to_str().unwrap());
        }
    }
    assert_eq!(upstream.seen().len(), 1, "what is refused goes nowhere");
    house.counts(r#"portcullis_requests_total{method="other",status="405",upstream="none"} 2"#).await;
}

#[tokio::test]
async fn our_own_endpoints_answer_over_it() {
    let upstream = Recorder::start(&[OK]).await;
    let house = open(&upstream).await;
    let client = connect(&house).await;
    let (response, mut body) = begin(&client, request(Method::POST, "http://a/oauth2/tokens", &[]), true).await;
    body.send_data("a form".into(), true).unwrap();
    let answer = answer(response).await.unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.body.ends_with(" a form"), "{}", answer.body);
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn many_streams_pass() {
    let upstream = Recorder::start(&[OK]).await;
    let house = open(&upstream).await;
    let client = connect(&house).await;
    let head = client.clone();
    let all = (0..300).map(|_| async { get(&head, "http://a/", &[]).await.status });
    assert!(futures_util::future::join_all(all).await.iter().all(|status| *status == 200));
    assert_eq!(upstream.seen().len(), 300);

    let (response, _) = begin(&client, request(Method::HEAD, "http://a/", &[]), false).await;
    assert_eq!(answer(response).await.unwrap().headers["content-length"], "2");
}

#[tokio::test]
async fn a_body_passes_whole_beyond_what_may_be_sent_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings_of = upstream_settings("u", "/", listener.local_addr().unwrap().port());
    let house = House::open(settings(), vec![settings_of]).await;
    let client = connect(&house).await;
    let (response, mut body) = begin(&client, request(Method::POST, "http://a/", &[]), true).await;
    for _ in 0..100 {
        body.send_data(vec![b'x'; 5000].into(), false).unwrap();
    }
    body.send_data(Bytes::new(), true).unwrap();
    let (mut socket, _) = listener.accept().await.unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"0\r\n\r\n") {
        assert_ne!(timeout(PATIENCE, socket.read_buf(&mut seen)).await.unwrap().unwrap(), 0);
    }
    socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    assert_eq!(answer(response).await.unwrap().status, 200);
    let seen = String::from_utf8(seen).unwrap();
    assert_eq!(seen.split_once("\r\n\r\n").unwrap().1.matches('x').count(), 500_000);
}

#[tokio::test]
async fn a_stream_is_late_alone_and_told_so() {
    let upstream = Recorder::start(&[STREAM, Reply::Hang("")]).await;
    let mut settings_of = upstream_settings("u", "/", upstream.port);
    settings_of.timeout = SHORT;
    let short = ServerSettings { body_timeout: SHORT, ..settings() };
    let house = House::open(short, vec![settings_of]).await;
    let client = connect(&house).await;
    let (stream, _) = begin(&client, request(Method::GET, "http://a/", &[]), false).await;
    let mut stream = stream.await.unwrap().into_body();
    assert_eq!(next(&mut stream).await.unwrap().unwrap(), "abc");

    let late = get(&client, "http://a/", &[]).await;
    assert_eq!(late.status, 504);
    assert!(late.body.contains("gateway_timeout"), "{}", late.body);
    house.counts(r#"portcullis_upstream_failures_total{kind="timeout",upstream="u"} 1"#).await;

    let (response, mut body) = begin(&client, request(Method::POST, "http://a/", &[]), true).await;
    body.send_data("a part".into(), false).unwrap();
    let slow = answer(response).await.unwrap();
    assert_eq!(slow.status, 408);
    house.counts(r#"portcullis_requests_total{method="POST",status="408",upstream="u"} 1"#).await;
    assert!(timeout(SHORT, stream.data()).await.is_err(), "the first one goes on");
}

#[tokio::test]
async fn an_answer_that_its_client_does_not_take_is_cut_and_its_neighbour_is_not() {
    let large = format!("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{}", "x".repeat(1_000_000));
    let upstream = Recorder::start(vec![Reply::Bytes(large.leak()), OK].leak()).await;
    let short = ServerSettings { idle_timeout: SHORT * 2, ..settings() };
    let house = House::open(short, vec![upstream_settings("u", "/", upstream.port)]).await;
    let client = connect(&house).await;
    let (stalled, _) = begin(&client, request(Method::GET, "http://a/", &[]), false).await;
    let mut stalled = stalled.await.unwrap().into_body();
    // Its window is never opened again.
    let ended = async {
        loop {
            match stalled.data().await {
                Some(Ok(_)) => {}
                Some(Err(error)) => return error,
                None => panic!("it is not whole"),
            }
        }
    };
    let error = timeout(PATIENCE, ended).await.unwrap();
    assert_eq!(error.reason(), Some(Reason::CANCEL), "{error}");
    assert_eq!(get(&client, "http://a/", &[]).await.status, 200);
}

#[tokio::test]
async fn a_stream_ends_with_its_token_alone() {
    let upstream = Recorder::start(&[STREAM, STREAM, Reply::Hang("")]).await;
    let house = House::open(settings(), vec![guarded("closed", "/", upstream.port)]).await;
    let ((token, _), (other, _)) = (house.token().await, house.token().await);
    let (token, other) = (format!("Bearer {token}"), format!("Bearer {other}"));
    let client = connect(&house).await;
    let mut streams = Vec::new();
    for token in [&token, &other] {
        let (stream, _) = begin(&client, request(Method::GET, "http://a/", &[("authorization", token)]), false).await;
        let mut stream = stream.await.unwrap().into_body();
        assert_eq!(next(&mut stream).await.unwrap().unwrap(), "abc");
        streams.push(stream);
    }
    let (waits, _) = begin(&client, request(Method::GET, "http://a/", &[("authorization", &token)]), false).await;
    upstream.await_requests(3).await;
    assert!(house.tokens.revoke_any(token.trim_start_matches("Bearer "), audit()).await.unwrap());
    let revoked = Instant::now();
    let error = next(&mut streams[0]).await.unwrap().unwrap_err();
    assert_eq!(error.reason(), Some(Reason::CANCEL), "{error}");
    let refused = answer(waits).await.unwrap();
    assert_eq!(refused.status, 401);
    assert!(refused.headers["www-authenticate"].to_str().unwrap().contains("invalid_token"));
    assert!(revoked.elapsed() < Duration::from_secs(2), "{:?}", revoked.elapsed());
    assert!(timeout(SHORT, streams[1].data()).await.is_err(), "the other one goes on");
}

#[tokio::test]
async fn a_connection_without_streams_is_closed_after_a_while_and_at_the_end() {
    const SLOW: Reply = Reply::Drip("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Duration::from_millis(20));
    let upstream = Recorder::start(&[SLOW]).await;
    let short = ServerSettings { idle_timeout: SHORT, ..settings() };
    let house = House::open(short, vec![upstream_settings("u", "/", upstream.port)]).await;
    let (client, connection) = h2::client::handshake(house.connect().await).await.unwrap();
    let connection = tokio::spawn(connection);
    // A stream that lasts longer than that is no silence.
    assert_eq!(get(&client, "http://a/", &[]).await.status, 200);
    timeout(PATIENCE, connection).await.expect("it is closed").unwrap().unwrap();
    // One that does not agree is closed too.
    let mut silent = raw(&house).await;
    rest(&mut silent).await;
    house.counts("portcullis_connections 0").await;

    let house = open(&upstream).await;
    let (client, connection) = h2::client::handshake(house.connect().await).await.unwrap();
    let connection = tokio::spawn(connection);
    let (running, _) = begin(&client, request(Method::GET, "http://a/", &[]), false).await;
    upstream.await_requests(2).await;
    let stopped = tokio::spawn(house.server.stop(PATIENCE));
    assert_eq!(answer(running).await.unwrap().status, 200);
    timeout(PATIENCE, connection).await.expect("it is closed").unwrap().unwrap();
    assert!(stopped.await.unwrap());
}

/// A field that is not indexed (RFC 7541 section 6.2.2).
fn field(name: &str, value: &str) -> Vec<u8> {
    let length = |text: &str| u8::try_from(text.len()).unwrap();
    [&[0, length(name)], name.as_bytes(), &[length(value)], value.as_bytes()].concat()
}

/// The first frame that ends something or begins an answer: its kind and its payload; nothing at the connection's end.
async fn verdict(socket: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    loop {
        let mut head = [0; 9];
        timeout(PATIENCE, socket.read_exact(&mut head)).await.expect("a verdict comes").ok()?;
        let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
        socket.read_exact(&mut payload).await.ok()?;
        if matches!(head[3], 1 | 3 | 7) {
            return Some((head[3], payload));
        }
    }
}

#[tokio::test]
async fn a_malformed_head_goes_nowhere() {
    let upstream = Recorder::start(&[OK]).await;
    let house = open(&upstream).await;
    const AUTHORITY: &[u8] = &[0x01, 0x01, b'a'];
    let (get, http, root): (&[u8], &[u8], &[u8]) = (&[0x82], &[0x86], &[0x84]);
    let path = |path: &str| [&[0x04, u8::try_from(path.len()).unwrap()], path.as_bytes()].concat();
    let bad = |name: &str, value: &str| [HEAD, &field(name, value)].concat();
    for (what, head) in [
        ("no path", [get, http, AUTHORITY].concat()),
        ("two paths", [get, http, root, root, AUTHORITY].concat()),
        ("no method", [http, root, AUTHORITY].concat()),
        ("no host", [get, http, root].concat()),
        ("an empty host", [get, http, root, &[0x01, 0x00]].concat()),
        ("two hosts", [get, http, root, AUTHORITY, AUTHORITY].concat()),
        ("two hosts in two ways", bad("host", "b")),
        ("two host fields", [bad("host", "a"), field("host", "a")].concat()),
        ("a pseudo field behind another", [get, http, root, &field("x", "y"), AUTHORITY].concat()),
        ("an unknown pseudo field", bad(":x", "y")),
        ("a protocol", bad(":protocol", "websocket")),
        (
            "an extended connect",
            [&field(":method", "CONNECT"), &field(":protocol", "websocket"), http, root, AUTHORITY].concat(),
        ),
        ("a path without a root", [get, http, &path("own/x"), AUTHORITY].concat()),
        ("an absolute path", [get, http, &path("http://b/x"), AUTHORITY].concat()),
        ("a star", [get, http, &path("*"), AUTHORITY].concat()),
        ("an empty path", [get, http, &path(""), AUTHORITY].concat()),
        ("a line end in the path", [get, http, &path("/a\r\nb: c"), AUTHORITY].concat()),
        ("a blank in the path", [get, http, &path("/a b"), AUTHORITY].concat()),
        ("dots in the path", [get, http, &path("/a/../b"), AUTHORITY].concat()),
        ("a name in capitals", bad("X-A", "b")),
        ("a name with a line end", bad("x\r\ny", "b")),
        ("a value with a line end", bad("x", "b\r\nc: d")),
        ("connection", bad("connection", "close")),
        ("keep-alive", bad("keep-alive", "1")),
        ("transfer-encoding", bad("transfer-encoding", "chunked")),
        ("upgrade", bad("upgrade", "websocket")),
        ("te", bad("te", "gzip")),
        ("a length without a body", bad("content-length", "5")),
        ("an odd length", bad("content-length", "+0")),
        ("two lengths", [bad("content-length", "0"), field("content-length", "1")].concat()),
    ] {
        let mut socket = raw(&house).await;
        socket.write_all(&frame(1, 5, 1, &head)).await.unwrap();
        if let Some((kind, payload)) = verdict(&mut socket).await {
            // 0x8c is `:status 400`.
            assert!(kind != 1 || payload[0] == 0x8c, "{what}: {payload:?}");
        }
    }
    assert!(upstream.seen().is_empty(), "{:?}", upstream.seen());
}

#[tokio::test]
async fn a_head_that_does_not_end_is_not_waited_for() {
    let upstream = Recorder::start(&[OK]).await;
    let short = ServerSettings { header_timeout: SHORT, ..settings() };
    let house = House::open(short, vec![upstream_settings("u", "/", upstream.port)]).await;
    for begun in [frame(1, 1, 1, HEAD), frame(1, 5, 1, HEAD)[..12].to_vec()] {
        let mut socket = raw(&house).await;
        socket.write_all(&begun).await.unwrap();
        rest(&mut socket).await;
    }
    let mut socket = house.connect().await;
    socket.write_all(b"PRI * HTTP/2.0\r\n").await.unwrap();
    assert_eq!(rest(&mut socket).await, "");
    house.counts("portcullis_connections 0").await;
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn floods_are_cut_off_and_honest_clients_do_not_notice() {
    let upstream = Recorder::start(&[OK]).await;
    let house = open(&upstream).await;
    let client = connect(&house).await;
    let requests_taken_back: Vec<u8> = (0..=127)
        .flat_map(|number: u8| [frame(1, 5, number | 1, HEAD), frame(3, 0, number | 1, &[0, 0, 0, 8])].concat())
        .collect();
    for (name, flood) in [
        ("settings", frame(4, 0, 0, b"")),
        ("pings", frame(6, 0, 0, b"12345678")),
        ("priorities", frame(2, 0, 1, &[0, 0, 0, 0, 1])),
        ("windows", frame(8, 0, 0, &[0, 0, 0, 1])),
        ("unknown", frame(99, 0, 0, b"")),
        ("requests that are taken back", requests_taken_back),
    ] {
        let mut socket = raw(&house).await;
        let flood = flood.repeat(10_000 / flood.len().div_ceil(9));
        // What is cut cannot be written to.
        let _cut = timeout(PATIENCE, socket.write_all(&flood)).await.expect(name);
        let mut scrap = vec![0; 65536];
        while timeout(PATIENCE, socket.read(&mut scrap)).await.expect(name).is_ok_and(|read| read > 0) {}
        assert_eq!(get(&client, "http://a/", &[]).await.status, 200);
    }
    // A head without an end.
    let mut socket = raw(&house).await;
    socket.write_all(&frame(1, 1, 1, HEAD)).await.unwrap();
    let _cut = timeout(PATIENCE, socket.write_all(&frame(9, 0, 1, b"").repeat(10_000))).await.unwrap();
    let _reset = timeout(PATIENCE, socket.read_to_end(&mut Vec::new())).await.unwrap();
    assert_eq!(get(&client, "http://a/", &[]).await.status, 200);
    drop(client);
    house.counts("portcullis_connections 0").await;
}

#[tokio::test]
async fn http_1_1_goes_on_beside_it_and_is_all_there_is_where_it_is_not_wanted() {
    let upstream = Recorder::start(&[OK]).await;
    let house = open(&upstream).await;
    assert_eq!(status(&house.get("/", "Upgrade: h2c\r\nHTTP2-Settings: x\r\n").await), "200");
    assert_eq!(status(&house.send("PRI * HTTP/2.0\r\n\r\nGET").await), "400");
    let mut socket = house.connect().await;
    for byte in b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" {
        socket.write_all(&[*byte]).await.unwrap();
        sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(status(&rest(&mut socket).await), "200");

    let house = House::open(server_settings(), vec![upstream_settings("u", "/", upstream.port)]).await;
    assert_eq!(status(&house.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await), "400");
}
