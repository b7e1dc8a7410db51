//! Starting and stopping: whole or not at all.

use std::{
    net::TcpListener,
    thread,
    time::{Duration, Instant},
};

use crate::support::{Connection, Gateway, Upstream, command, request, run, text};

fn public_api(upstream: &Upstream) -> String {
    format!("[upstreams.api]\nservers = [\"{}\"]\n[[upstreams.api.rules]]\naccess = \"public\"", upstream.address)
}

#[test]
fn idle_it_stops_in_under_a_second() {
    let upstream = Upstream::start();
    for signal in ["TERM", "INT"] {
        let mut gateway = Gateway::start(&public_api(&upstream));
        // A connection that stands idle does not hold it up.
        let mut idle = Connection::open(gateway.public);
        idle.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(idle.answer(false).unwrap().status, 200);
        gateway.signal(signal);
        let (code, took) = gateway.wait();
        assert_eq!(code, Some(0), "{signal}");
        assert!(took < Duration::from_secs(1), "{signal}: {took:?}");
    }
}

#[test]
fn what_runs_is_finished_before_it_stops() {
    let upstream = Upstream::answering(|_| {
        (Duration::from_millis(1500), b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate".to_vec())
    });
    let mut gateway = Gateway::start(&public_api(&upstream));
    let public = gateway.public;
    let slow = thread::spawn(move || request(public, "GET /slow", b""));
    while upstream.take().is_empty() {
        thread::sleep(Duration::from_millis(5));
    }
    gateway.signal("TERM");
    let (code, took) = gateway.wait();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(4), "{took:?}");
    assert_eq!(slow.join().unwrap().body, b"late");
}

#[test]
fn a_second_signal_stops_it_at_once() {
    let upstream = Upstream::answering(|_| (Duration::from_secs(20), Vec::new()));
    let mut gateway = Gateway::start(&public_api(&upstream));
    let mut slow = Connection::open(gateway.public);
    slow.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    while upstream.take().is_empty() {
        thread::sleep(Duration::from_millis(5));
    }
    gateway.signal("TERM");
    thread::sleep(Duration::from_millis(300));
    gateway.signal("TERM");
    let (_, took) = gateway.wait();
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[test]
fn the_grace_period_bounds_what_is_waited_for() {
    let upstream = Upstream::answering(|_| (Duration::from_secs(20), Vec::new()));
    let mut gateway = Gateway::with("shutdown_grace = \"1s\"", &public_api(&upstream));
    let mut slow = Connection::open(gateway.public);
    slow.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    while upstream.take().is_empty() {
        thread::sleep(Duration::from_millis(5));
    }
    gateway.signal("TERM");
    let (code, took) = gateway.wait();
    assert_eq!(code, Some(0));
    assert!(took >= Duration::from_millis(900) && took < Duration::from_secs(3), "{took:?}");
}

#[test]
fn a_taken_port_is_fatal_and_said_aloud() {
    let upstream = Upstream::start();
    for which in ["public", "admin"] {
        let gateway = Gateway::prepare("", &public_api(&upstream));
        let taken = if which == "public" { gateway.public } else { gateway.admin };
        let _held = TcpListener::bind(taken).unwrap();
        let start = Instant::now();
        let output = run(command().arg("serve").arg("-c").arg(gateway.config()), "");
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(start.elapsed() < Duration::from_secs(5));
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(said.contains(&taken.to_string()) && said.contains("in use"), "{which}: {said}");
    }
}

#[test]
fn health_tells_whether_it_is_ready() {
    let upstream = Upstream::start();
    let mut gateway = Gateway::start(&public_api(&upstream));
    for path in ["/health/alive", "/health/ready", "/healthz", "/readyz"] {
        assert_eq!(gateway.get_admin(path).status, 200, "{path}");
        assert_eq!(request(gateway.public, &format!("GET {path}"), b"").body, b"ok", "{path} is the upstream's there");
    }
    let admin = format!("http://{}", gateway.admin);
    let health = || run(command().args(["health", "--admin", &admin]), "");
    assert_eq!(health().status.code(), Some(0));
    assert_eq!(gateway.cli(&["health"], "").status.code(), Some(0));
    gateway.signal("TERM");
    gateway.wait();
    let output = health();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains(&gateway.admin.to_string()), "{output:?}");
}

#[test]
fn beyond_the_most_connections_a_connection_is_closed_and_counted() {
    let upstream = Upstream::start();
    let gateway = Gateway::with("max_connections = 3", &public_api(&upstream));
    let mut open: Vec<Connection> = (0..3).map(|_| Connection::open(gateway.public)).collect();
    for connection in &mut open {
        connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(connection.answer(false).unwrap().status, 200);
    }
    assert!(Connection::open(gateway.public).is_closed());
    assert!(gateway.metric("portcullis_connections_refused_total") >= 1.0);
    assert!((gateway.metric("portcullis_connections") - 3.0).abs() < f64::EPSILON);
}

#[test]
fn a_head_that_trickles_and_a_connection_that_idles_are_closed() {
    let upstream = Upstream::start();
    let gateway = Gateway::with("header_timeout = \"1s\"\nidle_timeout = \"1s\"", &public_api(&upstream));
    let start = Instant::now();
    let mut slow = Connection::open(gateway.public);
    for part in ["GET / HT", "TP/1.1\r\n", "Host: a\r\n", "X: y\r\n", "Z: "] {
        slow.send(part.as_bytes());
        thread::sleep(Duration::from_millis(300));
    }
    assert!(slow.is_closed());
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());

    let mut idle = Connection::open(gateway.public);
    idle.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(idle.answer(false).unwrap().status, 200);
    let start = Instant::now();
    assert!(idle.is_closed());
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

#[test]
fn the_private_listener_waits_for_nobody_for_ever() {
    let upstream = Upstream::start();
    let gateway = Gateway::with("header_timeout = \"1s\"", &public_api(&upstream));
    for part in ["", "GET /healthz HTTP/1.1\r\nHo"] {
        let start = Instant::now();
        let mut silent = Connection::open(gateway.admin);
        silent.send(part.as_bytes());
        assert!(silent.is_closed(), "{part:?}");
        assert!(start.elapsed() < Duration::from_secs(3), "{part:?}: {:?}", start.elapsed());
    }
    let mut large = Connection::open(gateway.admin);
    large.send(b"POST /oauth2/tokens HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 50000000\r\n\r\n");
    assert_eq!(large.answer(false).unwrap().status, 413);
}
