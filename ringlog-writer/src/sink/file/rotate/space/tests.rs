use std::cell::Cell;
use std::fs;
use std::sync::Arc;
use std::time::SystemTime;

use super::*;
use crate::rotation::{Rotation, TotalSize};

thread_local! {
    static FREE: Cell<u64> = const { Cell::new(0) };
    static LOOKS: Cell<u32> = const { Cell::new(0) };
}

#[derive(Default)]
struct Messages(Vec<String>);

impl Events for Messages {
    fn report(&mut self, message: &str) {
        self.0.push(message.to_owned());
    }
}

/// A directory with an open file and closed ones of ten bytes, which were written so many seconds ago.
struct Scene {
    dir: tempfile::TempDir,
    open: Identity,
    rotation: FileRotation,
    said: Messages,
}

impl Scene {
    fn new(closed: &[(u32, u64)], rotation: Rotation, total: Option<&Arc<TotalSize>>) -> Scene {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.log");
        fs::write(&path, "open").unwrap();
        let rotation = Rotation { naming: "number".parse().unwrap(), ..rotation };
        let mut rotation = FileRotation::new(&path, &rotation, total.map(TotalShare::new));
        if let Some(min_free) = &mut rotation.min_free {
            min_free.free = |_| {
                LOOKS.set(LOOKS.get() + 1);
                Ok(FREE.get())
            };
        }
        let open = Identity::of_path(&path).unwrap();
        let scene = Scene { dir, open, rotation, said: Messages::default() };
        closed.iter().for_each(|(number, ago_s)| scene.close(*number, *ago_s));
        scene
    }

    fn close(&self, number: u32, ago_s: u64) {
        let path = self.dir.path().join(format!("app.{number:06}.log"));
        fs::write(&path, "0123456789").unwrap();
        let at = SystemTime::now() - Duration::from_secs(ago_s);
        fs::File::options().write(true).open(&path).unwrap().set_modified(at).unwrap();
    }

    fn maintain(&mut self) {
        self.rotation.maintain(self.open, &mut self.said);
    }

    /// The numbers of the closed files. The open one is always there.
    fn numbers(&self) -> Vec<u32> {
        assert_eq!(fs::read(self.dir.path().join("app.log")).unwrap(), b"open");
        let is_there = |number: &u32| self.dir.path().join(format!("app.{number:06}.log")).exists();
        (1..=9).filter(is_there).collect()
    }
}

fn min_free(bytes: u64) -> Rotation {
    Rotation { min_free: Some(bytes), ..Rotation::default() }
}

#[test]
fn no_more_is_deleted_than_is_missing() {
    let mut scene = Scene::new(&[(1, 30), (2, 20), (3, 10)], min_free(1000), None);
    FREE.set(1000);
    scene.maintain();
    assert_eq!(scene.numbers(), [1, 2, 3]);
    // Not looked at again so soon, but after a rotation.
    FREE.set(999);
    scene.maintain();
    assert_eq!((scene.numbers().len(), LOOKS.get()), (3, 1));
    scene.rotation.rotated(0);
    scene.maintain();
    assert_eq!((scene.numbers(), LOOKS.get()), (vec![2, 3], 2));
    FREE.set(985);
    scene.rotation.rotated(0);
    scene.maintain();
    assert_eq!(scene.numbers(), [0; 0]);
    let expected = |number: u32| {
        let path = scene.dir.path().join(format!("app.{number:06}.log"));
        format!("less than 1000B is free: deleted the oldest file, {}", path.display())
    };
    assert_eq!(scene.said.0, [1, 2, 3].map(expected));
}

#[test]
fn where_nothing_is_left_to_delete_that_is_said_once_in_a_while() {
    let mut scene = Scene::new(&[], min_free(1000), None);
    FREE.set(0);
    for _ in 0..3 {
        scene.rotation.rotated(0);
        scene.maintain();
    }
    let expected = format!(
        "{}/app.log: less than 1000B is free, and no closed file is left to delete; going on until the disk is full",
        scene.dir.path().display()
    );
    assert_eq!((&scene.said.0[..], LOOKS.get()), (&[expected][..], 3));
    // Once there was room again, it is news.
    for free in [1000, 0] {
        FREE.set(free);
        scene.rotation.rotated(0);
        scene.maintain();
    }
    assert_eq!(scene.said.0.len(), 2);
}

#[test]
fn on_a_full_disk_the_space_is_looked_at_at_once() {
    let mut scene = Scene::new(&[(1, 30), (2, 20)], min_free(10), None);
    FREE.set(10);
    scene.maintain();
    FREE.set(0);
    let mut free_space = || scene.rotation.free_space(scene.open, &mut scene.said);
    assert_eq!([free_space(), free_space(), free_space()], [true, true, false]);
    assert_eq!(scene.numbers(), [0; 0]);
    // A full disk of another kind, as of a quota, deletes nothing.
    scene.close(3, 10);
    FREE.set(10);
    assert!(!scene.rotation.free_space(scene.open, &mut scene.said));
    assert_eq!(scene.numbers(), [3]);
}

#[test]
fn the_oldest_closed_files_of_all_handlers_are_deleted() {
    let total = TotalSize::new(40);
    let of = |closed: &[(u32, u64)]| Scene::new(closed, Rotation::default(), Some(&total));
    let (mut one, mut other) = (of(&[(1, 60), (2, 40), (3, 20)]), of(&[(1, 50)]));
    one.maintain();
    other.maintain();
    assert_eq!((one.numbers(), other.numbers()), (vec![1, 2, 3], vec![1]));
    // The other handler closes files, and the oldest of all are those of the first and then its own.
    other.close(2, 5);
    other.close(3, 4);
    other.rotation.rotated(0);
    other.maintain();
    assert_eq!(
        (one.numbers(), other.numbers()),
        (vec![1, 2, 3], vec![1, 2, 3]),
        "the first is asked what it has"
    );
    one.maintain();
    other.maintain();
    assert_eq!((one.numbers(), other.numbers()), (vec![1, 2, 3], vec![2, 3]), "each deletes its own");
    for _ in 0..3 {
        one.maintain();
        other.maintain();
        assert_eq!((one.numbers(), other.numbers()), (vec![2, 3], vec![2, 3]));
    }
    assert_eq!((one.said.0, other.said.0), (vec![], vec![]));
}

#[test]
fn a_file_that_became_smaller_meanwhile_is_not_deleted() {
    let total = TotalSize::new(25);
    let of = |closed: &[(u32, u64)]| Scene::new(closed, Rotation::default(), Some(&total));
    let (mut one, mut other) = (of(&[(1, 60), (2, 40)]), of(&[]));
    one.maintain();
    other.close(1, 5);
    other.maintain();
    fs::write(one.dir.path().join("app.000002.log"), "0").unwrap();
    one.maintain();
    assert_eq!((one.numbers(), other.numbers()), (vec![1, 2], vec![1]));
}

#[test]
fn other_names_of_a_deleted_file_stay() {
    let total = TotalSize::new(15);
    let mut scene = Scene::new(&[(1, 60), (2, 40), (3, 20)], Rotation::default(), Some(&total));
    let path = |name: &str| scene.dir.path().join(name);
    fs::hard_link(path("app.000001.log"), path("incident.save")).unwrap();
    // The file of another handler, with a second name like that of a closed one.
    fs::write(path("other.log"), "0123456789").unwrap();
    fs::hard_link(path("other.log"), path("app.000004.log")).unwrap();
    let (kept, other) = (path("incident.save"), path("other.log"));
    scene.maintain();
    assert_eq!(scene.numbers(), [4]);
    assert!(kept.exists() && other.exists());
}
