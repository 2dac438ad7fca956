use std::path::Path;

use super::console::CONSOLE;
use super::file::outputs::{IRREGULAR, WITH_CHECKPOINT, WITHOUT_CHECKPOINT};
use super::*;
use crate::events::StandardError;
use crate::rotation::Rotation;

const NOTHING: Opening<'static> = Opening { rings: &[], total: None, takes_all: false };

#[test]
fn every_sink_has_the_guarantee_of_its_kind() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, checkpoint| {
        let path = if name.starts_with('/') { name.into() } else { dir.path().join(name) };
        SinkConfig::File(FileConfig { checkpoint, ..FileConfig::new(path) })
    };
    nix::unistd::mkfifo(&dir.path().join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    for (config, expected) in [
        (file("new.log", true), WITH_CHECKPOINT),
        (file("plain.log", false), WITHOUT_CHECKPOINT),
        (file("pipe", true), IRREGULAR),
        (file("pipe", false), IRREGULAR),
        (file("/dev/null", true), IRREGULAR),
        (SinkConfig::Console(ConsoleConfig::default()), CONSOLE),
    ] {
        assert_eq!(config.kind().output(), Some(expected), "{config}");
        assert!(config.kind().outputs().contains(&expected), "{config}");
        let unopened = Unopened::new(&config, &NOTHING, Vec::new());
        let opened = open(&config, &NOTHING).unwrap().unwrap();
        for sink in [Box::new(unopened), opened] as [Box<dyn Sink>; 2] {
            assert_eq!(sink.guarantee(), expected.guarantee, "{config}");
        }
    }
    assert_eq!(SinkConfig::Null(NullConfig).kind().output(), None);
}

/// Only what the sink has made and not used is removed when its session cannot begin.
#[test]
fn a_withdrawn_sink_leaves_what_was_there() {
    let withdrawn = |checkpoint: bool, prepare: &dyn Fn(&Path), recovers: bool, meddle: &dyn Fn(&Path)| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.log");
        prepare(&path);
        let config = SinkConfig::File(FileConfig { checkpoint, ..FileConfig::new(path.clone()) });
        let mut sink = open(&config, &NOTHING).unwrap().unwrap();
        if recovers {
            sink.recover(false, &mut StandardError).unwrap();
        }
        meddle(&path);
        sink.withdraw();
        let names = std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    };
    let nothing = &|_: &Path| ();
    let fill = &|path: &Path| std::fs::write(path, "text\n").unwrap();
    let replace = &|path: &Path| {
        std::fs::rename(path, path.with_extension("1")).unwrap();
        std::fs::write(path, "").unwrap();
    };
    // The file that this checkpoint knows was moved away.
    let checkpoint = &|path: &Path| {
        let config = SinkConfig::File(FileConfig::new(path.to_owned()));
        let mut sink = open(&config, &NOTHING).unwrap().unwrap();
        sink.recover(false, &mut StandardError).unwrap();
        std::fs::remove_file(path).unwrap();
    };
    let (file, both) = (vec!["app.log"], vec!["app.log", "app.log.checkpoint"]);
    for recovers in [false, true] {
        assert_eq!(withdrawn(true, nothing, recovers, nothing), [""; 0]);
        assert_eq!(withdrawn(false, nothing, recovers, nothing), [""; 0]);
        // Files of other programs, or with content of theirs.
        for (prepare, meddle) in [(fill as &dyn Fn(&Path), nothing as &dyn Fn(&Path)), (nothing, fill)] {
            let expected = if recovers { &both } else { &file };
            assert_eq!(&withdrawn(true, prepare, recovers, meddle), expected);
            assert_eq!(withdrawn(false, prepare, recovers, meddle), file);
        }
        assert_eq!(withdrawn(false, nothing, recovers, replace), ["app.1", "app.log"]);
    }
    assert_eq!(withdrawn(true, checkpoint, false, nothing), ["app.log.checkpoint"]);
    assert_eq!(withdrawn(true, checkpoint, true, nothing), both, "the checkpoint names the new file");
}

/// What another process has opened by then would be lost with the file.
#[test]
fn a_withdrawn_sink_leaves_a_file_that_is_open_elsewhere() {
    for (checkpoint, recovers) in [(true, false), (true, true), (false, false)] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.log");
        let config = SinkConfig::File(FileConfig { checkpoint, ..FileConfig::new(path.clone()) });
        let mut sink = open(&config, &NOTHING).unwrap().unwrap();
        if recovers {
            sink.recover(false, &mut StandardError).unwrap();
        }
        let _other = std::fs::File::options().append(true).open(&path).unwrap();
        sink.withdraw();
        assert!(path.exists(), "{checkpoint}, {recovers}");
    }
}

/// A sink that is open and recovered may still be withdrawn: content is discarded, and files are closed and deleted,
/// only when it begins.
#[test]
fn a_sink_discards_and_closes_only_when_it_begins() {
    for (checkpoint, existing) in
        [(false, Existing::Truncate), (true, Existing::Truncate), (true, Existing::Append)]
    {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.log");
        let read = |path: &Path| std::fs::read_to_string(path).unwrap();
        std::fs::write(&path, "old\n").unwrap();
        let rotation = Rotation { on_start: existing == Existing::Append, ..Rotation::default() };
        let config = FileConfig { checkpoint, existing, rotation, ..FileConfig::new(path.clone()) };
        let mut sink = open(&SinkConfig::File(config), &NOTHING).unwrap().unwrap();
        sink.recover(false, &mut StandardError).unwrap();
        assert_eq!(read(&path), "old\n", "{checkpoint}, {existing}");
        sink.begin(&mut StandardError).unwrap();
        assert_eq!(read(&path), "", "{checkpoint}, {existing}");
    }
}

/// A pipe or a device that takes the place of a file is not written: it does not keep what was counted.
#[test]
fn what_is_no_file_does_not_take_the_place_of_one() {
    let mkfifo = |path: &Path| nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let null = |path: &Path| std::os::unix::fs::symlink("/dev/null", path).unwrap();
    let socket = |path: &Path| drop(std::os::unix::net::UnixListener::bind(path).unwrap());
    let batch = || Batch::of_lines(&["line\n"]);
    for checkpoint in [false, true] {
        for (put, is_read) in
            [(&mkfifo as &dyn Fn(&Path), false), (&mkfifo, true), (&null, false), (&socket, false)]
        {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("app.log");
            let config = SinkConfig::File(FileConfig { checkpoint, ..FileConfig::new(path.clone()) });
            let mut sink = open(&config, &NOTHING).unwrap().unwrap();
            sink.recover(false, &mut StandardError).unwrap();
            sink.begin(&mut StandardError).unwrap();
            sink.deliver(&batch(), &mut StandardError).unwrap();
            std::fs::remove_file(&path).unwrap();
            put(&path);
            let open_reader = || std::fs::File::options().read(true).write(true).open(&path).unwrap();
            let _reader = is_read.then(open_reader);
            for _ in 0..2 {
                let refused = sink.deliver(&batch(), &mut StandardError).unwrap_err().to_string();
                assert_eq!(
                    refused,
                    format!(
                        "cannot open {} for writing: what is there now is no regular file; remove it, or start the \
                         writer anew",
                        path.display()
                    )
                );
            }
            std::fs::remove_file(&path).unwrap();
            sink.deliver(&batch(), &mut StandardError).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), "line\n");
        }
    }
}

/// A pipe that was opened later than the others is asked too.
#[test]
fn a_sink_that_was_opened_later_tells_of_its_reader() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pipe");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let reader = std::fs::File::options().read(true).write(true).open(&path).unwrap();
    let mut sink = Unopened::new(&SinkConfig::File(FileConfig::new(&path)), &NOTHING, Vec::new());
    assert!(!sink.has_reader(), "it is not open");
    sink.deliver(&Batch::of_lines(&["line\n"]), &mut StandardError).unwrap();
    assert!(sink.has_reader());
    drop(reader);
    assert!(!sink.has_reader());
}
