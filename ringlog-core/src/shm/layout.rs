//! Offsets and sizes of everything in a ring's file: the code's only copy of FORMAT.md.
//!
//! All offsets are in bytes from the start of the file unless a name says words or slots.

pub(crate) mod area;
mod lane_count;
mod queue;

use std::fmt;

use self::area::Area;
pub(crate) use self::queue::{claim, role};

/// The first eight bytes of every ring; written last at creation.
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"RINGLOG\x1a");
/// Readers refuse another major version; a larger minor version only adds what may be skipped.
pub(crate) const VERSION_MAJOR: u16 = 1;
pub(crate) const VERSION_MINOR: u16 = 1;
/// Reads as another number on a machine of the other byte order.
pub(crate) const BYTE_ORDER: u64 = 0x0807_0605_0403_0201;

/// The unit of space: one cache line.
pub(crate) const SLOT_BYTES: usize = 64;
pub(crate) const SLOT_WORDS: usize = SLOT_BYTES / 8;
/// Slots that a block's own header takes.
pub(crate) const BLOCK_HEADER_SLOTS: u32 = 3;
/// Bytes of a record's header.
pub(crate) const RECORD_HEADER_BYTES: usize = 16;
/// The longest record, whatever the ring's size. A quarter of the ring is the other limit.
pub(crate) const RECORD_MAX_BYTES: usize = 16 << 20;
/// The most lanes of a ring. A state word has 24 bits for the lane.
pub(crate) const LANES_MAX: u32 = 1 << 20;
/// The most blocks of a ring. Readers keep some bytes for each, so a crafted file must not name more.
pub(crate) const BLOCKS_MAX: u32 = 1 << 22;
/// The bounds of the default size of the definition area, which is an eighth of the ring's.
const DEFINITIONS_DEFAULT_MIN: u64 = 64 << 10;
const DEFINITIONS_DEFAULT_MAX: u64 = 256 << 20;
pub(crate) const BLOCK_BYTES_MIN: u32 = 1 << 10;
pub(crate) const BLOCK_BYTES_MAX: u32 = 1 << 20;
/// Bytes kept of a thread's or process's name.
pub(crate) const NAME_BYTES: usize = 32;

/// Byte offsets in the file header.
pub(crate) mod header {
    pub(crate) const BYTES: usize = 4096;

    // Fixed at creation, covered by the checksum.
    pub(crate) const MAGIC: usize = 0;
    pub(crate) const VERSION: usize = 8; // major:16 | minor:16 | header bytes:32
    pub(crate) const BYTE_ORDER: usize = 16;
    pub(crate) const FILE_BYTES: usize = 24;
    pub(crate) const BLOCKS: usize = 32; // block bytes:32 | block count:32
    pub(crate) const LANES: usize = 40; // lane count:32 | reserved blocks:32
    pub(crate) const CLOCK: usize = 48; // clock kind:32 | headroom slots:32
    pub(crate) const NS_PER_TICK: usize = 56; // 32.32 fixed point, as calibrated at creation
    pub(crate) const UUID: usize = 64; // 16 bytes
    pub(crate) const BOOT_ID: usize = 80; // 16 bytes
    pub(crate) const CREATED_TICKS: usize = 96;
    pub(crate) const CREATED_UNIX_NS: usize = 104;
    pub(crate) const CREATED_MONOTONIC_NS: usize = 112;
    pub(crate) const CREATOR_PID: usize = 120;
    pub(crate) const DEFINITIONS: usize = 128; // see Area::word
    pub(crate) const CHECKSUM: usize = 136; // CRC-32 of bytes 8..136

    // Control line: read by producers, changed seldom.
    pub(crate) const LEVEL_EPOCH: usize = 256; // grows with each change of the level rules; bit 0: the half in force
    pub(crate) const OVERFLOW: usize = 272; // policy:8; see Overflow
    pub(crate) const BLOCK_DEADLINE_NS: usize = 280;
    pub(crate) const FLAGS: usize = 288; // bit 0: retired, bit 1: nameless
    pub(crate) const STOP_REQUESTS: usize = 296; // grows by one for each request to drain and end
    pub(crate) const ROTATE_REQUESTS: usize = 304; // grows by one for each request to begin a new file
    pub(crate) const ROTATE_REQUESTS_DONE: usize = 312; // the last request that the consumer has answered
    pub(crate) const RELOAD_REQUESTS: usize = 320; // grows by one for each request to reload the configuration
    pub(crate) const RELOAD_ANSWER: usize = 328; // the last answered request:63 | accepted:1
    pub(crate) const LOCK_MARK: usize = 336; // boot and file for which the lock file was last in use
    pub(crate) const TRUST_CLOCK_REQUESTS: usize = 344; // grows by one for each request to trust the wall clock
    pub(crate) const TRUST_CLOCK_REQUESTS_DONE: usize = 352; // the last request that the consumer has answered
    pub(crate) const ROTATE_OUTCOME: usize = 360; // what came of it; see RotationOutcome
    pub(crate) const DEFINITION_LIMITS: usize = 368; // why there was no room for definitions; see DefinitionLimits

    // Consumer's lines: its process, and how far it has drained.
    pub(crate) const CONSUMER_PID: usize = 512; // pid; 0 after an end in order
    pub(crate) const CONSUMER_SINCE_UNIX_NS: usize = 520;
    pub(crate) const CONSUMER_BEAT_UNIX_NS: usize = 528; // last scan; 0 before its first
    pub(crate) const CONSUMER_PERSISTED: usize = 536; // records, cumulative
    pub(crate) const CONSUMER_LATE: usize = 544; // records emitted after a younger one
    pub(crate) const CONSUMER_DAMAGED: usize = 552; // damaged places: bytes that are no record
    pub(crate) const RECLAIMED: usize = 560; // blocks of records reclaimed from dead owners
    pub(crate) const CONSUMER_LOOKED_UNIX_NS: usize = 568; // last check for dead owners
    pub(crate) const CONSUMER_NAME: usize = 576; // 32 bytes
    pub(crate) const RECLAIMED_WITHIN_NS: usize = 608; // of the last reclaim: ns since its owner's exit, at most
    pub(crate) const RECLAIMED_WITHIN_MAX_NS: usize = 616; // the longest of these times
    pub(crate) const CONSUMER_DESCRIBED: usize = 624; // records that brought their definition
    pub(crate) const ENDED_BY_SIGNAL: usize = 632; // processes reported as killed by a signal

    // Sleep line: set by a consumer that sleeps, cleared by the thread that wakes it. A futex on its low half.
    pub(crate) const SLEEP: usize = 640;
    // Freed line: grows with every freed block. A futex on its low half.
    pub(crate) const FREED: usize = 704;
    pub(crate) const FREED_WAITERS: usize = 768;
    // Drops of threads that have no lane.
    pub(crate) const DROPPED_WITHOUT_LANE: usize = 832;
    pub(crate) const DROPPED_BY_SYSTEM: usize = 840; // of these, because the system refused
    pub(crate) const LEFT: usize = 848; // left in a ring of this name that was removed
    pub(crate) const DROPPED_WITHOUT_RING: usize = 856; // while there was no ring of this name
    pub(crate) const DROPPED_ERRNO: usize = 864; // the last error of the system
    pub(crate) const DROPPED_WHILE_OPENING: usize = 872; // of these, inside the opening of a lane
    pub(crate) const DROPPED_WITHOUT_LANE_REPORTED: usize = 896;
    pub(crate) const LEFT_REPORTED: usize = 904;
    pub(crate) const DROPPED_WITHOUT_RING_REPORTED: usize = 912;
    pub(crate) const DROPPED_BY_SYSTEM_REPORTED: usize = 920;
    pub(crate) const DROPPED_WHILE_OPENING_REPORTED: usize = 928;
    // Beside them, written by the consumer too: processes reported as ended in another way than by a signal.
    pub(crate) const ENDED_BY_STATUS: usize = 936;
    pub(crate) const ENDED_BY_EXEC: usize = 944;
    pub(crate) const ENDED_UNKNOWN: usize = 952;
    // Grows with each segment of the definition area that is emptied.
    pub(crate) const SEGMENTS_FREED: usize = 960;

    // The level rules, twice: one half is in force while the other is written.
    pub(crate) const LEVEL_RULES: [usize; 2] = [1024, 2048]; // length:32 | CRC-32:32, then the text
    pub(crate) const LEVEL_RULES_BYTES: usize = 1024;

    // A queue on the ring: the roles, 64 bytes each, and what bounds it.
    pub(crate) const GETTING: usize = 3072; // see role
    pub(crate) const PUTTING: usize = 3136; // see role
    pub(crate) const QUEUE_BOUND: usize = 3200; // items at most; 0: as many as the ring holds. Fixed at creation
    pub(crate) const QUEUE_PERMITS: usize = 3208; // items that may be put before they have to be counted again
    pub(crate) const CLAIMS: usize = 3216; // 1: there may be claims
    // Room line: set by a process that waits for room in a bounded queue, cleared by the getter that wakes it.
    pub(crate) const ROOM_WAITERS: usize = 3264;
    pub(crate) const ROOM_TURNS: usize = 3272; // wake-ups, counted. A futex on its low half

    /// In `FLAGS`: the file has been removed or replaced; records written from now on are not read.
    pub(crate) const FLAG_RETIRED: u64 = 1;
    /// In `FLAGS`: the consumer has found that the path no longer leads to the file.
    pub(crate) const FLAG_NAMELESS: u64 = 2;
}

/// Byte offsets in a lane's entry.
pub(crate) mod lane {
    pub(crate) const BYTES: usize = 384;

    // Written by the lane's owner.
    pub(crate) const STATE: usize = 0; // incarnation:32 | kind:8 | status:8, see LaneState
    pub(crate) const PID_TID: usize = 8; // pid:32 | tid:32
    pub(crate) const PROCESS: usize = 16; // process lane:32 | its incarnation:32
    pub(crate) const OPENED_UNIX_NS: usize = 24;
    pub(crate) const PUBLISHED: usize = 32; // records of all incarnations, as of the last block change
    pub(crate) const DROPPED: usize = 40; // records refused, all incarnations
    pub(crate) const DROPPED_AT_OPEN: usize = 48;
    pub(crate) const UNCLEAN_EXITS: usize = 56; // see ExitHistory
    pub(crate) const THREAD_NAME: usize = 64; // 32 bytes
    pub(crate) const PROCESS_NAME: usize = 96; // 32 bytes

    // Written by the consumer.
    pub(crate) const PERSISTED: usize = 128; // records of all incarnations
    pub(crate) const DROPPED_REPORTED: usize = 136;
    pub(crate) const NEXT: usize = 144; // incarnation:32 | low half of the next chain number:32
    pub(crate) const NEXT_SEQUENCE: usize = 152;
    pub(crate) const EXITS_REPORTED: usize = 160; // incarnation up to which unclean exits are reported

    // Written by the opener of a lane after an unclean exit: the last owner that exited uncleanly.
    pub(crate) const DEAD_INCARNATION: usize = 168; // 0 while the rest is written
    pub(crate) const DEAD_PID_TID: usize = 176;
    pub(crate) const DEAD_PROCESS: usize = 184;
    pub(crate) const DEAD_THREAD_NAME: usize = 192; // 32 bytes
    pub(crate) const DEAD_PROCESS_NAME: usize = 224; // 32 bytes

    // Of a process lane, written by its owner.
    pub(crate) const FILTER: usize = 256; // 96 bytes of text
    pub(crate) const FILTER_BYTES: usize = 96;

    // Of any lane, written by its owner.
    pub(crate) const PUBLISHED_AT_OPEN: usize = 352;
    pub(crate) const DROPPED_FOR: usize = 368; // of the dropped records: nested:32 | unfit:32, see Drops

    // Written by the consumer.
    pub(crate) const DROPPED_FOR_REPORTED: usize = 376;

    // Of a process lane, written by its owner; cleared by the opener of the lane.
    pub(crate) const PINS: usize = 360; // bit n: the process may name definitions of segment n
}

/// Word offsets in a block's header.
pub(crate) mod block {
    pub(crate) const COMMITTED: usize = 0; // generation:32 | slots:32
    pub(crate) const LANE: usize = 1; // lane:32 | incarnation:32
    pub(crate) const CHAIN: usize = 2;
    pub(crate) const FIRST_SEQUENCE: usize = 3;
    pub(crate) const PROCESS: usize = 4; // process lane:32 | its incarnation:32
    pub(crate) const PID_TID: usize = 5;
    pub(crate) const DROPPED: usize = 6; // the lane's counter when the block was opened
    pub(crate) const DROPPED_AT_LANE_OPEN: usize = 7;
    pub(crate) const ANCHOR_TICKS: usize = 8;
    pub(crate) const ANCHOR_UNIX_NS: usize = 9;
    pub(crate) const NS_PER_TICK: usize = 10;
    pub(crate) const UNCLEAN_EXITS: usize = 11; // the lane's history when this incarnation began
    pub(crate) const CLOSED: usize = 12; // 1: the owner closed the lane with this block
    pub(crate) const DROPPED_FOR: usize = 13; // the lane's word when the block was opened
    pub(crate) const BOOT: usize = 14; // boot tag: definitions of another boot are not those of the records
    pub(crate) const THREAD_NAME: usize = 16; // 4 words
    pub(crate) const PROCESS_NAME: usize = 20; // 4 words
    pub(crate) const WORDS: usize = 24;
}

/// Bytes that OFD locks are held on. They lie beyond any file.
pub(crate) mod lock {
    /// Byte `n` is lane `n`'s: locked as long as its owner is alive.
    pub(crate) const fn lane(lane: u32) -> i64 {
        lane as i64
    }
    /// Shared by all attached processes; exclusive to remove or replace the ring.
    pub(crate) const ATTACH: i64 = 1 << 40;
    /// Held by the ring's only consumer.
    pub(crate) const CONSUMER: i64 = (1 << 40) + 1;
    /// Held while a process changes the level rules.
    pub(crate) const LEVELS: i64 = (1 << 40) + 2;
    /// Shared by those who hold a ring that is removed after its last user; exclusive to remove it.
    pub(crate) const HOLD: i64 = (1 << 40) + 3;
    /// The first of the bytes on which the file system is tested for keeping locks with mappings.
    pub(crate) const TEST: i64 = 1 << 41;
}

/// Two 32-bit numbers as one word, `high` in the upper half.
#[inline]
pub(crate) const fn pair(high: u32, low: u32) -> u64 {
    (high as u64) << 32 | low as u64
}

/// The halves of a word: (upper, lower).
#[inline]
pub(crate) const fn halves(word: u64) -> (u32, u32) {
    ((word >> 32) as u32, word as u32)
}

/// The sizes and offsets of one ring, checked once and then trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    pub(crate) file_bytes: u64,
    pub(crate) block_bytes: u32,
    pub(crate) block_count: u32,
    pub(crate) lane_count: u32,
    /// Blocks at the end of the array that only WARN and above may take.
    pub(crate) reserved_blocks: u32,
    /// Slots at the end of each block that only WARN and above may use.
    pub(crate) headroom_slots: u32,
    /// The definition area, behind the blocks.
    pub(crate) definitions: Area,
}

/// The reason why a size, a block size and a number of lanes make no ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadGeometry(pub(crate) String);

impl fmt::Display for BadGeometry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Geometry {
    /// The ring that fits into `size` bytes: as many blocks as fit, one lane for every four of them
    /// unless `lanes` says otherwise, an eighth of the blocks reserved. The area of `definitions` bytes comes on top:
    /// by default an eighth of the size.
    pub(crate) fn fit(
        size: u64,
        block_bytes: Option<u32>,
        lanes: Option<u32>,
        definitions: Option<u64>,
    ) -> Result<Self, BadGeometry> {
        let block_bytes = block_bytes.unwrap_or(if size > 64 << 20 { 16 << 10 } else { 8 << 10 });
        if !block_bytes.is_power_of_two() || !(BLOCK_BYTES_MIN..=BLOCK_BYTES_MAX).contains(&block_bytes) {
            return Err(BadGeometry(format!(
                "a block of {block_bytes} bytes; expected a power of two from {BLOCK_BYTES_MIN} to {BLOCK_BYTES_MAX}"
            )));
        }
        let fits = |lanes: u32| Self::blocks_in(size, block_bytes, lanes);
        let lane_count = lanes.unwrap_or(Self::default_lanes(size, block_bytes));
        Self::check_lanes(size, block_bytes, lane_count)?;
        let block_count = fits(lane_count).min(u64::from(u32::MAX) / u64::from(block_bytes / 64));
        let least = Self::least_size(block_bytes, lane_count.min(LANES_MAX));
        if size < least {
            // Without a unit the number of MiB was probably meant.
            let unit = if size < 1024 {
                format!("; a number alone means bytes: was {size}MiB meant?")
            } else {
                String::new()
            };
            return Err(BadGeometry(format!(
                "{size} bytes leave room for {block_count} blocks of {block_bytes} bytes beside the header and the \
                 tables of {lane_count} lanes; expected at least {}KiB{unit}",
                least.div_ceil(1024)
            )));
        }
        let default = (size / 8).clamp(DEFINITIONS_DEFAULT_MIN, DEFINITIONS_DEFAULT_MAX);
        let mut ring = Geometry {
            file_bytes: 0,
            block_bytes,
            block_count: block_count as u32,
            lane_count,
            reserved_blocks: (block_count as u32 / 8).max(1),
            headroom_slots: (block_bytes / SLOT_BYTES as u32 / 32).clamp(1, 16),
            definitions: Area::fit(definitions.unwrap_or(default))?,
        };
        ring.file_bytes = ring.area_offset() as u64 + ring.definitions.bytes() as u64;
        ring.check()?;
        Ok(ring)
    }

    /// The same ring with the definition area of another one.
    pub(crate) fn with_area_of(self, other: &Geometry) -> Geometry {
        let definitions = other.definitions;
        Geometry { file_bytes: self.area_offset() as u64 + definitions.bytes() as u64, definitions, ..self }
    }

    /// Bytes of the header, the lane table and rounding, without what grows with the number of blocks.
    fn overhead(lanes: u64) -> u64 {
        header::BYTES as u64 + lanes * lane::BYTES as u64 + 4096
    }

    /// Checks that the numbers agree with each other. All code after `open` relies on this.
    pub(crate) fn check(&self) -> Result<(), BadGeometry> {
        let err = |why: String| Err(BadGeometry(why));
        let Geometry { block_bytes, block_count, lane_count, reserved_blocks, headroom_slots, .. } = *self;
        if !block_bytes.is_power_of_two() || !(BLOCK_BYTES_MIN..=BLOCK_BYTES_MAX).contains(&block_bytes) {
            return err(format!("blocks of {block_bytes} bytes"));
        }
        if !(2..=LANES_MAX).contains(&lane_count) {
            return err(format!("{lane_count} lanes; expected 2 to {LANES_MAX}"));
        }
        if block_count > BLOCKS_MAX {
            return err(format!("{block_count} blocks; expected {BLOCKS_MAX} at most: take larger blocks"));
        }
        if reserved_blocks == 0 || reserved_blocks >= block_count {
            return err(format!("{reserved_blocks} reserved blocks of {block_count}"));
        }
        if u64::from(block_count) * u64::from(self.block_slots()) > u64::from(u32::MAX) {
            return err(format!("{block_count} blocks of {block_bytes} bytes are more than 2^32 slots"));
        }
        let free = block_count - reserved_blocks;
        if u64::from(free) < 2 * u64::from(lane_count) {
            return err(format!(
                "{block_count} blocks of {block_bytes} bytes less {reserved_blocks} reserved leave {free}, but \
                 {lane_count} lanes need at least two each, {}: enlarge the ring or ask for fewer lanes",
                2 * u64::from(lane_count)
            ));
        }
        if headroom_slots == 0 || headroom_slots > self.block_slots() / 4 {
            return err(format!("{headroom_slots} headroom slots in a block of {}", self.block_slots()));
        }
        self.definitions.check()?;
        let expected = self.area_offset() as u64 + self.definitions.bytes() as u64;
        if self.file_bytes != expected {
            return err(format!("{} bytes in all; expected {expected}", self.file_bytes));
        }
        Ok(())
    }

    /// Slots in a block, its header included.
    pub(crate) const fn block_slots(&self) -> u32 {
        self.block_bytes / SLOT_BYTES as u32
    }

    /// Blocks that any level may take; they come first in the array.
    pub(crate) const fn common_blocks(&self) -> u32 {
        self.block_count - self.reserved_blocks
    }

    pub(crate) const fn lanes_offset(&self) -> usize {
        header::BYTES
    }

    pub(crate) const fn states_offset(&self) -> usize {
        self.lanes_offset() + self.lane_count as usize * lane::BYTES
    }

    pub(crate) const fn progress_offset(&self) -> usize {
        self.states_offset() + self.block_count as usize * 8
    }

    pub(crate) const fn blocks_offset(&self) -> usize {
        (self.progress_offset() + self.block_count as usize * 8).next_multiple_of(4096)
    }

    /// The definition area, behind the last block.
    pub(crate) const fn area_offset(&self) -> usize {
        self.blocks_offset() + self.block_count as usize * self.block_bytes as usize
    }

    /// The longest payload of one record, in bytes.
    pub fn record_limit(&self) -> usize {
        let ring = self.block_count as usize * self.block_bytes as usize;
        (ring / 4).min(RECORD_MAX_BYTES)
    }

    /// The payload bytes that one block can hold behind its header and one record header.
    pub(crate) fn payload_per_block(&self) -> usize {
        (self.block_slots() - BLOCK_HEADER_SLOTS) as usize * SLOT_BYTES - RECORD_HEADER_BYTES
    }

    /// Size of the area for definitions, in bytes. It lies behind the blocks, at the end of the file.
    pub fn definition_bytes(&self) -> u64 {
        self.definitions.bytes() as u64
    }

    /// Size of the file in bytes.
    pub fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// Size of a block in bytes.
    pub fn block_bytes(&self) -> u32 {
        self.block_bytes
    }

    /// Number of blocks.
    pub fn block_count(&self) -> u32 {
        self.block_count
    }

    /// Number of lanes: threads that log at the same time, and one for each process.
    pub fn lane_count(&self) -> u32 {
        self.lane_count
    }

    /// Number of blocks that only WARN and above may take.
    pub fn reserved_blocks(&self) -> u32 {
        self.reserved_blocks
    }
}

#[cfg(test)]
mod tests;
