//! The levels of loggers whose names are not known at compile time, kept as of an epoch.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::record::level::Level;

/// One entry a name, at the place that its hash gives: the hash, which the epoch goes into, with the least
/// level in place of its lowest byte.
static NAMES: [AtomicU64; 1 << 10] = [const { AtomicU64::new(0) }; 1 << 10];

/// The least level kept for a logger as of an epoch.
#[inline]
pub(crate) fn get(logger: &str, epoch: u64) -> Option<Level> {
    let hash = hash(logger, epoch);
    let known = NAMES[hash as usize % NAMES.len()].load(Ordering::Relaxed);
    (known >> 8 == hash >> 8 && known as u8 != 0).then_some(Level::from_number(known as u8))
}

/// Keeps the least level of a logger as of an epoch.
pub(crate) fn set(logger: &str, epoch: u64, least: Level) {
    let hash = hash(logger, epoch);
    NAMES[hash as usize % NAMES.len()].store(hash & !0xff | u64::from(least.number()), Ordering::Relaxed);
}

/// A hash of the name and the epoch. 56 of its bits are compared: two names are mixed up less often than
/// a machine errs.
#[inline]
fn hash(name: &str, epoch: u64) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15; // the golden ratio's fraction
    let mix = |hash: u64, word: u64| {
        let product = u128::from(hash ^ word) * u128::from(FACTOR);
        (product >> 64) as u64 ^ product as u64
    };
    let (words, rest) = name.as_bytes().as_chunks::<8>();
    let rest = rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    let words = words.iter().map(|word| u64::from_le_bytes(*word));
    mix(words.fold(mix(epoch, name.len() as u64), mix), rest)
}
