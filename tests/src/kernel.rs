//! What the kernel of this machine tells.

use ringlog::reader::ExitCause;

/// The cause that can be known of a process whose parent has waited for it: `Unknown` before Linux 6.15.
pub fn as_the_kernel_tells(cause: ExitCause) -> ExitCause {
    let version = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
    let version: (u32, u32) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version >= (6, 15) { cause } else { ExitCause::Unknown }
}
