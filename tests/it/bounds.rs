//! Too many connections, too few descriptors, and clients that are too slow: honest traffic goes on.

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, TcpListener},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::{Connection, Gateway, Upstream, own_address, request, request_from};

fn public_api(upstream: impl std::fmt::Display) -> String {
    format!("[upstreams.api]\nservers = [\"{upstream}\"]\n[[upstreams.api.rules]]\naccess = \"public\"")
}

fn caller(number: u8) -> IpAddr {
    Ipv4Addr::new(127, 1, 2, number).into()
}

/// Waits until so many connections are open at the public door.
#[track_caller]
fn wait_for_connections(gateway: &Gateway, enough: impl Fn(f64) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let open = gateway.metric("portcullis_connections");
        if enough(open) {
            return;
        }
        assert!(Instant::now() < deadline, "{open} are open");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Lets this process open as many files as the system allows it.
fn raise_our_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}

#[test]
fn beside_a_thousand_idle_connections_honest_traffic_goes_on() {
    raise_our_limit();
    let upstream = Upstream::start();
    let gateway = Gateway::start(&public_api(upstream.address));
    let idle: Vec<Connection> = (0..1000).map(|_| Connection::open(gateway.public)).collect();
    wait_for_connections(&gateway, |open| open >= 1000.0);
    for _ in 0..20 {
        assert_eq!(request(gateway.public, "GET /", b"").status, 200);
        assert_eq!(gateway.get_admin("/health/ready").status, 200);
    }
    drop(idle);
    wait_for_connections(&gateway, |open| open < 1.0);
    assert!(gateway.metric("portcullis_connections_refused_total") < 1.0);
}

#[test]
fn with_256_descriptors_what_is_served_goes_on_and_the_private_listener_answers() {
    raise_our_limit();
    let upstream = Upstream::start();
    let mut gateway = Gateway::prepare("", &public_api(upstream.address));
    let mut shell = Command::new("/bin/sh");
    let script = format!("ulimit -n 256; exec '{}' \"$@\"", env!("CARGO_BIN_EXE_portcullis"));
    shell.env_clear().args(["-c", &script, "sh"]);
    gateway.launch_with(shell);
    let line = gateway.wait_for_log("open 256 files");
    assert!(line.contains("server.max_connections"), "{line}");

    let mut honest = Connection::open(gateway.public);
    let mut get = || {
        honest.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        honest.answer(false).expect("the connection stays").status
    };
    assert_eq!(get(), 200);
    let mut flood: Vec<Connection> = (0..400).map(|_| Connection::open(gateway.public)).collect();
    for connection in &mut flood {
        connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    let client = gateway.client(&["a"]);
    for _ in 0..20 {
        assert_eq!(get(), 200);
        for path in ["/health/ready", "/health/alive", "/metrics"] {
            assert_eq!(gateway.get_admin(path).status, 200, "{path}");
        }
        assert_eq!(gateway.manage("GET /oauth2/clients", &client, "").status, 200);
    }
    assert!(gateway.metric("portcullis_connections_refused_total") >= 300.0);
    // Those that came in are served, and are the door's share.
    let served = flood.iter_mut().filter_map(|connection| connection.answer(false)).count();
    assert!((20..120).contains(&served), "{served}");
    drop(flood);
    wait_for_connections(&gateway, |open| open < 2.0);
    assert_eq!(request(gateway.public, "GET /", b"").status, 200);
}

#[test]
fn one_address_has_its_share_and_a_trusted_proxy_more() {
    let upstream = Upstream::start();
    let server = "max_connections_per_address = 2\ntrusted_proxies = ['127.1.2.9']";
    let gateway = Gateway::with(server, &public_api(upstream.address));
    let held: Vec<Connection> = (0..2).map(|_| Connection::open_from(caller(1), gateway.public)).collect();
    assert!(Connection::open_from(caller(1), gateway.public).is_closed());
    assert_eq!(request_from(caller(2), gateway.public, "GET /", b"").status, 200);
    let _proxy: Vec<Connection> = (0..4).map(|_| Connection::open_from(caller(9), gateway.public)).collect();
    assert_eq!(request_from(caller(9), gateway.public, "GET /", b"").status, 200);
    assert!((gateway.metric("portcullis_connections_refused_total") - 1.0).abs() < f64::EPSILON);
    drop(held);
    wait_for_connections(&gateway, |open| open < 5.0);
    assert_eq!(request_from(caller(1), gateway.public, "GET /", b"").status, 200);
}

#[test]
fn a_body_that_trickles_is_a_408_and_the_end_of_the_connection() {
    let upstream = Upstream::start();
    let server = "body_timeout = '1s'\nmin_body_rate = '100B'";
    let gateway = Gateway::with(server, &public_api(upstream.address));
    let start = Instant::now();
    let mut slow = Connection::open(gateway.public);
    slow.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    let mut stream = slow.stream().try_clone().unwrap();
    let trickle = thread::spawn(move || {
        while stream.write_all(b"1\r\na\r\n").is_ok() {
            thread::sleep(Duration::from_millis(200));
        }
    });
    let answer = slow.answer(false).unwrap();
    assert_eq!((answer.status, answer.error()), (408, "request_timeout".to_owned()));
    assert!(slow.is_closed());
    trickle.join().unwrap();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn a_reader_that_trickles_is_cut_and_a_slow_upstream_is_not_its_clients_fault() {
    const SIZE: usize = 40_000_000;
    let upstream = Upstream::answering(|_| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n");
        (Duration::ZERO, [head.as_bytes(), &vec![b'a'; SIZE]].concat())
    });
    let drip = TcpListener::bind((own_address(), 9000)).unwrap();
    let server = "idle_timeout = '1s'\nmin_body_rate = '100MiB'";
    let drips = format!("[upstreams.drip]\nservers = ['{}']\npath = '/drip'", drip.local_addr().unwrap());
    let drips = format!("{drips}\n[[upstreams.drip.rules]]\naccess = 'public'");
    let gateway = Gateway::with(server, &format!("{}\n{drips}", public_api(upstream.address)));
    let mut slow = Connection::open(gateway.public);
    slow.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let start = Instant::now();
    let mut read = 0;
    let mut buffer = vec![0; 100_000];
    while let Ok(more @ 1..) = slow.stream().read(&mut buffer) {
        read += more;
        thread::sleep(Duration::from_millis(10));
    }
    assert!(read < SIZE, "it was cut");
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    assert_eq!(request(gateway.public, "GET /", b"").body.len(), SIZE, "whoever takes it as it comes gets it all");

    thread::spawn(move || {
        let (mut socket, _) = drip.accept().unwrap();
        let _request = socket.read(&mut [0; 4096]).unwrap();
        socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n").unwrap();
        for _ in 0..8 {
            thread::sleep(Duration::from_millis(200));
            socket.write_all(b"a").unwrap();
        }
        thread::sleep(Duration::from_secs(5));
    });
    assert_eq!(request(gateway.public, "GET /drip", b"").body, b"aaaaaaaa");
}
