//! Names and other short texts as words of shared memory.

use crate::shm::layout::NAME_BYTES;

/// A name as stored: its first 32 bytes, cut between characters, padded with zeros.
pub(crate) fn name_words(name: &str) -> [u64; NAME_BYTES / 8] {
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
