use super::*;

fn state(len: u64) -> State {
    let identity = Identity { dev: 1, ino: 2, born_ns: 3 };
    let file = FileState { identity, len, tail_start: 0, tail_crc: 0 };
    State { file: Some(file), ..State::default() }
}

fn lens(kept: &Kept) -> (Option<u64>, Option<u64>) {
    let len = |state: &Option<State>| state.as_ref().and_then(|state| Some(state.file?.len));
    (len(&kept.committed), len(&kept.prepared))
}

fn open(path: &Path) -> (Checkpoint, Kept) {
    Checkpoint::open(path).unwrap()
}

#[test]
fn what_is_prepared_counts_only_when_it_is_committed() {
    let dir = tempfile::tempdir().unwrap();
    let path = Checkpoint::path_of(&dir.path().join("app.log"));
    assert!(path.ends_with("app.log.checkpoint"));
    let (mut checkpoint, kept) = open(&path);
    assert_eq!((lens(&kept), kept.damage), ((None, None), None));
    for len in 1..5 {
        let before = (len > 1).then_some(len - 1);
        checkpoint.prepare(&state(len)).unwrap();
        drop(checkpoint);
        let kept;
        (checkpoint, kept) = open(&path);
        assert_eq!((lens(&kept), kept.damage), ((before, Some(len)), None));
        checkpoint.set(&state(len)).unwrap();
        drop(checkpoint);
        let kept;
        (checkpoint, kept) = open(&path);
        assert_eq!(lens(&kept).0, Some(len));
    }
    checkpoint.remove();
    assert!(!path.exists());
}

#[test]
fn every_prefix_of_a_torn_half_leaves_the_other_in_force() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("checkpoint");
    let (mut checkpoint, _) = open(&path);
    (1..=3).for_each(|len| checkpoint.set(&state(len)).unwrap());
    let before = fs::read(&path).unwrap();
    checkpoint.prepare(&state(4)).unwrap();
    let after = fs::read(&path).unwrap();
    assert_eq!(before.len(), after.len(), "nothing has to be allocated for a batch");
    let changed: Vec<usize> = (0..after.len()).filter(|at| before[*at] != after[*at]).collect();
    let (first, last) = (changed[0], changed[changed.len() - 1]);
    for end in first..=last {
        let torn = [&after[..end], &before[end..]].concat();
        let kept = parse(&torn).0;
        assert_eq!((lens(&kept), kept.damage), ((Some(3), None), None), "torn at {end}");
    }
    let torn = last + 1 - first;
    println!("{torn} prefixes of a torn half");
    assert_eq!(lens(&parse(&after).0), (Some(3), Some(4)));
}

#[test]
fn every_prefix_of_the_eight_bytes_that_commit_is_told_from_damage() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("checkpoint");
    let (mut checkpoint, _) = open(&path);
    let counts = COUNTS_AT as usize..COUNTS_AT as usize + 8;
    for before in [1_u64, 255, 65_535, (1 << 32) - 1] {
        checkpoint.number = before - 1;
        checkpoint.set(&state(3)).unwrap();
        checkpoint.prepare(&state(4)).unwrap();
        let prepared = fs::read(&path).unwrap();
        for len in 0..=8 {
            let mut torn = prepared.clone();
            torn[counts.clone()][..len].copy_from_slice(&(before + 1).to_le_bytes()[..len]);
            let (kept, number, _) = parse(&torn);
            let is_committed = number == before + 1;
            let expected = if is_committed { (Some(4), None) } else { (Some(3), Some(4)) };
            assert_eq!((lens(&kept), kept.damage), (expected, None), "{len} bytes of {before} + 1");
            assert!(is_committed || number == before);
        }
        let mut damaged = prepared.clone();
        damaged[counts.clone()].copy_from_slice(&0_u64.to_le_bytes());
        if before + 1 != 256 && before + 1 != 65_536 && before + 1 != 1 << 32 {
            assert!(parse(&damaged).0.damage.is_some(), "nothing is new about {before}");
        }
    }
}

#[test]
fn a_checkpoint_that_is_damaged_says_so_and_one_of_somebody_else_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("checkpoint");
    let (mut checkpoint, _) = open(&path);
    checkpoint.set(&state(1)).unwrap();
    drop(checkpoint);
    let bytes = fs::read(&path).unwrap();
    let whole = parse(&bytes).0;
    let half = half_at(1, parse(&bytes).2) as usize;
    for at in (0..40).chain(half..half + 40) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x55;
        let kept = parse(&damaged).0;
        let same = kept.committed == whole.committed;
        assert!(same || kept.damage.is_some() || kept.committed.is_none(), "byte {at}");
        assert!(at < half || kept.damage.is_some(), "byte {at} of the half");
    }
    let text = "somebody's notes";
    fs::write(&path, text).unwrap();
    let error = Checkpoint::open(&path).unwrap_err().to_string();
    assert!(
        error.ends_with("is no checkpoint of ringlog; move it away, or choose another output"),
        "{error}"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn a_checkpoint_has_one_holder() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("checkpoint");
    let (held, _) = open(&path);
    let error = Checkpoint::open(&path).unwrap_err();
    assert!(matches!(error, CheckpointError::Held(_)), "{error}");
    drop(held);
    open(&path);
}

#[test]
fn a_checkpoint_grows_with_what_it_has_to_hold_and_forgets_nothing_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("checkpoint");
    let (mut checkpoint, _) = open(&path);
    for round in 0..12 {
        let plan = vec![7; 1 << (round + 6)];
        let now = State { plan, ..state(round) };
        checkpoint.prepare(&now).unwrap();
        let kept = parse(&fs::read(&path).unwrap()).0;
        assert_eq!(lens(&kept).0, round.checked_sub(1));
        assert_eq!(kept.prepared.as_ref(), Some(&now));
        checkpoint.commit().unwrap();
        assert!(Checkpoint::open(&path).is_err(), "the new file is held too");
    }
    drop(checkpoint);
    assert_eq!(lens(&open(&path).1).0, Some(11));
}

#[test]
fn of_a_foreign_file_no_more_is_read_than_a_checkpoint_can_have() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("checkpoint");
    let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
    // Holes take no space, and a reader a long time.
    file.set_len(1 << 40).unwrap();
    assert_eq!(read(&file).unwrap().len() as u64, HALVES_AT + 2 * CAPACITY_MIN);
    for capacity in [0, CAPACITY_MIN - 1, CAPACITY_MAX + 1, u64::MAX] {
        file.write_all_at(&MAGIC, 0).unwrap();
        file.write_all_at(&capacity.to_le_bytes(), CAPACITY_AT).unwrap();
        assert_eq!(read(&file).unwrap().len() as u64, HALVES_AT + 2 * CAPACITY_MIN, "{capacity}");
    }
    file.write_all_at(&(1_u64 << 20).to_le_bytes(), CAPACITY_AT).unwrap();
    assert_eq!(read(&file).unwrap().len() as u64, HALVES_AT + (2 << 20));
}

#[test]
fn one_that_somebody_has_scribbled_over_grows_without_forgetting_what_counts() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("checkpoint");
    let (mut checkpoint, _) = open(&path);
    checkpoint.set(&State { plan: vec![1; 200 << 10], ..state(1) }).unwrap();
    checkpoint.set(&State { plan: vec![2; 200 << 10], ..state(2) }).unwrap();
    checkpoint.file.write_all_at(&[0; 24], 0).unwrap();
    checkpoint.prepare(&State { plan: vec![3; 2 << 20], ..state(3) }).unwrap();
    drop(checkpoint);
    let kept = open(&path).1;
    assert_eq!((lens(&kept), kept.damage), ((Some(2), Some(3)), None));
}
