//! Clients that send too early, too much or nothing, that do not read, and that go: whatever they do, their requests
//! are answered or end in time.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket},
    time::timeout,
};

use super::harness::{House, OK, Recorder, Reply, answer, guarded, rest, server_settings, status, upstream_settings};
use crate::edge::ServerSettings;

const SHORT: Duration = Duration::from_millis(200);
const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// A door to an upstream that has a short time for the head of its answer.
async fn hasty(settings: ServerSettings, port: u16) -> House {
    let mut upstream = upstream_settings("u", "/", port);
    upstream.timeout = SHORT;
    House::open(settings, vec![upstream]).await
}

#[tokio::test]
async fn bytes_sent_early_do_not_stop_the_clock() {
    let upstream = Recorder::start(&[Reply::Hang("")]).await;
    let house = hasty(server_settings(), upstream.port).await;
    for gone in [false, true] {
        let mut socket = house.connect().await;
        socket.write_all(GET).await.unwrap();
        upstream.await_requests(1 + usize::from(gone)).await;
        socket.write_all(b"G").await.unwrap();
        if gone {
            drop(socket);
        } else {
            let answer = rest(&mut socket).await;
            assert!(answer.starts_with("HTTP/1.1 504 ") && answer.contains("gateway_timeout"), "{answer}");
        }
        house.counts("portcullis_connections 0").await;
    }
    house.counts(r#"portcullis_upstream_failures_total{kind="timeout",upstream="u"} 2"#).await;
    house.counts(r#"portcullis_requests_total{method="GET",status="504",upstream="u"} 2"#).await;
}

#[tokio::test]
async fn an_upstream_that_does_not_read_is_late_too() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let house =
        hasty(ServerSettings { max_body: u64::MAX, ..server_settings() }, listener.local_addr().unwrap().port()).await;
    let (mut read, mut write) = house.connect().await.into_split();
    let sender = tokio::spawn(async move {
        write.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n").await.unwrap();
        let _cut = write.write_all(&vec![b'x'; 100_000_000]).await;
    });
    let mut head = [0; 12];
    timeout(Duration::from_secs(20), read.read_exact(&mut head)).await.unwrap().unwrap();
    assert_eq!(&head, b"HTTP/1.1 504");
    sender.abort();
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_also_where_only_heads_are_written() {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: {}\r\n\r\n", "x".repeat(30_000));
    let upstream = Recorder::start(vec![Reply::Bytes(head.leak())].leak()).await;
    let settings = ServerSettings { idle_timeout: SHORT, ..server_settings() };
    let house = House::open(settings, vec![upstream_settings("u", "/", upstream.port)]).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut socket = socket.connect(house.address).await.unwrap();
    socket.write_all(&b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(1000)).await.unwrap();
    house.counts("portcullis_connections 0").await;
    assert!(upstream.seen().len() < 1000, "it was cut before its last answer");
}

#[tokio::test]
async fn a_head_beyond_the_limits_is_not_waited_for() {
    let upstream = Recorder::start(&[OK]).await;
    let house = hasty(server_settings(), upstream.port).await;
    let long = "x".repeat(5000);
    assert_eq!(status(&house.send(format!("GET / HTTP/1.1\r\nHost: a\r\nA: {long}")).await), "431");
    assert_eq!(status(&house.send(format!("GET /{long}")).await), "414");
    let answers = house.send([GET, format!("GET /{long}").as_bytes()].concat()).await;
    assert!(answers.starts_with("HTTP/1.1 200 ") && answers.contains("HTTP/1.1 414 "), "{answers}");
    // They leave their records.
    house.counts(r#"portcullis_requests_total{method="other",status="414",upstream="none"} 2"#).await;
    house.counts(r#"portcullis_request_duration_seconds_count{upstream="none"} 3"#).await;
}

#[tokio::test]
async fn a_request_line_is_never_repaired() {
    let upstream = Recorder::start(&[OK]).await;
    let house = hasty(server_settings(), upstream.port).await;
    for target in ["/a b?q", "/?x\ry", "/?x\0y", "/?x\ty", "/?\u{e4} x", "/?\u{e4}"] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        let answer = house.send(&request).await;
        assert_eq!(status(&answer), "400", "{target:?}: {answer}");
        let answers = house.send([GET, request.as_bytes()].concat()).await;
        assert!(answers.starts_with("HTTP/1.1 200 ") && answers.contains("HTTP/1.1 400 "), "{target:?}: {answers}");
    }
    assert!(upstream.seen().iter().all(|request| request.starts_with("GET / HTTP/1.1")));
}

#[tokio::test]
async fn a_client_that_has_closed_its_side_gets_its_answer() {
    const SLOW: Reply = Reply::Drip("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Duration::from_millis(10));
    let upstream = Recorder::start(&[SLOW]).await;
    let house = House::open(server_settings(), vec![upstream_settings("u", "/", upstream.port)]).await;
    let mut socket = house.connect().await;
    socket.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc").await.unwrap();
    socket.shutdown().await.unwrap();
    let answer = rest(&mut socket).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("ok"), "{answer}");
}

#[tokio::test]
async fn a_silent_stream_does_not_outlive_its_client() {
    let begun = Reply::Hang("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    let upstream = Recorder::start(vec![begun].leak()).await;
    let house = House::open(server_settings(), vec![upstream_settings("u", "/", upstream.port)]).await;
    let mut socket = house.connect().await;
    socket.write_all(GET).await.unwrap();
    let mut begun = Vec::new();
    while !begun.ends_with(b"abc\r\n") {
        assert_ne!(socket.read_buf(&mut begun).await.unwrap(), 0);
    }
    drop(socket);
    house.counts(r#"portcullis_requests_total{method="GET",status="200",upstream="u"} 1"#).await;
    house.counts("portcullis_connections 0").await;
}

#[tokio::test]
async fn a_client_of_http_1_0_gets_nothing_before_its_answer() {
    const HINTS: &str = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n\
                         HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let upstream = Recorder::start(&[Reply::Bytes(HINTS)]).await;
    let house = House::open(server_settings(), vec![upstream_settings("u", "/", upstream.port)]).await;
    let request = "POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx";
    let answer = house.send(request).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && !answer.contains("HTTP/1.1 10"), "{answer}");
    assert!(!upstream.only().to_lowercase().contains("expect"));
}

#[tokio::test]
async fn a_client_that_waits_to_be_asked_is_not_to_blame() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = ServerSettings { body_timeout: SHORT / 2, ..server_settings() };
    let house = hasty(settings, listener.local_addr().unwrap().port()).await;
    let request = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
    assert_eq!(status(&house.send(request).await), "504");

    // One that was asked and does not send is.
    let asking = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = asking.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut socket, _) = asking.accept().await.unwrap();
        socket.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
        std::future::pending::<()>().await;
    });
    let settings = ServerSettings { body_timeout: SHORT, ..server_settings() };
    let house = House::open(settings, vec![upstream_settings("u", "/", port)]).await;
    let answers = house.send(request).await;
    assert!(answers.starts_with("HTTP/1.1 100 ") && answers.contains("HTTP/1.1 408 "), "{answers}");
}

#[tokio::test]
async fn a_client_that_went_after_a_hint_is_gone() {
    let upstream = Recorder::start(&[Reply::Hang("HTTP/1.1 103 Early Hints\r\n\r\n")]).await;
    let house = House::open(server_settings(), vec![upstream_settings("u", "/", upstream.port)]).await;
    let mut socket = house.connect().await;
    socket.write_all(GET).await.unwrap();
    assert!(answer(&mut socket).await.starts_with("HTTP/1.1 103 "));
    // Reset, since nothing tells a client that closed its own side from one that has gone.
    socket.set_zero_linger().unwrap();
    drop(socket);
    house.counts(r#"portcullis_requests_total{method="GET",status="499",upstream="u"} 1"#).await;
}

#[tokio::test]
async fn a_refusal_reaches_a_client_that_sends_its_body_unasked() {
    let upstream = Recorder::start(&[OK]).await;
    let house = House::open(server_settings(), vec![guarded("closed", "/", upstream.port)]).await;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 300000\r\n\r\n";
    let mut socket = house.connect().await;
    socket.write_all(head.as_bytes()).await.unwrap();
    let part = vec![b'x'; 100_000];
    socket.write_all(&part).await.unwrap();
    assert_eq!(status(&answer(&mut socket).await), "401");
    // It goes on sending for a while, as one does that reads the answer only then, and is not reset.
    for _ in 0..2 {
        tokio::time::sleep(SHORT / 4).await;
        socket.write_all(&part).await.unwrap();
    }
    assert_eq!(rest(&mut socket).await, "");
}

#[tokio::test]
async fn a_web_socket_may_be_silent_for_longer_than_a_body() {
    let upstream = Recorder::start(&[Reply::Hang(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    )])
    .await;
    let settings = ServerSettings { body_timeout: SHORT, ..server_settings() };
    let house = House::open(settings, vec![upstream_settings("u", "/", upstream.port)]).await;
    let mut socket = house.connect().await;
    let upgrade = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    socket.write_all(upgrade).await.unwrap();
    assert!(answer(&mut socket).await.starts_with("HTTP/1.1 101 "));
    assert!(timeout(SHORT * 3, socket.read(&mut [0])).await.is_err(), "it was cut");
}
