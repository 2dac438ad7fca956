//! The identity of the machine's current boot.

use std::sync::OnceLock;

/// The kernel's id of this boot; zero where it cannot be read, so that two unknown ones are equal.
pub(crate) fn boot_id() -> [u8; 16] {
    static BOOT_ID: OnceLock<[u8; 16]> = OnceLock::new();
    *BOOT_ID.get_or_init(read)
}

fn read() -> [u8; 16] {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
    let mut id = [0; 16];
    for (byte, nibbles) in id.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = nibbles[0] << 4 | nibbles[1];
    }
    id
}
