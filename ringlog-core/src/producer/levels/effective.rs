//! The level in force for a logger, by the rules of the ring and the process's own filter.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::producer::default_logger::{self, Destination, Installed};
use crate::producer::levels::{known, steering};
use crate::producer::logger::Logger;
use crate::record::level::Level;
use crate::record::level::rules::{self, EffectiveLevel};
use crate::shm::rules_area;

/// Whether the default logger wants records of this level from this logger: for levels or names that are not
/// known at compile time.
#[inline]
pub fn wants(level: Level, logger: &str) -> bool {
    let Some(installed) = default_logger::installed() else { return false };
    match known::get(logger, installed.epoch().load(Ordering::Relaxed)) {
        Some(least) => level >= least,
        None => wants_by_rules(installed, level, logger),
    }
}

#[cold]
fn wants_by_rules(installed: &'static Installed, level: Level, logger: &str) -> bool {
    let Some(effective) = resolve(installed, logger) else { return false };
    if let Some(epoch) = effective.as_of {
        known::set(logger, epoch, effective.least);
    }
    level >= effective.least
}

/// The level in force for a logger of the default destination, and the word of the epoch that it holds for.
/// `None` where log statements go nowhere.
pub(crate) fn by_default(logger: &str) -> Option<(EffectiveLevel, &'static AtomicU64)> {
    let installed = default_logger::installed()?;
    Some((resolve(installed, logger)?, installed.epoch()))
}

fn resolve(installed: &'static Installed, logger: &str) -> Option<EffectiveLevel> {
    match (installed.destination(), installed.steering()) {
        (Destination::Ring(_, filter), Some(steering)) => {
            steering.look();
            Some(steering.resolve(logger, filter))
        }
        (Destination::Ring(_, filter) | Destination::Stderr(filter, _), _) => {
            // Not what the word says now: that may be the epoch of a ring that was found since.
            let as_of = Some(steering::UNSTEERED);
            Some(EffectiveLevel { least: filter.rule_for(logger).1, as_of })
        }
        (Destination::Nothing, _) => None,
    }
}

impl Logger {
    /// Whether records of this level are wanted from the logger of this name: by the level rules of the
    /// ring and the process's own filter, which is the one given to [`set_default`](crate::set_default) or
    /// found in `$RINGLOG_LEVEL`. Where neither names a level, all are wanted.
    ///
    /// [`push`](Self::push) and [`text`](Self::text) do not ask; log statements ask before they evaluate their
    /// arguments.
    pub fn allows(&self, level: Level, logger: &str) -> bool {
        let header = &self.named.header().memory();
        let (own, mark) = match default_logger::destination() {
            Destination::Ring(_, filter) | Destination::Stderr(filter, _) => (Some(filter), 0),
            // What is decided without a filter does not hold once there is one.
            Destination::Nothing => (None, 1 << 63),
        };
        let epoch = rules_area::epoch_word(header).load(Ordering::Relaxed);
        if let Some(least) = known::get(logger, epoch ^ mark) {
            return level >= least;
        }
        let pid = || std::process::id();
        let Some(effective) = steering::resolve(header, own, logger, pid) else {
            return own.is_none_or(|own| own.allows(level, logger));
        };
        if let Some(epoch) = effective.as_of {
            known::set(logger, epoch ^ mark, effective.least);
        }
        level >= effective.least
    }

    /// A number that is another one once the level rules of the ring have changed.
    #[inline]
    pub fn levels_epoch(&self) -> u64 {
        rules_area::epoch_word(&self.named.header().memory()).load(Ordering::Relaxed)
    }

    /// Whether the ring has level rules; true while they change.
    pub fn has_rules(&self) -> bool {
        let mut room = rules_area::ROOM;
        rules_area::read(&self.named.header().memory(), &mut room).is_none_or(|(_, text)| !text.is_empty())
    }

    /// The level rule of the ring that counts for the logger of this name: its least level, and the length in bytes of
    /// the name that it is for, with `::` counted as one. `None` if there is none, or while the rules change. For a
    /// caller that has levels of its own, which compare with the rule by the length of their names.
    ///
    /// ```
    /// # let dir = tempfile::tempdir_in("/dev/shm")?;
    /// # let path = dir.path().join("app");
    /// # let name = path.to_str().unwrap();
    /// use ringlog::{Level, Ring};
    ///
    /// let log = Ring::options().size("1MiB").create(name)?.logger();
    /// assert_eq!(log.rule_for("db.pool"), None);
    /// ringlog::admin::change_levels(name, |rules| {
    ///     let (logger, level) = ("db".to_owned(), Level::DEBUG);
    ///     rules.set(ringlog::admin::LevelRule { logger, level, pid: None, until_unix: None });
    /// })?;
    /// assert_eq!(log.rule_for("db.pool"), Some((2, Level::DEBUG)));
    /// assert!(log.has_rules());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn rule_for(&self, logger: &str) -> Option<(usize, Level)> {
        let mut room = rules_area::ROOM;
        let (_, text) = rules_area::read(&self.named.header().memory(), &mut room)?;
        rules::from_outside(text, logger, std::process::id)
    }
}
