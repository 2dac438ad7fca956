//! A reader of lines of any bytes and any length, in bounded memory.

use std::io::{self, BufRead, BufReader, Read};

/// Reads lines byte for byte. Every newline ends a line; bytes after the last newline are a line too.
pub struct LineReader<R> {
    input: BufReader<R>,
    /// The most bytes of a line that are kept.
    limit: usize,
    line: Vec<u8>,
    is_torn: bool,
}

impl<R: Read> LineReader<R> {
    /// Makes a reader that keeps `limit + 1` bytes of each line. The extra byte shows that a line was longer than
    /// `limit`.
    pub fn new(input: R, limit: usize) -> LineReader<R> {
        LineReader {
            input: BufReader::with_capacity(64 << 10, input),
            limit: limit + 1,
            line: Vec::new(),
            is_torn: false,
        }
    }

    /// Returns the kept part of the next line, and the length of the whole line in bytes.
    pub fn next(&mut self) -> io::Result<Option<(&[u8], u64)>> {
        self.line.clear();
        let mut bytes = 0;
        loop {
            let chunk = match self.input.fill_buf() {
                Ok([]) if bytes == 0 => return Ok(None),
                Ok([]) => {
                    self.is_torn = true;
                    break;
                }
                Ok(chunk) => chunk,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let newline = chunk.iter().position(|byte| *byte == b'\n');
            let part = &chunk[..newline.unwrap_or(chunk.len())];
            let room = self.limit - self.line.len();
            self.line.extend_from_slice(&part[..part.len().min(room)]);
            bytes += part.len() as u64;
            let used = part.len() + usize::from(newline.is_some());
            self.input.consume(used);
            if newline.is_some() {
                break;
            }
        }
        Ok(Some((&self.line, bytes)))
    }

    /// Counts the lines that are left, without waiting: as long as `is_ready` says that a read returns at once. Returns
    /// their number, and whether the input has ended.
    pub fn count_rest(&mut self, mut is_ready: impl FnMut() -> bool) -> io::Result<(u64, bool)> {
        let (mut lines, mut is_within) = (0, false);
        while !self.input.buffer().is_empty() || is_ready() {
            let chunk = match self.input.fill_buf() {
                Ok([]) => return Ok((lines + u64::from(is_within), true)),
                Ok(chunk) => chunk,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            lines += chunk.iter().filter(|byte| **byte == b'\n').count() as u64;
            is_within = chunk.last() != Some(&b'\n');
            let used = chunk.len();
            self.input.consume(used);
        }
        Ok((lines, false))
    }

    /// Whether the input has ended without a newline.
    pub fn is_torn(&self) -> bool {
        self.is_torn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns at most three bytes from each read, as a slow pipe does.
    struct Trickle<'a>(&'a [u8]);

    impl Read for Trickle<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let count = out.len().min(3);
            self.0.read(&mut out[..count])
        }
    }

    fn lines(input: &[u8], limit: usize) -> Vec<(Vec<u8>, u64)> {
        let mut lines = LineReader::new(Trickle(input), limit);
        let mut all = Vec::new();
        while let Some((line, bytes)) = lines.next().unwrap() {
            all.push((line.to_vec(), bytes));
        }
        all
    }

    #[test]
    fn each_newline_ends_one_line() {
        let whole = |input: &[u8]| lines(input, 100).into_iter().map(|(line, _)| line).collect::<Vec<_>>();
        assert_eq!(whole(b""), [b""; 0]);
        assert_eq!(whole(b"\n"), [b""]);
        assert_eq!(whole(b"one\n\ntwo"), [&b"one"[..], b"", b"two"]);
        assert_eq!(whole(b"\xff\0\r\nlonger than a chunk\n"), [&b"\xff\0\r"[..], b"longer than a chunk"]);
    }

    #[test]
    fn a_last_line_without_a_newline_is_torn() {
        for (input, torn) in [(&b""[..], false), (b"one\n", false), (b"one\ntwo", true)] {
            let mut lines = LineReader::new(input, 100);
            while lines.next().unwrap().is_some() {}
            assert_eq!(lines.is_torn(), torn);
        }
    }

    #[test]
    fn the_rest_is_counted_as_far_as_it_can_be_read_at_once() {
        let count = |input: &[u8], mut reads: u32| {
            let mut lines = LineReader::new(Trickle(input), 100);
            assert!(lines.next().unwrap().is_some());
            let is_ready = || {
                reads = reads.saturating_sub(1);
                reads > 0
            };
            lines.count_rest(is_ready).unwrap()
        };
        assert_eq!(count(b"one\n", 99), (0, true));
        assert_eq!(count(b"one\ntwo\n\nthree", 99), (3, true));
        assert_eq!(count(b"one\ntwo\n\nthree\n", 3), (2, false));
        assert_eq!(count(b"one\ntwo\n", 1), (0, false));
    }

    #[test]
    fn a_long_line_is_counted_and_its_rest_is_dropped() {
        assert_eq!(lines(b"0123456789\nab", 4), [(b"01234".to_vec(), 10), (b"ab".to_vec(), 2)]);
    }
}
