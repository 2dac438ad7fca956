//! What lines begin with, kept: the records of one thread and site share it.

use ringlog::Level;
use ringlog::reader::{Entry, Origin, Received};

const PREFIXES: usize = 256;
/// Longer names are not kept, so that nobody can fill our memory with them.
const KEPT_MAX_BYTES: usize = 1024;

/// The beginnings of lines, by all that goes into them.
#[derive(Clone, Debug)]
pub(super) struct PrefixCache {
    slots: Vec<Option<Prefix>>,
    /// One that is not kept.
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
    /// What it begins with, and where the record's sequence comes in.
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

    /// The record's prefix in two parts. `build` writes it where it is not known yet, and returns where the
    /// second part begins.
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

/// Where a prefix is kept. Only a hint, so it need not look at everything.
fn index(record: &Received<'_>, origin: &Origin) -> usize {
    let logger = record.logger.as_bytes();
    let logger = logger.len() + 31 * usize::from(logger.last().copied().unwrap_or(0));
    let site = record.line as usize + 7 * usize::from(record.level.number()) + 13 * record.file.len();
    (origin.lane as usize * 37 + site + 17 * logger) % PREFIXES
}
