//! A file that is begun after another one has the mode, owner and group of that one.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getegid, geteuid};
use ringlog_writer::rotation::Rotation;
use ringlog_writer::{Signals, run_with};

use crate::common::{EventLog, eventually};
use crate::scene::Scene;

/// Mode, owner and group.
fn attributes(path: &Path) -> (u32, u32, u32) {
    let meta = fs::metadata(path).unwrap();
    (meta.mode() & 0o7777, meta.uid(), meta.gid())
}

fn set(path: &Path, mode: u32, owner: Option<u32>) {
    if geteuid().is_root() {
        chown(path, owner, owner).unwrap();
    }
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn numbered() -> Rotation {
    Rotation { naming: "number".parse().unwrap(), size: Some(1 << 20), ..Rotation::default() }
}

/// A scene with an output of this mode, and of another owner where the test may set one.
fn scene(rotation: Rotation, mode: u32) -> (Scene, (u32, u32, u32)) {
    let mut scene = Scene::new(rotation);
    scene.log(1);
    scene.drain();
    let out = scene.path("app.log");
    set(&out, mode, Some(4321));
    let wanted = attributes(&out);
    (scene, wanted)
}

#[test]
fn a_file_after_a_closed_one_is_as_open_as_that_one() {
    // More and less than any usual umask leaves.
    for mode in [0o600, 0o666, 0o460] {
        let compression = Some("gzip".parse().unwrap());
        let (mut scene, wanted) = scene(Rotation { on_start: true, compression, ..numbered() }, mode);
        scene.log(1);
        let options = scene.options();
        scene.beside_a_writer(&options, |scene, _| {
            scene.flush();
            eventually("it is compressed", || scene.names() == ["app.000001.log.gz", "app.log"]);
        });
        assert_eq!(attributes(&scene.path("app.log")), wanted);
        assert_eq!(attributes(&scene.path("app.000001.log.gz")), wanted);
        assert_eq!(scene.messages(), [""; 0]);
    }
}

#[test]
fn a_file_after_a_moved_or_deleted_one_is_as_open_as_that_one() {
    for checkpoint in [true, false] {
        let (mut scene, wanted) = scene(if checkpoint { numbered() } else { Rotation::default() }, 0o606);
        let (mut options, out) = (scene.options(), scene.path("app.log"));
        options.out.as_file_mut().unwrap().checkpoint = checkpoint;
        scene.beside_a_writer(&options, |scene, signals| {
            for after in ["moved", "deleted"] {
                scene.log(1);
                scene.flush();
                fs::rename(&out, scene.path(after)).unwrap();
                if after == "deleted" {
                    fs::remove_file(scene.path(after)).unwrap();
                }
                signals.reopen.store(true, Ordering::Relaxed);
                eventually("a new file is begun", || out.exists());
                assert_eq!(attributes(&out), wanted, "{after}");
            }
        });
    }
}

#[test]
fn a_file_after_one_moved_while_no_writer_ran_is_as_open_as_it() {
    // The file as it is now counts; where it is not found, the file as the checkpoint knows it.
    for found in [true, false] {
        let (mut scene, _) = scene(numbered(), 0o640);
        scene.log(1);
        scene.drain();
        let out = scene.path("app.log");
        let mut wanted = attributes(&out);
        if found {
            set(&out, 0o600, None);
            wanted.0 = 0o600;
            fs::rename(&out, scene.path("moved")).unwrap();
        } else {
            fs::create_dir(scene.path("old")).unwrap();
            fs::rename(&out, scene.path("old/moved")).unwrap();
        }
        scene.log(1);
        scene.drain();
        assert_eq!(attributes(&out), wanted, "{found}");
    }
}

#[test]
fn a_file_that_cannot_get_its_group_is_closed_to_others() {
    if !geteuid().is_root() {
        println!("skipped: only root gives a file to another user");
        return;
    }
    const OTHER: u32 = 65_534;
    let mut scene = Scene::new(Rotation::default());
    scene.log(1);
    scene.drain();
    fs::set_permissions(scene.path("app.log"), Permissions::from_mode(0o640)).unwrap();
    let writer = |scene: &mut Scene| {
        scene.log(1);
        for entry in fs::read_dir(scene.dir.path()).unwrap() {
            let path = entry.unwrap().path();
            let group = if path.ends_with("app.log") { None } else { Some(OTHER) };
            chown(path, Some(OTHER), group).unwrap();
        }
        chown(scene.dir.path(), Some(OTHER), Some(OTHER)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringlog-writer"));
        command.args([scene.ring.path(), Path::new("--out"), &scene.path("app.log")]);
        command.args(["--rotate-size", "1", "--naming", "number", "--format", "raw"]);
        let child = command.current_dir("/").uid(OTHER).gid(OTHER).stderr(Stdio::piped()).spawn().unwrap();
        scene.flush();
        kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let said = writer(&mut scene);
    assert_eq!(attributes(&scene.path("app.log")), (0o600, OTHER, OTHER), "{said}");
    let expected =
        "app.log: owner and group should be 65534:0, as of the file before: Operation not permitted";
    assert!(said.contains(expected) && said.contains("; its mode is 600"), "{said}");
    // From then on each file is as the one before.
    assert_eq!(writer(&mut scene), "");
}

#[test]
fn new_files_have_the_configured_mode_owner_and_group() {
    for checkpoint in [true, false] {
        let mut scene = Scene::new(if checkpoint { numbered() } else { Rotation::default() });
        let (mut options, out) = (scene.options(), scene.path("app.log"));
        let file = options.out.as_file_mut().unwrap();
        (file.checkpoint, file.mode) = (checkpoint, "0646".parse().ok());
        let mut wanted = (0o646, geteuid().as_raw(), getegid().as_raw());
        if geteuid().is_root() {
            (file.owner, file.group) = ("4321".parse().ok(), "4322".parse().ok());
            (wanted.1, wanted.2) = (4321, 4322);
        }
        scene.beside_a_writer(&options, |scene, signals| {
            scene.log(1);
            scene.flush();
            assert_eq!(attributes(&out), wanted, "the first one");
            // The next one is not as the one before, but as configured.
            set(&out, 0o600, None);
            fs::rename(&out, scene.path("moved")).unwrap();
            signals.reopen.store(true, Ordering::Relaxed);
            eventually("a new file is begun", || out.exists());
            assert_eq!(attributes(&out), wanted, "the next one");
            assert_eq!(attributes(&scene.path("moved")).0, 0o600);
        });
        assert_eq!(scene.messages(), [""; 0]);
    }
}

#[test]
fn an_existing_file_keeps_its_mode_but_the_next_does_not() {
    let compression = Some("gzip".parse().unwrap());
    let (mut scene, kept) = scene(Rotation { compression, ..numbered() }, 0o606);
    let mut options = scene.options();
    options.out.as_file_mut().unwrap().mode = "0640".parse().ok();
    scene.beside_a_writer(&options, |scene, signals| {
        scene.log(1);
        scene.flush();
        assert_eq!(attributes(&scene.path("app.log")), kept);
        signals.rotate.store(true, Ordering::Relaxed);
        eventually("it is closed", || scene.names() == ["app.000001.log.gz", "app.log"]);
        assert_eq!(attributes(&scene.path("app.000001.log.gz")), kept);
        assert_eq!(attributes(&scene.path("app.log")), (0o640, kept.1, kept.2));
        scene.log(1);
        scene.flush();
        signals.rotate.store(true, Ordering::Relaxed);
        let closed = scene.path("app.000002.log.gz");
        eventually("the next one is closed", || closed.exists());
        assert_eq!(attributes(&closed), (0o640, kept.1, kept.2));
    });
}

#[test]
fn a_file_that_cannot_be_given_away_is_closed_to_others() {
    if !geteuid().is_root() {
        println!("SKIPPED: only root gives a file to another user");
        return;
    }
    const OTHER: u32 = 65_534;
    let mut scene = Scene::new(Rotation::default());
    scene.log(3);
    for entry in fs::read_dir(scene.dir.path()).unwrap() {
        chown(entry.unwrap().path(), Some(OTHER), Some(OTHER)).unwrap();
    }
    chown(scene.dir.path(), Some(OTHER), Some(OTHER)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringlog-writer"));
    command.args([scene.ring.path(), Path::new("--out"), &scene.path("app.log")]);
    command.args(["--rotate-size", "1", "--naming", "number", "--format", "raw"]);
    command.args(["--mode", "0640", "--owner", "root", "--group", "root"]);
    let child = command.current_dir("/").uid(OTHER).gid(OTHER).stderr(Stdio::piped()).spawn().unwrap();
    scene.flush();
    kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    let names = ["app.000001.log", "app.000002.log", "app.log"];
    assert_eq!((scene.names(), scene.numbers(&names)), (names.map(str::to_owned).to_vec(), vec![0, 1, 2]));
    for name in names {
        assert_eq!(attributes(&scene.path(name)), (0o600, OTHER, OTHER), "{said}");
    }
    let expected = "app.log: owner and group should be 0:0, as configured: Operation not permitted (os error 1); its \
                    mode is 600\n";
    assert!(said.ends_with(expected) && said.lines().count() == 1, "{said}");
}

#[test]
fn links_and_targets_of_other_users_are_not_followed() {
    if !geteuid().is_root() {
        println!("SKIPPED: only root makes a link of another user");
        return;
    }
    const OTHER: u32 = 65_534;
    let refusal = |scene: &Scene| {
        let signals = Signals::default();
        signals.stop.store(true, Ordering::Relaxed);
        let error = run_with(&scene.options(), &signals, &mut EventLog::default()).unwrap_err();
        error.to_string().replace(scene.dir.path().to_str().unwrap(), "DIR")
    };
    let expected = "uid 65534; expected uid 0 (yours) or root; name the file itself";
    for exists in [true, false] {
        let mut scene = Scene::new(numbered());
        let (out, target) = (scene.path("app.log"), scene.path("target"));
        if exists {
            fs::write(&target, "theirs\n").unwrap();
        }
        // Of a chain each link counts.
        symlink("second", &out).unwrap();
        symlink("target", scene.path("second")).unwrap();
        lchown(scene.path("second"), Some(OTHER), None).unwrap();
        let said =
            format!("cannot open DIR/app.log for writing: DIR/second is a symbolic link of {expected}");
        assert_eq!(refusal(&scene), format!("{said}, or make the link anew"));
        assert_eq!(fs::read_to_string(&target).unwrap_or_default(), if exists { "theirs\n" } else { "" });
        assert_eq!(target.exists(), exists, "nothing is created");
        lchown(scene.path("second"), Some(0), None).unwrap();
        if exists {
            chown(&target, Some(OTHER), None).unwrap();
            let said =
                "cannot open DIR/app.log for writing: it is a symbolic link to DIR/target, which is of";
            assert_eq!(refusal(&scene), format!("{said} {expected}"));
            chown(&target, Some(0), None).unwrap();
            fs::write(&target, "").unwrap();
        }
        // Of this user and root, also where the file is not there yet.
        scene.log(1);
        scene.drain();
        assert_eq!(scene.numbers(&["target"]), [0]);
    }
}

#[test]
fn a_link_that_takes_the_place_of_a_moved_file_is_not_followed() {
    if !geteuid().is_root() {
        println!("SKIPPED: only root makes a link of another user");
        return;
    }
    for checkpoint in [true, false] {
        let mut scene = Scene::new(Rotation::default());
        let (mut options, out) = (scene.options(), scene.path("app.log"));
        options.out.as_file_mut().unwrap().checkpoint = checkpoint;
        fs::write(scene.path("victim"), "").unwrap();
        scene.beside_a_writer(&options, |scene, signals| {
            scene.log(1);
            scene.flush();
            fs::rename(&out, scene.path("moved")).unwrap();
            symlink("victim", scene.path("link")).unwrap();
            lchown(scene.path("link"), Some(65_534), None).unwrap();
            fs::rename(scene.path("link"), &out).unwrap();
            signals.reopen.store(true, Ordering::Relaxed);
            eventually("it is refused", || {
                scene.messages().concat().contains("is a symbolic link of uid 65534")
            });
            scene.log(1);
            scene.flush();
        });
        assert_eq!(scene.numbers(&["victim", "moved"]), [0, 1]);
    }
}
