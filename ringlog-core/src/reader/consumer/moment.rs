//! One moment by two clocks.

/// A moment by the ring's clock and by the wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moment {
    pub(super) ticks: u64,
    pub(super) unix_ns: u64,
}
