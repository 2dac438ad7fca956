//! The file header: written once at creation, checked once at every open.

use std::path::Path;

use crate::error::Error;
use crate::os::boot::boot_id;
use crate::shm::clock::{Anchor, Clock, Rate, monotonic_ns, unix_ns};
use crate::shm::layout::area::Area;
use crate::shm::layout::{self, Geometry, header, pair};
use crate::shm::overflow::Overflow;

/// From 1 kHz to 1 THz, in 32.32 fixed point: every real clock is inside, and times computed from ticks stay
/// plausible.
const NS_PER_TICK: std::ops::RangeInclusive<u64> = (1 << 32) / 1000..=1_000_000 << 32;

/// What the header of a ring says, after it has been checked.
#[derive(Clone, Copy, Debug)]
pub struct Info {
    pub(crate) geometry: Geometry,
    /// The clock of time stamps.
    pub clock: Clock,
    /// Unique for each creation.
    pub uuid: [u8; 16],
    /// The kernel's boot id when the ring was made. If it differs from the present one, no owner is alive.
    pub boot_id: [u8; 16],
    /// When it was made, in nanoseconds since 1970.
    pub created_unix_ns: u64,
    /// The process that made it.
    pub creator_pid: u32,
    /// The minor version of its format.
    pub(crate) minor: u16,
    pub(crate) created_ticks: u64,
    pub(crate) created_monotonic_ns: u64,
    pub(crate) ns_per_tick: u64,
}

impl Info {
    /// Sizes and offsets.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// The major and the minor version of its format.
    pub fn format(&self) -> (u16, u16) {
        // A ring of another major version is refused when it is opened.
        (layout::VERSION_MAJOR, self.minor)
    }

    /// The header of a new ring. Takes a few milliseconds to measure the clock.
    pub(crate) fn new(geometry: Geometry, clock: Clock) -> Info {
        let rate = Rate::calibrate(clock);
        let (created_ticks, created_monotonic_ns) = rate.origin();
        Info {
            geometry,
            clock,
            uuid: random_uuid(),
            boot_id: boot_id(),
            created_unix_ns: unix_ns(),
            creator_pid: std::process::id(),
            minor: layout::VERSION_MINOR,
            created_ticks,
            created_monotonic_ns,
            ns_per_tick: rate.measured(),
        }
    }

    pub(crate) fn rate(&self) -> Rate {
        Rate::since(self.clock, self.created_ticks, self.created_monotonic_ns, self.ns_per_tick)
    }

    /// An anchor to fall back on where a block has none: the moment of creation.
    pub(crate) fn creation_anchor(&self) -> Anchor {
        Anchor { ticks: self.created_ticks, unix_ns: self.created_unix_ns, ns_per_tick: self.ns_per_tick }
    }

    /// Whether the ring was made since the machine was started. If not, no owner is alive, and its ticks cannot be
    /// compared with the present clock.
    pub fn is_of_this_boot(&self) -> bool {
        self.boot_id == boot_id()
    }

    /// Whether the ring was made before the machine was started, as far as both boots are known. It gets no new
    /// records.
    pub fn is_of_earlier_boot(&self) -> bool {
        let unknown = [0; 16];
        !self.is_of_this_boot() && self.boot_id != unknown && boot_id() != unknown
    }

    /// The header's bytes, the magic left zero: it is written last.
    pub(crate) fn encode(&self, overflow: Overflow) -> Vec<u8> {
        let mut bytes = vec![0; header::BYTES];
        let g = &self.geometry;
        let version = u64::from(layout::VERSION_MAJOR)
            | u64::from(layout::VERSION_MINOR) << 16
            | (header::BYTES as u64) << 32;
        let (policy, deadline_ns) = overflow.words();
        for (offset, word) in [
            (header::VERSION, version),
            (header::BYTE_ORDER, layout::BYTE_ORDER),
            (header::FILE_BYTES, g.file_bytes),
            (header::BLOCKS, pair(g.block_count, g.block_bytes)),
            (header::LANES, pair(g.reserved_blocks, g.lane_count)),
            (header::CLOCK, pair(g.headroom_slots, self.clock.code())),
            (header::NS_PER_TICK, self.ns_per_tick),
            (header::CREATED_TICKS, self.created_ticks),
            (header::CREATED_UNIX_NS, self.created_unix_ns),
            (header::CREATED_MONOTONIC_NS, self.created_monotonic_ns),
            (header::CREATOR_PID, self.creator_pid.into()),
            (header::DEFINITIONS, g.definitions.word()),
            (header::OVERFLOW, policy),
            (header::BLOCK_DEADLINE_NS, deadline_ns),
        ] {
            bytes[offset..offset + 8].copy_from_slice(&word.to_le_bytes());
        }
        bytes[header::UUID..][..16].copy_from_slice(&self.uuid);
        bytes[header::BOOT_ID..][..16].copy_from_slice(&self.boot_id);
        let checksum = crc32fast::hash(&bytes[header::VERSION..header::CHECKSUM]);
        bytes[header::CHECKSUM..][..4].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Decodes and checks the header of a file of `file_bytes` bytes. `start` holds the bytes that could be read of the
    /// first page.
    pub(crate) fn decode(path: &Path, start: &[u8], file_bytes: u64) -> Result<Info, Error> {
        let word = |offset: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&start[offset..offset + 8]);
            u64::from_le_bytes(bytes)
        };
        // Made for errors only, because this may run in a signal handler.
        let path = || path.to_owned();
        if start.is_empty() {
            return Err(Error::NotARing { path: path(), found: "it is empty".to_owned() });
        }
        if start.len() < 8 || word(header::MAGIC) != layout::MAGIC {
            let first = start.get(..8).unwrap_or(start).escape_ascii();
            return Err(Error::NotARing { path: path(), found: format!("it starts with \"{first}\"") });
        }
        if start.len() < header::BYTES {
            let what = format!("{} bytes long, less than its header of {}", start.len(), header::BYTES);
            return Err(Error::Damaged { path: path(), what });
        }
        let version = word(header::VERSION);
        let (major, minor) = (version as u16, (version >> 16) as u16);
        if major != layout::VERSION_MAJOR {
            return Err(Error::Version { path: path(), major, minor });
        }
        let checksum = u64::from(crc32fast::hash(&start[header::VERSION..header::CHECKSUM]));
        let stored = word(header::CHECKSUM) & 0xffff_ffff;
        if checksum != stored {
            let what = format!("the header's checksum is {stored:08x}, its bytes give {checksum:08x}");
            return Err(Error::Damaged { path: path(), what });
        }
        if word(header::BYTE_ORDER) != layout::BYTE_ORDER {
            let found = "a ring of the other byte order".to_owned();
            return Err(Error::NotARing { path: path(), found });
        }
        let info = Self::decode_checked(word, start).map_err(|what| Error::Damaged { path: path(), what })?;
        if file_bytes < info.geometry.file_bytes {
            let what = format!("cut to {file_bytes} bytes of {}", info.geometry.file_bytes);
            return Err(Error::Damaged { path: path(), what });
        }
        Ok(info)
    }

    fn decode_checked(word: impl Fn(usize) -> u64, start: &[u8]) -> Result<Info, String> {
        let low = |offset| word(offset) as u32;
        let high = |offset| (word(offset) >> 32) as u32;
        let array = |offset: usize| {
            let mut bytes = [0; 16];
            bytes.copy_from_slice(&start[offset..offset + 16]);
            bytes
        };
        let geometry = Geometry {
            file_bytes: word(header::FILE_BYTES),
            block_bytes: low(header::BLOCKS),
            block_count: high(header::BLOCKS),
            lane_count: low(header::LANES),
            reserved_blocks: high(header::LANES),
            headroom_slots: high(header::CLOCK),
            definitions: Area::decode(word(header::DEFINITIONS)),
        };
        geometry.check().map_err(|why| why.to_string())?;
        let code = low(header::CLOCK);
        let clock = Clock::from_code(code).ok_or_else(|| format!("clock {code}, expected 1 or 2"))?;
        let ns_per_tick = word(header::NS_PER_TICK);
        if !NS_PER_TICK.contains(&ns_per_tick) {
            let rate = ns_per_tick as f64 / (1_u64 << 32) as f64;
            return Err(format!("a clock with ticks of {rate} ns, expected 0.001 to 1000000"));
        }
        Ok(Info {
            geometry,
            clock,
            uuid: array(header::UUID),
            boot_id: array(header::BOOT_ID),
            created_unix_ns: word(header::CREATED_UNIX_NS),
            creator_pid: low(header::CREATOR_PID),
            minor: (word(header::VERSION) >> 16) as u16,
            created_ticks: word(header::CREATED_TICKS),
            created_monotonic_ns: word(header::CREATED_MONOTONIC_NS),
            ns_per_tick,
        })
    }
}

/// A version 4 UUID. Without a random source the clock and the process make it unique enough.
fn random_uuid() -> [u8; 16] {
    use std::io::Read;
    let mut id = [0; 16];
    let random = std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut id));
    if random.is_err() {
        id[..8].copy_from_slice(&monotonic_ns().to_le_bytes());
        id[8..12].copy_from_slice(&std::process::id().to_le_bytes());
    }
    id[6] = id[6] & 0x0f | 0x40;
    id[8] = id[8] & 0x3f | 0x80;
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header_bytes() -> (Info, Vec<u8>) {
        let info = Info::new(Geometry::fit(1 << 20, None, None, None).unwrap(), Clock::Monotonic);
        let mut bytes = info.encode(Overflow::Drop);
        bytes[..8].copy_from_slice(&layout::MAGIC.to_le_bytes());
        (info, bytes)
    }

    #[test]
    fn a_header_reads_back() {
        let (info, bytes) = header_bytes();
        let read = Info::decode(Path::new("r"), &bytes, info.geometry.file_bytes).unwrap();
        assert_eq!((read.geometry, read.uuid, read.boot_id), (info.geometry, info.uuid, info.boot_id));
        assert!(read.is_of_this_boot());
    }

    #[test]
    fn every_damaged_byte_is_found() {
        let (info, bytes) = header_bytes();
        for at in 0..header::CHECKSUM + 4 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            assert!(Info::decode(Path::new("r"), &damaged, info.geometry.file_bytes).is_err(), "byte {at}");
        }
    }

    #[test]
    fn an_impossible_clock_rate_is_refused() {
        let (info, mut bytes) = header_bytes();
        for ns_per_tick in [0, 1, u64::MAX] {
            bytes[header::NS_PER_TICK..][..8].copy_from_slice(&u64::to_le_bytes(ns_per_tick));
            let checksum = crc32fast::hash(&bytes[header::VERSION..header::CHECKSUM]);
            bytes[header::CHECKSUM..][..4].copy_from_slice(&checksum.to_le_bytes());
            let error =
                Info::decode(Path::new("r"), &bytes, info.geometry.file_bytes).unwrap_err().to_string();
            assert!(error.starts_with("r is damaged: a clock with ticks of "), "{error}");
        }
    }

    #[test]
    fn files_that_are_no_rings_are_refused_with_reasons() {
        let (info, mut bytes) = header_bytes();
        let message = |bytes: &[u8], len| Info::decode(Path::new("r"), bytes, len).unwrap_err().to_string();
        assert_eq!(message(b"", 0), "r is not a ring: it is empty");
        assert_eq!(message(b"hello, world", 12), "r is not a ring: it starts with \"hello, w\"");
        let expected = info.geometry.file_bytes;
        assert_eq!(
            message(&bytes, 5000),
            format!(
                "r is damaged: cut to 5000 bytes of {expected}; remove it with `ringlog rm --force` \
                 and make it anew"
            )
        );
        bytes[header::VERSION] = 9;
        assert_eq!(
            message(&bytes, expected),
            "r is a ring of format 9.1; this program knows format 1: upgrade this program"
        );
    }
}
