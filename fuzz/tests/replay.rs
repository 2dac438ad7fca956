//! The corpus and what once crashed, run again by any toolchain; and random scripts, so that a fuzzer that is not
//! there is not missed altogether.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use ringlog_fuzz::{TARGETS, Target};
use ringlog_testkit::Random;

/// Of each target. They take some seconds in all.
const RANDOM_INPUTS: u64 = 4_000;
const LONGEST: u64 = 160;
/// An input takes a fraction of a millisecond; one that takes this long will never end.
const ENDLESS: Duration = Duration::from_secs(60);

/// What is being run, and since when; for the thread that looks for endless loops.
static RUNNING: Mutex<Option<(String, Instant)>> = Mutex::new(None);

fn watch() {
    std::thread::spawn(|| {
        loop {
            std::thread::sleep(Duration::from_secs(1));
            if let Some((what, since)) = RUNNING.lock().unwrap().as_ref()
                && since.elapsed() > ENDLESS
            {
                eprintln!("{what} does not end");
                std::process::abort();
            }
        }
    });
}

/// Runs one input, and names it where it fails.
fn run(target: Target, what: &str, input: &[u8]) {
    *RUNNING.lock().unwrap() = Some((what.to_owned(), Instant::now()));
    let result = catch_unwind(AssertUnwindSafe(|| target(input)));
    *RUNNING.lock().unwrap() = None;
    if let Err(panic) = result {
        let hex: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
        eprintln!("{what} failed: {hex}");
        resume_unwind(panic);
    }
}

fn bytes(random: &mut Random) -> Vec<u8> {
    let length = random.below(LONGEST);
    (0..length).map(|_| (random.number() >> 32) as u8).collect()
}

// One test, because a panic of one target must not be reported as an endless loop of another.
#[test]
fn kept_and_random_inputs_break_nothing() {
    watch();
    for (name, target) in TARGETS {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
        let mut kept = 0;
        for file in std::fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display())) {
            let path = file.unwrap().path();
            run(target, &path.display().to_string(), &std::fs::read(&path).unwrap());
            kept += 1;
        }
        assert!(kept > 0, "no corpus in {}", dir.display());
        for seed in 1..=RANDOM_INPUTS {
            let mut random = Random::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            run(target, &format!("{name}, seed {seed}"), &bytes(&mut random));
        }
        println!("{name}: {kept} kept inputs, {RANDOM_INPUTS} random ones");
    }
}
