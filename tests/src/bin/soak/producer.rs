//! A producing process: threads that log in bursts, come and go, and forks on request.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use ringlog::reader::Observer;
use ringlog::{Error, Logger, Overflow, PushError, Ring};
use ringlog_testkit::{Random, fork_child};

use crate::ledger::{Identity, Ledger};
use crate::record;

/// How often the process checks for requests.
const LOOK: Duration = Duration::from_millis(1);
/// Longest burst of calls without a pause between them, and longest pause after it.
const BURST_MAX: u64 = 250;
const PAUSE_MAX_US: u64 = 60_000;

/// The options of a producing process.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) ring: PathBuf,
    pub(crate) ledger: PathBuf,
    pub(crate) life: u32,
    pub(crate) seed: u64,
    /// How many different definitions it may use.
    pub(crate) sites: u64,
}

impl Order {
    pub(crate) fn arguments(&self) -> Vec<String> {
        let Order { ring, ledger, life, seed, sites } = self;
        let paths = [ring, ledger].map(|path| path.display().to_string());
        let numbers = [life.to_string(), seed.to_string(), sites.to_string()];
        paths.into_iter().chain(numbers).collect()
    }

    pub(crate) fn parse(arguments: &[String]) -> Option<Order> {
        let [ring, ledger, life, seed, sites] = arguments else { return None };
        Some(Order {
            ring: ring.into(),
            ledger: ledger.into(),
            life: life.parse().ok()?,
            seed: seed.parse().ok()?,
            sites: sites.parse().ok()?,
        })
    }
}

/// The state that all threads of a process share.
#[derive(Clone)]
struct Speaker {
    ring: Ring,
    ledger: Arc<Ledger>,
    sites: u64,
}

/// Runs the process. Ends when it is asked to, and panics if a call breaks its promise.
pub(crate) fn run(order: &Order) {
    let name = order.ring.to_str().unwrap();
    let speaker = Speaker {
        ring: Ring::open(name).unwrap(),
        ledger: Arc::new(Ledger::open(&order.ledger, order.life)),
        sites: order.sites,
    };
    record::prepare();
    let mut random = Random::new(order.seed);
    let threads = 1 + random.below(3) as usize;
    let mut running = Vec::new();
    let mut children = Vec::new();
    let (mut forks, mut kills) = (0, 0);
    while !speaker.ledger.is_asked_to_end() {
        running.retain(|thread: &std::thread::JoinHandle<()>| !thread.is_finished());
        while running.len() < threads
            && let Some(voice) = speaker.ledger.new_voice()
        {
            let (speaker, seed) = (speaker.clone(), random.below(u64::MAX));
            running.push(std::thread::spawn(move || speaker.speak(voice, Random::new(seed), u64::MAX)));
        }
        let (forks_asked, kills_asked) = speaker.ledger.asked();
        while forks < forks_asked {
            forks += 1;
            children.push(fork(&speaker, &mut random));
        }
        // A kill that finds no child waits for the next one.
        if kills < kills_asked && kill_youngest(&children) {
            kills += 1;
            speaker.ledger.count_child_kill();
        }
        children.retain(|child| !has_ended(*child, Some(WaitPidFlag::WNOHANG)));
        std::thread::sleep(LOOK);
    }
    running.into_iter().for_each(|thread| thread.join().unwrap());
    children.into_iter().for_each(|child| assert!(has_ended(child, None)));
}

/// A child has not been waited for, so the number is still its.
fn kill_youngest(children: &[Pid]) -> bool {
    children.last().is_some_and(|child| kill(*child, Signal::SIGKILL).is_ok())
}

/// Waits for a child, which must end by itself or by SIGKILL.
fn has_ended(child: Pid, flags: Option<WaitPidFlag>) -> bool {
    match waitpid(child, flags) {
        Ok(WaitStatus::StillAlive) => false,
        Ok(WaitStatus::Exited(_, 0) | WaitStatus::Signaled(_, Signal::SIGKILL, _)) => true,
        other => panic!("a forked child ended with {other:?}"),
    }
}

/// Forks a child that logs for a while and ends without destructors; or does nothing but drop what it
/// has inherited and end in the orderly way; or forks once more in the middle of its logging.
fn fork(speaker: &Speaker, random: &mut Random) -> Pid {
    let (kind, seed) = (random.below(4), random.below(u64::MAX));
    speaker.ledger.count_fork();
    fork_child(|| {
        let mut random = Random::new(seed);
        if kind == 0 {
            drop(speaker.ring.clone());
            std::process::exit(0);
        }
        let Some(voice) = speaker.ledger.new_voice() else { return };
        let bursts = 1 + random.below(20);
        if kind == 1 {
            let grandchild = fork_child(|| {
                if let Some(voice) = speaker.ledger.new_voice() {
                    speaker.speak(voice, Random::new(seed ^ 1), bursts);
                }
            });
            speaker.speak(voice, random, bursts);
            assert!(has_ended(grandchild, None));
        } else {
            speaker.speak(voice, random, bursts);
        }
    })
}

impl Speaker {
    /// Logs in bursts, at most so many, until the thread has had enough or the process is to end.
    fn speak(&self, voice: u32, mut random: Random, bursts_max: u64) {
        let overflow = [None, Some(Overflow::Drop), Some(Overflow::Block(Duration::from_millis(300)))];
        let log = match overflow[random.below(3) as usize] {
            Some(overflow) => self.ring.logger().with_overflow(overflow),
            None => self.ring.logger(),
        };
        if !self.open_lane(&log, voice) {
            return;
        }
        let long_every = [0, 200, 40, 7][random.below(4) as usize];
        let id = self.ledger.id(voice);
        let (mut call, mut refused) = (0, 0);
        for _ in 0..bursts_max.min(1 + random.below(200)) {
            for _ in 0..1 + random.below(BURST_MAX) {
                self.ledger.begin(voice, call + 1);
                match record::push(&log, id, call, long_every, self.sites) {
                    Ok(()) => {}
                    Err(PushError::Full) => refused += 1,
                    Err(other) => panic!("call {call} of voice {voice}: {other}"),
                }
                call += 1;
                self.ledger.finish(voice, call, refused);
                // Not only between bursts: each call may have to wait.
                if self.ledger.is_asked_to_end() {
                    return;
                }
            }
            if random.below(20) == 0 {
                // The writer may have ended or be stopped, so this may time out.
                let _ = log.flush(Duration::from_millis(5));
            }
            std::thread::sleep(Duration::from_micros(random.below(PAUSE_MAX_US)));
        }
    }

    /// Waits for a lane, and notes its owner; false if the process ends before there is one.
    fn open_lane(&self, log: &Logger, voice: u32) -> bool {
        loop {
            match log.open_lane() {
                Ok(()) => break,
                Err(Error::LanesExhausted { .. }) if self.ledger.is_asked_to_end() => return false,
                Err(Error::LanesExhausted { .. }) => std::thread::sleep(5 * LOOK),
                Err(other) => panic!("{other}"),
            }
        }
        self.ledger.introduce(voice, identity(self.ring.path()));
        true
    }
}

/// This thread's lane, as any process can read it from the ring.
fn identity(ring: &Path) -> Identity {
    let (pid, tid) = (std::process::id(), nix::unistd::gettid().as_raw() as u32);
    let stat = Observer::open(ring.to_str().unwrap()).unwrap().stat().unwrap();
    let mine = |lane: &&ringlog::reader::LaneStat| {
        lane.alive && !lane.is_process && (lane.pid, lane.tid) == (pid, tid)
    };
    let lane = stat.lanes.iter().find(mine).expect("the lane was opened by this thread just now");
    Identity { pid, tid, lane: lane.lane, incarnation: lane.incarnation }
}
