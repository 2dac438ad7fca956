//! Processes that the system gives little to.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::wait::{WaitStatus, waitpid};
use ringlog::{Logger, Overflow, PushError, Ring};

use super::push;
use crate::{Arguments, ready};

fn limit(resource: Resource, soft: u64) {
    let (_, hard) = getrlimit(resource).unwrap();
    setrlimit(resource, soft.min(hard), hard).unwrap();
}

/// Opens the ring and pushes `count` records under a limit: RLIMIT_`what` is `soft`.
pub(crate) fn limited(name: &str, arguments: &Arguments) {
    let (count, soft) = (arguments.number("count", 100), arguments.number("soft", 0));
    ready();
    match arguments.text("what") {
        Some("memlock") => limit(Resource::RLIMIT_MEMLOCK, soft),
        Some("fsize") => limit(Resource::RLIMIT_FSIZE, soft),
        Some("as") => {
            let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
            let used = pages.split(' ').next().unwrap().parse::<u64>().unwrap() * 4096;
            limit(Resource::RLIMIT_AS, used + soft);
        }
        other => panic!("no such limit: {other:?}"),
    }
    let another = format!("{name}-2");
    let made = Ring::options().size("1MiB").create(&another).map(drop);
    println!("{}", made.map_or_else(|error| error.to_string(), |()| "made another".to_owned()));
    match Ring::open(name) {
        Ok(ring) => {
            let log = ring.logger();
            (0..count).for_each(|n| push(&log, 0, n, 0).unwrap());
            println!("{count}");
        }
        Err(error) => println!("{error}"),
    }
}

/// Pushes as soon as it is let, up to a generous deadline.
fn push_soon(log: &Logger, sequence: u64) {
    let until = Instant::now() + Duration::from_secs(30);
    while let Err(error) = push(log, 0, sequence, 0) {
        assert_eq!(error, PushError::System(libc::EMFILE));
        assert!(Instant::now() < until, "there are descriptors again, but still no lane");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Has no descriptor to open a lane with, then one again; also in children, whose first record has to
/// open the ring as well. Prints how many records were refused, what `open_lane` said, and in how many of
/// `forks` children a second record was refused because the first had just been.
pub(crate) fn without_descriptors(name: &str, arguments: &Arguments) {
    let ring = Ring::open(name).unwrap();
    let log = ring.logger();
    let (plenty, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    ready();
    limit(Resource::RLIMIT_NOFILE, 0);
    for _ in 0..50 {
        assert_eq!(push(&log, 0, 0, 0), Err(PushError::System(libc::EMFILE)));
    }
    let said = log.open_lane().unwrap_err();
    limit(Resource::RLIMIT_NOFILE, plenty);
    let until = Instant::now() + Duration::from_secs(30);
    while log.open_lane().is_err() {
        assert!(Instant::now() < until, "there are descriptors again, but still no lane");
    }
    let mut paused = 0;
    for n in 0..arguments.number("forks", 30) {
        let child = ringlog_testkit::fork_child(|| {
            limit(Resource::RLIMIT_NOFILE, 0);
            assert_eq!(push(&log, 0, n, 0), Err(PushError::System(libc::EMFILE)));
            limit(Resource::RLIMIT_NOFILE, plenty);
            // At once: it is not looked again for every record, so this one is likely to be refused, too,
            // and without another attempt to open the ring.
            let refused_again = push(&log, 9, n, 0).is_err();
            // The page of the header is inherited.
            let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
            let tried_again = maps.lines().filter(|line| line.contains(name)).count() > 1;
            push_soon(&log, n);
            std::process::exit(i32::from(refused_again) + i32::from(refused_again && tried_again));
        });
        match waitpid(child, None).unwrap() {
            WaitStatus::Exited(_, code @ 0..=1) => paused += code,
            other => panic!("{other:?}"),
        }
    }
    println!("50\n{said}\n{paused}");
}

/// Mounts a tmpfs of 1 MiB at `dir` that no other process sees.
fn private_tmpfs(dir: &Path) -> nix::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)
        .or_else(|_| unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS))?;
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    mount(Some("tmpfs"), dir, Some("tmpfs"), MsFlags::empty(), Some("size=1m"))
}

/// On a tmpfs of its own at the directory `dir`: makes a ring that does not fit, one that does, and a
/// copy of it with holes; fills what is left; then uses both.
pub(crate) fn full_tmpfs(dir: &str, _: &Arguments) {
    if let Err(error) = private_tmpfs(Path::new(dir)) {
        println!("not permitted: {error}");
        return;
    }
    ringlog::survive_truncation().unwrap();
    let (name, copy) = (format!("{dir}/ring"), format!("{dir}/copy"));
    println!("{}", Ring::options().size("2MiB").create(&name).unwrap_err());
    println!("{} files left", std::fs::read_dir(dir).unwrap().count());

    let patient = Overflow::Block(Duration::from_secs(30));
    let ring = Ring::options().size("512KiB").block_bytes(2048).overflow(patient).create(&name).unwrap();
    let copied = Command::new("cp").args(["--sparse=always", &name, &copy]).status().unwrap();
    assert!(copied.success());
    let meta = Path::new(&copy).metadata().unwrap();
    assert!(meta.blocks() * 512 < meta.len() / 2, "the copy has holes");
    let mut filler = File::create(format!("{dir}/filler")).unwrap();
    while filler.write_all(&[1; 4096]).is_ok() {}

    let (log, mut consumer) = (ring.logger(), ring.consumer().unwrap());
    let mut pushed = 0;
    for thread in 0..4 {
        let (log, consumer) = (log.clone(), &mut consumer);
        std::thread::scope(|scope| {
            let pushing =
                scope.spawn(move || (0..2000).filter(|n| push(&log, thread, *n, 0).is_ok()).count());
            while !pushing.is_finished() {
                while consumer.next(Duration::from_millis(1)).unwrap().is_some() {}
                consumer.ack().unwrap();
            }
            pushed += pushing.join().unwrap();
        });
    }
    println!("{pushed} pushed");

    let sparse = Ring::open(&copy).unwrap();
    let log = sparse.logger();
    let error = (0..10_000).find_map(|n| push(&log, 0, n, 0).err()).unwrap();
    println!("{error}\n{}", log.open_lane().unwrap_err());
}
