//! The host: one, well-formed, and the same wherever it is named.

use super::{House, Row, passes, refused, seen_at};

fn request(target: &str, hosts: &str) -> String {
    format!("GET {target} HTTP/1.1\r\n{hosts}X-Request-Id: r\r\n\r\n")
}

#[test]
fn a_request_names_one_well_formed_host() {
    let mut rows: Vec<Row> = [
        "", ".", "..", "a..b", ".a", "a b", "a,b", "a, a", "a/b", "a/../b", "a?b", "a#b", "a\\b", "u@a", "u:p@a", "a@",
        "a:x", "a:-1", "a:+80", "a:65536", "a:80:80", ":80", ":", "::1", "[::1", "::1]", "[::1]x", "[::g]", "[a]",
        "[]", "a%2eb", "%61", "a;b", "a\"b", "(a)", "a*", "*", "http://a", "a\tb", "-\u{e4}",
    ]
    .map(|host| refused(400, host, request("/x", &format!("Host: {host}\r\n"))))
    .into();
    rows.push(refused(400, "blank", request("/x", "Host:   \r\n")));
    rows.push(refused(400, "none", request("/x", "")));
    rows.push(refused(400, "none in HTTP/1.0", "GET /x HTTP/1.0\r\n\r\n"));
    rows.push(refused(400, "none but in the target", request("http://a/x", "")));
    rows.push(refused(400, "two", request("/x", "Host: a\r\nHost: b\r\n")));
    rows.push(refused(400, "twice the same", request("/x", "Host: a\r\nhost: a\r\n")));
    rows.push(refused(400, "two and the target", request("http://a/x", "Host: a\r\nHost: b\r\n")));
    rows.push(refused(400, "empty and another", request("/x", "Host:\r\nHost: a\r\n")));
    rows.push(refused(400, "another than the target", request("http://b/x", "Host: a\r\n")));
    rows.push(refused(400, "another port than the target", request("http://a:81/x", "Host: a:80\r\n")));
    rows.push(refused(400, "a label too long", request("/x", &format!("Host: {}\r\n", "a".repeat(64)))));
    rows.push(refused(400, "a name too long", request("/x", &format!("Host: {}a\r\n", "a.".repeat(127)))));
    rows.push(refused(400, "no UTF-8", b"GET /x HTTP/1.1\r\nHost: \xff\r\n\r\n"));
    rows.push(refused(400, "no UTF-8, two bytes", b"GET /x HTTP/1.1\r\nHost: a\xc3\xa4\r\n\r\n"));
    for host in
        ["a:8080", "a:", "A.Example", "a.example.", "a.example.:80", "127.0.0.1", "[::1]", "[::1]:80", "a_b", "xn--a"]
    {
        rows.push(passes(host, request("/x", &format!("Host: {host}\r\n")), seen_at(host, "GET /x", "", "")));
    }
    House::open().holds(&rows);
}
