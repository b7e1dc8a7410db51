//! What callers ask: a text of which one part changes from request to request, and what an answer must be.

use std::sync::atomic::{AtomicUsize, Ordering};

use data_encoding::BASE64;

/// What an answer must be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Expected {
    /// A 200 with the upstream's body.
    Upstreams,
    /// One of these statuses, with any body.
    Status(&'static [u16]),
}

/// Requests that are sent in turn, for ever.
pub(super) struct Requests {
    before: String,
    after: String,
    /// What changes. Where an answer's time matters they are of one length.
    parts: Vec<String>,
    next: AtomicUsize,
    pub(super) expected: Expected,
}

impl Requests {
    fn new(before: String, after: String, parts: Vec<String>, expected: Expected) -> Self {
        Self { before, after, parts, next: AtomicUsize::new(0), expected }
    }

    /// How many different ones there are.
    pub(super) fn different(&self) -> usize {
        self.parts.len()
    }

    /// Replaces what is in the buffer by the next request.
    pub(super) fn write_next(&self, buffer: &mut Vec<u8>) {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.parts.len().max(1);
        buffer.clear();
        for part in [&self.before, self.parts.get(turn).unwrap_or(&self.before), &self.after] {
            buffer.extend_from_slice(part.as_bytes());
        }
    }
}

/// What a program sends along with each GET.
const HEADERS: &str = "Host: api.example.com\r\nUser-Agent: exporter/1.0\r\nAccept: application/json\r\n";

/// A GET of the protected API with each of these tokens.
pub(super) fn gets(tokens: Vec<String>) -> Requests {
    let before = format!("GET /orders/4711?page=2 HTTP/1.1\r\n{HEADERS}Authorization: Bearer ");
    Requests::new(before, "\r\n\r\n".to_owned(), tokens, Expected::Upstreams)
}

/// A GET of each of these paths with one token.
pub(super) fn gets_of(paths: Vec<String>, token: &str) -> Requests {
    let after = format!("?page=2 HTTP/1.1\r\n{HEADERS}Authorization: Bearer {token}\r\n\r\n");
    Requests::new("GET ".to_owned(), after, paths, Expected::Upstreams)
}

/// A GET without a token, which the gateway must refuse.
pub(super) fn get_without_token() -> Requests {
    let text = format!("GET /orders/4711 HTTP/1.1\r\n{HEADERS}\r\n");
    Requests::new(String::new(), String::new(), vec![text], Expected::Status(&[401]))
}

/// A request for a token with each of these ids and secrets.
pub(super) fn token_requests(credentials: &[(String, String)], statuses: &'static [u16]) -> Requests {
    let form = "grant_type=client_credentials";
    let before = "POST /oauth2/tokens HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Basic ".to_owned();
    let basics = credentials.iter().map(|(id, secret)| basic(id, secret)).collect();
    Requests::new(before, format!("\r\n{}", with_form(form)), basics, Expected::Status(statuses))
}

/// A client asks what its token grants.
pub(super) fn introspections(id: &str, secret: &str, token: &str) -> Requests {
    let head = "POST /oauth2/introspect HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Basic ";
    let text = format!("{head}{}\r\n{}", basic(id, secret), with_form(&format!("token={token}")));
    Requests::new(String::new(), String::new(), vec![text], Expected::Status(&[200]))
}

/// `id:secret` for `Authorization: Basic` (RFC 7617).
pub(super) fn basic(id: &str, secret: &str) -> String {
    BASE64.encode(format!("{id}:{secret}").as_bytes())
}

/// The rest of a request's head, and a form as its body.
fn with_form(form: &str) -> String {
    format!("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}", form.len())
}
