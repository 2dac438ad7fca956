//! The area for definitions, as `ringlog stat` shows it.

use ringlog::reader::{DefinitionLimits, RingStat};
use serde::Serialize;

use crate::{humanize, terminal};

/// The use of the area.
pub(super) fn line(stat: &RingStat) -> String {
    let area = &stat.definitions;
    let worn_out = match area.worn_out_segments {
        0 => String::new(),
        worn_out => format!("; {worn_out} worn out"),
    };
    format!(
        "defined   {} in {} of {}, {} of {} used by live processes, {} free{worn_out}",
        humanize::counted(area.count.into(), "definition"),
        humanize::bytes(area.used_bytes),
        humanize::bytes(area.bytes),
        area.used_segments,
        humanize::counted(area.segments.into(), "segment"),
        humanize::bytes(area.bytes.saturating_sub(area.used_bytes)),
    )
}

/// The records that brought their definition: which process uses most of the area, and for each reason what helps.
pub(super) fn described(stat: &RingStat) -> Vec<String> {
    let processes = stat.lanes.iter().filter(|lane| lane.is_process && lane.alive);
    let most = match processes.max_by_key(|lane| lane.segments).filter(|lane| lane.segments > 0) {
        Some(lane) => {
            let process = terminal::escape(&lane.process);
            format!("; {process} (pid {}) uses most segments, {}", lane.pid, lane.segments)
        }
        None => String::new(),
    };
    let (records, their) =
        (humanize::records(stat.described), humanize::verb(stat.described, "its", "their"));
    let head =
        format!("described {records} carried {their} definition, having no room for it in the ring{most}");
    std::iter::once(head).chain(remedies(&stat.definitions.limits)).collect()
}

/// A line for each reason why there was no room for a definition, with what helps.
fn remedies(limits: &DefinitionLimits) -> impl Iterator<Item = String> + use<> {
    let DefinitionLimits { area, process_share, run_time_share, length, sites } = *limits;
    let reasons = [
        (area, "the area was full; make the ring with a larger --definitions"),
        (
            process_share,
            "a process had used three quarters of the area, the most for one process; let it define fewer kinds of \
             records, or make the ring with a larger --definitions",
        ),
        (
            run_time_share,
            "what a process defined at run time had used a quarter of the area, the most for such definitions; \
             define each kind of record once and use it again",
        ),
        (length, "a definition was longer than the area takes; shorten its texts or give it fewer fields"),
        (sites, "a process had more than 65,535 kinds of records; define each once and use it again"),
    ];
    reasons.into_iter().filter(|(is_met, _)| *is_met).map(|(_, why)| format!("          {why}"))
}

/// The area for definitions.
#[derive(Serialize)]
pub(super) struct DefinitionReport {
    /// Definitions that processes find and share.
    count: u32,
    bytes: u64,
    used_bytes: u64,
    free_bytes: u64,
    segments: u32,
    /// Segments that living processes use.
    used_segments: u32,
    worn_out_segments: u32,
    /// Records that carried their definition, for which the area had no room.
    described_records: u64,
    limits: LimitReport,
}

/// Why the area had no room.
#[derive(Serialize)]
struct LimitReport {
    area: bool,
    process_share: bool,
    run_time_share: bool,
    length: bool,
    sites: bool,
}

impl LimitReport {
    fn new(limits: &DefinitionLimits) -> LimitReport {
        let DefinitionLimits { area, process_share, run_time_share, length, sites } = *limits;
        LimitReport { area, process_share, run_time_share, length, sites }
    }
}

impl DefinitionReport {
    pub(super) fn new(stat: &RingStat) -> DefinitionReport {
        let area = &stat.definitions;
        DefinitionReport {
            count: area.count,
            bytes: area.bytes,
            used_bytes: area.used_bytes,
            free_bytes: area.bytes.saturating_sub(area.used_bytes),
            segments: area.segments,
            used_segments: area.used_segments,
            worn_out_segments: area.worn_out_segments,
            described_records: stat.described,
            limits: LimitReport::new(&area.limits),
        }
    }
}
