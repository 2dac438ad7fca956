//! Levels shown and changed from outside the logging process, for `ringlog level` and the writer.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::error::Error;
use crate::error::shown::Shown;
use crate::os::ofd_lock::ScopedLock;
use crate::reader::observer::Observer;
use crate::record::definition::Definition;
use crate::record::described;
use crate::record::level::Level;
use crate::record::level::filter::Filter;
use crate::record::level::rules::LevelRules;
use crate::record::text::TEXT;
use crate::record::value::Cursor;
use crate::ring::file;
use crate::ring::handle::Ring;
use crate::ring::lock_file::LockFile;
use crate::ring::name;
use crate::shm::block::{BlockId, Phase, SharedRing};
use crate::shm::clock::unix_ns;
use crate::shm::layout::{
    self, BLOCK_HEADER_SLOTS, RECORD_HEADER_BYTES, SLOT_WORDS, block, halves, lane as lane_entry,
};
use crate::shm::record_header::{Header, kind};
use crate::shm::rules_area;
use crate::shm::words::text_from_words;

/// Far longer than a change takes, unless its process has been stopped.
const LOCK_WITHIN: Duration = Duration::from_secs(5);

/// The levels of a ring, read at one look.
#[derive(Clone, Debug)]
pub struct LevelStat {
    /// The rules in force.
    pub rules: LevelRules,
    /// The processes that are alive, by process id.
    pub processes: Vec<ProcessLevels>,
}

/// The levels of a living process.
#[derive(Clone, Debug)]
pub struct ProcessLevels {
    /// Process id, in its own PID namespace.
    pub pid: u32,
    /// The process's name.
    pub process: String,
    /// The process's own filter; a long one is cut and ends with `…`. `None` if the process has no default logger in
    /// this ring.
    pub filter: Option<String>,
    /// The process's loggers that have logged: those of plain texts that are still in the ring, and those of its
    /// definitions. Definitions that lie beside its own, of other processes, are among them.
    pub loggers: Vec<LoggerLevel>,
}

/// The level of one logger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggerLevel {
    /// The logger's name.
    pub logger: String,
    /// The least level that is logged; `None` if all levels are.
    pub least: Option<Level>,
}

/// Changes the level rules of the ring `name`, and returns the new ones. Producers follow them from their next log call
/// on. Expired rules are removed too. `change` is called again when another process has changed the rules meanwhile.
///
/// # Errors
/// [`Error::Levels`] if the ring has no room for the rules, or another process has been stopped while changing them;
/// otherwise as for [`Ring::open`].
pub fn change_levels(name: &str, mut change: impl FnMut(&mut LevelRules)) -> Result<LevelRules, Error> {
    // If the ring is replaced meanwhile, change the rules of the new one. It is not replaced more often than this.
    for _ in 0..8 {
        let opened = file::open_by_name(name, true)?;
        let lock_file = match LockFile::of(&opened) {
            Err(_) if !opened.identity.is_at(&opened.path) => continue,
            other => other?,
        };
        let lock = match lock(&lock_file, &opened.path, LOCK_WITHIN) {
            // Looked at under the lock: it is held while a ring is replaced by one of another size.
            _ if !opened.identity.is_at(&opened.path) => continue,
            other => other?,
        };
        return opened.with_ring(|ring| self::change(ring, &opened.path, lock, &mut change))?;
    }
    Err(Error::Levels("the ring is replaced again and again".to_owned()))
}

impl Ring {
    /// Removes expired level rules. Never waits: while another process is changing the rules, it leaves them to the
    /// next call.
    ///
    /// # Errors
    /// As for [`change_levels`].
    pub fn undo_ended_levels(&self) -> Result<(), Error> {
        let mut undone = Ok(());
        self.with_ring(|ring| {
            if in_force(ring).iter().any(|rule| rule.has_ended(now_unix())) {
                let lock = lock(&self.session().lock_file, self.path(), Duration::ZERO);
                undone = match lock {
                    Ok(lock) => change(ring, self.path(), lock, |_| {}).map(drop),
                    Err(Error::Levels(_)) => Ok(()),
                    Err(other) => Err(other),
                };
            }
        });
        undone
    }
}

fn now_unix() -> u64 {
    unix_ns() / 1_000_000_000
}

fn in_force(ring: &SharedRing) -> LevelRules {
    let mut room = rules_area::ROOM;
    let read = rules_area::read(ring.memory(), &mut room);
    read.map(|(_, text)| LevelRules::decode(text)).unwrap_or_default()
}

fn change(
    ring: &SharedRing,
    path: &Path,
    _lock: ScopedLock,
    mut change: impl FnMut(&mut LevelRules),
) -> Result<LevelRules, Error> {
    // Producers raise the epoch too, but each only once, when it begins to follow the rules.
    for _ in 0..8 {
        rules_area::begin(ring.memory(), unix_ns());
        let mut room = rules_area::ROOM;
        let Some((epoch, text)) = rules_area::read(ring.memory(), &mut room) else { continue };
        let mut rules = LevelRules::decode(text);
        rules.remove_ended(now_unix());
        change(&mut rules);
        let new = rules.encode()?;
        if new == text || rules_area::write(ring.memory(), epoch, unix_ns(), &new) {
            return Ok(rules);
        }
    }
    Err(Error::Levels(format!("another process keeps changing the header of {}", path.shown())))
}

fn lock(lock_file: &LockFile, path: &Path, within: Duration) -> Result<ScopedLock, Error> {
    let held = lock_file.hold_within(layout::lock::LEVELS, within);
    held.map_err(|e| Error::io("lock", lock_file.path(), e))?.ok_or_else(|| match lock_file.is_there() {
        true => Error::Levels("another process is changing them, and does not finish".to_owned()),
        false => name::no_such_ring("", path),
    })
}

impl Observer {
    /// The level rules in force.
    pub fn level_rules(&self) -> LevelRules {
        in_force(&self.ring())
    }

    /// The rules in force, and the levels that result for each process from them and from its own filter.
    ///
    /// # Errors
    /// As for [`stat`](Self::stat).
    pub fn levels(&self) -> Result<LevelStat, Error> {
        let ring = self.ring();
        let rules = in_force(&ring);
        let loggers = loggers_in_ring(&ring);
        let defined = defined_loggers(&ring);
        let lanes = self.stat()?.lanes.into_iter().filter(|lane| lane.is_process && lane.alive);
        let processes = lanes.map(|lane| {
            let filter = shown_filter(&ring, lane.lane);
            let own = filter.as_deref().map(parse_shown);
            let key = (lane.lane, lane.incarnation);
            let level_of = |logger: &str| rules.level_of(logger, lane.pid, own.as_ref());
            let pins = ring.pins(lane.lane).load(Ordering::Relaxed);
            let defined =
                defined.iter().filter(|(segment, _)| pins >> segment & 1 != 0).map(|(_, logger)| logger);
            let mine = loggers.iter().filter(|(process, _)| *process == key).map(|(_, logger)| logger);
            let mine: BTreeSet<_> = mine.chain(defined).collect();
            let loggers =
                mine.into_iter().map(|name| LoggerLevel { logger: name.clone(), least: level_of(name) });
            ProcessLevels { pid: lane.pid, process: lane.process, loggers: loggers.collect(), filter }
        });
        let mut processes: Vec<ProcessLevels> = processes.collect();
        processes.sort_by_key(|process| process.pid);
        Ok(LevelStat { rules, processes })
    }
}

fn shown_filter(ring: &SharedRing, lane: u32) -> Option<String> {
    let word = |i: usize| ring.lane_word(lane, lane_entry::FILTER + i * 8).load(Ordering::Relaxed);
    let words: Vec<u64> = (0..lane_entry::FILTER_BYTES / 8).map(word).collect();
    Some(text_from_words(&words)).filter(|text| !text.is_empty())
}

/// Parses a filter that may have been cut: parts that are not valid are left out.
fn parse_shown(text: &str) -> Filter {
    let parts = text.split(',').filter(|part| part.parse::<Filter>().is_ok());
    // Each part is valid by itself, so all of them together are.
    parts.collect::<Vec<_>>().join(",").parse().unwrap_or_default()
}

/// The loggers that definitions in the ring name, by segment.
fn defined_loggers(ring: &SharedRing) -> BTreeSet<(u32, String)> {
    let logger = |bytes: &[u8]| Definition::decode(bytes).map(|definition| definition.logger.into_owned());
    ring.definitions().filter_map(|(segment, bytes)| Some((segment, logger(&bytes)?))).collect()
}

/// The loggers that records in the ring name themselves, by process lane and incarnation.
fn loggers_in_ring(ring: &SharedRing) -> BTreeSet<((u32, u32), String)> {
    let mut loggers = BTreeSet::new();
    for index in 0..ring.geometry().block_count {
        let Some(state) = ring.state(index) else { continue };
        if state.phase == Phase::Free {
            continue;
        }
        let header = ring.block_header(BlockId { index, generation: state.generation });
        let committed = ring.committed(index, state.generation);
        let (Some(header), Some(committed)) = (header, committed) else { continue };
        let mut words = Vec::new();
        ring.copy_slots(index, BLOCK_HEADER_SLOTS, committed, &mut words);
        if ring.still_holds(index, state.generation) {
            let process = halves(header[block::PROCESS]);
            loggers.extend(loggers_in(&words).into_iter().map(|logger| (process, logger)));
        }
    }
    loggers
}

/// The loggers that records in a copy of a block name themselves.
fn loggers_in(words: &[u64]) -> Vec<String> {
    let mut loggers = Vec::new();
    let mut at = 0;
    while let Some([first, ticks]) = words.get(at..).and_then(|words| words.first_chunk::<2>()) {
        let header = Header::decode([*first, *ticks]);
        let bytes: &[u8] = bytemuck::cast_slice(&words[at..]);
        let payload = bytes[RECORD_HEADER_BYTES..].get(..header.length as usize);
        let logger = payload.and_then(|payload| match header.kind() {
            kind::RECORD if header.is_described() => {
                let (definition, _) = described::split(payload)?;
                Definition::decode(definition).map(|definition| definition.logger.into_owned())
            }
            kind::RECORD if header.definition == TEXT => logger_of_text(payload),
            _ => None,
        });
        loggers.extend(logger);
        // A record has at least one slot, so this ends.
        at += header.slots() as usize * SLOT_WORDS;
    }
    loggers
}

/// The logger that a plain text names, in the second of its fields.
fn logger_of_text(payload: &[u8]) -> Option<String> {
    let mut at = Cursor::new(payload);
    at.u8()?;
    let logger = at.prefixed()?;
    (!logger.is_empty()).then(|| String::from_utf8_lossy(logger).into_owned())
}
