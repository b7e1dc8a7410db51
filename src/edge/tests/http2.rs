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
    net::TcpListener,
    time::{Instant, sleep, timeout},
};

use super::harness::{House, OK, Recorder, Reply, audit, guarded, rest, server_settings, status, upstream_settings};
use crate::edge::ServerSettings;

pub(super) const SHORT: Duration = Duration::from_millis(200);
/// Longer than anything here takes.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
const STREAM: Reply = Reply::Hang("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");

pub(super) fn settings() -> ServerSettings {
    ServerSettings { h2c: true, max_connections: 1000, ..server_settings() }
}

pub(super) async fn open(upstream: &Recorder) -> House {
    House::open(settings(), vec![upstream_settings("u", "/", upstream.port)]).await
}

/// A connection that is driven by itself. What one stream does not take is no hindrance to others.
pub(super) async fn connect(house: &House) -> SendRequest<Bytes> {
    let mut settings = h2::client::Builder::new();
    settings.initial_connection_window_size(10_000_000).initial_max_send_streams(100);
    let (client, connection) = settings.handshake(house.connect().await).await.unwrap();
    tokio::spawn(connection);
    client.ready().await.unwrap()
}

pub(super) fn request(method: Method, target: &str, headers: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::builder().method(method).uri(target).version(Version::HTTP_2);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

/// Begins a request, with a body to follow or not.
pub(super) async fn begin(
    client: &SendRequest<Bytes>,
    request: Request<()>,
    body: bool,
) -> (ResponseFuture, SendStream<Bytes>) {
    client.clone().ready().await.unwrap().send_request(request, !body).unwrap()
}

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

/// A whole answer, or why its stream ended.
pub(super) async fn answer(response: ResponseFuture) -> Result<Answer, h2::Error> {
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

pub(super) async fn next(body: &mut RecvStream) -> Option<Result<Bytes, h2::Error>> {
    let data = timeout(PATIENCE, body.data()).await.expect("more comes")?;
    if let Ok(data) = &data {
        body.flow_control().release_capacity(data.len()).unwrap();
    }
    Some(data)
}

pub(super) async fn get(client: &SendRequest<Bytes>, target: &str, headers: &[(&str, &str)]) -> Answer {
    let (response, _) = begin(client, request(Method::GET, target, headers), false).await;
    answer(response).await.unwrap()
}

#[tokio::test]
async fn a_connection_ends_after_so_many_requests() {
    let upstream = Recorder::start(&[OK]).await;
    let settings = ServerSettings { max_requests_per_connection: 2, ..settings() };
    let house = House::open(settings, vec![upstream_settings("u", "/", upstream.port)]).await;
    let client = connect(&house).await;
    let mut answered = 0;
    while let Ok(mut ready) = client.clone().ready().await {
        let Ok((response, _)) = ready.send_request(request(Method::GET, "http://a/", &[]), true) else { break };
        let Ok(answer) = answer(response).await else { break };
        assert_eq!(answer.status, 200);
        answered += 1;
    }
    // One may be on its way when the client is told.
    assert!((2..=3).contains(&answered), "{answered}");
}

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
    let mut silent = super::frames::raw(&house).await;
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

#[tokio::test]
async fn a_refusal_that_its_client_makes_no_room_for_keeps_no_connection() {
    let upstream = Recorder::start(&[OK]).await;
    let short = ServerSettings { idle_timeout: SHORT, ..settings() };
    let house = House::open(short, vec![upstream_settings("u", "/", upstream.port)]).await;
    for (method, target) in [(Method::CONNECT, "a:80"), (Method::TRACE, "http://a/")] {
        let mut no_room = h2::client::Builder::new();
        no_room.initial_window_size(0);
        let (client, connection) = no_room.handshake::<_, Bytes>(house.connect().await).await.unwrap();
        let connection = tokio::spawn(connection);
        let (refused, _) = begin(&client, request(method, target, &[]), false).await;
        assert_eq!(timeout(PATIENCE, refused).await.unwrap().unwrap().status(), 405);
        timeout(PATIENCE, connection).await.expect("it is closed").unwrap().unwrap();
    }
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
