use super::*;

fn state(len: u64) -> CheckpointState {
    let identity = Identity { dev: 1, ino: 2, born_ns: 3 };
    let file = FileState { identity, len, tail_start: 0, tail_crc: 0, since_ns: 0 };
    CheckpointState { file: Some(file), ..CheckpointState::default() }
}

fn lens(loaded: &LoadedCheckpoint) -> (Option<u64>, Option<u64>) {
    let len = |state: &Option<CheckpointState>| state.as_ref().and_then(|state| Some(state.file?.len));
    (len(&loaded.committed), len(&loaded.prepared))
}

fn open(path: &Path) -> (Checkpoint, LoadedCheckpoint) {
    Checkpoint::open(path).unwrap()
}

#[test]
fn a_prepared_state_counts_only_once_committed() {
    let dir = tempfile::tempdir().unwrap();
    let path = crate::sink::checkpoint_path(&dir.path().join("app.log"));
    assert!(path.ends_with("app.log.checkpoint"));
    let (mut checkpoint, loaded) = open(&path);
    assert_eq!((lens(&loaded), loaded.damage), ((None, None), None));
    for len in 1..5 {
        let before = (len > 1).then_some(len - 1);
        checkpoint.prepare(&state(len)).unwrap();
        drop(checkpoint);
        let loaded;
        (checkpoint, loaded) = open(&path);
        assert_eq!((lens(&loaded), loaded.damage), ((before, Some(len)), None));
        checkpoint.set(&state(len)).unwrap();
        drop(checkpoint);
        let loaded;
        (checkpoint, loaded) = open(&path);
        assert_eq!(lens(&loaded).0, Some(len));
    }
    checkpoint.remove();
    assert!(!path.exists());
}

#[test]
fn positions_are_known_unless_a_batch_was_being_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("checkpoint");
    assert_eq!(known_positions(&path), Some(vec![]), "without a checkpoint");
    let (mut checkpoint, _) = open(&path);
    assert_eq!(known_positions(&path), Some(vec![]), "a new one");
    let mut cursor = Cursor::default();
    cursor.ring = [7; 16];
    let known = CheckpointState { cursors: vec![cursor.clone()], ..state(1) };
    checkpoint.set(&known).unwrap();
    assert_eq!(known_positions(&path), Some(vec![cursor.clone()]));
    checkpoint.prepare(&known).unwrap();
    assert_eq!(known_positions(&path), None);
    checkpoint.commit().unwrap();
    assert_eq!(known_positions(&path), Some(vec![cursor]));
}

#[test]
fn a_torn_half_leaves_the_committed_one_in_force() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("checkpoint");
    let (mut checkpoint, _) = open(&path);
    (1..=3).for_each(|len| checkpoint.set(&state(len)).unwrap());
    let before = fs::read(&path).unwrap();
    checkpoint.prepare(&state(4)).unwrap();
    let after = fs::read(&path).unwrap();
    assert_eq!(before.len(), after.len(), "a batch allocates nothing");
    let changed: Vec<usize> = (0..after.len()).filter(|at| before[*at] != after[*at]).collect();
    let (first, last) = (changed[0], changed[changed.len() - 1]);
    for end in first..=last {
        let torn = [&after[..end], &before[end..]].concat();
        let loaded = parse(&torn).0;
        assert_eq!((lens(&loaded), loaded.damage), ((Some(3), None), None), "torn at {end}");
    }
    let torn = last + 1 - first;
    println!("{torn} prefixes of a torn half");
    assert_eq!(lens(&parse(&after).0), (Some(3), Some(4)));
}

#[test]
fn a_torn_commit_is_distinguished_from_damage() {
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
            let (loaded, number, _) = parse(&torn);
            let is_committed = number == before + 1;
            let expected = if is_committed { (Some(4), None) } else { (Some(3), Some(4)) };
            assert_eq!((lens(&loaded), loaded.damage), (expected, None), "{len} bytes of {before} + 1");
            assert!(is_committed || number == before);
        }
        let mut damaged = prepared.clone();
        damaged[counts.clone()].copy_from_slice(&0_u64.to_le_bytes());
        if before + 1 != 256 && before + 1 != 65_536 && before + 1 != 1 << 32 {
            assert!(parse(&damaged).0.damage.is_some(), "{before} is not torn but damaged");
        }
    }
}

#[test]
fn damage_is_reported_and_a_foreign_file_left_unchanged() {
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
        let loaded = parse(&damaged).0;
        let same = loaded.committed == whole.committed;
        assert!(same || loaded.damage.is_some() || loaded.committed.is_none(), "byte {at}");
        assert!(at < half || loaded.damage.is_some(), "byte {at} of the half");
    }
    for len in [1, 16, bytes.len()] {
        fs::write(&path, vec![0; len]).unwrap();
        let (mut checkpoint, loaded) = open(&path);
        assert_eq!(loaded.damage, Some("its checkpoint is blank"));
        checkpoint.set(&state(2)).unwrap();
        drop(checkpoint);
        assert_eq!(open(&path).1.committed, Some(state(2)));
    }
    let text = "a foreign text";
    fs::write(&path, text).unwrap();
    let error = Checkpoint::open(&path).unwrap_err().to_string();
    assert!(
        error.ends_with("is not a checkpoint of ringlog; move it away, or choose another file"),
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
fn a_checkpoint_grows_without_losing_its_state() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("checkpoint");
    let (mut checkpoint, _) = open(&path);
    for round in 0..12 {
        let plan = vec![7; 1 << (round + 6)];
        let now = CheckpointState { plan, ..state(round) };
        checkpoint.prepare(&now).unwrap();
        let loaded = parse(&fs::read(&path).unwrap()).0;
        assert_eq!(lens(&loaded).0, round.checked_sub(1));
        assert_eq!(loaded.prepared.as_ref(), Some(&now));
        checkpoint.commit().unwrap();
        assert!(Checkpoint::open(&path).is_err(), "the new file is locked too");
    }
    drop(checkpoint);
    assert_eq!(lens(&open(&path).1).0, Some(11));
}

#[test]
fn at_most_a_checkpoints_size_is_read_of_a_foreign_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("checkpoint");
    let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
    // A sparse file: it takes no space, but reading all of it would take long.
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
fn an_overwritten_header_does_not_lose_the_state() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("checkpoint");
    let (mut checkpoint, _) = open(&path);
    checkpoint.set(&CheckpointState { plan: vec![1; 200 << 10], ..state(1) }).unwrap();
    checkpoint.set(&CheckpointState { plan: vec![2; 200 << 10], ..state(2) }).unwrap();
    checkpoint.file.write_all_at(&[0; 24], 0).unwrap();
    checkpoint.prepare(&CheckpointState { plan: vec![3; 2 << 20], ..state(3) }).unwrap();
    drop(checkpoint);
    let loaded = open(&path).1;
    assert_eq!((lens(&loaded), loaded.damage), ((Some(2), Some(3)), None));
}

#[test]
fn a_checkpoint_without_its_place_leaves_that_of_another() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("checkpoint");
    let (mut lost, _) = open(&path);
    lost.set(&state(1)).unwrap();
    fs::remove_file(&path).unwrap();
    let (mut other, _) = open(&path);
    other.set(&state(2)).unwrap();
    assert!(!lost.check_place());
    let refused = lost.set(&state(3)).unwrap_err().to_string();
    assert_eq!(refused, format!("another writer has made {}", path.display()));
    lost.remove();
    assert!(other.check_place(), "it was replaced or removed");
    drop(other);
    assert_eq!(lens(&open(&path).1), (Some(2), None));
}
