//! Reads a request's head: the first step after pingora has parsed it, before any rule is looked at.
//!
//! What could be understood in two ways is refused here (RFC 9112 sections 3.2, 6.1 and 6.3; RFC 9110 section 10.1.1),
//! so that every later step, and every server behind, sees one request and the same one.

mod head;

use http::{HeaderMap, Method, Version, header};

use super::{
    ServerSettings,
    refusals::{bad_request, large_body, large_head, long_target, unknown_expectation, unknown_method},
};
use crate::{
    policy::{Host, NormalPath},
    web::Refusal,
};
use head::raw_target;
pub(super) use head::{Head, HeadBytes};

/// What a request asks for, in the one form in which it is matched and forwarded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Intake<'a> {
    pub(super) host: Host,
    pub(super) path: NormalPath,
    /// The query, byte for byte.
    pub(super) query: Option<&'a str>,
}

impl<'a> Intake<'a> {
    /// Reads a head.
    ///
    /// # Errors
    /// The [`Refusal`] to answer with; nothing may be forwarded then.
    pub(super) fn read(head: &Head<'_, 'a>, settings: &ServerSettings) -> Result<Self, Refusal> {
        let target = raw_target(head.raw).unwrap_or(head.target);
        within_limits(head, target, settings)?;
        known_method(head.method, settings)?;
        framing(head, settings)?;
        let (host, authority) = host(head)?;
        let (path, query) = path_and_query(target, authority)?;
        expectation(head.headers)?;
        Ok(Self { host, path, query })
    }
}

fn within_limits(head: &Head<'_, '_>, target: &[u8], settings: &ServerSettings) -> Result<(), Refusal> {
    if target.len() > settings.max_target_bytes {
        return Err(long_target(settings));
    }
    // Each field as on the wire: a colon, a blank and a line end beside name and value.
    let bytes: usize = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if head.headers.len() > settings.max_headers || bytes > settings.max_header_bytes {
        return Err(large_head(settings));
    }
    Ok(())
}

fn known_method(method: &Method, settings: &ServerSettings) -> Result<(), Refusal> {
    if settings.methods.contains(method) { Ok(()) } else { Err(unknown_method(&settings.methods)) }
}

fn framing(head: &Head<'_, '_>, settings: &ServerSettings) -> Result<(), Refusal> {
    let mut codings = head.headers.get_all(header::TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next() {
        if head.version != Version::HTTP_11 {
            return Err(bad_request("Transfer-Encoding is for HTTP/1.1 only."));
        }
        if codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
            return Err(bad_request("Transfer-Encoding must be exactly `chunked`."));
        }
        if head.headers.contains_key(header::CONTENT_LENGTH) || names_length(head.raw) {
            return Err(bad_request("Content-Length and Transfer-Encoding exclude each other."));
        }
    }
    let mut lengths = head.headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(length) = lengths.next() else { return Ok(()) };
    let digits = length.as_bytes();
    let plain = digits.iter().all(u8::is_ascii_digit) && (digits == b"0" || !digits.starts_with(b"0"));
    let length = length.to_str().ok().filter(|_| plain).and_then(|text| text.parse::<u64>().ok());
    match (length, lengths.next()) {
        (Some(length), None) if length > settings.max_body => Err(large_body(settings.max_body)),
        (Some(_), None) => Ok(()),
        _ => Err(bad_request("Content-Length must be one plain decimal number.")),
    }
}

/// pingora drops a Content-Length that came with a Transfer-Encoding; the bytes of the head still show it.
fn names_length(raw: &[u8]) -> bool {
    raw.split(|byte| *byte == b'\n').skip(1).any(|line| {
        line.split(|byte| *byte == b':').next().is_some_and(|name| name.eq_ignore_ascii_case(b"content-length"))
    })
}

/// The host for matching, and the authority as it was sent.
fn host<'h>(head: &Head<'h, '_>) -> Result<(Host, &'h str), Refusal> {
    let mut values = head.headers.get_all(header::HOST).iter();
    let value = match (values.next(), values.next()) {
        (Some(_), Some(_)) => return Err(bad_request("More than one Host header.")),
        (Some(value), None) => {
            Some(value.to_str().map_err(|_| bad_request("The Host header is not a host with an optional port."))?)
        }
        (None, _) => None,
    };
    let authority = match (value, head.authority) {
        (Some(value), Some(authority)) if !value.eq_ignore_ascii_case(authority) => {
            return Err(bad_request("The Host header and the authority of the request differ."));
        }
        (_, Some(authority)) => authority,
        (Some(value), None) => value,
        (None, None) => return Err(bad_request("A Host header is needed.")),
    };
    let host = authority.parse().map_err(|_| bad_request("The Host header is not a host with an optional port."))?;
    Ok((host, authority))
}

fn path_and_query<'a>(target: &'a [u8], authority: &str) -> Result<(NormalPath, Option<&'a str>), Refusal> {
    let (target, root) = match absolute_form(target) {
        Some((named, rest)) if named.eq_ignore_ascii_case(authority.as_bytes()) => (rest, b"/".as_slice()),
        Some(_) => return Err(bad_request("The authority of the request target is not the Host header.")),
        None => (target, b"".as_slice()),
    };
    let mut parts = target.splitn(2, |byte| *byte == b'?');
    // RFC 9112 section 3.2.1: the absolute form may leave the root path out.
    let path = parts.next().filter(|path| !path.is_empty()).unwrap_or(root);
    let path =
        NormalPath::parse(path).map_err(|error| bad_request(format!("The request target is refused: {error}.")))?;
    let Some(query) = parts.next() else { return Ok((path, None)) };
    match std::str::from_utf8(query) {
        Ok(text) if query.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#') => Ok((path, Some(text))),
        _ => Err(bad_request("The query may hold visible ASCII characters only, and no raw `#`.")),
    }
}

/// The authority of `http://authority/path?query`, and the rest.
fn absolute_form(target: &[u8]) -> Option<(&[u8], &[u8])> {
    if target.starts_with(b"/") {
        return None;
    }
    let colon = target.iter().position(|byte| *byte == b':')?;
    let (scheme, rest) = target.split_at(colon);
    if !scheme.eq_ignore_ascii_case(b"http") && !scheme.eq_ignore_ascii_case(b"https") {
        return None;
    }
    let rest = rest.strip_prefix(b"://")?;
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    Some(rest.split_at(end))
}

fn expectation(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut expectations = headers.get_all(header::EXPECT).iter();
    if expectations.all(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        return Ok(());
    }
    Err(unknown_expectation())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::tests::server_settings;
    use http::{HeaderName, HeaderValue};

    struct Request {
        method: Method,
        version: Version,
        target: Vec<u8>,
        authority: Option<&'static str>,
        headers: HeaderMap,
        raw: Vec<u8>,
    }

    /// `GET` of a target at `a.example`.
    fn get(target: impl AsRef<[u8]>) -> Request {
        Request {
            method: Method::GET,
            version: Version::HTTP_11,
            target: target.as_ref().to_vec(),
            authority: None,
            headers: HeaderMap::from_iter([(header::HOST, HeaderValue::from_static("a.example"))]),
            raw: Vec::new(),
        }
    }

    impl Request {
        fn with(mut self, name: HeaderName, value: impl AsRef<[u8]>) -> Self {
            self.headers.append(name, HeaderValue::from_bytes(value.as_ref()).unwrap());
            self
        }

        fn host(mut self, host: &str) -> Self {
            self.headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
            self
        }

        fn read(&self) -> Result<Intake<'_>, Refusal> {
            let Self { method, version, target, authority, headers, raw } = self;
            let head = Head { method, version: *version, target, authority: *authority, headers, raw };
            Intake::read(&head, &server_settings())
        }

        fn refused(&self) -> (u16, &'static str) {
            let refusal = self.read().unwrap_err();
            (refusal.status.as_u16(), refusal.error)
        }

        fn parts(&self) -> (String, String, Option<String>) {
            let Intake { host, path, query } = self.read().unwrap();
            (host.to_string(), path.to_string(), query.map(String::from))
        }
    }

    const BAD: (u16, &str) = (400, "invalid_request");

    #[test]
    fn a_plain_request_is_read_into_its_parts() {
        let read = |target: &str| get(target).parts();
        let expected = |path: &str, query: Option<&str>| ("a.example".into(), path.into(), query.map(String::from));
        assert_eq!(read("/a/%7eb"), expected("/a/~b", None));
        assert_eq!(read("/a?"), expected("/a", Some("")));
        assert_eq!(read("/a?x=%2f?y&%zz='\"<>\\"), expected("/a", Some("x=%2f?y&%zz='\"<>\\")));
    }

    #[test]
    fn an_absolute_form_of_the_same_authority_is_reduced() {
        for (target, path, query) in [
            ("http://a.example/b?c", "/b", Some("c")),
            ("HTTP://A.example/b", "/b", None),
            ("https://a.example", "/", None),
            ("http://a.example?c", "/", Some("c")),
        ] {
            assert_eq!(get(target).parts(), ("a.example".into(), path.into(), query.map(String::from)), "{target}");
        }
    }

    #[test]
    fn other_targets_are_refused() {
        for target in [
            "",
            "*",
            "a.example:80",
            "own/x",
            "\\own\\x",
            "foo:bar/own",
            "ftp://a.example/own",
            "?x=/own",
            "http:/x",
            "http:///x",
            "http://b.example/x",
            "http://a.example:80/x",
            "http://u@a.example/x",
            "http://a.example#x",
            "/a#b",
            "/a?b#c",
            "/a?b c",
            "/a?b\tc",
            "/a?\u{e4}",
            "/\u{e4}",
            "/a/../b",
            "/%2e%2e/",
            "/a%00",
            "/a%zz",
        ] {
            assert_eq!(get(target).refused(), BAD, "{target}");
        }
        assert_eq!(get(b"/a?\xff").refused(), BAD);
    }

    #[test]
    fn what_the_parser_left_out_of_the_target_is_still_seen() {
        let mut request = get("/a");
        request.raw = b"GET /a#b HTTP/1.1\r\nHost: a.example\r\n\r\n".to_vec();
        assert_eq!(request.refused(), BAD);
        request.raw = b"\r\nGET /c?d HTTP/1.1\r\nHost: a.example\r\n\r\n".to_vec();
        assert_eq!(request.parts(), ("a.example".into(), "/c".into(), Some("d".into())));
    }

    #[test]
    fn a_host_is_needed_once_and_well_formed() {
        let mut none = get("/");
        none.headers.remove(header::HOST);
        assert_eq!(none.refused(), BAD);
        none.version = Version::HTTP_10;
        assert_eq!(none.refused(), BAD);
        assert_eq!(get("/").with(header::HOST, "a.example").refused(), BAD);
        for host in ["", "a b", "a/../b", "u@a.example", "a.example:x", "::1"] {
            assert_eq!(get("/").host(host).refused(), BAD, "{host}");
        }
        assert_eq!(get("/").host("A.example.:8080").parts().0, "a.example");
    }

    #[test]
    fn the_authority_of_http_2_and_a_host_header_are_one() {
        let mut request = get("/").host("a.example");
        request.version = Version::HTTP_2;
        request.authority = Some("b.example");
        assert_eq!(request.refused(), BAD);
        request.headers.remove(header::HOST);
        assert_eq!(request.parts().0, "b.example");
    }

    #[test]
    fn a_body_is_framed_in_one_plain_way() {
        let post = || get("/");
        for value in ["", "+4", "-1", "4 ", "4, 4", "4,4", "04", "00", "0x4", "99999999999999999999"] {
            assert_eq!(post().with(header::CONTENT_LENGTH, value).refused(), BAD, "{value}");
        }
        let twice = post().with(header::CONTENT_LENGTH, "4").with(header::CONTENT_LENGTH, "4");
        assert_eq!(twice.refused(), BAD);
        for value in ["identity", "identity, chunked", "chunked, chunked", "xchunked", "chunked ", "\"chunked\"", ""] {
            assert_eq!(post().with(header::TRANSFER_ENCODING, value).refused(), BAD, "{value}");
        }
        let twice = post().with(header::TRANSFER_ENCODING, "chunked").with(header::TRANSFER_ENCODING, "chunked");
        assert_eq!(twice.refused(), BAD);
        let both = post().with(header::TRANSFER_ENCODING, "chunked").with(header::CONTENT_LENGTH, "4");
        assert_eq!(both.refused(), BAD);
        for value in ["0", "4", "1000"] {
            assert!(post().with(header::CONTENT_LENGTH, value).read().is_ok(), "{value}");
        }
        assert!(post().with(header::TRANSFER_ENCODING, "Chunked").read().is_ok());
    }

    #[test]
    fn a_length_that_the_parser_dropped_beside_a_coding_is_still_seen() {
        let mut request = get("/").with(header::TRANSFER_ENCODING, "chunked");
        request.raw = b"POST / HTTP/1.1\r\ncontent-LENGTH: 4\r\n\r\n".to_vec();
        assert_eq!(request.refused(), BAD);
    }

    #[test]
    fn a_transfer_coding_needs_http_1_1() {
        for version in [Version::HTTP_10, Version::HTTP_2] {
            let mut request = get("/").with(header::TRANSFER_ENCODING, "chunked");
            request.version = version;
            assert_eq!(request.refused(), BAD, "{version:?}");
        }
    }

    #[test]
    fn a_method_outside_the_list_is_a_405_that_lists_it() {
        for method in ["TRACE", "get", "FOO-BAR", "PRI"] {
            let mut request = get("/");
            request.method = Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!(request.refused(), (405, "method_not_allowed"), "{method}");
            let allow = HeaderValue::from_static("DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT");
            assert_eq!(request.read().unwrap_err().headers, [(header::ALLOW, allow)]);
        }
    }

    #[test]
    fn an_expectation_other_than_100_continue_is_a_417() {
        assert!(get("/").with(header::EXPECT, "100-Continue").read().is_ok());
        for value in ["", "200-ok", "100-continue, x"] {
            assert_eq!(get("/").with(header::EXPECT, value).refused(), (417, "expectation_failed"), "{value}");
        }
    }

    #[test]
    fn sizes_are_limited() {
        let limits = server_settings();
        let long = "x".repeat(limits.max_target_bytes - 1);
        assert!(get(format!("/{long}")).read().is_ok());
        assert_eq!(get(format!("/{long}x")).refused(), (414, "uri_too_long"));

        let x = HeaderName::from_static("x");
        let many = (1..limits.max_headers).fold(get("/"), |request, _| request.with(x.clone(), ""));
        assert!(many.read().is_ok());
        assert_eq!(many.with(x.clone(), "").refused(), (431, "request_header_fields_too_large"));
        let wide = get("/").with(x, "y".repeat(limits.max_header_bytes));
        assert_eq!(wide.refused(), (431, "request_header_fields_too_large"));

        let body = |length: u64| get("/").with(header::CONTENT_LENGTH, length.to_string());
        assert!(body(limits.max_body).read().is_ok());
        assert_eq!(body(limits.max_body + 1).refused(), (413, "content_too_large"));
    }
}
