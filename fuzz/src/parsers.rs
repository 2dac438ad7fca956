//! Raw bytes for the parsers.

use ringlog::fuzzing;

use crate::lines;
use crate::script::Script;

/// A file's first page, as it is and with its checksum mended, in a file of any length.
pub fn header(data: &[u8]) {
    let mut script = Script::new(data);
    let file_bytes = script.u64();
    let mut start = script.take(4096).to_vec();
    let (text, is_ring) = match fuzzing::header(&start, file_bytes) {
        Ok(info) => (format!("{info:?}"), true),
        Err(error) => (error.to_string(), false),
    };
    assert!(!text.is_empty());
    if is_ring {
        return;
    }
    // Most inputs are cut short; the rest of the page says nothing.
    if start.len() >= 132 {
        start.resize(4096, 0);
    }
    fuzzing::mend_checksum(&mut start);
    if let Ok(info) = fuzzing::header(&start, file_bytes) {
        let geometry = info.geometry();
        assert!(geometry.file_bytes() <= file_bytes);
        assert!(geometry.record_limit() < geometry.file_bytes() as usize);
        assert!(geometry.reserved_blocks() < geometry.block_count());
    }
}

/// A record: what its block's header says, its definition, its payload.
pub fn records(data: &[u8]) {
    let mut script = Script::new(data);
    let flags = script.byte().unwrap_or(0);
    let ticks = if flags & 4 != 0 { script.u64() } else { 0 };
    let words: Vec<u64> = (0..(flags >> 3 & 7) * 4).map(|_| script.u64()).collect();
    let definition = match flags & 3 {
        0 => None,
        1 => Some(None),
        _ => {
            let length = script.u16();
            Some(fuzzing::definition(script.take(length.into())))
        }
    };
    let payload = script.take(usize::MAX);
    let owned = fuzzing::entry(&words, ticks, definition, payload);
    let entry = owned.entry();
    let fields = entry.record().map_or(0, |record| record.fields().count());
    // Every field takes a byte at least.
    assert!(fields <= payload.len(), "{fields} fields of {} bytes", payload.len());
    // A byte becomes six at most, and a field of one byte has its name with it.
    let bytes = lines::judge((flags >> 6).into(), &entry);
    assert!(bytes <= 4096 + 64 * data.len(), "{bytes} bytes");
}
