//! HTTP/2 by the frame: heads that are malformed or say two things, bodies that are not what was announced, frames where
//! none may be. What a server of HTTP/1.1 behind gets of each, or how the stream, or its connection, ends.

use super::{House, PROBE, ordered, seen};
use crate::support::{
    Connection,
    frames::{
        CONTINUATION, DATA, END_HEADERS, END_STREAM, FrameConnection, GOAWAY, HEADERS, PADDED, PING, PRIORITIZED,
        PRIORITY, PUSH_PROMISE, RST_STREAM, SETTINGS, Verdict, WINDOW_UPDATE, field, fields, frame,
    },
};

const PROTOCOL_ERROR: u32 = 1;
const FLOW_CONTROL_ERROR: u32 = 3;
const FRAME_SIZE_ERROR: u32 = 6;

/// What becomes of the first stream.
#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
    /// It is answered with 200.
    Passes,
    /// It is refused with this status, in our words.
    Refused(u16),
    /// It is refused with this status alone.
    Bare(u16),
    /// It alone ends, for this reason.
    Reset(u32),
    /// The connection ends, for this reason.
    GoAway(u32),
}

struct Row {
    name: String,
    send: Vec<u8>,
    end: End,
    arrives: Vec<String>,
}

fn row(name: &str, send: Vec<u8>, end: End) -> Row {
    Row { name: name.to_owned(), send, end, arrives: Vec::new() }
}

/// What is sent arrives so.
fn passes(name: &str, send: Vec<u8>, arrives: String) -> Row {
    Row { arrives: vec![arrives], ..row(name, send, End::Passes) }
}

const ID: (&str, &str) = ("x-request-id", "r");

fn get_head(path: &str) -> Vec<u8> {
    fields(&[(":method", "GET"), (":scheme", "http"), (":path", path), (":authority", "a"), ID])
}

/// A head without a body.
fn whole(head: &[u8]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, 1, head)
}

fn get(path: &str) -> Vec<u8> {
    whole(&get_head(path))
}

/// GET `/x` with these fields beside.
fn with(more: &[(&str, &str)]) -> Vec<u8> {
    whole(&[get_head("/x"), fields(more)].concat())
}

/// POST `/x` with these fields, and these pieces of a body, of which the last is the end.
fn post(more: &[(&str, &str)], pieces: &[&str]) -> Vec<u8> {
    let pseudo = fields(&[(":method", "POST"), (":scheme", "http"), (":path", "/x"), (":authority", "a"), ID]);
    let mut bytes = frame(HEADERS, END_HEADERS, 1, &[pseudo, fields(more)].concat());
    for (number, piece) in pieces.iter().enumerate() {
        let last = if number + 1 == pieces.len() { END_STREAM } else { 0 };
        bytes.extend(frame(DATA, last, 1, piece.as_bytes()));
    }
    bytes
}

/// A head of these fields alone.
fn head(of: &[(&str, &str)]) -> Vec<u8> {
    whole(&[fields(of), fields(&[ID])].concat())
}

impl House {
    #[track_caller]
    fn holds_frames(&self, rows: &[Row]) {
        let mut honest = Connection::open(self.gateway.public);
        let wrong: Vec<String> = rows.iter().filter_map(|row| self.try_frames(row, &mut honest).err()).collect();
        assert!(wrong.is_empty(), "{} of {} rows are wrong:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    }

    fn try_frames(&self, row: &Row, honest: &mut Connection) -> Result<(), String> {
        let mut connection = FrameConnection::open(self.gateway.public);
        connection.send(&row.send);
        let end = end_of(connection.verdict(1));
        let mut expected = row.arrives.clone();
        let mut probes = Vec::new();
        if !matches!(row.end, End::GoAway(_)) {
            connection.send(&frame(HEADERS, END_HEADERS | END_STREAM, 101, &get_head("/probe")));
            probes.push(end_of(connection.verdict(101)));
            expected.push(seen("GET /probe", "", ""));
        }
        honest.send(PROBE.as_bytes());
        let goes_on = honest.answer(false).is_some_and(|answer| answer.status == 200);
        expected.push(seen("GET /probe", "", ""));
        let mut arrived: Vec<String> = self
            .recorder
            .take(expected.iter().map(String::len).sum(), false)
            .iter()
            .map(|message| ordered(message).escape_ascii().to_string().to_lowercase())
            .collect();
        let mut expected: Vec<String> = expected
            .iter()
            .map(|message| ordered(message.as_bytes()).escape_ascii().to_string().to_lowercase())
            .collect();
        arrived.sort();
        expected.sort();
        if end == row.end && probes.iter().all(|end| *end == End::Passes) && goes_on && arrived == expected {
            return Ok(());
        }
        let (name, should) = (&row.name, &row.end);
        Err(format!(
            "{name}: {end:?}, probes {probes:?}, others {goes_on}; expected {should:?}\n    arrived\n      {}\n    expected\n      {}",
            arrived.join("\n      "),
            expected.join("\n      ")
        ))
    }
}

fn end_of(verdict: Verdict) -> End {
    match verdict {
        Verdict::Answer(200, _) => End::Passes,
        Verdict::Answer(status, body) => match serde_json::from_slice::<serde_json::Value>(&body) {
            Ok(body) if body["errors"][0]["httpcode"] == status && body["request_id"].is_string() => {
                End::Refused(status)
            }
            _ => End::Bare(status),
        },
        Verdict::Reset(reason) => End::Reset(reason),
        Verdict::GoAway(reason) => End::GoAway(reason),
        Verdict::Closed => End::GoAway(0),
    }
}

#[test]
fn a_frame_says_one_thing_or_nothing_arrives() {
    let house = House::with("h2c = true");
    a_head_has_its_pseudo_fields_once_and_first(&house);
    a_target_is_a_path(&house);
    a_request_names_one_host(&house);
    fields_are_what_they_seem(&house);
    what_is_too_large_is_refused(&house);
    a_method_is_one_that_is_known(&house);
    a_body_is_as_long_as_was_said(&house);
    a_body_that_is_not_as_long_as_was_said_never_arrives_whole(&house);
    a_frame_stands_where_it_may(&house);
    what_says_nothing_changes_nothing(&house);
}

const METHOD: (&str, &str) = (":method", "GET");
const SCHEME: (&str, &str) = (":scheme", "http");
const PATH: (&str, &str) = (":path", "/x");
const AUTHORITY: (&str, &str) = (":authority", "a");

fn a_head_has_its_pseudo_fields_once_and_first(house: &House) {
    let (reset, goaway) = (End::Reset(PROTOCOL_ERROR), End::GoAway(PROTOCOL_ERROR));
    let rows = [
        passes("plain", get("/x"), seen("GET /x", "", "")),
        passes("in another order", head(&[AUTHORITY, PATH, SCHEME, METHOD]), seen("GET /x", "", "")),
        row("no method", head(&[SCHEME, PATH, AUTHORITY]), reset.clone()),
        row("no scheme", head(&[METHOD, PATH, AUTHORITY]), reset.clone()),
        row("no path", head(&[METHOD, SCHEME, AUTHORITY]), reset.clone()),
        row("two methods", head(&[METHOD, METHOD, SCHEME, PATH, AUTHORITY]), reset.clone()),
        row("two schemes", head(&[METHOD, SCHEME, SCHEME, PATH, AUTHORITY]), reset.clone()),
        row("two paths", head(&[METHOD, SCHEME, PATH, (":path", "/admin"), AUTHORITY]), reset.clone()),
        row("two authorities", head(&[METHOD, SCHEME, PATH, AUTHORITY, AUTHORITY]), reset.clone()),
        row("behind a field", head(&[METHOD, SCHEME, PATH, ("b", "c"), AUTHORITY]), reset.clone()),
        row("a path behind a field", head(&[METHOD, SCHEME, AUTHORITY, ("b", "c"), PATH]), reset.clone()),
        row("unknown", with(&[(":b", "c")]), goaway.clone()),
        row("unknown among the others", head(&[METHOD, SCHEME, PATH, (":b", "c"), AUTHORITY]), goaway.clone()),
        row("status", head(&[METHOD, SCHEME, PATH, AUTHORITY, (":status", "200")]), reset.clone()),
        row("protocol", head(&[METHOD, SCHEME, PATH, AUTHORITY, (":protocol", "websocket")]), reset.clone()),
        row("in capitals", head(&[(":Method", "GET"), SCHEME, PATH, AUTHORITY]), goaway),
        row("an odd scheme", head(&[METHOD, (":scheme", "h ttp"), PATH, AUTHORITY]), reset.clone()),
        row("nothing", whole(b""), reset),
    ];
    house.holds_frames(&rows);
}

fn a_target_is_a_path(house: &House) {
    let mut rows = Vec::new();
    for path in ["/x?y=%zz&z", "/x?"] {
        rows.push(passes(path, get(path), seen(&format!("GET {path}"), "", "")));
    }
    // The parser leaves a fragment out, as clients do: what is judged is what arrives.
    rows.push(passes("/x#y", get("/x#y"), seen("GET /x", "", "")));
    rows.push(passes("#", get("#"), seen("GET /", "", "")));
    rows.push(row("/admin#/../x", get("/admin#/../x"), End::Refused(401)));
    for path in [
        "*",
        "/../admin",
        "/x/../admin",
        "/x/%2e%2e/admin",
        "//admin",
        "/x\\..\\admin",
        "/x/.",
        "/x;y",
        "/%2fadmin",
        "/x%00",
        "/x%",
        "/x%zz",
        "/x%252e",
        "/\u{e4}",
        "/x?\u{e4}",
        "?x=/own",
        "/x%0d%0aA:b",
    ] {
        rows.push(row(path, get(path), End::Refused(400)));
    }
    for path in [
        "",
        "own/x",
        "http://a/x",
        "http://b/x",
        "https:/a",
        "a",
        "a:80",
        "\\x",
        "/a b",
        "/a\tb",
        "/a\r\nb: c",
        "/a\nb",
        "/a\0b",
        "/x?a b",
    ] {
        rows.push(row(path, get(path), End::Reset(PROTOCOL_ERROR)));
    }
    house.holds_frames(&rows);
}

fn a_request_names_one_host(house: &House) {
    let named = |authority: &str, hosts: &[&str]| {
        let mut of = vec![METHOD, SCHEME, PATH, (":authority", authority)];
        of.extend(hosts.iter().map(|host| ("host", *host)));
        head(&of)
    };
    let mut rows = vec![
        passes("twice the same", named("a", &["a"]), seen("GET /x", "", "")),
        passes("as a field", head(&[METHOD, SCHEME, PATH, ("host", "a")]), seen("GET /x", "", "")),
    ];
    for host in ["a:8080", "A.Example", "a.example.", "[::1]:80"] {
        rows.push(passes(host, named(host, &[]), super::seen_at(host, "GET /x", "", "")));
    }
    rows.push(row("none", head(&[METHOD, SCHEME, PATH]), End::Bare(400)));
    for (authority, hosts) in [
        ("a", &["b"][..]),
        ("a", &["A"]),
        ("a", &["a", "a"]),
        ("a", &["a", "b"]),
        ("a", &[""]),
        ("a", &["a:80"]),
        ("u@a", &[]),
        ("u:p@a", &[]),
        ("a", &["u@a"]),
    ] {
        rows.push(row(&format!("{authority} and {hosts:?}"), named(authority, hosts), End::Bare(400)));
    }
    for authority in [".", "a..b", "a:x", "a:65536", ":80", "a,b", "a;b", "*"] {
        rows.push(row(authority, named(authority, &[]), End::Refused(400)));
    }
    for authority in ["", "a b", "a/b", "a?b", "a#b", "a\\b", "http://a", "::1", "[::1", "\u{e4}"] {
        rows.push(row(authority, named(authority, &[]), End::Reset(PROTOCOL_ERROR)));
    }
    house.holds_frames(&rows);
    // What is refused before any phase of ours leaves its record all the same.
    let refused = r#"portcullis_requests_total{method="other",status="400",upstream="none"}"#;
    assert!(house.gateway.metric(refused) >= 10.0);
}

fn fields_are_what_they_seem(house: &House) {
    let mut rows = Vec::new();
    for gone in [
        ("te", "trailers"),
        ("x_a", "b"),
        ("x_portcullis_owner", "evil"),
        ("x-portcullis-owner", "evil"),
        ("x.portcullis.owner", "evil"),
        ("x-consumer-id", "evil"),
        ("x-forwarded-user", "evil"),
        ("x-forwarded-for", "1.2.3.4"),
        ("forwarded", "for=1.2.3.4"),
        ("x-original-url", "/admin"),
        ("x-http-method-override", "DELETE"),
        ("proxy-authorization", "Basic x"),
        ("authorization", "Bearer prt_at_x"),
        ("x-copy", "prt_at_x"),
        ("trailer", "x"),
        ("http2-settings", "AAMAAABkAAQAAP__"),
    ] {
        rows.push(passes(gone.0, with(&[gone, gone]), seen("GET /x", "", "")));
    }
    rows.push(passes(
        "several cookies",
        with(&[("cookie", "a=1"), ("b", "c"), ("cookie", "d=2; e=3"), ("cookie", "f=4")]),
        seen("GET /x", "b: c\r\ncookie: a=1; d=2; e=3; f=4\r\n", ""),
    ));
    rows.push(passes("above ASCII", with(&[("b", "\u{e4}")]), seen("GET /x", "b: \u{e4}\r\n", "")));
    rows.push(passes("an empty value", with(&[("b", "")]), seen("GET /x", "b: \r\n", "")));
    for (name, value) in [
        ("connection", "close"),
        ("connection", "x-portcullis-owner"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("transfer-encoding", "chunked"),
        ("transfer-encoding", "identity"),
        ("upgrade", "websocket"),
        ("upgrade", "h2c"),
        ("te", "gzip"),
        ("te", "trailers, gzip"),
        ("te", ""),
    ] {
        rows.push(row(&format!("{name}: {value}"), with(&[(name, value)]), End::Reset(PROTOCOL_ERROR)));
    }
    for (name, value) in [
        ("X-A", "b"),
        ("x-A", "b"),
        ("b", "c\r\nx-portcullis-owner: evil"),
        ("b", "c\nd: e"),
        ("b", "c\rd"),
        ("b", "c\0d"),
        ("b", "c\u{7f}"),
        ("b", "c\u{1}"),
        ("b\r\nc", "d"),
        ("b\0", "c"),
        ("b c", "d"),
        ("b:", "c"),
        ("", "b"),
        ("\u{e4}", "b"),
    ] {
        let name_of = format!("{}: {}", name.escape_debug(), value.escape_debug());
        rows.push(row(&name_of, with(&[(name, value)]), End::GoAway(PROTOCOL_ERROR)));
    }
    house.holds_frames(&rows);
}

fn what_is_too_large_is_refused(house: &House) {
    let long = |length: usize| format!("/{}", "x".repeat(length));
    let names: Vec<String> = (0..200).map(|number| format!("b{number}")).collect();
    let many = |count: usize| names[..count].iter().map(|name| (name.as_str(), "c")).collect::<Vec<_>>();
    let wide = |length: usize| "c".repeat(length);
    // In frames of 16 KiB, the largest there may be.
    let huge = [get_head("/x"), field("b", wide(100_000))].concat();
    let mut pieces = huge.chunks(16_384).enumerate().map(|(number, piece)| match number {
        0 => frame(HEADERS, END_STREAM, 1, piece),
        _ => frame(CONTINUATION, if piece.len() < 16_384 { END_HEADERS } else { 0 }, 1, piece),
    });
    let huge = pieces.by_ref().flatten().collect();
    house.holds_frames(&[
        passes("a target of 1 KiB", get(&long(1023)), seen(&format!("GET {}", long(1023)), "", "")),
        row("a target of more", get(&long(1024)), End::Refused(414)),
        row("a target of 10 kB", get(&long(10_000)), End::Refused(414)),
        row("101 fields", with(&many(101)), End::Refused(431)),
        passes("4000 bytes", with(&[("b", &wide(4000))]), seen("GET /x", &format!("b: {}\r\n", wide(4000)), "")),
        row("4200 bytes", with(&[("b", &wide(4200))]), End::Refused(431)),
        row("100 kB", huge, End::Bare(431)),
        row(
            "a frame of more than 16 KiB",
            frame(HEADERS, END_HEADERS | END_STREAM, 1, &[get_head("/x"), field("b", wide(20_000))].concat()),
            End::GoAway(FRAME_SIZE_ERROR),
        ),
        row("an expectation", with(&[("expect", "miracles")]), End::Refused(417)),
    ]);
}

fn a_method_is_one_that_is_known(house: &House) {
    let method = |method: &str| head(&[(":method", method), SCHEME, PATH, AUTHORITY]);
    let connect = (":method", "CONNECT");
    let mut rows: Vec<Row> = ["TRACE", "get", "Get", "FOO", "PRI", "GETX", "CONNECTX"]
        .map(|name| row(name, method(name), End::Refused(405)))
        .into();
    rows.push(row("connect", head(&[connect, (":authority", "a:80")]), End::Refused(405)));
    rows.push(row("connect with a path", head(&[connect, SCHEME, PATH, AUTHORITY]), End::Reset(PROTOCOL_ERROR)));
    let extended = [connect, (":protocol", "websocket"), SCHEME, PATH, AUTHORITY];
    rows.push(row("extended connect", head(&extended), End::Reset(PROTOCOL_ERROR)));
    for name in ["", "G ET", "GET ", "GET\r\n", "G\0T"] {
        rows.push(row(name, method(name), End::GoAway(PROTOCOL_ERROR)));
    }
    house.holds_frames(&rows);
}

fn a_body_is_as_long_as_was_said(house: &House) {
    let length = |value: &'static str| ("content-length", value);
    let owner = fields(&[("x-portcullis-owner", "evil")]);
    let with_trailer = |trailer: &[u8]| {
        let (head, data) = (post(&[], &[]), frame(DATA, 0, 1, b"abc"));
        [head, data, frame(HEADERS, END_HEADERS | END_STREAM, 1, trailer)].concat()
    };
    let chunked = |body: &str| seen("POST /x", "transfer-encoding: chunked\r\n", body);
    let sized = |size: &str, body: &str| seen("POST /x", &format!("content-length: {size}\r\n"), body);
    let reset = End::Reset(PROTOCOL_ERROR);
    house.holds_frames(&[
        passes("a length", post(&[length("5")], &["abc", "de"]), sized("5", "abcde")),
        passes("a length of nothing", post(&[length("0")], &[""]), sized("0", "")),
        passes("an end of its own", post(&[length("5")], &["abcde", ""]), sized("5", "abcde")),
        passes("trailers are left out", with_trailer(&owner), chunked("3\r\nabc\r\n0\r\n\r\n")),
        passes(
            "pseudo fields among them too",
            with_trailer(&fields(&[(":path", "/admin")])),
            chunked("3\r\nabc\r\n0\r\n\r\n"),
        ),
        row("a length with a sign", post(&[length("+5")], &["abcde"]), reset.clone()),
        row("a negative length", post(&[length("-5")], &["abcde"]), reset.clone()),
        row("no number", post(&[length("x")], &["abcde"]), reset.clone()),
        row("an empty length", post(&[length("")], &["abcde"]), reset.clone()),
        row("a long length", post(&[length("99999999999999999999")], &["abcde"]), reset.clone()),
        row("two lengths", post(&[length("5"), length("6")], &["abcde"]), reset.clone()),
        row("leading zeros", post(&[length("05")], &["abcde"]), End::Refused(400)),
        row("twice the same", post(&[length("5"), length("5")], &["abcde"]), End::Refused(400)),
        row("a list of lengths", post(&[length("5, 5")], &["abcde"]), reset.clone()),
        row("too large", post(&[length("2000")], &[""]), reset.clone()),
        row("a length without a body", with(&[length("5")]), reset),
    ]);
}

fn a_body_that_is_not_as_long_as_was_said_never_arrives_whole(house: &House) {
    for (name, pieces) in [("more", &["abc", "def"][..]), ("less", &["abc", "d"]), ("less, and an end", &["abc", ""])] {
        let mut connection = FrameConnection::open(house.gateway.public);
        connection.send(&post(&[("content-length", "5")], pieces));
        assert_eq!(end_of(connection.verdict(1)), End::Reset(PROTOCOL_ERROR), "{name}");
        connection.send(&frame(HEADERS, END_HEADERS | END_STREAM, 101, &get_head("/probe")));
        assert_eq!(end_of(connection.verdict(101)), End::Passes, "{name}");
        // The head may have gone before, and some of the body; the connection to the server is closed then.
        for message in house.recorder.take(seen("GET /probe", "", "").len(), false) {
            let message = String::from_utf8(message).unwrap();
            assert!(
                message.starts_with("GET /probe ") || !message.ends_with("def") && !message.ends_with("abcde"),
                "{name}: {message}"
            );
        }
    }
}

fn a_frame_stands_where_it_may(house: &House) {
    let protocol = || End::GoAway(PROTOCOL_ERROR);
    let begun = |more: &[u8]| [&frame(HEADERS, END_STREAM, 1, &get_head("/x")), more].concat();
    let setting = |name: u8, value: u32| frame(SETTINGS, 0, 0, &[&[0, name][..], &value.to_be_bytes()].concat());
    house.holds_frames(&[
        row("DATA on stream 0", frame(DATA, 0, 0, b"a"), protocol()),
        row("DATA on an idle stream", frame(DATA, 0, 1, b"a"), protocol()),
        row("HEADERS on stream 0", frame(HEADERS, 5, 0, &get_head("/x")), protocol()),
        row("HEADERS on an even stream", frame(HEADERS, 5, 2, &get_head("/x")), protocol()),
        row(
            "a stream number that is past",
            [frame(HEADERS, 5, 5, &get_head("/x")), frame(HEADERS, 5, 3, &get_head("/x"))].concat(),
            protocol(),
        ),
        row(
            "PUSH_PROMISE",
            frame(PUSH_PROMISE, END_HEADERS, 1, &[&[0, 0, 0, 2][..], &get_head("/x")].concat()),
            protocol(),
        ),
        row("CONTINUATION alone", frame(CONTINUATION, END_HEADERS, 1, &get_head("/x")), protocol()),
        row("another frame within a head", begun(&frame(PING, 0, 0, b"12345678")), protocol()),
        row("another head within a head", begun(&frame(HEADERS, 5, 3, &get_head("/x"))), protocol()),
        row("CONTINUATION of another stream", begun(&frame(CONTINUATION, END_HEADERS, 3, b"")), protocol()),
        row("an unknown frame within a head", begun(&frame(99, 0, 1, b"")), protocol()),
        row("RST_STREAM on stream 0", frame(RST_STREAM, 0, 0, &[0, 0, 0, 8]), protocol()),
        row("RST_STREAM on an idle stream", frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]), protocol()),
        row("RST_STREAM of three bytes", frame(RST_STREAM, 0, 1, &[0, 0, 8]), protocol()),
        row("SETTINGS on a stream", frame(SETTINGS, 0, 1, b""), protocol()),
        row("SETTINGS of five bytes", frame(SETTINGS, 0, 0, b"12345"), protocol()),
        row("an acknowledgement with settings", frame(SETTINGS, 1, 0, &[0, 4, 0, 0, 0, 1]), protocol()),
        row(
            "an acknowledgement of nothing",
            [frame(SETTINGS, 1, 0, b""), frame(SETTINGS, 1, 0, b"")].concat(),
            protocol(),
        ),
        row("a push that is neither", setting(2, 2), protocol()),
        row("a window that is too large", setting(4, 1 << 31), protocol()),
        row("a frame size that is too small", setting(5, 16_383), protocol()),
        row("a frame size that is too large", setting(5, 1 << 24), protocol()),
        row("PING on a stream", frame(PING, 0, 1, b"12345678"), protocol()),
        row("PING of seven bytes", frame(PING, 0, 0, b"1234567"), protocol()),
        row("GOAWAY on a stream", frame(GOAWAY, 0, 1, &[0; 8]), protocol()),
        row("GOAWAY of seven bytes", frame(GOAWAY, 0, 0, &[0; 7]), protocol()),
        row("WINDOW_UPDATE of 0", frame(WINDOW_UPDATE, 0, 0, &[0; 4]), protocol()),
        row(
            "WINDOW_UPDATE of 0 on a stream",
            [frame(HEADERS, END_HEADERS, 1, &get_head("/x")), frame(WINDOW_UPDATE, 0, 1, &[0; 4])].concat(),
            protocol(),
        ),
        row(
            "WINDOW_UPDATE beyond all bounds",
            frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]),
            End::GoAway(FLOW_CONTROL_ERROR),
        ),
        row("WINDOW_UPDATE of three bytes", frame(WINDOW_UPDATE, 0, 0, &[0; 3]), protocol()),
        row("PRIORITY of four bytes", frame(PRIORITY, 0, 1, &[0; 4]), protocol()),
        row(
            "more padding than frame",
            frame(HEADERS, END_HEADERS | END_STREAM | PADDED, 1, &[&[255][..], &get_head("/x")].concat()),
            protocol(),
        ),
        row("a head that cannot be decoded", whole(&[0xff, 0xff, 0xff, 0xff, 0xff]), protocol()),
        row("an index beyond the table", whole(&[0xfe]), protocol()),
    ]);
}

fn what_says_nothing_changes_nothing(house: &House) {
    let split = get_head("/x");
    let (one, two) = split.split_at(10);
    let arrives = || seen("GET /x", "", "");
    let before = |first: Vec<u8>| [first, get("/x")].concat();
    house.holds_frames(&[
        passes(
            "a head in two",
            [frame(HEADERS, END_STREAM, 1, one), frame(CONTINUATION, END_HEADERS, 1, two)].concat(),
            arrives(),
        ),
        passes(
            "a padded head",
            frame(HEADERS, END_HEADERS | END_STREAM | PADDED, 1, &[&[3][..], &split, b"xyz"].concat()),
            arrives(),
        ),
        passes(
            "a head with a priority",
            frame(HEADERS, END_HEADERS | END_STREAM | PRIORITIZED, 1, &[&[0, 0, 0, 0, 16][..], &split].concat()),
            arrives(),
        ),
        passes("PRIORITY", before(frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 16])), arrives()),
        passes("PING", before(frame(PING, 0, 0, b"12345678")), arrives()),
        passes("an unknown frame", before(frame(99, 255, 1, b"anything")), arrives()),
        passes("an unknown setting", before(frame(SETTINGS, 0, 0, &[99, 99, 1, 2, 3, 4])), arrives()),
        passes("WINDOW_UPDATE", before(frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])), arrives()),
    ]);
}
