//! Compressing and decompressing files.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use flate2::Crc;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use crate::rotation::policy::Compression;

/// The size of a read. A request to stop is noticed after each.
const CHUNK: usize = 64 << 10;

/// The length and the checksum of a file's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) len: u64,
    crc: u32,
}

/// Compresses a whole file into another one.
///
/// # Errors
/// The system's error; [`ErrorKind::Interrupted`] if it was stopped.
pub(super) fn compress(from: &File, to: &File, how: Compression, stop: &AtomicBool) -> io::Result<Sum> {
    match how {
        Compression::Gzip => {
            let mut encoder = GzEncoder::new(to, flate2::Compression::default());
            let sum = copy(from, &mut encoder, stop)?;
            encoder.finish().map(|_| sum)
        }
        Compression::Zstd => {
            let mut encoder = zstd::Encoder::new(to, zstd::DEFAULT_COMPRESSION_LEVEL)?;
            encoder.include_checksum(true)?;
            let sum = copy(from, &mut encoder, stop)?;
            encoder.finish().map(|_| sum)
        }
    }
}

/// The content of a file, decompressed if its first bytes are those of an archive.
///
/// # Errors
/// The system's error. Reading fails where an archive is damaged.
pub fn decompressed<'a>(mut file: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut first = Vec::new();
    file.by_ref().take(4).read_to_end(&mut first)?;
    let (gzip, zstd) = (first.starts_with(b"\x1f\x8b"), first == b"\x28\xb5\x2f\xfd");
    let whole = io::Cursor::new(first).chain(file);
    Ok(match (gzip, zstd) {
        (true, _) => Box::new(MultiGzDecoder::new(whole)),
        (_, true) => Box::new(zstd::Decoder::new(whole)?),
        _ => Box::new(whole),
    })
}

/// The checksum of a whole file.
pub(super) fn sum(file: &File, stop: &AtomicBool) -> io::Result<Sum> {
    copy(file, &mut io::sink(), stop)
}

/// The checksum of a whole archive's content.
pub(super) fn sum_of_archive(file: &File, how: Compression, stop: &AtomicBool) -> io::Result<Sum> {
    let mut file = file;
    file.seek(SeekFrom::Start(0))?;
    match how {
        Compression::Gzip => copy(MultiGzDecoder::new(file), &mut io::sink(), stop),
        Compression::Zstd => copy(zstd::Decoder::new(file)?, &mut io::sink(), stop),
    }
}

fn copy(mut from: impl Read, to: &mut impl Write, stop: &AtomicBool) -> io::Result<Sum> {
    let mut chunk = vec![0; CHUNK];
    let mut crc = Crc::new();
    let mut len = 0;
    loop {
        if stop.load(Ordering::Relaxed) {
            return Err(ErrorKind::Interrupted.into());
        }
        let read = match from.read(&mut chunk) {
            Ok(0) => return Ok(Sum { len, crc: crc.sum() }),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let read = chunk.get(..read).unwrap_or_default();
        crc.update(read);
        len += read.len() as u64;
        to.write_all(read)?;
    }
}
