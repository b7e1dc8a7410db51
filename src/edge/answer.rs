//! Writes our own answers to a session, refusals and what the router gave, and passes on those of upstreams. What becomes
//! of the rest of a body that nobody wants, and of the connection, is decided here.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, Version, header};
use pingora::{Result, http::ResponseHeader, protocols::http::ServerSession};

use super::headers::REQUEST_ID;
use crate::{model::RequestId, web::Refusal};

/// What is read of a body that nobody wants, so that the connection can serve the next request.
const DRAIN_BYTES: usize = 256 * 1024;
/// How long that is tried, and how long a client is let finish when the connection is closed after the answer: closing
/// while it still sends would take the answer from it.
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// Headers that belong to one connection and are pingora's to set.
const HOP_BY_HOP: [HeaderName; 4] =
    [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE, HeaderName::from_static("keep-alive")];

/// Answers with a refusal. A 400, 408, 414 or 431 closes the connection: where the next request would begin is not
/// certain then.
pub(super) async fn refuse(session: &mut ServerSession, refusal: &Refusal, id: Option<&RequestId>) -> Result<()> {
    if matches!(refusal.status.as_u16(), 400 | 408 | 414 | 431) {
        session.set_keepalive(None);
    }
    if session.get_keepalive().is_some() {
        drain(session, DRAIN_BYTES).await;
    }
    write(session, response(refusal, id), id).await?;
    if session.get_keepalive().is_none() {
        drain(session, usize::MAX).await;
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
    // These speak of the upstream's connection, not of the client's (RFC 9110 section 7.6.1).
    head.remove_header("keep-alive");
    head.remove_header("proxy-connection");
    if let Some(id) = id {
        head.insert_header(REQUEST_ID, id.as_str())?;
    }
    Ok(())
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
        head.insert_header(REQUEST_ID, id.as_str())?;
    }
    let written = async {
        session.write_response_header(Box::new(head)).await?;
        if !unasked && !bodyless && !body.is_empty() {
            session.write_response_body(body, false).await?;
        }
        session.finish_body().await
    };
    written.await.map_err(pingora::Error::into_down)
}

/// Whether the client sends its body only after a `100 Continue`, which it has not got.
pub(super) fn awaits_continue(session: &ServerSession) -> bool {
    session.req_header().version == Version::HTTP_11
        && session.req_header().headers.contains_key(header::EXPECT)
        && session.body_bytes_read() == 0
}

/// Reads and forgets at most so much of the body. What is then left makes pingora close the connection.
async fn drain(session: &mut ServerSession, mut bytes: usize) {
    if awaits_continue(session) {
        return;
    }
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
