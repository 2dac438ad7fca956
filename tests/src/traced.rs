//! A child that a test leads, instruction by instruction, through what lies between two calls of
//! `getppid`, which nothing else makes.

#![allow(unsafe_code)]

use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::Child;

/// A traced child, standing still. It dies with the test.
#[derive(Debug)]
pub struct Traced {
    _child: Child,
    pid: Pid,
}

impl Traced {
    /// Starts the program, gives it the word to begin, and lets it run over its first marker.
    pub fn start(program: &str, arguments: &[&str]) -> Traced {
        let mut command = Command::new(program);
        command.args(arguments);
        // SAFETY: PTRACE_TRACEME is all that happens between fork and exec.
        unsafe { command.pre_exec(|| ptrace::traceme().map_err(Into::into)) };
        let mut child = Child::start(&mut command);
        child.go();
        let pid = Pid::from_raw(child.id() as i32);
        assert!(matches!(waitpid(pid, None).unwrap(), WaitStatus::Stopped(_, Signal::SIGTRAP)), "its exec");
        ptrace::setoptions(pid, ptrace::Options::PTRACE_O_TRACESYSGOOD | ptrace::Options::PTRACE_O_EXITKILL)
            .unwrap();
        let traced = Traced { _child: child, pid };
        traced.run_over_marker();
        traced
    }

    /// Runs the child to its next call of `getppid`, and over it.
    fn run_over_marker(&self) {
        loop {
            ptrace::syscall(self.pid, None).unwrap();
            assert!(matches!(waitpid(self.pid, None).unwrap(), WaitStatus::PtraceSyscall(_)));
            let number = ptrace::getregs(self.pid).unwrap().orig_rax;
            ptrace::syscall(self.pid, None).unwrap();
            match waitpid(self.pid, None).unwrap() {
                WaitStatus::PtraceSyscall(_) if number == libc::SYS_getppid as u64 => return,
                WaitStatus::PtraceSyscall(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Lets the child do one instruction; false if its next one is the second marker.
    pub fn step(&self) -> bool {
        let registers = ptrace::getregs(self.pid).unwrap();
        if registers.rax == libc::SYS_getppid as u64 {
            let code = ptrace::read(self.pid, registers.rip as ptrace::AddressType).unwrap();
            if code & 0xffff == 0x050f {
                return false;
            }
        }
        ptrace::step(self.pid, None).unwrap();
        assert!(matches!(waitpid(self.pid, None).unwrap(), WaitStatus::Stopped(_, Signal::SIGTRAP)));
        true
    }
}
