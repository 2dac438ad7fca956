//! Gives out the entry at a lane's head.

use super::notices::{Notice, NoticeKind};
use super::{Head, LaneReader, Payload};
use crate::reader::consumer::blocks::BlockTable;
use crate::reader::consumer::cursor::StepKind;
use crate::reader::consumer::moment::Moment;
use crate::reader::dictionary::Dictionary;
use crate::reader::entry::{Body, Entry, ExitCause, Gap, GapReason};
use crate::record::decoded::Received;
use crate::record::text::TEXT;
use crate::shm::block::SharedRing;

/// The kind of an entry that was given out, with what the consumer counts of it.
#[derive(Debug)]
pub(in crate::reader::consumer) enum Given {
    Record {
        ticks: u64,
        /// Whether it brings its definition.
        is_described: bool,
    },
    Gap {
        is_damage: bool,
        /// The drops of threads without a lane that the gap reports.
        laneless_drops: Option<Gap>,
    },
    /// The unclean exit of a process.
    Exit { process: (u32, u32), cause: ExitCause },
}

impl LaneReader {
    /// Notes that the head is given out. A time stamp later than the scan that found it is clamped; otherwise one
    /// bad time stamp would delay every later record of this lane.
    #[inline]
    pub(in crate::reader::consumer) fn give_head(
        &mut self,
        scan_ticks: u64,
        blocks: &mut BlockTable,
    ) -> Given {
        match &self.head {
            Some(Head::Record { header, unix_ns, sequence, end, .. }) => {
                let ticks = header.ticks.min(scan_ticks.max(self.last.ticks));
                self.last.ticks = self.last.ticks.max(ticks);
                self.last.unix_ns = *unix_ns;
                self.delivered.record(self.chain.place().incarnation, *sequence);
                blocks.deliver(*end);
                Given::Record { ticks, is_described: header.is_described() }
            }
            Some(Head::Notice { notice, .. }) => {
                self.notices.reported(notice);
                match notice.kind {
                    NoticeKind::Gap { gap, .. } => {
                        if gap.reason == GapReason::Missing {
                            self.delivered.missing(self.chain.place().incarnation, gap.count);
                        }
                        let is_damage = gap.reason == GapReason::Damaged;
                        Given::Gap { is_damage, laneless_drops: notice.laneless_drops() }
                    }
                    NoticeKind::Exit { cause, .. } => {
                        let incarnation = notice.origin.as_ref().map_or(0, |origin| origin.incarnation);
                        Given::Exit { process: (self.lane, incarnation), cause }
                    }
                }
            }
            None => Given::Gap { is_damage: false, laneless_drops: None },
        }
    }

    /// Takes the moment of a scan. It limits the time of the last record, also if the clock has jumped back.
    pub(in crate::reader::consumer) fn set_scan(&mut self, scan: Moment) {
        self.scan = scan;
        self.last.ticks = self.last.ticks.min(scan.ticks);
    }

    /// Drops the head, when the entry that was given out is no longer used.
    #[inline]
    pub(in crate::reader::consumer) fn drop_head(&mut self, blocks: &mut BlockTable) {
        if let Some(Head::Record { payload: Payload::Long, .. }) = self.head.take() {
            self.long.release(blocks);
        }
    }

    /// The kind of entry at the head.
    pub(in crate::reader::consumer) fn step_kind(&self) -> StepKind {
        let Some(Head::Notice { notice: notice @ Notice { kind, .. }, .. }) = &self.head else {
            return StepKind::Sequence;
        };
        match kind {
            NoticeKind::Exit { .. } => StepKind::Exit,
            NoticeKind::Gap { gap, .. } => match gap.reason {
                _ if notice.laneless_drops().is_some() => StepKind::LanelessDrops,
                reason if reason.is_refusal() => StepKind::Drops,
                _ => StepKind::Sequence,
            },
        }
    }

    /// The entry at the head.
    #[inline]
    pub(in crate::reader::consumer) fn entry<'a>(
        &'a self,
        ring: &SharedRing,
        dictionary: &'a mut Dictionary,
    ) -> Entry<'a> {
        let origin = self.owner.origin();
        match &self.head {
            Some(Head::Record { header, unix_ns, sequence, payload, .. }) => {
                let bytes: &[u8] = match payload {
                    Payload::Copy(range) => self.copy.bytes(range.clone()),
                    Payload::Long => self.long.bytes(),
                };
                let record = if header.definition == TEXT && !header.is_described() {
                    Received::plain(*sequence, bytes, header.flags)
                } else {
                    let (definition, fields) = dictionary.resolve(ring, origin, *header, bytes);
                    Received::defined(*sequence, definition.map(|d| &**d), fields, header.flags)
                };
                Entry { unix_ns: *unix_ns, origin, body: Body::Record(record) }
            }
            Some(Head::Notice { notice, unix_ns, .. }) => {
                let origin = notice.origin.as_deref().unwrap_or(origin);
                Entry { unix_ns: *unix_ns, origin, body: notice.body() }
            }
            // The merge calls this only for lanes in its heap, which have a head. An empty gap stands for the
            // impossible case, so that damaged memory can never cause a panic here.
            None => {
                let gap = Gap { count: 0, reason: GapReason::Damaged };
                Entry { unix_ns: self.last.unix_ns, origin, body: Body::Gap(gap) }
            }
        }
    }
}
