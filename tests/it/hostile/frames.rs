//! HTTP/2 by the frame: heads that are malformed or say two things, bodies that are not what was announced, frames where
//! none may be. What a server of HTTP/1.1 behind gets of each, or how the stream, or its connection, ends.

mod bodies;
mod heads;

use super::{House, PROBE, ordered, seen};
use crate::support::{
    Connection,
    frames::{DATA, END_HEADERS, END_STREAM, FrameConnection, HEADERS, Verdict, fields, frame},
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
    heads::hold(&house);
    bodies::hold(&house);
}
