//! HTTP/2 frame by frame, as no library sends them: what is malformed, what never ends, and floods.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    time::{sleep, timeout},
};

use super::{
    harness::{House, OK, Recorder, Reply, rest, upstream_settings},
    http2::{PATIENCE, SHORT, connect, get, open, settings},
};
use crate::edge::ServerSettings;

/// A frame as it is on the wire.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

/// A connection on which the preface and empty settings are sent.
pub(super) async fn raw(house: &House) -> TcpStream {
    let mut socket = house.connect().await;
    greet(&mut socket).await;
    socket
}

async fn greet(socket: &mut TcpStream) {
    socket.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    socket.write_all(&frame(4, 0, 0, b"")).await.unwrap();
}

/// `:method GET`, `:scheme http`, `:path /`, `:authority a` (RFC 7541).
const HEAD: &[u8] = &[0x82, 0x86, 0x84, 0x01, 0x01, b'a'];

/// A field that is not indexed (RFC 7541 section 6.2.2).
fn field(name: &str, value: &str) -> Vec<u8> {
    let length = |text: &str| u8::try_from(text.len()).unwrap();
    [&[0, length(name)], name.as_bytes(), &[length(value)], value.as_bytes()].concat()
}

/// The next frame: its kind, its flags and its payload; nothing at the connection's end.
async fn next(socket: &mut TcpStream) -> Option<(u8, u8, Vec<u8>)> {
    let mut head = [0; 9];
    timeout(PATIENCE, socket.read_exact(&mut head)).await.expect("a frame comes").ok()?;
    let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
    socket.read_exact(&mut payload).await.ok()?;
    Some((head[3], head[4], payload))
}

/// The first frame that ends something or begins an answer: its kind and its payload; nothing at the connection's end.
async fn verdict(socket: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    loop {
        let (kind, _, payload) = next(socket).await?;
        if matches!(kind, 1 | 3 | 7) {
            return Some((kind, payload));
        }
    }
}

#[tokio::test]
async fn a_malformed_head_goes_nowhere() {
    let upstream = Recorder::start(&[OK]).await;
    let house = open(&upstream).await;
    let (get, http, root, authority) = (&HEAD[..1], &HEAD[1..2], &HEAD[2..3], &HEAD[3..]);
    let path = |path: &str| [&[0x04, u8::try_from(path.len()).unwrap()], path.as_bytes()].concat();
    let bad = |name: &str, value: &str| [HEAD, &field(name, value)].concat();
    for (what, head) in [
        ("no path", [get, http, authority].concat()),
        ("two paths", [get, http, root, root, authority].concat()),
        ("no method", [http, root, authority].concat()),
        ("no host", [get, http, root].concat()),
        ("an empty host", [get, http, root, &[0x01, 0x00]].concat()),
        ("two hosts", [get, http, root, authority, authority].concat()),
        ("two hosts in two ways", bad("host", "b")),
        ("two host fields", [bad("host", "a"), field("host", "a")].concat()),
        ("a pseudo field behind another", [get, http, root, &field("x", "y"), authority].concat()),
        ("an unknown pseudo field", bad(":x", "y")),
        ("a protocol", bad(":protocol", "websocket")),
        (
            "an extended connect",
            [&field(":method", "CONNECT"), &field(":protocol", "websocket"), http, root, authority].concat(),
        ),
        ("a path without a root", [get, http, &path("own/x"), authority].concat()),
        ("an absolute path", [get, http, &path("http://b/x"), authority].concat()),
        ("a star", [get, http, &path("*"), authority].concat()),
        ("an empty path", [get, http, &path(""), authority].concat()),
        ("a line end in the path", [get, http, &path("/a\r\nb: c"), authority].concat()),
        ("a blank in the path", [get, http, &path("/a b"), authority].concat()),
        ("dots in the path", [get, http, &path("/a/../b"), authority].concat()),
        ("a name in capitals", bad("X-A", "b")),
        ("a name with a line end", bad("x\r\ny", "b")),
        ("a value with a line end", bad("x", "b\r\nc: d")),
        ("connection", bad("connection", "close")),
        ("keep-alive", bad("keep-alive", "1")),
        ("transfer-encoding", bad("transfer-encoding", "chunked")),
        ("upgrade", bad("upgrade", "websocket")),
        ("te", bad("te", "gzip")),
        ("a length without a body", bad("content-length", "5")),
        ("an odd length", bad("content-length", "+0")),
        ("two lengths", [bad("content-length", "0"), field("content-length", "1")].concat()),
    ] {
        let mut socket = raw(&house).await;
        socket.write_all(&frame(1, 5, 1, &head)).await.unwrap();
        if let Some((kind, payload)) = verdict(&mut socket).await {
            // 0x8c is `:status 400`.
            assert!(kind != 1 || payload[0] == 0x8c, "{what}: {payload:?}");
        }
    }
    assert!(upstream.seen().is_empty(), "{:?}", upstream.seen());
}

#[tokio::test]
async fn a_head_that_does_not_end_is_not_waited_for() {
    let upstream = Recorder::start(&[OK]).await;
    let short = ServerSettings { header_timeout: SHORT, ..settings() };
    let house = House::open(short, vec![upstream_settings("u", "/", upstream.port)]).await;
    for begun in [frame(1, 1, 1, HEAD), frame(1, 5, 1, HEAD)[..12].to_vec()] {
        let mut socket = raw(&house).await;
        socket.write_all(&begun).await.unwrap();
        rest(&mut socket).await;
    }
    let mut socket = house.connect().await;
    socket.write_all(b"PRI * HTTP/2.0\r\n").await.unwrap();
    assert_eq!(rest(&mut socket).await, "");
    house.counts("portcullis_connections 0").await;
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn floods_are_cut_off_and_honest_clients_do_not_notice() {
    let upstream = Recorder::start(&[OK]).await;
    let house = open(&upstream).await;
    let client = connect(&house).await;
    let requests_taken_back: Vec<u8> = (0..=127)
        .flat_map(|number: u8| [frame(1, 5, number | 1, HEAD), frame(3, 0, number | 1, &[0, 0, 0, 8])].concat())
        .collect();
    for (name, flood) in [
        ("settings", frame(4, 0, 0, b"")),
        ("pings", frame(6, 0, 0, b"12345678")),
        ("priorities", frame(2, 0, 1, &[0, 0, 0, 0, 1])),
        ("windows", frame(8, 0, 0, &[0, 0, 0, 1])),
        ("unknown", frame(99, 0, 0, b"")),
        ("requests that are taken back", requests_taken_back),
    ] {
        let mut socket = raw(&house).await;
        let flood = flood.repeat(10_000 / flood.len().div_ceil(9));
        // What is cut cannot be written to.
        let _cut = timeout(PATIENCE, socket.write_all(&flood)).await.expect(name);
        let mut scrap = vec![0; 65536];
        while timeout(PATIENCE, socket.read(&mut scrap)).await.expect(name).is_ok_and(|read| read > 0) {}
        assert_eq!(get(&client, "http://a/", &[]).await.status, 200);
    }
    // A head without an end.
    let mut socket = raw(&house).await;
    socket.write_all(&frame(1, 1, 1, HEAD)).await.unwrap();
    let _cut = timeout(PATIENCE, socket.write_all(&frame(9, 0, 1, b"").repeat(10_000))).await.unwrap();
    let _reset = timeout(PATIENCE, socket.read_to_end(&mut Vec::new())).await.unwrap();
    assert_eq!(get(&client, "http://a/", &[]).await.status, 200);
    drop(client);
    house.counts("portcullis_connections 0").await;
}

#[tokio::test]
async fn a_client_that_acknowledges_each_message_of_a_long_answer_and_asks_how_long_it_took_is_no_flood() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let house = House::open(settings(), vec![upstream_settings("u", "/", port)]).await;
    let mut socket = raw(&house).await;
    socket.write_all(&frame(1, 5, 1, HEAD)).await.unwrap();
    let (mut upstream, _) = listener.accept().await.unwrap();
    upstream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
    for message in 0..1000 {
        upstream.write_all(b"1\r\nx\r\n").await.unwrap();
        while next(&mut socket).await.unwrap_or_else(|| panic!("it is cut after {message} messages")).0 != 0 {}
        // As the gRPC of Go does.
        let (window, ping) = (frame(8, 0, 0, &[0, 0, 0, 1]), frame(6, 0, 0, b"12345678"));
        socket.write_all(&[window, ping].concat()).await.unwrap();
    }
}

#[tokio::test]
async fn the_last_answer_of_a_connection_is_whole_however_slowly_it_is_taken_unless_that_is_below_the_pace() {
    const LENGTH: usize = 60_000;
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n{}", "x".repeat(LENGTH));
    let upstream = Recorder::start(vec![Reply::Bytes(answer.leak())].leak()).await;
    for (min_body_rate, idle_timeout) in [(0, PATIENCE), (1_000_000, 5 * SHORT)] {
        let one = ServerSettings { max_requests_per_connection: 1, min_body_rate, idle_timeout, ..settings() };
        let house = House::open_narrow(one, vec![upstream_settings("u", "/", upstream.port)]).await;
        let narrow = TcpSocket::new_v4().unwrap();
        narrow.set_recv_buffer_size(4096).unwrap();
        let mut socket = narrow.connect(house.address).await.unwrap();
        greet(&mut socket).await;
        socket.write_all(&frame(1, 5, 1, HEAD)).await.unwrap();
        house.counts(r#"portcullis_requests_total{method="GET",status="200",upstream="u"} 1"#).await;
        let (mut taken, mut whole, mut scrap) = (0, false, [0; 2000]);
        while !whole && let Ok(read @ 1..) = timeout(PATIENCE, socket.read(&mut scrap)).await.expect("it ends") {
            sleep(SHORT / 4).await;
            taken += read;
            whole = taken > LENGTH;
        }
        assert_eq!(whole, min_body_rate == 0, "{taken}");
    }
}

#[tokio::test]
async fn a_stream_of_small_messages_that_its_server_is_slow_to_take_is_no_flood() {
    // It takes connections, and nothing of what comes.
    let deaf = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = deaf.local_addr().unwrap().port();
    let house = House::open(settings(), vec![upstream_settings("u", "/", port)]).await;
    for length in [8, 25, 100] {
        let mut socket = raw(&house).await;
        let messages = frame(0, 0, 1, &b"x".repeat(length)).repeat(65_535 / length);
        let ping = frame(6, 0, 0, b"12345678");
        socket.write_all(&[frame(1, 4, 1, HEAD), messages, ping].concat()).await.unwrap();
        while next(&mut socket).await.unwrap_or_else(|| panic!("cut, with messages of {length}")).0 != 6 {}
    }
}
