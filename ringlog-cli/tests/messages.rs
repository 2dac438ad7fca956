//! Exact error messages for wrong input.

mod common;

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use common::{Ended, RINGLOG, Scene};

/// Byte offsets in a ring's header, as FORMAT.md has them.
const VERSION_AT: u64 = 8;
const BLOCKS_AT: u64 = 32;
const FILE_BYTES: u64 = 1_179_648;

fn with_ring() -> Scene {
    let scene = Scene::new();
    scene.ringlog(&["create", "app", "--size", "1MiB"]).ok();
    scene
}

#[test]
fn a_ring_has_the_clock_that_was_asked_for() {
    let scene = Scene::new();
    scene.ringlog(&["create", "app", "--size", "1MiB", "--clock", "monotonic"]).ok();
    let info = scene.ringlog(&["info", "app", "--json"]).ok().stdout;
    assert!(info.contains("\"clock\":\"monotonic\""), "{info}");
    assert!(info.contains("\"format\":\"1.1\""), "{info}");
    assert!(scene.ringlog(&["info", "app"]).ok().stdout.contains("\n  format    1.1\n"));
    let refused = scene.ringlog(&["create", "other", "--clock", "hpet"]);
    assert_eq!(refused.code, Some(2));
    assert!(
        refused.stderr.contains("\"hpet\" is not a clock; expected tsc or monotonic"),
        "{}",
        refused.stderr
    );
}

#[test]
fn a_missing_ring_is_named_with_a_suggestion() {
    let scene = with_ring();
    let dir = scene.dir();
    for command in
        [&["stat", "ap"][..], &["tail", "ap"], &["info", "ap"], &["put", "ap", "x"], &["stop", "ap"]]
    {
        let message = format!("ringlog: no ring \"ap\" in {dir}; did you mean \"app\"?");
        scene.ringlog(command).fails(4, &message);
    }
    scene.ringlog(&["rm", "other"]).fails(4, &format!("ringlog: no ring \"other\" in {dir}"));
    scene.ringlog(&["stat", "/nowhere/app"]).fails(4, "ringlog: no ring \"app\" in /nowhere");
    let writer = scene.ringlog(&["writer", "ap"]);
    writer.fails(4, &format!("ringlog-writer: no ring \"ap\" in {dir}; did you mean \"app\"?"));
}

#[test]
fn invalid_ring_names_are_refused() {
    let scene = Scene::new();
    let refused = |name: &str, why: &str| {
        scene.ringlog(&["stat", name]).fails(1, &format!("ringlog: {name:?} is not a ring name: {why}"));
        scene.ringlog(&["create", name]).fails(1, &format!("ringlog: {name:?} is not a ring name: {why}"));
    };
    refused("..", "it leads out of the directory of rings; give a path with a slash if that is meant");
    refused(".hidden", "it starts with a dot");
    refused("", "it is empty");
    refused(".", "it means $RINGLOG, which is not set; `ringlog run` sets it");
}

#[test]
fn files_that_are_not_rings_are_refused() {
    let scene = Scene::new();
    let refused = |name: &str, found: &str| {
        let message = format!("ringlog: {}/{name} is not a ring: {found}", scene.dir());
        for command in [&["stat", name][..], &["put", name, "x"], &["rm", name, "--force"]] {
            scene.ringlog(command).fails(1, &message);
        }
        assert!(scene.ring(name).exists(), "not even --force removes a file that is not a ring");
    };
    fs::write(scene.ring("empty"), "").unwrap();
    refused("empty", "it is empty");
    fs::write(scene.ring("short"), "abc").unwrap();
    refused("short", "it starts with \"abc\"");
    let random: Vec<u8> = (0..100_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    fs::write(scene.ring("random"), &random).unwrap();
    refused("random", &format!("it starts with \"{}\"", random[..8].escape_ascii()));
    fs::create_dir(scene.ring("dir")).unwrap();
    scene
        .ringlog(&["stat", "dir"])
        .fails(1, &format!("ringlog: {}/dir is not a ring: it is not a regular file", scene.dir()));
}

#[test]
fn damaged_rings_and_other_versions_are_refused() {
    let scene = with_ring();
    let ring = scene.ring("app");
    let whole = fs::read(&ring).unwrap();
    let refused = |bytes: &[u8], message: &str| {
        fs::write(&ring, bytes).unwrap();
        let message = format!("ringlog: {}/app {message}", scene.dir());
        for command in [&["stat", "app"][..], &["put", "app", "x"], &["rm", "app"]] {
            scene.ringlog(command).fails(1, &message);
        }
    };
    let damaged =
        |what: &str| format!("is damaged: {what}; remove it with `ringlog rm --force` and make it anew");
    assert!(whole.len() as u64 <= FILE_BYTES);
    refused(&whole[..50_000], &damaged(&format!("cut to 50000 bytes of {}", whole.len())));
    refused(&whole[..100], &damaged("100 bytes long, less than its header of 4096"));

    let file = fs::File::options().write(true).open(&ring).unwrap();
    let change = |at: u64, byte: u8| {
        fs::write(&ring, &whole).unwrap();
        file.write_all_at(&[byte], at).unwrap();
        fs::read(&ring).unwrap()
    };
    refused(
        &change(VERSION_AT, 9),
        "is a ring of format 9.1; this program knows format 1: upgrade this program",
    );
    let header = change(BLOCKS_AT, whole[BLOCKS_AT as usize] ^ 0xff);
    let stored = u32::from_le_bytes(whole[136..140].try_into().unwrap());
    fs::write(&ring, &header).unwrap();
    let said = scene.ringlog(&["stat", "app"]);
    let start = format!(
        "ringlog: {}/app is damaged: the header's checksum is {stored:08x}, its bytes give ",
        scene.dir()
    );
    assert!(said.code == Some(1) && said.stderr.starts_with(&start), "{said:#?}");

    let removed = scene.ringlog(&["rm", "app", "--force"]).ok();
    assert_eq!(removed.stderr, format!("ringlog: removed {}/app\n", scene.dir()));
}

#[test]
fn missing_permission_is_reported() {
    let scene = with_ring();
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED missing_permission_is_reported: only root can become another user");
        return;
    }
    // The directory may be entered, but the ring belongs to another user.
    fs::set_permissions(scene.dir(), fs::Permissions::from_mode(0o755)).unwrap();
    let as_other_user = |args: &[&str]| {
        // Other users may not be able to enter the build directory, so the binary is copied to where they can.
        let lent = tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o755)).tempdir().unwrap();
        let program = lent.path().join("ringlog");
        // `cp` makes the copy. If this process wrote it, a child forked meanwhile could hold it open for writing, and a
        // program that is open for writing cannot be started.
        assert!(Command::new("cp").arg(RINGLOG).arg(&program).status().unwrap().success());
        let mut command = Command::new(program);
        command.args(args).env("RINGLOG_DIR", scene.dir()).current_dir("/").uid(65_534).gid(65_534);
        Ended::of(args, command.output().unwrap())
    };
    let ring = format!("{}/app", scene.dir());
    let owned = "it belongs to uid 0, you are uid 65534";
    as_other_user(&["stat", "app"]).fails(1, &format!("ringlog: no permission to open {ring}; {owned}"));
    as_other_user(&["put", "app", "x"]).fails(1, &format!("ringlog: no permission to open {ring}; {owned}"));
    let message = format!("ringlog: no permission to create a file in {}; {owned}", scene.dir());
    as_other_user(&["create", "mine"]).fails(1, &message);
    // A ring that others may only read can be shown, but not logged into.
    fs::set_permissions(&ring, fs::Permissions::from_mode(0o644)).unwrap();
    scene.ringlog(&["put", "app", "hi"]).ok();
    assert!(as_other_user(&["tail", "app"]).ok().stdout.ends_with(" hi\n"));
    as_other_user(&["put", "app", "x"]).fails(1, &format!("ringlog: no permission to open {ring}; {owned}"));
}

#[test]
fn a_second_writer_is_refused() {
    let scene = with_ring();
    let first = scene.writer("app", &["--out", "app.log"]);
    let message = format!(
        "ringlog-writer: {0}/app is drained by {1} already; a ring has one consumer; `ringlog stop {0}/app` asks it to \
         end",
        scene.dir(),
        first.holder()
    );
    scene.ringlog(&["writer", "app", "--out", "second.log"]).fails(1, &message);
    assert!(!scene.file("second.log").exists());
    scene.ringlog(&["stop", "app"]).ok();
}

#[test]
fn a_missing_output_directory_is_reported() {
    let scene = with_ring();
    scene.ringlog(&["writer", "app", "--out", "logs/app.log"]).fails(
        1,
        "ringlog-writer: cannot open logs/app.log for writing: there is no directory logs; \
         make it with `mkdir -p logs`",
    );
}

#[test]
fn a_missing_directory_of_a_path_is_reported() {
    Scene::new().ringlog(&["create", "logs/app"]).fails(
        1,
        "ringlog: cannot use logs for rings: there is no such directory; make it with `mkdir -p logs`, or leave out \
         the slash: a name with a slash is a path",
    );
}

#[test]
fn an_existing_ring_is_not_replaced() {
    let scene = with_ring();
    let message =
        format!("ringlog: {}/app exists already; open it, or remove it first with `ringlog rm`", scene.dir());
    scene.ringlog(&["create", "app"]).fails(1, &message);
}

#[test]
fn impossible_sizes_are_refused() {
    let scene = Scene::new();
    let create = |args: &[&str]| scene.ringlog(&[&["create", "app"], args].concat());
    create(&["--size", "1MiB", "--lanes", "100"]).fails(
        2,
        "ringlog: cannot make this ring: 122 blocks of 8192 bytes less 15 reserved leave 107, but 100 lanes need at \
         least two each, 200: enlarge the ring or ask for fewer lanes, with --lanes 54 at most",
    );
    assert_eq!(create(&["--size", "1MiB", "--lanes", "55"]).code, Some(2));
    scene.ringlog(&["create", "most", "--size", "1MiB", "--lanes", "54"]).ok();
    scene.ringlog(&["writer", "app", "--out", "app.log", "--rotate-at", "02:30"]).fails(
        2,
        "ringlog-writer: --rotate-at needs --rotate-every midnight, or a weekday; leave it out, or give that too",
    );
    create(&["--size", "16"]).fails(
        2,
        "ringlog: cannot make this ring: 16 bytes leave room for 0 blocks of 8192 bytes beside the header and the \
         tables of 2 lanes; expected at least 49KiB; a number alone means bytes: was 16MiB meant?",
    );
    let message = "size \"16 parsecs\"; expected a number with an optional unit: 65536, 64KiB, 16MiB, 1.5GiB";
    for wrong in [
        &["create", "app", "--size", "16 parsecs"][..],
        &["create", "app", "--definitions", "16 parsecs"],
        &["run", "--size", "16 parsecs", "--out", "app.log", "--", "true"],
        &["writer", "app", "--create=16 parsecs", "--out", "app.log"],
        &["resize", "app", "16 parsecs"],
    ] {
        let ended = scene.ringlog(wrong);
        assert!(ended.code == Some(2) && ended.stderr.contains(message), "{ended:#?}");
    }
    create(&["--block-size", "5000"]).fails(
        2,
        "ringlog: cannot make this ring: a block of 5000 bytes; expected a power of two from 1024 to 1048576",
    );
    assert!(!scene.ring("app").exists());
}

#[test]
fn one_lane_too_many() {
    let scene = Scene::new();
    // The first `put` takes both lanes: one for its process, one for its thread.
    scene.ringlog(&["create", "app", "--size", "1MiB", "--lanes", "2"]).ok();
    let mut command = scene.command(&["put", "app", "-"]);
    let _holder = common::Running::start(command.stdin(Stdio::piped()));
    common::wait_until("its lane", || scene.ringlog(&["stat", "app"]).stdout.contains("alive"));
    common::wait_until("both lanes", || scene.ringlog(&["ls"]).stdout.contains("2/2"));
    let message =
        format!("ringlog: all 2 lanes of {}/app are in use; make the ring with more --lanes", scene.dir());
    scene.ringlog(&["put", "app", "x"]).fails(1, &message);
}

#[test]
fn a_full_file_system_is_reported() {
    let scene = Scene::new();
    let Some(mount) = Mount::tmpfs(&scene, "size=1m") else { return };
    let create = scene.command(&["create", "app"]).env("RINGLOG_DIR", mount.dir()).output().unwrap();
    let message = format!(
        "ringlog: no space for {}/app of 18866688 bytes: its file system has 1048576 free; free some, or choose a \
         smaller size or another RINGLOG_DIR",
        mount.dir()
    );
    Ended::of(&["create"], create).fails(1, &message);
    assert_eq!(fs::read_dir(mount.dir()).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn a_file_system_without_lasting_locks_is_refused() {
    let scene = Scene::new();
    let Some(below) = Mount::tmpfs(&scene, "size=8m") else { return };
    let Some(mount) = Mount::overlay(&scene, below.dir()) else { return };
    let ringlog = |args: &[&str]| {
        Ended::of(args, scene.command(args).env("RINGLOG_DIR", mount.dir()).output().unwrap())
    };
    let message = format!(
        "ringlog: {}/app lies on a file system that does not keep locks with mappings (overlayfs is known for it); \
         put the ring on tmpfs, ext4 or xfs",
        mount.dir()
    );
    ringlog(&["create", "app", "--size", "1MiB"]).fails(1, &message);
    assert_eq!(fs::read_dir(mount.dir()).unwrap().count(), 0, "nothing is left behind");
}

/// A mounted file system, unmounted when the test ends.
struct Mount(String);

impl Mount {
    fn tmpfs(scene: &Scene, options: &str) -> Option<Mount> {
        Mount::new(scene, "tmpfs", options)
    }

    fn overlay(scene: &Scene, below: &str) -> Option<Mount> {
        let dirs = ["lower", "upper", "work"].map(|name| format!("{below}/{name}"));
        dirs.iter().for_each(|dir| fs::create_dir(dir).unwrap());
        let [lower, upper, work] = &dirs;
        Mount::new(scene, "overlay", &format!("lowerdir={lower},upperdir={upper},workdir={work}"))
    }

    fn new(scene: &Scene, kind: &str, options: &str) -> Option<Mount> {
        use nix::mount::{MsFlags, mount};
        let dir = scene.file(kind);
        fs::create_dir(&dir).unwrap();
        match mount(Some(kind), &dir, Some(kind), MsFlags::empty(), Some(options)) {
            Ok(()) => Some(Mount(dir.to_str().unwrap().to_owned())),
            Err(error) => {
                eprintln!("SKIPPED: {kind} cannot be mounted here: {error}");
                None
            }
        }
    }

    fn dir(&self) -> &str {
        &self.0
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = nix::mount::umount(self.0.as_str());
    }
}
