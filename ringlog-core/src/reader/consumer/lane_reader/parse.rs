//! Parsing the private copy of a block's slots, one record at a time.

use std::ops::Range;

use super::block_copy::Slots;
use super::long_record::FirstPart;
use super::{Head, LaneReader, Payload};
use crate::reader::consumer::blocks::{BlockTable, RecordEnd};
use crate::record::value::Cursor;
use crate::shm::block::SharedRing;
use crate::shm::clock::Anchor;
use crate::shm::drops::Drops;
use crate::shm::record_header::{Header, control, flag, kind};

impl LaneReader {
    /// Parses one record of the copy; false at its end.
    #[inline]
    pub(super) fn parse_next(&mut self, ring: &SharedRing, blocks: &mut BlockTable) -> bool {
        match self.copy.next() {
            Some(Slots::Record { header, payload, end }) => match header.kind() {
                kind::RECORD => {
                    self.abandon_long(blocks);
                    self.parse_record(header, payload, end, blocks);
                }
                kind::CONTINUATION => {
                    let limit = ring.geometry().record_limit();
                    if self.long.accepts(header.definition, payload.len(), limit) {
                        self.parse_part(header, payload, end, blocks);
                    } else {
                        // Parts without a beginning: their producer died before it published the first. The
                        // record is absent as a whole.
                        self.abandon_long(blocks);
                    }
                }
                kind::CONTROL => self.parse_control(header, payload),
                _ => {}
            },
            Some(Slots::Damaged) => self.observe_damage(),
            None => return false,
        }
        true
    }

    #[inline]
    fn parse_record(
        &mut self,
        header: Header,
        payload: Range<usize>,
        end: RecordEnd,
        blocks: &mut BlockTable,
    ) {
        let sequence = self.next_sequence;
        self.next_sequence = sequence.wrapping_add(1);
        let unix_ns = self.copy.unix_ns_at(header.ticks);
        if self.copy.was_given(sequence) {
            if !blocks.was_persisted(end) {
                self.pass_over(self.chain.place().incarnation, sequence, 1);
            }
            // Its further parts, if it has any, are then parts without a beginning.
            blocks.deliver_up_to(end);
        } else if header.flags & flag::MORE != 0 {
            let first = FirstPart { header, unix_ns, sequence };
            self.long.begin(first, self.copy.bytes(payload), end.block);
        } else if !blocks.was_persisted(end) {
            let payload = Payload::Copy(payload);
            self.head = Some(Head::Record { header, unix_ns, sequence, payload, end });
        }
    }

    fn parse_part(&mut self, header: Header, payload: Range<usize>, end: RecordEnd, blocks: &mut BlockTable) {
        self.long.append(self.copy.bytes(payload), end.block);
        if header.flags & flag::MORE == 0
            && let Some(FirstPart { header, unix_ns, sequence }) = self.long.finish()
        {
            if blocks.was_persisted(end) {
                self.long.release(blocks);
            } else {
                self.head = Some(Head::Record { header, unix_ns, sequence, payload: Payload::Long, end });
            }
        }
    }

    fn parse_control(&mut self, header: Header, payload: Range<usize>) {
        let mut at = Cursor::new(self.copy.bytes(payload));
        match header.definition {
            control::GAP => {
                if let Some(all) = at.u64() {
                    let reasons = at.u64().unwrap_or_default();
                    self.notices.observe_drops(Drops { all, reasons }, None);
                }
            }
            control::ANCHOR => {
                let anchor =
                    (|| Some(Anchor { ticks: at.u64()?, unix_ns: at.u64()?, ns_per_tick: at.u64()? }))();
                if let Some(anchor) = anchor {
                    self.copy.set_anchor(anchor);
                }
            }
            _ => {}
        }
    }
}
