//! Lines of any bytes and any length, in bounded memory.

use std::io::{self, BufRead, BufReader, Read};

/// Reads lines: what is between newlines, byte for byte. A last line without a newline counts, an empty
/// one is an empty line.
pub struct Lines<R> {
    input: BufReader<R>,
    /// How much of a line is kept.
    limit: usize,
    line: Vec<u8>,
    torn: bool,
}

impl<R: Read> Lines<R> {
    /// Of each line a byte more than `limit` is kept, so that it still shows that it was longer.
    pub fn new(input: R, limit: usize) -> Lines<R> {
        Lines {
            input: BufReader::with_capacity(64 << 10, input),
            limit: limit + 1,
            line: Vec::new(),
            torn: false,
        }
    }

    /// The next line as far as it is kept, and how many bytes it had.
    pub fn next(&mut self) -> io::Result<Option<(&[u8], u64)>> {
        self.line.clear();
        let mut bytes = 0;
        loop {
            let chunk = match self.input.fill_buf() {
                Ok([]) if bytes == 0 => return Ok(None),
                Ok([]) => {
                    self.torn = true;
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

    /// Whether the last line had no newline.
    pub fn is_torn(&self) -> bool {
        self.torn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives out its bytes a few at a time, as a pipe does.
    struct Trickle<'a>(&'a [u8]);

    impl Read for Trickle<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let count = out.len().min(3);
            self.0.read(&mut out[..count])
        }
    }

    fn lines(input: &[u8], limit: usize) -> Vec<(Vec<u8>, u64)> {
        let mut lines = Lines::new(Trickle(input), limit);
        let mut all = Vec::new();
        while let Some((line, bytes)) = lines.next().unwrap() {
            all.push((line.to_vec(), bytes));
        }
        all
    }

    #[test]
    fn every_line_counts_and_none_is_made_up() {
        let whole = |input: &[u8]| lines(input, 100).into_iter().map(|(line, _)| line).collect::<Vec<_>>();
        assert_eq!(whole(b""), [b""; 0]);
        assert_eq!(whole(b"\n"), [b""]);
        assert_eq!(whole(b"one\n\ntwo"), [&b"one"[..], b"", b"two"]);
        assert_eq!(whole(b"\xff\0\r\nlonger than a chunk\n"), [&b"\xff\0\r"[..], b"longer than a chunk"]);
    }

    #[test]
    fn a_last_line_without_a_newline_is_torn() {
        for (input, torn) in [(&b""[..], false), (b"one\n", false), (b"one\ntwo", true)] {
            let mut lines = Lines::new(input, 100);
            while lines.next().unwrap().is_some() {}
            assert_eq!(lines.is_torn(), torn);
        }
    }

    #[test]
    fn a_long_line_is_counted_but_not_kept() {
        assert_eq!(lines(b"0123456789\nab", 4), [(b"01234".to_vec(), 10), (b"ab".to_vec(), 2)]);
    }
}
