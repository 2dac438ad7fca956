//! The area for definitions, as `ringlog stat` shows it.

use ringlog::reader::RingStat;
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
        "defined   {} definitions in {} of {}, {} of {} segments used by live processes, {} free{worn_out}",
        humanize::count(area.count.into()),
        humanize::bytes(area.used_bytes),
        humanize::bytes(area.bytes),
        area.used_segments,
        area.segments,
        humanize::bytes(area.bytes.saturating_sub(area.used_bytes)),
    )
}

/// The records that brought their definition, and which process uses most of the area.
pub(super) fn described(stat: &RingStat) -> String {
    let processes = stat.lanes.iter().filter(|lane| lane.is_process && lane.alive);
    let most = match processes.max_by_key(|lane| lane.segments).filter(|lane| lane.segments > 0) {
        Some(lane) => {
            let process = terminal::escape(&lane.process);
            format!("; {process} (pid {}) uses most segments, {}", lane.pid, lane.segments)
        }
        None => String::new(),
    };
    let records = humanize::records(stat.described);
    format!(
        "described {records} carried their definition, having no room for it in the ring{most}; see --definitions"
    )
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
        }
    }
}
