//! Entry points for the fuzz targets of the checkpoint. Built with `--cfg fuzzing` only; not a part of the library.

/// Parses any bytes as a checkpoint. Returns whether there is a committed state, and the length of both states.
pub fn checkpoint(bytes: &[u8]) -> (bool, usize) {
    crate::sink::file::checkpoint::fuzz(bytes)
}

/// Corrects the checksums of a checkpoint's halves, so that a fuzzer gets past them.
pub fn fix_checkpoint_checksums(bytes: &mut [u8]) {
    crate::sink::file::checkpoint::fix_checksums(bytes);
}
