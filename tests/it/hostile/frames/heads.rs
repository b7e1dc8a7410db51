//! Heads: pseudo fields, targets, hosts, fields, sizes, methods.

use super::{
    super::{House, seen, seen_at},
    End, FRAME_SIZE_ERROR, PROTOCOL_ERROR, Row, get, get_head, head, passes, row, whole, with,
};
use crate::support::frames::{CONTINUATION, END_HEADERS, END_STREAM, HEADERS, field, frame};

pub(super) fn hold(house: &House) {
    a_head_has_its_pseudo_fields_once_and_first(house);
    a_target_is_a_path(house);
    a_request_names_one_host(house);
    fields_are_what_they_seem(house);
    what_is_for_a_connection_of_http_1_1_or_breaks_a_line_is_malformed(house);
    what_is_too_large_is_refused(house);
    a_method_is_one_that_is_known(house);
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
        rows.push(passes(host, named(host, &[]), seen_at(host, "GET /x", "", "")));
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
    house.holds_frames(&rows);
}

fn what_is_for_a_connection_of_http_1_1_or_breaks_a_line_is_malformed(house: &House) {
    let mut rows = Vec::new();
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
