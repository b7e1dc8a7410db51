//! What an upstream sees, what the client gets back, and what happens when the upstream fails.

use std::io::Write;

use http::HeaderValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::harness::{
    House, OK, Recorder, Reply, answer, dead_port, guarded, server, server_settings, status, upstream_settings,
};
use crate::edge::{Live, LiveSettings, ServerSettings};

async fn open(upstream: &Recorder) -> House {
    House::open(server_settings(), vec![upstream_settings("open", "/", upstream.port)]).await
}

#[tokio::test]
async fn the_path_that_matched_is_the_path_that_is_forwarded_with_the_query_as_sent() {
    for (target, forwarded) in [
        ("/a/%7Eb%2dc", "/a/~b-c"),
        ("/a?", "/a?"),
        ("/a?x=%2f&y=a%20b&z", "/a?x=%2f&y=a%20b&z"),
        ("http://a.example/b?c", "/b?c"),
        ("http://a.example", "/"),
    ] {
        let upstream = Recorder::start(&[OK]).await;
        let answer = open(&upstream).await.get(target, "").await;
        assert_eq!(status(&answer), "200", "{answer}");
        let request = upstream.only();
        assert_eq!(request.lines().next(), Some(format!("GET {forwarded} HTTP/1.1").as_str()));
    }
}

#[tokio::test]
async fn a_prefix_is_stripped_where_that_is_asked_for() {
    let upstream = Recorder::start(&[OK]).await;
    let mut settings = upstream_settings("u", "/api", upstream.port);
    settings.strip_prefix = true;
    let house = House::open(server_settings(), vec![settings]).await;
    house.get("/api/x?y", "").await;
    house.get("/api", "").await;
    let lines: Vec<String> = upstream.seen().iter().map(|seen| seen.lines().next().unwrap().to_owned()).collect();
    assert_eq!(lines, ["GET /x?y HTTP/1.1", "GET / HTTP/1.1"]);
}

#[tokio::test]
async fn nobody_but_us_tells_the_identity() {
    let upstream = Recorder::start(&[OK]).await;
    let settings = vec![upstream_settings("open", "/open", upstream.port), guarded("closed", "/closed", upstream.port)];
    let house = House::open(server_settings(), settings).await;
    let (token, owner) = house.token().await;
    let spoofed = "X-Portcullis-Owner: org_spoofed\r\nx_portcullis_owner: org_spoofed\r\nX-Portcullis-Other: spoofed\r\n\
                   Connection: close, X-Portcullis-Owner, X-Portcullis-Scopes\r\n";
    let closed = format!("Authorization: Bearer {token}\r\nX-Copy: {token}\r\n{spoofed}");
    assert_eq!(status(&house.get("/closed", &closed).await), "200");
    assert_eq!(status(&house.get("/open", &closed).await), "200");
    let seen: Vec<String> = upstream.seen().iter().map(|seen| seen.to_lowercase()).collect();
    for request in &seen {
        assert!(
            !request.contains("spoofed") && !request.contains("authorization") && !request.contains("prt_"),
            "{request}"
        );
    }
    assert!(seen[0].contains(&format!("x-portcullis-owner: {owner}\r\nx-portcullis-scopes: read\r\n")), "{}", seen[0]);
    assert!(!seen[1].contains("x-portcullis"), "{}", seen[1]);
    house.counts(r#"portcullis_decisions_total{decision="allow",reason="token",upstream="closed"} 1"#).await;
    house.counts(r#"portcullis_decisions_total{decision="allow",reason="public",upstream="open"} 1"#).await;
}

#[tokio::test]
async fn the_request_is_named_to_the_upstream_and_to_the_client() {
    let upstream = Recorder::start(&[OK]).await;
    let house = open(&upstream).await;
    let own = house.get("/", "X-Request-Id: mine-1\r\n").await.to_lowercase();
    let ours = house.get("/", "X-Request-Id: prt_at_x\r\n").await.to_lowercase();
    let seen: Vec<String> = upstream.seen().iter().map(|seen| seen.to_lowercase()).collect();
    let id = |text: &str| text.split("x-request-id: ").nth(1).unwrap().lines().next().unwrap().to_owned();
    assert_eq!((id(&own), id(&seen[0])), ("mine-1".into(), "mine-1".into()));
    assert_eq!(id(&ours), id(&seen[1]));
    assert_ne!(id(&ours), "prt_at_x");
}

#[tokio::test]
async fn the_answer_passes_as_it_is() {
    let upstream = Recorder::start(&[
        Reply::Bytes(
            "HTTP/1.1 418 Teapot\r\nServer: old\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nKeep-Alive: timeout=5\r\n\
                      Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        ),
        Reply::Bytes("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\nX-Hop: x\r\nConnection: close, x-hop\r\n\r\n"),
        Reply::Bytes("HTTP/1.1 304 Not Modified\r\nETag: x\r\nContent-Length: 7\r\n\r\n"),
        Reply::Bytes("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"),
        Reply::Bytes("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    ])
    .await;
    let house = open(&upstream).await;
    let mut socket = house.connect().await;
    let mut ask = async |request: &str| {
        socket.write_all(format!("{request} / HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).await.unwrap();
        answer(&mut socket).await
    };
    let teapot = ask("GET").await;
    for part in ["HTTP/1.1 418 ", "Server: old\r\n", "Set-Cookie: a\r\n", "Set-Cookie: b\r\n", "3\r\nabc\r\n0\r\n\r\n"]
    {
        assert!(teapot.contains(part), "{part} is missing in {teapot}");
    }
    assert!(!teapot.contains("timeout=5"));
    let nothing = ask("GET").await;
    assert!(nothing.starts_with("HTTP/1.1 204 "));
    for part in ["Content-Length", "X-Hop"] {
        assert!(!nothing.contains(part), "{part} has passed in {nothing}");
    }
    drop(house.get("/", "").await);
    let head = house.send("HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert!(head.contains("Content-Length: 7\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    let hints = house.get("/", "").await;
    assert!(hints.starts_with("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 "), "{hints}");
}

#[tokio::test]
async fn bodies_pass_whole_and_pipelined_requests_in_order() {
    let upstream = Recorder::start(&[OK]).await;
    let house = open(&upstream).await;
    let answers = house
        .send(
            "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\
             POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ndef\r\n0\r\n\r\n\
             GET /3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        )
        .await;
    assert_eq!(answers.matches("HTTP/1.1 200 ").count(), 3, "{answers}");
    let seen = upstream.seen();
    assert!(seen[0].starts_with("POST /1 ") && seen[0].ends_with("\r\n\r\nabc"), "{}", seen[0]);
    assert!(seen[1].starts_with("POST /2 ") && seen[1].contains("def"), "{}", seen[1]);
    assert!(seen[2].starts_with("GET /3 "), "{}", seen[2]);
}

#[tokio::test]
async fn the_host_is_the_one_that_is_asked_for() {
    let upstream = Recorder::start(&[OK]).await;
    let mut settings = upstream_settings("u", "/", upstream.port);
    settings.host_header = crate::edge::HostHeader::Literal(HeaderValue::from_static("legacy"));
    House::open(server_settings(), vec![settings]).await.get("/", "").await;
    let request = upstream.only().to_lowercase();
    assert!(request.contains("host: legacy\r\n") && request.contains("x-forwarded-host: a.example\r\n"), "{request}");
    assert!(request.contains("x-forwarded-for: 127.0.0.1\r\nx-forwarded-proto: http\r\n"), "{request}");
}

#[tokio::test]
async fn a_request_whose_connection_failed_goes_to_the_next_server() {
    let upstream = Recorder::start(&[OK]).await;
    let mut settings = upstream_settings("u", "/", upstream.port);
    settings.servers = vec![server(dead_port().await), server(upstream.port)];
    let house = House::open(server_settings(), vec![settings]).await;
    for _ in 0..4 {
        let answer = house.send("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx").await;
        assert_eq!(status(&answer), "200", "{answer}");
    }
    assert_eq!(upstream.seen().len(), 4);
}

#[tokio::test]
async fn without_a_server_the_answer_is_a_502_that_names_none() {
    let port = dead_port().await;
    let house = House::open(server_settings(), vec![upstream_settings("u", "/", port)]).await;
    let answer = house.get("/", "").await;
    assert_eq!(status(&answer), "502");
    assert!(answer.contains("bad_gateway") && !answer.contains(&port.to_string()), "{answer}");
    house.counts(r#"portcullis_upstream_failures_total{kind="connect",upstream="u"} 1"#).await;
    house.counts(r#"portcullis_requests_total{method="GET",status="502",upstream="u"} 1"#).await;
}

#[tokio::test]
async fn only_what_is_safe_to_repeat_is_sent_again_and_only_before_an_answer() {
    const END: Reply = Reply::Close("");
    for (method, replies, sent, expected) in [
        ("GET", &[END, OK] as &'static [Reply], 2, "200"),
        ("PUT", &[END, OK], 2, "200"),
        ("POST", &[END, OK], 1, "502"),
        ("PATCH", &[END, OK], 1, "502"),
        ("GET", &[Reply::Close("HTTP/1."), OK], 1, "502"),
        ("GET", &[END, END, END], 2, "502"),
    ] {
        let upstream = Recorder::start(replies).await;
        let house = open(&upstream).await;
        let answer = house.send(format!("{method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).await;
        assert_eq!((status(&answer), upstream.seen().len()), (expected, sent), "{method}: {answer}");
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_understood_is_a_502() {
    const REPLIES: [Reply; 8] = [
        Reply::Bytes("nonsense\r\n\r\n"),
        Reply::Bytes("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok"),
        Reply::Bytes("HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok"),
        Reply::Bytes("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"),
        Reply::Bytes("HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok"),
        Reply::Bytes("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
        Reply::Bytes("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
        Reply::Bytes("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
    ];
    let upstream = Recorder::start(&REPLIES).await;
    let house = open(&upstream).await;
    for reply in 0..REPLIES.len() {
        let answer = house.get("/", "").await;
        assert_eq!(status(&answer), "502", "{reply}: {answer}");
    }
    house.counts(r#"portcullis_upstream_failures_total{kind="malformed",upstream="open"} 8"#).await;
}

const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const AGREED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello";

#[tokio::test]
async fn a_web_socket_passes_in_both_directions() {
    let upstream = Recorder::start(&[Reply::Hang(AGREED)]).await;
    let house = open(&upstream).await;
    let mut socket = house.connect().await;
    socket.write_all(UPGRADE.as_bytes()).await.unwrap();
    assert!(answer(&mut socket).await.starts_with("HTTP/1.1 101 "));
    let mut hello = [0; 5];
    socket.read_exact(&mut hello).await.unwrap();
    assert_eq!(&hello, b"hello");
    drop(socket);
    house.counts(r#"portcullis_requests_total{method="GET",status="101",upstream="open"} 1"#).await;
}

/// The port of a server that agrees to another protocol before it is asked.
fn hasty() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for mut socket in listener.incoming().flatten() {
            let _gone = socket.write_all(AGREED.as_bytes());
            open.push(socket);
        }
    });
    port
}

#[tokio::test]
async fn a_web_socket_stays_open_however_soon_its_server_agrees() {
    // What comes while one thread writes, another learns.
    let settings = ServerSettings { threads: 4, ..server_settings() };
    let house = House::open(settings, vec![upstream_settings("open", "/", hasty())]).await;
    for number in 0..200 {
        let mut socket = house.connect().await;
        socket.write_all(UPGRADE.as_bytes()).await.unwrap();
        assert!(answer(&mut socket).await.starts_with("HTTP/1.1 101 "), "{number}");
        let mut hello = [0; 5];
        assert!(socket.read_exact(&mut hello).await.is_ok(), "{number}");
    }
}

#[tokio::test]
async fn a_server_that_agrees_to_no_other_protocol_answers_as_ever() {
    let upstream = Recorder::start(&[OK]).await;
    let house = open(&upstream).await;
    let with_body = UPGRADE.replace("\r\n\r\n", "\r\nContent-Length: 2\r\n\r\nok");
    let mut socket = house.connect().await;
    for request in [UPGRADE, &with_body, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", UPGRADE, UPGRADE] {
        socket.write_all(request.as_bytes()).await.unwrap();
        assert!(answer(&mut socket).await.ends_with("\r\n\r\nok"), "{request}");
    }
    let dead = House::open(server_settings(), vec![upstream_settings("dead", "/", dead_port().await)]).await;
    assert_eq!(status(&dead.send(UPGRADE).await), "502");
    dead.counts(r#"portcullis_upstream_failures_total{kind="connect",upstream="dead"} 1"#).await;
}

#[tokio::test]
async fn a_request_keeps_the_rules_that_it_began_with_and_the_next_has_the_new_ones() {
    let upstream = Recorder::start(&[OK]).await;
    let house = open(&upstream).await;
    assert_eq!(status(&house.get("/", "").await), "200");
    let closed = LiveSettings { upstreams: vec![guarded("closed", "/", upstream.port)], ..LiveSettings::default() };
    house.live.store(Live::build(closed, false).unwrap().into());
    assert_eq!(status(&house.get("/", "").await), "401");
}
