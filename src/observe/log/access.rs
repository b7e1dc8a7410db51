//! The access log: a line for each request, at the public door and at the private listener.
//!
//! As JSON it goes straight into the log's queue, without an allocation. On its way through `tracing` each line would
//! take nine of them, and pass filters and layers, to become the same.

use std::{cell::RefCell, fmt, net::SocketAddr, sync::Arc, time::Duration};

use serde::Serialize;

use super::queue::Queue;
use crate::model::{ClientId, OrganizationId};

/// The target of access-log lines.
pub(super) const ACCESS: &str = "access";

thread_local! {
    /// Where this thread makes its lines.
    static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What the log tells of a request. What is not known is left out.
///
/// None of it is the caller's own words but the request's id, and [`crate::model::RequestId`] holds no secret; the
/// queue masks what it finds all the same.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct AccessLine<'a> {
    /// The request's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<&'a str>,
    /// The upstream's name, [`crate::observe::OWN`] for our own endpoints.
    pub upstream: &'a str,
    /// Where the request came in, if not at the public door.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listener: Option<&'static str>,
    /// The path of the rule that applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<&'a str>,
    /// What was decided: `allow`, `deny`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<&'static str>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// The client whose token came with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientId>,
    /// The organisation that owns the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<OrganizationId>,
    /// The method, as metrics name it.
    pub method: &'a str,
    /// The status of the answer.
    pub status: u16,
    /// Why the request was cut, if neither side is to blame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut: Option<&'static str>,
    /// Bytes of the request's body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_in: Option<usize>,
    /// Bytes of the answer's body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_out: Option<usize>,
    /// From the request's arrival to its end, in [`milliseconds`].
    pub duration_ms: f64,
    /// From when the request went to the upstream until its answer began, in [`milliseconds`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_ms: Option<f64>,
    /// The address at the other end of the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<SocketAddr>,
}

/// As `tracing` writes a flattened event.
#[derive(Serialize)]
struct Event<'a> {
    timestamp: fmt::Arguments<'a>,
    level: &'static str,
    #[serde(flatten)]
    line: &'a AccessLine<'a>,
    target: &'static str,
}

/// Where the lines of requests go. A clone is a pointer.
///
/// The default one writes words for people, by `tracing`.
#[derive(Debug, Clone, Default)]
pub struct AccessLog {
    /// For JSON.
    queue: Option<Arc<Queue>>,
}

impl AccessLog {
    pub(super) const fn json(queue: Arc<Queue>) -> Self {
        Self { queue: Some(queue) }
    }

    /// Writes a line.
    pub fn write(&self, line: &AccessLine<'_>) {
        let Some(queue) = &self.queue else { return trace(line) };
        LINE.with_borrow_mut(|bytes| {
            bytes.clear();
            let now = jiff::Timestamp::now();
            let event = Event { timestamp: format_args!("{now:.6}"), level: "INFO", line, target: ACCESS };
            // There is nothing in it that could fail.
            if serde_json::to_writer(&mut *bytes, &event).is_ok() {
                bytes.push(b'\n');
                queue.append(bytes);
            }
        });
    }
}

fn trace(line: &AccessLine<'_>) {
    tracing::info!(
        target: ACCESS,
        request_id = line.request_id,
        upstream = line.upstream,
        listener = line.listener,
        rule = line.rule,
        decision = line.decision,
        reason = line.reason,
        client = line.client.map(|client| client.to_string()),
        owner = line.owner.map(|owner| owner.to_string()),
        method = line.method,
        status = line.status,
        cut = line.cut,
        bytes_in = line.bytes_in,
        bytes_out = line.bytes_out,
        duration_ms = line.duration_ms,
        upstream_ms = line.upstream_ms,
        peer = line.peer.map(|peer| peer.to_string()),
    );
}

/// In milliseconds, rounded to microseconds.
#[must_use]
pub fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::{super::tests::lines_of, *};
    use crate::observe::{LogFormat, LogSettings};
    use tracing::Level;

    const SETTINGS: LogSettings = LogSettings { format: LogFormat::Json, level: Level::ERROR, access: true };

    /// The line without its time, by the log's own way to JSON or by that of `tracing`.
    fn written(line: &AccessLine<'_>, by_tracing: bool) -> String {
        let text = lines_of(SETTINGS, |log| {
            let log = if by_tracing { AccessLog::default() } else { log.unwrap() };
            log.write(line);
        });
        let (start, rest) = text.split_at(r#"{"timestamp":""#.len());
        let (time, rest) = rest.split_at("2026-01-02T03:04:05.678901Z".len());
        let moment: jiff::Timestamp = time.parse().unwrap();
        assert_eq!(format!("{moment:.6}"), time);
        assert!((jiff::Timestamp::now().as_second() - moment.as_second()).abs() < 60, "{time}");
        format!("{start}…{rest}")
    }

    #[test]
    fn a_line_is_what_tracing_would_write_with_all_that_is_known() {
        let line = AccessLine {
            request_id: Some("r1"),
            upstream: "orders",
            listener: None,
            rule: Some(r#"/orders/"x"\{id}/é"#),
            decision: Some("allow"),
            reason: Some("token"),
            client: Some(ClientId::from_bytes([1; 8])),
            owner: Some(OrganizationId::from_bytes([2; 8])),
            method: "GET",
            status: 200,
            cut: Some("token_ended"),
            bytes_in: Some(0),
            bytes_out: Some(1024),
            duration_ms: milliseconds(Duration::from_nanos(1_234_567)),
            upstream_ms: Some(milliseconds(Duration::from_millis(1))),
            peer: Some("[2001:db8::1]:443".parse().unwrap()),
        };
        let expected = concat!(
            r#"{"timestamp":"…","level":"INFO","request_id":"r1","upstream":"orders","rule":"/orders/\"x\"\\{id}/é","#,
            r#""decision":"allow","reason":"token","client":"cl_aeaqcaibaeaqc","owner":"org_aibaeaqcaibae","#,
            r#""method":"GET","status":200,"cut":"token_ended","bytes_in":0,"bytes_out":1024,"duration_ms":1.235,"#,
            r#""upstream_ms":1.0,"peer":"[2001:db8::1]:443","target":"access"}"#,
            "\n"
        );
        assert_eq!(written(&line, false), expected);
        assert_eq!(written(&line, true), expected);
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let line = AccessLine { upstream: "none", method: "other", status: 400, ..AccessLine::default() };
        let expected = concat!(
            r#"{"timestamp":"…","level":"INFO","upstream":"none","method":"other","status":400,"duration_ms":0.0,"#,
            r#""target":"access"}"#,
            "\n"
        );
        assert_eq!(written(&line, false), expected);
        assert_eq!(written(&line, true), expected);
        let private = AccessLine { listener: Some("private"), ..line };
        assert!(written(&private, false).contains(r#""upstream":"none","listener":"private","method""#));
    }

    #[test]
    fn a_secret_is_masked_even_here() {
        let line = AccessLine { request_id: Some("prt_at_abcDEF"), upstream: "none", ..AccessLine::default() };
        assert!(written(&line, false).contains(r#""request_id":"prt_***","upstream""#));
    }
}
