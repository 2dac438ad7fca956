//! Children in PID and mount namespaces of their own.

#![allow(unsafe_code)]

use std::ffi::CString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::Child;

/// The mount point of the directory in such a child.
const MOUNTED_AT: &str = "/mnt";

/// Starts the helper in one of its roles in new PID and mount namespaces, where `dir` is mounted at
/// another place and `/dev/shm` is not there. Its process id is `pid`, as it sees it. `None`, and a
/// message, where that is not permitted.
pub fn in_namespaces(program: &str, role: &str, dir: &Path, pid: u32, arguments: &[&str]) -> Option<Child> {
    let mut command = Command::new(program);
    command.args([role, &format!("{MOUNTED_AT}/ring")]).args(arguments);
    let dir = CString::new(dir.to_str().unwrap()).unwrap();
    let last_pid = format!("{}", pid - 1);
    // SAFETY: system calls only, on what was made before the fork.
    unsafe { command.pre_exec(move || isolate(&dir, last_pid.as_bytes())) };
    match Child::try_start(&mut command) {
        Ok(child) => Some(child),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            println!("SKIPPED: new PID and mount namespaces are not permitted here ({error}); run as root");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Returns in the great-grandchild of the process that started the command; the generations between wait
/// for it. All of them die with the first, whose id the test knows.
fn isolate(dir: &CString, last_pid: &[u8]) -> io::Result<()> {
    let null = std::ptr::null();
    // SAFETY: strings that end with NUL; this process has one thread.
    unsafe {
        done(libc::unshare(libc::CLONE_NEWPID | libc::CLONE_NEWNS))?;
        done(libc::mount(null, c"/".as_ptr(), null, libc::MS_REC | libc::MS_PRIVATE, null.cast()))?;
        done(libc::mount(dir.as_ptr(), c"/mnt".as_ptr(), null, libc::MS_BIND, null.cast()))?;
        done(libc::umount2(c"/dev/shm".as_ptr(), libc::MNT_DETACH))?;
        // The first process of a PID namespace is number 1; the second gets the number that is asked for.
        become_child()?;
        done(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL))?;
        let file = done(libc::open(c"/proc/sys/kernel/ns_last_pid".as_ptr(), libc::O_WRONLY))?;
        done(libc::write(file, last_pid.as_ptr().cast(), last_pid.len()) as i32)?;
        libc::close(file);
        become_child()
    }
}

/// Forks. The parent waits for the child and ends as it does.
fn become_child() -> io::Result<()> {
    // SAFETY: this process has one thread.
    unsafe {
        let child = done(libc::fork())?;
        if child == 0 {
            return Ok(());
        }
        // Above all the pipe that reports a failed exec.
        libc::close_range(0, u32::MAX, 0);
        let mut status = 0;
        libc::waitpid(child, &raw mut status, 0);
        libc::_exit(if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 1 })
    }
}

fn done(result: i32) -> io::Result<i32> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
