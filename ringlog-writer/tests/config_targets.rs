//! `--check` finds out whether files can be written, and changes nothing.

use std::fs;
use std::os::unix::fs::{PermissionsExt, lchown, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use nix::unistd::{Uid, geteuid, seteuid};
use ringlog_testkit::Scratch;
use ringlog_writer::config::Config;

/// Serializes the tests: one changes the effective user of the whole process for a while.
static USER: Mutex<()> = Mutex::new(());

/// The errors of handlers for these files; `{}` stands for the directory.
fn report(dir: &Path, files: &[&str]) -> Vec<String> {
    let at = dir.display().to_string();
    let handler = |(i, file): (usize, &&str)| format!("h{i} = {{ kind = \"file\", path = {file} }}\n");
    let handlers: String = files.iter().enumerate().map(handler).collect();
    let text = format!("[root]\n[handlers]\n{handlers}").replace("{}", &at);
    let checked = Config::parse(&text, Path::new("app.toml")).unwrap();
    checked.check_targets().iter().map(|problem| problem.to_string().replace(&at, "{}")).collect()
}

fn listing(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn files_that_cannot_be_opened_or_made() {
    let _user = USER.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = Scratch::on_disk();
    let dir = dir.path();
    fs::write(dir.join("file"), "old\n").unwrap();
    fs::create_dir_all(dir.join("logs/app.log.checkpoint")).unwrap();
    symlink("none/app.log", dir.join("dangling")).unwrap();
    symlink("logs/linked", dir.join("link")).unwrap();
    symlink("round", dir.join("round")).unwrap();
    let _socket = UnixListener::bind(dir.join("socket")).unwrap();
    let before = [listing(dir), listing(&dir.join("logs"))];
    let reported = report(
        dir,
        &[
            "\"{}/none/app.log\"",
            "\"{}/file/app.log\"",
            "\"{}/logs\"",
            "\"{}/new/\"",
            "\"{}/dangling\"",
            "\"{}/round\"",
            "\"{}/logs/app.log\"",
            "\"/dev/null\", rotate.size = 7",
            "\"/dev/zero\", fsync = \"batch\"",
            "\"{}/socket\"",
            // These can be written.
            "\"{}/file\"",
            "\"{}/logs/new.log\"",
            "\"{}/link\"",
            "\"/dev/full\"",
            "\"new.log\"",
        ],
    );
    let place = |handler: usize| format!("app.toml:{}:{}", handler + 3, 30);
    let no_directory = "there is no directory {}/none; make it with `mkdir -p {}/none`";
    let irregular = "it is not a regular file, so it can be neither rotated nor synced";
    let expected = [
        ("none/app.log", no_directory),
        ("file/app.log", "{}/file is not a directory; choose another path"),
        ("logs", "it is a directory; name a file in it"),
        ("new/", "it is a directory; name a file in it"),
        (
            "dangling",
            "it is a symbolic link to {}/none/app.log: there is no directory {}/none; make it with `mkdir -p {}/none`",
        ),
        ("round", "it is a symbolic link to {}/round: Too many levels of symbolic links (os error 40)"),
        ("logs/app.log", "its checkpoint {}/logs/app.log.checkpoint: it is a directory; name a file in it"),
        ("/dev/null", irregular),
        ("/dev/zero", irregular),
        ("socket", "it is a socket; expected a file, a pipe or a device"),
    ];
    let expected: Vec<String> = expected
        .into_iter()
        .enumerate()
        .map(|(i, (path, why))| {
            let path = if path.starts_with('/') { path.to_owned() } else { format!("{{}}/{path}") };
            format!("{}: cannot open {path} for writing: {why}", place(i))
        })
        .collect();
    assert_eq!(reported, expected);
    assert_eq!([listing(dir), listing(&dir.join("logs"))], before, "nothing was made");
    assert_eq!(fs::read_to_string(dir.join("file")).unwrap(), "old\n");
    assert!(!Path::new("new.log").exists());
}

#[test]
fn links_that_the_writer_does_not_follow() {
    let _user = USER.lock().unwrap_or_else(PoisonError::into_inner);
    if !geteuid().is_root() {
        println!("SKIPPED: only root makes a link of another user");
        return;
    }
    let dir = Scratch::on_disk();
    let dir = dir.path();
    let theirs = |name: &str| lchown(dir.join(name), Some(65_534), None).unwrap();
    ["own", "target"].iter().for_each(|name| fs::write(dir.join(name), "").unwrap());
    symlink("own", dir.join("their-link")).unwrap();
    symlink("new", dir.join("their-dangling-link")).unwrap();
    symlink("target", dir.join("link-to-theirs")).unwrap();
    symlink("own", dir.join("link")).unwrap();
    ["their-link", "their-dangling-link", "target"].into_iter().for_each(theirs);
    let names = ["their-link", "their-dangling-link", "link-to-theirs", "link", "target"];
    let files = names.map(|name| format!("\"{{}}/{name}\""));
    let expected = |line, name: &str, what: &str, then: &str| {
        format!(
            "app.toml:{line}:30: cannot open {{}}/{name} for writing: {what} of uid 65534; expected uid 0 (yours) or \
             root; name the file itself{then}"
        )
    };
    let anew = ", or make the link anew";
    assert_eq!(
        report(dir, &files.each_ref().map(String::as_str)),
        [
            expected(3, "their-link", "{}/their-link is a symbolic link", anew),
            expected(4, "their-dangling-link", "{}/their-dangling-link is a symbolic link", anew),
            expected(5, "link-to-theirs", "it is a symbolic link to {}/target, which is", ""),
        ]
    );
}

#[test]
fn files_that_the_effective_user_may_not_open() {
    let _user = USER.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = Scratch::on_disk();
    let dir = dir.path();
    fs::create_dir(dir.join("closed")).unwrap();
    fs::create_dir(dir.join("half")).unwrap();
    for file in ["closed/old.log", "half/old.log"] {
        fs::write(dir.join(file), "").unwrap();
    }
    let allow = |name: &str, mode: u32| {
        fs::set_permissions(dir.join(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    allow("", 0o755);
    allow("closed/old.log", 0o444);
    allow("half/old.log", 0o666);
    allow("closed", 0o555);
    allow("half", 0o555);
    // Its checkpoint is beside the file, where none can be made.
    symlink("half/old.log", dir.join("link")).unwrap();

    // Root may open any file, so take another effective user for a while.
    let root = geteuid().is_root();
    if root {
        seteuid(Uid::from_raw(65_534)).unwrap();
    }
    let uid = geteuid();
    let files = ["\"{}/closed/old.log\"", "\"{}/closed/new.log\"", "\"{}/half/old.log\"", "\"{}/link\""];
    let reported = report(dir, &files);
    let without = report(dir, &["\"{}/half/old.log\", checkpoint = false"]);
    if root {
        seteuid(Uid::from_raw(0)).unwrap();
    }
    allow("closed", 0o755);
    allow("half", 0o755);

    let make = |dir: &str| {
        format!(
            "no permission to make files in {{}}/{dir} (you are uid {uid}); choose another directory or change its mode"
        )
    };
    let expected = [
        format!(
            "{{}}/closed/old.log for writing: no permission (you are uid {uid}); choose another file or change its mode"
        ),
        format!("{{}}/closed/new.log for writing: {}", make("closed")),
        format!(
            "{{}}/half/old.log for writing: its checkpoint {{}}/half/old.log.checkpoint: {}",
            make("half")
        ),
        format!("{{}}/link for writing: its checkpoint {{}}/half/old.log.checkpoint: {}", make("half")),
    ];
    let expected: Vec<String> = expected
        .iter()
        .enumerate()
        .map(|(i, what)| format!("app.toml:{}:30: cannot open {what}", i + 3))
        .collect();
    assert_eq!(reported, expected);
    assert_eq!(without, [""; 0]);
}

#[test]
fn closed_files_of_another_naming_are_named() {
    let dir = Scratch::on_disk();
    let dir = dir.path();
    let names =
        ["app.log.1", "app.log.2.gz", "app.000003.log", "app-20261121T143000Z.log", "app.log.2026-11-21"];
    for name in names.iter().chain(&["app.log", "app.log.checkpoint", "app.log.bak", "apple.log.1"]) {
        fs::write(dir.join(name), "").unwrap();
    }
    fs::create_dir(dir.join("app.log.7")).unwrap();
    let warnings = |keys: &str| {
        let path = dir.join("app.log");
        let handler = |name: &str| format!("[handlers.{name}]\nkind = \"file\"\npath = {path:?}\n{keys}\n");
        let text = format!("{}{}[root]\nhandlers = [\"one\", \"two\"]\n", handler("one"), handler("two"));
        let checked = Config::parse(&text, Path::new("app.toml")).unwrap();
        checked.leftovers().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let warning = |count: &str, first: &str| {
        let dir = dir.display();
        format!(
            "app.toml:3:8: warning: {count} of {dir}/app.log are of another naming, such as {first}; no limit \
             counts or deletes such files, so remove them by hand"
        )
    };
    let of =
        |naming: &str| warnings(&format!("rotate = {{ size = \"1MiB\", keep = 3, naming = {naming:?} }}"));
    assert_eq!(of("time"), [warning("4 closed files", "app.000003.log")]);
    assert_eq!(of("number"), [warning("4 closed files", "app-20261121T143000Z.log")]);
    assert_eq!(of("python"), [warning("3 closed files", "app-20261121T143000Z.log")]);
    // A file that is not rotated has no closed files.
    assert_eq!(warnings(""), [""; 0]);
}
