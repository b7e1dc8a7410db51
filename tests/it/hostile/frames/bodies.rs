//! Bodies and their lengths, frames where none may be, and frames that say nothing.

use super::{
    super::{House, seen},
    End, FLOW_CONTROL_ERROR, PROTOCOL_ERROR, end_of, get, get_head, passes, post, row, whole, with,
};
use crate::support::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, FrameConnection, GOAWAY, HEADERS, PADDED, PING, PRIORITIZED, PRIORITY,
    PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE, fields, frame,
};

pub(super) fn hold(house: &House) {
    a_body_is_as_long_as_was_said(house);
    a_body_that_is_not_as_long_as_was_said_never_arrives_whole(house);
    a_frame_stands_where_it_may(house);
    a_setting_or_a_window_is_within_its_bounds(house);
    what_says_nothing_changes_nothing(house);
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
    ]);
}

fn a_setting_or_a_window_is_within_its_bounds(house: &House) {
    let protocol = || End::GoAway(PROTOCOL_ERROR);
    let setting = |name: u8, value: u32| frame(SETTINGS, 0, 0, &[&[0, name][..], &value.to_be_bytes()].concat());
    house.holds_frames(&[
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
