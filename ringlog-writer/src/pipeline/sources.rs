//! The rings that the writer drains, merged by time.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use ringlog::admin::Shown;
use ringlog::reader::{Cursor, Entry, Mark, Step};

use super::deserted::Deserted;
use super::next_entry::NextEntry;
use super::requests::Requests;
use super::source::Source;
use crate::error::Error;
use crate::events::Events;
use crate::format::RingIdentity;

/// The pause between two looks at rings that have no entries.
const PAUSE: Duration = Duration::from_micros(200);

/// So many replaced rings are drained at once. Each keeps its memory, and costs a look for older entries before each
/// younger one.
const REPLACED_MAX: usize = 8;

/// The rings that the writer drains.
pub(super) struct Sources {
    all: Vec<Source>,
    /// Rings that have taken the place of others, each with the number of the other one. They are drained from the next
    /// session on.
    joining: Vec<(usize, Source)>,
    /// The only ring that is not done, if there is just one.
    only: Option<usize>,
}

impl Sources {
    pub(super) fn new(all: Vec<Source>, grace: Option<Duration>) -> Sources {
        let mut sources = Sources { all, joining: Vec::new(), only: None };
        grace.into_iter().for_each(|grace| sources.set_grace(grace));
        sources.find_only();
        sources
    }

    /// All rings, once the session has ended. Those that are replaced have passed their names on.
    pub(super) fn into_all(mut self) -> Vec<Source> {
        for (ring, mut successor) in self.joining {
            self.all[ring].pass_name_to(&mut successor);
            self.all.push(successor);
        }
        self.all
    }

    pub(super) fn all(&self) -> &[Source] {
        &self.all
    }

    /// Where the writer's status belongs, and the ring beside which it lies, of each ring that has a name.
    pub(super) fn status_places(&self) -> Vec<(PathBuf, PathBuf)> {
        let named = self.all.iter().filter(|source| !source.is_done() && !source.consumer().is_nameless());
        named.map(|source| (source.status_path(), source.ring().path().to_owned())).collect()
    }

    pub(super) fn requests(&self) -> Requests<'_> {
        Requests::to(&self.all)
    }

    /// Whether a process has asked the writer to stop, or has removed a ring.
    pub(super) fn stop_requested(&self) -> bool {
        // Drained old rings alone get nothing any more.
        self.requests().stops() || (!self.all.is_empty() && self.all.iter().all(Source::is_done))
    }

    /// Lets go of rings that get no new producers and are drained, once everything taken from them is acknowledged.
    pub(super) fn end_drained(&mut self, events: &mut dyn Events) -> Result<(), Error> {
        self.all.iter_mut().try_for_each(|source| source.end_if_drained(events))?;
        self.find_only();
        Ok(())
    }

    fn find_only(&mut self) {
        let mut left = (0..self.all.len()).filter(|ring| !self.all[*ring].is_done());
        self.only = left.next().filter(|_| left.next().is_none());
    }

    /// Looks for rings that have taken the place of removed ones, and makes missing ones anew if `makes_anew`. Returns
    /// whether there is one that is to be drained from now on: the session has to end.
    pub(super) fn find_successors(
        &mut self,
        makes_anew: bool,
        events: &mut dyn Events,
    ) -> Result<bool, Error> {
        for ring in 0..self.all.len() {
            if self.joining.iter().any(|(replaced, _)| *replaced == ring) {
                continue;
            }
            if let Some(successor) = self.all[ring].find_successor(makes_anew, events) {
                let path = self.all[ring].ring().path().shown().to_string();
                events.report(&format!("{path} was replaced by another ring; going on with both"));
                self.joining.push((ring, successor));
            }
        }
        Ok(!self.joining.is_empty() && self.has_room(events)?)
    }

    /// Whether the rings that are being replaced may be drained beside those that were replaced before. The oldest of
    /// too many is let go of, once everything in it is written: the processes that have lanes in it count what they
    /// log into it from then on.
    fn has_room(&mut self, events: &mut dyn Events) -> Result<bool, Error> {
        let is_counted = |source: &&mut Source| source.is_replaced() && !source.is_done();
        while self.all.iter_mut().filter(is_counted).count() + self.joining.len() > REPLACED_MAX {
            let Some(oldest) = self.all.iter_mut().find(is_counted) else { break };
            if !oldest.is_drained()? {
                return Ok(false);
            }
            oldest.give_up();
            let path = oldest.ring().path().shown();
            events.report(&format!(
                "{REPLACED_MAX} rings that were at {path} before are in use still; the oldest is not drained any \
                 more, and what comes into it is counted as left in the present one"
            ));
        }
        Ok(true)
    }

    pub(super) fn identities(&self) -> impl Iterator<Item = &RingIdentity> {
        self.all.iter().map(Source::identity)
    }

    /// Whether the consumer of a ring before this writer was killed.
    pub(super) fn follow_crash(&self) -> bool {
        self.all.iter().any(Source::follows_crash)
    }

    /// Starts each ring at the position that a sink has kept for it.
    pub(super) fn resume(&mut self, cursor: impl Fn(&[u8; 16]) -> Cursor) -> Result<(), Error> {
        self.all.iter_mut().try_for_each(|source| source.resume(&cursor))
    }

    /// The next entry, and the index of its ring.
    #[inline]
    pub(super) fn next(&mut self, wait: Duration) -> Result<Option<(usize, Entry<'_>)>, Error> {
        if let Some(ring) = self.only {
            return Ok(self.all[ring].take(wait)?.map(|entry| (ring, entry)));
        }
        let Some(ring) = self.choose(wait)? else { return Ok(None) };
        Ok(self.all[ring].take(Duration::ZERO)?.map(|entry| (ring, entry)))
    }

    /// The ring with the oldest entry, once every other ring is known to have no older one.
    fn choose(&mut self, wait: Duration) -> Result<Option<usize>, Error> {
        let deadline = Instant::now() + wait;
        loop {
            self.look(|source| source.next() == NextEntry::Unknown)?;
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
        self.all.iter_mut().filter(|source| is_wanted(source)).try_for_each(Source::look)
    }

    /// The time and the ring of the oldest entry that has been found.
    fn oldest(&self) -> Option<(u64, usize)> {
        let all = self.all.iter().enumerate();
        let of = |(ring, source): (usize, &Source)| match source.next() {
            NextEntry::At(unix_ns) => Some((unix_ns, ring)),
            NextEntry::Unknown | NextEntry::None => None,
        };
        all.filter_map(of).min()
    }

    /// How the entry that was taken last moves its ring's cursor.
    pub(super) fn step(&self, ring: usize) -> Step {
        self.all[ring].step()
    }

    /// The position up to which each ring has been taken.
    pub(super) fn cursors(&self) -> Vec<Cursor> {
        self.all.iter().map(|source| source.consumer().cursor()).collect()
    }

    pub(super) fn marks(&mut self) -> Vec<Mark> {
        self.all.iter_mut().map(Source::mark).collect()
    }

    pub(super) fn ack_to(&mut self, marks: &[Mark]) -> Result<(), Error> {
        self.all.iter_mut().zip(marks).try_for_each(|(source, mark)| source.ack_to(*mark))
    }

    /// Acknowledges a batch that an output lacks in rings without a name: no other writer can come to them, and others
    /// would count the records as left although an output has them.
    pub(super) fn ack_nameless(&mut self, marks: &[Mark]) -> Result<(), Error> {
        let sources = self.all.iter_mut().zip(marks);
        let mut nameless = sources.filter(|(source, _)| source.consumer().is_nameless());
        nameless.try_for_each(|(source, mark)| source.ack_to(*mark))
    }

    /// Looks now whether the rings still have their names.
    pub(super) fn look_for_names(&mut self) {
        self.all.iter_mut().for_each(Source::look_for_name);
    }

    pub(super) fn set_grace(&mut self, grace: Duration) {
        self.all.iter_mut().for_each(|source| source.set_grace(grace));
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
        self.all.iter().any(|source| source.consumer().is_nearly_full())
    }

    /// Whether a ring has no name any more, so that no other writer can come to it.
    pub(super) fn are_nameless(&self) -> bool {
        self.all.iter().any(|source| source.consumer().is_nameless() && !source.is_done())
    }

    /// The name of a ring, for messages.
    pub(super) fn label(&self, ring: usize) -> String {
        self.all[ring].label()
    }

    /// Whether every ring drops records when it is full.
    pub(super) fn all_drop(&self) -> Result<bool, Error> {
        for source in self.all.iter().filter(|source| source.is_present()) {
            if !source.drops()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The number of records in the rings that are not acknowledged.
    pub(super) fn unwritten(&self) -> Result<u64, Error> {
        let lags = self.all.iter().filter(|source| !source.is_done()).map(Source::unwritten);
        lags.sum()
    }

    /// The size of the smallest ring in bytes.
    pub(super) fn least_bytes(&self) -> u64 {
        let bytes = self.all.iter().map(|source| source.consumer().info().geometry().file_bytes());
        bytes.min().unwrap_or(0)
    }

    /// Whether every lane is closed and every ring drained. A ring into which no process has ever logged is waited for,
    /// unless the writer is `abandoned`.
    pub(super) fn are_deserted(&mut self, abandoned: bool) -> Result<bool, Error> {
        let has_leaving = self.all.iter().any(|source| !source.is_present());
        for source in &mut self.all {
            if !source.is_deserted(abandoned, has_leaving)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether a process has a lane open in one of the rings.
    pub(super) fn are_in_use(&self) -> Result<bool, Error> {
        for source in self.all.iter().filter(|source| !source.is_done()) {
            if source.is_in_use()? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The rings that were found deserted.
    pub(super) fn deserted(&self) -> Vec<Deserted> {
        self.all.iter().filter(|source| source.is_present()).map(Source::deserted).collect()
    }

    /// Undoes expired level rules, and looks at the rings' clocks.
    pub(super) fn maintain(&mut self, events: &mut dyn Events) {
        self.all.iter_mut().for_each(|source| source.maintain(events));
    }

    /// Ends the consumers. Every entry that was taken has to be acknowledged.
    pub(super) fn end(&mut self) {
        self.all.iter_mut().for_each(Source::end);
    }
}
#[cfg(test)]
mod tests {
    use ringlog::{Level, Ring};

    use super::*;
    use crate::clock::now_unix_ns;

    fn sources(rings: &[Ring]) -> Sources {
        let all = rings.iter().map(|ring| Source::open(ring, None).unwrap()).collect();
        Sources::new(all, Some(Duration::ZERO))
    }

    #[test]
    fn a_ring_found_empty_is_looked_at_again_before_younger_entries() {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let ring = |name: &str| {
            Ring::options().size("1MiB").create(dir.path().join(name).to_str().unwrap()).unwrap()
        };
        let rings = [ring("busy"), ring("quiet")];
        let log = |ring: usize, text: &str| rings[ring].logger().text(Level::INFO, "x", text).unwrap();
        let mut sources = sources(&rings);
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
        let mut sources = sources(&rings);
        sources.look(|_| true).unwrap();
        sources.all[0].set_next(NextEntry::found(now_unix_ns() + 86_400_000_000_000));
        let (ring, entry) = sources.next(Duration::from_secs(5)).unwrap().unwrap();
        assert_eq!((ring, entry.message().as_str()), (0, "tomorrow"));
    }
}
