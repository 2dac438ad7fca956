//! What a process keeps of the definition area for itself: what it has reserved, and what it has tried in vain.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::record::site::SITES_MAX;
use crate::shm::layout::area::{DEFINITION_BYTES_MAX, Place};

/// Lies in memory that a fork wipes: pins and reserved slots belong to the process lane.
#[repr(C)]
pub(crate) struct DefinitionState {
    /// Set while a thread registers a definition.
    busy: AtomicU32,
    /// Slots that are reserved and hold no definition that a record names: their place, and how many.
    spare: [AtomicU32; 3],
    spare_slots: AtomicU32,
    /// Slots that this process has taken; of these, for sites made at run time.
    taken: [AtomicU32; 2],
    /// The number of emptied segments plus one for which `refused` counts.
    refused_at: AtomicU64,
    /// One bit for each site number: there was no room for its definition.
    refused: [AtomicU64; SITES_MAX as usize / 64],
    scratch: [AtomicU64; DEFINITION_BYTES_MAX / 8],
}

/// The state, held by the one thread that registers a definition.
pub(crate) struct DefinitionGuard<'a>(&'a DefinitionState);

impl DefinitionState {
    /// Whether there was no room for the definition of site `number` when `freed` segments had been emptied.
    pub(crate) fn is_refused(&self, number: u32, freed: u64) -> bool {
        let bits = self.refused.get(number as usize / 64).map_or(0, |word| word.load(Ordering::Relaxed));
        bits >> (number % 64) & 1 != 0 && self.refused_at.load(Ordering::Relaxed) == freed.wrapping_add(1)
    }

    /// Holds the state; `None` while another thread holds it, or this one does, interrupted by a signal.
    pub(crate) fn try_hold(&self) -> Option<DefinitionGuard<'_>> {
        (self.busy.swap(1, Ordering::Acquire) == 0).then(|| DefinitionGuard(self))
    }
}

impl DefinitionGuard<'_> {
    /// Memory for one encoded definition.
    pub(crate) fn scratch(&self) -> &[AtomicU64] {
        &self.0.scratch
    }

    /// Notes that there was no room for the definition of site `number`.
    pub(crate) fn refuse(&self, number: u32, freed: u64) {
        let at = freed.wrapping_add(1);
        if self.0.refused_at.load(Ordering::Relaxed) != at {
            self.0.refused.iter().for_each(|word| word.store(0, Ordering::Relaxed));
            self.0.refused_at.store(at, Ordering::Relaxed);
        }
        if let Some(word) = self.0.refused.get(number as usize / 64) {
            word.fetch_or(1 << (number % 64), Ordering::Relaxed);
        }
    }

    /// The slots taken so far, by all sites and by those made at run time.
    pub(crate) fn taken(&self) -> (u32, u32) {
        let [all, run_time] = &self.0.taken;
        (all.load(Ordering::Relaxed), run_time.load(Ordering::Relaxed))
    }

    pub(crate) fn count_taken(&self, slots: u32, is_run_time: bool) {
        let [all, run_time] = &self.0.taken;
        all.fetch_add(slots, Ordering::Relaxed);
        run_time.fetch_add(if is_run_time { slots } else { 0 }, Ordering::Relaxed);
    }

    /// Takes `slots` slots of the spare ones.
    pub(crate) fn take_spare(&self, slots: u32) -> Option<Place> {
        let left = self.0.spare_slots.load(Ordering::Relaxed).checked_sub(slots)?;
        let [segment, generation, slot] = self.0.spare.each_ref().map(|word| word.load(Ordering::Relaxed));
        self.0.spare_slots.store(left, Ordering::Relaxed);
        self.0.spare[2].store(slot + slots, Ordering::Relaxed);
        Some(Place { segment, generation, slot })
    }

    /// Keeps reserved slots for a later definition. Of two pieces the larger one is kept.
    pub(crate) fn keep_spare(&self, place: Place, slots: u32) {
        if slots > self.0.spare_slots.load(Ordering::Relaxed) {
            let words = [place.segment, place.generation, place.slot];
            self.0.spare.iter().zip(words).for_each(|(word, value)| word.store(value, Ordering::Relaxed));
            self.0.spare_slots.store(slots, Ordering::Relaxed);
        }
    }
}

impl Drop for DefinitionGuard<'_> {
    fn drop(&mut self) {
        self.0.busy.store(0, Ordering::Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::os::zero_on_fork::ZeroOnFork;

    #[test]
    fn a_failed_attempt_does_not_free_the_state() {
        let piece = ZeroOnFork::new(size_of::<DefinitionState>().next_multiple_of(4096)).unwrap();
        #[allow(unsafe_code)]
        // SAFETY: atomics only, valid when zero, alone in the piece.
        let state: &DefinitionState = unsafe { piece.at(0) };
        let held = state.try_hold();
        assert!(held.is_some());
        assert!(state.try_hold().is_none() && state.try_hold().is_none(), "it is held");
        drop(held);
        assert!(state.try_hold().is_some());
    }
}
