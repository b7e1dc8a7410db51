//! Upstreams that are down, slow, or talk nonsense: the right status, and the gateway goes on.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use crate::support::{Gateway, Upstream, own_address};

fn api(servers: &str, more: &str) -> String {
    format!("[upstreams.api]\nservers = [{servers}]\n{more}\n[[upstreams.api.rules]]\naccess = \"public\"")
}

#[test]
fn a_server_that_is_down_is_a_502_at_once_that_names_no_address() {
    let address = own_address();
    let gateway = Gateway::start(&api(&format!("\"{address}:1\""), ""));
    let start = Instant::now();
    let response = gateway.send("GET /x");
    assert_eq!((response.status, response.error().as_str()), (502, "bad_gateway"));
    assert!(start.elapsed() < Duration::from_secs(1));
    assert!(!String::from_utf8_lossy(&response.body).contains(&address.to_string()));
    assert_eq!(gateway.get_admin("/health/ready").status, 200);
}

#[test]
fn a_server_that_is_slow_is_a_504() {
    let upstream = Upstream::answering(|_| (Duration::from_secs(10), Vec::new()));
    let gateway = Gateway::start(&api(&format!("\"{}\"", upstream.address), "timeout = \"500ms\""));
    let response = gateway.send("GET /x");
    assert_eq!((response.status, response.error().as_str()), (504, "gateway_timeout"));
}

#[test]
fn a_server_that_talks_nonsense_is_a_502() {
    for nonsense in [
        b"220 smtp.example.com ready\r\n".as_slice(),
        b"\x00\x01\x02\x03".as_slice(),
        b"HTTP/1.1 abc\r\n\r\n".as_slice(),
        b"".as_slice(),
    ] {
        let upstream = Upstream::answering(|_| (Duration::ZERO, nonsense.to_vec()));
        let gateway = Gateway::start(&api(&format!("\"{}\"", upstream.address), ""));
        let response = gateway.send("GET /x");
        assert_eq!((response.status, response.error().as_str()), (502, "bad_gateway"), "{nonsense:?}");
    }
}

#[test]
fn another_server_takes_over_when_a_connection_fails() {
    let upstream = Upstream::start();
    let dead = own_address();
    let gateway = Gateway::start(&api(&format!("\"{dead}:1\", \"{}\"", upstream.address), ""));
    for _ in 0..6 {
        assert_eq!(gateway.send("POST /x").status, 200);
    }
    assert_eq!(upstream.take().len(), 6);
}

#[test]
fn a_post_that_may_have_been_executed_is_not_repeated() {
    let upstream = Upstream::answering(|_| (Duration::ZERO, b"garbage".to_vec()));
    let gateway = Gateway::start(&api(&format!("\"{}\"", upstream.address), "retries = 3"));
    assert_eq!(gateway.send("POST /x").status, 502);
    assert_eq!(upstream.take().len(), 1);
}

#[test]
fn servers_are_asked_in_turn() {
    let (one, two) = (Upstream::start(), Upstream::start());
    let gateway = Gateway::start(&api(&format!("\"{}\", \"{}\"", one.address, two.address), ""));
    for _ in 0..10 {
        assert_eq!(gateway.send("GET /x").status, 200);
    }
    assert_eq!((one.take().len(), two.take().len()), (5, 5));
}

#[test]
fn a_connection_that_does_not_come_about_is_a_504() {
    // A listener whose queue is full does not answer.
    let listener = TcpListener::bind((own_address(), 9000)).unwrap();
    let address = listener.local_addr().unwrap();
    let _full: Vec<_> = (0..5000)
        .map_while(|_| std::net::TcpStream::connect_timeout(&address, Duration::from_millis(50)).ok())
        .collect();
    let gateway = Gateway::start(&api(&format!("\"{address}\""), "connect_timeout = \"300ms\"\nretries = 0"));
    assert_eq!(gateway.send("GET /x").error(), "gateway_timeout");
}

#[test]
fn the_answer_goes_through_unchanged_and_bodies_both_ways() {
    let upstream = Upstream::answering(|seen| {
        let body = &seen.body;
        let head = format!(
            "HTTP/1.1 201 Created\r\nX-Theirs: a\r\nX-Theirs: b\r\nServer: legacy\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        (Duration::ZERO, [head.as_bytes(), body].concat())
    });
    let gateway = Gateway::start(&api(&format!("\"{}\"", upstream.address), ""));
    let body = vec![7_u8; 3_000_000];
    let response = crate::support::request(gateway.public, "PUT /x\nContent-Type: text/x", &body);
    assert_eq!((response.status, response.body == body), (201, true));
    assert_eq!(response.header("server"), Some("legacy"));
    assert_eq!(response.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("x-theirs")).count(), 2);
    assert!(response.header("x-request-id").is_some());
}

#[test]
fn an_upstream_of_http_1_0_is_passed_on_as_http_1_1() {
    for answer in ["HTTP/1.0 200 OK\r\n\r\nuntil the end", "HTTP/1.0 200 OK\r\nContent-Length: 13\r\n\r\nuntil the end"]
    {
        let upstream = Upstream::answering(move |_| (Duration::ZERO, answer.as_bytes().to_vec()));
        let gateway = Gateway::start(&api(&format!("\"{}\"", upstream.address), ""));
        let mut connection = crate::support::Connection::open(gateway.public);
        for _ in 0..2 {
            connection.send(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
            let response = connection.answer(false).unwrap();
            assert_eq!((response.version.as_str(), response.status), ("HTTP/1.1", 200), "{answer}");
            assert_eq!(response.body, b"until the end", "{answer}");
        }
    }
}

#[test]
fn a_client_of_http_1_0_gets_a_body_that_ends_with_the_connection() {
    let upstream = Upstream::answering(|_| {
        (Duration::ZERO, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n".to_vec())
    });
    let gateway = Gateway::start(&api(&format!("\"{}\"", upstream.address), ""));
    let mut connection = crate::support::Connection::open(gateway.public);
    connection.send(b"GET /x HTTP/1.0\r\nHost: a\r\n\r\n");
    let response = connection.answer(false).unwrap();
    assert_eq!(response.header("transfer-encoding"), None, "{:?}", response.headers);
    assert_eq!(response.body, b"body");
}

#[test]
fn a_kept_connection_counts_as_an_attempt_like_any_other() {
    // The first request of a connection is answered, the second one is read and the connection closed.
    for (retries, attempts) in [(0, 1), (1, 2)] {
        let upstream = Upstream::answering(|seen| {
            let answer: &[u8] =
                if seen.target() == "/warm" { b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" } else { b"" };
            (Duration::ZERO, answer.to_vec())
        });
        let gateway = Gateway::start(&api(&format!("\"{}\"", upstream.address), &format!("retries = {retries}")));
        assert_eq!(gateway.send("GET /warm").status, 200);
        assert_eq!(crate::support::request(gateway.public, "PUT /x", b"body").status, 502);
        let puts = upstream.take().iter().filter(|seen| seen.line.starts_with("PUT")).count();
        assert_eq!(puts, attempts, "retries = {retries}");
    }
}

#[test]
fn after_a_100_the_connection_is_kept() {
    use std::io::{Read, Write};
    let listener = TcpListener::bind((own_address(), 9000)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut head = Vec::new();
                let mut byte = [0];
                while stream.read_exact(&mut byte).is_ok() {
                    head.push(byte[0]);
                    if head.ends_with(b"\r\n\r\n") {
                        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
                        stream.read_exact(&mut [0; 3]).unwrap();
                        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
                        head.clear();
                    }
                }
            });
        }
    });
    let gateway = Gateway::start(&api(&format!("\"{address}\""), ""));
    let mut connection = crate::support::Connection::open(gateway.public);
    for _ in 0..2 {
        connection.send(b"POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
        std::thread::sleep(Duration::from_millis(200));
        connection.send(b"abc");
        let answer = connection.answer(false).expect("closed");
        assert_eq!((answer.status, answer.body.as_slice()), (200, b"ok".as_slice()));
        assert_ne!(answer.header("connection"), Some("close"));
    }
}
