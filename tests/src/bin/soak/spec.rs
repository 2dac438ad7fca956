//! The rings of a soak.

use std::time::Duration;

use ringlog::Overflow;

/// The options of an arena's ring.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    pub(crate) size: &'static str,
    pub(crate) block_bytes: u32,
    pub(crate) lanes: u32,
    pub(crate) overflow: Overflow,
    /// The most definitions that each process may use; they stay in the ring as long as it runs.
    pub(crate) sites: u64,
}

/// Small rings reuse their blocks all the time, large ones hold many records when a process is killed. Full ones drop
/// or wait.
pub(crate) const SPECS: [Spec; 4] = [
    Spec {
        name: "small-block",
        size: "192KiB",
        block_bytes: 1024,
        lanes: 32,
        overflow: Overflow::Block(Duration::from_millis(500)),
        sites: 6,
    },
    Spec {
        name: "small-drop",
        size: "256KiB",
        block_bytes: 2048,
        lanes: 28,
        overflow: Overflow::Drop,
        sites: 6,
    },
    Spec {
        name: "large-block",
        size: "4MiB",
        block_bytes: 8192,
        lanes: 48,
        overflow: Overflow::Block(Duration::from_secs(2)),
        sites: 100,
    },
    Spec {
        name: "large-drop",
        size: "16MiB",
        block_bytes: 8192,
        lanes: 64,
        overflow: Overflow::Drop,
        sites: 100,
    },
];
