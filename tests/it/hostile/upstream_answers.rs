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

/// All bytes that a client of this version gets.
fn answer(server: SocketAddr, version: &str) -> String {
    let rules = "[[upstreams.api.rules]]\naccess = \"public\"";
    let gateway = Gateway::start(&format!("[upstreams.api]\nservers = [\"{server}\"]\n{rules}"));
    let mut connection = Connection::open(gateway.public);
    connection.send(format!("GET /x HTTP/{version}\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes());
    connection.rest()
}

#[test]
fn an_answer_without_a_length_that_is_cut_is_seen_to_be_cut() {
    const BEGUN: &[u8] = b"HTTP/1.0 200 OK\r\n\r\nhalf of it";
    let whole = answer(server(BEGUN, false), "1.1");
    assert!(whole.ends_with("\r\nA\r\nhalf of it\r\n0\r\n\r\n"), "{whole}");
    let cut = answer(server(BEGUN, true), "1.1");
    assert!(cut.ends_with("\r\nA\r\nhalf of it\r\n"), "{cut}");
    let cut = answer(server(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhalf of it\r\n", false), "1.1");
    assert!(cut.ends_with("\r\nA\r\nhalf of it\r\n"), "{cut}");
}

#[test]
fn an_answer_reaches_the_client_in_one_framing() {
    let both = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    for version in ["1.1", "1.0"] {
        let answer = answer(server(both, false), version).to_lowercase();
        assert!(!answer.contains("content-length"), "{answer}");
        assert_eq!(answer.contains("transfer-encoding: chunked"), version == "1.1", "{answer}");
    }
}

/// RFC 9112 section 5.1: a proxy takes the blank away.
#[test]
fn a_blank_before_a_colon_does_not_reach_the_client() {
    let answer = answer(server(b"HTTP/1.1 200 OK\r\nA : b\r\nContent-Length : 2\r\n\r\nok", false), "1.1");
    assert!(answer.contains("\r\nA: b\r\nContent-Length: 2\r\n") && answer.ends_with("\r\n\r\nok"), "{answer}");
}

#[test]
fn an_answer_that_cannot_be_understood_is_a_502() {
    for bytes in [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok".as_slice(),
        b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"ICY 200 OK\r\n\r\nok",
    ] {
        let answer = answer(server(bytes, false), "1.1");
        assert!(answer.starts_with("HTTP/1.1 502 "), "{}: {answer}", bytes.escape_ascii());
    }
}
