//! The path of a request, in the one form that rules are matched against and upstreams are sent.
//!
//! First step of a request's walk: the door cuts the target at its `?` and parses what stands before it. A path that
//! two programs could read in two ways is refused here, or marked with the [`PathFeatures`] that make it so; the route
//! table then asks the upstream whether it allows them.

use std::{borrow::Cow, fmt};

use memchr::memchr;
use percent_encoding::{percent_decode_str, percent_encode_byte};

use super::{PathFeature, PathFeatures, PathPrefix};

/// A path in its canonical form.
///
/// It starts with `/` and is visible ASCII. Characters that RFC 3986 calls unreserved stand for themselves; every other
/// escape is kept, in capitals. It holds no dot segment, backslash or control character, and neither does anything that
/// decoding makes of it. What is decoded is UTF-8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NormalPath {
    text: String,
    features: PathFeatures,
}

/// Why a path is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It starts with something else than `/`.
    #[error("the path does not start with `/`")]
    NotAbsolute,
    /// A segment `.` or `..`, or one that some server takes for it: `%2e`, `..;x`, `...`, `..%20`.
    #[error("the path holds a segment that is, or can be read as, `.` or `..`")]
    DotSegment,
    /// A backslash, which some servers take for a slash.
    #[error("the path holds a backslash, raw or encoded")]
    Backslash,
    /// A control character.
    #[error("the path holds the control character U+{:04X}, raw or encoded", u32::from(*.0))]
    Control(char),
    /// A `%` that is no escape.
    #[error("the path holds a `%` without two hexadecimal digits; a percent sign itself is written `%25`")]
    BadEscape,
    /// An encoded `%` that makes an escape with what follows.
    #[error("the path is encoded twice: `%25` stands before what a second decoding would take for an escape")]
    DoubleEncoding,
    /// A raw `#`.
    #[error("the path holds a raw `#`")]
    Fragment,
    /// A raw byte above ASCII.
    #[error("the path holds the raw byte {0:#04X}, which is not ASCII; it is written `%{0:02X}`")]
    NotAscii(u8),
    /// Escapes that spell no UTF-8, such as the overlong slash `%C0%AF`.
    #[error("the path holds escapes that are not UTF-8")]
    NotUtf8,
    /// A visible character, or a blank, that no path may hold raw.
    #[error("the path holds a raw `{0}`, which is written `%{code:02X}`", code = u32::from(*.0))]
    Raw(char),
}

impl NormalPath {
    /// Reads the path part of a target (without the query).
    ///
    /// Allowed raw is what RFC 3986 allows in a path. Of the rest, browsers and other clients are known to send
    /// `[ ] | ^ { }` raw: these mean the same as their escapes and become them. Blanks, `"`, `<`, `>` and the backtick
    /// are refused.
    ///
    /// # Errors
    /// [`PathError`] names what was found.
    pub fn parse(raw: &[u8]) -> Result<Self, PathError> {
        if raw.first() != Some(&b'/') {
            return Err(PathError::NotAbsolute);
        }
        let text = canonical(raw)?;
        let escapes = holds(&text, b'%');
        let decoded = if escapes { decoded(&text)? } else { Cow::Borrowed(text.as_str()) };
        let mut features = segment_features(&decoded)?.with_if(holds(&text, b';'), PathFeature::Parameters);
        if escapes {
            let delimiters = ["%3F", "%23", "%3B"].iter().any(|escape| text.contains(escape));
            features = features
                .with_if(text.contains("%2F"), PathFeature::EncodedSlash)
                .with_if(delimiters, PathFeature::EncodedDelimiters);
        }
        Ok(Self { text, features })
    }

    /// The canonical text, which is also the text that is forwarded.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What it holds that is refused unless its upstream allows it.
    #[must_use]
    pub const fn features(&self) -> PathFeatures {
        self.features
    }

    /// Whether it stays ASCII however often it is decoded.
    #[must_use]
    pub fn is_ascii(&self) -> bool {
        is_ascii(&self.text)
    }

    /// What is left of it without `prefix`, which must cover it; starts with `/`. Counts segments instead of comparing
    /// text, so it is right for an upstream that ignores case, too.
    #[must_use]
    pub fn below(&self, prefix: &PathPrefix) -> &str {
        match split_after(&self.text, prefix.segments().count()).1 {
            "" => "/",
            rest => rest,
        }
    }
}

impl fmt::Display for NormalPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether canonical text holds no escape of a byte above ASCII.
pub(super) fn is_ascii(text: &str) -> bool {
    let mut escapes = text.split('%').skip(1);
    !escapes.any(|escape| matches!(escape.as_bytes().first(), Some(b'8' | b'9' | b'A'..=b'F')))
}

fn holds(text: &str, byte: u8) -> bool {
    memchr(byte, text.as_bytes()).is_some()
}

/// The first segment of `path` and what follows it, which starts with `/` if it is not empty.
pub(super) fn next_segment(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix('/')?;
    Some(memchr(b'/', rest.as_bytes()).map_or((rest, ""), |slash| rest.split_at(slash)))
}

/// Cuts `path` behind that many segments.
pub(super) fn split_after(path: &str, segments: usize) -> (&str, &str) {
    let mut rest = path;
    for _ in 0..segments {
        rest = next_segment(rest).map_or("", |(_, rest)| rest);
    }
    path.split_at(path.len().saturating_sub(rest.len()))
}

/// What segments are compared by. An escape and what it stands for are the same, so that the rule does not depend on
/// whether a server decodes.
pub(super) fn segment_key(segment: &str, ignores_case: bool) -> Cow<'_, str> {
    let escaped = holds(segment, b'%');
    let decoded = if escaped { percent_decode_str(segment).decode_utf8_lossy() } else { Cow::Borrowed(segment) };
    if ignores_case && decoded.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(decoded.to_ascii_lowercase())
    } else {
        decoded
    }
}

fn canonical(raw: &[u8]) -> Result<String, PathError> {
    if raw.iter().copied().all(stands_for_itself) {
        return String::from_utf8(raw.to_vec()).map_err(|_| PathError::NotUtf8);
    }
    let mut text = String::with_capacity(raw.len());
    let mut bytes = raw.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => match escaped(bytes.next(), bytes.next()).ok_or(PathError::BadEscape)? {
                byte if is_unreserved(byte) => text.push(char::from(byte)),
                byte => text.push_str(percent_encode_byte(byte)),
            },
            b'[' | b']' | b'|' | b'^' | b'{' | b'}' => text.push_str(percent_encode_byte(byte)),
            byte if stands_for_itself(byte) => text.push(char::from(byte)),
            b'#' => return Err(PathError::Fragment),
            b'\\' => return Err(PathError::Backslash),
            byte if !byte.is_ascii() => return Err(PathError::NotAscii(byte)),
            byte if byte.is_ascii_control() => return Err(PathError::Control(char::from(byte))),
            byte => return Err(PathError::Raw(char::from(byte))),
        }
    }
    Ok(text)
}

/// What the escapes of a canonical text stand for.
fn decoded(text: &str) -> Result<Cow<'_, str>, PathError> {
    // Digits are unreserved, so by now every escaped one stands for itself, and one look finds `%25%34%31` as well.
    if text.split("%25").skip(1).any(reads_as_escape) {
        return Err(PathError::DoubleEncoding);
    }
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| PathError::NotUtf8)?;
    if let Some(control) = decoded.chars().find(|c| c.is_control()) {
        return Err(PathError::Control(control));
    }
    if decoded.contains('\\') {
        return Err(PathError::Backslash);
    }
    Ok(decoded)
}

fn escaped(high: Option<u8>, low: Option<u8>) -> Option<u8> {
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// What RFC 3986 allows raw in a path: the unreserved, the slash, `:`, `@` and its "sub-delims".
const fn stands_for_itself(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(
            byte,
            b'/' | b':' | b'@' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'='
        )
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Whether a `%` before `text` would be an escape: two hexadecimal digits, or `u` and four as some servers have it.
fn reads_as_escape(text: &str) -> bool {
    let digits = |text: &str, count| text.bytes().take(count).filter(u8::is_ascii_hexdigit).count() == count;
    digits(text, 2) || text.strip_prefix(['u', 'U']).is_some_and(|text| digits(text, 4))
}

/// What the segments of a decoded path hold. A segment counts as a whole, and up to where parameters, a query or a
/// fragment would begin in it.
fn segment_features(decoded: &str) -> Result<PathFeatures, PathError> {
    let mut features = PathFeatures::default();
    let mut rest = decoded;
    while let Some((segment, following)) = next_segment(rest) {
        rest = following;
        let head = segment.split([';', '?', '#']).next().unwrap_or_default();
        let name = head.trim_end_matches(['.', ' ']);
        if name.is_empty() && head.contains('.') {
            return Err(PathError::DotSegment);
        }
        features = features
            .with_if(name.is_empty() && !rest.is_empty(), PathFeature::DoubleSlash)
            .with_if(name != head || segment.ends_with(['.', ' ']), PathFeature::TrailingDot);
    }
    Ok(features)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(raw: &str) -> Result<String, PathError> {
        NormalPath::parse(raw.as_bytes()).map(|path| path.to_string())
    }

    fn features(raw: &str) -> String {
        NormalPath::parse(raw.as_bytes()).unwrap().features().to_string()
    }

    #[test]
    fn unreserved_characters_are_decoded_and_other_escapes_stay_in_capitals() {
        for (raw, canonical) in [
            ("/", "/"),
            ("/%6Frders/%7euser/%2Da%5f", "/orders/~user/-a_"),
            ("/a%3ab%40/c:@", "/a%3Ab%40/c:@"),
            ("/%c3%a4/%e2%82%ac", "/%C3%A4/%E2%82%AC"),
            ("/a%20b/100%25/50%25off", "/a%20b/100%25/50%25off"),
            ("/!$&'()*+,=", "/!$&'()*+,="),
            ("/.well-known/a.b", "/.well-known/a.b"),
            ("/a/", "/a/"),
        ] {
            assert_eq!(text(raw).unwrap(), canonical, "{raw}");
        }
    }

    #[test]
    fn what_clients_send_raw_against_the_grammar_means_its_escape() {
        assert_eq!(text("/[a]|^{b}").unwrap(), "/%5Ba%5D%7C%5E%7Bb%7D");
        for raw in ["/a b", "/\"", "/<", "/>", "/`", "/a?b"] {
            assert!(matches!(text(raw), Err(PathError::Raw(_))), "{raw}");
        }
    }

    #[test]
    fn a_path_starts_with_a_slash() {
        for raw in ["", "*", "a", "%2Fa", "http://h/", "?"] {
            assert_eq!(text(raw), Err(PathError::NotAbsolute), "{raw}");
        }
    }

    #[test]
    fn dot_segments_are_refused_however_they_are_written() {
        for raw in [
            "/.",
            "/..",
            "/a/../b",
            "/a/./b",
            "/%2e",
            "/.%2E",
            "/%2e%2e/",
            "/a/..;x/b",
            "/a/.;/b",
            "/..%3bx",
            "/..%3Fx",
            "/..%23",
            "/a%2F..%2Fb",
            "/..%2fb",
            "/...",
            "/....;",
            "/..%20",
            "/.%20.",
            "/%20..",
        ] {
            assert_eq!(text(raw), Err(PathError::DotSegment), "{raw}");
        }
        assert!(text("/..a/.b/a..b").is_ok());
    }

    #[test]
    fn backslashes_and_control_characters_are_refused_raw_and_encoded() {
        for raw in ["/a\\b", "/a%5cb", "/%5C.."] {
            assert_eq!(text(raw), Err(PathError::Backslash), "{raw}");
        }
        for raw in ["/\0", "/%00", "/a%0d%0a", "/%7f", "/\x7f", "/\t", "/%C2%85"] {
            assert!(matches!(text(raw), Err(PathError::Control(_))), "{raw}");
        }
    }

    #[test]
    fn a_percent_sign_needs_two_digits_and_must_not_hide_an_escape() {
        for raw in ["/%", "/%4", "/%4/", "/%zz", "/%u002f", "/%%41"] {
            assert_eq!(text(raw), Err(PathError::BadEscape), "{raw}");
        }
        for raw in ["/%252e", "/%2541", "/%25%34%31", "/%25%32f", "/a%255c", "/%25u002f", "/%25%75002F", "/%25252e"] {
            assert_eq!(text(raw), Err(PathError::DoubleEncoding), "{raw}");
        }
    }

    #[test]
    fn raw_hashes_and_bytes_above_ascii_are_refused() {
        assert_eq!(text("/a#b"), Err(PathError::Fragment));
        assert_eq!(text("/ä"), Err(PathError::NotAscii(0xC3)));
        assert_eq!(NormalPath::parse(b"/\xFF"), Err(PathError::NotAscii(0xFF)));
    }

    #[test]
    fn escapes_that_are_not_utf8_are_refused() {
        for raw in ["/%c0%af", "/%c0%ae%c0%ae", "/%e0%80%af", "/%ff", "/%e9", "/%C3", "/%C3/%A4", "/%ed%a0%80"] {
            assert_eq!(text(raw), Err(PathError::NotUtf8), "{raw}");
        }
    }

    #[test]
    fn features_are_what_an_upstream_must_allow() {
        for (raw, expected) in [
            ("/", ""),
            ("/a/", ""),
            ("/a%3Ab/%C3%A4/a%20b/a.b", ""),
            ("/a%2fb", "encoded-slash"),
            ("/a%2F", "encoded-slash"),
            ("//", "double-slash"),
            ("//a", "double-slash"),
            ("/a//", "double-slash"),
            ("/a/%2Fb", "encoded-slash, double-slash"),
            ("/a;b=c", "parameters"),
            ("/;a/b", "double-slash, parameters"),
            ("/a%3fb", "encoded-delimiters"),
            ("/a%23", "encoded-delimiters"),
            ("/a%3B", "encoded-delimiters"),
            ("/a.", "trailing-dot"),
            ("/a.../b", "trailing-dot"),
            ("/a%20/b", "trailing-dot"),
            ("/a.;b", "parameters, trailing-dot"),
            ("/a;b.", "parameters, trailing-dot"),
            ("/a.%2Fb", "encoded-slash, trailing-dot"),
            ("/%20/b", "double-slash, trailing-dot"),
        ] {
            assert_eq!(features(raw), expected, "{raw}");
        }
    }

    #[test]
    fn every_message_says_what_was_found() {
        assert_eq!(
            text("/%0a").unwrap_err().to_string(),
            "the path holds the control character U+000A, raw or encoded"
        );
        assert_eq!(text("/ ").unwrap_err().to_string(), "the path holds a raw ` `, which is written `%20`");
        let message = "the path holds the raw byte 0xC3, which is not ASCII; it is written `%C3`";
        assert_eq!(text("/ä").unwrap_err().to_string(), message);
    }

    #[test]
    fn a_prefix_is_cut_off_by_segments() {
        let below = |path: &str, prefix: &str| {
            NormalPath::parse(path.as_bytes()).unwrap().below(&prefix.parse().unwrap()).to_owned()
        };
        assert_eq!(below("/orders/5/", "/orders"), "/5/");
        assert_eq!(below("/ORDERS", "/orders"), "/");
        assert_eq!(below("/a%3Ab/c", "/a:b"), "/c");
        assert_eq!(below("/a/b", "/"), "/a/b");
    }
}
