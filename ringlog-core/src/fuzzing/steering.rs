//! The level rules of a ring that consists only of a header in this process's memory.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::Error;
use crate::record::level::Level;
use crate::record::level::filter::Filter;
use crate::record::level::rules::{self, LevelRules};
use crate::shm::layout::{header, pair};
use crate::shm::memory::Memory;
use crate::shm::rules_area;

/// A header's words, of which only those of the level rules are used.
#[derive(Debug)]
pub struct Steering {
    words: Vec<AtomicU64>,
}

impl Default for Steering {
    fn default() -> Self {
        Self::new()
    }
}

impl Steering {
    /// A header whose level rules have never been set.
    pub fn new() -> Steering {
        Steering { words: (0..header::BYTES / 8).map(|_| AtomicU64::new(0)).collect() }
    }

    fn memory(&self) -> Memory {
        // SAFETY: a vector of such words is aligned; each use of the result ends with a call of a method.
        unsafe { Memory::borrow(self.words.as_ptr(), self.words.len()) }
    }

    /// Sets the epoch.
    pub fn set_epoch(&self, epoch: u64) {
        rules_area::epoch_word(&self.memory()).store(epoch, Ordering::Relaxed);
    }

    /// Stores bytes, as many as there is room for, in the half that the lowest bit of `half` names: as a text with
    /// its length and checksum, or unchanged.
    pub fn put(&self, half: u64, bytes: &[u8], is_text: bool) {
        let start = header::LEVEL_RULES[(half & 1) as usize] / 8;
        let (bytes, room) = (&bytes[..bytes.len().min(rules_area::TEXT_MAX)], header::LEVEL_RULES_BYTES / 8);
        let words = bytes.chunks(8).map(|chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            u64::from_le_bytes(word)
        });
        let first = is_text.then(|| pair(bytes.len() as u32, crc32fast::hash(bytes)));
        let all = first.into_iter().chain(words);
        all.zip(&self.words[start..start + room]).for_each(|(word, at)| at.store(word, Ordering::Relaxed));
    }

    /// The epoch and the rules in force.
    pub fn rules(&self) -> Option<(u64, LevelRules)> {
        let mut room = rules_area::ROOM;
        let (epoch, text) = rules_area::read(&self.memory(), &mut room)?;
        Some((epoch, LevelRules::decode(text)))
    }

    /// The least level that a process with this id and filter logs from `logger`, as its gate computes it.
    pub fn level_of(&self, logger: &str, pid: u32, own: Option<&Filter>) -> Option<Level> {
        let mut room = rules_area::ROOM;
        let (_, text) = rules_area::read(&self.memory(), &mut room)?;
        rules::named_level(text, own, logger, pid)
    }

    /// Puts rules in force in place of those of `epoch`, which must be the current one.
    ///
    /// # Errors
    /// That the rules cannot be written.
    pub fn set_rules(&self, epoch: u64, rules: &LevelRules, now_ns: u64) -> Result<(), Error> {
        let text = rules.encode()?;
        assert!(
            rules_area::write(&self.memory(), epoch, now_ns, &text),
            "no other process changes the rules"
        );
        Ok(())
    }
}
