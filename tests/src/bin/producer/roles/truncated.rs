//! Processes whose mapped files are truncated under them.

#![allow(unsafe_code)]

use std::fs::File;

use memmap2::MmapOptions;
use ringlog::{PushError, Ring};

use super::push;
use crate::{Arguments, next_word, ready};

/// Pushes until the ring is gone, and prints how many were published. Then waits for a word, opens the
/// ring anew and pushes `count` more as producer 1. With `guard=0` it has no guard against SIGBUS.
pub(crate) fn until_gone(name: &str, arguments: &Arguments) {
    if arguments.number("guard", 1) != 0 {
        ringlog::survive_truncation().unwrap();
    }
    let count = arguments.number("count", 100);
    let ring = Ring::open(name).unwrap();
    let log = arguments.logger(&ring);
    ready();
    let refused = (0..).find_map(|n| push(&log, 0, n, 0).err().map(|error| (n, error)));
    let (published, error) = refused.unwrap();
    assert_eq!(error, PushError::Gone);
    // Not only the record that found it out, and not only those that need a new block.
    assert_eq!(push(&log, 0, 0, 0), Err(PushError::Gone));
    println!("{published}\n{}", log.open_lane().unwrap_err());
    drop((log, ring));
    next_word();
    let log = arguments.logger(&Ring::open(name).unwrap());
    (0..count).for_each(|n| push(&log, 1, n, 0).unwrap());
    println!("{count}");
}

/// What the process's own handler ends it with.
const HANDLED: i32 = 42;

extern "C" fn own_handler(_: i32) {
    // SAFETY: ends the process at once, which is always allowed.
    unsafe { libc::_exit(HANDLED) }
}

extern "C" fn own_detailed_handler(_: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel hands us a valid siginfo; ending the process is always allowed.
    unsafe { libc::_exit(if (*info).si_code == libc::BUS_ADRERR { HANDLED } else { 1 }) }
}

/// With a ring mapped and the guard in place, raises a SIGBUS that is not ringlog's: by touching a
/// truncated file of its own, or by sending itself the signal (`sent=1`). `before` is what handled the
/// signal before the guard came: `default`, `ignore`, `handler` or `detailed`.
pub(crate) fn foreign_sigbus(name: &str, arguments: &Arguments) {
    let ring = Ring::open(name).unwrap();
    // SAFETY: all zero is a valid value of this plain C struct, and the handlers are async-signal-safe.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        (action.sa_sigaction, action.sa_flags) = match arguments.text("before") {
            Some("handler") => (own_handler as extern "C" fn(i32) as libc::sighandler_t, 0),
            Some("detailed") => {
                let handler: extern "C" fn(_, _, _) = own_detailed_handler;
                (handler as libc::sighandler_t, libc::SA_SIGINFO)
            }
            Some("ignore") => (libc::SIG_IGN, 0),
            _ => (libc::SIG_DFL, 0),
        };
        assert_eq!(libc::sigaction(libc::SIGBUS, &raw const action, std::ptr::null_mut()), 0);
    }
    ringlog::survive_truncation().unwrap();
    // A second time must not make the handler its own predecessor.
    ringlog::survive_truncation().unwrap();
    ready();
    if arguments.number("sent", 0) != 0 {
        // SAFETY: has no preconditions.
        unsafe { libc::raise(libc::SIGBUS) };
    } else {
        let path = std::path::Path::new(name).with_file_name("foreign");
        let file = File::options().read(true).write(true).create_new(true).open(path).unwrap();
        file.set_len(8192).unwrap();
        let map = MmapOptions::new().len(8192).map_raw(&file).unwrap();
        file.set_len(0).unwrap();
        // SAFETY: within the mapping, of which nothing is left.
        unsafe { map.as_ptr().add(4096).read_volatile() };
    }
    drop(ring);
}
