//! Level rules set by another process: how their text reaches running producers as a whole.
//!
//! The header has room for two texts. The epoch's lowest bit names the half in force. A process that changes the
//! rules holds a kernel lock, writes the other half, and raises the epoch. So a change takes effect as a whole or not
//! at all, at whatever step the process dies. The next change overwrites an unfinished half.
//!
//! A reader copies the half in force and checks the epoch again. A level decided by that text is valid until
//! the epoch changes, so a log call compares one word with the epoch of its last decision.

use crate::shm::layout::{self, header, pair};
use crate::shm::memory::Memory;
use crate::shm::sync::{AtomicU64, Ordering, Sync};

/// The longest text of rules, in bytes.
pub(crate) const TEXT_MAX: usize = header::LEVEL_RULES_BYTES - 8;

/// Room for a private copy of a text, on the reader's stack.
pub(crate) type Room = [u64; TEXT_MAX / 8];
pub(crate) const ROOM: Room = [0; TEXT_MAX / 8];

/// How often a reader starts again because the rules were changed meanwhile.
const TRIES: u32 = 16;

/// The epoch; 0 in a ring whose rules no process has changed or followed yet.
pub(crate) fn epoch_word(memory: &Memory) -> &AtomicU64 {
    memory.word(header::LEVEL_EPOCH / 8)
}

/// The word at which the half begins that is in force at `epoch`.
fn half(epoch: u64) -> usize {
    header::LEVEL_RULES[(epoch & 1) as usize] / 8
}

/// The epoch; set to a first one if it is 0. The half in force stays.
pub(crate) fn begin(memory: &Memory, now_ns: u64) -> u64 {
    let first = after(0, now_ns) & !1;
    // Acquire: as for `read`.
    match epoch_word(memory).compare_exchange(0, first, Ordering::Relaxed, Sync::Steer.acquire()) {
        Ok(_) => first,
        Err(epoch) => epoch,
    }
}

/// The next epoch: never 0, always of the other half, and at least the clock's time. So it was never in force before,
/// even after the word was set back, and two rings do not share it: no gate takes an old decision for one of this
/// epoch.
fn after(epoch: u64, now_ns: u64) -> u64 {
    let next = epoch.checked_add(1).unwrap_or(2);
    next.max(now_ns & !1 | next & 1)
}

/// The epoch and the text of rules in force, copied to `room`; an empty text where the bytes are damaged. `None` if
/// the rules changed during every attempt.
pub(crate) fn read<'a>(memory: &Memory, room: &'a mut Room) -> Option<(u64, &'a [u8])> {
    let mut found = None;
    for _ in 0..TRIES {
        // SYNC STEER (acquire end): the half that this epoch names has been written.
        let epoch = epoch_word(memory).load(Sync::Steer.acquire());
        found = copy(memory, epoch, room).map(|length| (epoch, length));
        if found.is_some() {
            break;
        }
    }
    let (epoch, length) = found?;
    Some((epoch, &bytemuck::cast_slice(room)[..length]))
}

/// Copies the text in force at `epoch` and returns its length; `None` if the epoch has passed.
fn copy(memory: &Memory, epoch: u64, room: &mut Room) -> Option<usize> {
    let start = half(epoch);
    let load = |index| memory.word(index).load(Ordering::Relaxed);
    let (length, checksum) = layout::halves(load(start));
    let length = if length as usize <= TEXT_MAX { length as usize } else { 0 };
    for (at, word) in room[..length.div_ceil(8)].iter_mut().enumerate() {
        *word = load(start + 1 + at);
    }
    // SYNC RULES (acquire end): if a byte of a later text was copied, a later epoch is visible now.
    Sync::Rules.acquire_fence();
    if epoch_word(memory).load(Ordering::Relaxed) != epoch {
        return None;
    }
    let whole = crc32fast::hash(&bytemuck::cast_slice(&room[..])[..length]) == checksum;
    Some(if whole { length } else { 0 })
}

/// Puts `text`, of at most [`TEXT_MAX`] bytes, in force in place of the text of `epoch`. The caller holds the lock.
/// Returns false, and changes nothing, if the epoch has changed.
pub(crate) fn write(memory: &Memory, epoch: u64, now_ns: u64, text: &[u8]) -> bool {
    debug_assert!(text.len() <= TEXT_MAX);
    let next = after(epoch, now_ns);
    let start = half(next);
    // SYNC RULES (release end): a reader that sees a byte stored below sees that this half was not in force.
    Sync::Rules.release_fence();
    let store = |index, word| memory.word(index).store(word, Ordering::Relaxed);
    store(start, pair(text.len() as u32, crc32fast::hash(text)));
    for (at, chunk) in text.chunks(8).enumerate() {
        let word = chunk.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        store(start + 1 + at, word);
    }
    // SYNC STEER (release end): the half comes before the epoch that names it.
    epoch_word(memory).compare_exchange(epoch, next, Sync::Steer.release(), Ordering::Relaxed).is_ok()
}

/// Raises the epoch and leaves the text in force as it is, so that every gate decides anew. Does nothing if the rules
/// are changed meanwhile: that raises it too.
pub(crate) fn raise(memory: &Memory, now_ns: u64) {
    let word = epoch_word(memory);
    // Acquire and release: as for `read` and `write`, because a reader may see this epoch in place of the last one.
    let epoch = word.load(Sync::Steer.acquire());
    let next = epoch.checked_add(2).unwrap_or(2 | epoch & 1).max(now_ns & !1 | epoch & 1);
    let _ = word.compare_exchange(epoch, next, Sync::Steer.release(), Ordering::Relaxed);
}

#[cfg(all(test, not(loom)))]
mod tests;
