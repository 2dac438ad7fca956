//! Handlers of one file: each writes its lines, in the order of the records, and the file is closed as one.

use std::collections::BTreeMap;

use ringlog::Level;

use crate::configured::Scene;

/// The logger `db` has a handler of its own for the file of the root's handler, and one of the two rotates it.
const SHARED: &str = r#"
[formatters.long]
format = "%(levelname)s %(name)s %(message)s"
[formatters.short]
format = "%(message)s"
[handlers.all]
kind = "file"
path = "DIR/app.log"
formatter = "long"
[handlers.db]
kind = "file"
path = "DIR/./app.log"
level = "WARNING"
formatter = "short"
[handlers.db.rotate]
size = "300"
naming = "number"
[root]
handlers = ["all"]
[loggers.db]
handlers = ["db"]
"#;

/// The lines of all files, oldest first.
fn lines(scene: &Scene) -> Vec<String> {
    let names = std::fs::read_dir(scene.dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(".log"));
    // `app.000001.log` and so on, and then `app.log`.
    names.sort();
    assert!(names.len() > 3, "{names:?}");
    for name in &names {
        assert!(scene.read(name).len() <= 300, "{name} is too long");
    }
    names.iter().flat_map(|name| scene.lines(name)).collect()
}

#[test]
fn handlers_of_one_file_write_in_order_and_rotate_it_once() {
    let scene = Scene::new(SHARED);
    let mut expected = Vec::new();
    for number in 0..60 {
        let (logger, level) = match number % 3 {
            0 => ("web", Level::INFO),
            1 => ("db.pool", Level::INFO),
            _ => ("db", Level::ERROR),
        };
        scene.log(0, logger, level, &format!("record {number}"));
        expected.push(format!("{level} {logger} record {number}"));
        if level == Level::ERROR {
            // By both handlers, as in Python: that of the nearer logger first in the configuration's order.
            expected.push(format!("record {number}"));
        }
        // Writers that come and go write each line once.
        if number % 20 == 7 {
            scene.drain().unwrap();
        }
    }
    scene.drain().unwrap();
    assert_eq!(lines(&scene), expected);
}

#[test]
fn a_record_of_two_handlers_is_not_torn_between_two_files() {
    let scene = Scene::new(SHARED);
    (0..60).for_each(|number| scene.log(0, "db", Level::ERROR, &format!("record {number}")));
    scene.drain().unwrap();
    let mut counts = BTreeMap::new();
    for entry in std::fs::read_dir(scene.dir.path()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        for line in scene.lines(&name).iter().filter(|_| name.ends_with(".log")) {
            *counts.entry((name.clone(), line.rsplit(' ').next().unwrap().to_owned())).or_insert(0) += 1;
        }
    }
    assert_eq!((counts.len(), counts.values().filter(|count| **count != 2).count()), (60, 0), "{counts:?}");
}
