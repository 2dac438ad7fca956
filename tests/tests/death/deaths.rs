//! What comes out of a ring whose owners die, and the processes that do.

use std::time::Duration;

use ringlog::Ring;
use ringlog::reader::{Body, Consumer, ExitCause, LaneEnd, Origin};
use ringlog_testkit::{Child, Scratch};
use ringlog_tests::{CreateRing, Proof};

use crate::PRODUCER;

/// What came out of the ring, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    Record { producer: u32, sequence: u64 },
    Died(Death),
}

/// The report of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Death {
    pub(crate) owner: Origin,
    pub(crate) cause: ExitCause,
    pub(crate) lanes: Vec<LaneEnd>,
}

impl Death {
    pub(crate) fn is_own(&self, lane: &LaneEnd) -> bool {
        (lane.lane, lane.incarnation) == (self.owner.lane, self.owner.incarnation)
    }

    /// The lanes of its threads.
    pub(crate) fn threads(&self) -> impl Iterator<Item = &LaneEnd> {
        self.lanes.iter().filter(|lane| !self.is_own(lane))
    }

    /// The last sequence of its only thread.
    #[track_caller]
    pub(crate) fn only_thread(&self) -> &LaneEnd {
        let threads: Vec<_> = self.threads().collect();
        let [thread] = threads[..] else { panic!("{self:?}") };
        thread
    }
}

/// Everything there is, acknowledged.
pub(crate) fn drain(consumer: &mut Consumer) -> Vec<Came> {
    let mut came = Vec::new();
    while !consumer.is_drained().unwrap() {
        while let Some(entry) = consumer.next(Duration::from_millis(1)).unwrap() {
            came.push(match &entry.body {
                Body::UncleanExit(died) => Came::Died(Death {
                    owner: entry.origin.clone(),
                    cause: died.cause,
                    lanes: died.lanes.to_vec(),
                }),
                _ => {
                    let Proof { producer, sequence } = Proof::of(&entry).unwrap();
                    assert_eq!(entry.record().unwrap().sequence, sequence);
                    Came::Record { producer, sequence }
                }
            });
        }
        consumer.ack().unwrap();
    }
    came
}

pub(crate) fn deaths(came: &[Came]) -> Vec<&Death> {
    let died = came.iter().filter_map(|came| match came {
        Came::Died(death) => Some(death),
        Came::Record { .. } => None,
    });
    died.collect()
}

pub(crate) const KILLED: ExitCause = ExitCause::Signal { number: 9, has_core: false };

/// Nothing comes, however long one looks, and neither does the next consumer get anything.
pub(crate) fn nothing_more(ring: &Ring, mut consumer: Consumer) {
    // Longer than it takes until the consumer looks for the dead again.
    for _ in 0..3 {
        assert_eq!(drain(&mut consumer), []);
        std::thread::sleep(Duration::from_millis(80));
    }
    drop(consumer);
    let mut next = ring.consumer().unwrap();
    assert!(next.next(Duration::from_millis(500)).unwrap().is_none(), "reported to the next consumer again");
    assert_eq!(drain(&mut next), []);
}

/// A process in the role `end`, ready to end, and the ids of its threads.
pub(crate) struct Ending {
    pub(crate) child: Child,
    pub(crate) tids: Vec<u32>,
    /// What it printed when all its threads had theirs.
    pub(crate) forked: Option<u32>,
}

pub(crate) fn start(ring: &Scratch, threads: usize, count: u64, how: &str) -> Ending {
    let arguments = [format!("threads={threads}"), format!("count={count}"), format!("how={how}")];
    let [threads_argument, count, how] = arguments.each_ref().map(String::as_str);
    let mut child = Child::spawn(PRODUCER, &["end", ring.name(), threads_argument, count, how]);
    let tids = (0..threads).map(|_| child.line().parse().unwrap()).collect();
    let forked = (how == "how=fork").then(|| child.line().parse().unwrap());
    child.wait_ready();
    Ending { child, tids, forked }
}

impl Ending {
    /// Asserts that this is the death of the process, and returns its threads: number and last sequence.
    #[track_caller]
    pub(crate) fn threads(&self, death: &Death) -> Vec<(u32, Option<u64>)> {
        let Origin { pid, process, lane, incarnation, .. } = &death.owner;
        assert_eq!((*pid, &**process), (self.child.id(), "ringlog-test-producer"));
        let own: Vec<_> = death.lanes.iter().filter(|lane| death.is_own(lane)).collect();
        assert!(own.len() <= 1 && own.iter().all(|own| own.last_sequence.is_none()), "{death:?}");
        let thread = |end: &LaneEnd| {
            assert!(self.tids.contains(&end.tid), "{end:?}: {:?}", self.tids);
            assert!((end.lane, end.incarnation) != (*lane, *incarnation));
            (end.thread.strip_prefix("worker-").unwrap().parse().unwrap(), end.last_sequence)
        };
        let mut threads: Vec<_> = death.threads().map(thread).collect();
        threads.sort_unstable();
        threads
    }
}

pub(crate) fn ring_of(at: &Scratch, lanes: u32) -> Ring {
    at.create(Ring::options().size("512KiB").block_bytes(1024).lanes(lanes))
}
