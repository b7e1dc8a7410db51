//! Where a request ends, on the wire: its head within its limits, and the body behind it.
//!
//! The client's socket (`socket`) cuts the bytes by this before pingora sees them. pingora repairs a request line that
//! is not quite one, and keeps what comes behind a body for itself; neither is wanted here.

use std::io;

use http::{HeaderMap, header};
use memchr::{memchr, memchr_iter};

use super::ServerSettings;

/// Empty lines before a request that are passed over (RFC 9112 section 2.2), in bytes.
const MAX_LEAD: usize = 8;

/// What stands beside the target in a request line: a method, a version and two blanks.
const BESIDE_TARGET: usize = 32;

/// How large a head is as far as it has come.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct HeadSize {
    /// Its request line, in bytes.
    pub(super) first_line: usize,
    /// Its lines, the request line included.
    pub(super) lines: usize,
    /// Its fields, in bytes, each with two for the end of its line.
    pub(super) fields: usize,
}

/// Which limit a head is beyond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Excess {
    Target,
    Fields,
}

impl HeadSize {
    pub(super) fn excess(&self, settings: &ServerSettings) -> Option<Excess> {
        if self.first_line > settings.max_target_bytes.saturating_add(BESIDE_TARGET) {
            return Some(Excess::Target);
        }
        let many = self.lines > settings.max_headers.saturating_add(1);
        (many || self.fields > settings.max_header_bytes).then_some(Excess::Fields)
    }
}

/// What is known of a head that is coming.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// It is not all there.
    Part,
    /// It is whole, and has so many bytes.
    Whole(usize),
    /// Its request line is none, or a line ends as none may.
    Broken,
}

/// Reads a head as it comes, for its end, its size and the form of its request line.
#[derive(Debug, Default)]
pub(super) struct HeadScan {
    size: HeadSize,
    /// Bytes read so far.
    read: usize,
    /// Bytes of the line that is coming.
    line: usize,
    blanks: usize,
    /// A carriage return waits for its line feed.
    returned: bool,
}

impl HeadScan {
    pub(super) const fn size(&self) -> HeadSize {
        self.size
    }

    /// Reads on in all the bytes that there are from the beginning of the head.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Seen {
        while let Some(rest) = bytes.get(self.read..).filter(|rest| !rest.is_empty()) {
            let feed = memchr(b'\n', rest);
            let line = feed.and_then(|feed| rest.get(..feed)).unwrap_or(rest);
            self.read += line.len() + usize::from(feed.is_some());
            if !self.add(line) {
                return Seen::Broken;
            }
            if feed.is_some()
                && let Some(seen) = self.end_line()
            {
                return seen;
            }
        }
        Seen::Part
    }

    /// Adds bytes to the line that is coming. Whether they may stand there.
    fn add(&mut self, bytes: &[u8]) -> bool {
        if self.returned {
            return bytes.is_empty();
        }
        let text = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        self.returned = text.len() < bytes.len();
        self.line += text.len();
        if self.size.lines > 0 {
            self.size.fields += text.len();
            return memchr(b'\r', text).is_none();
        }
        self.size.first_line = self.line;
        self.blanks += memchr_iter(b' ', text).count();
        text.iter().all(|byte| matches!(byte, b' '..=b'~'))
    }

    /// What is seen of the head at the end of a line, if that is not in its midst.
    fn end_line(&mut self) -> Option<Seen> {
        self.returned = false;
        match (self.line, self.size.lines) {
            (0, 0) => return (self.read > MAX_LEAD).then_some(Seen::Broken),
            (0, _) => return Some(Seen::Whole(self.read)),
            (_, 0) => {}
            _ => self.size.fields += 2,
        }
        self.size.lines += 1;
        self.line = 0;
        (self.blanks != 2).then_some(Seen::Broken)
    }
}

/// What is still to come of a request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// So many bytes.
    Length(u64),
    /// Chunks (RFC 9112 section 7.1).
    Chunked(Chunk),
}

/// The digits of a chunk's size that are read: what 64 bits hold.
const MAX_SIZE_DIGITS: u8 = 16;

/// Where in a chunked body the next byte stands.
///
/// Stricter than pingora's parser, which takes a size without a digit for zero and any byte at all for an extension: a
/// server that ends a line at a bare line feed would read other chunks there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunk {
    /// Before the first digit of a size.
    Start,
    /// In the size, which is this so far, of so many digits.
    Size(u64, u8),
    /// Behind the size, in blanks before its extension or its end.
    Blank(u64),
    /// In what extends the size.
    Extension(u64),
    /// After the carriage return behind a size.
    SizeReturn(u64),
    /// In the data, of which so much is to come.
    Data(u64),
    /// Behind the data.
    DataEnd,
    DataReturn,
    /// In a line of the trailer, empty so far or not.
    Trailer {
        empty: bool,
    },
    TrailerReturn {
        empty: bool,
    },
    Done,
    /// It is none: nothing of what follows is read.
    Broken,
}

impl Body {
    /// The body that a head announces. What it says in two ways is refused before the difference matters.
    pub(super) fn announced(headers: &HeaderMap) -> Self {
        if headers.contains_key(header::TRANSFER_ENCODING) {
            return Self::Chunked(Chunk::Start);
        }
        let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        Self::Length(length.unwrap_or(0))
    }

    pub(super) const fn is_done(&self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunk::Done))
    }

    /// How many of these bytes, which come next, are its.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`], which `failure` knows, for chunks that nobody may be asked to understand.
    pub(super) fn take(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let chunk = match self {
            Self::Length(rest) => return Ok(take_data(rest, bytes.len())),
            Self::Chunked(chunk) => chunk,
        };
        let mut taken = 0;
        while let (false, Some(byte)) = (chunk.is_over(), bytes.get(taken)) {
            if let Chunk::Data(rest) = chunk {
                taken += take_data(rest, bytes.len() - taken);
                if *rest == 0 {
                    *chunk = Chunk::DataEnd;
                }
            } else {
                *chunk = chunk.after(*byte);
                taken += 1;
            }
        }
        if *chunk == Chunk::Broken { Err(io::ErrorKind::InvalidData.into()) } else { Ok(taken) }
    }
}

/// Takes what there is, at most the rest.
fn take_data(rest: &mut u64, there: usize) -> usize {
    let taken = usize::try_from(*rest).unwrap_or(usize::MAX).min(there);
    *rest -= taken as u64;
    taken
}

impl Chunk {
    const fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Broken)
    }

    fn after(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Start, _) => digit(byte).map_or(Self::Broken, |digit| Self::Size(digit, 1)),
            (Self::Size(size, _) | Self::Blank(size) | Self::Extension(size), b'\r') => Self::SizeReturn(size),
            (Self::Size(size, _) | Self::Blank(size), b' ' | b'\t') => Self::Blank(size),
            (Self::Size(size, _) | Self::Blank(size), b';') | (Self::Extension(size), b' '..=b'~' | b'\t' | 0x80..) => {
                Self::Extension(size)
            }
            (Self::Size(size, digits), _) if digits < MAX_SIZE_DIGITS => {
                digit(byte).map_or(Self::Broken, |digit| Self::Size(size << 4 | digit, digits + 1))
            }
            (Self::SizeReturn(0) | Self::TrailerReturn { empty: false }, b'\n') => Self::Trailer { empty: true },
            (Self::SizeReturn(size), b'\n') => Self::Data(size),
            (Self::DataEnd, b'\r') => Self::DataReturn,
            (Self::DataReturn, b'\n') => Self::Start,
            (Self::Trailer { empty }, b'\r') => Self::TrailerReturn { empty },
            (Self::Trailer { .. }, byte) if byte != b'\n' => Self::Trailer { empty: false },
            (Self::TrailerReturn { empty: true }, b'\n') => Self::Done,
            _ => Self::Broken,
        }
    }
}

fn digit(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::tests::server_settings;
    use proptest::prelude::*;

    const HEAD: &[u8] = b"\r\nGET / HTTP/1.1\r\nA: b\r\nC: d\n\r\n";

    fn scan(bytes: &[u8]) -> (Seen, HeadSize) {
        let mut scan = HeadScan::default();
        (scan.read(bytes), scan.size())
    }

    #[test]
    fn a_head_is_measured_without_what_comes_behind_it() {
        let mut scan = HeadScan::default();
        let bytes = [HEAD, b"body\r\n\r\n"].concat();
        for end in 0..HEAD.len() {
            assert_eq!(scan.read(&bytes[..end]), Seen::Part, "{end}");
        }
        assert_eq!(scan.read(&bytes), Seen::Whole(HEAD.len()));
        assert_eq!(scan.size(), HeadSize { first_line: 14, lines: 3, fields: 12 });
    }

    #[test]
    fn a_request_line_has_three_visible_words_and_every_line_its_end() {
        for line in [
            "GET /a b HTTP/1.1\r\n",
            "GET  / HTTP/1.1\r\n",
            "GET /\r\n",
            "GET /\ra HTTP/1.1\r\n",
            "GET /\0 HTTP/1.1\r\n",
            "GET /\ta HTTP/1.1\r\n",
            "GET /\u{e4} HTTP/1.1\r\n",
            "GET / HTTP/1.1\r\r\n",
            "GET / HTTP/1.1\r\nA: b\rc\r\n",
            "\r\n\r\n\r\n\r\n\r\n",
        ] {
            assert_eq!(scan(line.as_bytes()).0, Seen::Broken, "{line:?}");
        }
    }

    #[test]
    fn a_head_is_beyond_a_limit_before_it_is_whole() {
        let settings = server_settings();
        let excess = |head: String| scan(head.as_bytes()).1.excess(&settings);
        assert_eq!(excess(format!("GET /{}", "x".repeat(settings.max_target_bytes + 32))), Some(Excess::Target));
        assert_eq!(excess(format!("G / H\r\nA: {}", "x".repeat(settings.max_header_bytes))), Some(Excess::Fields));
        assert_eq!(excess(format!("G / H\r\n{}", "A: b\r\n".repeat(settings.max_headers + 1))), Some(Excess::Fields));
        assert_eq!(excess(format!("G / H\r\n{}", "A: b\r\n".repeat(settings.max_headers))), None);
    }

    #[test]
    fn a_body_ends_where_its_framing_says() {
        let taken = |mut body: Body, bytes: &str| {
            let taken = body.take(bytes.as_bytes()).unwrap();
            (bytes[..taken].to_owned(), body.is_done())
        };
        let chunked = Body::Chunked(Chunk::Start);
        assert_eq!(taken(Body::Length(0), "GET"), (String::new(), true));
        assert_eq!(taken(Body::Length(3), "abcGET"), ("abc".into(), true));
        assert_eq!(taken(Body::Length(9), "abc"), ("abc".into(), false));
        for whole in [
            "0\r\n\r\n",
            "3;x=\"y\" ;z\r\nab\n\r\n0A \r\n0123456789\r\n00\r\nA: b\r\nC: d\r\n\r\n",
            "0000000000000001\r\na\r\n0\t;x\r\n\r\n",
        ] {
            assert_eq!(taken(chunked, &format!("{whole}GET")), (whole.into(), true), "{whole:?}");
        }
    }

    #[test]
    fn chunks_that_some_would_read_otherwise_are_refused() {
        for broken in [
            "1\r\nab",
            "1\rx",
            "1\n",
            "0\r\nA: b\nGET",
            "0\r\n\rx",
            "\r\n",
            ";x\r\n",
            " 1\r\n",
            "+1\r\n",
            "-1\r\n",
            "0x1\r\n",
            "1 1\r\n",
            "1,\r\n",
            "1;x=\n\r\n",
            "1;x\ry",
            "1;\0\r\n",
            "00000000000000001\r\n",
            "10000000000000000\r\n",
        ] {
            let mut body = Body::Chunked(Chunk::Start);
            for bytes in [broken, "0\r\n\r\n"] {
                let error = body.take(bytes.as_bytes()).map_err(|error| error.kind());
                assert_eq!(error, Err(io::ErrorKind::InvalidData), "{broken:?}");
            }
            assert!(!body.is_done(), "{broken:?}");
        }
    }

    proptest! {
        #[test]
        fn the_end_of_a_body_is_the_same_however_it_comes_in_pieces(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..5), piece in 1usize..20,
        ) {
            let mut whole = Vec::new();
            for chunk in &chunks {
                whole.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                whole.extend_from_slice(chunk);
                whole.extend_from_slice(b"\r\n");
            }
            whole.extend_from_slice(b"0\r\n\r\n");
            let all = [&whole[..], b"GET / HTTP/1.1\r\n"].concat();
            let mut body = Body::Chunked(Chunk::Start);
            let taken: usize = all.chunks(piece).map(|bytes| body.take(bytes).unwrap()).sum();
            prop_assert_eq!((taken, body.is_done()), (whole.len(), true));
        }
    }
}
