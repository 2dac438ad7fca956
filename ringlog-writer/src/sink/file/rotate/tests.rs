use std::cell::Cell;
use std::fs;
use std::time::{Duration, SystemTime};

use super::*;

const DAY_NS: u64 = 86_400_000_000_000;

thread_local! {
    /// How far the wall clock is ahead.
    static AHEAD_NS: Cell<u64> = const { Cell::new(0) };
}

#[derive(Default)]
struct Messages(Vec<String>);

impl Events for Messages {
    fn report(&mut self, message: &str) {
        self.0.push(message.to_owned());
    }
}

fn rotation(dir: &Path, keep: &str) -> FileRotation {
    let (naming, keep) = ("number".parse().unwrap(), keep.parse().unwrap());
    let rotation = Rotation { naming, keep, ..Rotation::default() };
    let mut rotation = FileRotation::new(&dir.join("app.log"), &rotation, None);
    rotation.moment = || {
        let now = moment();
        Moment { unix_ns: now.unix_ns + AHEAD_NS.get(), ..now }
    };
    rotation
}

/// The files that closing the open one would delete, after a jump that nothing has noticed before.
fn deletes(rotation: &mut FileRotation, ahead_ns: u64) -> Vec<String> {
    AHEAD_NS.set(ahead_ns);
    let directory = rotation.directory();
    let names = directory.lock();
    let open = names.entry("app.log").unwrap().unwrap().file;
    let (plan, _) = rotation.plan(&names, open, now_unix_ns(), 1).unwrap();
    let name = |step: &PlanStep| match step {
        PlanStep::Delete { name, .. } => Some(name.to_str().unwrap().to_owned()),
        PlanStep::Rename { .. } => None,
    };
    plan.steps().iter().filter_map(name).collect()
}

#[test]
fn a_jump_right_before_a_rotation_deletes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for (number, days) in [(1, 9), (2, 4), (3, 0)] {
        let path = dir.path().join(format!("app.00000{number}.log"));
        fs::write(&path, "x").unwrap();
        let at = SystemTime::now() - Duration::from_secs(days * 86_400);
        fs::File::options().write(true).open(&path).unwrap().set_modified(at).unwrap();
    }
    fs::write(dir.path().join("app.log"), "x").unwrap();
    let open = Identity::of_path(&dir.path().join("app.log")).unwrap();
    let (mut rotation, mut said) = (rotation(dir.path(), "30d"), Messages::default());
    rotation.begin(open, &mut said).unwrap();
    assert_eq!(deletes(&mut rotation, 25 * DAY_NS), [""; 0]);
    assert_eq!(deletes(&mut rotation, 1000 * DAY_NS), [""; 0]);
    rotation.maintain(open, &mut said);
    rotation.maintain(open, &mut said);
    assert_eq!(said.0.len(), 1, "{:?}", said.0);

    // Put right, it is trusted again, and the next jump is found too.
    assert_eq!(deletes(&mut rotation, 0), [""; 0]);
    rotation.maintain(open, &mut said);
    assert_eq!(deletes(&mut rotation, 1000 * DAY_NS), [""; 0]);
    rotation.maintain(open, &mut said);
    assert_eq!(said.0.len(), 2, "{:?}", said.0);

    AHEAD_NS.set(25 * DAY_NS);
    rotation.trust_clock(open, &mut said).unwrap();
    let exists = |number| dir.path().join(format!("app.00000{number}.log")).exists();
    // 9 and 25 days are more than 30, 4 and 25 are not.
    assert_eq!([1, 2, 3].map(exists), [false, true, true]);
    assert_eq!(said.0.len(), 2, "{:?}", said.0);
}
