//! Names and ids of threads and processes.

#![allow(unsafe_code)]

/// The kernel's id of this thread.
pub(crate) fn id() -> u32 {
    // SAFETY: has no preconditions and cannot fail.
    unsafe { libc::gettid() as u32 }
}

/// The thread's name as Rust knows it, else as the kernel does; `main` for the main thread.
pub(crate) fn name() -> String {
    match std::thread::current().name() {
        Some(name) => name.to_owned(),
        None => kernel_name(),
    }
}

fn kernel_name() -> String {
    let mut buffer = [0_u8; 16];
    // SAFETY: PR_GET_NAME writes at most 16 bytes.
    unsafe { libc::prctl(libc::PR_GET_NAME, buffer.as_mut_ptr()) };
    let end = buffer.iter().position(|b| *b == 0).unwrap_or(buffer.len());
    String::from_utf8_lossy(&buffer[..end]).into_owned()
}

/// The process's name: that of its program's file.
pub(crate) fn process_name() -> String {
    let program = std::env::args_os().next();
    let name = program.as_deref().and_then(|p| std::path::Path::new(p).file_name());
    name.map_or_else(kernel_name, |name| name.to_string_lossy().into_owned())
}
