//! State and counters of a ring as JSON.

use std::path::PathBuf;
use std::time::Duration;

use ringlog::reader::{LaneStat, RefusedStat, RingStat};
use ringlog_writer::status::WriterStatus;
use serde::Serialize;

use super::definitions::DefinitionReport;
use super::ends::EndReport;
use super::numbers::Counts;
use super::reading::Reading;
use super::text::state;
use crate::{humanize, option_values};

/// State and counters.
#[derive(Serialize)]
pub(super) struct StatReport<'a> {
    path: PathBuf,
    uuid: String,
    #[serde(flatten)]
    counts: Counts<'a>,
    dropped_without_lane: u64,
    refused: RefusedReport,
    /// When the oldest record that is not persisted was logged; null if all are.
    oldest_unix_ns: Option<u64>,
    /// Processes that ended without closing their lanes, by cause.
    ends: EndReport,
    definitions: DefinitionReport,
    block_count: u32,
    reclaimed_blocks: u64,
    /// Upper bound of the time from the last owner's end to the reclaim of its blocks; null if unknown.
    reclaimed_within_ns: Option<u64>,
    /// The largest of these bounds so far.
    reclaimed_within_max_ns: Option<u64>,
    /// When a writer last looked for ended owners; null if none has.
    reclaim_looked_unix_ns: Option<u64>,
    overflow: String,
    /// Made before the machine was started, so that it takes no new records.
    is_of_earlier_boot: bool,
    /// Rings that were here before the machine was started and are not drained yet.
    earlier_boots: Vec<PathBuf>,
    retired: bool,
    /// Whether the locks could be read. If not, `alive`, `state` and `writer` are what the ring says.
    owners_known: bool,
    writer: Option<WriterReport>,
    /// What the writer, or the last one, has said of itself and its outputs; null if there was none.
    status: Option<&'a WriterStatus>,
    /// Why that cannot be read; null if it can.
    status_error: Option<&'a str>,
    lanes: Vec<LaneReport>,
}

/// The dropped records by reason, as the gaps in the output name it.
#[derive(Serialize)]
struct RefusedReport {
    dropped: u64,
    no_lane: u64,
    nested: u64,
    unfit: u64,
    system: u64,
    no_ring: u64,
    left: u64,
}

impl RefusedReport {
    fn new(refused: &RefusedStat) -> RefusedReport {
        let RefusedStat { full, no_lane, nested, unfit, system, no_ring, left, .. } = *refused;
        RefusedReport { dropped: full, no_lane, nested, unfit, system, no_ring, left }
    }
}

#[derive(Serialize)]
struct WriterReport {
    holder: String,
    pid: u32,
    since_unix_ns: u64,
    beat_unix_ns: u64,
}

#[derive(Serialize)]
struct LaneReport {
    lane: u32,
    incarnation: u32,
    is_process: bool,
    state: &'static str,
    alive: bool,
    process: String,
    pid: u32,
    thread: String,
    tid: u32,
    published: u64,
    persisted: u64,
    behind: u64,
    dropped: u64,
    /// Of a process lane: the segments of the definition area that its process uses.
    segments: u32,
}

impl StatReport<'_> {
    pub(super) fn new(reading: &Reading) -> StatReport<'_> {
        let Reading { observer, stat, .. } = reading;
        StatReport {
            path: observer.path().to_owned(),
            uuid: humanize::uuid(&observer.info().uuid),
            counts: Counts(reading),
            dropped_without_lane: stat.dropped_without_lane,
            refused: RefusedReport::new(&stat.refused),
            oldest_unix_ns: reading.oldest_unix_ns,
            ends: EndReport::new(&stat.ends),
            definitions: DefinitionReport::new(stat),
            block_count: observer.info().geometry().block_count(),
            reclaimed_blocks: stat.reclaim.blocks,
            reclaimed_within_ns: stat.reclaim.last_within.map(nanoseconds),
            reclaimed_within_max_ns: stat.reclaim.longest_within.map(nanoseconds),
            reclaim_looked_unix_ns: Some(stat.reclaim.looked_unix_ns).filter(|looked| *looked != 0),
            overflow: option_values::overflow_text(stat.overflow),
            is_of_earlier_boot: observer.info().is_of_earlier_boot(),
            earlier_boots: observer.of_earlier_boots(),
            retired: stat.retired,
            owners_known: stat.owners_known,
            writer: stat.consumer.as_ref().map(|consumer| WriterReport {
                holder: consumer.holder.clone(),
                pid: consumer.pid,
                since_unix_ns: consumer.since_unix_ns,
                beat_unix_ns: consumer.beat_unix_ns,
            }),
            status: reading.status.as_ref(),
            status_error: reading.status_error.as_deref(),
            lanes: stat.lanes.iter().map(|lane| LaneReport::new(lane, stat)).collect(),
        }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl LaneReport {
    fn new(lane: &LaneStat, stat: &RingStat) -> LaneReport {
        LaneReport {
            lane: lane.lane,
            incarnation: lane.incarnation,
            is_process: lane.is_process,
            state: state(lane, stat),
            alive: lane.alive,
            process: lane.process.clone(),
            pid: lane.pid,
            thread: lane.thread.clone(),
            tid: lane.tid,
            published: lane.published,
            persisted: lane.persisted,
            behind: lane.published.saturating_sub(lane.persisted),
            dropped: lane.dropped,
            segments: lane.segments,
        }
    }
}
