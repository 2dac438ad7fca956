//! `ringlog import`: counterparts of each idiom, notes on parts without one, and errors in broken input.

#[path = "../common/mod.rs"]
mod common;
mod counterparts;
mod documents;
mod python;
mod refused;

use common::Scene;
use ringlog::Level;
use ringlog_cli::import::{Imported, NoteKind, import};
use ringlog_writer::config::{Config, SinkConfig};

/// A configuration that many projects have copied.
const TYPICAL: &str = include_str!("logging.conf");
/// Its conversion.
const TYPICAL_TOML: &str = include_str!("ringlog.toml");

fn imported(text: &str) -> Imported {
    let imported = import(text.as_bytes(), &[]).unwrap_or_else(|error| panic!("{error}\n{text}"));
    // The printed configuration can be parsed again, and is equal.
    let toml = imported.config.to_string();
    let read = Config::parse(&toml, "made.toml".as_ref());
    let mut read = read.unwrap_or_else(|errors| panic!("{errors}\n{toml}")).config;
    // The rings are not part of the conversion.
    read.rings = imported.config.rings.clone();
    assert_eq!(read, imported.config, "{toml}");
    imported
}

fn lost(imported: &Imported) -> Vec<String> {
    let lost = imported.notes.iter().filter(|note| note.kind == NoteKind::Lost);
    lost.map(|note| format!("{:?} {}: {}", note.at.line, note.at.place, note.what)).collect()
}

/// A file whose one handler has this class and these arguments.
fn file_with(handler: &str) -> String {
    format!(
        "[loggers]\nkeys=root\n[handlers]\nkeys=h\n[formatters]\nkeys=\n[logger_root]\nhandlers=h\n[handler_h]\n\
         {handler}\n"
    )
}

#[test]
fn the_typical_configuration_is_converted() {
    let imported = imported(TYPICAL);
    assert_eq!(imported.notes, []);
    let [root, file, rt] = &imported.config.loggers[..] else { panic!("three loggers") };
    assert_eq!((root.level, &root.handlers), (Some(Level::INFO), &vec![0]));
    assert_eq!((file.name.as_str(), &file.handlers, file.propagate), ("fileLogger", &vec![0, 1], false));
    assert_eq!((rt.name.as_str(), &rt.handlers, rt.propagate), ("rtLogger", &vec![0, 2], false));
    let SinkConfig::File(output) = &imported.config.handlers[2].sink else { panic!("a file") };
    assert_eq!((output.rotation.size, output.rotation.keep.count), (Some(10 << 20), Some(5)));
}

#[test]
fn the_command_prints_or_writes_a_new_file() {
    let scene = Scene::new();
    std::fs::write(scene.file("logging.conf"), TYPICAL).unwrap();
    assert_eq!(scene.ringlog(&["import", "logging.conf"]).ok().stdout, TYPICAL_TOML);
    let ended = scene.ringlog(&["import", "logging.conf", "-o", "ringlog.toml", "--strict"]);
    let ended = ended.ok();
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("", ""));
    assert_eq!(scene.read("ringlog.toml"), TYPICAL_TOML);
    let again = scene.ringlog(&["import", "logging.conf", "-o", "ringlog.toml"]);
    again.fails(1, "ringlog: ringlog.toml already exists; remove it, or give another name");
    scene
        .ringlog(&["import", "nothing"])
        .fails(2, "ringlog: nothing cannot be read: No such file or directory (os error 2)");
}

#[test]
fn lost_parts_are_listed_twice_and_strict_fails() {
    let scene = Scene::new();
    let text = file_with("class=handlers.SMTPHandler\nargs=('host', 'a', 'b', 'c\\x1b[m')");
    std::fs::write(scene.file("mail.conf"), text).unwrap();
    let said = "[handler_h]: handlers.SMTPHandler \"h\" is left out: no mail is sent; `ringlog tail` can feed a \
                program that does";
    let nothing = "[handlers]: no handler has a counterpart, so nothing is written; add one to the new file";
    let ended = scene.ringlog(&["import", "mail.conf"]).ok();
    let notes = format!("ringlog: mail.conf:11: {said}\nringlog: mail.conf: {nothing}\n");
    assert_eq!(ended.stderr, notes);
    let head = "# Made by `ringlog import mail.conf`. Name the rings here, or on the command line:\n\
                # rings = [\"app\"]\n# Without a counterpart";
    let head =
        format!("{head} (line 11): {said}\n# Without a counterpart: {nothing}\n\n[handlers.nowhere]\n");
    assert!(ended.stdout.starts_with(&head), "{}", ended.stdout);
    assert_eq!(scene.ringlog(&["import", "mail.conf", "--strict"]).code, Some(1));
    let text = file_with("class=FileHandler\nargs=('%(dir)s/x.log',)");
    std::fs::write(scene.file("defaults.conf"), text).unwrap();
    let said = "ringlog: defaults.conf:11: args: it refers to %(dir)s, which the program provides; give it \
                with --define dir=VALUE";
    let missing = scene.ringlog(&["import", "defaults.conf"]);
    missing.fails(2, said);
    let given = scene.ringlog(&["import", "defaults.conf", "--define", "dir=/var/log"]);
    assert!(given.ok().stdout.contains("path = \"/var/log/x.log\""));
}
