//! How the servers of an upstream are spoken to: TLS and HTTP/2, on whose terms, and what becomes of one that fails.

use std::time::Duration;

use tokio::{io::AsyncWriteExt, net::TcpListener, time::Instant};

use super::{
    harness::{House, OK, Recorder, Reply, answer, dead_port, server, server_settings, status, upstream_settings},
    secure::{Authority, Manner, Secure},
};
use crate::edge::{
    HealthCheck, HostHeader, Live, LiveSettings, Scheme, Server, UpstreamSettings, UpstreamTls, check_health,
};

/// An upstream at a port, spoken to by a scheme.
fn by(scheme: Scheme, path: &str, port: u16) -> UpstreamSettings {
    let mut settings = upstream_settings(path.trim_matches('/'), path, port);
    settings.servers = vec![Server { scheme, ..server(port) }];
    settings
}

fn https(path: &str, port: u16, tls: UpstreamTls) -> UpstreamSettings {
    UpstreamSettings { tls, ..by(Scheme::Https, path, port) }
}

async fn open(upstreams: Vec<UpstreamSettings>) -> House {
    House::open(server_settings(), upstreams).await
}

#[tokio::test]
async fn a_server_is_known_by_its_authority_and_its_name_or_not_spoken_to() {
    let (authority, other) = (Authority::new(), Authority::new());
    let named = Secure::start(Some(authority.server("orders.internal", &[], None)), Manner::Answers).await;
    let numbered = Secure::start(Some(authority.server("127.0.0.1", &[], None)), Manner::Answers).await;
    let name = || Some("orders.internal".parse().unwrap());
    let house = open(vec![
        https("/address", numbered.port, UpstreamTls::new(Some(authority.trusted()), None, None)),
        https("/name", named.port, UpstreamTls::new(Some(authority.trusted()), None, name())),
        https("/other-name", named.port, UpstreamTls::new(Some(authority.trusted()), None, None)),
        https("/wrong-name", numbered.port, UpstreamTls::new(Some(authority.trusted()), None, name())),
        https("/other-authority", numbered.port, UpstreamTls::new(Some(other.trusted()), None, None)),
        https("/system", numbered.port, UpstreamTls::default()),
    ])
    .await;
    for (path, expected) in [
        ("/address", "200"),
        ("/name", "200"),
        ("/other-name", "502"),
        ("/wrong-name", "502"),
        ("/other-authority", "502"),
        ("/system", "502"),
    ] {
        let answer = house.get(path, "").await;
        assert_eq!(status(&answer), expected, "{path}: {answer}");
        assert!(!answer.contains("127.0.0.1") && !answer.contains("orders.internal"), "{answer}");
    }
    assert!(numbered.seen()[0].starts_with("GET /address HTTP/1.1"));
    assert_eq!(numbered.seen().len() + named.seen().len(), 2, "nothing is said to a stranger");
    house.counts(r#"portcullis_upstream_failures_total{kind="tls",upstream="system"} 1"#).await;
}

#[tokio::test]
async fn a_connection_is_not_shared_with_an_upstream_that_trusts_other_authorities() {
    let (authority, other) = (Authority::new(), Authority::new());
    for offered in [&[][..], &["h2"]] {
        let upstream = Secure::start(Some(authority.server("127.0.0.1", offered, None)), Manner::Answers).await;
        let terms = |authority: &Authority| UpstreamTls::new(Some(authority.trusted()), None, None);
        let house =
            open(vec![https("/a", upstream.port, terms(&authority)), https("/b", upstream.port, terms(&other))]).await;
        for (path, expected) in [("/a", "200"), ("/a", "200"), ("/b", "502"), ("/a", "200")] {
            assert_eq!(status(&house.get(path, "").await), expected, "{path}");
        }
        // Nor after a reload that brings other certificates.
        let upstreams = vec![https("/a", upstream.port, terms(&other))];
        let live = Live::build(LiveSettings { upstreams, ..LiveSettings::default() }, false).unwrap();
        house.live.store(live.into());
        assert_eq!(status(&house.get("/a", "").await), "502");
    }
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_gets_it() {
    let (authority, clients) = (Authority::new(), Authority::new());
    for offered in [&[][..], &["h2"]] {
        let terms = authority.server("127.0.0.1", offered, Some(&clients));
        let upstream = Secure::start(Some(terms), Manner::Answers).await;
        let house = open(vec![
            https("/known", upstream.port, UpstreamTls::new(Some(authority.trusted()), Some(clients.client()), None)),
            https(
                "/stranger",
                upstream.port,
                UpstreamTls::new(Some(authority.trusted()), Some(authority.client()), None),
            ),
            https("/nobody", upstream.port, UpstreamTls::new(Some(authority.trusted()), None, None)),
        ])
        .await;
        for (path, expected) in [("/known", "200"), ("/stranger", "502"), ("/nobody", "502")] {
            assert_eq!(status(&house.get(path, "").await), expected, "{path}");
        }
        assert_eq!(upstream.seen().len(), 1);
    }
}

#[tokio::test]
async fn a_server_that_offers_http_2_gets_it_and_one_in_clear_when_it_is_told() {
    let authority = Authority::new();
    let terms = UpstreamTls::new(Some(authority.trusted()), None, None);
    let secure = Secure::start(Some(authority.server("127.0.0.1", &["h2", "http/1.1"], None)), Manner::Answers).await;
    let clear = Secure::start(None, Manner::Answers).await;
    let house = open(vec![https("/s", secure.port, terms), by(Scheme::H2c, "/c", clear.port)]).await;
    for (path, scheme, upstream) in [("/s", "https", &secure), ("/c", "http", &clear)] {
        let mut socket = house.connect().await;
        for _ in 0..3 {
            let request = format!(
                "POST {path}/x?y HTTP/1.1\r\nHost: a.example\r\nConnection: keep-alive, x-hop\r\nKeep-Alive: 5\r\n\
                 X-Hop: 1\r\nTE: trailers\r\nProxy-Connection: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
            );
            socket.write_all(request.as_bytes()).await.unwrap();
            let answer = answer(&mut socket).await;
            assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("okabc"), "{answer}");
            assert!(answer.to_lowercase().contains("x-theirs: a"), "{answer}");
        }
        assert_eq!(upstream.connections(), 1);
        let seen = upstream.seen();
        assert_eq!(seen.len(), 3);
        let start = format!("POST {scheme}://a.example{path}/x?y HTTP/2.0 ");
        assert!(seen[0].starts_with(&start), "{}", seen[0]);
        for gone in ["keep-alive", "x-hop", "connection", "transfer-encoding", "\"te\"", "\"host\""] {
            assert!(!seen[0].contains(gone), "{gone} in {}", seen[0]);
        }
        assert!(seen[0].contains("x-request-id"));
    }
}

#[tokio::test]
async fn a_client_that_waits_to_be_asked_for_its_body_is_asked_whatever_the_server_speaks() {
    let clear = Secure::start(None, Manner::Answers).await;
    let house = open(vec![by(Scheme::H2c, "/c", clear.port)]).await;
    let mut socket = house.connect().await;
    for _ in 0..2 {
        let head = b"POST /c HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
        socket.write_all(head).await.unwrap();
        assert!(answer(&mut socket).await.starts_with("HTTP/1.1 100 "));
        socket.write_all(b"abc").await.unwrap();
        let answer = answer(&mut socket).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("okabc"), "{answer}");
    }
    assert!(!clear.seen()[0].contains("expect"), "{}", clear.seen()[0]);
}

#[tokio::test]
async fn a_health_check_is_made_on_the_terms_of_a_request() {
    let authority = Authority::new();
    let secure = Secure::start(Some(authority.server("127.0.0.1", &["h2"], None)), Manner::Answers).await;
    let clear = Secure::start(None, Manner::Answers).await;
    let second = Duration::from_secs(1);
    let check = Some(HealthCheck { path: "/ping?x".parse().unwrap(), interval: second, timeout: second });
    let mut upstreams = vec![
        https("/s", secure.port, UpstreamTls::new(Some(authority.trusted()), None, None)),
        by(Scheme::H2c, "/c", clear.port),
    ];
    for upstream in &mut upstreams {
        upstream.health_check.clone_from(&check);
    }
    upstreams[1].host_header = HostHeader::Literal("legacy.example".parse().unwrap());
    let house = open(upstreams).await;
    let checks = tokio::spawn(check_health(house.live.clone()));
    while secure.seen().is_empty() || clear.seen().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    checks.abort();
    let (secure, own) = (secure.seen().remove(0), format!("GET https://127.0.0.1:{}/ping?x HTTP/2.0 ", secure.port));
    assert!(secure.starts_with(&own) && !secure.contains("\"host\""), "{secure}");
    assert!(clear.seen()[0].starts_with("GET http://legacy.example/ping?x HTTP/2.0 "), "{:?}", clear.seen());
}

#[tokio::test]
async fn a_websocket_goes_over_http_1_1_where_http_2_is_offered_too() {
    let authority = Authority::new();
    let upstream = Secure::start(Some(authority.server("127.0.0.1", &["h2", "http/1.1"], None)), Manner::Answers).await;
    let house = open(vec![https("/s", upstream.port, UpstreamTls::new(Some(authority.trusted()), None, None))]).await;
    assert_eq!(status(&house.get("/s", "").await), "200");
    let mut socket = house.connect().await;
    let request = "GET /s HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    socket.write_all(request.as_bytes()).await.unwrap();
    let answer = answer(&mut socket).await;
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    socket.write_all(b"whatever\r\n\r\n").await.unwrap();
    assert!(self::answer(&mut socket).await.ends_with("ok"), "both speak on");
    assert!(upstream.seen()[0].contains("HTTP/2.0") && upstream.seen()[1].starts_with("GET /s HTTP/1.1"));
}

#[tokio::test]
async fn a_handshake_that_does_not_end_is_a_504_within_the_time_of_a_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut settings = https("/s", listener.local_addr().unwrap().port(), UpstreamTls::default());
    (settings.connect_timeout, settings.retries) = (Duration::from_millis(200), 0);
    let house = open(vec![settings]).await;
    let start = Instant::now();
    assert_eq!(status(&house.get("/s", "").await), "504");
    assert!(start.elapsed() < Duration::from_secs(5));
    house.counts(r#"portcullis_upstream_failures_total{kind="connect_timeout",upstream="s"} 1"#).await;
}

#[tokio::test]
async fn an_answer_over_http_2_has_its_time_too() {
    let upstream = Secure::start(None, Manner::Hangs).await;
    let mut settings = by(Scheme::H2c, "/c", upstream.port);
    settings.timeout = Duration::from_millis(200);
    let house = open(vec![settings]).await;
    assert_eq!(status(&house.get("/c", "").await), "504");
    assert_eq!(upstream.seen().len(), 1, "what was late is not sent again");
    house.counts(r#"portcullis_upstream_failures_total{kind="timeout",upstream="c"} 1"#).await;
}

#[tokio::test]
async fn over_http_2_only_what_is_safe_to_repeat_is_sent_again() {
    for (method, attempts) in [("GET", 3), ("PUT", 3), ("POST", 1), ("PATCH", 1)] {
        let upstream = Secure::start(None, Manner::BreaksOff).await;
        let mut settings = by(Scheme::H2c, "/c", upstream.port);
        settings.retries = 2;
        let house = open(vec![settings]).await;
        let request = format!("{method} /c HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx");
        assert_eq!(status(&house.send(request).await), "502");
        assert_eq!(upstream.seen().len(), attempts, "{method}");
    }
}

#[tokio::test]
async fn what_a_server_says_it_has_not_looked_at_is_sent_again_unless_it_is_a_post_or_a_patch() {
    for (method, expected) in [("GET", 2), ("PUT", 2), ("DELETE", 2), ("POST", 1), ("PATCH", 1)] {
        let upstream = Secure::start(None, Manner::RefusesFirst).await;
        let mut settings = by(Scheme::H2c, "/c", upstream.port);
        settings.retries = 0;
        let house = open(vec![settings]).await;
        let request = format!("{method} /c HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc");
        let answer = house.send(request).await;
        let (code, body) = if expected == 2 { ("200", "okabc") } else { ("502", "bad_gateway") };
        assert!(status(&answer) == code && answer.contains(body), "{method}: {answer}");
        assert_eq!(upstream.seen().len(), expected, "{method}");
        assert!(house.live.load().states()[0].healthy, "it is not to blame");
    }
}

#[tokio::test]
async fn a_server_that_does_not_speak_http_2_is_a_502() {
    let upstream = Recorder::start(&[OK]).await;
    let house = open(vec![by(Scheme::H2c, "/c", upstream.port)]).await;
    assert_eq!(status(&house.get("/c", "").await), "502");
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_not_asked_again_while_another_is_well() {
    // A listener that is full does not answer: each attempt would cost the whole time.
    let upstream = Recorder::start(&[OK]).await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut settings = https("/s", silent.local_addr().unwrap().port(), UpstreamTls::default());
    settings.servers.push(server(upstream.port));
    settings.connect_timeout = Duration::from_millis(300);
    let house = open(vec![settings]).await;
    let start = Instant::now();
    for _ in 0..10 {
        assert_eq!(status(&house.send("POST /s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await), "200");
    }
    assert!(start.elapsed() < Duration::from_millis(1300), "{:?}", start.elapsed());
    assert_eq!(upstream.seen().len(), 10);
}

#[tokio::test]
async fn three_requests_in_a_row_without_an_answer_put_a_server_out() {
    let silent = Recorder::start(&[Reply::Hang("")]).await;
    let well = Recorder::start(&[OK]).await;
    let mut settings = upstream_settings("u", "/", silent.port);
    settings.servers.push(server(well.port));
    settings.timeout = Duration::from_millis(200);
    let house = open(vec![settings]).await;
    let mut late = 0;
    for _ in 0..12 {
        late += usize::from(status(&house.get("/", "").await) == "504");
    }
    assert_eq!((late, silent.seen().len()), (3, 3));
    let states = house.live.load().states();
    assert_eq!(states.iter().map(|state| state.healthy).collect::<Vec<_>>(), [false, true]);
}

#[tokio::test]
async fn when_all_servers_are_out_the_first_that_is_back_answers_at_once() {
    let port = dead_port().await;
    let mut settings = upstream_settings("u", "/", dead_port().await);
    settings.servers.push(server(port));
    let house = open(vec![settings]).await;
    for _ in 0..3 {
        assert_eq!(status(&house.get("/", "").await), "502");
    }
    let back = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = back.accept().await {
            tokio::spawn(async move {
                while super::harness::message(&mut socket).await.is_some() {
                    socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap_or_default();
                }
            });
        }
    });
    assert_eq!(status(&house.get("/", "").await), "200");
    assert!(house.live.load().states()[1].healthy);
}
