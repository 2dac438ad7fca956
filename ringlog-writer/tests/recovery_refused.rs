//! A file that cannot be repaired keeps a configuration from starting, after all files are open.

use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::Ordering;

use nix::unistd::{Uid, geteuid, seteuid};
use ringlog::{Level, Ring};
use ringlog_testkit::Scratch;
use ringlog_writer::{ConfigFile, Signals, StandardError, run_config};

/// Another user than root, for as long as it exists: root may rename any file.
struct Unprivileged {
    was_root: bool,
}

impl Unprivileged {
    fn new() -> Unprivileged {
        let was_root = geteuid().is_root();
        if was_root {
            seteuid(Uid::from_raw(65_534)).unwrap();
        }
        Unprivileged { was_root }
    }
}

impl Drop for Unprivileged {
    fn drop(&mut self) {
        if self.was_root {
            seteuid(Uid::from_raw(0)).unwrap();
        }
    }
}

#[test]
fn a_file_that_cannot_be_repaired_keeps_others_from_truncation() {
    let _user = Unprivileged::new();
    let dir = Scratch::new();
    let ring = Ring::options().size("1MiB").create(&dir.text("ring")).unwrap();
    let closed = dir.file("closed");
    fs::create_dir(&closed).unwrap();
    let write = |text: &str| {
        ring.logger().text(Level::INFO, "x", text).unwrap();
        let file = ConfigFile {
            path: dir.file("ringlog.toml"),
            rings: vec![dir.text("ring")],
            until_idle: false,
            makes_anew: false,
        };
        let signals = Signals::default();
        signals.stop.store(true, Ordering::SeqCst);
        run_config(&file, &signals, &mut StandardError).map(|_| ())
    };
    let handler = |name: &str, path: &str, more: &str| {
        let path = dir.file(path);
        format!("[handlers.{name}]\nkind = \"file\"\npath = {path:?}\n{more}\n")
    };
    // With a rotation its checkpoint stays.
    let repaired = handler("repaired", "closed/app.log", "rotate = { size = \"1MiB\" }");
    let configure = |before: &str, names: &str| {
        let text = format!("{before}{repaired}[root]\nhandlers = {names}\n");
        fs::write(dir.file("ringlog.toml"), text).unwrap();
    };
    configure("", "[\"repaired\"]");
    write("one").unwrap();

    // It lacks its end, so it would be renamed, which its directory does not allow.
    OpenOptions::new().write(true).open(closed.join("app.log")).unwrap().set_len(1).unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o555)).unwrap();
    let others =
        [("kept", "existing = \"truncate\""), ("plain", "checkpoint = false\nexisting = \"truncate\"")];
    let before: String = others.iter().map(|(name, more)| handler(name, name, more)).collect();
    others.iter().for_each(|(name, _)| fs::write(dir.file(name), "old\n").unwrap());
    configure(&before, "[\"kept\", \"plain\", \"repaired\"]");
    let error = write("two").unwrap_err().to_string();
    assert!(error.contains("closed/app.log"), "{error}");
    others.iter().for_each(|(name, _)| assert_eq!(fs::read_to_string(dir.file(name)).unwrap(), "old\n"));

    fs::set_permissions(&closed, Permissions::from_mode(0o755)).unwrap();
    write("three").unwrap();
    for (name, _) in others {
        let text = fs::read_to_string(dir.file(name)).unwrap();
        assert!(!text.contains("old") && text.contains("three"), "{text}");
    }
}
