//! The encoder writes its input, into any window.

use super::*;
use crate::shm::sync::Ordering;
use proptest::prelude::*;

/// The number of bytes written, and the window's contents. Asserts that nothing was stored outside it.
fn encode(window: std::ops::Range<usize>, write: impl Fn(&mut Encoder<'_>)) -> (usize, Vec<u8>) {
    const GUARD: u64 = 0x6775_6172_6421_2121;
    let new = |at| AtomicU64::new(if window.contains(&at) { 0 } else { GUARD });
    let words: Vec<AtomicU64> = (0..window.end + 64).map(new).collect();
    #[allow(unsafe_code)]
    // SAFETY: `words` has the window in it and outlives the encoder.
    let mut out = unsafe { Encoder::new(words.as_ptr().add(window.start), window.start, window.end) };
    write(&mut out);
    let len = out.finish();
    let stored: Vec<u64> = words.iter().map(|word| word.load(Ordering::Relaxed)).collect();
    let guards = stored.iter().enumerate().filter(|(at, _)| !window.contains(at));
    assert!(guards.map(|(_, word)| *word).all(|word| word == GUARD), "stored beyond the window");
    (len, stored[window].iter().flat_map(|word| word.to_le_bytes()).collect())
}

proptest! {
    /// The bytes are the little-endian concatenation of any fields, and so are the joined windows of several blocks.
    #[test]
    fn encoding_is_plain_concatenation(
        parts in prop::collection::vec(prop_oneof![
            any::<u8>().prop_map(|v| v.to_le_bytes().to_vec()),
            any::<u16>().prop_map(|v| v.to_le_bytes().to_vec()),
            any::<u32>().prop_map(|v| v.to_le_bytes().to_vec()),
            any::<u64>().prop_map(|v| v.to_le_bytes().to_vec()),
            any::<u128>().prop_map(|v| v.to_le_bytes().to_vec()),
            prop::collection::vec(any::<u8>(), 0..40),
            prop::collection::vec(any::<u8>(), 40..300),
        ], 0..12),
        window_words in 1..9_usize,
    ) {
        let expected: Vec<u8> = parts.concat();
        let write = |out: &mut Encoder<'_>| for part in &parts {
            match part.len() {
                1 => out.put_u8(part[0]),
                2 => out.put_u16(u16::from_le_bytes(part[..].try_into().unwrap())),
                4 => out.put_u32(u32::from_le_bytes(part[..].try_into().unwrap())),
                8 => out.put_u64(u64::from_le_bytes(part[..].try_into().unwrap())),
                16 => out.put_u128(u128::from_le_bytes(part[..].try_into().unwrap())),
                _ => out.put_raw(part),
            }
        };
        let words = expected.len().div_ceil(8);
        let (len, bytes) = encode(0..words, write);
        prop_assert_eq!(len, expected.len());
        prop_assert_eq!(&bytes[..len], &expected[..]);
        let mut windows = Vec::new();
        for start in (0..words).step_by(window_words) {
            let (len, part) = encode(start..(start + window_words).min(words), write);
            prop_assert_eq!(len, expected.len());
            windows.extend(part);
        }
        prop_assert_eq!(&windows[..expected.len()], &expected[..]);
    }

    /// An encoder fills its window and never stores outside it, for any length.
    #[test]
    fn writing_too_much_is_counted_not_stored(
        from in 0..6_usize,
        words in 0..6_usize,
        texts in prop::collection::vec(0..60_usize, 1..8),
    ) {
        let write = |out: &mut Encoder<'_>| texts.iter().for_each(|len| out.put_raw(&vec![0xaa; *len]));
        let (len, bytes) = encode(from..from + words, write);
        prop_assert_eq!(len, texts.iter().sum::<usize>());
        let stored = len.saturating_sub(from * 8).min(words * 8);
        prop_assert_eq!(&bytes[..stored], &vec![0xaa; stored][..]);
    }
}
