//! Recovery of a file whose file system was mounted under another device number, and of a copy of the file.

use super::*;
use crate::rotation::{ClockWatch, NewFile, PlanStep};

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
        let current = File::open(&self.path("app.log"), &[], NewFile::default(), None).unwrap();
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
        let current = File::open(&scene.path("app.log"), &[], NewFile::default(), None).unwrap();
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

/// The messages about a file that was changed in this way after its last state of `boot`, in boot 6.
fn messages(boot: u64, change: impl Fn(&Path)) -> Vec<String> {
    let mut scene = Scene::new(0, |_| {});
    scene.loaded.prepared = None;
    let watch = ClockWatch::from_words([boot, 1, 1, 1, 0]);
    scene.loaded.committed.as_mut().unwrap().clock.watch = watch;
    let path = scene.path("app.log");
    change(&path);
    let current = File::open(&path, &[], NewFile::default(), None).unwrap();
    let found = Recovery::in_boot(scene.loaded, &current, 6);
    let name = path.to_str().unwrap();
    found.messages.iter().map(|message| message.strip_prefix(name).unwrap().to_owned()).collect()
}

#[test]
fn no_other_process_is_accused_after_a_restart() {
    let write = |text: &'static str| move |path: &Path| fs::write(path, text).unwrap();
    let replace = |path: &Path| {
        // Both at once, so that the other file gets another inode.
        fs::write(path.with_extension("new"), "ONE\n").unwrap();
        fs::rename(path.with_extension("new"), path).unwrap();
    };
    let begins = "the writer begins a new file";
    let after = |text, found: &str, lost: &str, twice: &str| {
        let restarted = "the machine was restarted meanwhile, so";
        let expected =
            format!(": {found}; {restarted} {lost} may not have reached the disk; {begins}{twice}");
        assert_eq!(messages(5, write(text)), [expected]);
    };
    let (twice, bytes) = (". Its last lines may be in both", "what was written last");
    after("on", "it is 2 bytes shorter than when it was last written", bytes, "");
    after("\0\0\0\0", "its last bytes differ from those that were written", bytes, twice);
    let state = "the last state of the checkpoint";
    after("one\ntwo\n", "it is 4 bytes longer than its checkpoint says", state, twice);
    assert!(
        messages(5, replace)[0]
            .contains("in this directory (the machine was restarted meanwhile, so its name")
    );
    // In the same boot, and where it is not known, another process has done it.
    for boot in [6, 0] {
        let said =
            [write("on"), write("one\ntwo\n"), write("\0\0\0\0")].map(|write| messages(boot, write).concat());
        assert_eq!(
            said,
            [
                format!(": it was truncated: it has 2 bytes, 4 were written; {begins}"),
                format!(": another process has written to it: it has 8 bytes, at most 4 are ours; {begins}"),
                format!(": its last bytes differ from those that were written; {begins}"),
            ]
        );
        assert!(!messages(boot, replace)[0].contains("restarted"));
    }
}
