//! A request's head as it came, before anything is made of it.

use bytes::Bytes;
use http::{HeaderMap, Method, Version};
use memchr::{memchr, memchr2};
use pingora::protocols::http::ServerSession;

/// What of a head must outlive the look at its session.
#[derive(Debug)]
pub(in crate::edge) struct HeadBytes {
    /// All of it, in HTTP/1.
    pub(in crate::edge) head: Bytes,
    /// The target as pingora has it, where there are no such bytes.
    pub(in crate::edge) target: Bytes,
}

impl HeadBytes {
    pub(in crate::edge) fn of(session: &ServerSession) -> Self {
        match session.as_http1() {
            Some(session) => Self { head: session.get_headers_raw_bytes(), target: Bytes::new() },
            None => Self { head: Bytes::new(), target: Bytes::copy_from_slice(session.req_header().raw_path()) },
        }
    }
}

/// The head of a request as it came.
#[derive(Debug)]
pub(in crate::edge) struct Head<'h, 'a> {
    pub(in crate::edge) method: &'h Method,
    pub(in crate::edge) version: Version,
    /// The target as pingora parsed it, and the authority that HTTP/2 sends apart from it.
    pub(in crate::edge) target: &'a [u8],
    pub(in crate::edge) authority: Option<&'h str>,
    pub(in crate::edge) headers: &'h HeaderMap,
    /// The bytes of an HTTP/1 head, which tell what the parser left out: a fragment, or a length beside a coding.
    pub(in crate::edge) raw: &'a [u8],
}

/// The target in the bytes of a head: between the first two blanks.
pub(super) fn raw_target(raw: &[u8]) -> Option<&[u8]> {
    let raw = raw.trim_ascii_start();
    let line = raw.get(..memchr2(b'\r', b'\n', raw).unwrap_or(raw.len()))?;
    let target = line.get(memchr(b' ', line)? + 1..)?;
    target.get(..memchr(b' ', target).unwrap_or(target.len()))
}
