//! Raw bytes for the parsers.

use ringlog::fuzzing;
use ringlog::reader::Cursor;
use ringlog_writer::fuzzing as writer;

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
    let bytes = lines::check((flags >> 6).into(), &entry);
    assert!(bytes <= 4096 + 64 * data.len(), "{bytes} bytes");
}

/// A half of a checkpoint is at least this large, and begins here.
const HALF_BYTES: usize = 16 << 10;
const HALVES_AT: usize = 4096;

/// A writer's checkpoint, its checksums as they are and mended; and the bytes of a cursor alone. The first bytes go
/// to the file's head, the others to the beginnings of its two halves: what lies between says nothing.
pub fn checkpoint(data: &[u8]) {
    if let Some(cursor) = Cursor::decode(data) {
        let mut encoded = Vec::new();
        cursor.encode(&mut encoded);
        assert_eq!(encoded, data, "a cursor is its bytes");
    }
    judge_checkpoint(data);
    let (head, halves) = data.split_at(data.len().min(32));
    let (one, other) = halves.split_at(halves.len() / 2);
    let mut file = vec![0; HALVES_AT + 2 * HALF_BYTES];
    for (at, bytes) in [(0, head), (HALVES_AT, one), (HALVES_AT + HALF_BYTES, other)] {
        file[at..at + bytes.len()].copy_from_slice(bytes);
    }
    judge_checkpoint(&file);
    file[16..24].copy_from_slice(&(HALF_BYTES as u64).to_le_bytes());
    writer::fix_checkpoint_checksums(&mut file);
    judge_checkpoint(&file);
}

fn judge_checkpoint(bytes: &[u8]) {
    let (_, says) = writer::checkpoint(bytes);
    assert!(says <= bytes.len(), "{says} bytes out of {}", bytes.len());
}
