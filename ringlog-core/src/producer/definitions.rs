//! Registration of definitions: each is in the ring's definition area once for all processes in which it is the same.
//!
//! Everything here ends after a bounded number of steps, makes no system call and allocates nothing. Where it does not
//! succeed, because the area is full, or another thread is registering, or this is a signal handler within a
//! registration, the record brings its definition itself.

use std::sync::atomic::Ordering;

use crate::record::encode::Encoder;
use crate::record::record_trait::{Inferred, Record};
use crate::record::text;
use crate::ring::definition_state::DefinitionGuard;
use crate::ring::session::Session;
use crate::shm::block::SharedRing;
use crate::shm::definition_limits::{self, DefinitionLimit};
use crate::shm::definitions::{Encoded, Found};
use crate::shm::layout::area::{Place, SEGMENTS_MAX};
use crate::shm::layout::header;

/// How often to try to hold the process's definition state before a record brings its definition.
const TRIES: u32 = 200;
/// How often a definition is put into the index while other processes change it.
const ROUNDS: u32 = 3;

/// The id of the record's definition in this ring. Registers the definition if needed. `None` if there is no room for
/// it, or no number for the site: then the record has to bring it.
pub(crate) fn id_of(session: &Session, ring: &SharedRing, record: &dyn Record) -> Option<u32> {
    let (site, Inferred { fingerprint, .. }) = (record.site(), record.inferred());
    if std::ptr::eq(site, text::text_site()) {
        return Some(text::TEXT);
    }
    let ids = session.definition_ids();
    match ids.get(site.number(fingerprint)) {
        0 => {}
        id => return Some(id),
    }
    // A site without a number would be registered again with each of its records.
    let number = site.assign_number(fingerprint);
    if site.is_unnumbered() {
        return None;
    }
    if number == 0 {
        definition_limits::note(ring, DefinitionLimit::Sites);
        return None;
    }
    let state = session.definition_state();
    let freed = ring.header_word(header::SEGMENTS_FREED).load(Ordering::Relaxed);
    if state.is_refused(number, freed) {
        return None;
    }
    // `place` has opened the process lane before any record is written.
    let lane = session.state().process_lane.load(Ordering::Acquire).checked_sub(1)?;
    let held = (0..TRIES).find_map(|_| state.try_hold())?;
    let registration = Registration { ring, lane, held: &held, boot: session.boot_tag() };
    // Another thread may have been first.
    let id = Some(ids.get(number)).filter(|id| *id != 0).or_else(|| registration.id_of(record));
    match id {
        Some(id) => ids.set(number, id),
        None => held.refuse(number, freed),
    }
    id
}

/// One registration, by the thread that holds the process's state.
struct Registration<'a> {
    ring: &'a SharedRing,
    /// The process lane, whose pins say which segments this process uses.
    lane: u32,
    held: &'a DefinitionGuard<'a>,
    boot: u32,
}

impl Registration<'_> {
    fn id_of(&self, record: &dyn Record) -> Option<u32> {
        let definition = self.encode(record)?;
        let mut own = None;
        for _ in 0..ROUNDS {
            let vacant = match self.ring.find_definition(self.lane, &definition) {
                Found::Shared(id) => {
                    if let Some((place, _)) = own {
                        // Another process was first; nothing names what this one has written.
                        self.held.keep_spare(place, definition.slots());
                    }
                    return Some(id);
                }
                Found::Absent(vacant) => vacant,
            };
            let (_, id) = match own {
                Some(own) => own,
                None => {
                    let place = self.place_for(definition.slots(), record.inferred().run_time)?;
                    *own.insert((place, self.ring.write_definition(place, &definition)))
                }
            };
            // Without a place in the index it is this process's alone.
            if vacant.is_none_or(|vacant| self.ring.enter_definition(id, &definition, vacant)) {
                return Some(id);
            }
        }
        own.map(|(_, id)| id)
    }

    fn encode(&self, record: &dyn Record) -> Option<Encoded<'_>> {
        let (definition, types) = (record.site().definition(), record.inferred().types);
        let bytes = definition.payload_bytes(types);
        if bytes > self.ring.geometry().definitions.definition_limit() {
            definition_limits::note(self.ring, DefinitionLimit::Length);
            return None;
        }
        let scratch = self.held.scratch();
        #[allow(unsafe_code)]
        // SAFETY: the window is all of `scratch`, which outlives the encoder.
        let mut out = unsafe { Encoder::new(scratch.as_ptr(), 0, scratch.len()) };
        definition.encode(types, &mut out);
        (out.finish() == bytes).then(|| Encoded::new(scratch, bytes, self.boot))
    }

    /// Slots for a new definition. Those made at run time get a quarter of the area in one process, and all of one
    /// process three quarters, so that no process keeps the others from registering theirs.
    fn place_for(&self, slots: u32, is_run_time: bool) -> Option<Place> {
        if let Some(place) = self.held.take_spare(slots) {
            return Some(place);
        }
        let quarter = self.ring.geometry().definitions.slots() / 4;
        let (all, run_time) = self.held.taken();
        let place = if is_run_time && run_time.saturating_add(slots) > quarter {
            Err(DefinitionLimit::RunTimeShare)
        } else if all.saturating_add(slots) > 3 * quarter {
            Err(DefinitionLimit::ProcessShare)
        } else {
            self.reserve(slots).ok_or(DefinitionLimit::Area)
        };
        match place {
            Ok(place) => {
                self.held.count_taken(slots, is_run_time);
                Some(place)
            }
            Err(limit) => {
                definition_limits::note(self.ring, limit);
                None
            }
        }
    }

    /// Reserves slots in a segment that this process uses, else in one that others have begun, else in an empty one. So
    /// few segments are in use, and a process pins few.
    fn reserve(&self, slots: u32) -> Option<Place> {
        let area = &self.ring.geometry().definitions;
        let mine = self.ring.pins(self.lane).load(Ordering::Relaxed);
        let mut rank = [u8::MAX; SEGMENTS_MAX as usize];
        for (segment, rank) in (0..area.segments()).zip(&mut rank) {
            let state = self.ring.segment(segment);
            *rank = match state.tail {
                tail if state.closing || tail.saturating_add(slots) > area.segment_slots() => u8::MAX,
                _ if mine >> segment & 1 != 0 => 0,
                1.. => 1,
                0 => 2,
            };
        }
        (0..=2).find_map(|wanted| {
            let ranked = (0..area.segments()).zip(&rank).filter(|(_, rank)| **rank == wanted);
            ranked
                .map(|(segment, _)| segment)
                .find_map(|segment| self.ring.reserve(self.lane, segment, slots))
        })
    }
}
