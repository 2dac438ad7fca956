//! One ring that the writer drains.

use std::time::Duration;

use ringlog::admin::Shown;
use ringlog::reader::{Consumer, Cursor, Entry, Mark, Observer, Step};
use ringlog::{Overflow, Ring};

use super::deserted::Deserted;
use super::leaving::Leaving;
use super::levels::LevelExpiry;
use super::next_entry::NextEntry;
use super::successor::{IfMissing, SuccessorWatch};
use super::tick_clock::TickClock;
use crate::error::Error;
use crate::events::Events;
use crate::format::RingIdentity;

/// A ring that is drained.
pub(super) struct Source {
    /// The name by which the configuration asks for it. `None` for rings that are drained only because they are there.
    name: Option<String>,
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
    /// The number of records published when it was found deserted.
    deserted_at: u64,
    /// For a ring that gets no new producers, how far it is drained.
    leaving: Option<Leaving>,
    /// The error that has ended the draining of a replaced ring, until it is reported.
    failure: Option<ringlog::Error>,
    successor: SuccessorWatch,
    identity: RingIdentity,
    /// Whether the consumer before this writer was killed, and no session has taken care of that.
    follows_crash: bool,
}

impl Source {
    /// Becomes the consumer of a ring.
    pub(super) fn open(ring: &Ring, name: Option<&str>) -> Result<Source, Error> {
        let consumer = ring.consumer()?;
        Ok(Source {
            name: name.map(str::to_owned),
            follows_crash: consumer.previous_consumer_crashed(),
            consumer,
            observer: ring.observe()?,
            levels: LevelExpiry::new(ring),
            clock: TickClock::new(ring),
            next: NextEntry::Unknown,
            used: false,
            deserted_at: 0,
            leaving: Leaving::of(ring),
            failure: None,
            successor: SuccessorWatch::default(),
            identity: RingIdentity::new(ring.path(), ring.info()),
            ring: ring.clone(),
        })
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub(super) fn ring(&self) -> &Ring {
        &self.ring
    }

    pub(super) fn consumer(&self) -> &Consumer {
        &self.consumer
    }

    pub(super) fn identity(&self) -> &RingIdentity {
        &self.identity
    }

    /// The name of its file, for messages.
    pub(super) fn label(&self) -> String {
        self.identity.name.shown().to_string()
    }

    pub(super) fn follows_crash(&self) -> bool {
        self.follows_crash
    }

    pub(super) fn set_grace(&mut self, grace: Duration) {
        self.consumer.set_grace(grace);
    }

    /// Whether requests are sent to it: it gets new producers.
    /// Where the status of the ring's writer belongs.
    pub(super) fn status_path(&self) -> std::path::PathBuf {
        self.observer.status_path()
    }

    pub(super) fn is_present(&self) -> bool {
        self.leaving.is_none()
    }

    /// Whether another ring has taken its place.
    pub(super) fn is_replaced(&self) -> bool {
        self.leaving.as_ref().is_some_and(Leaving::is_replaced)
    }

    /// Whether nothing more comes from it.
    pub(super) fn is_done(&self) -> bool {
        self.leaving.as_ref().is_some_and(Leaving::is_done)
    }

    /// Between two sessions: back to what is acknowledged.
    pub(super) fn rewind(self) -> Result<Source, Error> {
        let consumer = self.consumer.rewind()?;
        Ok(Source { consumer, next: NextEntry::Unknown, follows_crash: false, ..self })
    }

    /// Changes the name by which the configuration asks for it.
    pub(super) fn rename(&mut self, name: &str) {
        self.name = Some(name.to_owned());
    }

    /// Passes the name to the ring that has taken the place of this one. This one is drained until its last lane is
    /// closed.
    pub(super) fn pass_name_to(&mut self, successor: &mut Source) {
        successor.name = self.name.take();
        successor.used |= self.used;
        self.leave();
    }

    /// From here on the ring is drained only until its last lane is closed.
    pub(super) fn leave(&mut self) {
        self.name = None;
        self.leaving = Some(Leaving::replaced());
    }

    /// The ring that has taken the place of this one, if there is one by now; see [`SuccessorWatch`].
    pub(super) fn find_successor(&mut self, makes_anew: bool, events: &mut dyn Events) -> Option<Source> {
        if !self.consumer.is_nameless() || !self.is_present() {
            return None;
        }
        let if_missing = match (self.consumer.is_removed(), makes_anew) {
            (true, _) => IfMissing::Nothing,
            (false, true) => IfMissing::Make,
            (false, false) => IfMissing::Report,
        };
        self.successor.look(&self.ring, if_missing, events)
    }

    /// Looks now whether the ring still has its name.
    pub(super) fn look_for_name(&mut self) {
        self.consumer.look_for_name();
    }

    /// Stops draining a replaced ring whose lanes are open still.
    pub(super) fn give_up(&mut self) {
        self.consumer.end();
        self.leaving.iter_mut().for_each(Leaving::give_up);
    }

    /// Lets go of the ring if it gets no new producers and everything in it is persisted, and acknowledged.
    pub(super) fn end_if_drained(&mut self, events: &mut dyn Events) -> Result<(), Error> {
        if let Some(error) = self.failure.take() {
            events
                .report(&format!("{error}; it was removed and replaced before, and is not drained any more"));
        }
        let Some(leaving) = self.leaving.as_mut().filter(|leaving| !leaving.is_done()) else { return Ok(()) };
        if matches!(self.next, NextEntry::At(_)) {
            return Ok(());
        }
        // The consumer looks again, so an earlier look is out of date.
        self.next = NextEntry::Unknown;
        let ended = leaving.end_if_drained(self.ring.path(), &mut self.consumer, events);
        match ended {
            Err(Error::Ring(error)) => self.or_fail(Err(error), ()),
            other => other,
        }
    }

    /// A replaced ring that cannot be read does not end the draining of the others.
    fn or_fail<T>(&mut self, result: Result<T, ringlog::Error>, instead: T) -> Result<T, Error> {
        match (result, &mut self.leaving) {
            (Ok(found), _) => Ok(found),
            (Err(error), Some(leaving)) if leaving.is_replaced() => {
                leaving.give_up();
                self.failure = Some(error);
                Ok(instead)
            }
            (Err(error), _) => Err(error.into()),
        }
    }

    /// Starts at a position that a sink has kept.
    pub(super) fn resume(&mut self, cursor: impl Fn(&[u8; 16]) -> Cursor) -> Result<(), Error> {
        let uuid = self.consumer.info().uuid;
        Ok(self.consumer.resume(&cursor(&uuid))?)
    }

    /// The next entry; waits for it.
    #[inline]
    pub(super) fn take(&mut self, wait: Duration) -> Result<Option<Entry<'_>>, Error> {
        self.next = NextEntry::Unknown;
        Ok(self.consumer.next(wait)?)
    }

    /// The next entry, as far as it is known.
    pub(super) fn next(&self) -> NextEntry {
        self.next
    }

    /// Looks up the next entry, if it is not known yet.
    pub(super) fn look(&mut self) -> Result<(), Error> {
        if !self.is_done() && !matches!(self.next, NextEntry::At(_)) {
            let found = self.consumer.peek(Duration::ZERO);
            self.next = self.or_fail(found, None)?.map_or(NextEntry::None, NextEntry::found);
        }
        Ok(())
    }

    /// Whether the ring has no entry before this time, as far as can be known.
    pub(super) fn has_nothing_before(&self, unix_ns: u64) -> bool {
        match self.next {
            _ if self.is_done() => true,
            NextEntry::Unknown => false,
            NextEntry::None => self.consumer.watermark_unix_ns() >= unix_ns,
            NextEntry::At(next) => next >= unix_ns,
        }
    }

    /// How the entry that was taken last moves the ring's cursor.
    pub(super) fn step(&self) -> Step {
        self.consumer.step()
    }

    pub(super) fn mark(&mut self) -> Mark {
        self.consumer.mark()
    }

    pub(super) fn ack_to(&mut self, mark: Mark) -> Result<(), Error> {
        if self.is_done() {
            return Ok(());
        }
        let acknowledged = self.consumer.ack_to(mark);
        self.or_fail(acknowledged, ())
    }

    /// Whether every published entry is taken and acknowledged.
    pub(super) fn is_drained(&mut self) -> Result<bool, Error> {
        if self.is_done() {
            return Ok(true);
        }
        // The consumer looks again, so an earlier look is out of date.
        if self.next == NextEntry::None {
            self.next = NextEntry::Unknown;
        }
        if matches!(self.next, NextEntry::At(_)) {
            return Ok(false);
        }
        let is_drained = self.consumer.is_drained();
        self.or_fail(is_drained, true)
    }

    /// Whether every lane is closed and the ring drained. A ring into which no process has ever logged is waited for,
    /// unless the writer is `abandoned`, or has drained rings that were there before.
    pub(super) fn is_deserted(&mut self, abandoned: bool, has_leaving: bool) -> Result<bool, Error> {
        if !self.is_present() {
            return Ok(self.is_done());
        }
        if !self.used {
            self.used = has_leaving || !self.observer.stat()?.lanes.is_empty();
        }
        // In this order: a lane may publish records until it is closed, and what is published before it is counted is
        // found by the look whether the ring is drained.
        if !(self.used || abandoned) || self.consumer.open_lanes()? > 0 {
            return Ok(false);
        }
        self.deserted_at = self.observer.stat()?.published;
        self.is_drained()
    }

    /// Whether a living process has a lane open.
    pub(super) fn is_in_use(&self) -> Result<bool, Error> {
        Ok(self.observer.stat()?.lanes.iter().any(|lane| lane.open && lane.alive))
    }

    /// The ring that was found deserted, for a look without its consumer.
    pub(super) fn deserted(&self) -> Deserted {
        Deserted { ring: self.ring.clone(), published: self.deserted_at }
    }

    /// The number of its records that are not acknowledged.
    pub(super) fn unwritten(&self) -> Result<u64, Error> {
        Ok(self.observer.stat()?.lag())
    }

    /// Whether the ring drops records when it is full.
    pub(super) fn drops(&self) -> Result<bool, Error> {
        Ok(self.observer.stat()?.overflow == Overflow::Drop)
    }

    /// Undoes expired level rules, and looks whether the ring's clock can still be relied upon.
    pub(super) fn maintain(&mut self, events: &mut dyn Events) {
        if self.is_present() {
            self.levels.undo(events);
            let consumer = &self.consumer;
            self.clock.check(|| consumer.info().clock.unreliable(), events);
        }
    }

    /// Ends the consumer. Every entry that was taken has to be acknowledged.
    pub(super) fn end(&mut self) {
        self.consumer.end();
    }

    #[cfg(test)]
    pub(super) fn set_next(&mut self, next: NextEntry) {
        self.next = next;
    }
}
