//! The processes that log into the ring, each with a descriptor of it, so that the kernel can tell how it ended.
//!
//! A lane's entry names a process id, which may be one of another PID namespace, and may belong to another process by
//! now. So a descriptor counts only once it is proved to be of the lane's owner: the process has a page of the lock
//! file mapped for each lane that the entries give to it, and one more for the ring itself, and no other living process
//! of the ring has the same number. Where that cannot be proved, as for processes of other users, the cause of an end
//! stays unknown.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use crate::os::file::Identity;
use crate::os::mappings;
use crate::os::pidfd::{HowEnded, PidFd};
use crate::os::probe::Probe;
use crate::reader::entry::ExitCause;
use crate::shm::block::SharedRing;
use crate::shm::layout::{halves, lane as lane_entry, lock as lock_byte};
use crate::shm::sync::Ordering;

/// A process lane and its incarnation.
pub(super) type ProcessId = (u32, u32);

/// How long the proof is waited for, so that the end of a process that lives for a moment is known too. It takes some
/// 0.1 ms where the machine is not overloaded.
const PROOF_WITHIN: Duration = Duration::from_millis(100);
/// How often the proof is tried: threads may have closed lanes meanwhile.
const TRIES: u8 = 5;
/// Questions that wait for the thread that answers them.
const QUESTIONS: usize = 64;

/// The processes whose lanes are open, or whose ends are to be reported.
#[derive(Debug)]
pub(super) struct ProcessWatch {
    /// The last incarnation of each lane that was met as a process.
    met: Vec<u32>,
    watched: HashMap<ProcessId, Watched>,
    prover: Prover,
}

#[derive(Debug)]
struct Watched {
    process: PidFd,
    proof: Proof,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    /// Asked for; so many tries are left.
    Asked(u8),
    /// To be asked for again.
    Failed(u8),
    Given,
}

impl ProcessWatch {
    pub(super) fn new(ring: &SharedRing, lock_file: Identity) -> ProcessWatch {
        let met = vec![0; ring.geometry().lane_count as usize];
        ProcessWatch { met, watched: HashMap::new(), prover: Prover::new(lock_file) }
    }

    /// A watch that meets no process: the cause of every end stays unknown. Asking costs a thread and, for each
    /// process, a moment.
    pub(super) fn blind(ring: &SharedRing, lock_file: Identity) -> ProcessWatch {
        let met = vec![u32::MAX; ring.geometry().lane_count as usize];
        ProcessWatch { met, ..ProcessWatch::new(ring, lock_file) }
    }

    /// Whether the process has been met.
    #[inline]
    pub(super) fn knows(&self, (lane, incarnation): ProcessId) -> bool {
        self.met.get(lane as usize).is_none_or(|met| *met >= incarnation)
    }

    /// Begins to watch a process, if it lives. Waits for the proof for a moment.
    pub(super) fn meet(&mut self, ring: &SharedRing, probe: &Probe, id: ProcessId) {
        if self.knows(id) {
            return;
        }
        let state = ring.lane_state(id.0);
        if !state.process || state.incarnation != id.1 {
            return;
        }
        self.met[id.0 as usize] = id.1;
        let pid = pid_of(ring, id.0);
        let is_alive = state.open && probe.is_held(lock_byte::lane(id.0)).unwrap_or(false);
        if !is_alive || pid == 0 || pid == std::process::id() {
            return;
        }
        // Too many descriptors, an old kernel, or no such process in this namespace: the cause stays unknown.
        let Ok(process) = PidFd::open(pid) else { return };
        self.watched.insert(id, Watched { process, proof: Proof::Failed(TRIES) });
        // One that takes too long is not waited for twice, and neither are those behind it.
        let is_late = self.prover.has_questions();
        self.ask(ring, id);
        let until = Instant::now() + if is_late { Duration::ZERO } else { PROOF_WITHIN };
        while self.watched.get(&id).is_some_and(|watched| matches!(watched.proof, Proof::Asked(_))) {
            let left = until.saturating_duration_since(Instant::now());
            let Some(answer) = self.prover.answer(left) else { break };
            self.take_answer(ring, answer);
        }
    }

    /// Asks whether the process has the lanes that the entries give to it.
    fn ask(&mut self, ring: &SharedRing, id: ProcessId) {
        let Some(watched) = self.watched.get_mut(&id) else { return };
        let Proof::Failed(tries @ 1..) = watched.proof else { return };
        let pid = watched.process.pid();
        let is_asked = is_only_one(ring, id, pid)
            && self.prover.ask(Question { id, pid, pages: lanes_of(ring, id) + 1 });
        watched.proof = if is_asked { Proof::Asked(tries - 1) } else { Proof::Failed(tries - 1) };
    }

    fn take_answer(&mut self, ring: &SharedRing, (id, has_lanes): (ProcessId, bool)) {
        let Some(watched) = self.watched.get_mut(&id) else { return };
        let Proof::Asked(tries) = watched.proof else { return };
        // As long as the process has its id, what that id has shown is of this process.
        let is_proved = has_lanes && watched.process.has_id() && is_only_one(ring, id, watched.process.pid());
        watched.proof = if is_proved { Proof::Given } else { Proof::Failed(tries) };
    }

    /// Meets the processes that have come, and forgets those that have closed their lanes. `is_ended` says whose ends
    /// are still to be reported.
    pub(super) fn look(&mut self, ring: &SharedRing, probe: &Probe, is_ended: impl Fn(ProcessId) -> bool) {
        while let Some(answer) = self.prover.answer(Duration::ZERO) {
            self.take_answer(ring, answer);
        }
        self.watched.retain(|id, _| {
            let state = ring.lane_state(id.0);
            (state.open && state.incarnation == id.1) || is_ended(*id)
        });
        for lane in 0..ring.geometry().lane_count {
            let state = ring.lane_state(lane);
            if state.process && state.open {
                let id = (lane, state.incarnation);
                self.meet(ring, probe, id);
                self.ask(ring, id);
            }
        }
    }

    /// How the process ended; `None` if that is not decided yet. The caller has proved that it has.
    pub(super) fn cause(&self, id: ProcessId) -> Option<ExitCause> {
        let Some(Watched { process, proof: Proof::Given }) = self.watched.get(&id) else {
            return Some(ExitCause::Unknown);
        };
        match process.how_ended() {
            HowEnded::Status(status) => Some(ExitCause::of_status(status)),
            HowEnded::Exec => Some(ExitCause::Exec),
            HowEnded::Unknown => Some(ExitCause::Unknown),
            HowEnded::NotYet => None,
        }
    }

    /// The end of the process needs no cause any more.
    pub(super) fn forget(&mut self, id: ProcessId) {
        self.watched.remove(&id);
    }
}

fn pid_of(ring: &SharedRing, lane: u32) -> u32 {
    halves(ring.lane_word(lane, lane_entry::PID_TID).load(Ordering::Acquire)).0
}

/// Whether no other open process lane names the same process id.
fn is_only_one(ring: &SharedRing, id: ProcessId, pid: u32) -> bool {
    let mut others = (0..ring.geometry().lane_count).filter(|lane| *lane != id.0);
    !others.any(|lane| {
        let state = ring.lane_state(lane);
        state.process && state.open && pid_of(ring, lane) == pid
    })
}

/// The number of open lanes that belong to the process, its own among them.
fn lanes_of(ring: &SharedRing, id: ProcessId) -> usize {
    let lanes = (0..ring.geometry().lane_count).filter(|lane| {
        let process = halves(ring.lane_word(*lane, lane_entry::PROCESS).load(Ordering::Acquire));
        ring.lane_state(*lane).open && process == id
    });
    lanes.count()
}

/// Whether a process has so many pages of the lock file mapped.
#[derive(Debug)]
struct Question {
    id: ProcessId,
    pid: u32,
    pages: usize,
}

/// A thread that looks at other processes' mappings: that may take any time, and nothing here may wait for it.
#[derive(Debug)]
struct Prover {
    lock_file: Identity,
    /// The thread, once there was a question; `None` inside if it could not be started.
    thread: Option<Option<ProverThread>>,
    /// Questions without an answer so far.
    open: usize,
}

type ProverThread = (SyncSender<Question>, Receiver<(ProcessId, bool)>);

impl Prover {
    fn new(lock_file: Identity) -> Prover {
        Prover { lock_file, thread: None, open: 0 }
    }

    /// Passes the question to the thread. Returns false if that is not possible.
    fn ask(&mut self, question: Question) -> bool {
        let lock_file = self.lock_file;
        let thread = self.thread.get_or_insert_with(|| start(lock_file));
        let is_asked = thread.as_ref().is_some_and(|(questions, _)| questions.try_send(question).is_ok());
        self.open += usize::from(is_asked);
        is_asked
    }

    fn has_questions(&self) -> bool {
        self.open > 0
    }

    fn answer(&mut self, wait: Duration) -> Option<(ProcessId, bool)> {
        let (_, answers) = self.thread.as_ref()?.as_ref()?;
        let answer = answers.recv_timeout(wait).ok()?;
        self.open -= 1;
        Some(answer)
    }
}

fn start(lock_file: Identity) -> Option<ProverThread> {
    if !mappings::are_of_this_namespace() {
        return None;
    }
    let (questions, asked) = sync_channel::<Question>(QUESTIONS);
    let (answer, answers) = sync_channel(2 * QUESTIONS);
    let answer_all = move || {
        for Question { id, pid, pages } in asked {
            let has_lanes = mappings::has_mapped(pid, lock_file, pages).unwrap_or(false);
            if answer.send((id, has_lanes)).is_err() {
                break;
            }
        }
    };
    // Ends when the consumer is dropped. It is not joined: it may be waiting for another process.
    std::thread::Builder::new().name("ringlog-ends".to_owned()).spawn(answer_all).ok()?;
    Some((questions, answers))
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::*;
    use crate::Ring;
    use crate::ring::lock_file::LockFile;
    use crate::shm::layout::pair;

    /// A ring with this process's lane, whose entry then names the id of a process that has nothing to do with it: as a
    /// process of another PID namespace does.
    struct Scene {
        _dir: tempfile::TempDir,
        ring: Ring,
        probe: Probe,
        lock_file: LockFile,
        other: Child,
    }

    fn scene() -> Scene {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let path = dir.path().join("ring");
        let ring =
            Ring::options().size("64KiB").block_bytes(1024).lanes(4).create(path.to_str().unwrap()).unwrap();
        ring.logger().text(crate::Level::INFO, "", "logged").unwrap();
        let lock_file = ring.session().lock_file.clone();
        let probe = lock_file.probe().unwrap();
        let other =
            Command::new("sleep").arg("60").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Scene { _dir: dir, ring, probe, lock_file, other }
    }

    fn end(mut child: Child) {
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_process_with_the_same_number_is_not_taken_for_the_owner() {
        let Scene { _dir, ring, probe, lock_file, other } = scene();
        ring.with_ring(|shared| {
            shared.lane_word(0, lane_entry::PID_TID).store(pair(other.id(), other.id()), Ordering::Release);
            let mut watch = ProcessWatch::new(shared, lock_file.identity());
            for _ in 0..3 {
                watch.look(shared, &probe, |_| false);
            }
            let watched = &watch.watched[&(0, 1)];
            assert!(matches!(watched.proof, Proof::Failed(_) | Proof::Asked(_)), "{watched:?}");
            end(other);
            assert_eq!(watch.cause((0, 1)), Some(ExitCause::Unknown));
        });
    }

    #[test]
    fn two_owners_with_the_same_number_are_not_told_apart() {
        let Scene { _dir, ring, lock_file, other, .. } = scene();
        ring.with_ring(|shared| {
            let own = std::process::id();
            assert!(is_only_one(shared, (0, 1), own));
            // The lane after the thread's: another process lane that names it.
            let state = shared.lane_state(0);
            shared.lane_word(2, lane_entry::STATE).store(state.word(), Ordering::Release);
            shared.lane_word(2, lane_entry::PID_TID).store(pair(own, own), Ordering::Release);
            assert!(!is_only_one(shared, (0, 1), own));
            let mut watch = ProcessWatch::new(shared, lock_file.identity());
            let process = PidFd::open(own).unwrap();
            watch.watched.insert((0, 1), Watched { process, proof: Proof::Asked(0) });
            watch.take_answer(shared, ((0, 1), true));
            assert_eq!(watch.watched[&(0, 1)].proof, Proof::Failed(0));
            end(other);
        });
    }

    #[test]
    fn a_process_that_closes_its_lane_is_forgotten() {
        let Scene { _dir, ring, probe, lock_file, other } = scene();
        ring.with_ring(|shared| {
            shared.lane_word(0, lane_entry::PID_TID).store(pair(other.id(), other.id()), Ordering::Release);
            let mut watch = ProcessWatch::new(shared, lock_file.identity());
            watch.look(shared, &probe, |_| false);
            assert_eq!(watch.watched.len(), 1);
            let state = crate::shm::lane_entry::LaneState { open: false, ..shared.lane_state(0) };
            shared.lane_word(0, lane_entry::STATE).store(state.word(), Ordering::Release);
            watch.look(shared, &probe, |process| process == (0, 1));
            assert_eq!(watch.watched.len(), 1, "its end is to be reported");
            watch.look(shared, &probe, |_| false);
            assert_eq!(watch.watched.len(), 0);
            end(other);
        });
    }
}
