//! Numbers about a ring, for `stat` and for metrics.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::error::Error;
use crate::os::probe::Probe;
use crate::os::thread::name_from_words;
use crate::reader::consumer::holder;
use crate::reader::observer::Observer;
use crate::ring::options::Overflow;
use crate::ring::reclaim;
use crate::shm::block::{Kind, Phase, SharedRing};
use crate::shm::layout::{NAME_BYTES, halves, header, lane as lane_entry, lock as lock_byte};

/// What is going on in a ring, as of one look.
#[derive(Clone, Debug)]
pub struct RingStat {
    /// Records published by all lanes.
    pub published: u64,
    /// Records that the consumers have persisted.
    pub persisted: u64,
    /// Records refused.
    pub dropped: u64,
    /// Of those, refused because the thread had no lane.
    pub dropped_without_lane: u64,
    /// Blocks that are free.
    pub free_blocks: u32,
    /// Blocks that hold definitions.
    pub definition_blocks: u32,
    /// Records emitted after a younger one.
    pub late: u64,
    /// Places given up because their bytes made no sense.
    pub damaged: u64,
    /// What was taken back from dead lanes, and how soon.
    pub reclaim: ReclaimStat,
    /// What happens when no block is free.
    pub overflow: Overflow,
    /// Who drains, if anybody does.
    pub consumer: Option<ConsumerStat>,
    /// The last request to begin a new output file that the consumer has answered.
    pub rotations: u64,
    /// The last request to read the configuration anew that the consumer has answered, and whether it took what it
    /// read.
    pub reloads: (u64, bool),
    /// The file has been removed or replaced.
    pub retired: bool,
    /// Lanes that have been used.
    pub lanes: Vec<LaneStat>,
}

impl RingStat {
    /// Published records that are not persisted yet.
    pub fn lag(&self) -> u64 {
        self.published.saturating_sub(self.persisted)
    }
}

/// What was taken back from dead lanes, and how soon.
///
/// When an owner died nobody knows. What a consumer knows is that the owner lived, or had not taken the
/// block yet, when it looked the time before; so the death is no longer ago than that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReclaimStat {
    /// Blocks of records that were sealed for dead owners, by consumers and by others who opened lanes.
    pub blocks: u64,
    /// When a consumer last looked for dead owners, in nanoseconds since 1970; 0 if none ever has.
    pub looked_unix_ns: u64,
    /// The last time blocks were taken back they were so within this time of their owner's death. `None`
    /// if no consumer has looked before it found one.
    pub last_within: Option<Duration>,
    /// The longest of these times since the ring was made.
    pub longest_within: Option<Duration>,
}

/// Who drains the ring.
#[derive(Clone, Debug)]
pub struct ConsumerStat {
    /// Process name and id.
    pub holder: String,
    /// Process id, in its own PID namespace.
    pub pid: u32,
    /// Since when, in nanoseconds since 1970.
    pub since_unix_ns: u64,
    /// When it last looked at the ring.
    pub beat_unix_ns: u64,
}

/// One lane.
#[derive(Clone, Debug)]
pub struct LaneStat {
    /// Its number.
    pub lane: u32,
    /// Grows with each owner.
    pub incarnation: u32,
    /// Whether it stands for a process and its definitions.
    pub is_process: bool,
    /// Whether its owner has it open, as far as the entry says.
    pub open: bool,
    /// Whether its owner lives, by the kernel's word.
    pub alive: bool,
    /// Process id of the owner.
    pub pid: u32,
    /// Thread id.
    pub tid: u32,
    /// Thread name.
    pub thread: String,
    /// Process name.
    pub process: String,
    /// Records published, by all incarnations.
    pub published: u64,
    /// Records persisted, of all incarnations.
    pub persisted: u64,
    /// Records refused, of all incarnations.
    pub dropped: u64,
}

impl Observer {
    /// Counts everything once.
    ///
    /// # Errors
    /// [`Error::Io`] if the kernel's locks cannot be asked for; [`Error::Truncated`] if the file has been
    /// truncated since it was opened.
    pub fn stat(&self) -> Result<RingStat, Error> {
        let ring = self.ring();
        let word = |offset| ring.header_word(offset).load(Ordering::Relaxed);
        let io = |e| Error::io("probe", &self.path, e);
        // Where the path leads elsewhere by now, nobody can be asked about this file any more.
        let probe = match Probe::open(&self.path, self.identity) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
            other => Some(other.map_err(io)?),
        };
        let held = |byte| match &probe {
            Some(probe) => probe.is_held(byte).map_err(io),
            None => Ok(false),
        };
        let consumer = if held(lock_byte::CONSUMER)? {
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
            if ring.lane_state(lane).incarnation != 0 {
                lanes.push(lane_stat(&ring, lane, held(lock_byte::lane(lane))?));
            }
        }
        let (free_blocks, definition_blocks) = count_blocks(&ring, &mut lanes);
        for lane in &mut lanes {
            // A killed owner has not counted the records of its last block; what is persisted was published.
            lane.published = lane.published.max(lane.persisted);
        }
        let dropped_without_lane = word(header::DROPPED_WITHOUT_LANE);
        // The numbers are whatever somebody wrote there.
        self.check_whole()?;
        let sum = |count: fn(&LaneStat) -> u64| lanes.iter().map(count).fold(0, u64::wrapping_add);
        Ok(RingStat {
            published: sum(|lane| lane.published),
            persisted: sum(|lane| lane.persisted),
            dropped: sum(|lane| lane.dropped).wrapping_add(dropped_without_lane),
            dropped_without_lane,
            free_blocks,
            definition_blocks,
            late: word(header::CONSUMER_LATE),
            damaged: word(header::CONSUMER_DAMAGED),
            reclaim: reclaim_stat(&ring),
            overflow: Overflow::from_words(word(header::OVERFLOW), word(header::BLOCK_DEADLINE_NS)),
            consumer,
            rotations: word(header::ROTATE_REQUESTS_DONE),
            reloads: (word(header::RELOAD_ANSWER) >> 1, word(header::RELOAD_ANSWER) & 1 == 1),
            retired: word(header::FLAGS) & header::FLAG_RETIRED != 0,
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

fn lane_stat(ring: &SharedRing, lane: u32, alive: bool) -> LaneStat {
    let word = |offset| ring.lane_word(lane, offset).load(Ordering::Relaxed);
    let name = |offset: usize| {
        let words: Vec<u64> = (0..NAME_BYTES / 8).map(|i| word(offset + i * 8)).collect();
        name_from_words(&words)
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
    }
}

/// Free and definition blocks. A lane's entry counts only the blocks it has closed, so the records of
/// the open one are counted here.
fn count_blocks(ring: &SharedRing, lanes: &mut [LaneStat]) -> (u32, u32) {
    let (mut free, mut definitions) = (0, 0);
    for index in 0..ring.geometry().block_count {
        let Some(state) = ring.state(index) else { continue };
        match (state.phase, state.kind) {
            (Phase::Free, _) => free += 1,
            (_, Kind::Definitions) => definitions += 1,
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
    (free, definitions)
}
