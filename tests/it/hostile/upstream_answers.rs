//! What a server may answer: passed on, or a 502; and a body that breaks off is seen to.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
};

use crate::support::{Connection, Gateway, own_address};

/// A server that answers each connection's first request with these bytes, and then closes it or resets it.
fn server(answer: &'static [u8], resets: bool) -> SocketAddr {
    let listener = TcpListener::bind((own_address(), 9000)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
                head.push(byte[0]);
            }
            let _ = stream.write_all(answer);
            if resets {
                // What was written is to be read first.
                thread::sleep(std::time::Duration::from_millis(200));
                reset(stream);
            }
        }
    });
    address
}

/// Closes so that the peer gets a reset.
fn reset(stream: TcpStream) {
    stream.set_nonblocking(true).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let _in = runtime.enter();
    tokio::net::TcpStream::from_std(stream).unwrap().set_zero_linger().unwrap();
}

/// All bytes that a client of this version gets of each server's answer. It asks for no change of protocol, although a
/// server may think so that reads one header without the other.
fn answers(servers: &[SocketAddr], version: &str) -> Vec<String> {
    let upstream = |(number, server): (usize, &SocketAddr)| {
        format!(
            "[upstreams.u{number}]\nservers = [\"{server}\"]\npath = \"/{number}\"\n\
             [[upstreams.u{number}.rules]]\naccess = \"public\"\n"
        )
    };
    let gateway = Gateway::start(&servers.iter().enumerate().map(upstream).collect::<String>());
    let answer = |number| {
        let mut connection = Connection::open(gateway.public);
        connection.send(
            format!("GET /{number} HTTP/{version}\r\nHost: a\r\nConnection: close\r\nUpgrade: websocket\r\n\r\n")
                .as_bytes(),
        );
        connection.rest()
    };
    (0..servers.len()).map(answer).collect()
}

#[test]
fn an_answer_is_whole_or_seen_to_be_cut() {
    const BEGUN: &[u8] = b"HTTP/1.0 200 OK\r\n\r\nhalf of it";
    const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhalf of it\r\n";
    let servers = [server(BEGUN, false), server(BEGUN, true), server(CHUNKED, false)];
    let answers = answers(&servers, "1.1");
    assert!(answers[0].ends_with("\r\nA\r\nhalf of it\r\n0\r\n\r\n"), "{}", answers[0]);
    for cut in &answers[1..] {
        assert!(cut.starts_with("HTTP/1.1 200 ") && cut.ends_with("\r\nA\r\nhalf of it\r\n"), "{cut}");
    }
}

/// pingora drops the length before anybody could refuse the answer, as RFC 9112 section 6.3 lets a recipient do.
#[test]
fn an_answer_reaches_the_client_in_one_framing() {
    let both = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    for version in ["1.1", "1.0"] {
        let answer = answers(&[server(both, false)], version).concat().to_lowercase();
        assert!(!answer.contains("content-length"), "{answer}");
        assert_eq!(answer.contains("transfer-encoding: chunked"), version == "1.1", "{answer}");
    }
}

#[test]
fn an_answer_that_cannot_be_understood_is_a_502() {
    let malformed = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok".as_slice(),
        b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"ICY 200 OK\r\n\r\nok",
    ];
    // RFC 9112 section 5.1: a proxy takes the blank before a colon away.
    let mended = b"HTTP/1.1 200 OK\r\nA : b\r\nContent-Length : 2\r\n\r\nok";
    let servers: Vec<SocketAddr> =
        malformed.into_iter().chain([&mended[..]]).map(|bytes| server(bytes, false)).collect();
    let mut answers = answers(&servers, "1.1");
    let passed = answers.pop().unwrap();
    assert!(passed.contains("\r\nA: b\r\nContent-Length: 2\r\n") && passed.ends_with("\r\n\r\nok"), "{passed}");
    for (answer, bytes) in answers.iter().zip(malformed) {
        assert!(answer.starts_with("HTTP/1.1 502 "), "{}: {answer}", bytes.escape_ascii());
    }
}
