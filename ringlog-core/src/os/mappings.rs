//! Which processes have a file mapped.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use crate::os::file::Identity;

/// The most of a process's list of mappings that is read.
const BYTES_MAX: u64 = 64 << 20;

/// Whether the process with this id has the file mapped so many times, shared and for reading only, as a page is that
/// keeps a lock. Waits for the process's own changes of its memory, so it may take any time.
pub(crate) fn has_mapped(pid: u32, file: Identity, times: usize) -> io::Result<bool> {
    let list = BufReader::new(File::open(format!("/proc/{pid}/maps"))?.take(BYTES_MAX));
    let mut found = 0;
    for line in list.split(b'\n') {
        found += usize::from(is_of(&line?, file));
        if found >= times {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a line such as `7f21c0000000-7f21c0001000 r--s 00000000 00:1a 42 /dev/shm/app` is of the file.
fn is_of(line: &[u8], file: Identity) -> bool {
    let mut fields = line.split(|byte| *byte == b' ').skip(1).map(|field| str::from_utf8(field).ok());
    let mut next = || fields.next().flatten();
    let (Some(rights), Some(_), Some(device), Some(inode)) = (next(), next(), next(), next()) else {
        return false;
    };
    let number = |text| u32::from_str_radix(text, 16).ok();
    let device = device.split_once(':').and_then(|(major, minor)| number(major).zip(number(minor)));
    rights == "r--s" && device == Some(file.device_numbers()) && inode.parse() == Ok(file.inode())
}

/// Whether `/proc` shows the processes by the ids that they have for this process.
pub(crate) fn are_of_this_namespace() -> bool {
    let own = std::fs::read_link("/proc/self");
    own.is_ok_and(|own| own.as_os_str() == std::process::id().to_string().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::ofd_lock::{self, LockPage, Mode};

    #[test]
    fn each_page_that_keeps_a_lock_is_counted() {
        let file = tempfile::NamedTempFile::new_in("/dev/shm").unwrap();
        let identity = Identity::of(&file.as_file().metadata().unwrap());
        let open = || File::options().read(true).write(true).open(file.path()).unwrap();
        let pages = [7, 8].map(|byte| ofd_lock::hold(&open(), byte, Mode::Exclusive).unwrap().unwrap());
        let mapped = |times| has_mapped(std::process::id(), identity, times).unwrap();
        assert_eq!([1, 2, 3].map(mapped), [true, true, false]);
        for page in pages {
            // SAFETY: held above, released once.
            #[allow(unsafe_code)]
            unsafe {
                LockPage::release(page.as_ptr());
            }
        }
        assert!(!mapped(1));
        assert!(are_of_this_namespace());
    }

    #[test]
    fn lines_of_other_files_and_rights_do_not_count() {
        let file = Identity::of_numbers((0, 0x1a), 42);
        let line = |rest: &str| is_of(format!("7f00-7f01 {rest}").as_bytes(), file);
        assert!(line("r--s 00000000 00:1a 42 /dev/shm/app (deleted)"));
        assert!(line("r--s 00000000 00:1a 42                 /dev/shm/a b"));
        for other in
            ["rw-s 00000000 00:1a 42 /x", "r--s 0 00:1b 42 /x", "r--s 0 00:1a 43 /x", "r--s 0 00:1a", ""]
        {
            assert!(!line(other), "{other}");
        }
    }
}
