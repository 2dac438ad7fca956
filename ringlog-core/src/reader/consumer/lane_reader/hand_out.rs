//! A lane's entry on its way out.

use super::notices::{Aside, What};
use super::{Given, Head, LaneQueue, Payload};
use crate::reader::consumer::scan::BlockCursor;
use crate::reader::dictionary::Dictionary;
use crate::reader::entry::{Body, Entry, Gap, GapReason};
use crate::record::decoded::Received;
use crate::record::text::TEXT;
use crate::shm::block::SharedRing;

impl LaneQueue {
    /// How many refusals of threads without a lane the entry at the head tells.
    pub(in crate::reader::consumer) fn carried(&self) -> u64 {
        match &self.head {
            Some(Head::Aside {
                aside: Aside { what: What::Gap(gap, _), origin: Some(origin), .. }, ..
            }) if !origin.is_known() => gap.count,
            _ => 0,
        }
    }

    /// Notes what is given out. A time stamp younger than the scan that found it is none; believing it
    /// would hold back all that comes after it in this lane.
    pub(in crate::reader::consumer) fn on_hand_out(
        &mut self,
        scan_ticks: u64,
        seen: &mut [BlockCursor],
        dirty: &mut Vec<u32>,
    ) -> Given {
        match &self.head {
            Some(Head::Record { header, unix_ns, sequence, end, .. }) => {
                let ticks = header.ticks.min(scan_ticks.max(self.last_ticks));
                self.last_ticks = self.last_ticks.max(ticks);
                self.last_unix_ns = *unix_ns;
                self.given_sequence = sequence.wrapping_add(1);
                self.given = (self.incarnation, self.given_sequence);
                self.ended = None;
                self.persisted = self.persisted.wrapping_add(1);
                let (index, slots) = *end;
                seen[index as usize].delivered(index, slots, dirty);
                Given::Record { ticks }
            }
            Some(Head::Aside { aside: Aside { what: What::Gap(gap, told), .. }, .. }) => {
                self.told = *told;
                if gap.reason == GapReason::Missing {
                    self.given = (self.incarnation, self.given_sequence.saturating_add(gap.count));
                }
                Given::Gap { damaged: gap.reason == GapReason::Damaged }
            }
            Some(Head::Aside { aside: Aside { what: What::Died(_), origin, .. }, .. }) => {
                let (incarnation, process) =
                    origin.as_ref().map_or((0, (0, 0)), |origin| (origin.incarnation, origin.process_lane));
                self.deaths_told = self.deaths_told.max(incarnation);
                Given::Died { process }
            }
            None => Given::Gap { damaged: false },
        }
    }

    /// Time cannot be later than now, also where the clock has jumped back.
    pub(in crate::reader::consumer) fn bound_ticks(&mut self, scan_ticks: u64) {
        self.last_ticks = self.last_ticks.min(scan_ticks);
    }

    /// The entry given out is no longer looked at.
    pub(in crate::reader::consumer) fn take_head(&mut self, seen: &mut [BlockCursor], dirty: &mut Vec<u32>) {
        if let Some(Head::Record { payload: Payload::Long, .. }) = self.head.take() {
            self.release_long_blocks(seen, dirty);
        }
    }

    /// The entry at the head.
    pub(in crate::reader::consumer) fn entry<'a>(
        &'a mut self,
        ring: &SharedRing,
        dictionary: &'a mut Dictionary,
    ) -> Entry<'a> {
        let origin = self.origin.as_deref().unwrap_or(&self.forgotten);
        match &self.head {
            Some(Head::Record { header, unix_ns, sequence, payload, .. }) => {
                let bytes: &[u8] = match payload {
                    Payload::Copy(range) => &bytemuck::cast_slice(&self.words)[range.clone()],
                    Payload::Long => &self.long_bytes,
                };
                let record = if header.definition == TEXT {
                    Received::plain(*sequence, bytes, header.flags)
                } else {
                    let definition = dictionary.look_up(ring, origin.process_lane, header.definition);
                    Received::defined(*sequence, definition.map(|d| &**d), bytes, header.flags)
                };
                Entry { unix_ns: *unix_ns, origin, body: Body::Record(record) }
            }
            Some(Head::Aside { aside, unix_ns, .. }) => {
                let body = match aside.what {
                    What::Gap(gap, _) => Body::Gap(gap),
                    What::Died(died) => Body::Died(died),
                };
                Entry { unix_ns: *unix_ns, origin: aside.origin.as_deref().unwrap_or(origin), body }
            }
            // `hand_out` asks only lanes that are in the heap, and those have a head; if not, this is
            // an entry that says nothing.
            None => {
                let gap = Gap { count: 0, reason: GapReason::Damaged };
                Entry { unix_ns: self.last_unix_ns, origin, body: Body::Gap(gap) }
            }
        }
    }
}
