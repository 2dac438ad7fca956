//! Names and ids of threads and processes.

#![allow(unsafe_code)]

/// The kernel's id of this thread.
pub(crate) fn id() -> u32 {
    // SAFETY: has no preconditions and cannot fail.
    unsafe { libc::gettid() as u32 }
}

/// The longest name that the kernel keeps of a thread, and a zero.
const NAME_BYTES: usize = 16;

/// The thread's name as the kernel knows it, padded with zeros; `main` for the main thread.
///
/// Async-signal-safe: a thread's first record may come from a signal handler. `std::thread::current()` is not: it
/// allocates in threads that Rust has not started, and one that is just being started aborts after that call.
pub(crate) fn name() -> [u8; NAME_BYTES] {
    let mut name = [0; NAME_BYTES];
    if id() == std::process::id() {
        name[..4].copy_from_slice(b"main");
    } else {
        // SAFETY: PR_GET_NAME writes at most 16 bytes.
        unsafe { libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr()) };
    }
    name
}

/// The process's name: that of its program's file, else the kernel's name of this thread.
pub(crate) fn process_name() -> String {
    let program = std::env::args_os().next();
    let file = program.as_deref().and_then(|p| std::path::Path::new(p).file_name());
    file.map_or_else(
        || name().utf8_chunks().map(|chunk| chunk.valid().trim_end_matches('\0')).collect(),
        |name| name.to_string_lossy().into_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_named_as_the_kernel_names_it() {
        let thread = std::thread::Builder::new().name("reader of orders".to_owned());
        let name = thread.spawn(name).unwrap().join().unwrap();
        assert_eq!(&name, b"reader of order\0");
    }
}
