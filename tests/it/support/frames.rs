//! HTTP/2 frame by frame (RFC 9113), with heads in the plainest form of RFC 7541: what no library sends can be sent.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;
pub(crate) const PRIORITIZED: u8 = 32;

/// A frame as it is on the wire.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A field that no table keeps (RFC 7541 section 6.2.2).
pub(crate) fn field(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Vec<u8> {
    let (name, value) = (name.as_ref(), value.as_ref());
    [&[0], &*length(name), name, &*length(value), value].concat()
}

/// How long a string is, in a prefix of seven bits (RFC 7541 section 5.1).
fn length(string: &[u8]) -> Vec<u8> {
    let Some(mut rest) = string.len().checked_sub(127) else { return vec![u8::try_from(string.len()).unwrap()] };
    let mut bytes = vec![127];
    while rest > 127 {
        bytes.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).unwrap());
    bytes
}

/// All fields of a head.
pub(crate) fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| field(name, value)).collect()
}

/// What became of a stream, or of its connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// An answer, with its body.
    Answer(u16, Vec<u8>),
    /// The stream ended for this reason.
    Reset(u32),
    /// The connection ended for this reason.
    GoAway(u32),
    /// It ended without a word.
    Closed,
}

/// A connection whose preface and settings are sent.
pub(crate) struct FrameConnection(TcpStream);

impl FrameConnection {
    pub(crate) fn open(to: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(to).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        stream.write_all(&frame(SETTINGS, 0, 0, b"")).unwrap();
        Self(stream)
    }

    /// Sends all of it, unless it is cut.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let _cut = self.0.write_all(bytes);
    }

    /// What sends beside whoever reads.
    pub(crate) fn sender(&self) -> TcpStream {
        self.0.try_clone().unwrap()
    }

    /// The next frame: its kind, flags, stream and payload; nothing at the end.
    pub(crate) fn frame(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        if let Err(error) = self.0.read_exact(&mut head) {
            assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "it was not cut");
            return None;
        }
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.0.read_exact(&mut payload).ok()?;
        Some((kind, flags, u32::from_be_bytes(stream), payload))
    }

    /// What becomes of this stream.
    pub(crate) fn verdict(&mut self, of: u32) -> Verdict {
        let mut answer: Option<(u16, Vec<u8>)> = None;
        while let Some((kind, flags, stream, payload)) = self.frame() {
            match (kind, &mut answer) {
                (GOAWAY, None) => match u32::from_be_bytes(payload[4..8].try_into().unwrap()) {
                    0 => {}
                    reason => return Verdict::GoAway(reason),
                },
                (RST_STREAM, None) if stream == of => {
                    return Verdict::Reset(u32::from_be_bytes(payload.try_into().unwrap()));
                }
                (RST_STREAM, Some(_)) if stream == of => break,
                (HEADERS, None) if stream == of => answer = Some((status(&payload), Vec::new())),
                (DATA, Some((_, body))) if stream == of => body.extend(payload),
                _ => {}
            }
            if stream == of && answer.is_some() && flags & END_STREAM != 0 {
                break;
            }
        }
        answer.map_or(Verdict::Closed, |(status, body)| Verdict::Answer(status, body))
    }
}

/// The status, which stands first in the first answer of a connection: in one of the known forms (RFC 7541 appendix A), or
/// as text in the code of its appendix B.
fn status(head: &[u8]) -> u16 {
    match *head {
        [known @ 0x88..=0x8e, ..] => [200, 204, 206, 304, 400, 404, 500][usize::from(known - 0x88)],
        [0x08 | 0x48, 0x03, a, b, c, ..] => String::from_utf8(vec![a, b, c]).unwrap().parse().unwrap(),
        [0x08 | 0x48, coded, ref rest @ ..] if coded & 0x80 != 0 => digits(&rest[..usize::from(coded & 0x7f)]),
        _ => panic!("no status in {head:?}"),
    }
}

fn digits(coded: &[u8]) -> u16 {
    let bits = coded.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
    let (mut left, mut number) = (8 * coded.len(), 0);
    for _ in 0..3 {
        // 0, 1 and 2 have five bits; the others have six, and begin with 011001.
        let short = (bits >> (left - 5)) & 0b1_1111;
        let digit = if short > 2 { ((bits >> (left - 6)) & 0b11_1111) - 0b01_1001 + 3 } else { short };
        left -= if short > 2 { 6 } else { 5 };
        number = number * 10 + digit;
    }
    u16::try_from(number).unwrap()
}
