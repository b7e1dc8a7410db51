//! Writes our own answers to a session, refusals and what the router gave, and passes on those of upstreams. What
//! becomes of the rest of a body that nobody wants, and of the connection, is decided here.

use std::{fmt::Write as _, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, Version, header};
use pingora::{Error, ErrorType, Result, http::ResponseHeader, protocols::http::ServerSession};

use super::headers::{REQUEST_ID, REQUEST_ID_NAME};
use crate::{
    model::{RequestId, Room},
    web::{Refusal, room_fields},
};

/// What is read of a body that nobody wants, so that the connection can serve the next request.
const DRAIN_BYTES: usize = 256 * 1024;
/// How long that is tried.
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// Headers that belong to one connection and are pingora's to set.
const HOP_BY_HOP: [HeaderName; 4] = [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE, KEEP_ALIVE];
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Answers with a refusal. A 400, 408, 414 or 431 closes a connection of HTTP/1.1: where the next request would begin
/// is not certain then. So does a 413: that body is not waited for. A stream of HTTP/2 ends with each, and some clients
/// lose the answer if that happens while they still send.
pub(super) async fn refuse(session: &mut ServerSession, refusal: &Refusal, id: Option<&RequestId>) -> Result<()> {
    if matches!(refusal.status.as_u16(), 400 | 408 | 413 | 414 | 431) {
        session.set_keepalive(None);
    }
    if session.get_keepalive().is_some() || session.req_header().version == Version::HTTP_2 {
        drain(session).await;
    }
    write(session, response(refusal, id), id).await
}

/// Checks an upstream's answer for what the proxy lets pass.
///
/// # Errors
/// A change of protocol that the client did not ask for, a body in another coding than chunks, or a length that is not one
/// plain number: a client could take either of two for its end.
pub(super) fn understood(session: &ServerSession, head: &ResponseHeader) -> Result<()> {
    let malformed = |words| Err(Error::explain(ErrorType::InvalidHTTPHeader, words).into_up());
    if head.status == StatusCode::SWITCHING_PROTOCOLS && !session.is_upgrade_req() {
        return malformed("a 101 that nobody asked for");
    }
    let mut codings = head.headers.get_all(header::TRANSFER_ENCODING).iter();
    let chunked = codings.next().is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"));
    if !chunked || codings.next().is_some() {
        return malformed("a body in another coding than chunks");
    }
    let mut lengths = head.headers.get_all(header::CONTENT_LENGTH).iter();
    let plain = lengths.next().is_none_or(|length| length.as_bytes().iter().all(u8::is_ascii_digit));
    if !plain || lengths.next().is_some() {
        return malformed("a length that is not one number");
    }
    Ok(())
}

/// Makes the head of an upstream's answer the gateway's own: its version, its connection, the request's id.
pub(super) fn relay(session: &mut ServerSession, head: &mut ResponseHeader, id: Option<&RequestId>) -> Result<()> {
    // The version is that of whoever speaks (RFC 9110 section 2.5), not that of an older upstream.
    if head.version == Version::HTTP_10 {
        head.set_version(Version::HTTP_11);
    }
    // A client of HTTP/1.0 knows no chunks (RFC 9112 section 6.1): its body ends with the connection.
    if session.req_header().version == Version::HTTP_10 {
        head.remove_header(&header::TRANSFER_ENCODING);
        if !head.headers.contains_key(header::CONTENT_LENGTH) {
            session.set_keepalive(None);
        }
    }
    if head.status == StatusCode::NO_CONTENT {
        // It has no body, so nothing frames one (RFC 9110 section 8.6, RFC 9112 section 6.1).
        head.remove_header(&header::CONTENT_LENGTH);
        head.remove_header(&header::TRANSFER_ENCODING);
    }
    // These speak of the upstream's connection, not of the client's (RFC 9110 section 7.6.1).
    let named = nominated(head);
    for name in named.iter().chain(&[KEEP_ALIVE, PROXY_CONNECTION]) {
        if head.headers.contains_key(name) {
            head.remove_header(name);
        }
    }
    if let Some(id) = id {
        head.insert_header(REQUEST_ID_NAME, id.as_header().clone())?;
    }
    Ok(())
}

/// Adds what is left of the caller's limit to an upstream's answer, if that tells of no limit of its own.
pub(super) fn tell_room(head: &mut ResponseHeader, room: Option<&Room>) -> Result<()> {
    let Some(fields) = room.map(room_fields) else { return Ok(()) };
    if fields.iter().all(|(name, _)| !head.headers.contains_key(name)) {
        for (name, value) in fields {
            head.insert_header(name, value)?;
        }
    }
    Ok(())
}

/// The headers that `Connection` says are for this connection only. What frames the answer is not its to name; most
/// often it names none, but says whether the connection stays.
fn nominated(head: &ResponseHeader) -> Vec<HeaderName> {
    let values = head.headers.get_all(header::CONNECTION).iter();
    let names = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let framing = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION, header::UPGRADE];
    names
        .map(<[u8]>::trim_ascii)
        .filter(|name| !(name.eq_ignore_ascii_case(b"keep-alive") || name.eq_ignore_ascii_case(b"close")))
        .filter_map(|name| HeaderName::from_bytes(name).ok())
        .filter(|name| !framing.contains(name))
        .collect()
}

/// A response as HTTP/1.1 writes it, which ends the connection.
pub(super) fn wire(response: &http::Response<Bytes>, id: Option<&RequestId>, with_body: bool) -> Bytes {
    let mut head = format!("HTTP/1.1 {}\r\nconnection: close\r\n", response.status());
    let _infallible = write!(head, "content-length: {}\r\n", response.body().len());
    if let Some(id) = id {
        let _infallible = write!(head, "{REQUEST_ID}: {id}\r\n");
    }
    let mut bytes = head.into_bytes();
    for (name, value) in response.headers() {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    if with_body {
        bytes.extend_from_slice(response.body());
    }
    bytes.into()
}

/// A refusal as a response.
pub(super) fn response(refusal: &Refusal, id: Option<&RequestId>) -> http::Response<Bytes> {
    let mut response = http::Response::new(refusal.body(id.map(RequestId::as_str)));
    *response.status_mut() = refusal.status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.extend(refusal.headers.iter().cloned());
    response
}

/// Writes a whole response.
pub(super) async fn write(
    session: &mut ServerSession,
    response: http::Response<Bytes>,
    id: Option<&RequestId>,
) -> Result<()> {
    let (parts, body) = response.into_parts();
    let bodyless =
        parts.status.is_informational() || matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let mut head = ResponseHeader::build(parts.status, Some(parts.headers.len() + 3))?;
    for (name, value) in &parts.headers {
        let length = *name == header::CONTENT_LENGTH;
        if !(HOP_BY_HOP.contains(name) || bodyless && length) {
            head.append_header(name.clone(), value.clone())?;
        }
    }
    let unasked = session.req_header().method == Method::HEAD;
    // The answer to HEAD may tell the length of what it leaves out.
    let told = unasked && head.headers.contains_key(header::CONTENT_LENGTH);
    if !(bodyless || told) {
        head.insert_header(header::CONTENT_LENGTH, body.len())?;
    }
    if let Some(id) = id {
        head.insert_header(REQUEST_ID_NAME, id.as_header().clone())?;
    }
    let written = async {
        session.write_response_header(Box::new(head)).await?;
        if !unasked && !bodyless && !body.is_empty() {
            session.write_response_body(body, false).await?;
        }
        session.finish_body().await
    };
    written.await.map_err(Error::into_down)
}

/// Whether the client sends its body only after a `100 Continue`, which it has not got.
pub(super) fn awaits_continue(session: &ServerSession) -> bool {
    session.req_header().version == Version::HTTP_11 && expects_continue(session)
}

/// The same whatever its version: over HTTP/2 nobody can give it one (pingora does not), and it goes on without.
fn expects_continue(session: &ServerSession) -> bool {
    session.req_header().headers.contains_key(header::EXPECT) && session.body_bytes_read() == 0
}

/// Tells a client that waits for it to send its body.
pub(super) async fn go_on(session: &mut ServerSession) -> Result<()> {
    // pingora takes the 100 for an early answer, after which it would close the connection.
    session.set_close_on_response_before_downstream_finish(false);
    session.write_continue_response().await.map_err(Error::into_down)?;
    session.set_close_on_response_before_downstream_finish(true);
    Ok(())
}

/// Reads and forgets a small body. What is then left makes pingora close the connection.
async fn drain(session: &mut ServerSession) {
    let announced = session.get_header(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if expects_continue(session) || announced.is_some_and(|length: usize| length > DRAIN_BYTES) {
        return;
    }
    let mut bytes = DRAIN_BYTES;
    let drained = async {
        loop {
            match session.read_request_body().await {
                Ok(Some(chunk)) if chunk.len() <= bytes => bytes -= chunk.len(),
                // Broken framing: what follows is no request.
                Err(_) => return session.set_keepalive(None),
                Ok(_) => return,
            }
        }
    };
    let _late = tokio::time::timeout(DRAIN_TIME, drained).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::refusals;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        time::Instant,
    };

    /// The answer to a refused request whose body does not come, and how long it took.
    async fn refused(refusal: Refusal, length: usize) -> (String, Duration) {
        let (mut client, server) = tokio::io::duplex(4096);
        let request = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        let mut session = ServerSession::new_http1(Box::new(server));
        session.read_request().await.unwrap();
        let start = Instant::now();
        refuse(&mut session, &refusal, None).await.unwrap();
        let took = start.elapsed();
        drop(session);
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        (answer.to_lowercase(), took)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_is_too_large_is_not_waited_for() {
        for (refusal, length, waits) in [
            (refusals::large_body(1), 2, false),
            (refusals::internal(), DRAIN_BYTES + 1, false),
            (refusals::internal(), 2, true),
        ] {
            let (answer, took) = refused(refusal, length).await;
            assert!(answer.contains("connection: close"), "{answer}");
            assert_eq!(took >= DRAIN_TIME, waits, "{length}: {took:?}");
        }
    }
}
