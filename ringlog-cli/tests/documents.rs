//! The shell sessions in README.md and docs/logging.md: each is run word for word, and its output compared.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{RINGLOG, Scene};

/// The directory of rings in the documents.
const RINGS: &str = "/dev/shm/ringlog-1000";
/// The program that the sessions call `orders`.
const ORDERS: &str = include_str!("../examples/orders/orders.rs");
/// Waits for the last background job, which the session must have stopped.
const AT_THE_END: &str = "for _ in $(seq 600); do kill -0 $! 2>&- || exit 0; sleep 0.05; done
kill $! && echo 'a job is left in the background' >&2";

fn document(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)).unwrap()
}

#[test]
fn the_sessions_in_readme_are_true() {
    assert_eq!(play("README.md"), 3);
}

#[test]
fn the_sessions_in_docs_logging_are_true() {
    assert_eq!(play("docs/logging.md"), 3);
}

#[test]
fn the_program_orders_is_the_first_in_readme() {
    let readme = document("README.md");
    let program = &blocks(&readme, "rust")[0].1;
    assert_eq!(
        ORDERS.trim_end(),
        program,
        "examples/orders/orders.rs is to be the same: its lines are counted"
    );
}

/// Shell blocks without output are not run, so they may only hold `cargo` commands.
#[test]
fn shell_blocks_without_output_only_run_cargo() {
    for name in ["README.md", "docs/logging.md"] {
        let text = document(name);
        for (line, block) in ["sh", "bash", "shell"].iter().flat_map(|language| blocks(&text, language)) {
            let others: Vec<_> = block.lines().filter(|command| !command.starts_with("cargo ")).collect();
            assert!(others.is_empty(), "{name}:{line}: show as a session what these do: {others:#?}");
        }
    }
}

/// All blocks of a language, with the number of the line before each.
fn blocks(text: &str, language: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let Some(fence) = line.strip_prefix("```") else { continue };
        let block: Vec<&str> =
            lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
        if fence == language {
            found.push((index + 1, block.join("\n")));
        }
    }
    found
}

/// The configurations whose first line names their file.
fn configurations(text: &str) -> impl Iterator<Item = (String, String)> {
    blocks(text, "toml").into_iter().filter_map(|(_, block)| {
        let name = block.lines().next()?.strip_prefix("# ").filter(|name| name.ends_with(".toml"))?;
        Some((name.to_owned(), block))
    })
}

/// A command, and what it prints.
struct Step {
    command: String,
    output: Vec<String>,
}

/// Runs every session of a document and returns their number.
fn play(name: &str) -> usize {
    let text = document(name);
    let sessions = blocks(&text, "console");
    for (line, session) in &sessions {
        let scene = Scene::new();
        configurations(&text).for_each(|(name, text)| fs::write(scene.file(&name), text).unwrap());
        let steps = steps(session);
        let typed: String = steps.iter().enumerate().map(|(number, step)| typed(number, step)).collect();
        let script = typed + AT_THE_END;
        let ended = scene.shell(&script, &examples()).output().unwrap();
        let errors = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success() && errors.is_empty(), "{name}:{line}: {errors}");
        for (number, step) in steps.iter().enumerate() {
            let printed = scene.read(&format!("printed.{number}")).replace(scene.dir(), RINGS);
            let printed: Vec<String> = printed.lines().map(masked).collect();
            let expected: Vec<String> = step.output.iter().map(|line| masked(line)).collect();
            assert!(
                matches(&expected, &printed),
                "{name}:{line}: $ {}\nexpected {expected:#?}, printed {printed:#?}",
                step.command
            );
        }
    }
    sessions.len()
}

fn steps(session: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in session.lines() {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => steps.push(Step { command: command.to_owned(), output: Vec::new() }),
            (None, Some(step)) => step.output.push(line.to_owned()),
            (None, None) => panic!("a session begins with a command: {line}"),
        }
    }
    steps
}

/// The script for one command, which writes the output to a file. After a writer in the background the script waits
/// until the writer holds the ring, as a person's typing would.
fn typed(number: usize, Step { command, .. }: &Step) -> String {
    let run =
        format!("{{ {command}\n}} > printed.{number} 2>&1 || echo \"exit code $?\" >> printed.{number}\n");
    let background = command.strip_prefix("ringlog writer ").filter(|rest| rest.ends_with('&'));
    let ring = background.and_then(|rest| rest.split(' ').next());
    let wait = ring.map(|ring| {
        format!("for _ in $(seq 600); do ringlog stat {ring} | grep -q ' alive' && break; sleep 0.05; done\n")
    });
    run + &wait.unwrap_or_default()
}

/// The directory of `orders`.
fn examples() -> PathBuf {
    let directory = Path::new(RINGLOG).parent().unwrap().join("examples");
    let orders = directory.join("orders");
    assert!(orders.exists(), "{} is missing: cargo build -p ringlog-cli --examples", orders.display());
    directory
}

/// Masks times and process ids, which differ from run to run.
fn masked(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let masked = words.iter().enumerate().map(|(at, word)| {
        let is_time = word.len() >= 20 && word.get(10..11) == Some("T") && word.ends_with('Z');
        // Python's: 2026-11-21 10:46:29,123
        let pythons = |digits: &str| {
            let shape = |c: char| if c.is_ascii_digit() { '9' } else { c };
            word.chars().map(shape).eq(digits.chars())
        };
        let is_time = is_time || pythons("9999-99-99") || pythons("99:99:99,999");
        match word.split_once(['[', ')']) {
            _ if is_time => "TIME".to_owned(),
            // name[4711/main]
            Some((name, rest)) if word.contains('[') => match rest.split_once('/') {
                Some((pid, thread)) if is_number(pid) => format!("{name}[PID/{thread}"),
                _ => (*word).to_owned(),
            },
            // (pid 4711)
            Some((pid, rest)) if at > 0 && words[at - 1] == "(pid" && is_number(pid) => format!("PID){rest}"),
            _ => (*word).to_owned(),
        }
    });
    masked.collect::<Vec<String>>().join(" ")
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether the output matches, where `...` stands for any number of lines.
fn matches(expected: &[String], printed: &[String]) -> bool {
    match expected.split_first() {
        None => printed.is_empty(),
        Some((first, rest)) if first == "..." => {
            (0..=printed.len()).any(|skipped| matches(rest, &printed[skipped..]))
        }
        Some((first, rest)) => printed.first() == Some(first) && matches(rest, &printed[1..]),
    }
}

#[test]
fn a_document_that_differs_is_noticed() {
    let is_so = |expected: &[&str], printed: &[&str]| {
        let [expected, printed] =
            [expected, printed].map(|lines| lines.iter().map(|line| masked(line)).collect::<Vec<_>>());
        matches(&expected, &printed)
    };
    let line = "2026-11-21T09:46:29.091980465Z INFO  put[4711/main] 91 of [1/2]";
    assert!(is_so(&[line], &["2027-01-01T00:00:00.000000000Z INFO  put[7/main] 91 of [1/2]"]));
    assert!(!is_so(&[line], &["2027-01-01T00:00:00.000000000Z INFO  put[7/main] 92 of [1/2]"]));
    assert!(!is_so(&[line], &["2027-01-01T00:00:00.000000000Z INFO  put[7/other] 91 of [1/2]"]));
    assert!(!is_so(&[line], &[]) && !is_so(&[], &[line]) && !is_so(&[line], &[line, line]));
    assert!(is_so(&["a", "...", "b"], &["a", "b"]) && is_so(&["a", "..."], &["a", "b", "c"]));
    assert!(!is_so(&["a", "...", "b"], &["a", "b", "c"]) && is_so(&["..."], &[]));
    assert!(is_so(&["2026-11-21 10:46:29,123 hi"], &["2027-01-01 00:00:00,000 hi"]));
    assert!(!is_so(&["2026-11-21 10:46:29,123 hi"], &["2027-01-01 00:00:00 hi"]));
    assert!(is_so(&["ringlog (pid 1), ends"], &["ringlog (pid 27), ends"]));
    assert!(!is_so(&["ringlog (pid 1), ends"], &["ringlog (pid 27), runs"]));
}
