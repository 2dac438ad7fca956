//! A producing process from its start to the end of the last of its children.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::ledger::Ledger;
use crate::patience::Patience;
use crate::process::Process;
use crate::producer::Order;

/// A process, its ledger, and the children that may outlive it.
pub(crate) struct Life {
    pub(crate) number: u32,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) process: Process,
    asked_to_end: Option<Patience>,
    /// Children that lost their parent and went on.
    pub(crate) orphans: u64,
}

/// The state of a life.
pub(crate) enum Stage {
    Running,
    /// All its processes have ended.
    Ended,
    /// A process has ended in the wrong way.
    Wrong(String),
}

impl Life {
    pub(crate) fn start(arena: &str, order: &Order, ledger: Arc<Ledger>, dir: &Path) -> Life {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("produce").args(order.arguments());
        let process =
            Process::start(format!("{arena}-producer-{}", order.life), &mut command, Stdio::null(), dir)
                .quiet();
        Life { number: order.life, ledger, process, asked_to_end: None, orphans: 0 }
    }

    pub(crate) fn ask_to_end(&mut self) {
        self.asked_to_end.get_or_insert_with(Patience::new);
        self.ledger.ask_to_end();
    }

    /// Kills its remaining processes.
    pub(crate) fn kill(&mut self) {
        self.process.kill(true);
        let _ = self.process.wait();
        let group = Pid::from_raw(self.process.id() as i32);
        // While the group has children of this process, its number is not reused.
        while let Ok(status) = waitpid(Pid::from_raw(-group.as_raw()), Some(WaitPidFlag::WNOHANG)) {
            if status == WaitStatus::StillAlive {
                let _ = killpg(group, Signal::SIGKILL);
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// Checks whether it has ended. Its children are in its process group, and become children of this process when
    /// it is dead. While there are any, the group's number is not reused.
    pub(crate) fn look(&mut self) -> Stage {
        let is_overdue = self.asked_to_end.as_mut().is_some_and(Patience::is_over);
        match self.process.poll() {
            None if is_overdue => self.wrong("does not end, though it was asked to"),
            None => Stage::Running,
            Some(Err(wrong)) => Stage::Wrong(wrong),
            Some(Ok(())) => self.look_at_orphans(is_overdue),
        }
    }

    fn look_at_orphans(&mut self, is_overdue: bool) -> Stage {
        let group = Pid::from_raw(-(self.process.id() as i32));
        loop {
            match waitpid(group, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) if is_overdue => {
                    return self.wrong("has left a child that does not end, though it was asked to");
                }
                Ok(WaitStatus::StillAlive) => return Stage::Running,
                Ok(WaitStatus::Exited(_, 0)) => self.orphans += 1,
                Ok(WaitStatus::Signaled(_, Signal::SIGKILL, _)) => {}
                Err(Errno::ECHILD) => return Stage::Ended,
                other => return self.wrong(&format!("has left a child that ended with {other:?}")),
            }
        }
    }

    fn wrong(&self, what: &str) -> Stage {
        let Life { process, .. } = self;
        Stage::Wrong(format!(
            "{} (pid {}) {what}; its standard error: {:?}",
            process.what(),
            process.id(),
            process.said()
        ))
    }
}
