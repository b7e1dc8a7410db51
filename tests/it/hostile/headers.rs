//! Header fields: their form, their number, and those that servers behind take for more than a field.

use super::{House, PROBE, Row, get, passes, refused, seen, seen_in_case};

#[test]
fn fields_are_what_they_seem_and_within_bounds() {
    let house = House::open();
    a_field_is_a_name_a_colon_and_a_value_on_one_line(&house);
    fields_are_limited_in_number_and_size(&house);
    what_could_be_taken_for_another_name_target_or_method_does_not_arrive(&house);
    whatever_ends_a_line_or_a_head_ends_it_for_the_rules_too(&house);
}

fn a_field_is_a_name_a_colon_and_a_value_on_one_line(house: &House) {
    let mut rows: Vec<Row> = [
        "A: b\r\n c\r\n",
        "A: b\r\n\tc\r\n",
        "A: b\n c\n",
        "A:\r\n b\r\n",
        " A: b\r\n",
        "\tA: b\r\n",
        "A : b\r\n",
        "A\t: b\r\n",
        "A b: c\r\n",
        "A\r\n",
        ": b\r\n",
        " : b\r\n",
        "A: b\0c\r\n",
        "A\0: b\r\n",
        "A: b\rc\r\n",
        "A: b\r\r\n",
        "A\r: b\r\n",
        "(A): b\r\n",
        "A/: b\r\n",
        "A@: b\r\n",
        "A[]: b\r\n",
        "\"A\": b\r\n",
        "A,B: c\r\n",
        "A;B: c\r\n",
        "A=: b\r\n",
        "A{}: b\r\n",
        "\u{e4}: b\r\n",
        "A: b\u{1}\r\n",
        "A: b\u{7f}\r\n",
        "A: b\u{b}c\r\n",
        "A: b\u{c}c\r\n",
        "A: \u{8}b\r\n",
        "Host : b\r\n",
        "Content-Length : 5\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding\t: chunked\r\n",
        "Content-Length\0: 5\r\n",
        "Transfer-Encoding:\r\n chunked\r\n",
        "Content-Length:\r\n 5\r\n",
    ]
    .map(|field| refused(400, field, get("/x", field)))
    .into();
    rows.push(refused(400, "folded first", "GET /x HTTP/1.1\r\n Host: a\r\n\r\n"));
    for (sent, arrives) in [
        ("A: b\r\nA: c\r\n", "A: b\r\nA: c\r\n"),
        ("A:   b  \r\n", "A: b\r\n"),
        ("A:b\r\n", "A: b\r\n"),
        ("A:\r\n", "A: \r\n"),
        ("A: b: c\r\n", "A: b: c\r\n"),
        ("A: b\tc\r\n", "A: b\tc\r\n"),
        ("!#$%&'*+-.^`|~1: b\r\n", "!#$%&'*+-.^`|~1: b\r\n"),
        ("A: \u{e4}\r\n", "A: \u{e4}\r\n"),
        ("A: \u{80}\r\n", "A: \u{80}\r\n"),
    ] {
        rows.push(passes(sent, get("/x", sent), seen("GET /x", arrives, "")));
    }
    house.holds(&rows);
}

fn fields_are_limited_in_number_and_size(house: &House) {
    // Two stand in every request.
    let many = |count: usize| (2..count).map(|n| format!("A{n}: b\r\n")).collect::<Vec<_>>().concat();
    let wide = |length: usize| format!("A: {}\r\n", "b".repeat(length));
    house.holds(&[
        passes("100 fields", get("/x", &many(100)), seen("GET /x", &many(100), "")),
        refused(431, "101 fields", get("/x", &many(101))),
        refused(431, "300 fields", get("/x", &many(300))),
        passes("4000 bytes", get("/x", &wide(4000)), seen("GET /x", &wide(4000), "")),
        refused(431, "4200 bytes", get("/x", &wide(4200))),
        refused(431, "a name without end", get("/x", &format!("{}: b\r\n", "A".repeat(100_000)))),
        refused(431, "without end", format!("GET /x HTTP/1.1\r\nHost: a\r\n{}", "A: b\r\n".repeat(100_000))),
    ]);
}

fn what_could_be_taken_for_another_name_target_or_method_does_not_arrive(house: &House) {
    let gone = [
        "A_B: c",
        "_: c",
        "A_: b",
        "Content_Length: 5",
        "Transfer_Encoding: chunked",
        "Host_: b",
        "X_Forwarded_For: 1.2.3.4",
        "X-Original-URL: /admin",
        "X-Original-Uri: /admin",
        "x-rewrite-url: /admin",
        "X-HTTP-Method: DELETE",
        "X-HTTP-Method-Override: DELETE",
        "X-Method-Override: DELETE",
        "X-Forwarded-Uri: /admin",
        "X-Forwarded-Path: /admin",
        "X-Forwarded-Prefix: /admin",
        "X-Forwarded-Method: DELETE",
        "X-Original.Url: /admin",
        "XOriginalURL: /admin",
        "Forwarded: for=1.2.3.4",
        "X-Forwarded-Port: 1",
        "X-Forwarded-Server: b",
        "X-Forwarded-Ssl: on",
        "Proxy-Authorization: b",
    ];
    let mut rows: Vec<Row> =
        gone.map(|field| passes(field, get("/x", &format!("{field}\r\n")), seen("GET /x", "", ""))).into();
    for replaced in
        ["X-Forwarded-For: 1.2.3.4", "X-Forwarded-Proto: https", "X-Forwarded-Host: b", "x.forwarded.for: 1.2.3.4"]
    {
        let field = format!("{replaced}\r\n{replaced}\r\n");
        rows.push(passes(replaced, get("/x", &field), seen("GET /x", "", "")));
    }
    let kept = "X-Original-URL: /y\r\nX-HTTP-Method-Override: PUT\r\n";
    rows.push(passes("where they are wanted", get("/odd", kept), seen_in_case("GET /odd", kept)));
    for ours in ["X-PORTCULLIS-OWNER: a", "X-FORWARDED-FOR: a", "X-FORWARDED-PROTO: http", "hOsT: a"] {
        let field = if ours.starts_with("hOsT") { String::new() } else { format!("{ours}\r\n") };
        let send = get("/odd", &field).replace("Host: a", if field.is_empty() { ours } else { "Host: a" });
        rows.push(passes("the client spells none of ours", send, seen_in_case("GET /odd", "")));
    }
    rows.push(passes("Via", get("/x", "Via: 1.1 b\r\n"), seen("GET /x", "Via: 1.1 b\r\n", "")));
    house.holds(&rows);
}

fn whatever_ends_a_line_or_a_head_ends_it_for_the_rules_too(house: &House) {
    let second = get("/admin", "").replace("\r\n", "\n");
    house.holds(&[
        passes(
            "a name behind a bare LF",
            get("/x", "A: b\nX-Portcullis-Owner: evil\nC: d\r\n"),
            seen("GET /x", "A: b\r\nC: d\r\n", ""),
        ),
        refused(400, "a length behind a bare LF", get("/x", "Transfer-Encoding: chunked\nContent-Length: 5\r\n")),
        passes(
            "a head that ends in bare LFs",
            format!("GET /x HTTP/1.1\nHost: a\nX-Request-Id: r\n\n{second}{PROBE}"),
            seen("GET /x", "", ""),
        )
        .answered(&[200, 401, 200])
        .and(seen("GET /probe", "", "")),
        refused(400, "half a line end", "GET /x HTTP/1.1\r\nHost: a\r\n\rGET /admin HTTP/1.1\r\n\r\n"),
    ]);
}
