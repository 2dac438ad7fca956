//! The rule for folders: inside a crate, a folder takes only from those below it.

use super::Finding;
use super::modules::Graph;

/// For each crate its modules from the bottom up. Those in one row take nothing from each other; a module that
/// stands in no row takes from all, and no module takes from it.
#[rustfmt::skip]
const LAYERS: &[(&str, &[&[&str]])] = &[
    ("ringlog-core", &[
        &["error"],
        &["os"],
        &["shm"],
        &["record"],
        &["ring"],
        &["producer", "reader"],
        &["queue"],
        &["admin", "schema", "testing"],
    ]),
    ("ringlog-writer", &[
        &["counted", "text_enum"],
        &["format", "rotation", "setting", "summary"],
        &["clock", "error"],
        &["events"],
        &["sink"],
        &["config"],
        &["status"],
        &["pipeline", "spawn"],
        &["cli"],
    ]),
];

/// What is wrong in the crate of this package.
pub fn check(package: &str, graph: &Graph) -> Vec<Finding> {
    let rows = LAYERS.iter().find(|(name, _)| *name == package).map(|(_, rows)| *rows);
    rows.map_or_else(Vec::new, |rows| check_rows(rows, graph))
}

fn check_rows(rows: &[&[&str]], graph: &Graph) -> Vec<Finding> {
    let row = |module: &str| rows.iter().position(|row| row.contains(&module)).unwrap_or(rows.len());
    let mut findings = Vec::new();
    for ((from, to), tie) in &graph.ties {
        let (Some(upper), Some(lower)) = (graph.files[from].first(), graph.files[to].first()) else {
            continue;
        };
        if upper != lower && row(lower) >= row(upper) {
            let below = rows[..row(upper)].concat();
            let message = format!(
                "{upper} must not take {} from {lower}, only from {}: move it down, or let the caller pass it in",
                tie.path,
                if below.is_empty() { "outside of the crate".to_owned() } else { below.join(", ") },
            );
            findings.push(Finding::at(from, tie.line, message));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::modules::Tie;

    const ROWS: &[&[&str]] = &[&["os"], &["ring"], &["producer", "reader"]];

    fn messages(from: &str, to: &str) -> Vec<String> {
        let mut graph = Graph::default();
        for path in [from, to] {
            let parts = path.split('/').filter(|part| *part != "lib").map(str::to_owned).collect();
            graph.files.insert(format!("{path}.rs"), parts);
        }
        let tie = Tie { line: 3, path: "crate::X".into() };
        graph.ties.insert((format!("{from}.rs"), format!("{to}.rs")), tie);
        check_rows(ROWS, &graph).iter().map(Finding::to_string).collect()
    }

    #[test]
    fn downwards_and_within_a_folder_is_allowed() {
        for (from, to) in [
            ("ring/a", "os/b"),
            ("reader/a", "os/b"),
            ("ring/a", "ring/b"),
            ("top", "reader/a"),
            ("lib", "top"),
        ] {
            assert_eq!(messages(from, to), [""; 0], "{from} {to}");
        }
    }

    #[test]
    fn upwards_and_sideways_is_refused() {
        let found = messages("ring/a", "reader/b");
        let expected = "ring/a.rs:3: ring must not take crate::X from reader, only from os: \
                        move it down, or let the caller pass it in";
        assert_eq!(found, [expected]);
        for (from, to) in [("producer/a", "reader/b"), ("os/a", "ring/b"), ("os/a", "top"), ("top", "other")]
        {
            assert_eq!(messages(from, to).len(), 1, "{from} {to}");
        }
    }

    #[test]
    fn every_named_module_exists() {
        let root = crate::shell::root().unwrap();
        for (package, rows) in LAYERS {
            for module in rows.concat() {
                let source = root.join(package).join("src").join(module);
                assert!(source.with_extension("rs").exists(), "{package}: {module}");
            }
        }
    }
}
