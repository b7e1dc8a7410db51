//! The queue of the log: whole lines on their way to the one thread that writes them.
//!
//! Each request may leave a line, so this is on its way, and here a library is too slow: `tracing_appender` takes a copy
//! of each line onto the heap, wakes its thread for it and writes it by a system call of its own, which together take
//! a good part of the time that a whole request may. Here a line is copied to the end of a buffer, and the thread
//! comes for what was gathered in [`PAUSE`].

use std::{
    convert::Infallible,
    io::{self, ErrorKind, Write},
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::Duration,
};

use crate::model::{holds_secret, mask_secrets};

/// Bytes that may wait; as many again may be on their way out. What comes on top is lost.
const BOUND: usize = 4 << 20;
/// Bytes of an empty buffer that are kept for the next lines.
const KEPT: usize = 256 << 10;
/// How long lines are gathered, and how long an output that failed is left alone.
const PAUSE: Duration = Duration::from_millis(10);
/// How long the last lines may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where lines wait to be written.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<u8>,
    /// How many lines there was no room for.
    lost: u64,
    closing: bool,
}

/// The thread that writes. When dropped, it writes what waits and ends.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Arc<Queue>,
    /// Ends with the thread.
    ended: mpsc::Receiver<Infallible>,
}

impl Queue {
    /// A queue to this output. The writer calls `tell` with the number of lines that were lost, once it writes again.
    pub(super) fn open(
        output: impl Write + Send + 'static,
        tell: impl Fn(u64) + Send + 'static,
    ) -> io::Result<(Arc<Self>, Writer)> {
        let queue = Arc::new(Self::default());
        let (running, ended) = mpsc::channel();
        let writer = Writer { queue: queue.clone(), ended };
        thread::Builder::new().name("log".to_owned()).spawn(move || {
            let _running = running;
            queue.drain(output, tell);
        })?;
        Ok((writer.queue.clone(), writer))
    }

    /// Takes one whole line, its end included, and masks the secrets in it. Never waits for the output.
    pub(super) fn append(&self, line: &[u8]) {
        if holds_secret(line) {
            self.push(mask_secrets(&String::from_utf8_lossy(line)).as_bytes());
        } else {
            self.push(line);
        }
    }

    fn push(&self, line: &[u8]) {
        let mut state = self.state();
        if state.lines.len() + line.len() > BOUND {
            state.lost += 1;
            return;
        }
        // Otherwise the writer knows already.
        let is_first = state.lines.is_empty();
        state.lines.extend_from_slice(line);
        drop(state);
        if is_first {
            self.news.notify_one();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what comes until the queue is closed and empty.
    fn drain(&self, mut output: impl Write, tell: impl Fn(u64)) {
        let mut batch = Vec::new();
        while let Some(lost) = self.take(&mut batch) {
            self.write(&mut output, &batch);
            batch.clear();
            batch.shrink_to(KEPT);
            if lost > 0 {
                tell(lost);
            }
        }
    }

    /// Waits for lines, and lets more of them come. How many were lost.
    fn take(&self, batch: &mut Vec<u8>) -> Option<u64> {
        let idle = |state: &mut State| state.lines.is_empty() && !state.closing;
        let state = self.news.wait_while(self.state(), idle).unwrap_or_else(PoisonError::into_inner);
        let mut state = self.pause(state);
        if state.lines.is_empty() {
            return None;
        }
        mem::swap(&mut state.lines, batch);
        Some(mem::take(&mut state.lost))
    }

    fn pause<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let waited = self.news.wait_timeout_while(state, PAUSE, |state| !state.closing);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Tries again when the output fails: a full disk or pipe may have room later, and half a line would spoil the next.
    /// At the end nobody waits for that.
    fn write(&self, output: &mut impl Write, batch: &[u8]) {
        let mut rest = batch;
        while write_on(output, &mut rest).is_err() {
            if self.pause(self.state()).closing {
                return;
            }
        }
    }
}

/// Leaves what was not written.
fn write_on(output: &mut impl Write, rest: &mut &[u8]) -> io::Result<()> {
    while !rest.is_empty() {
        match output.write(rest) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => *rest = rest.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    output.flush()
}

impl Write for &Queue {
    /// Takes one whole line at a time, which is how the formatter of `tracing` hands them over.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.append(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue.state().closing = true;
        self.queue.news.notify_one();
        // An output that hangs does not keep the process.
        let _ended = self.ended.recv_timeout(PATIENCE);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::Kept, *};

    fn open(output: impl Write + Send + 'static) -> (Arc<Queue>, Writer) {
        Queue::open(output, |lost| panic!("{lost} lines were lost")).unwrap()
    }

    #[test]
    fn lines_of_many_threads_are_whole_and_in_their_order_and_none_is_lost_at_the_end() {
        const THREADS: usize = 8;
        const LINES: usize = 1000;
        let kept = Kept::default();
        let (queue, writer) = open(kept.clone());
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let queue = &queue;
                scope.spawn(move || {
                    for line in 0..LINES {
                        queue.append(format!("{thread} {line} {}\n", "x".repeat(line % 100)).as_bytes());
                    }
                });
            }
        });
        drop(writer);
        let mut next = [0; THREADS];
        for line in kept.text().lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let (thread, number): (usize, usize) = (words[0].parse().unwrap(), words[1].parse().unwrap());
            assert_eq!((number, words[2].len(), words.len()), (next[thread], number % 100, 3), "{line}");
            next[thread] += 1;
        }
        assert_eq!(next, [LINES; THREADS]);
    }

    #[test]
    fn an_output_that_hangs_costs_lines_but_holds_up_nobody_and_their_number_is_told() {
        const LINE: [u8; 1024] = [b'\n'; 1024];
        let kept = Kept::default();
        let (told, lost) = mpsc::channel();
        let (queue, writer) = Queue::open(kept.clone(), move |lost| told.send(lost).unwrap()).unwrap();
        let sent = 3 * BOUND / LINE.len();
        let hangs = kept.0.lock().unwrap();
        for _ in 0..sent {
            queue.append(&LINE);
        }
        drop(hangs);
        drop(writer);
        // It tells once for each batch, and is gone with the thread.
        let lost: u64 = lost.iter().sum();
        let written = kept.0.lock().unwrap().len() / LINE.len();
        assert_eq!(u64::try_from(sent - written).unwrap(), lost);
        assert!(lost >= u64::try_from(sent / 3).unwrap(), "{lost}");
    }

    /// Takes a few bytes, and fails every other time.
    struct Stutters(Kept, bool);

    impl Write for Stutters {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 { Err(ErrorKind::WouldBlock.into()) } else { self.0.write(&bytes[..bytes.len().min(5)]) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_an_output_does_not_take_at_once_is_written_later_and_once() {
        let kept = Kept::default();
        let (queue, _writer) = open(Stutters(kept.clone(), false));
        queue.append(b"one line\n");
        queue.append(b"and another\n");
        while kept.text() != "one line\nand another\n" {
            thread::sleep(PAUSE);
        }
    }

    #[test]
    fn an_output_that_is_broken_ends_with_the_log() {
        struct Broken;
        impl Write for Broken {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(ErrorKind::BrokenPipe.into())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (queue, writer) = open(Broken);
        queue.append(b"one line\n");
        queue.state().closing = true;
        queue.news.notify_one();
        assert_eq!(writer.ended.recv(), Err(mpsc::RecvError), "the thread ends");
    }

    #[test]
    fn secrets_are_masked_in_what_is_no_text_too() {
        let kept = Kept::default();
        let (queue, writer) = open(kept.clone());
        queue.append(b"\xffprt_at_abc-DEF\n");
        drop(writer);
        assert_eq!(kept.text(), "\u{fffd}prt_***\n");
    }
}
