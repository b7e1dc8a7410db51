//! Streams of HTTP/2 that come on too slowly, or are too many: each is held to what a connection of HTTP/1.1 is.

use std::{future::poll_fn, time::Duration};

use bytes::Bytes;
use h2::Reason;
use http::Method;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpSocket},
    time::{sleep, timeout},
};

use super::{
    harness::{House, OK, Recorder, Reply, status, upstream_settings},
    http2::{PATIENCE, SHORT, answer, begin, connect, get, next, request, settings},
};
use crate::edge::{Scheme, ServerSettings};

const PAUSE: Duration = Duration::from_millis(50);
/// In each pause, more than 200 a second.
const ENOUGH: &str = "one hundred bytes, or nearly so: as many as keep up with the pace that is asked for in the test";

#[tokio::test]
async fn a_body_that_trickles_is_a_408_and_one_that_pauses_is_not() {
    let upstream = Recorder::start(&[OK]).await;
    let settings = ServerSettings { body_timeout: 10 * PAUSE, min_body_rate: 200, ..settings() };
    let house = House::open(settings, vec![upstream_settings("u", "/", upstream.port)]).await;
    let client = connect(&house).await;
    let send = async |path: &str, piece: &'static str| {
        let target = format!("http://a{path}");
        let (response, mut body) = begin(&client, request(Method::POST, &target, &[]), true).await;
        let send = async {
            for _ in 0..20 {
                // Once it is answered, nobody takes any more.
                let _refused = body.send_data(piece.into(), false);
                sleep(PAUSE).await;
            }
            let _refused = body.send_data(Bytes::new(), true);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            answer = answer(response) => answer.unwrap(),
            () = send => unreachable!(),
        }
    };
    for path in ["/", "/oauth2/tokens"] {
        let slow = send(path, "a").await;
        assert_eq!(slow.status, 408, "{path}");
        assert!(slow.body.contains("request_timeout"), "{}", slow.body);
    }
    assert_eq!(send("/", ENOUGH).await.status, 200);
}

#[tokio::test]
async fn an_answer_that_is_taken_byte_by_byte_is_cut_and_one_that_is_taken_is_not() {
    let large = format!("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{}", "x".repeat(1_000_000));
    let upstream = Recorder::start(vec![Reply::Bytes(large.leak())].leak()).await;
    // A piece is taken within the time for it, but too few of them are in it.
    let settings = ServerSettings { idle_timeout: 10 * PAUSE, min_body_rate: 1_000_000, ..settings() };
    let house = House::open(settings, vec![upstream_settings("u", "/", upstream.port)]).await;
    let client = connect(&house).await;
    let (slow, _) = begin(&client, request(Method::GET, "http://a/", &[]), false).await;
    let mut slow = slow.await.unwrap().into_body();
    let ended = async {
        loop {
            match slow.data().await {
                Some(Ok(data)) => {
                    sleep(PAUSE).await;
                    let _closed = slow.flow_control().release_capacity(data.len());
                }
                Some(Err(error)) => return error,
                None => panic!("it is not whole"),
            }
        }
    };
    let error = timeout(PATIENCE, ended).await.unwrap();
    assert_eq!(error.reason(), Some(Reason::CANCEL), "{error}");
    // On another connection, as this one may rest for too long meanwhile.
    assert_eq!(get(&connect(&house).await, "http://a/", &[]).await.body.len(), 1_000_000);
}

#[tokio::test]
async fn a_client_may_be_silent_once_its_answer_has_begun() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = ServerSettings { body_timeout: SHORT, min_body_rate: 1_000_000, ..settings() };
    let mut settings_of = upstream_settings("u", "/", listener.local_addr().unwrap().port());
    settings_of.stream_idle_timeout = 5 * SHORT;
    let house = House::open(settings, vec![settings_of]).await;
    let client = connect(&house).await;
    let (response, mut body) = begin(&client, request(Method::POST, "http://a/", &[]), true).await;
    body.send_data("a part".into(), false).unwrap();
    let (mut upstream, _) = listener.accept().await.unwrap();
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
    upstream.write_all(head).await.unwrap();
    let mut stream = response.await.unwrap().into_body();
    assert_eq!(next(&mut stream).await.unwrap().unwrap(), "abc");
    for _ in 0..4 {
        assert!(timeout(SHORT, stream.data()).await.is_err(), "it goes on");
        body.send_data("more".into(), false).unwrap();
    }
    let error = next(&mut stream).await.unwrap().unwrap_err();
    assert_eq!(error.reason(), Some(Reason::CANCEL), "silence has its own time: {error}");
}

#[tokio::test]
async fn a_stream_beside_others_takes_a_place_and_without_one_it_is_a_503() {
    let upstream = Recorder::start(&[Reply::Hang("")]).await;
    let bounded = ServerSettings { max_connections: 6, ..settings() };
    let house = House::open(bounded, vec![upstream_settings("u", "/", upstream.port)]).await;
    let client = connect(&house).await;
    // The connection's own, and half of all.
    let mut running = Vec::new();
    for _ in 0..4 {
        running.push(begin(&client, request(Method::GET, "http://a/", &[]), false).await);
    }
    upstream.await_requests(4).await;
    let refused = get(&client, "http://a/", &[]).await;
    assert_eq!((refused.status, refused.headers["retry-after"].as_bytes()), (503, b"1".as_slice()));
    let body: serde_json::Value = serde_json::from_str(&refused.body).unwrap();
    assert_eq!(body["error"], "unavailable");
    assert_eq!(status(&house.send("GET /.. HTTP/1.1\r\nHost: a\r\n\r\n").await), "400", "connections still come in");
    house.counts(r#"portcullis_requests_total{method="other",status="503",upstream="none"} 1"#).await;
    house.counts("portcullis_connections 1").await;

    drop(running.pop());
    // Until the server hears that one was taken back, there is no room.
    let served = async { while timeout(SHORT, get(&client, "http://a/", &[])).await.is_ok() {} };
    timeout(PATIENCE, served).await.expect("there is room again");
    assert_eq!(upstream.seen().len(), 5);
}

#[tokio::test]
async fn a_body_that_nobody_needs_any_more_ends_its_stream_without_taking_its_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
        // It reads nothing, and stays.
        std::future::pending::<()>().await;
    });
    let house =
        House::open(ServerSettings { max_body: u64::MAX, ..settings() }, vec![upstream_settings("u", "/", port)]).await;
    let client = connect(&house).await;
    let (response, mut body) = begin(&client, request(Method::POST, "http://a/", &[]), true).await;
    body.send_data(vec![b'x'; 50_000_000].into(), false).unwrap();
    let answer = answer(response).await.unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok"));
    let ended = timeout(PATIENCE, poll_fn(|context| body.poll_reset(context))).await.expect("it ends");
    assert_eq!(ended.unwrap(), Reason::NO_ERROR, "RFC 9113 section 8.1");
    house.counts(r#"portcullis_requests_total{method="POST",status="200",upstream="u"} 1"#).await;
}

#[tokio::test]
async fn a_body_that_trickles_behind_its_answer_ends_its_stream_too() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
        tokio::io::copy(&mut socket, &mut tokio::io::sink()).await.unwrap();
    });
    let settings = ServerSettings { body_timeout: 10 * PAUSE, min_body_rate: 200, ..settings() };
    let house = House::open(settings, vec![upstream_settings("u", "/", port)]).await;
    let client = connect(&house).await;
    let (response, mut body) = begin(&client, request(Method::POST, "http://a/", &[]), true).await;
    assert_eq!(answer(response).await.unwrap().status, 200);
    for _ in 0..100 {
        if body.send_data("x".into(), false).is_err() {
            break;
        }
        sleep(PAUSE).await;
    }
    let ended = timeout(PAUSE, poll_fn(|context| body.poll_reset(context))).await.expect("it ends");
    assert_eq!(ended.unwrap(), Reason::NO_ERROR);
}

/// Speaks HTTP/2 and answers `/small` with messages of 25 bytes, more than anybody takes, and anything else after a while.
async fn sends_small_messages(listener: TcpListener) {
    while let Ok((socket, _)) = listener.accept().await {
        tokio::spawn(async move {
            let mut connection = h2::server::handshake(socket).await.unwrap();
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                let mut body = respond.send_response(http::Response::new(()), false).unwrap();
                if request.uri().path() == "/small" {
                    for _ in 0..40_000 {
                        body.send_data(vec![b'x'; 25].into(), false).unwrap();
                    }
                }
                tokio::spawn(async move {
                    sleep(5 * SHORT).await;
                    body.send_data("done".into(), true).unwrap_or_default();
                });
            }
        });
    }
}

#[tokio::test]
async fn clients_that_do_not_take_small_messages_do_not_end_the_connection_to_the_server_for_others() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut settings_of = upstream_settings("u", "/", listener.local_addr().unwrap().port());
    settings_of.servers[0].scheme = Scheme::H2c;
    tokio::spawn(sends_small_messages(listener));
    let house = House::open_narrow(settings(), vec![settings_of]).await;
    let honest = tokio::spawn({
        let client = connect(&house).await;
        async move { get(&client, "http://a/", &[]).await.body }
    });
    let mut silent = Vec::new();
    for _ in 0..20 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut socket = socket.connect(house.address).await.unwrap();
        socket.write_all(b"GET /small HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        silent.push(socket);
    }
    assert_eq!(honest.await.unwrap(), "done");
}
