//! How another process ended, as the kernel tells through a descriptor of it.
//!
//! A process that has ended stays in the process table until its parent waits for it; until then
//! `/proc/PID/stat` shows its status. Afterwards the descriptor tells it, since Linux 6.15.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, FromRawFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit};

use crate::os::file::Identity;

/// A descriptor of a process. It stands for that process, also when the process id belongs to another one.
///
/// A program may close descriptors that it does not know. The number may then belong to another file, so the descriptor
/// is looked at before it is used or closed.
#[derive(Debug)]
pub(crate) struct PidFd {
    file: ManuallyDrop<File>,
    identity: Identity,
    pid: u32,
}

/// What is known of a process whose memory is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HowEnded {
    /// It has ended: its status as `wait` returns it.
    Status(i32),
    /// It goes on with another program.
    Exec,
    /// It is ending.
    NotYet,
    /// The kernel does not tell.
    Unknown,
}

/// The descriptors of processes that this process has open.
static OPEN: AtomicU64 = AtomicU64::new(0);

impl PidFd {
    /// Opens a descriptor of the process with this id. Refused with [`Errno::EMFILE`] where half of the descriptors
    /// that this process may have are of processes: files have to be opened too.
    pub(crate) fn open(pid: u32) -> io::Result<PidFd> {
        static LIMIT: OnceLock<u64> = OnceLock::new();
        let limit = *LIMIT.get_or_init(|| getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft / 2));
        if OPEN.load(Ordering::Relaxed) >= limit {
            return Err(Errno::EMFILE.into());
        }
        // SAFETY: takes two numbers, and returns a new descriptor with the close-on-exec flag, or -1.
        let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
        let fd = i32::try_from(fd).map_err(|_| Errno::EBADF)?;
        // SAFETY: made just now, and owned by nothing else.
        let file = unsafe { File::from_raw_fd(fd) };
        let identity = Identity::of(&file.metadata()?);
        OPEN.fetch_add(1, Ordering::Relaxed);
        Ok(PidFd { file: ManuallyDrop::new(file), identity, pid })
    }

    /// The process id by which it was opened.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether the process has not been waited for. Until then no other process gets its id.
    pub(crate) fn has_id(&self) -> bool {
        let signal_none = || {
            let (fd, info) = (self.file.as_raw_fd(), std::ptr::null::<libc::siginfo_t>());
            // SAFETY: signal 0 is not sent; it only checks whether it could be.
            Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, 0, info, 0) })
        };
        self.is_ours() && matches!(signal_none(), Ok(_) | Err(Errno::EPERM)) && self.is_ours()
    }

    /// How the process ended. The caller has proved that its memory is gone.
    pub(crate) fn how_ended(&self) -> HowEnded {
        if !self.is_ours() {
            return HowEnded::Unknown;
        }
        let found = match self.exit_info() {
            Some(status) => HowEnded::Status(status),
            None => self.look_at_table(),
        };
        if self.is_ours() { found } else { HowEnded::Unknown }
    }

    /// What the process table shows, if that is still of this process.
    fn look_at_table(&self) -> HowEnded {
        let stat = std::fs::read(format!("/proc/{}/stat", self.pid));
        // Without this permission the table shows 0 in place of a status.
        let may_see = std::fs::read_link(format!("/proc/{}/ns/pid", self.pid)).is_ok();
        if !self.has_id() {
            // Its parent has waited for it in the meantime.
            return self.exit_info().map_or(HowEnded::Unknown, HowEnded::Status);
        }
        match stat.ok().and_then(|stat| TableEntry::parse(&stat)) {
            Some(TableEntry { has_ended: true, status, .. }) if may_see => HowEnded::Status(status),
            Some(TableEntry { has_ended: false, has_memory: true, .. }) => HowEnded::Exec,
            _ => HowEnded::NotYet,
        }
    }

    /// The status of a process that has been waited for; `None` before, and if the kernel does not tell.
    fn exit_info(&self) -> Option<i32> {
        // SAFETY: all zero is a valid value of this plain C struct.
        let mut info: libc::pidfd_info = unsafe { std::mem::zeroed() };
        info.mask = libc::PIDFD_INFO_EXIT.into();
        // SAFETY: a struct of the size that the request's number names, which the kernel fills in.
        let answer = unsafe { libc::ioctl(self.file.as_raw_fd(), libc::PIDFD_GET_INFO, &raw mut info) };
        let has_status = answer == 0 && info.mask & u64::from(libc::PIDFD_INFO_EXIT) != 0;
        has_status.then_some(info.exit_code)
    }

    fn is_ours(&self) -> bool {
        self.identity.is_of(&self.file)
    }
}

impl Drop for PidFd {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
        if self.is_ours() {
            // SAFETY: dropped once, here.
            unsafe { ManuallyDrop::drop(&mut self.file) };
        }
    }
}

/// A process's line in `/proc/PID/stat`.
struct TableEntry {
    has_ended: bool,
    has_memory: bool,
    status: i32,
}

impl TableEntry {
    /// Reads the fields behind the name, which may contain any byte.
    fn parse(stat: &[u8]) -> Option<TableEntry> {
        let end = stat.iter().rposition(|byte| *byte == b')')?;
        let fields: Vec<&str> = str::from_utf8(&stat[end + 1..]).ok()?.split_ascii_whitespace().collect();
        // The state is field 3, the size of the memory field 23, the status field 52: the last one.
        let field = |number: usize| fields.get(number - 3).copied();
        Some(TableEntry {
            has_ended: matches!(field(3)?, "Z" | "X"),
            has_memory: field(23)? != "0",
            status: field(52)?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
    use std::process::{Child, Command};

    use super::*;

    fn start(script: &str) -> Child {
        Command::new("sh").args(["-c", script]).spawn().unwrap()
    }

    /// Waits until the process has ended, without waiting for it as its parent does.
    fn ended(child: &Child) -> PidFd {
        let process = PidFd::open(child.id()).unwrap();
        // SAFETY: all zero is a valid value of this plain C struct.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: the child's id, and a struct, which the kernel fills in.
        let waited =
            unsafe { libc::waitid(libc::P_PID, child.id(), &raw mut info, libc::WEXITED | libc::WNOWAIT) };
        assert_eq!(waited, 0);
        process
    }

    #[test]
    fn a_status_is_known_before_and_after_the_parent_waits() {
        for (script, status) in [("exit 0", 0), ("exit 3", 3 << 8), ("kill -9 $$", 9), ("kill -15 $$", 15)] {
            let mut child = start(script);
            let process = ended(&child);
            assert!(process.has_id());
            assert_eq!(process.how_ended(), HowEnded::Status(status), "{script}");
            child.wait().unwrap();
            assert!(!process.has_id());
            let after = process.how_ended();
            assert!([HowEnded::Status(status), HowEnded::Unknown].contains(&after), "{script}: {after:?}");
        }
    }

    #[test]
    fn a_process_that_lives_has_memory() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let process = PidFd::open(child.id()).unwrap();
        assert_eq!(process.how_ended(), HowEnded::Exec);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_descriptor_that_is_another_s_tells_nothing() {
        let mut child = start("exit 0");
        let process = ended(&child);
        let number = process.file.as_raw_fd();
        let other = File::open("/dev/null").unwrap();
        // SAFETY: two open descriptors; the value copes with the loss of its own.
        assert_eq!(unsafe { libc::dup2(other.as_raw_fd(), number) }, number);
        // SAFETY: made just now.
        let replaced = unsafe { OwnedFd::from_raw_fd(number) };
        assert_eq!(process.how_ended(), HowEnded::Unknown);
        assert!(!process.has_id());
        drop(process);
        assert!(File::from(replaced).metadata().is_ok(), "it is still open");
        child.wait().unwrap();
    }

    #[test]
    fn a_name_may_contain_any_byte() {
        let fields = |state: &str, memory: u64, status: i32| {
            let zeros = |count| " 0".repeat(count);
            format!("7 (a) R (b\n) {state}{} {memory}{} {status}\n", zeros(19), zeros(28))
        };
        let parsed =
            |text: &str| TableEntry::parse(text.as_bytes()).map(|e| (e.has_ended, e.has_memory, e.status));
        assert_eq!(parsed(&fields("Z", 0, 9)), Some((true, false, 9)));
        assert_eq!(parsed(&fields("S", 4096, 0)), Some((false, true, 0)));
        assert_eq!(parsed("7 (a) Z 1"), None);
        assert_eq!(parsed(""), None);
    }
}
