//! Counters and states of a ring, for `ringlog stat` and for metrics.

use std::io::ErrorKind;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::error::Error;
use crate::os::probe::Probe;
use crate::reader::consumer::holder;
use crate::reader::end_stat::EndStat;
use crate::reader::observer::Observer;
use crate::ring::lock_file::{Found, LockFile};
use crate::ring::reclaim;
use crate::shm::block::{Kind, Phase, SharedRing};
use crate::shm::definition_limits::DefinitionLimits;
use crate::shm::drops::{DropReason, Drops, LanelessDrops, LanelessReason};
use crate::shm::layout::{
    NAME_BYTES, SLOT_BYTES, claim, halves, header, lane as lane_entry, lock as lock_byte,
};
use crate::shm::mailbox::{self, Request, RotationOutcome};
use crate::shm::overflow::Overflow;
use crate::shm::words::text_from_words;

/// Counters and states of a ring, read at one look.
#[derive(Clone, Debug)]
pub struct RingStat {
    /// Records published by all lanes.
    pub published: u64,
    /// Records persisted by consumers.
    pub persisted: u64,
    /// Records dropped, which is refused, by all lanes and by threads without one.
    pub dropped: u64,
    /// Records dropped by threads without a lane.
    pub dropped_without_lane: u64,
    /// The dropped records by reason.
    pub refused: RefusedStat,
    /// Items of a queue that were taken out and are not acknowledged.
    pub claims: u64,
    /// Free blocks.
    pub free_blocks: u32,
    /// The area for definitions.
    pub definitions: DefinitionStat,
    /// Records that brought their definition, because there was no room for it in the ring.
    pub described: u64,
    /// Records given out after a younger one.
    pub late: u64,
    /// Places skipped because their bytes were no records.
    pub damaged: u64,
    /// Processes that ended without closing their lanes.
    pub ends: EndStat,
    /// Blocks taken back from dead owners, and how soon.
    pub reclaim: ReclaimStat,
    /// What happens when no block is free.
    pub overflow: Overflow,
    /// Whether the kernel was asked which owners are alive. If not, [`consumer`](Self::consumer) and
    /// [`LaneStat::alive`] are what the ring says, which is wrong for owners that were killed: this process may only
    /// read the ring, or its lock file is gone.
    pub owners_known: bool,
    /// Whether the ring's lock file is gone although processes of this boot have used the ring.
    pub lock_file_missing: bool,
    /// The consumer, if there is one.
    pub consumer: Option<ConsumerStat>,
    /// The number of the last answered request to begin a new output file.
    pub rotations: u64,
    /// What came of that request; `None` if the consumer has not said.
    pub rotation_outcome: Option<RotationOutcome>,
    /// The number of the last answered request to read the configuration again, and whether the new configuration was
    /// taken.
    pub reloads: (u64, bool),
    /// Whether the ring's file has been removed or replaced.
    pub retired: bool,
    /// The lanes that have been used, by number.
    pub lanes: Vec<LaneStat>,
}

impl RingStat {
    /// The number of published records that are not persisted yet.
    pub fn lag(&self) -> u64 {
        self.published.saturating_sub(self.persisted)
    }
}

/// Dropped records by reason. Their sum is the number of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RefusedStat {
    /// No block was free.
    pub full: u64,
    /// Every lane had a living owner.
    pub no_lane: u64,
    /// Logged inside an unfinished log call, by a signal handler or a `Display`, where no lane could take them.
    pub nested: u64,
    /// Larger than the ring takes, or not as their definition says.
    pub unfit: u64,
    /// There was no ring of this name: the one before had been removed or replaced.
    pub no_ring: u64,
    /// Left in a ring of this name that was removed or replaced, or refused there.
    pub left: u64,
    /// The system gave their threads no lane, or no memory.
    pub system: u64,
    /// The last error number of these; 0 for none.
    pub system_error: i32,
}

impl RefusedStat {
    fn read(ring: &SharedRing, lanes: &[LaneStat]) -> RefusedStat {
        let mut refused = RefusedStat { system_error: LanelessDrops::errno(ring), ..RefusedStat::default() };
        let add = |sum: &mut u64, count| *sum = sum.wrapping_add(count);
        for lane in lanes {
            let counted = Drops { all: lane.dropped, ..Drops::read(ring, lane.lane) };
            for (reason, count) in counted.since(Drops::default()) {
                match reason {
                    DropReason::Full => add(&mut refused.full, count),
                    DropReason::Nested => add(&mut refused.nested, count),
                    DropReason::Unfit => add(&mut refused.unfit, count),
                }
            }
        }
        for (reason, count) in LanelessDrops::read(ring).since(LanelessDrops::default(), 0) {
            match reason {
                LanelessReason::LanesTaken => add(&mut refused.no_lane, count),
                LanelessReason::System(_) => add(&mut refused.system, count),
                LanelessReason::Opening => add(&mut refused.nested, count),
                LanelessReason::NoRing => add(&mut refused.no_ring, count),
                LanelessReason::Left => add(&mut refused.left, count),
            }
        }
        refused
    }

    fn sum(&self) -> u64 {
        let reasons =
            [self.full, self.no_lane, self.nested, self.unfit, self.system, self.no_ring, self.left];
        reasons.into_iter().fold(0, u64::wrapping_add)
    }
}

/// The use of the area for definitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DefinitionStat {
    /// Definitions that processes find and share.
    pub count: u32,
    /// Bytes that the area has for definitions.
    pub bytes: u64,
    /// Of these, the bytes that have been given to definitions.
    pub used_bytes: u64,
    /// Segments of the area, which are emptied one by one.
    pub segments: u32,
    /// Segments with definitions that living processes use.
    pub used_segments: u32,
    /// Segments that have been emptied so often that they take no more definitions.
    pub worn_out_segments: u32,
    /// Why there was no room for definitions.
    pub limits: DefinitionLimits,
}

/// Blocks taken back from dead owners, and how soon.
///
/// The moment of an owner's death is not known. At the consumer's look before, the owner was alive or had not taken the
/// block yet: so its death is no longer ago than that look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReclaimStat {
    /// Blocks of records sealed in place of dead owners, by consumers and by threads that opened the lane next.
    pub blocks: u64,
    /// When a consumer last looked for dead owners, in nanoseconds since 1970; 0 if no consumer has yet.
    pub looked_unix_ns: u64,
    /// The upper bound of the time from an owner's death to its blocks being taken back, at the last time. `None` if
    /// that has happened at a consumer's first look only, or never.
    pub last_within: Option<Duration>,
    /// The longest of these times since the ring was created.
    pub longest_within: Option<Duration>,
}

/// The process that drains the ring.
#[derive(Clone, Debug)]
pub struct ConsumerStat {
    /// Process name and id.
    pub holder: String,
    /// Process id, in its own PID namespace.
    pub pid: u32,
    /// When it began, in nanoseconds since 1970.
    pub since_unix_ns: u64,
    /// When it last looked at the ring; 0 if it has not yet.
    pub beat_unix_ns: u64,
}

/// Counters and owner of one lane.
#[derive(Clone, Debug)]
pub struct LaneStat {
    /// The lane's number.
    pub lane: u32,
    /// The number of owners so far.
    pub incarnation: u32,
    /// Whether this is a process lane, which holds a process's definitions.
    pub is_process: bool,
    /// Whether the lane's entry says that its owner has it open.
    pub open: bool,
    /// Whether the owner is alive: the kernel's lock on the lane is held. As [`open`](Self::open) says if the locks
    /// cannot be seen; see [`RingStat::owners_known`].
    pub alive: bool,
    /// Process id of the owner.
    pub pid: u32,
    /// Thread id of the owner.
    pub tid: u32,
    /// Thread name of the owner.
    pub thread: String,
    /// Process name of the owner.
    pub process: String,
    /// Records published by all incarnations.
    pub published: u64,
    /// Records of all incarnations that are persisted.
    pub persisted: u64,
    /// Records of all incarnations that were dropped.
    pub dropped: u64,
    /// Of a process lane: the number of segments of the definition area that the process uses.
    pub segments: u32,
}

/// What is known of the owners of a ring's locks.
enum Owners {
    Asked(Probe),
    /// No process of this boot has used the ring.
    Gone,
    /// This process may not open the lock file.
    Hidden,
    /// The lock file is gone.
    Lost,
}

impl Owners {
    fn are_known(&self) -> bool {
        matches!(self, Owners::Asked(_) | Owners::Gone)
    }
}

impl Observer {
    fn owners(&self) -> Result<Owners, Error> {
        let lock_file = match LockFile::find(&self.file, &self.lock_path)? {
            Found::Here(lock_file) => lock_file,
            Found::Unused => return Ok(Owners::Gone),
            Found::Missing => return Ok(Owners::Lost),
        };
        match lock_file.probe() {
            Ok(probe) => Ok(Owners::Asked(probe)),
            Err(e) if e.kind() == ErrorKind::PermissionDenied => Ok(Owners::Hidden),
            // Removed since, with its ring.
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(Owners::Lost),
            Err(e) => Err(Error::io("probe", &self.lock_path, e)),
        }
    }

    /// Reads all counters and states once.
    ///
    /// # Errors
    /// [`Error::Io`] if the kernel's locks cannot be queried; [`Error::Truncated`] if the file has been
    /// truncated since it was opened.
    pub fn stat(&self) -> Result<RingStat, Error> {
        let ring = self.ring();
        let word = |offset| ring.header_word(offset).load(Ordering::Relaxed);
        let io = |e| Error::io("probe", &self.lock_path, e);
        let owners = self.owners()?;
        let held = |byte, said: bool| match &owners {
            Owners::Asked(probe) => probe.is_held(byte).map_err(io),
            Owners::Gone => Ok(false),
            Owners::Hidden | Owners::Lost => Ok(said),
        };
        let consumer = if held(lock_byte::CONSUMER, word(header::CONSUMER_PID) != 0)? {
            Some(ConsumerStat {
                holder: holder(&ring),
                pid: word(header::CONSUMER_PID) as u32,
                since_unix_ns: word(header::CONSUMER_SINCE_UNIX_NS),
                beat_unix_ns: word(header::CONSUMER_BEAT_UNIX_NS),
            })
        } else {
            None
        };
        let mut lanes = Vec::new();
        for lane in 0..ring.geometry().lane_count {
            let state = ring.lane_state(lane);
            if state.incarnation != 0 {
                let mut stat = lane_stat(&ring, lane, held(lock_byte::lane(lane), state.open)?);
                if !owners.are_known() {
                    stat.alive = stat.open;
                }
                lanes.push(stat);
            }
        }
        let free_blocks = count_blocks(&ring, &mut lanes);
        for lane in &mut lanes {
            // A killed owner has not counted the records of its last block; what is persisted was published.
            lane.published = lane.published.max(lane.persisted);
        }
        let dropped_without_lane = word(header::DROPPED_WITHOUT_LANE);
        let refused = RefusedStat::read(&ring, &lanes);
        self.check_whole()?;
        // The counters are untrusted: their sum may wrap.
        let sum = |count: fn(&LaneStat) -> u64| lanes.iter().map(count).fold(0, u64::wrapping_add);
        let answer = |request| mailbox::last_answer(&ring, request).unwrap_or_default();
        let (rotation, reload) = (answer(Request::Rotate), answer(Request::Reload));
        Ok(RingStat {
            published: sum(|lane| lane.published),
            persisted: sum(|lane| lane.persisted),
            dropped: refused.sum(),
            dropped_without_lane,
            refused,
            claims: count_claims(&ring),
            free_blocks,
            definitions: definition_stat(&ring, &lanes),
            described: word(header::CONSUMER_DESCRIBED),
            late: word(header::CONSUMER_LATE),
            damaged: word(header::CONSUMER_DAMAGED),
            ends: EndStat::read(&ring),
            reclaim: reclaim_stat(&ring),
            overflow: Overflow::from_words(word(header::OVERFLOW), word(header::BLOCK_DEADLINE_NS)),
            owners_known: owners.are_known(),
            lock_file_missing: matches!(owners, Owners::Lost),
            consumer,
            rotations: rotation.number,
            rotation_outcome: mailbox::outcome(&ring),
            reloads: (reload.number, reload.accepted),
            retired: ring.is_retired(),
            lanes,
        })
    }
}

fn reclaim_stat(ring: &SharedRing) -> ReclaimStat {
    let word = |offset| ring.header_word(offset).load(Ordering::Relaxed);
    let time = |ns| (ns != 0).then(|| Duration::from_nanos(ns));
    ReclaimStat {
        blocks: word(header::RECLAIMED),
        looked_unix_ns: word(header::CONSUMER_LOOKED_UNIX_NS),
        last_within: time(word(header::RECLAIMED_WITHIN_NS)),
        longest_within: time(word(header::RECLAIMED_WITHIN_MAX_NS)),
    }
}

fn definition_stat(ring: &SharedRing, lanes: &[LaneStat]) -> DefinitionStat {
    let area = &ring.geometry().definitions;
    let processes = lanes.iter().filter(|lane| lane.is_process && lane.alive);
    let used = processes.fold(0, |bits, lane| bits | ring.pins(lane.lane).load(Ordering::Relaxed));
    let mut stat = DefinitionStat {
        count: ring.count_definitions(),
        bytes: u64::from(area.slots()) * SLOT_BYTES as u64,
        segments: area.segments(),
        limits: DefinitionLimits::read(ring),
        ..DefinitionStat::default()
    };
    for segment in 0..area.segments() {
        let state = ring.segment(segment);
        stat.used_bytes += u64::from(state.tail.min(area.segment_slots())) * SLOT_BYTES as u64;
        stat.used_segments += (used >> segment & 1) as u32;
        stat.worn_out_segments += u32::from(area.is_worn_out(state.generation));
    }
    stat
}

fn lane_stat(ring: &SharedRing, lane: u32, alive: bool) -> LaneStat {
    let word = |offset| ring.lane_word(lane, offset).load(Ordering::Relaxed);
    let name = |offset: usize| {
        let words: Vec<u64> = (0..NAME_BYTES / 8).map(|i| word(offset + i * 8)).collect();
        text_from_words(&words)
    };
    let state = ring.lane_state(lane);
    let (pid, tid) = halves(word(lane_entry::PID_TID));
    LaneStat {
        lane,
        incarnation: state.incarnation,
        is_process: state.process,
        open: state.open,
        alive,
        pid,
        tid,
        thread: name(lane_entry::THREAD_NAME),
        process: name(lane_entry::PROCESS_NAME),
        // One look is not one moment: what is persisted by now was published.
        published: word(lane_entry::PUBLISHED).max(word(lane_entry::PERSISTED)),
        persisted: word(lane_entry::PERSISTED),
        dropped: word(lane_entry::DROPPED),
        segments: if state.process { word(lane_entry::PINS).count_ones() } else { 0 },
    }
}

/// The claims of a queue, by their first blocks.
fn count_claims(ring: &SharedRing) -> u64 {
    let blocks = (0..ring.geometry().block_count).filter(|index| {
        let state =
            ring.state(*index).filter(|state| state.kind == Kind::Claims && state.phase != Phase::Free);
        state.is_some_and(|state| ring.committed(*index, state.generation).is_some())
            && ring.block_word(*index, claim::PART).load(Ordering::Relaxed) == 0
    });
    blocks.count() as u64
}

/// The number of free blocks. A lane's entry counts only the records of closed blocks; those of the open one are added
/// here.
fn count_blocks(ring: &SharedRing, lanes: &mut [LaneStat]) -> u32 {
    let mut free = 0;
    for index in 0..ring.geometry().block_count {
        let Some(state) = ring.state(index) else { continue };
        match (state.phase, state.kind) {
            (Phase::Free, _) => free += 1,
            (Phase::Open, Kind::Records) => {
                if let Ok(at) = lanes.binary_search_by_key(&state.lane, |lane| lane.lane)
                    && let Some(published) = reclaim::published_with(ring, index, state)
                {
                    lanes[at].published = lanes[at].published.max(published);
                }
            }
            _ => {}
        }
    }
    free
}
