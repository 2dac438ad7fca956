//! The rings that the writer drains, merged by time.

use std::time::{Duration, Instant};

use ringlog::admin::Request;
use ringlog::reader::{Consumer, Cursor, Entry, Mark, Observer, Step};
use ringlog::{Overflow, Ring};

use super::levels::LevelExpiry;
use super::next_entry::NextEntry;
use super::old_ring::OldRing;
use super::tick_clock::TickClock;
use crate::error::Error;
use crate::events::Events;
use crate::format::RingIdentity;

/// The pause between two looks at rings that have no entries.
const PAUSE: Duration = Duration::from_micros(200);

/// How often the path of a removed ring is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The rings that the writer drains.
pub(super) struct Sources {
    all: Vec<Source>,
    /// When the paths of removed rings were last looked at.
    looked: Instant,
    /// The only ring that is not done, if there is just one.
    only: Option<usize>,
}

/// A ring that is drained.
struct Source {
    ring: Ring,
    consumer: Consumer,
    observer: Observer,
    /// Undoes the ring's expired level rules.
    levels: LevelExpiry,
    clock: TickClock,
    /// The ring's next entry. Used only if there are several rings.
    next: NextEntry,
    /// Whether a process has ever logged into the ring.
    used: bool,
    /// For a ring of an earlier boot, its removal.
    old: Option<OldRing>,
    /// Whether what is at the ring's path was refused in its place, and reported.
    refused: bool,
    identity: RingIdentity,
}

impl Sources {
    /// Becomes the consumer of these rings.
    pub(super) fn open(rings: &[Ring], grace: Option<Duration>) -> Result<Sources, Error> {
        let source = |ring: &Ring| {
            let mut consumer = ring.consumer()?;
            if let Some(grace) = grace {
                consumer.set_grace(grace);
            }
            let (observer, levels, clock) = (ring.observe()?, LevelExpiry::new(ring), TickClock::new(ring));
            let identity = RingIdentity::new(ring.path(), ring.info());
            let old = OldRing::of(ring);
            Ok(Source {
                ring: ring.clone(),
                consumer,
                observer,
                levels,
                clock,
                next: NextEntry::Unknown,
                used: false,
                old,
                identity,
                refused: false,
            })
        };
        let all = rings.iter().map(source).collect::<Result<_, ringlog::Error>>()?;
        Ok(Sources { only: (rings.len() == 1).then_some(0), all, looked: Instant::now() })
    }

    /// Removes rings of earlier boots that are drained. Everything taken from them is acknowledged.
    pub(super) fn remove_old(&mut self, events: &mut dyn Events) -> Result<(), Error> {
        for Source { consumer, old, next, .. } in &mut self.all {
            if let Some(old) = old.as_mut().filter(|old| !old.is_done())
                && !matches!(next, NextEntry::At(_))
            {
                // The consumer looks again, so an earlier look is out of date.
                *next = NextEntry::Unknown;
                old.remove_if_drained(consumer, events)?;
            }
        }
        let mut left = (0..self.all.len()).filter(|ring| !self.all[*ring].is_done());
        self.only = left.next().filter(|_| left.next().is_none());
        Ok(())
    }

    /// The rings of this boot, to which requests are sent.
    fn present(&self) -> impl Iterator<Item = &Source> {
        self.all.iter().filter(|source| source.old.is_none())
    }

    pub(super) fn identities(&self) -> impl Iterator<Item = &RingIdentity> {
        self.all.iter().map(|source| &source.identity)
    }

    pub(super) fn previous_consumer_crashed(&self) -> bool {
        self.all.iter().any(|source| source.consumer.previous_consumer_crashed())
    }

    /// Starts each ring at the position that a sink has kept for it.
    pub(super) fn resume(&mut self, cursor: impl Fn(&[u8; 16]) -> Cursor) -> Result<(), Error> {
        for source in &mut self.all {
            let uuid = source.consumer.info().uuid;
            source.consumer.resume(&cursor(&uuid))?;
        }
        Ok(())
    }

    /// The next entry, and the index of its ring.
    #[inline]
    pub(super) fn next(&mut self, wait: Duration) -> Result<Option<(usize, Entry<'_>)>, Error> {
        if let Some(ring) = self.only {
            let source = &mut self.all[ring];
            // It may have been looked up while there were others.
            source.next = NextEntry::Unknown;
            return Ok(source.consumer.next(wait)?.map(|entry| (ring, entry)));
        }
        let Some(ring) = self.choose(wait)? else { return Ok(None) };
        let source = &mut self.all[ring];
        source.next = NextEntry::Unknown;
        Ok(source.consumer.next(Duration::ZERO)?.map(|entry| (ring, entry)))
    }

    /// The ring with the oldest entry, once every other ring is known to have no older one.
    fn choose(&mut self, wait: Duration) -> Result<Option<usize>, Error> {
        let deadline = Instant::now() + wait;
        loop {
            self.look(|source| source.next == NextEntry::Unknown)?;
            // Looking at a whole ring for each entry of another one would be too slow. A ring that was empty is
            // looked at again only if the other entries are younger than its last look.
            let oldest = self.oldest().map(|(unix_ns, _)| unix_ns);
            self.look(|source| oldest.is_none_or(|unix_ns| !source.has_nothing_before(unix_ns)))?;
            if let Some((unix_ns, ring)) = self.oldest()
                && self.all.iter().all(|source| source.has_nothing_before(unix_ns))
            {
                return Ok(Some(ring));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Looks up the next entry of the rings where it is unknown and wanted.
    fn look(&mut self, is_wanted: impl Fn(&Source) -> bool) -> Result<(), Error> {
        for source in &mut self.all {
            if !source.is_done() && !matches!(source.next, NextEntry::At(_)) && is_wanted(source) {
                source.next = source.consumer.peek(Duration::ZERO)?.map_or(NextEntry::None, NextEntry::found);
            }
        }
        Ok(())
    }

    /// The time and the ring of the oldest entry that has been found.
    fn oldest(&self) -> Option<(u64, usize)> {
        let all = self.all.iter().enumerate();
        let of = |(ring, source): (usize, &Source)| match source.next {
            NextEntry::At(unix_ns) => Some((unix_ns, ring)),
            NextEntry::Unknown | NextEntry::None => None,
        };
        all.filter_map(of).min()
    }

    /// How the entry that was taken last moves its ring's cursor.
    pub(super) fn step(&self, ring: usize) -> Step {
        self.all[ring].consumer.step()
    }

    /// The position up to which each ring has been taken.
    pub(super) fn cursors(&self) -> Vec<Cursor> {
        self.all.iter().map(|source| source.consumer.cursor()).collect()
    }

    pub(super) fn marks(&mut self) -> Vec<Mark> {
        self.all.iter_mut().map(|source| source.consumer.mark()).collect()
    }

    pub(super) fn ack_to(&mut self, marks: &[Mark]) -> Result<(), Error> {
        self.all.iter_mut().zip(marks).try_for_each(|(source, mark)| Ok(source.consumer.ack_to(*mark)?))
    }

    pub(super) fn set_grace(&mut self, grace: Duration) {
        self.all.iter_mut().for_each(|source| source.consumer.set_grace(grace));
    }

    pub(super) fn is_drained(&mut self) -> Result<bool, Error> {
        for source in &mut self.all {
            if !source.is_drained()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) fn is_nearly_full(&self) -> bool {
        self.all.iter().any(|source| source.consumer.is_nearly_full())
    }

    /// Whether a process has asked the writer to stop, or has removed a ring.
    pub(super) fn stop_requested(&self) -> bool {
        let is_asked = |source: &Source| source.consumer.requests().pending(Request::Stop).is_some();
        // Drained old rings alone get nothing any more.
        self.present().any(is_asked) || (!self.all.is_empty() && self.all.iter().all(Source::is_done))
    }

    /// The name of a ring at whose path another ring has taken its place by now. One that may not do so is reported.
    pub(super) fn replaced_ring(&mut self, events: &mut dyn Events) -> Option<&str> {
        if self.looked.elapsed() < LOOK_EVERY {
            return None;
        }
        self.looked = Instant::now();
        let nameless = |source: &&mut Source| source.consumer.is_nameless();
        for source in self.all.iter_mut().filter(nameless) {
            match source.ring.successor() {
                Ok(Some(_)) => return Some(&source.identity.name),
                Ok(None) => source.refused = false,
                Err(error) if !std::mem::replace(&mut source.refused, true) => {
                    events.report(&format!("{error}; the removed ring is drained"));
                }
                Err(_) => {}
            }
        }
        None
    }

    /// Whether nobody can log any more into the rings that were removed: all their lanes are closed.
    pub(super) fn removed_are_deserted(&self) -> Result<bool, Error> {
        for source in self.all.iter().filter(|source| source.consumer.is_nameless()) {
            if source.consumer.open_lanes()? != 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The ring whose stop request ends the writer of several rings.
    pub(super) fn stopped_ring(&self) -> Option<&str> {
        let ring =
            self.present().find(|source| source.consumer.requests().pending(Request::Stop).is_some())?;
        (self.present().count() > 1).then_some(&*ring.identity.name)
    }

    /// The name of a ring.
    pub(super) fn name(&self, ring: usize) -> &str {
        &self.all[ring].identity.name
    }

    /// The unanswered request to rotate of each ring.
    pub(super) fn rotation_requests(&self) -> Vec<Option<u64>> {
        self.present().map(|source| source.consumer.requests().pending(Request::Rotate)).collect()
    }

    pub(super) fn answer_rotation(&self, requests: &[Option<u64>]) {
        for (source, request) in self.present().zip(requests) {
            request
                .iter()
                .for_each(|request| source.consumer.requests().answer(Request::Rotate, *request, true));
        }
    }

    /// Answers every request to trust the clock. Returns whether there was one.
    pub(super) fn take_trust_requests(&self) -> bool {
        let mut is_requested = false;
        for Source { consumer, .. } in self.present() {
            if let Some(request) = consumer.requests().pending(Request::TrustClock) {
                consumer.requests().answer(Request::TrustClock, request, true);
                is_requested = true;
            }
        }
        is_requested
    }

    /// Whether a process has asked for a reload.
    pub(super) fn reload_requested(&self) -> bool {
        self.present().any(|source| source.consumer.requests().pending(Request::Reload).is_some())
    }

    /// Answers every request for a reload.
    pub(super) fn answer_reload(&self, is_taken: bool) {
        for Source { consumer, .. } in self.present() {
            if let Some(request) = consumer.requests().pending(Request::Reload) {
                consumer.requests().answer(Request::Reload, request, is_taken);
            }
        }
    }

    /// Whether every ring drops records when it is full.
    pub(super) fn all_drop(&self) -> Result<bool, Error> {
        for source in self.present() {
            if source.observer.stat()?.overflow != Overflow::Drop {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The size of the smallest ring in bytes.
    pub(super) fn least_bytes(&self) -> u64 {
        let bytes = self.all.iter().map(|source| source.consumer.info().geometry().file_bytes());
        bytes.min().unwrap_or(0)
    }

    /// Whether every lane is closed and every ring drained. A ring into which no process has ever logged is waited for,
    /// unless the writer is `abandoned`.
    pub(super) fn are_deserted(&mut self, abandoned: bool) -> Result<bool, Error> {
        let has_old = self.all.iter().any(|source| source.old.is_some());
        for source in &mut self.all {
            if source.old.is_some() {
                if !source.is_done() {
                    return Ok(false);
                }
                continue;
            }
            if !source.used {
                source.used = has_old || !source.observer.stat()?.lanes.is_empty();
            }
            // In this order: a lane may publish records until it is closed.
            let is_deserted =
                (source.used || abandoned) && source.consumer.open_lanes()? == 0 && source.is_drained()?;
            if !is_deserted {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// For each ring, the number of the stop request from which on requests count.
    pub(super) fn stops(&self) -> Vec<([u8; 16], u64)> {
        self.present()
            .map(|source| (source.consumer.info().uuid, source.consumer.requests().answered(Request::Stop)))
            .collect()
    }

    /// Lets stop requests count that were made before these rings were opened, from these numbers on.
    pub(super) fn honor_stops_since(&mut self, stops: &[([u8; 16], u64)]) {
        for source in &mut self.all {
            let uuid = source.consumer.info().uuid;
            if let Some((_, before)) = stops.iter().find(|(ring, _)| *ring == uuid) {
                source.consumer.requests().answer(Request::Stop, *before, true);
            }
        }
    }

    /// Undoes expired level rules.
    pub(super) fn undo_levels(&mut self, events: &mut dyn Events) {
        let present = self.all.iter_mut().filter(|source| source.old.is_none());
        present.for_each(|source| source.levels.undo(events));
    }

    /// Looks whether the clock of each ring can still be relied upon.
    pub(super) fn check_clocks(&mut self, events: &mut dyn Events) {
        for Source { consumer, clock, .. } in self.all.iter_mut().filter(|source| source.old.is_none()) {
            clock.check(|| consumer.info().clock.unreliable(), events);
        }
    }

    /// Ends the consumers. Every entry that was taken has to be acknowledged.
    pub(super) fn end(&mut self) {
        self.all.iter_mut().for_each(|source| source.consumer.end());
    }
}

impl Source {
    /// Whether the ring is one of an earlier boot from which nothing more comes.
    fn is_done(&self) -> bool {
        self.old.as_ref().is_some_and(OldRing::is_done)
    }

    /// Whether every published entry is taken and acknowledged.
    fn is_drained(&mut self) -> Result<bool, Error> {
        if self.is_done() {
            return Ok(true);
        }
        // The consumer looks again, so an earlier look is out of date.
        if self.next == NextEntry::None {
            self.next = NextEntry::Unknown;
        }
        Ok(!matches!(self.next, NextEntry::At(_)) && self.consumer.is_drained()?)
    }

    /// Whether the ring has no entry before this time, as far as can be known.
    fn has_nothing_before(&self, unix_ns: u64) -> bool {
        match self.next {
            _ if self.is_done() => true,
            NextEntry::Unknown => false,
            NextEntry::None => self.consumer.watermark_unix_ns() >= unix_ns,
            NextEntry::At(next) => next >= unix_ns,
        }
    }
}

#[cfg(test)]
mod tests {
    use ringlog::Level;

    use super::*;
    use crate::clock::now_unix_ns;

    #[test]
    fn a_ring_found_empty_is_looked_at_again_before_younger_entries() {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let ring = |name: &str| {
            Ring::options().size("1MiB").create(dir.path().join(name).to_str().unwrap()).unwrap()
        };
        let rings = [ring("busy"), ring("quiet")];
        let log = |ring: usize, text: &str| rings[ring].logger().text(Level::INFO, "x", text).unwrap();
        let mut sources = Sources::open(&rings, Some(Duration::ZERO)).unwrap();
        let mut next = || sources.next(Duration::from_secs(5)).unwrap().unwrap().1.message();
        ["1", "2", "3"].iter().for_each(|text| log(0, text));
        assert_eq!(next(), "1");
        // The quiet ring was found empty; the busy one never is.
        log(1, "4");
        log(0, "5");
        assert_eq!([next(), next(), next(), next()], ["2", "3", "4", "5"]);
    }

    #[test]
    fn an_entry_from_the_future_is_not_waited_for() {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let ring = |name: &str| {
            Ring::options().size("1MiB").create(dir.path().join(name).to_str().unwrap()).unwrap()
        };
        let rings = [ring("ahead"), ring("quiet")];
        rings[0].logger().text(Level::INFO, "x", "tomorrow").unwrap();
        let mut sources = Sources::open(&rings, Some(Duration::ZERO)).unwrap();
        sources.look(|_| true).unwrap();
        sources.all[0].next = NextEntry::found(now_unix_ns() + 86_400_000_000_000);
        let (ring, entry) = sources.next(Duration::from_secs(5)).unwrap().unwrap();
        assert_eq!((ring, entry.message().as_str()), (0, "tomorrow"));
    }
}
