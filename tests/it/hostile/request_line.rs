//! The first line: methods, versions, forms of the target, blanks and bytes that belong nowhere.

use super::{House, Row, get, kept, passes, refused, request, seen};

/// Targets that are no path of the host that is asked for, or none that everyone reads alike.
const OTHER_TARGETS: [&str; 42] = [
    "*",
    "x",
    "a",
    "a:80",
    "a/x",
    "\\x",
    "\\\\a\\x",
    "?x",
    "?x=/x",
    "#",
    "/x#",
    "/x#/admin",
    "/x?y#z",
    "ftp://a/x",
    "file:///x",
    "http:/x",
    "http:x",
    "http:///x",
    "http://",
    "http://b/x",
    "http://a:80/x",
    "http://a./x",
    "http://u@a/x",
    "http://a@b/x",
    "http://a#b/x",
    "http://a\\b/x",
    "https://b/x",
    "//",
    "//b/x",
    "///x",
    "javascript:/x",
    "/x\u{e4}",
    "/x?\u{e4}",
    "/\u{2025}/x",
    "http://a/../x",
    "http://a//x",
    ":///x",
    "%2Fx",
    "/x?\"",
    "/x?<",
    "/x?>",
    "http%3A//a/x",
];

/// A request of this whole first line.
fn line(line: &str) -> String {
    format!("{line}\r\nHost: a\r\nX-Request-Id: r\r\n\r\n")
}

#[test]
fn the_first_line_is_read_by_the_letter() {
    let house = House::open();
    a_method_is_one_that_is_known_or_a_405(&house);
    a_version_is_1_1_or_1_0(&house);
    blanks_and_control_characters_stand_where_they_belong(&house);
    a_target_is_a_path_or_names_the_host_that_is_asked_for(&house);
}

fn a_method_is_one_that_is_known_or_a_405(house: &House) {
    let mut rows: Vec<Row> = ["GET", "HEAD", "OPTIONS", "DELETE", "PUT", "PATCH"]
        .map(|method| passes(method, request(&format!("{method} /x"), "", ""), seen(&format!("{method} /x"), "", "")))
        .into();
    for method in ["get", "Get", "gET", "TRACE", "PRI", "PROPFIND", "FOO-BAR", "GETX", "M-SEARCH", "!#$%&'*+.^_`|~"] {
        rows.push(kept(405, method, request(&format!("{method} /x"), "", "")));
    }
    for method in ["G@T", "G(T", "GET:", "\"GET\"", "{GET}", "G\u{e4}T"] {
        rows.push(refused(400, method, request(&format!("{method} /x"), "", "")));
    }
    rows.push(refused(405, "CONNECT", line("CONNECT a:80 HTTP/1.1")));
    rows.push(refused(405, "CONNECT to a path", line("CONNECT /x HTTP/1.1")));
    house.holds(&rows);
}

fn a_version_is_1_1_or_1_0(house: &House) {
    let mut rows: Vec<Row> = [
        "HTTP/0.9",
        "HTTP/1.2",
        "HTTP/2.0",
        "HTTP/3.0",
        "HTTP/1",
        "HTTP/1.",
        "HTTP/1.10",
        "HTTP/1.1x",
        "HTTP/11",
        "http/1.1",
        "Http/1.1",
        "HTTPS/1.1",
        "HTTP\\1.1",
        "HTTP /1.1",
        "FTP/1.1",
        "x",
    ]
    .map(|version| refused(400, version, line(&format!("GET /x {version}"))))
    .into();
    rows.push(passes("HTTP/1.0", line("GET /x HTTP/1.0"), seen("GET /x", "", "")).closes());
    rows.push(refused(400, "no version", "GET /x\r\n\r\n"));
    rows.push(refused(400, "no target", "GET\r\n\r\n"));
    rows.push(refused(400, "HTTP/2 in clear", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"));
    rows.push(refused(400, "TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n"));
    house.holds(&rows);
}

fn blanks_and_control_characters_stand_where_they_belong(house: &House) {
    let mut rows: Vec<Row> = [
        "GET  /x HTTP/1.1",
        "GET /x  HTTP/1.1",
        " GET /x HTTP/1.1",
        "GET /x HTTP/1.1 ",
        "GET\t/x HTTP/1.1",
        "GET /x\tHTTP/1.1",
        "GET /x y HTTP/1.1",
        "GET /x\u{b} HTTP/1.1",
        "GET /x\u{c}HTTP/1.1",
        "GET /x\0 HTTP/1.1",
        "GET /x\0y HTTP/1.1",
        "GET\0 /x HTTP/1.1",
        "GET /x\ry HTTP/1.1",
        "GET /x HTTP/1.1\r",
        "GET /x\u{7f} HTTP/1.1",
        "GET /x\u{1} HTTP/1.1",
        "GET /x HTTP/1.1 GET /admin HTTP/1.1",
        "GET /x?a b HTTP/1.1",
        "GET /x?\0 HTTP/1.1",
    ]
    .map(|first| refused(400, first, line(first)))
    .into();
    for lead in ["\r\n", "\r\n\r\n", "\n"] {
        rows.push(passes("empty lines in front", lead.to_owned() + &get("/x", ""), seen("GET /x", "", "")));
    }
    rows.push(refused(400, "too many empty lines", "\r\n".repeat(5) + &get("/x", "")));
    rows.push(passes("bare LF", get("/x", "A: b\r\n").replace("\r\n", "\n"), seen("GET /x", "A: b\r\n", "")));
    rows.push(refused(400, "bare CR", get("/x", "").replace("\r\n", "\r") + "\n"));
    let mixed = "GET /x HTTP/1.1\nHost: a\r\nX-Request-Id: r\nA: b\r\n\n";
    rows.push(passes("both line ends", mixed, seen("GET /x", "A: b\r\n", "")));
    house.holds(&rows);
}

fn a_target_is_a_path_or_names_the_host_that_is_asked_for(house: &House) {
    let mut rows: Vec<Row> = OTHER_TARGETS.map(|target| refused(400, target, get(target, ""))).into();
    for (target, path) in [
        ("http://a/x", "/x"),
        ("HTTP://a/x?y", "/x?y"),
        ("https://a/x", "/x"),
        ("http://a", "/"),
        ("http://a?y", "/?y"),
        ("/x?", "/x?"),
        ("/x??a=/../b&%2e%2e\\'|^`{}[]%zz", "/x??a=/../b&%2e%2e\\'|^`{}[]%zz"),
        ("/x:80/y@z", "/x:80/y@z"),
    ] {
        rows.push(passes(target, get(target, ""), seen(&format!("GET {path}"), "", "")));
    }
    rows.push(refused(400, "OPTIONS *", request("OPTIONS *", "", "")));
    rows.push(refused(400, "no UTF-8", b"GET /x\xff HTTP/1.1\r\nHost: a\r\n\r\n"));
    rows.push(refused(400, "no UTF-8 in the query", b"GET /x?\xff HTTP/1.1\r\nHost: a\r\n\r\n"));
    let long = "x".repeat(1023);
    rows.push(passes("as long as may be", get(&format!("/{long}"), ""), seen(&format!("GET /{long}"), "", "")));
    rows.push(refused(414, "too long", get(&format!("/{long}x"), "")));
    rows.push(refused(414, "far too long", get(&format!("/{}", "x".repeat(100_000)), "")));
    rows.push(refused(414, "a method without end", request(&format!("{} /x", "G".repeat(5000)), "", "")));
    house.holds(&rows);
}
