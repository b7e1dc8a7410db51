//! TLS at the door: names, versions, clients, and certificates that change.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use rustls::{pki_types::CertificateDer, version};

use crate::support::{Authority, Connection, Gateway, Identity, TlsCaller, Upstream};

const ONE: &str = r#"tls = { cert = "one.pem", key = "one-key.pem" }"#;

fn public_api(upstream: &Upstream) -> String {
    format!("[upstreams.api]\nservers = [\"{}\"]\n[[upstreams.api.rules]]\naccess = \"public\"", upstream.address)
}

/// A gateway whose folder holds these certificates as `NAME.pem` and `NAME-key.pem`.
fn gateway(upstream: &Upstream, server: &str, certificates: &[(&str, &Identity)]) -> Gateway {
    let mut gateway = Gateway::prepare(server, &public_api(upstream));
    for (name, certificate) in certificates {
        certificate.write(gateway.folder.path(), name);
    }
    gateway.launch();
    gateway
}

/// The status of the answer to a GET over TLS; nothing if there was none.
fn status(caller: &TlsCaller, to: SocketAddr, host: &str) -> Option<u16> {
    let (answer, _) = caller.get(to, host, "/").ok()?;
    answer.get(9..12)?.parse().ok()
}

#[test]
fn a_client_is_shown_the_certificate_of_the_name_it_asks_for_and_the_upstream_told_https() {
    let upstream = Upstream::start();
    let authority = Authority::new();
    let (one, two) = (authority.sign(&["a.example", "127.0.0.1"]), authority.sign(&["*.b.example"]));
    let tls = "tls = [{ cert = 'one.pem', key = 'one-key.pem' }, { cert = 'two.pem', key = 'two-key.pem' }]";
    let gateway = gateway(&upstream, tls, &[("one", &one), ("two", &two)]);
    let caller = TlsCaller::new(&authority);
    for (host, shown) in [("a.example", &one), ("x.b.example", &two)] {
        let (answer, certificate) = caller.get(gateway.public, host, "/x").unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert_eq!(certificate, shown.der(), "{host}");
        let seen = upstream.take();
        assert_eq!(seen[0].header("x-forwarded-proto"), Some("https"));
        assert_eq!(seen[0].header("x-forwarded-host"), Some(host));
    }
    // One that asks for another name, or for none, is shown the first.
    for host in ["127.0.0.1", "unknown.example"] {
        let refused = caller.get(gateway.public, host, "/x");
        assert_eq!(refused.is_ok(), host == "127.0.0.1", "{refused:?}");
    }
    let path = "/.well-known/oauth-authorization-server";
    let (metadata, _) = caller.get(gateway.public, "a.example", path).unwrap();
    assert!(metadata.contains(&format!("\"issuer\":\"https://{}\"", gateway.public)), "{metadata}");
}

#[test]
fn only_tls_1_2_and_1_3_are_spoken_and_http_1_1_under_them() {
    let upstream = Upstream::start();
    let authority = Authority::new();
    let gateway = gateway(&upstream, ONE, &[("one", &authority.sign(&["a.example"]))]);
    let mut caller = TlsCaller::new(&authority);
    caller.protocols = vec![b"h3", b"http/1.1"];
    for version in [&version::TLS12, &version::TLS13] {
        caller.versions = vec![version];
        let stream = caller.connect(gateway.public, "a.example").unwrap();
        assert_eq!(stream.conn.protocol_version(), Some(version.version));
        assert_eq!(stream.conn.alpn_protocol(), Some(b"http/1.1".as_slice()));
        assert_eq!(status(&caller, gateway.public, "a.example"), Some(200));
    }
    caller.protocols = vec![b"gopher"];
    assert!(caller.connect(gateway.public, "a.example").is_err(), "nothing is spoken that both know");

    // A hello of TLS 1.1 (RFC 4346 section 7.4.1.2).
    let mut body = vec![3, 2];
    body.extend([7; 32]);
    body.extend([0, 0, 4, 0xc0, 0x13, 0x00, 0x2f, 1, 0]);
    let length = u8::try_from(body.len()).unwrap();
    let hello = [&[22, 3, 1, 0, length + 4, 1, 0, 0, length][..], &body].concat();
    for bytes in [hello.as_slice(), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"] {
        let mut socket = TcpStream::connect(gateway.public).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        let _reset = socket.read_to_end(&mut answer);
        assert!(answer.is_empty() || answer[0] == 21, "an alert: {answer:?}");
    }
    assert_eq!(upstream.take().len(), 2);
}

#[test]
fn a_client_without_the_right_certificate_is_refused_in_the_handshake() {
    let upstream = Upstream::start();
    let (authority, clients) = (Authority::new(), Authority::new());
    let server = authority.sign(&["a.example"]);
    let right = TlsCaller::with(&authority, &clients.sign(&["partner"]));
    let wrong = TlsCaller::with(&authority, &authority.sign(&["partner"]));
    let none = TlsCaller::new(&authority);
    for (client_auth, without) in
        [("", None), ("client_auth = 'required'", None), ("client_auth = 'optional'", Some(200))]
    {
        let separator = if client_auth.is_empty() { "" } else { "," };
        let tls = format!(
            "tls = {{ cert = 'one.pem', key = 'one-key.pem', client_ca = 'clients.pem' {separator} {client_auth} }}"
        );
        let mut gateway = Gateway::prepare(&tls, &public_api(&upstream));
        server.write(gateway.folder.path(), "one");
        fs::write(gateway.folder.path().join("clients.pem"), clients.pem()).unwrap();
        gateway.launch();
        assert_eq!(status(&right, gateway.public, "a.example"), Some(200), "{client_auth}");
        assert_eq!(status(&wrong, gateway.public, "a.example"), None, "{client_auth}");
        assert_eq!(status(&none, gateway.public, "a.example"), without, "{client_auth}");
    }
}

/// Waits until this certificate is shown.
#[track_caller]
fn wait_for(caller: &TlsCaller, gateway: &Gateway, shown: &CertificateDer<'_>) {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let (answer, certificate) = caller.get(gateway.public, "a.example", "/").unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        if certificate == *shown {
            return;
        }
        assert!(Instant::now() < deadline, "the old certificate is still shown");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_certificate_that_is_replaced_is_shown_soon_and_a_bad_one_changes_nothing() {
    let upstream = Upstream::start();
    let authority = Authority::new();
    let certificates: Vec<Identity> = (0..3).map(|_| authority.sign(&["a.example"])).collect();
    let mut gateway = gateway(&upstream, ONE, &[("one", &certificates[0])]);
    gateway.expect_error("what is in force stays");
    let caller = TlsCaller::new(&authority);
    wait_for(&caller, &gateway, &certificates[0].der());
    let mut open = caller.connect(gateway.public, "a.example").unwrap();

    certificates[1].write(gateway.folder.path(), "one");
    wait_for(&caller, &gateway, &certificates[1].der());
    // Who is in stays in.
    write!(open, "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    open.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");

    let file = gateway.folder.path().join("one.pem");
    fs::write(&file, &certificates[2].certificate).unwrap();
    let line = gateway.wait_for_log("what is in force stays");
    assert!(line.contains("one-key.pem: it is not the key of the first certificate"), "{line}");
    wait_for(&caller, &gateway, &certificates[1].der());
    // The pair is whole: the next look finds it; SIGHUP does at once.
    certificates[2].write(gateway.folder.path(), "one");
    gateway.signal("HUP");
    wait_for(&caller, &gateway, &certificates[2].der());
    let errors = gateway.log().iter().filter(|line| line.contains("what is in force stays")).count();
    assert_eq!(errors, 1, "a bad file is told of once: {:#?}", gateway.log());
}

#[test]
fn whether_there_is_tls_only_a_restart_changes() {
    let upstream = Upstream::start();
    let authority = Authority::new();
    let one = authority.sign(&["a.example"]);
    let gateway = gateway(&upstream, ONE, &[("one", &one)]);
    gateway.configure("", &public_api(&upstream));
    gateway.signal("HUP");
    let line = gateway.wait_for_log("need a restart");
    assert!(line.contains("server.tls"), "{line}");
    wait_for(&TlsCaller::new(&authority), &gateway, &one.der());
}

#[test]
fn a_handshake_that_does_not_end_holds_no_place_for_ever_and_no_stop_up() {
    let upstream = Upstream::start();
    let authority = Authority::new();
    let server = format!("header_timeout = '1s'\nmax_connections = 2\n{ONE}");
    let mut gateway = gateway(&upstream, &server, &[("one", &authority.sign(&["a.example"]))]);
    let caller = TlsCaller::new(&authority);
    let mut silent = Connection::open(gateway.public);
    let mut half = Connection::open(gateway.public);
    half.send(&[22, 3, 1, 1, 0, 1, 0]);
    while gateway.metric("portcullis_connections") < 2.0 {
        thread::sleep(Duration::from_millis(5));
    }
    assert!(caller.connect(gateway.public, "a.example").is_err(), "no place is left");
    assert!(silent.is_closed() && half.is_closed());
    while gateway.metric("portcullis_connections") > 0.0 {
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(status(&caller, gateway.public, "a.example"), Some(200));

    let start = Instant::now();
    let mut slow = caller.connect(gateway.public, "a.example").unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHo").unwrap();
    assert_eq!(slow.read(&mut [0]).unwrap(), 0, "a head has its time under TLS, too, and its end is told");
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());

    let _half = Connection::open(gateway.public);
    while gateway.metric("portcullis_connections") < 1.0 {
        thread::sleep(Duration::from_millis(5));
    }
    gateway.signal("TERM");
    let (code, took) = gateway.wait();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(1), "{took:?}");
}
