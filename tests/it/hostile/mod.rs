//! Requests as an attacker writes them: what a server behind the gateway gets of each, byte for byte, or the refusal.
//!
//! Each subject is a table of rows: a name, the bytes that are sent, and what becomes of them. Nothing may reach the
//! server that no admitted request owns, and no identity of a client's own making.

mod connection;
mod credentials;
mod frames;
mod framing;
mod headers;
mod host;
mod identity;
mod paths;
mod request_line;
mod upstream_answers;

use crate::support::{Connection, Gateway, Recorder};

/// Sent with every row, so that the id is known.
const ID: &str = "X-Request-Id: r\r\n";
/// Names that arrive so; all others do in lower case.
const TITLED: [&str; 4] = ["Connection", "Content-Length", "Host", "Transfer-Encoding"];
/// A request behind each row whose connection stays: nothing of the row is left in front of it.
const PROBE: &str = "GET /probe HTTP/1.1\r\nHost: a\r\nX-Request-Id: r\r\n\r\n";

/// One request, or several in a row, and what becomes of it.
struct Row {
    name: String,
    send: Vec<u8>,
    /// The client closes its side behind it.
    ends: bool,
    /// The answers' statuses, in order.
    statuses: Vec<u16>,
    /// Whether the connection is closed behind them.
    closes: bool,
    /// What arrives, message by message.
    arrives: Vec<Vec<u8>>,
    /// The last message is cut off there, or in this of its body.
    cut: Option<&'static str>,
}

/// What is sent arrives so, and is answered with 200; the connection stays.
fn passes(name: &str, send: impl AsRef<[u8]>, arrives: impl AsRef<[u8]>) -> Row {
    let (name, send, arrives) = (name.to_owned(), send.as_ref().to_vec(), vec![arrives.as_ref().to_vec()]);
    Row { name, send, ends: false, statuses: vec![200], closes: false, arrives, cut: None }
}

/// It is refused with this status, nothing arrives, and the connection is closed.
fn refused(status: u16, name: &str, send: impl AsRef<[u8]>) -> Row {
    let (name, send) = (name.to_owned(), send.as_ref().to_vec());
    Row { name, send, ends: false, statuses: vec![status], closes: true, arrives: Vec::new(), cut: None }
}

/// It is refused with this status, nothing arrives, and the connection serves on.
fn kept(status: u16, name: &str, send: impl AsRef<[u8]>) -> Row {
    Row { closes: false, ..refused(status, name, send) }
}

impl Row {
    /// The connection is closed behind the answers.
    fn closes(self) -> Self {
        Self { closes: true, ..self }
    }

    /// The client closes its side behind what it sends.
    fn ends(self) -> Self {
        Self { ends: true, ..self }
    }

    /// These answers come.
    fn answered(self, statuses: &[u16]) -> Self {
        Self { statuses: statuses.to_vec(), ..self }
    }

    /// The last message is cut off somewhere in this of its body, the connection to the server with it.
    fn cut(self, body: &'static str) -> Self {
        Self { cut: Some(body), ..self }
    }

    /// This arrives too.
    fn and(mut self, arrives: impl AsRef<[u8]>) -> Self {
        self.arrives.push(arrives.as_ref().to_vec());
        self
    }
}

/// A request of a line without its version, headers and a body.
fn request(line: &str, headers: &str, body: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: a\r\n{ID}{headers}\r\n{body}")
}

fn get(target: &str, headers: &str) -> String {
    request(&format!("GET {target}"), headers, "")
}

fn post(headers: &str, body: &str) -> String {
    request("POST /x", headers, body)
}

/// What arrives of a request of this line with these headers beside those that every one has.
fn seen(line: &str, headers: &str, body: &str) -> String {
    seen_at("a", line, headers, body)
}

/// The same for another `Host`.
fn seen_at(host: &str, line: &str, headers: &str, body: &str) -> String {
    let lower = |header: &str| match header.split_once(':') {
        Some((name, value)) if !TITLED.contains(&name) => format!("{}:{value}", name.to_ascii_lowercase()),
        _ => header.to_owned(),
    };
    let headers: String = headers.split_inclusive("\r\n").map(lower).collect();
    fields_seen(host, line, &headers, body)
}

/// What arrives where the server wants the names as they were sent.
fn seen_in_case(line: &str, headers: &str) -> String {
    fields_seen("a", line, headers, "")
}

fn fields_seen(host: &str, line: &str, headers: &str, body: &str) -> String {
    format!(
        "{line} HTTP/1.1\r\nHost: {host}\r\nx-request-id: r\r\n{headers}x-forwarded-for: 127.0.0.1\r\nx-forwarded-proto: http\r\n\
         x-forwarded-host: {host}\r\n\r\n{body}"
    )
}

/// A message with its fields sorted by name: of two fields with different names neither comes first.
fn ordered(message: &[u8]) -> Vec<u8> {
    let end = message.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(message.len());
    let (head, body) = message.split_at(end);
    let head = String::from_utf8_lossy(head);
    let (line, fields) = head.split_once("\r\n").unwrap_or((&head, ""));
    let mut fields: Vec<&str> = fields.split("\r\n").collect();
    fields.sort_by_key(|field| field.split(':').next().unwrap_or_default().to_ascii_lowercase());
    [format!("{line}\r\n{}", fields.join("\r\n")).as_bytes(), body].concat()
}

/// The gateway in front of one recording server under several rules.
struct House {
    gateway: Gateway,
    recorder: Recorder,
}

impl House {
    fn open() -> Self {
        Self::with("")
    }

    /// The same with this line for `[server]`.
    fn with(server: &str) -> Self {
        let recorder = Recorder::start();
        let address = recorder.address;
        let limits = format!("max_target_bytes = \"1KiB\"\nmax_header_bytes = \"4KiB\"\nmax_body = \"1KiB\"\n{server}");
        let upstream = |name: &str, path: &str, access: &str, more: &str| {
            format!(
                "[upstreams.{name}]\nservers = [\"{address}\"]\npath = \"{path}\"\n{more}\n\
                 [[upstreams.{name}.rules]]\n{access}\n"
            )
        };
        let upstreams = [
            upstream("open", "/", "access = \"public\"", ""),
            upstream(
                "closed",
                "/closed",
                "access = \"token\"",
                "identity = { preset = \"none\", owner = \"X-Portcullis-Owner\" }",
            ),
            upstream("admin", "/admin", "scopes = [\"admin\"]", ""),
            upstream(
                "kong",
                "/kong",
                "access = \"public\"",
                "identity = { preset = \"kong\", client = \"X-Partner\" }",
            ),
            upstream("oauth2-proxy", "/o2p", "access = \"public\"", "identity = { preset = \"oauth2-proxy\" }"),
            upstream(
                "odd",
                "/odd",
                "access = \"public\"",
                "pass_override_headers = true\nforward_authorization = true\nkeep_header_case = true",
            ),
        ];
        Self { gateway: Gateway::with(&limits, &upstreams.concat()), recorder }
    }

    /// Sends each row on a connection of its own.
    #[track_caller]
    fn holds(&self, rows: &[Row]) {
        let wrong: Vec<String> = rows.iter().filter_map(|row| self.try_row(row).err()).collect();
        assert!(wrong.is_empty(), "{} of {} rows are wrong:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    }

    fn try_row(&self, row: &Row) -> Result<(), String> {
        let mut connection = Connection::open(self.gateway.public);
        connection.send(&row.send);
        if row.ends {
            connection.finish_sending();
        }
        let to_head = row.send.starts_with(b"HEAD ");
        let mut statuses = Vec::new();
        for _ in &row.statuses {
            statuses.extend(connection.answer(to_head).map(|answer| answer.status));
        }
        let mut expected = row.arrives.clone();
        let stays = if row.closes {
            !connection.is_closed()
        } else {
            connection.send(PROBE.as_bytes());
            expected.push(seen("GET /probe", "", "").into_bytes());
            connection.answer(false).is_some_and(|answer| answer.status == 200)
        };
        let mut arrived = self.recorder.take(expected.iter().map(Vec::len).sum(), row.cut.is_some());
        if let (Some(rest), Some(last)) = (row.cut, arrived.last_mut()) {
            // How much of a body goes on before it breaks is for time to tell.
            let head = expected.last().map_or(0, Vec::len).min(last.len());
            if rest.as_bytes().starts_with(&last[head..]) {
                last.truncate(head);
            }
        }
        for message in arrived.iter_mut().chain(&mut expected) {
            *message = ordered(message);
        }
        if (&statuses, stays, &arrived) == (&row.statuses, !row.closes, &expected) {
            return Ok(());
        }
        let shown = |all: &[Vec<u8>]| {
            all.iter().map(|one| format!("      {}", one.escape_ascii())).collect::<Vec<_>>().join("\n")
        };
        Err(format!(
            "{}: {}\n    answers {statuses:?}, stays {stays}; expected {:?}, {}\n    arrived\n{}\n    expected\n{}",
            row.name,
            row.send.escape_ascii(),
            row.statuses,
            !row.closes,
            shown(&arrived),
            shown(&expected)
        ))
    }
}
