//! Levels steered from outside: the rules in a ring's header, followed by the process that logs into it.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::error::Error;
use crate::os::zero_on_fork::ZeroOnFork;
use crate::record::level::filter::Filter;
use crate::record::level::rules::{self, EffectiveLevel};
use crate::ring::header_page::HeaderPage;
use crate::ring::session::Session;
use crate::shm::clock::unix_ns;
use crate::shm::memory::Memory;
use crate::shm::rules_area;

/// The rules of the ring that the default logger logs into. Its page stays mapped in a forked child.
pub(crate) struct Steering {
    header: HeaderPage,
    /// This process's id; 0 until it is known. A fork wipes it.
    pid: ZeroOnFork,
}

impl Steering {
    pub(crate) fn new(session: &Session) -> Result<Steering, Error> {
        let header = HeaderPage::map(&session.path, session.identity)?;
        // The rules of a removed ring change no more.
        if let Ok(ring) = session.ring_or_reattach() {
            rules_area::begin(ring.memory(), unix_ns());
        }
        let pid = ZeroOnFork::new(4096).map_err(|e| Error::io("keep private state for", &session.path, e))?;
        let steering = Steering { header, pid };
        // Looked up now, so that no log call has to, except for one in each forked child.
        steering.pid();
        Ok(steering)
    }

    /// The epoch of the rules. It stays valid as long as the process.
    pub(crate) fn epoch(&self) -> &AtomicU64 {
        self.header.epoch()
    }

    /// The least level of a logger by these rules and the process's own filter; by the filter alone while the
    /// rules cannot be read.
    pub(crate) fn resolve(&self, logger: &str, own: &Filter) -> EffectiveLevel {
        let level = resolve(&self.header.memory(), Some(own), logger, || self.pid());
        level.unwrap_or_else(|| EffectiveLevel { least: own.rule_for(logger).1, as_of: None })
    }

    fn pid(&self) -> u32 {
        // SAFETY: an atomic, valid when zero, alone in its page.
        let known: &AtomicU32 = unsafe { self.pid.at(0) };
        match known.load(Ordering::Relaxed) {
            0 => {
                let pid = std::process::id();
                known.store(pid, Ordering::Relaxed);
                pid
            }
            pid => pid,
        }
    }
}

/// The least level of a logger by the rules in a ring's header and the process's own filter; all levels where
/// neither names one. `None` while the rules change faster than they can be read: the next call tries again.
pub(crate) fn resolve(
    header: &Memory,
    own: Option<&Filter>,
    logger: &str,
    pid: impl Fn() -> u32,
) -> Option<EffectiveLevel> {
    let mut room = rules_area::ROOM;
    let (epoch, text) = rules_area::read(header, &mut room)?;
    Some(rules::resolve(text, epoch, own, logger, pid))
}
