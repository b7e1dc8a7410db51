//! Where a body ends: said once, in one way, and understood by everyone alike.

use super::{House, PROBE, Row, get, kept, passes, post, refused, request, seen};

const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

/// A body in chunks, sent so, that is answered with 200 and arrives as `abc` in one chunk.
fn chunks(name: &str, body: &str) -> Row {
    passes(name, post(CHUNKED, body), seen("POST /x", CHUNKED, "3\r\nabc\r\n0\r\n\r\n"))
}

/// A body that breaks: its head may have gone on by then, nothing else.
fn broken(name: &str, body: &str) -> Row {
    refused(400, name, post(CHUNKED, body) + PROBE).and(seen("POST /x", CHUNKED, "")).cut("3\r\nabc\r\n")
}

#[test]
fn a_request_ends_where_it_says_or_nowhere() {
    let house = House::open();
    a_length_is_one_plain_number(&house);
    a_coding_is_chunked_and_stands_alone(&house);
    chunks_are_read_by_the_letter(&house);
    a_body_that_does_not_come_whole_does_not_arrive_whole(&house);
    requests_in_a_row_are_answered_in_order_each_under_its_own_rule(&house);
}

fn a_length_is_one_plain_number(house: &House) {
    let mut rows: Vec<Row> = [
        "",
        "+3",
        "-3",
        "-0",
        "3 ,",
        "3,3",
        "3, 3",
        "3 3",
        "3;",
        "03",
        "003",
        "00",
        "0x3",
        "3.0",
        "3e0",
        "three",
        "\u{b2}",
        "3\t3",
        "\"3\"",
        "18446744073709551616",
        "99999999999999999999999",
        "1_0",
        "3h",
    ]
    .map(|length| refused(400, length, post(&format!("Content-Length: {length}\r\n"), "abc") + PROBE))
    .into();
    for (name, lengths) in [
        ("twice", "Content-Length: 3\r\nContent-Length: 3\r\n"),
        ("two", "Content-Length: 3\r\nContent-Length: 30\r\n"),
        ("two, one of them none", "Content-Length: 3\r\nContent-Length:\r\n"),
        ("in two cases", "Content-Length: 3\r\ncontent-length: 3\r\n"),
    ] {
        rows.push(refused(400, name, post(lengths, "abc") + PROBE));
    }
    let length = "Content-Length: 3\r\n";
    rows.push(passes("3", post(length, "abc"), seen("POST /x", length, "abc")));
    rows.push(passes("blanks", post("Content-Length:  3 \r\n", "abc"), seen("POST /x", length, "abc")));
    rows.push(passes("0", post("Content-Length: 0\r\n", ""), seen("POST /x", "Content-Length: 0\r\n", "")));
    rows.push(passes("in GET", request("GET /x", length, "abc"), seen("GET /x", length, "abc")));
    rows.push(passes("in DELETE", request("DELETE /x", length, "abc"), seen("DELETE /x", length, "abc")));
    rows.push(refused(413, "too large", post("Content-Length: 1025\r\n", "")));
    rows.push(refused(413, "as large as can be", post("Content-Length: 18446744073709551615\r\n", "")));
    house.holds(&rows);
}

fn a_coding_is_chunked_and_stands_alone(house: &House) {
    let end = "0\r\n\r\n";
    let mut rows: Vec<Row> = [
        "",
        "identity",
        "gzip",
        "gzip, chunked",
        "chunked, gzip",
        "chunked, identity",
        "identity, chunked",
        "chunked, chunked",
        "chunked,",
        ",chunked",
        "xchunked",
        "chunkedx",
        "chunked;q=1",
        "\"chunked\"",
        "chunked\tx",
        "chunke",
        "chunKed, x",
        "\u{b}chunked",
        "chunked chunked",
        "\u{212a}chunked",
        "chun\u{212a}ed",
    ]
    .map(|coding| refused(400, coding, post(&format!("Transfer-Encoding: {coding}\r\n"), end) + PROBE))
    .into();
    for (name, fields) in [
        ("twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        ("with identity", "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n"),
        ("with an empty one", "Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n"),
        ("with a length", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
        ("before a length", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
        ("with a length of nothing", "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"),
        ("with a bad length", "Transfer-Encoding: chunked\r\nContent-Length: x\r\n"),
        ("with a length in capitals", "TRANSFER-ENCODING: CHUNKED\r\nCONTENT-LENGTH: 5\r\n"),
        ("unknown with a length", "Transfer-Encoding: x\r\nContent-Length: 5\r\n"),
    ] {
        rows.push(refused(400, name, post(fields, end) + PROBE));
    }
    for (coding, host) in [("chunked", "Host: a\r\n"), ("identity", "Host: a\r\nConnection: keep-alive\r\n")] {
        let old = format!("POST /x HTTP/1.0\r\n{host}Transfer-Encoding: {coding}\r\n\r\n{end}");
        rows.push(refused(400, "in HTTP/1.0", old));
    }
    rows.push(refused(
        400,
        "in HTTP/1.0, with a length",
        "POST /x HTTP/1.0\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ));
    for coding in ["Chunked", "CHUNKED", "  chunked  "] {
        let sent = post(&format!("Transfer-Encoding: {coding}\r\n"), "3\r\nabc\r\n0\r\n\r\n");
        rows.push(passes(coding, sent, seen("POST /x", CHUNKED, "3\r\nabc\r\n0\r\n\r\n")));
    }
    house.holds(&rows);
}

fn chunks_are_read_by_the_letter(house: &House) {
    let end = "\r\n0\r\n\r\n";
    house.holds(&[
        chunks("plain", "3\r\nabc\r\n0\r\n\r\n"),
        chunks("leading zeros", "0003\r\nabc\r\n000\r\n\r\n"),
        chunks("blanks behind the size", "3 \t\r\nabc\r\n0 \r\n\r\n"),
        chunks("an extension", "3;x=y\r\nabc\r\n0;z\r\n\r\n"),
        chunks("a quoted extension", "3;x=\"a;b\"\r\nabc\r\n0\r\n\r\n"),
        chunks("trailers", "3\r\nabc\r\n0\r\nA: b\r\nContent-Length: 5\r\n\r\n"),
        broken("+", "+3\r\nabc\r\n0\r\n\r\n"),
        broken("-", &format!("-3\r\nabc{end}")),
        broken("0x", &format!("0x3\r\nabc{end}")),
        broken("a blank in front", &format!(" 3\r\nabc{end}")),
        broken("a blank within", &format!("0 3\r\nabc{end}")),
        broken("no digit", "\r\n\r\n"),
        broken("no digit but an extension", ";x\r\n\r\n"),
        broken("no digit but a blank", " \r\n\r\n"),
        broken("no hexadecimal digit", &format!("g\r\nabc{end}")),
        broken("17 digits", &format!("00000000000000003\r\nabc{end}")),
        broken("beyond 64 bits", &format!("10000000000000003\r\nabc{end}")),
        broken("all of 64 bits and more", &format!("fffffffffffffffff\r\nabc{end}")),
        broken("negative by overflow", "ffffffffffffffff\r\nabc"),
        broken("a dot", &format!("3.0\r\nabc{end}")),
        broken("a comma", &format!("3,3\r\nabc{end}")),
        broken("bare LF behind the size", &format!("3\nabc{end}")),
        broken("bare LF in an extension", &format!("3;x\nabc{end}")),
        broken("bare LF in an extension, twice", "2;\n\r\nxx\r\n47\r\n0\r\n\r\nGET /admin HTTP/1.1\r\nHost: a\r\n\r\n"),
        broken("bare CR behind the size", &format!("3\rabc{end}")),
        broken("bare CR in an extension", &format!("3;x\ry\r\nabc{end}")),
        broken("NUL in an extension", &format!("3;\0\r\nabc{end}")),
        broken("bare LF in the last size", "3\r\nabc\r\n0\n\n"),
        broken("bare LF behind the data", "3\r\nabc\n0\r\n\r\n"),
        broken("CR behind the data", "3\r\nabc\r0\r\n\r\n"),
        broken("nothing behind the data", "3\r\nabc0\r\n\r\n"),
        broken("more data than said", &format!("3\r\nabcd{end}")),
        broken("less data than said", "4\r\nabc\r\n0\r\n\r\n"),
        broken("bare LF in a trailer", "3\r\nabc\r\n0\r\nA: b\n\r\n\r\n"),
        broken("bare CR in a trailer", "3\r\nabc\r\n0\r\nA: b\rc\r\n\r\n"),
        broken("bare LF at the end", "3\r\nabc\r\n0\r\n\n"),
    ]);
}

fn a_body_that_does_not_come_whole_does_not_arrive_whole(house: &House) {
    let length = "Content-Length: 5\r\n";
    let ended = |name: &str, sent: &str| refused(0, name, sent).answered(&[]).ends();
    let cut = |name: &str, headers: &str, body: &str, goes_on: &'static str| {
        ended(name, &post(headers, body)).and(seen("POST /x", headers, "")).cut(goes_on)
    };
    let three = seen("POST /x", "Content-Length: 3\r\n", "abc");
    let chunk = seen("POST /x", CHUNKED, "3\r\nabc\r\n0\r\n\r\n");
    house.holds(&[
        cut("shorter than its length", length, "abc", "abc"),
        cut("no byte of its length", length, "", ""),
        cut("no last chunk", CHUNKED, "3\r\nabc\r\n", "3\r\nabc\r\n"),
        cut("half a chunk", CHUNKED, "5\r\nabc", "3\r\nabc\r\n"),
        cut("half a last chunk", CHUNKED, "3\r\nabc\r\n0\r\n", "3\r\nabc\r\n"),
        passes("longer than its length", post("Content-Length: 3\r\n", "abcX\r\n"), three)
            .answered(&[200, 400])
            .closes(),
        passes("something behind it", post(CHUNKED, "3\r\nabc\r\n0\r\n\r\nX\r\n"), chunk)
            .answered(&[200, 400])
            .closes(),
        ended("half a head", "GET /x HTTP/1.1\r\nHost: a\r\n"),
        ended("half a line", "GET /x HT"),
        ended("nothing", ""),
    ]);
}

fn requests_in_a_row_are_answered_in_order_each_under_its_own_rule(house: &House) {
    let smuggled = get("/admin", "");
    let hidden = format!("Content-Length: {}\r\n", smuggled.len());
    let chunk = format!("{:x}\r\n{smuggled}\r\n0\r\n\r\n", smuggled.len());
    let (x, probe) = (seen("GET /x", "", ""), seen("GET /probe", "", ""));
    let bad = post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n");
    let three = post("Content-Length: 3\r\n", "abc");
    let arrives_three = seen("POST /x", "Content-Length: 3\r\n", "abc");
    house.holds(&[
        passes("a request in a body", post(&hidden, &smuggled), seen("POST /x", &hidden, &smuggled)),
        passes("a request in a chunk", post(CHUNKED, &chunk), seen("POST /x", CHUNKED, &chunk)),
        passes(
            "a request in the body of a GET",
            request("GET /x", &hidden, &smuggled),
            seen("GET /x", &hidden, &smuggled),
        ),
        kept(
            401,
            "a request in a body that is refused",
            request("POST /admin", &hidden, &get("/x", "Aaaaa: b\r\n")[..smuggled.len()]),
        ),
        passes("a second one that may not pass", get("/x", "") + &smuggled, &x).answered(&[200, 401]),
        passes("three", get("/x", "") + &three + PROBE, &x).and(&arrives_three).and(&probe).answered(&[200, 200, 200]),
        passes("a refused one between", get("/x", "") + &smuggled + PROBE, &x).and(&probe).answered(&[200, 401, 200]),
        passes("an ambiguous one behind", get("/x", "") + &bad + PROBE, &x).answered(&[200, 400]).closes(),
        passes("an unreadable one behind", three.clone() + "GET /x y HTTP/1.1\r\n\r\n" + PROBE, &arrives_three)
            .answered(&[200, 400])
            .closes(),
        passes("a broken chunk behind", get("/x", "") + &post(CHUNKED, "\r\n\r\n") + PROBE, &x)
            .and(seen("POST /x", CHUNKED, ""))
            .cut("")
            .answered(&[200, 400])
            .closes(),
        passes("a method behind", get("/x", "") + &request("TRACE /x", "", "") + PROBE, &x)
            .and(&probe)
            .answered(&[200, 405, 200]),
        passes("behind close", get("/x", "Connection: close\r\n") + PROBE, &x).closes(),
        passes("behind HTTP/1.0", get("/x", "").replace("HTTP/1.1", "HTTP/1.0") + PROBE, &x).closes(),
        passes("a HEAD in front", request("HEAD /x", "", ""), seen("HEAD /x", "", "")),
        refused(400, "an ambiguous one in front", bad + PROBE),
    ]);
}
