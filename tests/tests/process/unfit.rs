//! What is at a ring's path and is not taken for the ring is named, with the reason, also in a forked child.

#![allow(unsafe_code)]

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::wait::{WaitStatus, waitpid};
use ringlog::{Logger, PushError, Ring};
use ringlog_testkit::{Scratch, as_stranger, fork_child};
use ringlog_tests::{CreateRing, Kind, Sequenced, lock_file, stat};

/// Longer than the pause between two looks at the path.
const A_LOOK: Duration = Duration::from_millis(1_100);

fn push(log: &Logger, producer: u32, sequence: u64) -> Result<(), PushError> {
    log.push(&Sequenced::new(producer, sequence, ""))
}

fn small() -> ringlog::Options {
    Ring::options().size("256KiB").lanes(8)
}

fn remove(at: &Scratch) {
    std::fs::remove_file(at.name()).unwrap();
}

/// What the logger says about a lane.
fn said(log: &Logger) -> String {
    log.open_lane().unwrap_err().to_string()
}

/// Runs `act` in a forked child, which has to succeed.
fn in_child(act: impl FnOnce()) {
    let child = fork_child(|| {
        if catch_unwind(AssertUnwindSafe(act)).is_err() {
            // SAFETY: ends the process at once, which is always allowed.
            unsafe { libc::_exit(1) }
        }
    });
    assert_eq!(waitpid(child, None).unwrap(), WaitStatus::Exited(child, 0));
}

/// Runs `act` as a user who is bound by permissions; not at all where that cannot be.
fn as_user(act: impl FnOnce()) {
    if !nix::unistd::geteuid().is_root() {
        return act();
    }
    let act = || {
        act();
        true
    };
    assert_ne!(as_stranger(act), Some(false));
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_hostile_replacement_is_refused_in_words() {
    let refused = |replace: &dyn Fn(&Path), why: &str| {
        let at = Scratch::new();
        let log = at.create(small()).logger();
        push(&log, 0, 0).unwrap();
        remove(&at);
        replace(Path::new(at.name()));
        std::thread::sleep(A_LOOK);
        assert_eq!(push(&log, 0, 1), Err(PushError::Gone), "{why}");
        let said = log.open_lane().unwrap_err().to_string();
        assert!(said.contains(why), "{said}, expected {why}");
        std::fs::remove_file(at.name()).unwrap();
        at.create(small());
        std::thread::sleep(Duration::from_millis(20));
        push(&log, 0, 2).unwrap();
    };
    let elsewhere = Scratch::new();
    elsewhere.create(small());
    refused(&|path| std::os::unix::fs::symlink(elsewhere.name(), path).unwrap(), "a symbolic link");
    refused(
        &|path| nix::unistd::mkfifo(path, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap(),
        "not a regular file",
    );
    refused(&|path| std::fs::write(path, "not a ring").unwrap(), "not a ring");
    refused(
        &|path| {
            small().create(path.to_str().unwrap()).unwrap();
            std::fs::set_permissions(path, Permissions::from_mode(0o622)).unwrap();
        },
        "others may write to it (mode 622",
    );
    if nix::unistd::geteuid().is_root() {
        refused(
            &|path| {
                small().create(path.to_str().unwrap()).unwrap();
                std::os::unix::fs::chown(path, Some(12345), None).unwrap();
                assert_eq!(path.metadata().unwrap().uid(), 12345);
            },
            "belongs to uid 12345",
        );
    }
}

/// Ids would come twice, and lanes of living threads would seem to be those of ended processes.
#[test]
fn a_copy_is_not_taken_for_another_ring() {
    let (at, elsewhere) = (Scratch::new(), Scratch::new());
    let log = at.create(small()).logger();
    push(&log, 0, 0).unwrap();
    std::fs::copy(at.name(), at.file("copy")).unwrap();
    std::fs::rename(at.name(), elsewhere.name()).unwrap();
    std::fs::rename(at.file("copy"), at.name()).unwrap();
    std::thread::sleep(A_LOOK);
    assert_eq!(push(&log, 0, 1), Err(PushError::Gone));
    assert!(said(&log).contains("it is a copy of the ring before"), "{}", said(&log));
    std::fs::rename(elsewhere.name(), at.name()).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    push(&log, 0, 2).unwrap();
}

/// Who may use the directory, the ring before and the ring that follows: owner, group and mode of each.
type Access = (u32, u32, u32);

const GROUP: u32 = 12_345;
const SHARED: [Access; 3] = [(0, GROUP, 0o2770), (5_001, GROUP, 0o660), (5_002, GROUP, 0o660)];

/// Whether a record goes into a ring that has taken the place of another one; and what the logger says about it.
fn is_followed([dir, before, after]: [Access; 3]) -> (bool, String) {
    let at = Scratch::new();
    let give = |path: &Path, (uid, gid, mode): Access| {
        std::os::unix::fs::chown(path, Some(uid), Some(gid)).unwrap();
        set_mode(path, mode);
    };
    let make = |access: Access| {
        let ring = small().mode(access.2).group(access.1).create(at.name()).unwrap();
        std::os::unix::fs::chown(lock_file(ring.path()), Some(access.0), None).unwrap();
        give(at.name().as_ref(), access);
    };
    make(before);
    give(at.path(), dir);
    let log = Ring::open(at.name()).unwrap().logger();
    push(&log, 0, 0).unwrap();
    remove(&at);
    make(after);
    std::thread::sleep(A_LOOK);
    match push(&log, 0, 1) {
        Ok(()) => (true, String::new()),
        Err(error) => {
            assert_eq!(error, PushError::Gone);
            (false, said(&log))
        }
    }
}

/// A member of the group has no power from making the ring that writing the one before did not give.
#[test]
fn a_ring_made_by_another_member_of_its_group_is_followed() {
    if !nix::unistd::geteuid().is_root() {
        println!("SKIPPED: only root can give files away");
        return;
    }
    assert_eq!(is_followed(SHARED), (true, String::new()));
    let [dir, before, after] = SHARED;
    let refused = [
        // Everybody may put files there, or the members of another group, or its owner, who is not root.
        [(0, GROUP, 0o2777), before, after],
        [(0, 1, 0o2770), before, after],
        [(5_002, GROUP, 0o2770), before, after],
        // Not a directory that is shared by design.
        [(0, GROUP, 0o2750), before, after],
        // The group could not write the ring before.
        [dir, (5_001, GROUP, 0o640), (5_002, GROUP, 0o640)],
        [dir, (5_001, 1, 0o660), after],
        // It is not for the same users.
        [dir, before, (5_002, 1, 0o660)],
        [dir, before, (5_002, GROUP, 0o664)],
    ];
    for access in refused {
        let (followed, said) = is_followed(access);
        assert!(!followed, "{access:?}");
        let why = "it belongs to uid 5002, the ring before to uid 5001; let uid 5001 or root make the ring";
        assert!(said.contains(why), "{access:?}: {said}");
    }
}

#[test]
fn a_ring_that_may_not_be_opened_is_named_with_a_remedy() {
    as_user(|| {
        let at = Scratch::new();
        let log = at.create(small()).logger();
        push(&log, 0, 0).unwrap();
        remove(&at);
        let anew = at.create(small());
        set_mode(at.name().as_ref(), 0);
        std::thread::sleep(A_LOOK);
        assert_eq!(push(&log, 0, 1), Err(PushError::Gone));
        let why = said(&log);
        let uid = nix::unistd::geteuid();
        let expected = format!("{} was replaced by a file that is not taken for the ring: ", at.name());
        assert!(why.starts_with(&expected), "{why}");
        assert!(why.contains(&format!("uid {uid} may not read and write it: Permission denied")), "{why}");
        assert!(why.contains("chmod u+rw"), "{why}");
        in_child(|| {
            assert_eq!(push(&log, 0, 1), Err(PushError::Gone));
            assert_eq!(said(&log), why);
        });
        set_mode(at.name().as_ref(), 0o600);
        std::thread::sleep(Duration::from_millis(20));
        push(&log, 0, 2).unwrap();
        let refused = stat(&anew).refused;
        assert_eq!((refused.no_ring, refused.left), (1, 1));
    });
}

/// The ring itself is there, and not gone. What the child was refused is counted by its next record or its last handle.
#[test]
fn a_child_that_may_not_open_its_ring_says_so() {
    as_user(|| {
        let at = Scratch::new();
        let mut log = Some(at.create(small()).logger());
        push(log.as_ref().unwrap(), 0, 0).unwrap();
        for (logs_on, count) in [(true, 1), (false, 2)] {
            set_mode(at.name().as_ref(), 0);
            in_child(|| {
                let log = log.take().unwrap();
                let refused = push(&log, 0, 1).unwrap_err();
                assert_eq!(refused, PushError::System(libc::EACCES));
                assert!(refused.to_string().contains("may not open the ring"), "{refused}");
                let expected = format!("no permission to open {}", at.name());
                assert!(said(&log).contains(&expected), "{}", said(&log));
                set_mode(at.name().as_ref(), 0o600);
                std::thread::sleep(Duration::from_millis(20));
                if logs_on {
                    push(&log, 0, 2).unwrap();
                }
            });
            assert_eq!(stat(&Ring::open(at.name()).unwrap()).refused.system, count);
        }
    });
}

#[test]
fn a_child_says_what_is_in_the_place_of_its_ring() {
    let refused = |replace: &dyn Fn(&Path), why: &str| {
        let at = Scratch::new();
        let log = at.create(small()).logger();
        push(&log, 0, 0).unwrap();
        replace(Path::new(at.name()));
        in_child(|| {
            assert_eq!(push(&log, 0, 1), Err(PushError::Gone));
            assert!(said(&log).contains(why), "{}, expected {why}", said(&log));
        });
    };
    let replaced = |path: &Path, put: &dyn Fn(&Path)| {
        std::fs::remove_file(path).unwrap();
        put(path);
    };
    let directory = |path: &Path| std::fs::create_dir(path).unwrap();
    let text = |path: &Path| std::fs::write(path, "no ring").unwrap();
    refused(&|path| replaced(path, &directory), "it is not a regular file");
    refused(&|path| replaced(path, &text), "not a ring");
    refused(&|path| replaced(path, &|_| ()), "no ring");
    let damage = |path: &Path| {
        let file = std::fs::File::options().write(true).open(path).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, b"no magic", 0).unwrap();
    };
    refused(&damage, "not a ring");
}

#[test]
fn a_child_without_memory_for_its_ring_says_so() {
    let at = Scratch::new();
    let log = at.create(Ring::options().size("64MiB")).logger();
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let used: u64 = pages.split(' ').next().unwrap().parse::<u64>().unwrap() * 4096;
    in_child(|| {
        // What the child has is less by the parent's mapping of the ring.
        let most = used.saturating_sub(32 << 20);
        setrlimit(Resource::RLIMIT_AS, most, most).unwrap();
        assert_eq!(push(&log, 0, 0), Err(PushError::System(libc::ENOMEM)));
    });
}

#[test]
fn a_lost_lock_file_is_not_called_a_truncated_ring() {
    let at = Scratch::new();
    let ring = at.create(small());
    let log = ring.logger();
    std::fs::remove_file(lock_file(at.name())).unwrap();
    let refused = push(&log, 0, 0).unwrap_err();
    assert_eq!(refused, PushError::System(libc::ENOENT));
    assert!(refused.to_string().contains("its lock file is missing"), "{refused}");
    assert!(said(&log).contains("has lost its lock file"), "{}", said(&log));
    assert_eq!((stat(&ring).refused.no_ring, stat(&ring).refused.system), (0, 1));
}
