//! What is for one connection only: `Connection` and what it names, the hop-by-hop fields, changes of protocol,
//! expectations.

use super::{House, PROBE, Row, get, kept, passes, post, refused, seen};

#[test]
fn what_is_for_one_connection_stays_there() {
    let house = House::open();
    what_connection_names_goes_no_further_and_takes_nothing_of_ours_away(&house);
    what_frames_the_body_cannot_be_named_away(&house);
    what_connection_names_is_refused_in_its_turn_and_what_came_before_is_answered(&house);
    a_protocol_is_changed_by_the_server_and_not_by_hope(&house);
    an_expectation_is_100_continue(&house);
}

fn what_connection_names_goes_no_further_and_takes_nothing_of_ours_away(house: &House) {
    let gone = |sent: &str| passes(sent, get("/x", sent), seen("GET /x", "", ""));
    let mut rows: Vec<Row> = [
        "Connection: A\r\nA: b\r\n",
        "Connection: a\r\nA: b\r\nA: c\r\n",
        "Connection: keep-alive, A\r\nA: b\r\n",
        "Connection: A\r\nConnection: B\r\nA: b\r\nB: c\r\n",
        "Connection: ,A,,\r\nA: b\r\n",
        "Connection: X-Portcullis-Owner\r\nX-Portcullis-Owner: evil\r\n",
        "Connection: X-Request-Id\r\n",
        "Connection: X-Not-There\r\n",
        "Connection: \r\n",
        "Connection: Connection\r\n",
        "Keep-Alive: timeout=5\r\n",
        "TE: trailers\r\n",
        "TE: trailers, gzip\r\nConnection: TE\r\n",
        "Trailer: X\r\n",
        "Proxy-Connection: keep-alive\r\n",
        "Proxy-Authenticate: Basic\r\n",
        "HTTP2-Settings: AAMAAABkAAQAAP__\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n",
        "Upgrade: TLS/1.0\r\nConnection: Upgrade\r\n",
        "Upgrade: websocket\r\n",
        "Upgrade: websocket\r\nConnection: keep-alive\r\n",
        "Upgrade: websocket, h2c\r\nConnection: Upgrade\r\n",
        "Upgrade: websocket\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n",
    ]
    .map(gone)
    .into();
    for named in [
        "Host",
        "host",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "x-forwarded-proto",
        "\"A\"",
        "A B",
        "A;q=1",
        "(A)",
        "\u{e4}",
    ] {
        rows.push(refused(400, named, get("/x", &format!("Connection: {named}\r\n"))));
    }
    rows.push(refused(400, "Host beside others", get("/x", "Connection: keep-alive, A, Host\r\nA: b\r\n")));
    rows.push(refused(400, "Host in a second field", get("/x", "Connection: A\r\nConnection: Host\r\n")));
    for count in [10, 11, 50] {
        let names = (0..count).map(|n| format!("A{n}")).collect::<Vec<_>>().join(", ");
        rows.push(refused(400, "many names", get("/x", &format!("Connection: {names}\r\n"))));
    }
    for close in [
        "Connection: close\r\n",
        "Connection: CLOSE\r\n",
        "Connection: close, A\r\nA: b\r\n",
        "Connection: A, close\r\nA: b\r\n",
    ] {
        rows.push(gone(close).closes());
    }
    house.holds(&rows);
}

fn what_frames_the_body_cannot_be_named_away(house: &House) {
    let chunked = |named: &str| {
        let sent = post(&format!("Connection: {named}\r\nContent-Length: 3\r\n"), "abc");
        passes(named, sent, seen("POST /x", "Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n"))
    };
    let coded = post("Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n");
    house.holds(&[
        chunked("Content-Length"),
        chunked("content-length, A"),
        passes("Transfer-Encoding", coded, seen("POST /x", "Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n")),
    ]);
}

fn what_connection_names_is_refused_in_its_turn_and_what_came_before_is_answered(house: &House) {
    let bad = get("/y", "Connection: Host\r\n");
    let first = seen("GET /x", "", "");
    let forwarded = get("/y", "Connection: X-Forwarded-For\r\n");
    house.holds(&[
        passes("second", get("/x", "") + &bad + PROBE, &first).answered(&[200, 400]).closes(),
        passes("second, of another name", get("/x", "") + &forwarded + PROBE, &first).answered(&[200, 400]).closes(),
        passes("third", get("/x", "") + PROBE + &bad, &first)
            .and(seen("GET /probe", "", ""))
            .answered(&[200, 200, 400])
            .closes(),
        refused(400, "first", bad + PROBE),
    ]);
}

fn a_protocol_is_changed_by_the_server_and_not_by_hope(house: &House) {
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    let normal = "upgrade: websocket\r\nConnection: Upgrade\r\n";
    let smuggled = get("/admin", "");
    house.holds(&[
        passes("refused by the server", get("/x", upgrade), seen("GET /x", normal, "")),
        // What came early is the next request, under the rules.
        passes("bytes before time", get("/x", upgrade) + &smuggled, seen("GET /x", normal, "")).answered(&[200, 401]),
        passes("no request before time", get("/x", upgrade) + "\x01\x02\r\n", seen("GET /x", normal, ""))
            .answered(&[200, 400])
            .closes(),
        kept(401, "to a closed path", get("/closed/x", upgrade)),
    ]);
}

fn an_expectation_is_100_continue(house: &House) {
    let mut rows: Vec<Row> = ["x", "", "100-continue, x", "100-continue;q=1", "\"100-continue\"", "100", "200-ok"]
        .map(|expected| kept(417, expected, get("/x", &format!("Expect: {expected}\r\n"))))
        .into();
    rows.push(kept(417, "two", get("/x", "Expect: 100-continue\r\nExpect: x\r\n")));
    for expected in ["100-continue", "100-CONTINUE"] {
        let fields = format!("Expect: {expected}\r\nContent-Length: 3\r\n");
        rows.push(passes(expected, post(&fields, "abc"), seen("POST /x", &fields, "abc")));
    }
    house.holds(&rows);
}
