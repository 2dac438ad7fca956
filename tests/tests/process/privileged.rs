//! A program with more rights than its caller does not do what its caller's environment says.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use ringlog::admin::{directory, is_from_stranger, resolve};
use ringlog_testkit::Scratch;

const NOBODY: u32 = 65534;
const VARIABLES: [&str; 4] = ["RINGLOG", "RINGLOG_DIR", "RINGLOG_LEVEL", "RINGLOG_WRITER"];

/// What a copy of this program finds, which the other test has given rights.
#[test]
#[ignore = "a part of the other test"]
fn finds() {
    println!("secure={}", is_from_stranger());
    println!("dir={}", directory().display());
    println!(
        "ring={}",
        resolve(".").map_or_else(|error| error.to_string(), |path| path.display().to_string())
    );
    println!("init={:?}", ringlog::init());
    let options = ringlog_writer::Options::new("/nowhere/ring");
    println!("writer={}", ringlog_writer::spawn(&options).unwrap_err());
}

/// The output of [`finds`] in a copy with this mode, started by another user.
fn found(at: &Scratch, mode: u32) -> String {
    let copy = at.file(format!("copy-{mode:o}"));
    std::fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    std::os::unix::fs::chown(&copy, None, Some(1)).unwrap();
    set_permissions(&copy, Permissions::from_mode(mode)).unwrap();
    let mut command = Command::new(&copy);
    command.args(["privileged::finds", "--exact", "--ignored", "--nocapture"]).current_dir("/");
    command.uid(NOBODY).gid(NOBODY);
    command.envs(VARIABLES.map(|variable| (variable, "/evil/place"))).env("RINGLOG_LEVEL", "/evil/level");
    let output = command.output().unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn a_privileged_program_ignores_the_environment() {
    if !nix::unistd::Uid::effective().is_root() {
        println!("SKIPPED: only root can start a program as another user");
        return;
    }
    let at = Scratch::on_disk();
    set_permissions(at.path(), Permissions::from_mode(0o755)).unwrap();
    let common = found(&at, 0o755);
    assert!(common.contains("secure=false"), "{common}");
    for named in ["dir=/evil/place", "ring=/evil/place", "RINGLOG_LEVEL:", "writer /evil/place"] {
        assert!(common.contains(named), "without privileges {named} counts: {common}");
    }
    let flags = nix::sys::statvfs::statvfs(at.path()).unwrap().flags();
    if flags.contains(nix::sys::statvfs::FsFlags::ST_NOSUID) {
        println!("SKIPPED: {} gives no rights to programs", at.path().display());
        return;
    }
    // setgid, and setuid to another user than nobody.
    for mode in [0o2755, 0o4755] {
        let privileged = found(&at, mode);
        assert!(privileged.contains("secure=true"), "{privileged}");
        assert!(!privileged.contains("evil"), "{privileged}");
        assert!(privileged.contains("dir=/dev/shm/ringlog-"), "{privileged}");
        assert!(privileged.contains("does not search for a writer"), "{privileged}");
        let ignored = "RINGLOG is ignored: this program has more rights than its caller";
        assert!(privileged.contains(&format!("init=Fallback(\"{ignored}")), "{privileged}");
        assert!(privileged.contains("it means $RINGLOG, which is ignored: "), "{privileged}");
    }
}
