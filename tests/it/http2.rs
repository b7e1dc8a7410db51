//! HTTP/2 at the running binary: curl, and floods.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use crate::support::{
    Authority, Gateway, Upstream,
    frames::{FrameConnection, Verdict, field, frame},
    own_address, run, text,
};

fn gateway(upstream: &Upstream) -> Gateway {
    let api =
        format!("[upstreams.api]\nservers = [\"{}\"]\n[[upstreams.api.rules]]\naccess = \"token\"\n", upstream.address);
    Gateway::with("h2c = true", &api)
}

/// What curl says to these arguments: the body, and then the version and the status. Nothing where there is none.
fn curl(gateway: &Gateway, path: &str, arguments: &[&str], input: &str) -> Option<String> {
    let url = format!("http://{}{path}", gateway.public);
    curl_at(&url, &[&["--http2-prior-knowledge"], arguments].concat(), input)
}

fn curl_at(url: &str, arguments: &[&str], input: &str) -> Option<String> {
    let version = Command::new("curl").arg("--version").output();
    if !version.is_ok_and(|version| text(&version.stdout).contains(" HTTP2")) {
        let _ = writeln!(std::io::stderr(), "SKIPPED: there is no curl here that speaks HTTP/2");
        return None;
    }
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--max-time", "20"])
        .args(["--write-out", " HTTP/%{http_version} %{http_code}"])
        .args(arguments)
        .arg(url);
    let output = run(&mut curl, input);
    assert!(output.status.success(), "{output:?}");
    Some(text(&output.stdout))
}

#[test]
fn curl_gets_its_answers_over_http_2() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let client = gateway.client(&["a"]);
    let token = gateway.token(&client, None);
    let bearer = format!("Authorization: Bearer {token}");
    let Some(answer) = curl(&gateway, "/x?y", &["--header", &bearer], "") else { return };
    assert_eq!(answer, "ok HTTP/2 200");
    assert_eq!(upstream.one().target(), "/x?y");
    // A body beyond all windows; one that is refused although it still comes; one of our own.
    let body = "x".repeat(300_000);
    let sends = ["--data-binary", "@-"];
    let answer = curl(&gateway, "/x", &[&["--header", &bearer][..], &sends].concat(), &body).unwrap();
    assert_eq!(answer, "ok HTTP/2 200");
    assert_eq!(upstream.one().body, body.as_bytes());
    let answer = curl(&gateway, "/x", &sends, &body[..100_000]).unwrap();
    assert!(answer.contains("missing_token") && answer.ends_with(" HTTP/2 401"), "{answer}");
    let user = format!("{}:{}", client.id, client.secret);
    let form = ["--user", &user, "--data", "grant_type=client_credentials"];
    let answer = curl(&gateway, "/oauth2/tokens", &form, "").unwrap();
    assert!(answer.contains("access_token") && answer.ends_with(" HTTP/2 200"), "no token");
    assert!(upstream.take().is_empty());
}

#[test]
fn curl_agrees_on_http_2_under_tls() {
    let upstream = Upstream::start();
    let authority = Authority::new();
    let api = format!(
        "[upstreams.api]\nservers = [\"{}\"]\n[[upstreams.api.rules]]\naccess = \"public\"\n",
        upstream.address
    );
    let mut gateway = Gateway::prepare("tls = { cert = 'one.pem', key = 'one-key.pem' }", &api);
    authority.sign(&[&gateway.public.ip().to_string()]).write(gateway.folder.path(), "one");
    let trusted = gateway.folder.path().join("ca.pem");
    std::fs::write(&trusted, authority.pem()).unwrap();
    gateway.launch();
    let url = format!("https://{}/x", gateway.public);
    let trust = ["--cacert", trusted.to_str().unwrap()];
    for (wanted, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
        let body = "x".repeat(200_000);
        let arguments = [&trust[..], &[wanted, "--data-binary", "@-"]].concat();
        let Some(answer) = curl_at(&url, &arguments, &body) else { return };
        assert_eq!(answer, format!("ok HTTP/{version} 200"));
        let seen = upstream.one();
        assert_eq!((seen.header("x-forwarded-proto"), seen.body.len()), (Some("https"), body.len()));
    }
}

/// `:method GET`, `:scheme http`, `:path /`, `:authority a` (RFC 7541).
const HEAD: &[u8] = &[0x82, 0x86, 0x84, 0x01, 0x01, b'a'];

const ENHANCE_YOUR_CALM: u32 = 11;

/// Sends all of it unless it is cut, and waits for the end.
fn flood(to: SocketAddr, bytes: &[u8]) {
    let mut socket = TcpStream::connect(to).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    socket.write_all(&frame(4, 0, 0, b"")).unwrap();
    // What is cut cannot be written to.
    let _cut = socket.write_all(bytes);
    let mut scrap = vec![0; 65536];
    loop {
        match socket.read(&mut scrap) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => {
                assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "it was not cut");
                return;
            }
        }
    }
}

#[test]
fn floods_of_frames_are_cut_off_in_bounded_memory_while_others_are_served() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let client = gateway.client(&["a"]);
    let token = gateway.token(&client, None);
    let memory = || gateway.metric("process_resident_memory_bytes");
    assert_eq!(gateway.call("GET /", &token).status, 200);
    let before = memory();
    let resets: Vec<u8> = (0..20_000)
        .flat_map(|number| {
            let stream = number * 2 + 1;
            [frame(1, 5, stream, HEAD), frame(3, 0, stream, &[0, 0, 0, 8])].concat()
        })
        .collect();
    // A field that is never indexed, again and again.
    let again = field("a", [b'x'; 255]);
    let head = [frame(1, 1, 1, HEAD), frame(9, 0, 1, &again).repeat(20_000)].concat();
    // The server is made to reset each stream: its body is longer than was said (CVE-2025-8671).
    let lying = [HEAD, &field("content-length", "1")].concat();
    let made: Vec<u8> = (0..20_000)
        .flat_map(|number| [frame(1, 4, number * 2 + 1, &lying), frame(0, 0, number * 2 + 1, b"xx")].concat())
        .collect();
    let floods = [
        ("made you reset", made),
        ("rapid reset", resets),
        ("continuation", head),
        ("settings", frame(4, 0, 0, &[0, 4, 0, 1, 0, 0]).repeat(100_000)),
        ("ping", frame(6, 0, 0, b"12345678").repeat(100_000)),
        ("empty data", [frame(1, 4, 1, HEAD), frame(0, 0, 1, b"").repeat(100_000)].concat()),
    ];
    thread::scope(|scope| {
        for (_, bytes) in &floods {
            for _ in 0..4 {
                scope.spawn(|| flood(gateway.public, bytes));
            }
        }
        for _ in 0..20 {
            assert_eq!(gateway.call("GET /", &token).status, 200);
        }
    });
    let grown = memory() - before;
    assert!(grown < 100e6, "{} MB", grown / 1e6);
    assert_eq!(gateway.call("GET /", &token).status, 200);
}

#[test]
fn heads_of_many_empty_fields_are_refused_and_not_held() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let memory = || gateway.metric("process_resident_memory_bytes");
    let before = memory();
    let mut connections = Vec::new();
    for _ in 0..5 {
        let mut connection = FrameConnection::open(gateway.public);
        // There is never room for the body of an answer.
        connection.send(&frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]));
        for number in 0..99 {
            // The first field is kept, all others are that one again (RFC 7541 sections 6.2.1 and 6.1).
            let first: &[u8] = if number == 0 { &[0x40, 1, b'a', 0] } else { &[] };
            connection.send(&frame(1, 5, number * 2 + 1, &[HEAD, first, &[0xbe; 2300]].concat()));
        }
        for _ in 0..99 {
            while connection.frame().unwrap().0 != 1 {}
        }
        connections.push(connection);
    }
    let grown = memory() - before;
    assert!(grown < 80e6, "{} MB", grown / 1e6);
}

#[test]
fn a_head_that_drips_is_not_waited_for() {
    let upstream = Upstream::start();
    let api = format!(
        "[upstreams.api]\nservers = [\"{}\"]\n[[upstreams.api.rules]]\naccess = \"public\"\n",
        upstream.address
    );
    let gateway = Gateway::with("h2c = true\nheader_timeout = \"1s\"", &api);
    let mut connection = FrameConnection::open(gateway.public);
    let start = Instant::now();
    connection.send(&frame(1, 1, 1, HEAD));
    let mut drip = connection.sender();
    let dripping = thread::spawn(move || {
        // Once it is cut, nothing more can be sent.
        while drip.write_all(&frame(9, 0, 1, &field("a", "b"))).is_ok() {
            thread::sleep(Duration::from_millis(300));
        }
    });
    assert_eq!(connection.verdict(1), Verdict::Closed);
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    dripping.join().unwrap();
    assert!(upstream.take().is_empty());
}

#[test]
fn a_body_in_single_bytes_that_nobody_reads_is_cut_off_in_bounded_memory() {
    // It takes connections, and nothing of what comes.
    let deaf = TcpListener::bind((own_address(), 9000)).unwrap();
    let api = format!(
        "[upstreams.api]\nservers = [\"{}\"]\n[[upstreams.api.rules]]\naccess = \"public\"\n",
        deaf.local_addr().unwrap()
    );
    let gateway = Gateway::with("h2c = true", &api);
    let memory = || gateway.metric("process_resident_memory_bytes");
    let before = memory();
    let mut connection = FrameConnection::open(gateway.public);
    for stream in (1..31).step_by(2) {
        connection.send(&[frame(1, 4, stream, HEAD), frame(0, 0, stream, b"x").repeat(65_535)].concat());
    }
    assert_eq!(connection.verdict(1), Verdict::GoAway(ENHANCE_YOUR_CALM));
    let grown = memory() - before;
    assert!(grown < 100e6, "{} MB", grown / 1e6);
    assert_eq!(gateway.get_admin("/health/ready").status, 200);
}
