//! The rings, drained as one: merged by time.

use std::time::{Duration, Instant};

use ringlog::reader::{Consumer, Cursor, Entry, Mark, Observer, Step};
use ringlog::{Overflow, Ring};

use super::levels;
use crate::error::Error;
use crate::format::Source;
use crate::pipeline::Events;
use crate::sink::now_ns;

/// Between two looks at rings that have nothing to give.
const NAP: Duration = Duration::from_micros(200);

pub(super) struct Intake {
    inlets: Vec<Inlet>,
}

/// A ring that is drained.
struct Inlet {
    consumer: Consumer,
    observer: Observer,
    /// Of the level rules.
    levels: levels::Ends,
    /// Where there are several rings.
    head: Head,
    /// Some process has logged into it, ever.
    used: bool,
    source: Source,
}

/// What comes next out of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Head {
    /// It has not been looked.
    Unknown,
    /// At the last look nothing.
    Nothing,
    /// An entry of this time.
    At(u64),
}

impl Head {
    /// An entry of this time was found. A time stamp from the future is not waited for.
    fn found(unix_ns: u64) -> Head {
        Head::At(unix_ns.min(now_ns()))
    }
}

impl Intake {
    /// Holds these rings.
    pub(super) fn open(rings: &[Ring], grace: Option<Duration>) -> Result<Intake, Error> {
        let inlet = |ring: &Ring| {
            let mut consumer = ring.consumer()?;
            if let Some(grace) = grace {
                consumer.set_grace(grace);
            }
            let (observer, levels) = (ring.observe()?, levels::Ends::of(ring));
            let source = Source::new(ring.path(), ring.info());
            Ok(Inlet { consumer, observer, levels, head: Head::Unknown, used: false, source })
        };
        Ok(Intake { inlets: rings.iter().map(inlet).collect::<Result<_, ringlog::Error>>()? })
    }

    pub(super) fn sources(&self) -> impl Iterator<Item = &Source> {
        self.inlets.iter().map(|inlet| &inlet.source)
    }

    pub(super) fn previous_consumer_crashed(&self) -> bool {
        self.inlets.iter().any(|inlet| inlet.consumer.previous_consumer_crashed())
    }

    /// Begins where the one output was.
    pub(super) fn resume(&mut self, cursor: impl Fn(&[u8; 16]) -> Cursor) -> Result<(), Error> {
        for inlet in &mut self.inlets {
            let uuid = inlet.consumer.info().uuid;
            inlet.consumer.resume(&cursor(&uuid))?;
        }
        Ok(())
    }

    /// The next entry, and which ring it is of.
    #[inline]
    pub(super) fn next(&mut self, wait: Duration) -> Result<Option<(usize, Entry<'_>)>, Error> {
        if self.inlets.len() == 1 {
            return Ok(self.inlets[0].consumer.next(wait)?.map(|entry| (0, entry)));
        }
        let Some(ring) = self.choose(wait)? else { return Ok(None) };
        let inlet = &mut self.inlets[ring];
        inlet.head = Head::Unknown;
        Ok(inlet.consumer.next(Duration::ZERO)?.map(|entry| (ring, entry)))
    }

    /// The ring with the oldest entry, once all others are known to have no older one.
    fn choose(&mut self, wait: Duration) -> Result<Option<usize>, Error> {
        let deadline = Instant::now() + wait;
        loop {
            self.look(|inlet| inlet.head == Head::Unknown)?;
            // A look at a whole ring for each entry of another one would take too long: a ring that has had nothing is
            // looked at again only when what the others have is younger than that look.
            let oldest = self.oldest().map(|(unix_ns, _)| unix_ns);
            self.look(|inlet| oldest.is_none_or(|unix_ns| !inlet.has_nothing_before(unix_ns)))?;
            if let Some((unix_ns, ring)) = self.oldest()
                && self.inlets.iter().all(|inlet| inlet.has_nothing_before(unix_ns))
            {
                return Ok(Some(ring));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            std::thread::sleep(NAP);
        }
    }

    /// Looks what comes next out of these rings, where that is not known.
    fn look(&mut self, is_wanted: impl Fn(&Inlet) -> bool) -> Result<(), Error> {
        for inlet in &mut self.inlets {
            if !matches!(inlet.head, Head::At(_)) && is_wanted(inlet) {
                inlet.head = inlet.consumer.peek(Duration::ZERO)?.map_or(Head::Nothing, Head::found);
            }
        }
        Ok(())
    }

    /// The oldest entry that has been found.
    fn oldest(&self) -> Option<(u64, usize)> {
        let heads = self.inlets.iter().enumerate();
        let of = |(ring, inlet): (usize, &Inlet)| match inlet.head {
            Head::At(unix_ns) => Some((unix_ns, ring)),
            Head::Unknown | Head::Nothing => None,
        };
        heads.filter_map(of).min()
    }

    /// What the entry given out last changes in its ring's cursor.
    pub(super) fn step(&self, ring: usize) -> Step {
        self.inlets[ring].consumer.step()
    }

    /// Up to where each ring has been given out.
    pub(super) fn cursors(&self) -> Vec<Cursor> {
        self.inlets.iter().map(|inlet| inlet.consumer.cursor()).collect()
    }

    pub(super) fn marks(&mut self) -> Vec<Mark> {
        self.inlets.iter_mut().map(|inlet| inlet.consumer.mark()).collect()
    }

    pub(super) fn ack_to(&mut self, marks: &[Mark]) -> Result<(), Error> {
        self.inlets.iter_mut().zip(marks).try_for_each(|(inlet, mark)| Ok(inlet.consumer.ack_to(*mark)?))
    }

    pub(super) fn set_grace(&mut self, grace: Duration) {
        self.inlets.iter_mut().for_each(|inlet| inlet.consumer.set_grace(grace));
    }

    pub(super) fn is_drained(&mut self) -> Result<bool, Error> {
        for inlet in &mut self.inlets {
            if !inlet.is_drained()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) fn is_nearly_full(&self) -> bool {
        self.inlets.iter().any(|inlet| inlet.consumer.is_nearly_full())
    }

    /// Somebody asks the writer to end, or has removed a ring.
    pub(super) fn stop_requested(&self) -> bool {
        self.inlets.iter().any(|inlet| inlet.consumer.stop_requested())
    }

    /// The ring for whose sake the writer of others ends too.
    pub(super) fn to_stop_for(&self) -> Option<&str> {
        let ring = self.inlets.iter().find(|inlet| inlet.consumer.stop_requested())?;
        (self.inlets.len() > 1).then_some(&*ring.source.name)
    }

    /// A ring's name.
    pub(super) fn name(&self, ring: usize) -> &str {
        &self.inlets[ring].source.name
    }

    /// Each ring's request to begin new files that has not been answered.
    pub(super) fn rotation_requests(&self) -> Vec<Option<u64>> {
        self.inlets.iter().map(|inlet| inlet.consumer.rotation_requested()).collect()
    }

    pub(super) fn answer_rotation(&self, requests: &[Option<u64>]) {
        for (inlet, request) in self.inlets.iter().zip(requests) {
            request.iter().for_each(|request| inlet.consumer.answer_rotation(*request));
        }
    }

    /// Whether somebody asks to have the configuration read anew.
    pub(super) fn reload_requested(&self) -> bool {
        self.inlets.iter().any(|inlet| inlet.consumer.reload_requested().is_some())
    }

    /// Answers all who have asked for it.
    pub(super) fn answer_reload(&self, is_taken: bool) {
        for Inlet { consumer, .. } in &self.inlets {
            if let Some(request) = consumer.reload_requested() {
                consumer.answer_reload(request, is_taken);
            }
        }
    }

    /// Whether producers of all rings go on where they find it full.
    pub(super) fn drops(&self) -> Result<bool, Error> {
        for inlet in &self.inlets {
            if inlet.observer.stat()?.overflow != Overflow::Drop {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// How many bytes the smallest ring has.
    pub(super) fn least_bytes(&self) -> u64 {
        let bytes = self.inlets.iter().map(|inlet| inlet.consumer.info().geometry().file_bytes());
        bytes.min().unwrap_or(0)
    }

    /// Whether nobody has a lane open and all is drained. Rings into which nobody has ever logged are waited for,
    /// unless the writer has been `abandoned`.
    pub(super) fn is_deserted(&mut self, abandoned: bool) -> Result<bool, Error> {
        for inlet in &mut self.inlets {
            if !inlet.used {
                inlet.used = !inlet.observer.stat()?.lanes.is_empty();
            }
            // In this order: a lane may have published until the moment it was closed.
            let is_deserted =
                (inlet.used || abandoned) && inlet.consumer.open_lanes()? == 0 && inlet.is_drained()?;
            if !is_deserted {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// For each ring, from which request to end on they count.
    pub(super) fn stops(&self) -> Vec<([u8; 16], u64)> {
        self.inlets.iter().map(|inlet| (inlet.consumer.info().uuid, inlet.consumer.stops_before())).collect()
    }

    /// The requests to end that an intake before this one has not heeded yet count too.
    pub(super) fn heed(&mut self, stops: &[([u8; 16], u64)]) {
        for inlet in &mut self.inlets {
            let uuid = inlet.consumer.info().uuid;
            if let Some((_, before)) = stops.iter().find(|(ring, _)| *ring == uuid) {
                inlet.consumer.heed_stops_since(*before);
            }
        }
    }

    /// Undoes level rules whose end has come.
    pub(super) fn undo_levels(&mut self, events: &mut dyn Events) {
        self.inlets.iter_mut().for_each(|inlet| inlet.levels.undo(events));
    }

    /// All that was given out is acknowledged.
    pub(super) fn end(&mut self) {
        self.inlets.iter_mut().for_each(|inlet| inlet.consumer.end());
    }
}

impl Inlet {
    /// Whether all that was published is given out and acknowledged.
    fn is_drained(&mut self) -> Result<bool, Error> {
        // It looks afresh, so what was found before is not all any more.
        if self.head == Head::Nothing {
            self.head = Head::Unknown;
        }
        Ok(!matches!(self.head, Head::At(_)) && self.consumer.is_drained()?)
    }

    /// Whether it will have no entry that is older, as far as can be known.
    fn has_nothing_before(&self, unix_ns: u64) -> bool {
        match self.head {
            Head::Unknown => false,
            Head::Nothing => self.consumer.watermark_unix_ns() >= unix_ns,
            Head::At(head) => head >= unix_ns,
        }
    }
}

#[cfg(test)]
mod tests {
    use ringlog::Level;

    use super::*;

    #[test]
    fn a_ring_that_had_nothing_is_looked_at_again_before_what_is_younger_than_that_look() {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let ring = |name: &str| {
            Ring::options().size("1MiB").create(dir.path().join(name).to_str().unwrap()).unwrap()
        };
        let rings = [ring("busy"), ring("quiet")];
        let log = |ring: usize, text: &str| rings[ring].logger().text(Level::INFO, "x", text).unwrap();
        let mut intake = Intake::open(&rings, Some(Duration::ZERO)).unwrap();
        let mut next = || intake.next(Duration::from_secs(5)).unwrap().unwrap().1.message();
        ["1", "2", "3"].iter().for_each(|text| log(0, text));
        assert_eq!(next(), "1");
        // The quiet ring has been found empty, and the busy one never is.
        log(1, "4");
        log(0, "5");
        assert_eq!([next(), next(), next(), next()], ["2", "3", "4", "5"]);
    }

    #[test]
    fn an_entry_that_claims_to_be_from_the_future_is_given_out() {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let ring = |name: &str| {
            Ring::options().size("1MiB").create(dir.path().join(name).to_str().unwrap()).unwrap()
        };
        let rings = [ring("ahead"), ring("quiet")];
        rings[0].logger().text(Level::INFO, "x", "tomorrow").unwrap();
        let mut intake = Intake::open(&rings, Some(Duration::ZERO)).unwrap();
        intake.look(|_| true).unwrap();
        intake.inlets[0].head = Head::found(now_ns() + 86_400_000_000_000);
        let (ring, entry) = intake.next(Duration::from_secs(5)).unwrap().unwrap();
        assert_eq!((ring, entry.message().as_str()), (0, "tomorrow"));
    }
}
