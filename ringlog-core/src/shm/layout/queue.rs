//! Offsets of what a queue adds to a ring.

/// Byte offsets in a role of the header.
pub(crate) mod role {
    pub(crate) const HOLDER: usize = 0; // process lane + 1:32 | its incarnation:32; 0: free
    pub(crate) const LAST: usize = 8; // the last holder
    pub(crate) const CLAIMED: usize = 16; // a waiter that is to have it next; a hint
    pub(crate) const WAITERS: usize = 24; // 1: a process may be waiting
    pub(crate) const TURNS: usize = 32; // wake-ups, counted. A futex on its low half
}

/// Word offsets in the header of a block of claims, besides `LANE` and `PROCESS` of a block.
pub(crate) mod claim {
    pub(crate) const PART: usize = 2; // number of the block in its claim, from 0
    pub(crate) const NUMBER: usize = 3; // of the claim: index:32 | generation:32 of its first block
    pub(crate) const BYTES: usize = 5; // length of the item
    pub(crate) const LET_GO: usize = 12; // 1: its owner leaves it to others
}
