//! Writing bytes of the open file again in their place, after a sync of them has failed. The kernel may take their
//! pages for written by then, so that the next sync succeeds without them.

use std::fs::{self, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

use super::append::File;

/// So many bytes are written again at once, from a multiple of it on: the kernel keeps pages together up to this size.
const BLOCK: u64 = 2 << 20;

impl File {
    /// Writes the bytes at the end of the file again. False if they are not at its end any more, or the file cannot be
    /// read, or be written elsewhere than at its end.
    ///
    /// # Errors
    /// That of a write.
    pub(super) fn write_again(&self, bytes: &[u8]) -> io::Result<bool> {
        let Some(at) = self.len.checked_sub(bytes.len() as u64) else { return Ok(false) };
        if self.len_on_disk()? != self.len && self.crc(at..self.len) != Some(crc32fast::hash(bytes)) {
            return Ok(false);
        }
        Ok(self.rewrite(at..self.len, Some(bytes))?.is_some())
    }

    /// Reads a range of bytes and writes it again. Returns the CRC-32 of what it has read; `None` if that cannot be
    /// read or written in its place, or the file is shorter.
    ///
    /// # Errors
    /// That of a write.
    pub(super) fn copy_over(&self, range: Range<u64>) -> io::Result<Option<u32>> {
        self.rewrite(range, None)
    }

    /// Writes the blocks again in which the range lies. Its bytes are those that are given, or else those that are
    /// read, as all others are: of other processes too.
    fn rewrite(&self, range: Range<u64>, bytes: Option<&[u8]>) -> io::Result<Option<u32>> {
        // With `O_APPEND` the kernel writes at the end, whatever place is asked for.
        let Ok(file) = self.open_anew(OpenOptions::new().read(true).write(true)) else { return Ok(None) };
        let (mut at, mut crc, mut block) =
            (range.start / BLOCK * BLOCK, crc32fast::Hasher::new(), Vec::new());
        while at < range.end {
            block.resize(self.len_on_disk()?.saturating_sub(at).min(BLOCK) as usize, 0);
            let (first, last) = (range.start.saturating_sub(at), (range.end - at).min(BLOCK));
            let Some(part) = block.get(first as usize..last as usize).map(<[u8]>::len) else {
                return Ok(None);
            };
            if file.read_exact_at(&mut block, at).is_err() {
                return Ok(None);
            }
            let ours = &mut block[first as usize..][..part];
            crc.update(ours);
            if let Some(bytes) = bytes {
                ours.copy_from_slice(&bytes[(at + first - range.start) as usize..][..part]);
            }
            replace(&file, at, &block)?;
            at += BLOCK;
        }
        Ok(Some(crc.finalize()))
    }
}

/// Replaces the pages of a block by new ones. In the old ones ext4 remembers that they are allocated, and not that this
/// has failed: written into them, bytes reach the disk and read as zeros later.
fn replace(file: &fs::File, at: u64, block: &[u8]) -> io::Result<()> {
    // If this fails, the old ones are written.
    let _ = posix_fadvise(file, at as i64, BLOCK as i64, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
    file.write_all_at(block, at)
}
