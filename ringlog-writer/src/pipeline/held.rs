//! The rings that the writer holds, from one session to the next.
//!
//! A session ends when the configuration is reloaded or a ring is replaced. The writer stays the consumer of its rings
//! meanwhile: a ring that was removed could not be opened again, and another writer could come to the others.

use std::path::PathBuf;
use std::time::Duration;

use ringlog::Ring;
use ringlog::admin::{self, Shown};

use super::leaving;
use super::requests::Requests;
use super::source::Source;
use super::sources::Sources;
use crate::error::Error;
use crate::events::Events;
use crate::sink::canonical;

/// The rings that are held while no session drains them.
#[derive(Default)]
pub(super) struct Held {
    all: Vec<Source>,
}

impl Held {
    /// The sources of a session: the rings of these names, rings of earlier boots beside them, and replaced ones that
    /// are not drained to the end. Opens what is not held yet.
    ///
    /// # Errors
    /// What [`Ring::open`] and [`Ring::consumer`] return; nothing has changed then.
    pub(super) fn take(
        &mut self,
        names: &[String],
        grace: Option<Duration>,
        events: &mut dyn Events,
    ) -> Result<Sources, Error> {
        let mut claimed = vec![false; self.all.len()];
        let mut places = Vec::new();
        for name in names {
            let held = self.held_for(name, &claimed);
            held.into_iter().for_each(|index| claimed[index] = true);
            places.push(held);
        }
        // Every one is opened before the first is drained.
        let missing = names.iter().zip(&places).filter(|(_, held)| held.is_none());
        let rings: Vec<(&String, Ring)> =
            missing.map(|(name, _)| Ok((name, Ring::open(name)?))).collect::<Result<_, ringlog::Error>>()?;
        let kept = places.iter().flatten().map(|index| self.all[*index].ring());
        let present = kept.chain(rings.iter().map(|(_, ring)| ring));
        let waiting = leaving::of_earlier_boots(present);
        let opened = rings.iter().map(|(name, ring)| Source::open(ring, Some(name)));
        let mut opened = opened.collect::<Result<Vec<_>, _>>()?.into_iter();
        let mut beside = self.open_waiting(waiting, events)?;

        let mut before: Vec<Option<Source>> = self.all.drain(..).map(Some).collect();
        let mut taken = Vec::new();
        for (name, held) in names.iter().zip(places) {
            let mut source = held.and_then(|index| before[index].take()).or_else(|| opened.next());
            source.iter_mut().for_each(|source| source.rename(name));
            taken.extend(source);
        }
        for mut source in before.into_iter().flatten() {
            // No other writer can come to a ring without a name.
            if source.name().is_some() && source.consumer().is_nameless() && source.is_present() {
                source.leave();
            }
            if source.name().is_none() { beside.push(source) } else { self.all.push(source) }
        }
        taken.extend(beside);
        Ok(Sources::new(taken, grace))
    }

    /// The held ring that this name means: the one at the path to which it leads now. If it leads to nothing, the one
    /// that was asked for by this name before.
    fn held_for(&self, name: &str, claimed: &[bool]) -> Option<usize> {
        let path = admin::resolve(name).ok().filter(|path| path.symlink_metadata().is_ok());
        let is_meant = |source: &Source| match &path {
            Some(path) => canonical(source.ring().path()) == canonical(path),
            None => source.name() == Some(name),
        };
        let named = |(index, source): &(usize, &Source)| !claimed[*index] && source.name().is_some();
        self.all.iter().enumerate().filter(named).find(|(_, source)| is_meant(source)).map(|(index, _)| index)
    }

    /// Opens these rings of earlier boots, if they are not held. Reports those that cannot be opened.
    fn open_waiting(&self, paths: Vec<PathBuf>, events: &mut dyn Events) -> Result<Vec<Source>, Error> {
        let mut opened = Vec::new();
        for path in paths {
            if self.all.iter().any(|source| source.ring().path() == path) {
                continue;
            }
            match Ring::open(&path.to_string_lossy()) {
                Ok(ring) => opened.push(Source::open(&ring, None)?),
                Err(error) => events.report(&format!("{error}; its records stay in it")),
            }
        }
        Ok(opened)
    }

    /// Takes the sources back from a session that has ended or could not begin. What is not acknowledged is given out
    /// again.
    ///
    /// # Errors
    /// As for [`ringlog::reader::Consumer::rewind`].
    pub(super) fn put_back(&mut self, sources: Sources, events: &mut dyn Events) -> Result<(), Error> {
        for source in sources.into_all() {
            // What the configuration asks for by its name stays, so that it is not looked for again.
            if source.is_done() && source.name().is_none() {
                continue;
            }
            let is_replaced = source.is_replaced();
            match source.rewind() {
                Ok(source) => self.all.push(source),
                // It does not end the draining of the others.
                Err(error) if is_replaced => events.report(&format!("{error}; it is not drained any more")),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Lets go of the rings that the session which has begun does not drain.
    pub(super) fn end(&mut self) {
        self.all.iter_mut().for_each(Source::end);
        self.all.clear();
    }

    /// Whether a process has asked the writer to stop.
    pub(super) fn stop_requested(&self) -> bool {
        Requests::to(&self.all).stops()
    }
}

/// Reports rings without a name in which threads have lanes when the writer ends: there is no path by which the next
/// one could come to them.
pub(super) fn report_left(sources: &Sources, events: &mut dyn Events) {
    for source in sources.all() {
        let is_left = source.consumer().is_nameless() && !source.is_done() && !source.consumer().is_removed();
        if is_left && source.consumer().open_lanes().is_ok_and(|open| open > 0) {
            let path = source.ring().path().shown();
            events.report(&format!(
                "the removed ring {path} is in use still, and no other writer can drain it: what comes into it from \
                 now on is counted as left in the ring that takes its place"
            ));
        }
    }
}
