//! What runs under a token ends with it: streams, uploads, other protocols, and requests that wait for their answer.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

use super::harness::{House, Recorder, Reply, answer, audit, guarded, rest, server_settings, status};

/// A second after its token's end, and a second more.
const CUT: Duration = Duration::from_secs(2);

const STREAM: Reply = Reply::Hang("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
const WEB_SOCKET: Reply =
    Reply::Hang("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");

/// A door to an upstream that cuts what outlives its token, at `/`, and to the same one that does not, at `/kept`.
async fn house(upstream: &Recorder) -> House {
    let mut kept = guarded("kept", "/kept", upstream.port);
    kept.close_on_revoke = false;
    House::open(server_settings(), vec![guarded("cut", "/", upstream.port), kept]).await
}

/// A connection on which this request is sent.
async fn ask(house: &House, line: &str, token: &str, rest: &str) -> TcpStream {
    let mut socket = house.connect().await;
    let request = format!("{line} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n{rest}");
    socket.write_all(request.as_bytes()).await.unwrap();
    socket
}

/// One whose answer has begun.
async fn stream(house: &House, path: &str, token: &str) -> TcpStream {
    let mut socket = ask(house, &format!("GET {path}"), token, "\r\n").await;
    let mut begun = Vec::new();
    while !begun.ends_with(b"abc\r\n") {
        assert_ne!(socket.read_buf(&mut begun).await.unwrap(), 0);
    }
    socket
}

async fn revoke(house: &House, token: &str) -> Instant {
    assert!(house.tokens.revoke_any(token, audit()).await.unwrap());
    Instant::now()
}

async fn goes_on(socket: &mut TcpStream) {
    assert!(timeout(Duration::from_millis(10), socket.read(&mut [0])).await.is_err(), "it was cut");
}

#[tokio::test]
async fn a_stream_ends_with_its_token_and_no_other_stream_does() {
    let upstream = Recorder::start(&[STREAM]).await;
    let house = house(&upstream).await;
    let ((token, _), (other, _)) = (house.token().await, house.token().await);
    let mut cut = stream(&house, "/", &token).await;
    let mut kept = stream(&house, "/kept", &token).await;
    let mut others = stream(&house, "/", &other).await;
    // It lives for longer than it takes to be asked about.
    tokio::time::sleep(Duration::from_millis(700)).await;
    goes_on(&mut cut).await;
    let revoked = revoke(&house, &token).await;
    assert_eq!(rest(&mut cut).await, "", "a stream that is cut has no last chunk");
    assert!(revoked.elapsed() < CUT, "{:?}", revoked.elapsed());
    tokio::time::sleep(Duration::from_millis(700)).await;
    goes_on(&mut kept).await;
    goes_on(&mut others).await;
    house.counts(r#"portcullis_requests_total{method="GET",status="200",upstream="cut"} 1"#).await;
}

#[tokio::test]
async fn another_protocol_ends_with_the_token_that_it_began_with() {
    let upstream = Recorder::start(&[WEB_SOCKET]).await;
    let house = house(&upstream).await;
    let (token, _) = house.token().await;
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let mut socket = ask(&house, "GET /", &token, upgrade).await;
    assert_eq!(status(&answer(&mut socket).await), "101");
    let revoked = revoke(&house, &token).await;
    assert_eq!(rest(&mut socket).await, "");
    assert!(revoked.elapsed() < CUT, "{:?}", revoked.elapsed());
}

#[tokio::test]
async fn what_has_no_answer_yet_is_told_that_its_token_is_not_good_any_more() {
    let upstream = Recorder::start(&[Reply::Hang("")]).await;
    let house = house(&upstream).await;
    let requests = [("GET /", "\r\n"), ("POST /", "Content-Length: 100\r\n\r\na part"), ("HEAD /", "\r\n")];
    for (number, (line, rest_of_head)) in (1..).zip(requests) {
        let (token, _) = house.token().await;
        let mut socket = ask(&house, line, &token, rest_of_head).await;
        let allowed = r#"portcullis_decisions_total{decision="allow",reason="token",upstream="cut"}"#;
        house.counts(&format!("{allowed} {number}")).await;
        let revoked = revoke(&house, &token).await;
        let answer = rest(&mut socket).await;
        assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("error=\"invalid_token\""), "{line}: {answer}");
        assert_eq!(answer.ends_with('}'), line != "HEAD /", "{answer}");
        assert!(revoked.elapsed() < CUT + CUT, "{line}: {:?}", revoked.elapsed());
        let line = format!(r#"method="{}",status="401",upstream="cut"}} 1"#, line.trim_end_matches(" /"));
        house.counts(&format!("portcullis_requests_total{{{line}")).await;
    }
}

#[tokio::test]
async fn a_token_that_expires_or_whose_client_is_disabled_ends_its_streams() {
    let upstream = Recorder::start(&[STREAM]).await;
    let house = house(&upstream).await;
    let short = house.token_for(Some(Duration::from_secs(1))).await.0;
    let mut socket = stream(&house, "/", &short).await;
    assert_eq!(rest(&mut socket).await, "");

    let (token, client) = house.token_for(None).await;
    let mut socket = stream(&house, "/", &token).await;
    house.rename(client).await;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    goes_on(&mut socket).await;
    house.disable(client).await;
    assert_eq!(rest(&mut socket).await, "");
}
