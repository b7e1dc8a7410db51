//! Counts the frames that a client of HTTP/2 sends, and says when they are a flood.
//!
//! Frames that are no request and no body cost their sender nothing and us some work each (CVE-2019-9511 to 9518,
//! CVE-2023-44487, CVE-2024-27316). There is credit for so many of them at once; it comes back with time, with
//! requests, and with pieces of answers, which the client has to acknowledge. Only the nine bytes before each frame are
//! looked at (RFC 9113 section 4.1).

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use tokio::time::Instant;

use super::preface::PREFACE;

/// The most credit, and what there is at the beginning.
const BURST: u32 = 1000;
/// What comes back in a second.
const PER_SECOND: u32 = 100;
/// What comes back with a request: with the head that opens a stream, not with what follows on it.
const PER_REQUEST: u32 = 4;
/// What a request that is taken back costs: more than it brought.
const RESET: u32 = 5;
/// What comes back with a piece of an answer: its client may acknowledge each KiB of 16, and a small one more than once.
/// It counts as one, however small the frames are that the client's window makes of it.
const PER_PIECE: u32 = 16;

/// The length of what stands before each frame.
const HEAD: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const CONTINUATION: u8 = 9;
/// The flag that ends a body.
const END_STREAM: u8 = 1;
/// The flag that ends a request's head.
const END_HEADERS: u8 = 4;

/// More frames came than anybody needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flood;

/// How many pieces of answers the streams of a connection wrote that have brought its meter nothing yet.
#[derive(Debug, Clone, Default)]
pub(super) struct Pieces(Arc<AtomicU32>);

impl Pieces {
    /// One more was written.
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn take(&self) -> u32 {
        self.0.swap(0, Ordering::Relaxed)
    }
}

/// Where in the frames of a connection the next byte stands, and what they may still cost.
#[derive(Debug)]
pub(super) struct Meter {
    /// So many bytes belong to what has begun: the preface at first, then the rest of a frame.
    passing: usize,
    /// The beginning of a frame, as far as it has come.
    head: [u8; HEAD],
    filled: usize,
    /// What the present frame is. The preface counts as one of settings, which follow it.
    kind: u8,
    /// A request's head has begun and is not over when the present frame is.
    continued: bool,
    /// How many frames have begun; those of one head count as one.
    begun: u64,
    /// The newest stream, whose number is the highest (RFC 9113 section 5.1.1).
    newest: u32,
    credit: u32,
    /// Up to when the time that has passed was counted.
    counted: Instant,
    pieces: Pieces,
}

impl Meter {
    /// For a connection whose first byte is still to come.
    pub(super) fn new(pieces: Pieces) -> Self {
        Self {
            passing: PREFACE.len(),
            head: [0; HEAD],
            filled: 0,
            kind: SETTINGS,
            continued: false,
            begun: 0,
            newest: 0,
            credit: BURST,
            counted: Instant::now(),
            pieces,
        }
    }

    /// Counts what came.
    ///
    /// # Errors
    /// [`Flood`], for which the connection is to be closed: what comes then is not read.
    pub(super) fn read(&mut self, mut bytes: &[u8]) -> Result<(), Flood> {
        while !bytes.is_empty() {
            let passed = self.passing.min(bytes.len());
            self.passing -= passed;
            bytes = bytes.get(passed..).unwrap_or_default();
            let rest = self.head.get_mut(self.filled..).unwrap_or_default();
            let taken = rest.len().min(bytes.len());
            let (new, others) = bytes.split_at(taken);
            rest.iter_mut().zip(new).for_each(|(to, from)| *to = *from);
            if self.filled == 0 && taken > 0 && !self.continued {
                self.begun = self.begun.wrapping_add(1);
            }
            self.filled += taken;
            bytes = others;
            if self.filled == HEAD {
                self.filled = 0;
                self.begin()?;
            }
        }
        Ok(())
    }

    /// What must be whole before anything else can come, by its number: the preface, a request's head, or a frame that is
    /// no body.
    pub(super) fn awaited(&self) -> Option<u64> {
        let awaits = self.filled > 0 || self.continued || (self.passing > 0 && self.kind != DATA);
        awaits.then_some(self.begun)
    }

    /// A frame begins.
    fn begin(&mut self) -> Result<(), Flood> {
        let [a, b, c, kind, flags, stream @ ..] = self.head;
        // The first bit says nothing.
        let stream = u32::from_be_bytes(stream) & (u32::MAX >> 1);
        self.passing = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        self.kind = kind;
        if matches!(kind, HEADERS | CONTINUATION) {
            self.continued = flags & END_HEADERS == 0;
        }
        match kind {
            DATA if self.passing > 0 || flags & END_STREAM != 0 => Ok(()),
            HEADERS if stream > self.newest => {
                self.newest = stream;
                self.earn(PER_REQUEST);
                Ok(())
            }
            RST_STREAM => self.pay(RESET),
            _ => self.pay(1),
        }
    }

    fn earn(&mut self, credit: u32) {
        self.credit = self.credit.saturating_add(credit).min(BURST);
    }

    fn pay(&mut self, price: u32) -> Result<(), Flood> {
        if self.credit < price {
            let passed = u32::try_from(self.counted.elapsed().as_secs()).unwrap_or(u32::MAX);
            self.counted = Instant::now();
            self.earn(passed.saturating_mul(PER_SECOND));
            self.earn(self.pieces.take().saturating_mul(PER_PIECE));
        }
        self.credit = self.credit.checked_sub(price).ok_or(Flood)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const PING: u8 = 6;

    fn frame(length: u8, kind: u8, flags: u8) -> Vec<u8> {
        frame_on(1, length, kind, flags)
    }

    fn frame_on(stream: u32, length: u8, kind: u8, flags: u8) -> Vec<u8> {
        let mut bytes = [&[0, 0, length, kind, flags], stream.to_be_bytes().as_slice()].concat();
        bytes.resize(HEAD + usize::from(length), b'x');
        bytes
    }

    /// A meter behind the preface.
    fn meter() -> Meter {
        behind_preface(Pieces::default())
    }

    fn behind_preface(pieces: Pieces) -> Meter {
        let mut meter = Meter::new(pieces);
        meter.read(PREFACE).unwrap();
        meter
    }

    /// How many times this may be sent at once.
    fn limit(meter: &mut Meter, bytes: &[u8]) -> usize {
        (0..5000).take_while(|_| meter.read(bytes).is_ok()).count()
    }

    /// How many requests may be sent at once, each on a stream of its own: a head with these flags, and what follows it.
    fn requests(flags: u8, follows: &[u8]) -> usize {
        let mut meter = meter();
        let request = |number: &u32| [&frame_on(2 * number + 1, 9, HEADERS, flags), follows].concat();
        (0..5000).take_while(|number| meter.read(&request(number)).is_ok()).count()
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_no_request_is_counted_and_what_is_one_is_not() {
        for kind in 2..=12 {
            let expected = if kind == RST_STREAM { 200 } else { 1000 };
            assert_eq!(limit(&mut meter(), &frame(8, kind, END_HEADERS)), expected, "{kind}");
        }
        assert_eq!(limit(&mut meter(), &frame(0, DATA, 0)), 1000);
        for flags in [END_HEADERS, END_HEADERS | END_STREAM] {
            assert_eq!(requests(flags, &[]), 5000);
            // Trailers are no request.
            assert_eq!(requests(flags, &frame(9, HEADERS, END_HEADERS)), 5000);
            assert_eq!(limit(&mut meter(), &frame(9, HEADERS, flags)), 1001);
        }
        assert_eq!(limit(&mut meter(), &frame(1, DATA, 0)), 5000);
        assert_eq!(limit(&mut meter(), &frame(0, DATA, END_STREAM)), 5000);
    }

    #[tokio::test(start_paused = true)]
    async fn requests_that_are_taken_back_at_once_are_a_flood_and_some_are_none() {
        let reset = frame(4, RST_STREAM, 0);
        assert_eq!(requests(END_HEADERS, &reset), 996);
        let honest = |number: &u32| {
            let two = [1, 3].map(|stream| frame_on(4 * number + stream, 9, HEADERS, END_HEADERS)).concat();
            [two, reset.clone()].concat()
        };
        let mut meter = meter();
        assert_eq!((0..5000).take_while(|number| meter.read(&honest(number)).is_ok()).count(), 5000);
    }

    #[tokio::test(start_paused = true)]
    async fn credit_comes_back_with_time_and_with_what_is_acknowledged() {
        let pieces = Pieces::default();
        let mut meter = behind_preface(pieces.clone());
        // Nothing is passed over after a flood, so this has nothing that would be.
        let ping = frame(0, PING, 0);
        assert_eq!(limit(&mut meter, &ping), 1000);
        pieces.add();
        pieces.add();
        assert_eq!(limit(&mut meter, &ping), 32);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(limit(&mut meter, &ping), 200);
        tokio::time::advance(Duration::from_hours(1)).await;
        assert_eq!(limit(&mut meter, &ping), 1000);
    }

    #[tokio::test(start_paused = true)]
    async fn it_makes_no_difference_in_which_pieces_frames_come() {
        let bytes =
            [PREFACE, &frame(0, PING, 0), &frame(200, DATA, 0), &frame(30, HEADERS, 0), &frame(5, CONTINUATION, 4)];
        let bytes = bytes.concat();
        for piece in 1..bytes.len() {
            let mut meter = Meter::new(Pieces::default());
            bytes.chunks(piece).for_each(|piece| meter.read(piece).unwrap());
            assert_eq!(meter.credit, BURST - 1, "the ping, and what continued the request");
            assert_eq!((meter.awaited(), meter.begun), (None, 3));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_has_begun_is_waited_for() {
        for (bytes, awaits) in [
            (frame(9, HEADERS, 0), true),
            ([frame(9, HEADERS, 0), frame(9, CONTINUATION, 0)].concat(), true),
            ([frame(9, HEADERS, 0), frame(9, CONTINUATION, END_HEADERS)].concat(), false),
            (frame(9, HEADERS, END_HEADERS)[..12].to_vec(), true),
            (frame(9, HEADERS, END_HEADERS), false),
            (frame(9, DATA, 0)[..12].to_vec(), false),
            (vec![0], true),
        ] {
            let mut meter = meter();
            meter.read(&bytes).unwrap();
            assert_eq!(meter.awaited().is_some(), awaits, "{bytes:?}");
        }
    }
}
