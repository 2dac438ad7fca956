//! Lines on standard error from code that may run in a signal handler and must not wait.

#![allow(unsafe_code)]

use nix::errno::Errno;

/// The longest line. A pipe that has room takes as much in one piece, without waiting.
const LINE_MAX: usize = libc::PIPE_BUF;

/// The most parts of a line.
const PARTS_MAX: usize = 8;

/// Writes the parts and a newline to standard error, as one line that is cut to [`LINE_MAX`]. Allocates nothing and
/// takes no lock. Writes nothing where standard error takes nothing now: its pipe is full or has no reader. Another
/// process that fills the pipe at that moment is waited for, as by each writer of a shared pipe.
pub(crate) fn write_line(parts: &[&[u8]]) {
    let errno = Errno::last_raw();
    if is_ready() {
        let (pieces, count) = pieces(parts);
        // SAFETY: so many pieces are filled in, each a slice that lives until the call has returned.
        // If the line cannot be written there is nowhere left to report it.
        unsafe { libc::writev(libc::STDERR_FILENO, pieces.as_ptr(), count as libc::c_int) };
    }
    // The code that a signal handler has interrupted may be about to read it.
    Errno::set_raw(errno);
}

/// Whether standard error takes a line at once.
fn is_ready() -> bool {
    let mut stderr = libc::pollfd { fd: libc::STDERR_FILENO, events: libc::POLLOUT, revents: 0 };
    // SAFETY: one struct of our own; a timeout of 0 waits for nothing.
    let ready = unsafe { libc::poll(&raw mut stderr, 1, 0) };
    ready == 1 && stderr.revents == libc::POLLOUT
}

/// What the system call writes: the parts, as far as they fit, and a newline.
fn pieces(parts: &[&[u8]]) -> ([libc::iovec; PARTS_MAX + 1], usize) {
    let piece =
        |bytes: &[u8]| libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let mut pieces = [piece(b""); PARTS_MAX + 1];
    let mut room = LINE_MAX - 1;
    let mut count = 0;
    for part in parts.iter().take(PARTS_MAX) {
        let part = &part[..part.len().min(room)];
        room -= part.len();
        pieces[count] = piece(part);
        count += 1;
    }
    pieces[count] = piece(b"\n");
    (pieces, count + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_fits_into_one_piece_of_a_pipe() {
        let long = [b'x'; LINE_MAX];
        for parts in [&[&b"short"[..]][..], &[&long[..]], &[&long[..]; PARTS_MAX + 1]] {
            let (pieces, count) = pieces(parts);
            let bytes: usize = pieces[..count].iter().map(|piece| piece.iov_len).sum();
            let whole: usize = parts.iter().map(|part| part.len()).sum();
            assert_eq!(bytes, (whole + 1).min(LINE_MAX));
        }
    }
}
