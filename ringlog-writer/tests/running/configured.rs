//! A writer with a configuration: several loggers, handlers, formats and rings.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use ringlog::{Level, Ring};
use ringlog_testkit::Scratch;
use ringlog_writer::{ConfigFile, Error, Signals, Summary, run_config};

use crate::common::{EventLog, eventually};

/// Rings, a configuration and its files, in a directory of their own.
pub(crate) struct Scene {
    pub(crate) dir: Scratch,
    pub(crate) rings: Vec<Ring>,
    pub(crate) file: ConfigFile,
}

impl Scene {
    /// Creates rings with these options; `DIR` stands for the directory in the configuration.
    pub(crate) fn with(count: usize, options: impl Fn() -> ringlog::Options, config: &str) -> Scene {
        let dir = Scratch::new();
        let path = |name: &str| dir.file(name);
        let create =
            |number: usize| options().create(path(&format!("ring{number}")).to_str().unwrap()).unwrap();
        let rings: Vec<Ring> = (0..count).map(create).collect();
        let names = rings.iter().map(|ring| ring.path().to_str().unwrap().to_owned()).collect();
        let file =
            ConfigFile { path: path("ringlog.toml"), rings: names, until_idle: false, makes_anew: false };
        let scratch = Scene { dir, rings, file };
        scratch.configure(config);
        scratch
    }

    pub(crate) fn new(config: &str) -> Scene {
        Scene::with(1, || Ring::options().size("1MiB"), config)
    }

    pub(crate) fn configure(&self, config: &str) {
        let dir = self.dir.path().to_str().unwrap();
        fs::write(&self.file.path, config.replace("DIR", dir)).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.file(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    pub(crate) fn lines(&self, name: &str) -> Vec<String> {
        self.read(name).lines().map(str::to_owned).collect()
    }

    pub(crate) fn log(&self, ring: usize, logger: &str, level: Level, text: &str) {
        self.rings[ring].logger().text(level, logger, text).unwrap();
    }

    /// Writes everything that is in the rings.
    pub(crate) fn drain(&self) -> Result<(Summary, Vec<String>), Error> {
        let (signals, mut events) = (Signals::default(), EventLog::default());
        signals.stop.store(true, Ordering::Relaxed);
        Ok((run_config(&self.file, &signals, &mut events)?, events.messages()))
    }

    /// Requests a reload of the configuration, and waits until it is taken or refused.
    #[track_caller]
    pub(crate) fn reload(&self, is_taken: bool) {
        let request =
            ringlog::admin::request(self.rings[0].path().to_str().unwrap(), ringlog::admin::Request::Reload)
                .unwrap();
        let observer = self.rings[0].observe().unwrap();
        eventually("it is answered", || observer.stat().unwrap().reloads == (request, is_taken));
    }

    /// Runs `act` while a writer runs, then stops the writer.
    pub(crate) fn beside_a_writer(&self, act: impl FnOnce(&Signals, &EventLog)) -> Result<Summary, Error> {
        let (signals, events) = (Signals::default(), EventLog::default());
        thread::scope(|scope| {
            let (file, mut writer_events, writer_signals) = (&self.file, events.clone(), signals.clone());
            let writer = scope.spawn(move || run_config(file, &writer_signals, &mut writer_events));
            eventually("it begins", || events.is_ready() || writer.is_finished());
            let acted = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| act(&signals, &events)));
            signals.stop.store(true, Ordering::Relaxed);
            let ended = writer.join().unwrap();
            acted.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            ended
        })
    }
}

const TWO_FILES: &str = r#"
[formatters.short]
format = "%(levelname)s %(name)s %(message)s"
[handlers.all]
kind = "file"
path = "DIR/all.log"
formatter = "short"
[handlers.errors]
kind = "file"
path = "DIR/errors.log"
level = "ERROR"
formatter = "short"
[handlers.db]
kind = "file"
path = "DIR/db.json"
formatter = "json"
[root]
handlers = ["all", "errors"]
[loggers.db]
level = "INFO"
handlers = ["db"]
[loggers."db.pool"]
handlers = ["errors"]
propagate = false
"#;

#[test]
fn records_go_to_the_handlers_of_their_loggers() {
    let scratch = Scene::new(TWO_FILES);
    for (logger, level, text) in [
        ("web", Level::DEBUG, "one"),
        ("web", Level::ERROR, "two"),
        ("db", Level::DEBUG, "three"),
        ("db::query", Level::INFO, "four"),
        ("db.pool", Level::ERROR, "five"),
    ] {
        scratch.log(0, logger, level, text);
    }
    let (summary, said) = scratch.drain().unwrap();
    assert_eq!((summary.records, said), (5, vec![]));
    assert_eq!(scratch.lines("all.log"), ["DEBUG web one", "ERROR web two", "INFO db::query four"]);
    assert_eq!(scratch.lines("errors.log"), ["ERROR web two", "ERROR db.pool five"]);
    let db = scratch.lines("db.json");
    assert!(db.len() == 1 && db[0].contains("\"four\""), "{db:?}");
}

#[test]
fn rings_are_merged_by_time() {
    let config = r#"
[formatters.short]
format = "%(message)s"
[handlers.all]
kind = "file"
path = "DIR/all.log"
formatter = "short"
[root]
handlers = ["all"]
"#;
    let scratch = Scene::with(3, || Ring::options().size("1MiB"), config);
    let loggers: Vec<_> = scratch.rings.iter().map(Ring::logger).collect();
    let mut number = 0;
    let mut log = |count: u32| {
        for _ in 0..count {
            // Spread unevenly over the rings, far enough apart for the clock to order them.
            loggers[(number * number % 7 % 3) as usize].text(Level::INFO, "x", number.to_string()).unwrap();
            number += 1;
            thread::sleep(Duration::from_micros(30));
        }
    };
    log(300);
    // Records from before the start, and records logged meanwhile.
    scratch
        .beside_a_writer(|_, _| {
            log(700);
            eventually("all is written", || scratch.lines("all.log").len() == 1000);
        })
        .unwrap();
    let numbers: Vec<u32> = scratch.lines("all.log").iter().map(|line| line.parse().unwrap()).collect();
    assert_eq!(numbers, (0..1000).collect::<Vec<_>>());
}

#[test]
fn a_reload_neither_loses_nor_repeats_a_record() {
    let scratch = Scene::new(TWO_FILES);
    scratch
        .beside_a_writer(|signals, events| {
            let mut sent = 0;
            for round in 0..20 {
                let (from, to) =
                    if round % 2 == 0 { ("all.log", "other.log") } else { ("other.log", "all.log") };
                (0..50).for_each(|_| {
                    scratch.log(0, "web", Level::INFO, &sent.to_string());
                    sent += 1;
                });
                scratch.configure(&TWO_FILES.replace("all.log", to));
                if round % 3 == 0 {
                    signals.reopen.store(true, Ordering::Relaxed);
                    eventually("it is read", || !signals.reopen.load(Ordering::Relaxed));
                } else {
                    scratch.reload(true);
                }
                let _ = from;
            }
            eventually("all is written", || {
                scratch.lines("all.log").len() + scratch.lines("other.log").len() >= sent
            });
            assert_eq!(events.messages(), [""; 0]);
            // Each file has some of the records, in order.
            let mut all = [scratch.lines("all.log"), scratch.lines("other.log")].concat();
            assert!(scratch.lines("all.log").len() > 100 && scratch.lines("other.log").len() > 100);
            all.sort_by_key(|line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap());
            let expected: Vec<String> = (0..sent).map(|number| format!("INFO web {number}")).collect();
            assert_eq!(all, expected);
        })
        .unwrap();
}

#[test]
fn an_invalid_configuration_leaves_the_old_one_in_force() {
    let scratch = Scene::new(TWO_FILES);
    fs::create_dir(scratch.path("directory")).unwrap();
    scratch
        .beside_a_writer(|_, events| {
            let mut sent = 0;
            for (bad, expected) in [
                (TWO_FILES.replace("level", "levle"), "unknown key \"levle\""),
                // The text is valid, but the file cannot be opened.
                (TWO_FILES.replace("all.log", "directory"), "it is a directory"),
                (TWO_FILES.replace("all.log", "none/all.log"), "there is no directory"),
            ] {
                scratch.log(0, "web", Level::INFO, "before");
                scratch.configure(&bad);
                scratch.reload(false);
                let said = events.messages().pop().unwrap();
                assert!(said.contains(expected) && said.contains("stays in force"), "{said}");
                scratch.log(0, "web", Level::INFO, "after");
                sent += 2;
                eventually("it is written", || scratch.lines("all.log").len() == sent);
            }
            scratch.configure(TWO_FILES);
            scratch.reload(true);
        })
        .unwrap();
    assert_eq!(scratch.lines("all.log"), ["INFO web before", "INFO web after"].repeat(3));
}

#[test]
fn a_reload_truncates_and_closes_no_file() {
    let truncated =
        TWO_FILES.replace("path = \"DIR/all.log\"", "path = \"DIR/all.log\"\nexisting = \"truncate\"");
    let config =
        truncated.replace("path = \"DIR/db.json\"", "path = \"DIR/db.json\"\nrotate = { on-start = true }");
    let scratch = Scene::new(&config);
    fs::write(scratch.path("all.log"), "old\n").unwrap();
    fs::write(scratch.path("db.json"), "old\n").unwrap();
    scratch
        .beside_a_writer(|_, events| {
            scratch.log(0, "web", Level::INFO, "one");
            scratch.log(0, "db", Level::INFO, "two");
            eventually("they are written", || scratch.lines("all.log").len() == 2);
            // This configuration passes all checks but cannot start, so the old one is started again.
            fs::write(scratch.path("other.log.checkpoint"), "another program's").unwrap();
            scratch.configure(&config.replace("errors.log", "other.log"));
            scratch.reload(false);
            let said = events.messages().pop().unwrap();
            assert!(said.contains("other.log.checkpoint") && said.contains("stays in force"), "{said}");
            scratch.log(0, "db", Level::INFO, "three");
            eventually("it is written", || scratch.lines("all.log").len() == 3);
            scratch.configure(&config);
            scratch.reload(true);
            fs::create_dir(scratch.path("directory")).unwrap();
            scratch.configure(&config.replace("errors.log", "directory"));
            scratch.reload(false);
            scratch.log(0, "db", Level::INFO, "four");
            eventually("it is written", || scratch.lines("all.log").len() == 4);
        })
        .unwrap();
    let expected = ["INFO web one", "INFO db two", "INFO db three", "INFO db four"];
    assert_eq!(scratch.lines("all.log"), expected);
    assert_eq!(scratch.lines("db.json").len(), 3);
}

/// A configuration that cannot take effect discards nothing, also in the files that were opened for it before the one
/// that cannot be opened.
#[test]
fn a_refused_configuration_discards_no_content() {
    let config = |handlers: &[(&str, &str)]| {
        let section = |(name, more): &(&str, &str)| {
            let file = format!("kind = \"file\"\npath = \"DIR/{name}.log\"\nformatter = \"short\"");
            format!("[handlers.{name}]\n{file}\n{more}\n")
        };
        let (sections, names): (String, Vec<_>) =
            (handlers.iter().map(section).collect(), handlers.iter().map(|(name, _)| name).collect());
        let formatter = "[formatters.short]\nformat = \"%(message)s\"";
        format!("{formatter}\n{sections}[root]\nhandlers = {names:?}\n")
    };
    let first = config(&[("first", "")]);
    let next = config(&[
        ("first", ""),
        ("plain", "checkpoint = false\nexisting = \"truncate\""),
        ("kept", "existing = \"truncate\""),
        ("rotated", "rotate = { on-start = true, keep = 1, naming = \"python\" }"),
        ("taken", ""),
    ]);
    let names = ["plain.log", "kept.log", "rotated.log", "rotated.log.1"];
    let scratch = Scene::new(&first);
    names.iter().for_each(|name| fs::write(scratch.path(name), name).unwrap());
    let unchanged = || names.iter().for_each(|name| assert_eq!(scratch.read(name), *name));
    fs::write(scratch.path("taken.log.checkpoint"), "another program's").unwrap();
    scratch
        .beside_a_writer(|_, events| {
            scratch.configure(&next);
            scratch.reload(false);
            let said = events.messages().pop().unwrap();
            assert!(said.contains("taken.log.checkpoint") && said.contains("stays in force"), "{said}");
            unchanged();
        })
        .unwrap();
    scratch.drain().unwrap_err();
    unchanged();
    fs::remove_file(scratch.path("taken.log.checkpoint")).unwrap();
    scratch.log(0, "web", Level::INFO, "new");
    scratch.drain().unwrap();
    assert_eq!(scratch.lines("plain.log"), ["new"]);
    assert_eq!(scratch.lines("kept.log"), ["new"]);
    assert_eq!(scratch.lines("rotated.log"), ["new"]);
    assert_eq!(scratch.lines("rotated.log.1"), ["rotated.log"]);
}

/// The link leads to another file by the time of the reload.
#[test]
fn a_reload_truncates_no_file_that_was_open_through_a_link() {
    let config = |path: &str| {
        format!(
            "[handlers.file]\nkind = \"file\"\npath = \"DIR/{path}\"\nformatter = \"raw\"\nexisting = \"truncate\"\n\
             [root]\nhandlers = [\"file\"]\n"
        )
    };
    let scene = Scene::new("");
    std::os::unix::fs::symlink("first.log", scene.path("link")).unwrap();
    scene.configure(&config("link"));
    scene
        .beside_a_writer(|_, _| {
            scene.log(0, "x", Level::INFO, "one");
            eventually("it is written", || scene.lines("first.log") == ["one"]);
            fs::remove_file(scene.path("link")).unwrap();
            std::os::unix::fs::symlink("second.log", scene.path("link")).unwrap();
            fs::write(scene.path("second.log"), "of another program\n").unwrap();
            scene.configure(&config("first.log"));
            scene.reload(true);
            scene.log(0, "x", Level::INFO, "two");
            eventually("it is written", || scene.lines("first.log").contains(&"two".to_owned()));
        })
        .unwrap();
    assert_eq!(scene.lines("first.log"), ["one", "two"]);
    assert_eq!(scene.lines("second.log"), ["of another program"]);
}

#[test]
fn a_reload_with_a_missing_directory_ends_no_writer() {
    let scratch = Scene::with(1, || Ring::options().size("1MiB"), "");
    fs::create_dir(scratch.path("logs")).unwrap();
    scratch.configure(&TWO_FILES.replace("DIR/all.log", "DIR/logs/all.log"));
    scratch
        .beside_a_writer(|_, events| {
            fs::remove_dir_all(scratch.path("logs")).unwrap();
            scratch.log(0, "db", Level::INFO, "one");
            for _ in 0..3 {
                scratch.reload(false);
            }
            let said = events.messages().pop().unwrap();
            assert!(said.contains("ringlog.toml:6:8: ") && said.contains("stays in force"), "{said}");
            scratch.log(0, "db", Level::INFO, "two");
            eventually("the other file has both", || scratch.lines("db.json").len() == 2);
            fs::create_dir(scratch.path("logs")).unwrap();
            eventually("and then this one", || {
                scratch.lines("logs/all.log") == ["INFO db one", "INFO db two"]
            });
        })
        .unwrap();
}

#[test]
fn a_refused_reload_leaves_no_files_behind() {
    let handler = |name: &str, more: &str| {
        format!("[handlers.{name}]\nkind = \"file\"\npath = \"DIR/{name}.log\"\n{more}\n")
    };
    let scene = Scene::new(&(handler("old", "") + "[root]\nhandlers = [\"old\"]\n"));
    let next = handler("new", "")
        + &handler("plain", "checkpoint = false")
        + &handler("empty", "")
        + &handler("full", "")
        + &handler("bad", "")
        + "[root]\nhandlers = [\"new\", \"plain\", \"empty\", \"full\", \"bad\"]\n";
    // Files of other programs, one of which keeps the last handler from being opened.
    fs::write(scene.path("empty.log"), "").unwrap();
    fs::write(scene.path("full.log"), "full\n").unwrap();
    fs::write(scene.path("bad.log.checkpoint"), "notes\n").unwrap();
    let files = || {
        let files = fs::read_dir(scene.dir.path()).unwrap().map(|file| file.unwrap().path());
        let mut files: Vec<_> = files.filter(|file| file.to_str().unwrap().contains(".log")).collect();
        files.sort();
        files.into_iter().map(|file| (fs::read(&file).unwrap(), file)).collect::<Vec<_>>()
    };
    scene
        .beside_a_writer(|_, events| {
            let old = |(_, file): &(_, PathBuf)| file.to_str().unwrap().contains("/old.log");
            let others = || files().into_iter().filter(|file| !old(file)).collect::<Vec<_>>();
            let before = others();
            scene.configure(&next);
            for _ in 0..2 {
                scene.reload(false);
                assert!(
                    events.messages().pop().unwrap().contains("the previous configuration stays in force")
                );
                assert_eq!(others(), before);
            }
            fs::remove_file(scene.path("bad.log.checkpoint")).unwrap();
            scene.reload(true);
            scene.log(0, "x", Level::INFO, "one");
            let names = ["new.log", "plain.log", "empty.log", "bad.log"];
            eventually("all have it", || names.iter().all(|name| scene.lines(name).len() == 1));
            eventually("this one too", || scene.lines("full.log").len() == 2);
        })
        .unwrap();
}

#[test]
fn closed_files_of_all_handlers_have_one_limit() {
    let handler = |name: &str| {
        format!(
            "[handlers.{name}]\nkind = \"file\"\npath = \"DIR/{name}.log\"\nformatter = \"raw\"\n\
             rotate = {{ size = 1001, naming = \"number\" }}\n"
        )
    };
    let config = |limit: &str| {
        let handlers = handler("one") + &handler("two");
        format!(
            "{limit}\n{handlers}[loggers.one]\nhandlers = [\"one\"]\n[loggers.two]\nhandlers = [\"two\"]\n"
        )
    };
    let scene = Scene::new(&config(""));
    let text = format!("{:099}", 0);
    let log = |logger: &str, count: usize| (0..count).for_each(|_| scene.log(0, logger, Level::INFO, &text));
    let closed = |name: &str| {
        let is_there = |number: &u32| scene.path(&format!("{name}.{number:06}.log")).exists();
        (1..=9).filter(is_there).collect::<Vec<_>>()
    };
    // Nine files of 1000 bytes, older than all that come.
    log("one", 50);
    log("two", 40);
    scene.drain().unwrap();
    assert_eq!((closed("one"), closed("two")), (vec![1, 2, 3, 4], vec![1, 2, 3]));
    for (age_s, name) in [(90, "one.000001"), (80, "two.000001"), (70, "two.000002"), (60, "one.000002")] {
        let file = fs::File::options().write(true).open(scene.path(&format!("{name}.log"))).unwrap();
        file.set_modified(std::time::SystemTime::now() - Duration::from_secs(age_s)).unwrap();
    }
    scene.configure(&config("max-total-size = 4000"));
    scene
        .beside_a_writer(|_, events| {
            eventually("the oldest are deleted", || {
                (closed("one"), closed("two")) == (vec![2, 3, 4], vec![3])
            });
            log("two", 10);
            eventually("then the next one", || (closed("one"), closed("two")) == (vec![3, 4], vec![3, 4]));
            assert_eq!(events.messages(), [""; 0]);
        })
        .unwrap();
    assert_eq!((scene.lines("one.log").len(), scene.lines("two.log").len()), (10, 10));
}
