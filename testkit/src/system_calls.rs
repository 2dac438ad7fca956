//! Tracing of system calls on files: a test decides at each what becomes of it.

#![allow(unsafe_code)]

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use libc::user_regs_struct;
use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::Random;
use crate::stepper::stay_on_this_processor;

/// A program that takes longer, traced and on a busy machine, will never end.
const ENDLESS: Duration = Duration::from_secs(120);

/// A system call that can change files, or say how they are locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its number among the calls of the program, from 0 on.
    pub number: usize,
    /// Its name.
    pub name: &'static str,
    /// The file that it is about.
    pub path: PathBuf,
    /// How many bytes are to be written; 0 where none are.
    pub len: u64,
}

/// What becomes of a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is done.
    Done,
    /// The program is killed before it.
    KilledBefore,
    /// The program is killed after it.
    KilledAfter,
    /// Only so many of the bytes are written, and then the program is killed.
    Torn(u64),
    /// Only so many of the bytes are written, and the program sees the short count.
    Short(u64),
    /// It does nothing and returns this error.
    Fails(Errno),
    /// It does not return, as on a disk that does not answer. Only its thread waits.
    Held,
    /// It is done, and those that are held are done too.
    Releases,
}

/// A call at which a program is killed, and perhaps one at which the next one is.
#[derive(Clone, Debug)]
pub struct Kill {
    /// The call.
    pub call: Call,
    /// Before or after it.
    pub fate: Fate,
    /// The number of the next one's call, where that is killed too.
    pub again: Option<usize>,
}

impl Kill {
    /// Before and after each of these calls; in a third of the cases, chosen by the seed, with one more.
    pub fn at_every_call(calls: &[Call], seed: u64) -> Vec<Kill> {
        let mut random = Random::new(seed);
        let fates = [Fate::KilledBefore, Fate::KilledAfter];
        let all = calls.iter().flat_map(|call| fates.map(|fate| (call.clone(), fate)));
        all.map(|(call, fate)| {
            let again = (random.below(3) == 0).then(|| random.below(calls.len() as u64) as usize);
            Kill { call, fate, again }
        })
        .collect()
    }
}

/// How a program has ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status; `None` if it was killed as decided.
    pub status: Option<ExitStatus>,
    /// The calls that were decided about.
    pub calls: Vec<Call>,
}

/// The calls that matter: name, and which argument is a path, or −1 where the first is a descriptor.
const CALLS: [(i64, &str, i32); 23] = [
    (libc::SYS_open, "open", 0),
    (libc::SYS_openat, "openat", 1),
    (libc::SYS_write, "write", -1),
    (libc::SYS_pwrite64, "pwrite64", -1),
    (libc::SYS_writev, "writev", -1),
    (libc::SYS_ftruncate, "ftruncate", -1),
    (libc::SYS_fallocate, "fallocate", -1),
    (libc::SYS_rename, "rename", 0),
    (libc::SYS_renameat, "renameat", 1),
    (libc::SYS_renameat2, "renameat2", 1),
    (libc::SYS_unlink, "unlink", 0),
    (libc::SYS_unlinkat, "unlinkat", 1),
    (libc::SYS_link, "link", 0),
    // The new name: the old one may be that of a descriptor.
    (libc::SYS_linkat, "linkat", 3),
    (libc::SYS_fsync, "fsync", -1),
    (libc::SYS_fdatasync, "fdatasync", -1),
    // It drops pages that the kernel takes for written.
    (libc::SYS_fadvise64, "fadvise64", -1),
    (libc::SYS_flock, "flock", -1),
    (libc::SYS_fcntl, "fcntl", -1),
    (libc::SYS_mkdir, "mkdir", 0),
    (libc::SYS_mkdirat, "mkdirat", 1),
    (libc::SYS_copy_file_range, "copy_file_range", -1),
    (libc::SYS_sendfile, "sendfile", -1),
];

/// Runs the program to its end. Asks `decide` at each call of any of its threads that is about a file below `dir`
/// and can change it; its standard streams are none of these.
pub fn run_deciding<D: FnMut(&Call) -> Fate + Send>(command: &mut Command, dir: &Path, decide: D) -> Ended {
    run_deciding_below(command, &[dir.to_owned()], decide)
}

/// The same for the files below several directories. A path that is no directory stands for itself, such as a device.
pub fn run_deciding_below<D: FnMut(&Call) -> Fate + Send>(
    command: &mut Command,
    below: &[PathBuf],
    decide: D,
) -> Ended {
    // Tracing belongs to a thread, and this one must see no other children end.
    let run = || {
        stay_on_this_processor();
        Run::start(command, below, decide).follow()
    };
    std::thread::scope(|scope| scope.spawn(run).join()).unwrap()
}

/// Where a thread of the program stands.
#[derive(Default)]
enum Place {
    #[default]
    Outside,
    /// In a call with this fate; the registers are those before it.
    Decided(Box<user_regs_struct>, Fate),
    /// Before a call that does not begin.
    Held,
}

struct Run<'a, D> {
    pid: Pid,
    below: &'a [PathBuf],
    decide: D,
    places: HashMap<Pid, Place>,
    calls: Vec<Call>,
    is_killed: bool,
    /// Dropped when the program has ended.
    _watch: mpsc::Sender<()>,
}

impl<D: FnMut(&Call) -> Fate> Run<'_, D> {
    fn start<'a>(command: &mut Command, below: &'a [PathBuf], decide: D) -> Run<'a, D> {
        let filter = stop_at_calls();
        // SAFETY: system calls are all that happens between fork and exec.
        unsafe {
            command.pre_exec(move || {
                ptrace::traceme()?;
                install(&filter)
            })
        };
        // The tracer waits itself; the program dies with this thread, should that fail.
        #[expect(clippy::zombie_processes)]
        let process = command.stdin(Stdio::null()).spawn().unwrap();
        let pid = Pid::from_raw(process.id() as i32);
        assert_eq!(waitpid(pid, None), Ok(WaitStatus::Stopped(pid, Signal::SIGTRAP)), "its exec");
        let options = Options::PTRACE_O_EXITKILL
            | Options::PTRACE_O_TRACESYSGOOD
            | Options::PTRACE_O_TRACECLONE
            | Options::PTRACE_O_TRACESECCOMP;
        ptrace::setoptions(pid, options).unwrap();
        ptrace::cont(pid, None).unwrap();
        let (watch, ended) = mpsc::channel();
        std::thread::spawn(move || {
            if ended.recv_timeout(ENDLESS) == Err(RecvTimeoutError::Timeout) {
                eprintln!("the traced program does not end");
                let _ = kill(pid, Signal::SIGKILL);
            }
        });
        let places = HashMap::new();
        Run { pid, below, decide, places, calls: Vec::new(), is_killed: false, _watch: watch }
    }

    fn follow(mut self) -> Ended {
        let status = loop {
            // Any thread of the program, but no child of another thread of this one.
            let event = next_event();
            match event {
                WaitStatus::Exited(pid, code) if pid == self.pid => break ExitStatus::from_raw(code << 8),
                WaitStatus::Signaled(pid, signal, _) if pid == self.pid => {
                    break ExitStatus::from_raw(signal as i32);
                }
                WaitStatus::PtraceEvent(thread, _, libc::PTRACE_EVENT_SECCOMP)
                | WaitStatus::PtraceSyscall(thread) => self.at_system_call(thread),
                // A new thread begins with a stop of its own.
                WaitStatus::Stopped(thread, Signal::SIGSTOP) => self.go_on(thread, None),
                WaitStatus::Stopped(thread, signal) => self.go_on(thread, Some(signal)),
                WaitStatus::PtraceEvent(thread, ..) => self.go_on(thread, None),
                _ => {}
            }
        };
        assert!(self.is_killed || status.signal() != Some(Signal::SIGKILL as i32), "it was not to be killed");
        Ended { status: (!self.is_killed).then_some(status), calls: self.calls }
    }

    fn at_system_call(&mut self, thread: Pid) {
        if self.is_killed {
            return;
        }
        let place = match self.places.remove(&thread).unwrap_or_default() {
            Place::Outside => self.enter(thread),
            Place::Decided(before, fate) => {
                self.leave(thread, &before, fate);
                Place::Outside
            }
            Place::Held => Place::Held,
        };
        if self.is_killed {
            return;
        }
        self.places.insert(thread, place);
        self.go_on(thread, None);
    }

    /// To the end of the call that was decided about, or to the next one that matters. A thread that was killed
    /// meanwhile is reported by its end.
    fn go_on(&self, thread: Pid, signal: Option<Signal>) {
        let _ = match self.places.get(&thread) {
            Some(Place::Decided(..)) => ptrace::syscall(thread, signal),
            Some(Place::Held) => Ok(()),
            Some(Place::Outside) | None => ptrace::cont(thread, signal),
        };
    }

    fn enter(&mut self, thread: Pid) -> Place {
        let Ok(mut registers) = ptrace::getregs(thread) else { return Place::Outside };
        let Some(call) = self.call(thread, &registers) else { return Place::Outside };
        let fate = (self.decide)(&call);
        let before = Box::new(registers);
        match fate {
            Fate::Done | Fate::KilledAfter => {}
            Fate::Held => {
                self.calls.push(call);
                return Place::Held;
            }
            Fate::Releases => self.release(),
            Fate::KilledBefore => self.kill(),
            Fate::Torn(len) | Fate::Short(len) => {
                assert!(matches!(call.name, "write" | "pwrite64") && len <= call.len, "{call:?}");
                registers.rdx = len;
            }
            Fate::Fails(_) => registers.orig_rax = u64::MAX,
        }
        if !self.is_killed && registers != *before {
            ptrace::setregs(thread, registers).unwrap();
        }
        self.calls.push(call);
        Place::Decided(before, fate)
    }

    fn leave(&mut self, thread: Pid, before: &user_regs_struct, fate: Fate) {
        match fate {
            Fate::KilledAfter | Fate::Torn(_) => self.kill(),
            Fate::Short(_) => {
                let mut registers = ptrace::getregs(thread).unwrap();
                registers.rdx = before.rdx;
                ptrace::setregs(thread, registers).unwrap();
            }
            Fate::Fails(errno) => {
                let mut registers = ptrace::getregs(thread).unwrap();
                registers.rax = -(errno as i64) as u64;
                ptrace::setregs(thread, registers).unwrap();
            }
            Fate::Done | Fate::KilledBefore | Fate::Held | Fate::Releases => {}
        }
    }

    /// Lets the threads that are held make their calls.
    fn release(&mut self) {
        for (thread, place) in &mut self.places {
            if matches!(place, Place::Held) {
                *place = Place::Outside;
                let _ = ptrace::cont(*thread, None);
            }
        }
    }

    fn kill(&mut self) {
        self.is_killed = true;
        kill(self.pid, Signal::SIGKILL).unwrap();
    }

    /// What the thread is about to do, if it is to be decided about.
    fn call(&self, thread: Pid, registers: &user_regs_struct) -> Option<Call> {
        let number = registers.orig_rax as i64;
        let (_, name, path_in) = *CALLS.iter().find(|(known, ..)| *known == number)?;
        let arguments = [registers.rdi, registers.rsi, registers.rdx, registers.r10];
        let creates = |flags: u64| flags as i32 & (libc::O_CREAT | libc::O_TRUNC) != 0;
        let locks = [libc::F_SETLK, libc::F_SETLKW, libc::F_OFD_SETLK, libc::F_OFD_SETLKW];
        match name {
            "open" if !creates(registers.rsi) => return None,
            "openat" if !creates(registers.rdx) => return None,
            "fcntl" if !locks.contains(&(registers.rsi as i32)) => return None,
            _ => {}
        }
        let path = match usize::try_from(path_in) {
            Ok(argument) => text_at(thread, arguments[argument])?,
            Err(_) if registers.rdi <= 2 => return None,
            Err(_) => std::fs::read_link(format!("/proc/{thread}/fd/{}", registers.rdi)).ok()?,
        };
        let len = if matches!(name, "write" | "pwrite64") { registers.rdx } else { 0 };
        let is_below = self.below.iter().any(|place| path.starts_with(place));
        is_below.then_some(Call { number: self.calls.len(), name, path, len })
    }
}

/// Whatever happens next to a child of this thread.
fn next_event() -> WaitStatus {
    let mut status = 0;
    // SAFETY: writes the status into a local.
    let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL | libc::__WNOTHREAD) };
    assert!(pid > 0, "{}", Errno::last());
    WaitStatus::from_raw(Pid::from_raw(pid), status).unwrap()
}

/// A filter that stops a traced program at the calls that matter. Without it every call stops twice, and that is
/// most of the time that a run takes.
fn stop_at_calls() -> Vec<libc::sock_filter> {
    let statement = |code: u32, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
    let number = std::mem::offset_of!(libc::seccomp_data, nr) as u32;
    let mut filter = vec![statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, number)];
    for (left, (call, ..)) in (0..CALLS.len() as u8).rev().zip(CALLS) {
        // If it is this one, over those that are left and the return behind them.
        let code = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
        filter.push(libc::sock_filter { code, jt: left + 1, jf: 0, k: call as u32 });
    }
    filter.push(statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW));
    filter.push(statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_TRACE));
    filter
}

/// Puts the filter on this thread, for good.
fn install(filter: &[libc::sock_filter]) -> std::io::Result<()> {
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
    // SAFETY: the kernel reads the program, which outlives the call.
    let done = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) == 0
    };
    if done { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// The text that ends with NUL at an address of the thread's memory.
fn text_at(thread: Pid, address: u64) -> Option<PathBuf> {
    let memory = File::open(format!("/proc/{thread}/mem")).ok()?;
    let mut bytes = [0; 512];
    let count = memory.read_at(&mut bytes, address).ok()?;
    let end = bytes[..count].iter().position(|byte| *byte == 0)?;
    Some(PathBuf::from(std::str::from_utf8(&bytes[..end]).ok()?))
}
