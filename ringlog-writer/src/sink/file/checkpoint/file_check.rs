//! What has become of a file while nobody wrote to it: what may be said of it, and what may be done.

use std::ops::Range;

use super::state::FileState;
use crate::rotation::Identity;

/// What may be done with the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It ends where the last whole batch ends.
    Whole,
    /// The batch that was being written is in it as a whole: it counts.
    RollForward,
    /// A part of the batch that was being written is in it: to be cut off at this length.
    Cut(u64),
    /// Somebody else has done something to it.
    Foreign(Why),
}

/// What somebody else has done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Why {
    /// It is not the file that was written.
    #[error("it is another file than the one that was written")]
    Other,
    /// It was cut.
    #[error("it was cut: {len} bytes, {expected} were written")]
    Shorter { len: u64, expected: u64 },
    /// Its last batch is not what was written.
    #[error("its last bytes are not those that were written")]
    Changed,
    /// Others have written to it.
    #[error("others have written to it: {len} bytes, {expected} at most are ours")]
    Longer { len: u64, expected: u64 },
}

/// A file as it was found.
pub(crate) struct Found<C> {
    pub(crate) identity: Identity,
    pub(crate) len: u64,
    /// CRC-32 of a range of its bytes; `None` if they cannot be read.
    pub(crate) crc: C,
}

impl<C: FnMut(Range<u64>) -> Option<u32>> Found<C> {
    /// Judges it by what is certain of it, and by what may have been written after that.
    pub(crate) fn judge(&mut self, committed: &FileState, prepared: Option<&FileState>) -> Verdict {
        let (len, expected) = (self.len, committed.len);
        if self.identity != committed.identity {
            return Verdict::Foreign(Why::Other);
        }
        if len < expected {
            return Verdict::Foreign(Why::Shorter { len, expected });
        }
        if !self.has_tail(committed) {
            return Verdict::Foreign(Why::Changed);
        }
        // A batch is appended to what was certain: anything else was prepared for another file.
        let prepared = prepared.filter(|p| p.identity == committed.identity && p.tail_start == expected);
        match prepared {
            _ if len == expected => Verdict::Whole,
            None => Verdict::Foreign(Why::Longer { len, expected }),
            Some(prepared) if len == prepared.len && self.has_tail(prepared) => Verdict::RollForward,
            Some(prepared) if len <= prepared.len => Verdict::Cut(expected),
            Some(prepared) => Verdict::Foreign(Why::Longer { len, expected: prepared.len }),
        }
    }

    /// Whether the batch that was being written is in a file that others have written to as well.
    pub(crate) fn has_tail(&mut self, state: &FileState) -> bool {
        (self.crc)(state.tail_start..state.len) == Some(state.tail_crc)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Identity = Identity { dev: 1, ino: 2, born_ns: 3 };

    fn state(bytes: &[u8], tail_start: usize) -> FileState {
        FileState {
            identity: OURS,
            len: bytes.len() as u64,
            tail_start: tail_start as u64,
            tail_crc: crc32fast::hash(&bytes[tail_start..]),
        }
    }

    fn judge(bytes: &[u8], committed: &FileState, prepared: Option<&FileState>) -> Verdict {
        let crc =
            |range: Range<u64>| bytes.get(range.start as usize..range.end as usize).map(crc32fast::hash);
        Found { identity: OURS, len: bytes.len() as u64, crc }.judge(committed, prepared)
    }

    #[test]
    fn every_prefix_of_a_torn_batch_is_cut_off_and_only_a_whole_one_counts() {
        let (before, batch) = (b"one\ntwo\n".as_slice(), b"three\nfour\n".as_slice());
        let whole = [before, batch].concat();
        let (committed, prepared) = (state(before, 4), state(&whole, before.len()));
        for len in 0..=whole.len() {
            let expected = match len {
                _ if len < before.len() => Verdict::Foreign(Why::Shorter { len: len as u64, expected: 8 }),
                8 => Verdict::Whole,
                _ if len < whole.len() => Verdict::Cut(8),
                _ => Verdict::RollForward,
            };
            assert_eq!(judge(&whole[..len], &committed, Some(&prepared)), expected, "{len}");
        }
        // After a power cut the length may be there and the bytes not.
        let zeros = [before, &[0; 11]].concat();
        assert_eq!(judge(&zeros, &committed, Some(&prepared)), Verdict::Cut(8));
    }

    #[test]
    fn nothing_is_cut_that_may_be_anothers() {
        let (before, whole) = (b"one\ntwo\n".as_slice(), b"one\ntwo\nthree\n".as_slice());
        let (committed, prepared) = (state(before, 4), state(whole, before.len()));
        let grown = [whole, b"theirs\n"].concat();
        let longer = |expected| Verdict::Foreign(Why::Longer { len: 21, expected });
        assert_eq!(judge(&grown, &committed, Some(&prepared)), longer(14));
        assert_eq!(judge(&grown, &committed, None), longer(8));
        assert_eq!(judge(b"one\nTWO\n", &committed, None), Verdict::Foreign(Why::Changed));
        assert_eq!(judge(b"one\nTWO\nthr", &committed, Some(&prepared)), Verdict::Foreign(Why::Changed));
        let other = FileState { identity: Identity { ino: 9, ..OURS }, ..committed };
        assert_eq!(judge(before, &other, None), Verdict::Foreign(Why::Other));
        // What was prepared for the next file says nothing of this one.
        let next = FileState { tail_start: 0, ..prepared };
        assert_eq!(
            judge(whole, &committed, Some(&next)),
            Verdict::Foreign(Why::Longer { len: 14, expected: 8 })
        );
    }
}
