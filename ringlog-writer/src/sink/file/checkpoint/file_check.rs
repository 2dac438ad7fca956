//! Comparing a log file with the states in its checkpoint.

use std::ops::Range;

use super::state::FileState;
use crate::counted::counted;
use crate::rotation::Identity;

/// The result of comparing a file with its checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileCheck {
    /// The file ends with the last committed batch.
    Intact,
    /// The prepared batch is in the file completely: it has to be committed.
    RollForward,
    /// A part of the prepared batch is in the file: it has to be truncated to this length.
    Truncate(u64),
    /// Another process has changed the file.
    Mismatch(Mismatch),
}

/// How another process has changed a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Mismatch {
    /// It is another file.
    #[error("it is not the file that was written")]
    Other,
    /// It is shorter.
    #[error("it was truncated: it has {}, {expected} were written", counted(*len, "byte"))]
    Shorter { len: u64, expected: u64 },
    /// The bytes of the last batch differ.
    #[error("its last bytes differ from those that were written")]
    Changed,
    /// It is longer.
    #[error("another process has written to it: it has {}, at most {expected} are ours", counted(*len, "byte"))]
    Longer { len: u64, expected: u64 },
}

impl Mismatch {
    /// What is known if the machine was restarted since the file was written: no other process need have changed it.
    pub(crate) fn after_restart(&self) -> String {
        let found = match self {
            Mismatch::Other => "it is not the file that was written".to_owned(),
            Mismatch::Shorter { len, expected } => {
                let missing = counted(expected.saturating_sub(*len), "byte");
                format!("it is {missing} shorter than when it was last written")
            }
            Mismatch::Changed => "its last bytes differ from those that were written".to_owned(),
            Mismatch::Longer { len, expected } => {
                let more = counted(len.saturating_sub(*expected), "byte");
                format!("it is {more} longer than its checkpoint says")
            }
        };
        let lost = match self {
            Mismatch::Longer { .. } => "the last state of the checkpoint may not have reached the disk",
            _ => "what was written last may not have reached the disk",
        };
        format!("{found}; the machine was restarted meanwhile, so {lost}")
    }
}

/// A file as it is on disk.
pub(crate) struct OnDisk<C> {
    pub(crate) identity: Identity,
    pub(crate) len: u64,
    /// The CRC-32 of a range of bytes; `None` if they cannot be read.
    pub(crate) crc: C,
}

impl<C: FnMut(Range<u64>) -> Option<u32>> OnDisk<C> {
    /// Compares the file with the committed and the prepared state.
    pub(crate) fn check(&mut self, committed: &FileState, prepared: Option<&FileState>) -> FileCheck {
        let (len, expected) = (self.len, committed.len);
        if self.identity != committed.identity {
            return FileCheck::Mismatch(Mismatch::Other);
        }
        if len < expected {
            return FileCheck::Mismatch(Mismatch::Shorter { len, expected });
        }
        if !self.has_tail(committed) {
            return FileCheck::Mismatch(Mismatch::Changed);
        }
        // A batch is appended to the committed bytes; any other prepared state is for another file.
        let prepared = prepared.filter(|p| p.identity == committed.identity && p.tail_start == expected);
        match prepared {
            _ if len == expected => FileCheck::Intact,
            None => FileCheck::Mismatch(Mismatch::Longer { len, expected }),
            Some(prepared) if len == prepared.len && self.has_tail(prepared) => FileCheck::RollForward,
            Some(prepared) if len <= prepared.len => FileCheck::Truncate(expected),
            Some(prepared) => FileCheck::Mismatch(Mismatch::Longer { len, expected: prepared.len }),
        }
    }

    /// Whether the last batch of this state is in the file.
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
            since_ns: 0,
        }
    }

    fn check(bytes: &[u8], committed: &FileState, prepared: Option<&FileState>) -> FileCheck {
        let crc =
            |range: Range<u64>| bytes.get(range.start as usize..range.end as usize).map(crc32fast::hash);
        OnDisk { identity: OURS, len: bytes.len() as u64, crc }.check(committed, prepared)
    }

    #[test]
    fn a_torn_batch_is_truncated_and_a_complete_one_counts() {
        let (before, batch) = (b"one\ntwo\n".as_slice(), b"three\nfour\n".as_slice());
        let whole = [before, batch].concat();
        let (committed, prepared) = (state(before, 4), state(&whole, before.len()));
        for len in 0..=whole.len() {
            let expected = match len {
                _ if len < before.len() => {
                    FileCheck::Mismatch(Mismatch::Shorter { len: len as u64, expected: 8 })
                }
                8 => FileCheck::Intact,
                _ if len < whole.len() => FileCheck::Truncate(8),
                _ => FileCheck::RollForward,
            };
            assert_eq!(check(&whole[..len], &committed, Some(&prepared)), expected, "{len}");
        }
        // After a power cut the length may be there and the bytes not.
        let zeros = [before, &[0; 11]].concat();
        assert_eq!(check(&zeros, &committed, Some(&prepared)), FileCheck::Truncate(8));
    }

    #[test]
    fn foreign_bytes_are_never_truncated() {
        let (before, whole) = (b"one\ntwo\n".as_slice(), b"one\ntwo\nthree\n".as_slice());
        let (committed, prepared) = (state(before, 4), state(whole, before.len()));
        let grown = [whole, b"theirs\n"].concat();
        let longer = |expected| FileCheck::Mismatch(Mismatch::Longer { len: 21, expected });
        assert_eq!(check(&grown, &committed, Some(&prepared)), longer(14));
        assert_eq!(check(&grown, &committed, None), longer(8));
        assert_eq!(check(b"one\nTWO\n", &committed, None), FileCheck::Mismatch(Mismatch::Changed));
        assert_eq!(
            check(b"one\nTWO\nthr", &committed, Some(&prepared)),
            FileCheck::Mismatch(Mismatch::Changed)
        );
        let other = FileState { identity: Identity { ino: 9, ..OURS }, ..committed };
        assert_eq!(check(before, &other, None), FileCheck::Mismatch(Mismatch::Other));
        // A state prepared for the next file does not concern this one.
        let next = FileState { tail_start: 0, ..prepared };
        assert_eq!(
            check(whole, &committed, Some(&next)),
            FileCheck::Mismatch(Mismatch::Longer { len: 14, expected: 8 })
        );
    }
}
