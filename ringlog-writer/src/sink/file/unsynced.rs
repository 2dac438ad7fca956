//! Bytes of the open file that count and are not synced. After a failed sync the kernel may take lost pages for written
//! ones, and the next sync succeeds: so these bytes are written again before it.

use std::io;
use std::ops::Range;

use super::append::File;

/// So many parts of the file are kept apart. Each one that other processes write into makes one more.
const PARTS_MAX: usize = 1000;

/// Bytes that were written to the open file since it was last synced.
#[derive(Debug, Default)]
pub(super) struct Unsynced {
    /// In the order of the file. Between them are bytes of other processes.
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    range: Range<u64>,
    crc: crc32fast::Hasher,
    records: u64,
}

/// Bytes and the records in them. The records of an earlier writer are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) bytes: u64,
    pub(super) records: u64,
}

impl Amount {
    fn add(&mut self, part: &Part) {
        self.bytes += part.range.end - part.range.start;
        self.records += part.records;
    }
}

impl Unsynced {
    /// Adds bytes that were written at this place.
    pub(super) fn add(&mut self, at: u64, bytes: &[u8], records: u64) {
        let end = at + bytes.len() as u64;
        match self.parts.last_mut().filter(|last| last.range.end == at) {
            Some(last) => {
                last.range.end = end;
                last.crc.update(bytes);
                last.records += records;
            }
            None => {
                let mut crc = crc32fast::Hasher::new();
                crc.update(bytes);
                self.parts.push(Part { range: at..end, crc, records });
            }
        }
    }

    /// Adds bytes that an earlier writer has written, of which only the CRC-32 is known.
    pub(super) fn add_known(&mut self, range: Range<u64>, crc: u32) {
        let crc = crc32fast::Hasher::new_with_initial_len(crc, range.end - range.start);
        self.parts.push(Part { range, crc, records: 0 });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Whether no more parts may be kept apart.
    pub(super) fn is_full(&self) -> bool {
        self.parts.len() >= PARTS_MAX
    }

    pub(super) fn amount(&self) -> Amount {
        let mut amount = Amount::default();
        self.parts.iter().for_each(|part| amount.add(part));
        amount
    }

    /// Another process has cut the file to this length: what was behind it is not to be synced any more.
    pub(super) fn cut(&mut self, len: u64) {
        self.parts.retain(|part| part.range.end <= len);
    }

    /// Writes all of it again, as it can be read back, which is possible as long as the kernel keeps the pages. Forgets
    /// what cannot be read back as it was written, and returns how much that is.
    ///
    /// # Errors
    /// That of a write. All of it has to be written again then.
    pub(super) fn write_again(&mut self, file: &File) -> io::Result<Amount> {
        self.cut(file.len_on_disk()?);
        let (mut lost, mut kept) = (Amount::default(), Vec::new());
        for part in &self.parts {
            let is_whole = file.copy_over(part.range.clone())? == Some(part.crc.clone().finalize());
            kept.push(is_whole);
            if !is_whole {
                lost.add(part);
            }
        }
        let mut kept = kept.into_iter();
        self.parts.retain(|_| kept.next() == Some(true));
        Ok(lost)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;
    use crate::rotation::NewFile;

    #[test]
    fn only_what_can_be_read_back_whole_is_written_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.log");
        let mut file = File::open(&path, &[], NewFile::default(), None).unwrap();
        let mut unsynced = Unsynced::default();
        for (bytes, records) in [("one\n", 1), ("two\nthree\n", 2)] {
            unsynced.add(file.len, bytes.as_bytes(), records);
            file.write(bytes.as_bytes()).unwrap();
        }
        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"another's\n").unwrap();
        file.len = file.len_on_disk().unwrap();
        unsynced.add(file.len, b"four\n", 1);
        file.write(b"four\n").unwrap();
        assert_eq!(unsynced.amount(), Amount { bytes: 19, records: 4 });
        assert_eq!(unsynced.write_again(&file).unwrap(), Amount::default());
        let whole = "one\ntwo\nthree\nanother's\nfour\n";
        assert_eq!(fs::read_to_string(&path).unwrap(), whole);
        // As from a page that the kernel has dropped.
        fs::write(&path, whole.replace("two", "\0\0\0")).unwrap();
        assert_eq!(unsynced.write_again(&file).unwrap(), Amount { bytes: 14, records: 3 });
        assert_eq!(unsynced.amount(), Amount { bytes: 5, records: 1 });
        // What another process has cut away is not missed.
        file.truncate(25).unwrap();
        assert_eq!(unsynced.write_again(&file).unwrap(), Amount::default());
        assert!(unsynced.is_empty());
    }

    #[test]
    fn a_part_is_written_again_from_memory_and_only_in_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.log");
        let mut file = File::open(&path, &[], NewFile::default(), None).unwrap();
        let long = "x".repeat(5 << 20) + "\n";
        for (before, part) in [("", "part\n"), ("before\n", "part\n"), ("before\n", &long), (&long, "part\n")]
        {
            file.truncate(0).unwrap();
            for bytes in [before, part] {
                let mut rest = bytes.as_bytes();
                while !rest.is_empty() {
                    rest = &rest[file.write(rest).unwrap()..];
                }
            }
            fs::write(&path, [before.as_bytes(), &vec![0; part.len()]].concat()).unwrap();
            assert!(file.write_again(part.as_bytes()).unwrap());
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("{before}{part}"));
        }
        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"another's\n").unwrap();
        assert!(file.write_again(b"part\n").unwrap(), "it is in its place still");
        fs::write(&path, "another's\n".repeat(1 << 20)).unwrap();
        assert!(!file.write_again(b"part\n").unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "another's\n".repeat(1 << 20));
    }
}
