//! Limits of time and number, and the end of the door. Times are short where they must be over, and far longer than a
//! test takes where they must not.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::Instant,
};

use super::harness::{House, OK, Recorder, Reply, answer, rest, server_settings, upstream_settings};
use crate::edge::ServerSettings;

const SHORT: Duration = Duration::from_millis(200);

async fn house(settings: ServerSettings, upstream: &Recorder) -> House {
    House::open(settings, vec![upstream_settings("u", "/", upstream.port)]).await
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_in_time_is_a_504() {
    for replies in [&[Reply::Hang("")] as &'static [Reply], &[Reply::Hang("HTTP/1.1 200 OK\r\n")]] {
        let upstream = Recorder::start(replies).await;
        let mut settings = upstream_settings("u", "/", upstream.port);
        settings.timeout = SHORT;
        let house = House::open(server_settings(), vec![settings]).await;
        let answer = house.get("/", "").await;
        assert!(answer.starts_with("HTTP/1.1 504 ") && answer.contains("gateway_timeout"), "{answer}");
        assert_eq!(upstream.seen().len(), 1, "what was late is not sent again");
        house.counts(r#"portcullis_upstream_failures_total{kind="timeout",upstream="u"} 1"#).await;
    }
}

#[tokio::test]
async fn after_the_head_an_answer_may_take_longer_than_its_head() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        super::harness::message(&mut socket).await.unwrap();
        socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n").await.unwrap();
        for byte in b"abcdefghij" {
            tokio::time::sleep(Duration::from_millis(150)).await;
            socket.write_all(&[*byte]).await.unwrap();
        }
        std::future::pending::<()>().await;
    });
    let mut settings = upstream_settings("u", "/", port);
    settings.timeout = Duration::from_secs(1);
    let house = House::open(server_settings(), vec![settings]).await;
    let answer = house.get("/", "").await;
    assert!(answer.ends_with("abcdefghij"), "{answer}");
}

#[tokio::test]
async fn a_stream_that_falls_silent_is_cut() {
    let upstream = Recorder::start(&[Reply::Hang("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")]).await;
    let mut settings = upstream_settings("u", "/", upstream.port);
    settings.stream_idle_timeout = SHORT;
    let house = House::open(server_settings(), vec![settings]).await;
    let answer = house.get("/", "").await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("abc"), "{answer}");
    house.counts(r#"portcullis_upstream_failures_total{kind="timeout",upstream="u"} 1"#).await;
}

#[tokio::test]
async fn a_head_that_does_not_end_in_time_ends_the_connection_without_an_answer() {
    let upstream = Recorder::start(&[OK]).await;
    let house = house(ServerSettings { header_timeout: Duration::from_secs(1), ..server_settings() }, &upstream).await;
    assert_eq!(house.send("GET / HTTP/1.1\r\nHost: a\r\n").await, "");
    assert_eq!(house.send("").await, "");
    // On a connection that has served a request, too.
    let mut socket = house.connect().await;
    socket.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    answer(&mut socket).await;
    socket.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    assert_eq!(rest(&mut socket).await, "");
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let upstream = Recorder::start(&[OK]).await;
    let house = house(ServerSettings { idle_timeout: SHORT, ..server_settings() }, &upstream).await;
    let answer = house.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_a_408() {
    let upstream = Recorder::start(&[OK]).await;
    let house = house(ServerSettings { body_timeout: SHORT, ..server_settings() }, &upstream).await;
    for path in ["/", "/oauth2/tokens"] {
        let answer = house.send(format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabc")).await;
        assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("request_timeout"), "{answer}");
    }
}

#[tokio::test]
async fn a_connection_too_many_is_closed_and_counted() {
    let upstream = Recorder::start(&[OK]).await;
    let house = house(ServerSettings { max_connections: 1, ..server_settings() }, &upstream).await;
    let mut first = house.connect().await;
    house.counts("portcullis_connections 1").await;
    assert_eq!(house.send("").await, "");
    house.counts("portcullis_connections_refused_total 1").await;
    first.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    assert!(rest(&mut first).await.starts_with("HTTP/1.1 200 "));
    house.counts("portcullis_connections 0").await;
}

#[tokio::test]
async fn an_idle_door_stops_at_once() {
    let upstream = Recorder::start(&[OK]).await;
    let house = house(server_settings(), &upstream).await;
    let mut socket = house.connect().await;
    socket.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    answer(&mut socket).await;
    let start = Instant::now();
    assert!(house.server.stop(Duration::from_secs(30)).await);
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_eq!(rest(&mut socket).await, "");
    assert!(tokio::net::TcpStream::connect(house.address).await.is_err());
}

#[tokio::test]
async fn what_runs_is_let_end_and_what_does_not_is_cut() {
    const SLOW: Reply = Reply::Drip("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Duration::from_millis(10));
    let upstream = Recorder::start(&[SLOW]).await;
    let house = house(server_settings(), &upstream).await;
    let mut socket = house.connect().await;
    socket.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    while upstream.seen().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (ended, answer) = tokio::join!(house.server.stop(Duration::from_secs(30)), rest(&mut socket));
    assert!(ended && answer.ends_with("ok"), "{answer}");

    let upstream = Recorder::start(&[Reply::Hang("")]).await;
    let house = self::house(server_settings(), &upstream).await;
    let mut socket = house.connect().await;
    socket.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    while upstream.seen().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(!house.server.stop(SHORT).await);
    assert_eq!(socket.read(&mut [0]).await.unwrap_or_default(), 0);
    let line = r#"portcullis_requests_total{method="GET",status="499",upstream="u"} 1"#;
    let text = String::from_utf8(house.metrics.encode().unwrap()).unwrap();
    assert!(text.contains(line), "it is recorded by now: {text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_was_accepted_is_not_refused_for_the_stop() {
    let upstream = Recorder::start(&[OK]).await;
    let house = house(ServerSettings { max_connections: 1000, ..server_settings() }, &upstream).await;
    let mut sockets = Vec::new();
    for _ in 0..200 {
        let mut socket = house.connect().await;
        socket.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        sockets.push(socket);
    }
    let metrics = house.metrics.clone();
    assert!(house.server.stop(Duration::from_secs(30)).await);
    let text = String::from_utf8(metrics.encode().unwrap()).unwrap();
    assert!(text.contains("portcullis_connections_refused_total 0"), "{text}");
    for mut socket in sockets {
        let answer = rest(&mut socket).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}

#[tokio::test]
async fn the_last_request_of_a_connection_says_so() {
    let upstream = Recorder::start(&[OK]).await;
    let house = house(ServerSettings { max_requests_per_connection: 3, ..server_settings() }, &upstream).await;
    let mut socket = house.connect().await;
    for number in 1..=3 {
        socket.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let answer = answer(&mut socket).await.to_ascii_lowercase();
        assert_eq!(answer.contains("connection: close"), number == 3, "{number}: {answer}");
    }
    assert_eq!(rest(&mut socket).await, "");
}

#[tokio::test]
async fn a_body_that_trickles_is_a_408_and_one_that_pauses_is_not() {
    let upstream = Recorder::start(&[OK]).await;
    let settings = ServerSettings { body_timeout: Duration::from_millis(500), min_body_rate: 200, ..server_settings() };
    let house = house(settings, &upstream).await;
    let send = async |path: &str, piece: &str, pause: u64| {
        let mut socket = house.connect().await;
        let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", piece.len() * 20);
        socket.write_all(head.as_bytes()).await.unwrap();
        let (mut read, mut write) = socket.split();
        let send = async {
            for _ in 0..20 {
                // Once it is answered, nobody takes any more.
                let _refused = write.write_all(piece.as_bytes()).await;
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
            std::future::pending::<()>().await;
        };
        let mut bytes = [0; 300];
        let read = tokio::select! {
            read = read.read(&mut bytes) => read.unwrap(),
            () = send => unreachable!(),
        };
        String::from_utf8_lossy(&bytes[..read]).into_owned()
    };
    for path in ["/", "/oauth2/tokens"] {
        let answer = send(path, "a", 50).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    }
    assert!(send("/", &"a".repeat(100), 50).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn one_address_gets_no_more_than_its_share_of_connections() {
    let upstream = Recorder::start(&[OK]).await;
    let house = house(ServerSettings { max_connections_per_address: 1, ..server_settings() }, &upstream).await;
    let _first = house.connect().await;
    house.counts("portcullis_connections 1").await;
    assert_eq!(house.send("").await, "");
    house.counts("portcullis_connections_refused_total 1").await;
}
