//! What we answer ourselves: refusals, our own endpoints, the order of the two, and the connection afterwards.

use tokio::io::AsyncWriteExt;

use super::harness::{House, OK, Recorder, answer, guarded, server_settings, upstream_settings};

async fn house(upstream: &Recorder) -> House {
    let settings = vec![upstream_settings("open", "/open", upstream.port), guarded("closed", "/closed", upstream.port)];
    House::open(server_settings(), settings).await
}

/// Status line, `error`, and whether the connection stays.
fn shape(answer: &str) -> (u16, String, bool) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.get(9..12).unwrap().parse().unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    (status, body["error"].as_str().unwrap_or_default().to_owned(), !head.to_lowercase().contains("connection: close"))
}

#[tokio::test]
async fn a_refusal_is_json_with_the_requests_id_and_no_upstream_sees_it() {
    let upstream = Recorder::start(&[OK]).await;
    let house = house(&upstream).await;
    let answer = house.get("/closed", "X-Request-Id: mine\r\n").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let head = head.to_lowercase();
    for line in
        ["http/1.1 401 ", "content-type: application/json", "cache-control: no-store", "x-request-id: mine", "www-auth"]
    {
        assert!(head.contains(line), "{line} is missing in {head}");
    }
    assert!(!head.contains("server:"));
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!((&body["error"], &body["request_id"]), (&"missing_token".into(), &"mine".into()));
    assert_eq!(upstream.seen(), [""; 0]);
    house.counts(r#"portcullis_requests_total{method="GET",status="401",upstream="closed"} 1"#).await;
    house.counts(r#"portcullis_decisions_total{decision="deny",reason="missing_token",upstream="closed"} 1"#).await;
}

#[tokio::test]
async fn requests_that_could_be_read_in_two_ways_are_refused_before_any_rule() {
    let upstream = Recorder::start(&[OK]).await;
    let house = house(&upstream).await;
    for (request, status) in [
        ("GET open HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET \\open HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET foo:bar/open HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET ftp://a/open HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET http://b/open HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /open#x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /open?x#y HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /open/../closed HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET //open HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /open HTTP/1.1\r\n\r\n", 400),
        ("GET /open HTTP/1.0\r\n\r\n", 400),
        ("GET /open HTTP/1.1\r\nHost:\r\n\r\n", 400),
        ("GET /open HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        ("GET /open HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", 400),
        ("GET /open HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n", 400),
        ("GET /open HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", 400),
        ("GET /open HTTP/9.9\r\nHost: a\r\n\r\n", 400),
        ("POST /open HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("POST /open HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400),
        ("POST /open HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc", 400),
        ("POST /open HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n", 400),
        ("POST /open HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 405),
    ] {
        let answer = house.send(request).await;
        let (found, error, stays) = shape(&answer);
        let expected = if status == 405 { "method_not_allowed" } else { "invalid_request" };
        assert_eq!((found, error.as_str(), stays), (status, expected, false), "{request:?}: {answer}");
        assert!(!answer.contains("Pingora"), "{answer}");
    }
    assert_eq!(upstream.seen(), [""; 0]);
}

#[tokio::test]
async fn after_a_refusal_that_leaves_no_doubt_the_connection_serves_on() {
    let upstream = Recorder::start(&[OK]).await;
    let house = house(&upstream).await;
    let mut socket = house.connect().await;
    for (request, status, error) in [
        ("TRACE /open HTTP/1.1\r\nHost: a\r\n\r\n", 405, "method_not_allowed"),
        ("GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n", 404, "not_found"),
        ("POST /closed HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", 401, "missing_token"),
        ("GET /closed HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\r\n\r\n", 401, "invalid_token"),
        ("GET /open HTTP/1.1\r\nHost: a\r\n\r\n", 200, ""),
    ] {
        socket.write_all(request.as_bytes()).await.unwrap();
        assert_eq!(shape(&answer(&mut socket).await), (status, error.to_owned(), true), "{request:?}");
    }
}

#[tokio::test]
async fn sizes_have_their_own_statuses() {
    let upstream = Recorder::start(&[OK]).await;
    let house = house(&upstream).await;
    let long = "x".repeat(2000);
    assert_eq!(shape(&house.get(&format!("/open/{long}"), "").await).0, 414);
    assert_eq!(shape(&house.get("/open", &format!("A: {long}\r\nB: {long}\r\nC: {long}\r\n")).await).0, 431);
    // More than the parser takes.
    assert_eq!(shape(&house.get("/open", &"A: b\r\n".repeat(300)).await).0, 431);
    assert_eq!(shape(&house.get(&format!("/open/{}", "x".repeat(70_000)), "").await).0, 414);
    assert_eq!(shape(&house.get("/open", "Content-Length: 1000001\r\n").await).0, 413);
    assert_eq!(shape(&house.get("/open", "Expect: a miracle\r\n").await).0, 417);
    assert_eq!(upstream.seen(), [""; 0]);
}

#[tokio::test]
async fn a_chunked_body_is_counted_while_it_passes() {
    let upstream = Recorder::start(&[OK]).await;
    let house = house(&upstream).await;
    let mut request = b"POST /open HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..11 {
        request.extend_from_slice(b"186a0\r\n");
        request.resize(request.len() + 100_000, b'x');
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    let answer = house.send(request).await;
    assert_eq!(shape(&answer), (413, "content_too_large".to_owned(), false));
    assert_eq!(upstream.seen(), [""; 0], "no whole request arrived");
}

#[tokio::test]
async fn our_own_endpoints_are_answered_by_the_router_on_every_host() {
    let upstream = Recorder::start(&[OK]).await;
    let house = house(&upstream).await;
    let mut socket = house.connect().await;
    let head = "Host: any\r\nX-Request-Id: r7\r\nContent-Length: 5\r\n\r\nhello";
    for path in ["/oauth2/tokens", "/oauth2/tokens/", "/oauth2/%74okens"] {
        socket.write_all(format!("POST {path} HTTP/1.1\r\n{head}").as_bytes()).await.unwrap();
        let answer = answer(&mut socket).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nr7 hello"), "{answer}");
        assert!(answer.to_lowercase().contains("x-request-id: r7\r\n"), "{answer}");
    }
    let line = r#"portcullis_requests_total{method="POST",status="200",upstream="portcullis"} 3"#;
    house.counts(line).await;
}

#[tokio::test]
async fn a_handler_that_panics_gives_a_500_and_the_connection_serves_on() {
    let upstream = Recorder::start(&[OK]).await;
    let house = house(&upstream).await;
    let mut socket = house.connect().await;
    for _ in 0..2 {
        socket.write_all(b"POST /oauth2/introspect HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        assert_eq!(shape(&answer(&mut socket).await), (500, "server_error".to_owned(), true));
    }
}

#[tokio::test]
async fn our_own_endpoints_take_small_bodies_only_and_ask_for_them() {
    let upstream = Recorder::start(&[OK]).await;
    let house = house(&upstream).await;
    let large = "x".repeat(70_000);
    let declared = format!("POST /oauth2/tokens HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{large}", large.len());
    let mut socket = house.connect().await;
    socket.write_all(declared.as_bytes()).await.unwrap();
    assert_eq!(shape(&answer(&mut socket).await).0, 413);

    let broken = "POST /oauth2/tokens HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n";
    assert_eq!(shape(&house.send(broken).await), (400, "invalid_request".to_owned(), false));

    let mut socket = house.connect().await;
    let expecting = b"POST /oauth2/tokens HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    for _ in 0..2 {
        socket.write_all(expecting).await.unwrap();
        assert_eq!(answer(&mut socket).await, "HTTP/1.1 100 Continue\r\n\r\n");
        socket.write_all(b"hi").await.unwrap();
        assert!(answer(&mut socket).await.ends_with(" hi"));
    }
}
