//! A cache of line prefixes: the records of one thread and log statement share a prefix.

use ringlog::Level;
use ringlog::reader::{Entry, Origin, Received};

const PREFIXES: usize = 256;
/// Prefixes with longer names are not cached, so that names cannot exhaust memory.
const KEPT_MAX_BYTES: usize = 1024;

/// Prefixes by everything that they are made of.
#[derive(Clone, Debug)]
pub(super) struct PrefixCache {
    slots: Vec<Option<Prefix>>,
    /// The last prefix that was too long for the cache.
    long: (Vec<u8>, usize),
}

#[derive(Clone, Debug)]
struct Prefix {
    level: Level,
    line: u32,
    logger: String,
    file: String,
    module: String,
    function: String,
    origin: Origin,
    /// The prefix. The record's sequence is inserted at `split`.
    text: Vec<u8>,
    split: usize,
}

impl Prefix {
    fn is_of(&self, record: &Received<'_>, origin: &Origin) -> bool {
        self.line == record.line
            && self.level == record.level
            && self.logger == record.logger
            && self.file == record.file
            && self.module == record.module
            && self.function == record.function
            && self.origin == *origin
    }
}

impl PrefixCache {
    pub(super) fn new() -> PrefixCache {
        PrefixCache { slots: vec![None; PREFIXES], long: (Vec::new(), 0) }
    }

    /// The record's prefix in two parts. `build` writes it if it is not cached, and returns the offset of the second
    /// part.
    #[inline]
    pub(super) fn of(
        &mut self,
        entry: &Entry<'_>,
        record: &Received<'_>,
        build: impl FnOnce(&mut Vec<u8>) -> usize,
    ) -> (&[u8], &[u8]) {
        let slot = &mut self.slots[index(record, entry.origin)];
        let known = slot.as_ref().is_some_and(|prefix| prefix.is_of(record, entry.origin));
        if !known {
            let mut text = Vec::new();
            let split = build(&mut text);
            let names = [record.logger, record.file, record.module, record.function];
            if names.iter().map(|name| name.len()).sum::<usize>() > KEPT_MAX_BYTES {
                self.long = (text, split);
                return self.long.0.split_at(split);
            }
            *slot = Some(Prefix {
                level: record.level,
                line: record.line,
                logger: record.logger.to_owned(),
                file: record.file.to_owned(),
                module: record.module.to_owned(),
                function: record.function.to_owned(),
                origin: entry.origin.clone(),
                text,
                split,
            });
        }
        match slot {
            Some(prefix) => prefix.text.split_at(prefix.split),
            None => (&[], &[]),
        }
    }
}

/// The slot of a prefix. It is only a hint, so it need not depend on every name.
fn index(record: &Received<'_>, origin: &Origin) -> usize {
    let logger = record.logger.as_bytes();
    let logger = logger.len() + 31 * usize::from(logger.last().copied().unwrap_or(0));
    let site = record.line as usize + 7 * usize::from(record.level.number()) + 13 * record.file.len();
    (origin.lane as usize * 37 + site + 17 * logger) % PREFIXES
}
