//! The program: its exit codes, its signals, and how another program starts it.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, pipe2};
use ringlog::reader::Observer;
use ringlog::{Level, Ring};
use ringlog_testkit::Scratch;
use ringlog_writer::{Error, Options, Out, spawn, spawn_program};

const PROGRAM: &str = env!("CARGO_BIN_EXE_ringlog-writer");
const SOON: Duration = Duration::from_secs(20);

fn scratch() -> (Scratch, Ring, Options) {
    let dir = Scratch::new();
    let name = dir.text("app");
    let ring = Ring::options().size("256KiB").create(&name).unwrap();
    let mut options = Options::new(name);
    options.out = Out::file(dir.file("app.log"));
    (dir, ring, options)
}

fn log_file(dir: &Path) -> PathBuf {
    dir.join("app.log")
}

fn writer(args: &[&str]) -> Output {
    Command::new(PROGRAM).args(args).output().unwrap()
}

fn said(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8(output.stderr.clone()).unwrap())
}

#[test]
fn a_program_starts_its_writer_and_stops_it() {
    let (dir, ring, options) = scratch();
    let writer = spawn(&options).unwrap();
    assert!(ring.observe().unwrap().stat().unwrap().consumer.is_some());
    ring.logger().text(Level::INFO, "main", "hello").unwrap();
    writer.stop().unwrap();
    assert!(fs::read_to_string(log_file(dir.path())).unwrap().ends_with("] hello\n"));
}

#[test]
fn a_writer_reports_a_failed_start_to_its_starter() {
    let (dir, _ring, mut options) = scratch();
    let first = spawn_program(Path::new(PROGRAM), &[], &options).unwrap();
    let error = spawn(&options).unwrap_err();
    let expected = format!(
        "{0} is drained by ringlog-writer (pid {1}) already; a ring has one consumer; `ringlog stop {0}` asks it \
         to end",
        options.ring,
        first.id()
    );
    assert_eq!((error.to_string(), error.exit_code()), (expected, 1));
    first.stop().unwrap();
    options.ring.push('x');
    let error = spawn(&options).unwrap_err();
    let expected = format!("no ring \"appx\" in {}; did you mean \"app\"?", dir.path().display());
    assert_eq!((error.to_string(), error.exit_code()), (expected, 4));
    let error = spawn_program(Path::new("/bin/true"), &[], &options).unwrap_err();
    assert!(matches!(error, Error::Ended { .. }), "{error}");
}

#[test]
fn a_dropped_writer_ends_when_no_process_logs_any_more() {
    let (dir, ring, options) = scratch();
    let writer = spawn(&options).unwrap();
    let log = ring.logger();
    log.text(Level::INFO, "main", "before").unwrap();
    drop(writer);
    std::thread::sleep(Duration::from_millis(100));
    log.text(Level::INFO, "main", "after").unwrap();
    log.flush(SOON).unwrap();
    assert_eq!(fs::read_to_string(log_file(dir.path())).unwrap().lines().count(), 2);
    drop((log, ring));
    let begun = Instant::now();
    while Observer::open(&options.ring).unwrap().stat().unwrap().consumer.is_some() {
        assert!(begun.elapsed() < SOON, "the writer does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_signal_drains_the_ring() {
    for signal in ["-TERM", "-INT"] {
        let (dir, ring, options) = scratch();
        let program = Command::new(PROGRAM).args(options.to_args()).spawn().unwrap();
        let log = ring.logger();
        log.text(Level::INFO, "main", "first").unwrap();
        log.flush(SOON).unwrap();
        (0..100).for_each(|_| log.text(Level::INFO, "main", "more").unwrap());
        Command::new("kill").args([signal, &program.id().to_string()]).status().unwrap();
        assert!(program.wait_with_output().unwrap().status.success());
        assert_eq!(fs::read_to_string(log_file(dir.path())).unwrap().lines().count(), 101);
    }
}

#[test]
fn a_console_beside_a_file_that_lacks_lines_ends_with_3() {
    for at_once in [false, true] {
        let dir = Scratch::new();
        let ring = Ring::options().size("4MiB").create(&dir.text("app")).unwrap();
        let config = dir.file("ringlog.toml");
        let timeout = if at_once { "1h" } else { "0s" };
        let text = format!(
            "stop-timeout = \"{timeout}\"\n[handlers.file]\nkind = \"file\"\npath = {:?}\nformatter = \"raw\"\n\
             [handlers.console]\nkind = \"console\"\nstream = \"stdout\"\nformatter = \"raw\"\n\
             [root]\nhandlers = [\"file\", \"console\"]\n",
            log_file(dir.path())
        );
        fs::write(&config, text).unwrap();
        let args = [ring.path().to_str().unwrap(), "--config", config.to_str().unwrap()];
        let mut command = Command::new(PROGRAM);
        // Its standard output is a pipe that is not read.
        let mut program = command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = ring.logger();
        // More than a pipe holds, and less than what makes the others go on without the console.
        (0..8_000).for_each(|number| log.text(Level::INFO, "x", format!("{number:09}")).unwrap());
        log.flush(SOON).unwrap();
        let pid = Pid::from_raw(program.id().cast_signed());
        kill(pid, Signal::SIGTERM).unwrap();
        if at_once {
            kill(pid, Signal::SIGINT).unwrap();
        }
        let status = program.wait().unwrap();
        let mut said = String::new();
        program.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(status.code(), Some(3), "{said}");
        assert!(
            said.contains("cannot write to standard output; up to") && !said.contains("stay in the ring"),
            "{said}"
        );
        assert_eq!(fs::read_to_string(log_file(dir.path())).unwrap().lines().count(), 8_000);
        assert_eq!(ring.observe().unwrap().stat().unwrap().lag(), 0);
    }
}

/// Faster than the kernel's timers are exact: each signal prolongs the sleep that it interrupts.
#[test]
fn a_flood_of_other_signals_keeps_no_writer_from_ending() {
    let (dir, ring, _) = scratch();
    let config = dir.file("ringlog.toml");
    let text = format!(
        "[handlers.file]\nkind = \"file\"\npath = {:?}\n[root]\nhandlers = [\"file\"]\n",
        log_file(dir.path())
    );
    fs::write(&config, text).unwrap();
    let args = [ring.path().to_str().unwrap(), "--config", config.to_str().unwrap()];
    let mut program = Command::new(PROGRAM).args(args).spawn().unwrap();
    let log = ring.logger();
    log.text(Level::INFO, "main", "first").unwrap();
    log.flush(SOON).unwrap();
    let pid = Pid::from_raw(program.id().cast_signed());
    let mut count = 0;
    let begun = Instant::now();
    while program.try_wait().unwrap().is_none() {
        // The program may be a zombie by now.
        let _ = kill(pid, [Signal::SIGHUP, Signal::SIGUSR1][count % 2]);
        count += 1;
        if count == 1000 {
            kill(pid, Signal::SIGTERM).unwrap();
        }
        if begun.elapsed() > SOON {
            program.kill().unwrap();
            panic!("the writer does not end");
        }
    }
    assert!(program.wait().unwrap().success());
}

#[test]
fn data_goes_to_standard_output() {
    let (_dir, ring, options) = scratch();
    ring.logger().text(Level::INFO, "main", b"\xffhi").unwrap();
    drop(ring);
    let output = writer(&[&options.ring, "--until-idle", "--format=raw"]);
    assert_eq!((&output.stdout[..], said(&output)), (&b"\xffhi\n"[..], (Some(0), String::new())));
}

#[test]
fn standard_output_may_be_named_by_its_links() {
    for out in ["/dev/stdout", "/dev/fd/1"] {
        let (_dir, ring, options) = scratch();
        ring.logger().text(Level::INFO, "main", "hi").unwrap();
        drop(ring);
        let output = writer(&[&options.ring, "--until-idle", "--format=raw", "--out", out]);
        assert_eq!((&output.stdout[..], said(&output)), (&b"hi\n"[..], (Some(0), String::new())), "{out}");
    }
    // A shell has opened a file there, of any user. It is written with a checkpoint.
    let (dir, ring, options) = scratch();
    ring.logger().text(Level::INFO, "main", "hi").unwrap();
    drop(ring);
    let path = log_file(dir.path());
    let opened = fs::File::create(&path).unwrap();
    if nix::unistd::geteuid().is_root() {
        std::os::unix::fs::chown(&path, Some(65_534), None).unwrap();
    }
    let mut command = Command::new(PROGRAM);
    command.args([&options.ring, "--until-idle", "--format=raw", "--out=/dev/stdout", "--rotate-size=1MiB"]);
    let output = command.stdout(opened).output().unwrap();
    assert_eq!(
        (fs::read_to_string(&path).unwrap(), said(&output)),
        ("hi\n".to_owned(), (Some(0), String::new()))
    );
    assert!(dir.file("app.log.checkpoint").exists());
}

#[test]
fn a_closed_pipe_loses_nothing_and_what_is_left_is_said() {
    let (_dir, ring, options) = scratch();
    let args = [&options.ring, "--format=raw"];
    let mut program =
        Command::new(PROGRAM).args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let log = ring.logger();
    log.text(Level::INFO, "main", "read").unwrap();
    let mut first = [0; 5];
    program.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    drop(program.stdout.take());
    // Another test's child may have the pipe open until it executes its program, so once may not be enough.
    let mut pushed = 1;
    let begun = Instant::now();
    while program.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < SOON, "the writer does not end");
        log.text(Level::INFO, "main", "not read").unwrap();
        pushed += 1;
        std::thread::sleep(Duration::from_millis(1));
    }
    let output = program.wait_with_output().unwrap();
    let stat = ring.observe().unwrap().stat().unwrap();
    assert!((1..pushed).contains(&stat.persisted));
    let (code, text) = said(&output);
    // Some may have been logged after the writer had counted.
    let (before, rest) = text.split_once("its reader has gone; ").unwrap();
    let (left, rest) = rest.split_once(' ').unwrap();
    assert_eq!(
        (&first, code, before),
        (b"read\n", Some(3), "ringlog-writer: cannot write to standard output: ")
    );
    assert!((1..=stat.lag()).contains(&left.parse().unwrap()), "{text} {}", stat.lag());
    let (one, many) = ("record is not written and stays", "records are not written and stay");
    let expected = if left == "1" { one } else { many };
    assert_eq!(rest, format!("{expected} in the ring for the next writer\n"));
}

#[test]
fn a_closed_pipe_leaves_also_what_was_never_taken() {
    let (_dir, ring, options) = scratch();
    // More than the writer takes before the first batch is written.
    let log = ring.logger();
    let sent = (0..).take_while(|_| log.text(Level::WARN, "main", "not read").is_ok()).count();
    let (reader, standard_output) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(PROGRAM);
    command.args([&options.ring, "--until-idle"]).stdout(standard_output);
    let (code, text) = said(&command.stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap());
    let expected = format!(
        "ringlog-writer: cannot write to standard output: its reader has gone; {sent} records are not written and stay \
         in the ring for the next writer\n"
    );
    assert_eq!((code, text), (Some(3), expected));
    assert_eq!(ring.observe().unwrap().stat().unwrap().lag(), sent as u64);
}

#[test]
fn a_closed_pipe_is_no_error_if_nothing_is_left() {
    let (_dir, ring, options) = scratch();
    drop(ring);
    let (reader, standard_output) = std::io::pipe().unwrap();
    drop(reader);
    // As it was after the writer before had written everything.
    let mut command = Command::new(PROGRAM);
    let program =
        command.args([&options.ring]).stdout(standard_output).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    while Observer::open(&options.ring).unwrap().stat().unwrap().consumer.is_none() {
        assert!(begun.elapsed() < SOON, "it does not begin");
        std::thread::sleep(Duration::from_millis(1));
    }
    kill(Pid::from_raw(program.id() as i32), Signal::SIGTERM).unwrap();
    assert_eq!(said(&program.wait_with_output().unwrap()), (Some(0), String::new()));
}

/// A writer to a standard output that is not read, with more records than a pipe holds, after these signals.
fn unread_writer(signals: &[Signal]) -> (Output, u64) {
    let (_dir, ring, options) = scratch();
    let log = ring.logger();
    (0..100).for_each(|number| log.text(Level::INFO, "main", format!("{number:01000}")).unwrap());
    let mut program = Command::new(PROGRAM);
    program.args([&options.ring, "--format=raw"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut program = program.spawn().unwrap();
    let unread = program.stdout.take();
    let begun = Instant::now();
    while ring.observe().unwrap().stat().unwrap().consumer.is_none() {
        assert!(begun.elapsed() < SOON, "it does not begin");
        std::thread::sleep(Duration::from_millis(1));
    }
    for signal in signals {
        kill(Pid::from_raw(program.id() as i32), *signal).unwrap();
        // Two of the same kind that come together count as one.
        std::thread::sleep(Duration::from_millis(100));
    }
    let output = program.wait_with_output().unwrap();
    drop(unread);
    (output, ring.observe().unwrap().stat().unwrap().lag())
}

#[test]
fn a_writer_whose_reader_is_stuck_ends() {
    let (output, left) = unread_writer(&[Signal::SIGTERM]);
    let (code, text) = said(&output);
    let expected = format!(
        "ringlog-writer: cannot write to standard output: its reader takes nothing; {left} records are not written and \
         stay in the ring for the next writer\n"
    );
    assert!(
        code == Some(3) && text.ends_with(&expected) && (1..100).contains(&left),
        "{code:?} {text} {left}"
    );
}

#[test]
fn a_second_signal_ends_a_writer_at_once() {
    for signals in [[Signal::SIGTERM; 2], [Signal::SIGINT; 2], [Signal::SIGINT, Signal::SIGTERM]] {
        let (output, left) = unread_writer(&signals);
        let (code, text) = said(&output);
        let expected = format!(
            "ringlog-writer: ended at once, as a second signal asked; {left} records are not written and stay in the \
             ring for the next writer\n"
        );
        assert!(
            code == Some(3) && text.ends_with(&expected) && (1..100).contains(&left),
            "{code:?} {text} {left}"
        );
    }
}

/// Sends a signal as soon as the program has a handler for it.
fn signal_once_it_is_handled(program: &mut Child, signal: Signal) {
    let id = program.id();
    let is_handled = || {
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:\t")).unwrap();
        u64::from_str_radix(caught, 16).unwrap() >> (signal as u64 - 1) & 1 == 1
    };
    let begun = Instant::now();
    while !is_handled() {
        if begun.elapsed() > SOON {
            program.kill().unwrap();
            panic!("it does not handle {signal}");
        }
        std::thread::yield_now();
    }
    kill(Pid::from_raw(id as i32), signal).unwrap();
}

#[test]
fn a_signal_at_the_start_ends_a_writer_in_order() {
    let (dir, ring, options) = scratch();
    for (round, signal) in [Signal::SIGTERM, Signal::SIGINT].into_iter().cycle().take(20).enumerate() {
        ring.logger().text(Level::INFO, "main", "hello").unwrap();
        let mut command = Command::new(PROGRAM);
        let mut program = command.args(options.to_args()).stderr(Stdio::piped()).spawn().unwrap();
        signal_once_it_is_handled(&mut program, signal);
        assert_eq!(said(&program.wait_with_output().unwrap()), (Some(0), String::new()), "{round}");
        assert_eq!(fs::read_to_string(log_file(dir.path())).unwrap().lines().count(), round + 1);
    }
}

/// It is stuck in printing what is wrong with its arguments, so its handlers were there before it parsed them.
#[test]
fn signals_are_handled_before_arguments_are_parsed() {
    let dir = Scratch::new();
    let pipe = full_pipe(&dir);
    for args in [&["app", "--format=xml"][..], &["--config=/dev/null", "--check", "app"]] {
        let mut program = Command::new(PROGRAM).args(args).stderr(pipe.try_clone().unwrap()).spawn().unwrap();
        signal_once_it_is_handled(&mut program, Signal::SIGTERM);
        // But one that does not become a writer ends by them.
        assert_eq!(ended(program).signal(), Some(Signal::SIGTERM as i32), "{args:?}");
    }
}

#[test]
fn a_signal_ends_the_wait_for_a_configuration_from_a_pipe() {
    let dir = Scratch::new();
    nix::unistd::mkfifo(&dir.file("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let program = Command::new(PROGRAM).arg("--config").arg(dir.file("pipe")).stderr(Stdio::piped()).spawn();
    let mut program = program.unwrap();
    signal_once_it_is_handled(&mut program, Signal::SIGTERM);
    // After the wait it would say that nothing came out of the pipe.
    assert_eq!(said(&program.wait_with_output().unwrap()), (Some(0), String::new()));
}

/// A full pipe without a reader.
fn full_pipe(dir: &Scratch) -> File {
    let path = dir.file("full");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let pipe =
        File::options().read(true).write(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path).unwrap();
    while (&pipe).write(&[b'x'; 4096]).is_ok() {}
    // As the writer gets it: a write into it waits.
    fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_RDWR)).unwrap();
    pipe
}

/// What the program ends with; fails if it does not end.
fn ended(mut program: Child) -> ExitStatus {
    let begun = Instant::now();
    loop {
        match program.try_wait().unwrap() {
            Some(status) => return status,
            None if begun.elapsed() > SOON => {
                program.kill().unwrap();
                panic!("it does not end");
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

#[test]
fn a_full_standard_error_keeps_no_writer_from_ending() {
    let (dir, ring, options) = scratch();
    let pipe = full_pipe(&dir);
    let start = |args: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command.args(args).stderr(pipe.try_clone().unwrap()).spawn().unwrap()
    };
    // An error at the start.
    assert_eq!(ended(start(&[&format!("{}x", options.ring)])).code(), Some(4));
    // A failing output and a stop, of which each has to be reported.
    ring.logger().text(Level::INFO, "main", "hello").unwrap();
    let program = start(&[&options.ring, "--out=/dev/full"]);
    let begun = Instant::now();
    while ring.observe().unwrap().stat().unwrap().consumer.is_none() {
        assert!(begun.elapsed() < SOON, "it holds no ring");
        std::thread::sleep(Duration::from_millis(1));
    }
    kill(Pid::from_raw(program.id() as i32), Signal::SIGTERM).unwrap();
    assert_eq!(ended(program).code(), Some(3));
}

#[test]
fn exit_codes_name_the_kind_of_error() {
    let (dir, _ring, options) = scratch();
    let (code, message) = said(&writer(&[&format!("{}x", options.ring)]));
    let expected =
        format!("ringlog-writer: no ring \"appx\" in {}; did you mean \"app\"?\n", dir.path().display());
    assert_eq!((code, message), (Some(4), expected));
    let (code, message) = said(&writer(&[&options.ring, "--out=/nowhere/app.log"]));
    let expected = "ringlog-writer: cannot open /nowhere/app.log for writing: there is no directory /nowhere; \
                    make it with `mkdir -p /nowhere`\n";
    assert_eq!((code, message.as_str()), (Some(1), expected));
    let without_config = said(&writer(&[&options.ring, "--out=/nowhere/app.log", "--check"]));
    let expected = "ringlog-writer: --check needs the configuration; name it with --config FILE\n";
    assert_eq!(without_config, (Some(2), expected.to_owned()));
    let (code, message) = said(&writer(&[&options.ring, "--format=xml"]));
    assert!(code == Some(2) && message.contains("[possible values: text, json, raw]"), "{message}");
    let out = format!("--out={}", dir.file("app.log").display());
    for (args, expected) in [
        (
            ["--rotate-size=1MiB", "--out=-"],
            "--rotate-size is for a file, not for standard output; name a file with --out FILE",
        ),
        (
            ["--fsync=batch", "--out=-"],
            "--fsync is for a file, not for standard output; name a file with --out FILE",
        ),
        (
            ["--max-total-size=1GiB", "--out=-"],
            "--max-total-size needs closed files; name a file with --out FILE, without --no-checkpoint",
        ),
        (["--ids", "--format=json"], "--ids does not go with --format json; leave it out"),
        (
            ["--rotate-size=1MiB", "--no-checkpoint"],
            "a file without a checkpoint cannot be rotated; leave out --no-checkpoint",
        ),
        (
            ["--fsync=1s", "--no-checkpoint"],
            "a file without a checkpoint cannot be synced; leave out --no-checkpoint",
        ),
    ] {
        let file = if args[1] == "--no-checkpoint" { out.as_str() } else { "--grace=10" };
        let (code, message) = said(&writer(&[&options.ring, file, args[0], args[1]]));
        assert_eq!((code, message), (Some(2), format!("ringlog-writer: {expected}\n")));
    }
    let (code, message) = said(&writer(&[&options.ring, "--out=/dev/null", "--fsync=batch"]));
    let expected = "ringlog-writer: cannot open /dev/null for writing: it is not a regular file, so it can be neither \
                    rotated nor synced\n";
    assert_eq!((code, message.as_str()), (Some(1), expected));
    let help = String::from_utf8(writer(&["--help"]).stdout).unwrap();
    assert!(
        help.contains(
            "Exit codes: 0 ok, 1 failed, 2 usage, 3 records are not written or not synced, 4 no such ring"
        ),
        "{help}"
    );
}

#[test]
fn the_schema_is_printed_without_a_ring() {
    let output = writer(&["--print-schema"]);
    assert_eq!(said(&output), (Some(0), String::new()));
    let schema = ringlog_writer::config::Config::schema();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{schema}\n"));
    for other in ["app", "--check"] {
        assert_eq!(said(&writer(&["--print-schema", other])).0, Some(2));
    }
    let mut child = Command::new(PROGRAM).arg("--print-schema").stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(matches!(child.wait().unwrap().code(), Some(0 | 1)), "a closed pipe is no panic");
}

/// What else is written to the same pipe comes before a message or after it.
#[test]
fn a_message_is_written_by_one_call() {
    let dir = Scratch::new();
    let config = dir.file("bad.toml");
    fs::write(&config, "wrong = 1\nalso = 2\n").unwrap();
    let config = format!("--config={}", config.display());
    for args in [&["none"][..], &[&config, "--check"]] {
        // In packets: a read gets what one write has written.
        let (read, write) = pipe2(OFlag::O_DIRECT).unwrap();
        let mut command = Command::new(PROGRAM);
        let status = command.env("RINGLOG_DIR", dir.path()).args(args).stderr(write).status().unwrap();
        drop(command);
        assert!(!status.success());
        let mut packet = [0; 4096];
        let len = File::from(read).read(&mut packet).unwrap();
        let packet = std::str::from_utf8(&packet[..len]).unwrap();
        assert!(packet.len() > 20 && packet.ends_with('\n'), "{packet:?}");
    }
}
