//! Parsing the private copy of a block's slots, one record at a time. Every length is untrusted.

use std::ops::Range;

use super::{Head, LaneQueue, Long, Payload};
use crate::reader::consumer::scan::BlockCursor;
use crate::shm::block::SharedRing;
use crate::shm::clock::Anchor;
use crate::shm::layout::{RECORD_HEADER_BYTES, SLOT_WORDS};
use crate::shm::record_header::{Header, control, flag, kind};

impl LaneQueue {
    /// Parses one record of the copy; false at its end.
    pub(in crate::reader::consumer) fn parse_one(
        &mut self,
        ring: &SharedRing,
        seen: &mut [BlockCursor],
        dirty: &mut Vec<u32>,
    ) -> bool {
        let Some(current) = &mut self.current else { return false };
        let Some([first, ticks]) = self.words.get(current.at..).and_then(|w| w.first_chunk::<2>()) else {
            return false;
        };
        let header = Header::decode([*first, *ticks]);
        let start = current.at * 8 + RECORD_HEADER_BYTES;
        let words = header.slots() as usize * SLOT_WORDS;
        if current.at + words > self.words.len() {
            current.at = self.words.len();
            self.damaged();
            return true;
        }
        current.at += words;
        let end = current.from + (current.at / SLOT_WORDS) as u32;
        let end = (current.id.index, end);
        let payload = start..start + header.length as usize;
        match header.kind() {
            kind::RECORD => {
                self.abandon_long(seen, dirty);
                self.parse_record(header, payload, end, seen, dirty);
            }
            kind::CONTINUATION => {
                let fits = self.long_bytes.len() + payload.len() <= ring.geometry().record_limit();
                let next = self.long.as_ref().map(|long| long.next_part);
                if fits && header.length > 0 && next == Some(header.definition) {
                    self.parse_part(header, payload, end, seen, dirty);
                } else {
                    // Parts without a beginning are what a producer left that died before it published
                    // the first: the record is absent as a whole.
                    self.abandon_long(seen, dirty);
                }
            }
            kind::CONTROL => self.parse_control(header, payload),
            _ => {}
        }
        true
    }

    fn parse_record(
        &mut self,
        header: Header,
        payload: Range<usize>,
        end: (u32, u32),
        seen: &mut [BlockCursor],
        dirty: &mut Vec<u32>,
    ) {
        let sequence = self.next_sequence;
        self.next_sequence = sequence.wrapping_add(1);
        let unix_ns = self.current.as_ref().map_or(0, |current| current.anchor.unix_ns_at(header.ticks));
        if self.current.as_ref().is_some_and(|current| sequence < current.given_before) {
            // Its further parts, if it has any, are then parts without a beginning.
            seen[end.0 as usize].deliver_up_to(end.0, end.1, dirty);
        } else if header.flags & flag::MORE != 0 {
            self.long_bytes.clear();
            self.long_bytes.extend_from_slice(&bytemuck::cast_slice(&self.words)[payload]);
            self.long_blocks.push(end.0);
            self.long = Some(Long { header, unix_ns, sequence, next_part: 1 });
        } else if !seen[end.0 as usize].was_delivered(end.1) {
            let payload = Payload::Copy(payload);
            self.head = Some(Head::Record { header, unix_ns, sequence, payload, end });
        }
    }

    fn parse_part(
        &mut self,
        header: Header,
        payload: Range<usize>,
        end: (u32, u32),
        seen: &mut [BlockCursor],
        dirty: &mut Vec<u32>,
    ) {
        let Some(long) = &mut self.long else { return };
        self.long_bytes.extend_from_slice(&bytemuck::cast_slice(&self.words)[payload]);
        if self.long_blocks.last() != Some(&end.0) {
            self.long_blocks.push(end.0);
        }
        long.next_part += 1;
        if header.flags & flag::MORE == 0
            && let Some(Long { header, unix_ns, sequence, .. }) = self.long.take()
        {
            if seen[end.0 as usize].was_delivered(end.1) {
                self.release_long_blocks(seen, dirty);
            } else {
                self.head = Some(Head::Record { header, unix_ns, sequence, payload: Payload::Long, end });
            }
        }
    }

    fn parse_control(&mut self, header: Header, payload: Range<usize>) {
        let bytes = bytemuck::cast_slice(&self.words);
        let mut at = crate::record::value::Cursor::new(&bytes[payload]);
        match header.definition {
            control::GAP => {
                if let Some(dropped) = at.u64() {
                    self.hear_drops(dropped, None);
                }
            }
            control::ANCHOR => {
                let anchor =
                    (|| Some(Anchor { ticks: at.u64()?, unix_ns: at.u64()?, ns_per_tick: at.u64()? }))();
                if let (Some(anchor), Some(current)) = (anchor, &mut self.current) {
                    current.anchor = anchor;
                }
            }
            _ => {}
        }
    }
}
