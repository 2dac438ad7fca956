//! Doors for the fuzz targets to what reads the checkpoint. Built under `--cfg fuzzing` alone; no part of the library.

/// Reads any bytes as a checkpoint. Returns whether it says what is certain, and how many bytes all that it says takes.
pub fn checkpoint(bytes: &[u8]) -> (bool, usize) {
    crate::sink::file::checkpoint::fuzz(bytes)
}

/// Makes the checksums of a checkpoint's halves right, so that what they cover is looked at.
pub fn mend_checkpoint(bytes: &mut [u8]) {
    crate::sink::file::checkpoint::mend(bytes);
}
