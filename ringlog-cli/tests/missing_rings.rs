//! Rings that are not there yet, and rings of other users' services.

mod common;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;

use common::{Ended, Running, Scene, wait_until};
use nix::sys::signal::Signal;

#[test]
fn a_ring_is_made_if_it_is_missing_and_left_if_not() {
    let scene = Scene::new();
    let create = |size: &str| scene.ringlog(&["create", "app", "--size", size, "--if-missing"]);
    assert!(create("1MiB").ok().stdout.starts_with("created "));
    scene.ringlog(&["put", "app", "kept"]).ok();
    let again = create("2MiB").ok().stdout;
    assert!(
        again.starts_with("there is already ") && again.contains(" 1,0"),
        "the size of the first: {again}"
    );
    assert!(scene.ringlog(&["tail", "app"]).ok().stdout.contains("kept"));
    let json = |name: &str| {
        let made = scene.ringlog(&["create", name, "--size", "1MiB", "--if-missing", "--json"]).ok().stdout;
        serde_json::from_str::<serde_json::Value>(&made).unwrap()["created"].clone()
    };
    assert_eq!((json("app"), json("new")), (false.into(), true.into()));
    // The other options do not matter then, not even whether they make a ring.
    for wrong in [["--size", "1"], ["--lanes", "0"], ["--block-size", "3"], ["--definitions", "0"]] {
        let arguments = [&["create", "app", "--if-missing"][..], &wrong[..]].concat();
        assert!(scene.ringlog(&arguments).ok().stdout.starts_with("there is already "), "{wrong:?}");
    }
    std::fs::write(scene.ring("other"), "no ring").unwrap();
    assert_eq!(scene.ringlog(&["create", "other", "--if-missing"]).code, Some(1));
}

#[test]
fn a_writer_makes_its_ring_if_told_to() {
    let scene = Scene::new();
    assert_eq!(scene.ringlog(&["writer", "app"]).code, Some(4));
    let writer = scene.writer("app", &["--create=1MiB", "--out", "app.log"]);
    scene.ringlog(&["put", "app", "arrived"]).ok();
    scene.ringlog(&["stop", "app"]).ok();
    drop(writer);
    assert!(scene.read("app.log").contains("arrived"));
    assert!(scene.ringlog(&["info", "app"]).ok().stdout.contains("1,0"));
}

#[test]
fn a_writer_waits_for_its_ring_until_a_signal_comes() {
    let scene = Scene::new();
    let start = || {
        let mut command = scene.command(&["writer", "app", "--wait", "--out", "app.log"]);
        Running::start(command.stderr(Stdio::piped()))
    };
    let mut stopped = start();
    std::thread::sleep(std::time::Duration::from_millis(300));
    stopped.signal(Signal::SIGTERM);
    assert!(stopped.0.wait().success());
    let _writer = start();
    std::thread::sleep(std::time::Duration::from_millis(300));
    scene.ringlog(&["create", "app", "--size", "1MiB"]).ok();
    scene.ringlog(&["put", "app", "arrived"]).ok();
    wait_until("the line", || {
        std::fs::read_to_string(scene.file("app.log")).is_ok_and(|text| text.contains("arrived"))
    });
}

#[test]
fn the_variable_may_hold_a_name() {
    let scene = Scene::new();
    scene.ringlog(&["create", "app", "--size", "1MiB"]).ok();
    let put = scene.command(&["put", ".", "by its name"]).env("RINGLOG", "app").output().unwrap();
    Ended::of(&["put"], put).ok();
    assert!(scene.ringlog(&["tail", "app"]).ok().stdout.contains("by its name"));
}

/// `/run/ringlog`, if this test may make it.
struct SystemDirectory;

impl SystemDirectory {
    const PATH: &str = "/run/ringlog";

    fn make() -> Option<SystemDirectory> {
        let is_root = nix::unistd::geteuid().is_root();
        if !is_root || Path::new(Self::PATH).exists() {
            println!("SKIPPED: this test makes {}: it needs root, and no such directory", Self::PATH);
            return None;
        }
        std::fs::create_dir(Self::PATH).unwrap();
        std::fs::set_permissions(Self::PATH, std::fs::Permissions::from_mode(0o2770)).unwrap();
        Some(SystemDirectory)
    }
}

impl Drop for SystemDirectory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(Self::PATH);
    }
}

#[test]
fn names_of_the_system_directory_are_found() {
    let scene = Scene::new();
    let Some(_made) = SystemDirectory::make() else { return };
    let name = format!("test-{}", std::process::id());
    let path = format!("{}/{name}", SystemDirectory::PATH);
    let run =
        |args: &[&str]| Ended::of(args, scene.command(args).env_remove("RINGLOG_DIR").output().unwrap());
    run(&["create", &path, "--size", "1MiB"]).ok();
    run(&["put", &name, "of the system"]).ok();
    assert!(run(&["tail", &name]).ok().stdout.contains("of the system"));
    assert!(run(&["ls"]).ok().stdout.contains(&path));
    // A ring of this name in the user's own directory comes first.
    run(&["create", &name, "--size", "1MiB"]).ok();
    let own = run(&["info", &name]).ok().stdout;
    run(&["rm", &name]).ok();
    assert!(own.contains("/dev/shm/ringlog-0/"), "{own}");
    // The name does not fall through to the ring of all users.
    let shared = format!(
        "ringlog: no ring \"{name}\" in /dev/shm/ringlog-0; the one in /run/ringlog is shared with other users: name \
         it by its path, {path}"
    );
    run(&["rm", &name]).fails(4, &shared);
    run(&["rm", &name, "--force"]).fails(4, &shared);
    run(&["resize", &name, "2MiB"]).fails(4, &shared);
    assert!(Path::new(&path).exists());
    run(&["resize", &path, "2MiB", "--force"]).ok();
    run(&["info", "none-of-it"])
        .fails(4, "ringlog: no ring \"none-of-it\" in /dev/shm/ringlog-0 and in /run/ringlog");
    assert!(run(&["ls"]).ok().stderr.is_empty());
    // The error names the directory if the user may not search it.
    let as_nobody = |args: &[&str]| {
        let mut command = scene.command(args);
        command.env_remove("RINGLOG_DIR").current_dir("/").uid(65_534).gid(65_534);
        Ended::of(args, command.output().unwrap())
    };
    let closed = "uid 65534 may not search /run/ringlog, which belongs to uid 0 and gid 0; to use the rings there, add \
                  the user to this group and log in anew";
    let missing = format!("ringlog: no ring \"{name}\" in /dev/shm/ringlog-65534; {closed}");
    as_nobody(&["info", &name]).fails(4, &missing);
    let listed = as_nobody(&["ls"]).ok();
    assert!(
        listed.stderr.starts_with(&format!("ringlog: {closed}\nringlog: no rings in /dev/shm/")),
        "{listed:#?}"
    );
    // With RINGLOG_DIR there is no other directory.
    assert_eq!(scene.ringlog(&["info", &name]).code, Some(4));
    std::fs::set_permissions(SystemDirectory::PATH, std::fs::Permissions::from_mode(0o2777)).unwrap();
    let open = run(&["info", &name]);
    assert!(open.stderr.contains("everybody may write to it"), "{open:#?}");
}

#[test]
fn what_is_no_ring_is_called_so() {
    let scene = Scene::new();
    std::os::unix::fs::symlink("nowhere", scene.ring("link")).unwrap();
    std::fs::create_dir(scene.ring("dir")).unwrap();
    std::fs::write(scene.ring("text"), "no ring").unwrap();
    for (name, found) in [
        ("link", "it is a symbolic link that leads nowhere"),
        ("dir", "it is not a regular file"),
        ("text", "it starts with"),
    ] {
        for command in [&["create", name][..], &["put", name, "x"], &["stat", name], &["rm", name]] {
            let ended = scene.ringlog(command);
            let start = format!("ringlog: {} is not a ring: {found}", scene.ring(name).display());
            assert!(ended.code == Some(1) && ended.stderr.starts_with(&start), "{ended:#?}");
            assert_eq!(ended.stderr.matches("os error").count(), 0, "{ended:#?}");
        }
    }
}

/// A ring that is removed under its writer, as logind does at a logout, and made anew: the writer goes on with it.
#[test]
fn a_writer_goes_on_with_the_ring_that_was_made_anew() {
    for config in [false, true] {
        let scene = Scene::new();
        scene.ringlog(&["create", "app", "--size", "1MiB"]).ok();
        let toml = "rings = [\"app\"]\n[handlers.f]\nkind = \"file\"\npath = \"app.log\"\n[root]\nhandlers = [\"f\"]\n";
        std::fs::write(scene.file("c.toml"), toml).unwrap();
        let how: &[&str] = if config { &["--config", "c.toml"] } else { &["--out", "app.log"] };
        let mut writer = scene.writer("app", how);
        let lines = || std::fs::read_to_string(scene.file("app.log")).unwrap_or_default();
        for round in 0..3 {
            scene.ringlog(&["put", "app", &format!("line {round}")]).ok();
            if round == 1 {
                // That the writer has come to this ring; the first one is removed with its record in it.
                wait_until("the second line", || lines().contains("line 1"));
            }
            if round < 2 {
                std::fs::remove_file(scene.ring("app")).unwrap();
                scene.ringlog(&["create", "app", "--size", "1MiB"]).ok();
            }
        }
        wait_until("the last line", || lines().contains("line 2"));
        scene.ringlog(&["stop", "app"]).ok();
        assert!(writer.0.wait().success());
        for round in 0..3 {
            assert_eq!(lines().matches(&format!("line {round}")).count(), 1, "{}", lines());
        }
    }
}

/// Starts a command whose messages go to the file `said`, and waits until the ring has a writer.
fn start(scene: &Scene, args: &[&str]) -> Running {
    let said = std::fs::File::create(scene.file("said")).unwrap();
    let running = Running::start(scene.command(args).stderr(said));
    wait_until("the writer", || scene.ringlog(&["stat", "app"]).stdout.contains("\noutput "));
    running
}

#[test]
fn a_writer_makes_a_removed_ring_anew_if_told_to() {
    let scene = Scene::new();
    scene.ringlog(&["create", "app", "--size", "2MiB", "--mode", "660"]).ok();
    let mut writer = start(&scene, &["writer", "app", "--create=1MiB", "--out", "app.log"]);
    let lines = || std::fs::read_to_string(scene.file("app.log")).unwrap_or_default();
    for round in 0..2 {
        scene.ringlog(&["put", "app", &format!("line {round}")]).ok();
        wait_until("the line", || lines().contains(&format!("line {round}")));
        std::fs::remove_file(scene.ring("app")).unwrap();
        wait_until("the ring", || scene.ring("app").exists());
    }
    assert_eq!(scene.ring("app").metadata().unwrap().permissions().mode() & 0o777, 0o660);
    assert!(scene.ringlog(&["info", "app"]).ok().stdout.contains("2,"), "as it was");
    scene.ringlog(&["put", "app", "the last"]).ok();
    wait_until("the last line", || lines().contains("the last"));
    scene.ringlog(&["stop", "app"]).ok();
    assert!(writer.0.wait().success());
    let said = scene.read("said");
    assert_eq!(said.matches("was removed; made it anew").count(), 2, "{said}");
}

/// Makes a ring as root, with these modes of its directory and its file. Starts a writer with `--create` as `nobody`.
fn writer_of_nobody(directory: u32, ring: u32) -> Option<(Scene, Running)> {
    if !nix::unistd::geteuid().is_root() {
        println!("SKIPPED: only root can act as another user");
        return None;
    }
    let scene = Scene::new();
    std::os::unix::fs::chown(scene.dir(), None, Some(65_534)).unwrap();
    std::fs::set_permissions(scene.dir(), std::fs::Permissions::from_mode(directory)).unwrap();
    scene
        .ringlog(&["create", "app", "--size", "1MiB", "--mode", &format!("{ring:o}"), "--group", "65534"])
        .ok();
    let file = |name: &str| std::fs::File::create(scene.file(name)).unwrap();
    let mut command = scene.command(&["writer", "app", "--create", "--out", "-"]);
    command.stdout(file("out")).stderr(file("said")).current_dir("/").uid(65_534).gid(65_534);
    let writer = Running::start(&mut command);
    wait_until("the writer", || scene.ringlog(&["stat", "app"]).stdout.contains(&writer.holder()));
    std::fs::remove_file(scene.ring("app")).unwrap();
    Some((scene, writer))
}

#[test]
fn a_writer_makes_the_ring_of_its_group_anew() {
    let Some((scene, _writer)) = writer_of_nobody(0o2770, 0o660) else { return };
    wait_until("the ring", || scene.ring("app").exists());
    let meta = scene.ring("app").metadata().unwrap();
    assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o777), (65_534, 65_534, 0o660));
    scene.ringlog(&["put", "app", "of root"]).ok();
    wait_until("the line", || scene.read("out").contains("of root"));
}

#[test]
fn a_writer_that_cannot_make_a_ring_anew_says_who_can() {
    let Some((scene, _writer)) = writer_of_nobody(0o777, 0o666) else { return };
    let expected = format!(
        "ringlog-writer: {} was removed, and cannot be made anew by uid 65534: it belonged to uid 0, \
         and its processes take none of another user for it; let root or uid 0 make it; until then \
         the writer drains the removed ring\n",
        scene.ring("app").display()
    );
    wait_until("it is said", || scene.read("said").ends_with("removed ring\n"));
    assert!(scene.read("said").ends_with(&expected), "{}", scene.read("said"));
    scene.ringlog(&["create", "app", "--size", "1MiB", "--mode", "666"]).ok();
    scene.ringlog(&["put", "app", "of root"]).ok();
    wait_until("the line", || scene.read("out").contains("of root"));
}

#[test]
fn a_size_in_the_place_of_a_ring_is_no_name() {
    let scene = Scene::new();
    for rings in [&["16MiB"][..], &["app", "16MiB"]] {
        let ended = scene.ringlog(&[&["writer", "--create"][..], rings].concat());
        ended.fails(
            2,
            "ringlog-writer: \"16MiB\" is taken for a ring, because --create takes its value behind =; did you mean \
             --create=16MiB? For a ring of this name write --create=16MiB",
        );
    }
    assert!(std::fs::read_dir(scene.dir()).unwrap().next().is_none(), "no ring is made");
}

#[test]
fn a_variable_that_names_no_ring_is_named() {
    let scene = Scene::new();
    let put = scene.command(&["put", ".", "x"]).env("RINGLOG", "./disk1").output().unwrap();
    Ended::of(&["put"], put).fails(
        1,
        "ringlog: \"./disk1\" is not a ring name: the variable RINGLOG holds it; expected a name or an absolute path",
    );
}

#[test]
fn a_writer_says_that_its_ring_was_removed_by_force() {
    for create in [false, true] {
        let scene = Scene::new();
        scene.ringlog(&["create", "app", "--size", "1MiB"]).ok();
        let create: &[&str] = if create { &["--create"] } else { &[] };
        let mut writer = start(&scene, &[&["writer", "app", "--out", "app.log"], create].concat());
        scene.ringlog(&["put", "app", "arrived"]).ok();
        scene.ringlog(&["rm", "app", "--force"]).ok();
        assert!(writer.0.wait().success());
        let said = scene.read("said");
        assert!(said.contains("the ring app was removed by `ringlog rm`"), "{said}");
        assert!(scene.read("app.log").contains("arrived"));
        assert!(!said.contains("next writer") && !scene.ring("app").exists(), "{said}");
    }
}

/// A record whose logging is interrupted until the barrier is reached twice.
#[derive(ringlog::Record)]
#[record(text = "slow")]
struct Slow<'a> {
    interruption: Interruption<'a>,
}

struct Interruption<'a>(&'a std::sync::Barrier, std::sync::atomic::AtomicBool);

impl ringlog::FieldValue for Interruption<'_> {
    const TYPE: ringlog::schema::Type = ringlog::schema::Type::U8;
    const FIXED_BYTES: Option<usize> = Some(1);

    fn payload_bytes(&self) -> usize {
        1
    }

    fn encode(&self, out: &mut ringlog::schema::Encoder<'_>) {
        if !self.1.swap(true, std::sync::atomic::Ordering::SeqCst) {
            self.0.wait();
            self.0.wait();
        }
        out.put_u8(7);
    }
}

/// No other writer can come to the ring without a name: what is left there is counted once, what was written is not.
#[test]
fn what_a_killed_writer_leaves_in_a_replaced_ring_is_counted() {
    let scene = Scene::new();
    scene.ringlog(&["create", "app", "--size", "1MiB"]).ok();
    let mut writer = start(&scene, &["writer", "app", "--out", "app.log"]);
    let lines = || std::fs::read_to_string(scene.file("app.log")).unwrap_or_default();
    let log = ringlog::Ring::open(scene.ring("app").to_str().unwrap()).unwrap().logger();
    let text = |text: &str| log.text(ringlog::Level::INFO, "x", text).unwrap();
    text("before");
    let barrier = std::sync::Barrier::new(2);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let interruption = Interruption(&barrier, std::sync::atomic::AtomicBool::new(false));
            log.push(&Slow { interruption }).unwrap();
            // Leaves the old ring, and counts what is left there.
            std::thread::sleep(std::time::Duration::from_millis(150));
            log.text(ringlog::Level::INFO, "x", "moved").unwrap();
        });
        barrier.wait();
        std::fs::remove_file(scene.ring("app")).unwrap();
        scene.ringlog(&["create", "app", "--size", "1MiB"]).ok();
        wait_until("the writer drains both", || scene.read("said").contains("going on with both"));
        text("beside");
        wait_until("the line", || lines().contains("beside"));
        std::thread::sleep(std::time::Duration::from_millis(100));
        writer.signal(Signal::SIGKILL);
        let _ = writer.0.wait();
        barrier.wait();
    });
    scene.ringlog(&["stat", "app"]).ok();
    let _next = start(&scene, &["writer", "app", "--out", "app.log"]);
    wait_until("the last line", || lines().contains("moved"));
    for once in ["before", "beside", "moved"] {
        assert_eq!(lines().matches(once).count(), 1, "{}", lines());
    }
    assert!(!lines().contains("slow"), "{}", lines());
    let stat = log_stat(&scene);
    assert_eq!(stat.refused.left, 1, "{}", lines());
}

fn log_stat(scene: &Scene) -> ringlog::reader::RingStat {
    ringlog::reader::Observer::open(scene.ring("app").to_str().unwrap()).unwrap().stat().unwrap()
}
