//! Recovery of a file whose file system was mounted under another device number, and of a copy of the file.

use super::*;
use crate::rotation::PlanStep;

const BEFORE: &[u8] = b"one\n";
const BATCH: &[u8] = b"two\nthree\n";

struct Scene {
    dir: tempfile::TempDir,
    loaded: LoadedCheckpoint,
}

impl Scene {
    /// A file with a part of a prepared batch, and what its checkpoint says, by way of its bytes.
    fn new(written: usize, change: impl Fn(&mut Identity)) -> Scene {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.log");
        fs::write(&path, [BEFORE, &BATCH[..written]].concat()).unwrap();
        let mut identity = Identity::of_path(&path).unwrap();
        change(&mut identity);
        let state = |len: usize, tail_start: usize, tail: &[u8]| {
            let (len, tail_start) = (len as u64, tail_start as u64);
            let file = FileState { identity, len, tail_start, tail_crc: crc32fast::hash(tail), since_ns: 1 };
            stored(&CheckpointState { file: Some(file), ..CheckpointState::default() })
        };
        let committed = Some(state(BEFORE.len(), 0, BEFORE));
        let prepared = Some(state(BEFORE.len() + BATCH.len(), BEFORE.len(), BATCH));
        Scene { dir, loaded: LoadedCheckpoint { committed, prepared, damage: None } }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn recover(self) -> Recovery {
        let current = File::open(&self.path("app.log"), &[], None).unwrap();
        Recovery::of(self.loaded, &current)
    }
}

fn stored(state: &CheckpointState) -> CheckpointState {
    let mut bytes = Vec::new();
    state.encode(&mut bytes);
    CheckpointState::decode(&bytes).unwrap()
}

fn other_device(identity: &mut Identity) {
    identity.dev += 1;
}

fn other_file(identity: &mut Identity) {
    (identity.ino, identity.born_ns) = (identity.ino + 1, identity.born_ns + 1);
}

/// The length of the file that counts, in the open file.
fn len(recovery: &Recovery, path: &Path) -> Option<u64> {
    let file = recovery.state.file?;
    (Some(file.identity) == Identity::of_path(path)).then_some(file.len)
}

#[test]
fn the_device_number_of_a_file_may_change() {
    for change in [other_device, |_: &mut Identity| {}] {
        let scene = Scene::new(BATCH.len(), change);
        let current = File::open(&scene.path("app.log"), &[], None).unwrap();
        let found = Recovery::of(scene.loaded.clone(), &current);
        let path = scene.path("app.log");
        assert_eq!((len(&found, &path), found.needs_commit, &found.messages), (Some(14), true, &Vec::new()));

        let scene = Scene::new(5, change);
        let found = scene.recover();
        let RepairAction::Truncate { len, .. } = found.repair else { panic!("{found:?}") };
        assert_eq!((len, found.messages), (4, Vec::new()));

        // Renamed while no writer ran.
        let scene = Scene::new(5, change);
        fs::rename(scene.path("app.log"), scene.path("moved")).unwrap();
        let moved = scene.path("moved");
        let found = scene.recover();
        let RepairAction::Truncate { file, .. } = found.repair else { panic!("{found:?}") };
        assert_eq!((file.path, found.messages), (moved, Vec::new()));
    }
}

#[test]
fn a_copy_with_all_that_was_written_is_gone_on_with() {
    let scene = Scene::new(0, other_file);
    let found = scene.recover();
    assert_eq!((found.messages, found.needs_commit), (Vec::new(), false));
    let scene = Scene::new(BATCH.len(), other_file);
    let found = scene.recover();
    assert_eq!((found.messages, found.needs_commit), (Vec::new(), true));
    // A file with other bytes is another one.
    let scene = Scene::new(0, other_file);
    fs::write(scene.path("app.log"), "ONE\n").unwrap();
    let found = scene.recover();
    assert!(found.messages[0].contains("is not the file that was written last"), "{found:?}");
    // So is one of which nothing is known but its length.
    let mut scene = Scene::new(0, other_file);
    let file = scene.loaded.committed.as_mut().unwrap().file.as_mut().unwrap();
    (file.tail_start, file.tail_crc) = (file.len, 0);
    let found = scene.recover();
    assert!(found.messages[0].contains("is not the file that was written last"), "{found:?}");
}

#[test]
fn a_rotation_is_finished_under_another_device_number() {
    let mut scene = Scene::new(0, |_| {});
    let file = Identity::of_path(&scene.path("app.log")).unwrap();
    let stored_as = Identity { dev: file.dev + 1, ..file };
    let step = |file| PlanStep::Rename { from: "app.log".into(), to: "app.log.1".into(), file };
    let mut plan = Vec::new();
    Plan::of(vec![step(stored_as)]).encode(&mut plan);
    let committed = Some(stored(&CheckpointState { plan, ..CheckpointState::default() }));
    scene.loaded = LoadedCheckpoint { committed, ..LoadedCheckpoint::default() };
    let found = scene.recover();
    let RepairAction::FinishRotation(plan) = found.repair else { panic!("{found:?}") };
    assert_eq!(plan.steps(), [step(file)]);
}
