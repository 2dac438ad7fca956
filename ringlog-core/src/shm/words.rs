//! Names and other short texts as words of shared memory.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::os::thread;
use crate::shm::layout::NAME_BYTES;

/// The process's name, found out when it first attaches to a ring. A forked child has its parent's.
static PROCESS_NAME: [AtomicU64; NAME_BYTES / 8] = [const { AtomicU64::new(0) }; NAME_BYTES / 8];

/// The process's name as stored. Allocates nothing in a forked child, whose first record may come from a signal
/// handler: without a lock, several threads may find the name out, and each stores the same.
pub(crate) fn process_name_words() -> [u64; NAME_BYTES / 8] {
    let [first, rest @ ..] = &PROCESS_NAME;
    if first.load(Ordering::Acquire) != 0 {
        return PROCESS_NAME.each_ref().map(|word| word.load(Ordering::Relaxed));
    }
    let words = name_words(&thread::process_name());
    for (word, value) in rest.iter().zip(&words[1..]) {
        word.store(*value, Ordering::Relaxed);
    }
    // Release: a thread that sees it sees the rest.
    first.store(words[0], Ordering::Release);
    words
}

/// A name as stored: its first 32 bytes, cut between characters, padded with zeros.
fn name_words(name: &str) -> [u64; NAME_BYTES / 8] {
    text_words(name)
}

/// The start of a text that fits into `WORDS` words, cut between characters, padded with zeros.
pub(crate) fn text_words<const WORDS: usize>(text: &str) -> [u64; WORDS] {
    let mut end = text.len().min(8 * WORDS);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    padded_words(&text.as_bytes()[..end])
}

/// The first bytes as words, padded with zeros.
pub(crate) fn padded_words<const WORDS: usize>(bytes: &[u8]) -> [u64; WORDS] {
    let mut words = [0; WORDS];
    for (word, chunk) in words.iter_mut().zip(bytes.chunks(8)) {
        *word = chunk.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    }
    words
}

/// A stored text, read back from untrusted words up to its first zero byte.
pub(crate) fn text_from_words(words: &[u64]) -> String {
    let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).take_while(|b| *b != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_between_characters() {
        let long = "ä".repeat(20);
        assert_eq!(text_from_words(&name_words(&long)), "ä".repeat(16));
        let odd = format!("x{}", "ä".repeat(20));
        assert_eq!(text_from_words(&name_words(&odd)), format!("x{}", "ä".repeat(15)));
        assert_eq!(text_from_words(&name_words("worker-2")), "worker-2");
    }
}
