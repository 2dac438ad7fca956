//! A traced child that a test leads through a piece of work, one instruction after the other.

#![allow(unsafe_code)]

use std::collections::{BTreeSet, HashMap, HashSet};
use std::mem::offset_of;
use std::ops::Range;
use std::os::unix::process::CommandExt;
use std::process::Command;

use libc::user_regs_struct;
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::{Child, Random};

/// Where a process that is traced says that the piece of work begins or ends. Kills one that is not.
#[inline(never)]
pub fn marker() {
    // SAFETY: traps to the tracer, which leaves everything as it was.
    unsafe { std::arch::asm!("int3", options(nomem, nostack)) };
}

/// A traced child. It stands still between the calls, and dies with its tracer, which is the thread that
/// has started it.
#[derive(Debug)]
pub struct Stepped {
    child: Child,
    pid: Pid,
    /// The address of the marker's instruction.
    marker: u64,
    /// Where the program's own instructions lie, those of its libraries not among them.
    program: Range<u64>,
}

impl Stepped {
    /// Starts the program, a role of the helper process, and lets it run over its first marker.
    pub fn start(program: &str, arguments: &[&str]) -> Stepped {
        stay_on_this_processor();
        let mut command = Command::new(program);
        command.args(arguments);
        // SAFETY: PTRACE_TRACEME is all that happens between fork and exec.
        unsafe { command.pre_exec(|| ptrace::traceme().map_err(Into::into)) };
        let mut child = Child::start(&mut command);
        let pid = Pid::from_raw(child.id() as i32);
        assert_eq!(waitpid(pid, None), Ok(WaitStatus::Stopped(pid, Signal::SIGTRAP)), "its exec");
        ptrace::setoptions(pid, ptrace::Options::PTRACE_O_EXITKILL).unwrap();
        child.go();
        let mut stepped = Stepped { child, pid, marker: 0, program: 0..0 };
        stepped.run_over_marker();
        // The trap comes after its instruction of one byte.
        stepped.marker = stepped.instruction() - 1;
        stepped.program = mapping_of(pid, stepped.marker);
        stepped.child.wait_ready();
        stepped
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Lets it run to the next marker and over it.
    pub fn run_over_marker(&mut self) {
        self.resume(None);
    }

    /// Whether its next instruction is a marker's.
    pub fn is_at_marker(&self) -> bool {
        self.instruction() == self.marker
    }

    /// Whether its next instruction is one of the program's own rather than of a library or the kernel's
    /// page of calls.
    pub fn is_in_program(&self) -> bool {
        self.program.contains(&self.instruction())
    }

    /// Whether its next instruction is a system call.
    pub fn is_at_system_call(&self) -> bool {
        let code = ptrace::read(self.pid, self.instruction() as ptrace::AddressType).unwrap();
        code & 0xffff == 0x050f
    }

    /// Lets it do one instruction; a system call counts as one.
    pub fn step(&mut self) {
        ptrace::step(self.pid, None).unwrap();
        self.wait_for_trap();
    }

    /// Steps it from here to the next marker and writes down the way; `after_each` is called where it
    /// stands and after each instruction.
    pub fn follow(&mut self, mut after_each: impl FnMut(&mut Stepped)) -> Path {
        let mut places = Vec::new();
        loop {
            after_each(self);
            if self.is_at_marker() {
                return Path::new(places);
            }
            places.push(self.place());
            self.step();
        }
    }

    /// The same, telling also after how many instructions the bytes of this file have just changed.
    pub fn follow_changes(&mut self, file: &str) -> (Path, Vec<usize>) {
        let (mut changes, mut done) = (Vec::new(), 0);
        let mut before = std::fs::read(file).unwrap();
        let path = self.follow(|_| {
            let now = std::fs::read(file).unwrap();
            if now != before {
                changes.push(done);
                before = now;
            }
            done += 1;
        });
        (path, changes)
    }

    /// Goes through three rounds and returns the shortest way, with the changes: it is longer where it leads
    /// past a new anchor, which falls due every 100 ms. `drain` makes room before each.
    pub fn follow_rounds(&mut self, file: &str, mut drain: impl FnMut()) -> (Path, Vec<usize>) {
        let ways = (0..3).map(|_| {
            drain();
            self.begin_round();
            self.follow_changes(file)
        });
        ways.min_by_key(|(path, _)| path.len()).unwrap()
    }

    /// Lets it end this round of its work and run to where the next one begins.
    pub fn begin_round(&mut self) {
        (0..2).for_each(|_| self.run_over_marker());
    }

    /// Brings it from the beginning of this path to where it has done `count` instructions of it. Returns
    /// whether it is there: it may have taken another way, or have come to the marker.
    pub fn go_along(&mut self, path: &Path, count: usize) -> bool {
        let landmark = path.landmarks[count.min(path.len())];
        if let Some(Landmark { place, times, .. }) = landmark
            && !(0..times).all(|time| self.run_to(place.wrapping_add(self.marker), time > 0))
        {
            return false;
        }
        let done = landmark.map_or(0, |landmark| landmark.at);
        for _ in done..count {
            if self.is_at_marker() {
                return false;
            }
            self.step();
        }
        match path.places.get(count) {
            Some(place) => self.place() == *place,
            None => self.is_at_marker(),
        }
    }

    /// Sends it a signal whose handler ends with a marker, and lets it run over that.
    pub fn signal(&mut self, signal: Signal) {
        self.resume(Some(signal));
    }

    /// The same, and back to the very instruction where it stands.
    pub fn interrupt(&mut self, signal: Signal) {
        let place = self.instruction();
        self.signal(signal);
        // All that the handler still does is to return from the signal. Stops before that and after it.
        for _ in 0..2 {
            ptrace::syscall(self.pid, None).unwrap();
            self.wait_for_trap();
        }
        assert_eq!(self.instruction(), place);
    }

    /// Kills it and waits until it is gone.
    pub fn kill(&mut self) {
        self.child.kill();
    }

    /// Lets it, or children that it leaves behind, see the end of its input.
    pub fn release(&mut self) {
        self.child.release();
    }

    /// Lets it go on untraced, and waits until it has ended by itself, which it has to do without an
    /// error. Returns the numbers that it printed.
    pub fn finish(mut self) -> Vec<u64> {
        ptrace::detach(self.pid, None).unwrap();
        self.child.finish()
    }

    fn instruction(&self) -> u64 {
        let rip = offset_of!(user_regs_struct, rip) as ptrace::AddressType;
        ptrace::read_user(self.pid, rip).unwrap() as u64
    }

    /// Its next instruction, seen from the marker, if it is one of the program's own.
    fn place(&self) -> Option<u64> {
        let at = self.instruction();
        self.program.contains(&at).then(|| at.wrapping_sub(self.marker))
    }

    /// Lets it run to this instruction, once more if it stands there; false if it came to a marker before.
    fn run_to(&mut self, address: u64, once_more: bool) -> bool {
        if once_more {
            self.step();
        }
        let at = address as ptrace::AddressType;
        let code = ptrace::read(self.pid, at).unwrap();
        ptrace::write(self.pid, at, code & !0xff | TRAP).unwrap();
        self.resume(None);
        ptrace::write(self.pid, at, code).unwrap();
        // A trap comes after its instruction.
        let stands_at = self.instruction() - 1;
        let rip = offset_of!(user_regs_struct, rip) as ptrace::AddressType;
        ptrace::write_user(self.pid, rip, stands_at as i64).unwrap();
        stands_at == address
    }

    fn resume(&mut self, signal: Option<Signal>) {
        ptrace::cont(self.pid, signal).unwrap();
        self.wait_for_trap();
    }

    fn wait_for_trap(&mut self) {
        assert_eq!(waitpid(self.pid, None), Ok(WaitStatus::Stopped(self.pid, Signal::SIGTRAP)));
    }
}

/// The instruction `int3`.
const TRAP: i64 = 0xcc;

/// The way that a child has taken from one marker to the next.
#[derive(Debug)]
pub struct Path {
    /// Each instruction's place as seen from the marker's, which is the same in every process; `None` in
    /// a library.
    places: Vec<Option<u64>>,
    /// For each number of instructions the landmark from which it is reached with the fewest stops.
    landmarks: Vec<Option<Landmark>>,
}

/// A point of a path that breakpoints lead to.
#[derive(Clone, Copy, Debug)]
struct Landmark {
    /// Instructions up to there.
    at: usize,
    place: u64,
    /// How many times the way comes by the place, this time included.
    times: u32,
}

impl Landmark {
    /// Stops on the way to `count` instructions by this landmark: two at each breakpoint.
    fn stops(&self, count: usize) -> usize {
        2 * self.times as usize + count - self.at
    }
}

impl Path {
    fn new(places: Vec<Option<u64>>) -> Path {
        let mut times = HashMap::<u64, u32>::new();
        let mut best: Option<Landmark> = None;
        let mut landmarks = Vec::new();
        for (at, place) in places.iter().enumerate() {
            if let Some(place) = *place {
                let times = times.entry(place).or_default();
                *times += 1;
                let here = Landmark { at, place, times: *times };
                if here.stops(at) < best.map_or(at, |best| best.stops(at)) {
                    best = Some(here);
                }
            }
            landmarks.push(best);
        }
        landmarks.push(best);
        Path { places, landmarks }
    }

    /// How many instructions it has.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Numbers of instructions after which to do something: all of a short way; of a long one those in
    /// `changes`, which change the ring, with their neighbours, and a sample of the others.
    pub fn sample(&self, changes: &[usize]) -> Vec<usize> {
        let mut random = Random::new(7);
        self.choose(changes, (0..60).map(|_| random.below(self.len() as u64) as usize))
    }

    /// The same, with those at which a long way, which goes round in loops, comes by a place of the program
    /// for the first time instead of the sample.
    pub fn each_place(&self, changes: &[usize]) -> Vec<usize> {
        let mut seen = HashSet::new();
        let is_new = |at: &usize| self.places[*at].is_some_and(|place| seen.insert(place));
        self.choose(changes, (0..self.len()).filter(is_new))
    }

    fn choose(&self, changes: &[usize], others: impl Iterator<Item = usize>) -> Vec<usize> {
        const SHORT: usize = 1_000;
        let all = self.len();
        if all <= SHORT {
            return (0..=all).collect();
        }
        let near = changes.iter().flat_map(|at| [at - 1, *at, (at + 1).min(all)]);
        let chosen: BTreeSet<usize> = near.chain(others).chain([0, all]).collect();
        chosen.into_iter().collect()
    }
}

/// Keeps this thread, and the children that it starts from now on, on the processor where it runs: a step
/// then is a switch between two processes, not a message to another processor, which takes four times as
/// long.
pub(crate) fn stay_on_this_processor() {
    // SAFETY: a set of processors is valid when zero; the rest are calls with a local.
    unsafe {
        let mut here: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(libc::sched_getcpu() as usize, &mut here);
        // A failure costs time only.
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const here);
    }
}

/// The mapping of the process that has this address.
fn mapping_of(pid: Pid, address: u64) -> Range<u64> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let mut ranges = maps.lines().map(|line| {
        let (from, rest) = line.split_once('-').unwrap();
        let number = |text| u64::from_str_radix(text, 16).unwrap();
        number(from)..number(rest.split_once(' ').unwrap().0)
    });
    ranges.find(|range| range.contains(&address)).unwrap()
}
