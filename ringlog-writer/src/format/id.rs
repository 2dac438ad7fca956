//! Ids in text lines: `UUID/LANE/INCARNATION/SEQUENCE`, with a gap or an unclean exit in place of a sequence.

use ringlog::reader::{Body, Entry, LaneEnd};

use super::number;
use super::put::put;

/// Appends an id: ` 6f1c…/3/2/9`, ` 6f1c…/3/2/gap:dropped:7` or, with all lanes that a process left open,
/// ` 6f1c…/3/2/died:3/2:-,5/1:8`. `-` stands for an absent part.
pub(super) fn write(uuid: &str, entry: &Entry<'_>, out: &mut Vec<u8>) {
    out.push(b' ');
    out.extend_from_slice(uuid.as_bytes());
    out.push(b'/');
    if entry.origin.is_known() {
        number::integer(entry.origin.lane, out);
        out.push(b'/');
        number::integer(entry.origin.incarnation, out);
    } else {
        out.extend_from_slice(b"-/-");
    }
    out.push(b'/');
    match &entry.body {
        Body::Record(record) => number::integer(record.sequence, out),
        Body::Gap(gap) => put(out, format_args!("gap:{}:{}", gap.reason.name(), gap.count)),
        Body::UncleanExit(exit) => died(exit.lanes, out),
        // A kind of entry that this version does not know.
        _ => out.push(b'-'),
    }
}

fn died(lanes: &[LaneEnd], out: &mut Vec<u8>) {
    out.extend_from_slice(b"died:");
    for (number, LaneEnd { lane, incarnation, last_sequence, .. }) in lanes.iter().enumerate() {
        let separator = if number == 0 { "" } else { "," };
        match last_sequence {
            Some(last) => put(out, format_args!("{separator}{lane}/{incarnation}:{last}")),
            None => put(out, format_args!("{separator}{lane}/{incarnation}:-")),
        }
    }
    if lanes.is_empty() {
        out.push(b'-');
    }
}
