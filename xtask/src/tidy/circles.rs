//! The rule for circles: at most a few files of a crate may take from each other in a circle, and folders may not.
//!
//! A module may use those it declares without closing a circle: it is their face, and `mod` ties it to them anyway.

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;
use super::modules::Graph;

/// Files that only make sense together may name each other.
const MAX_FILES: usize = 3;

/// Packages whose folders still form a circle.
const OPEN_FOLDERS: &[&str] = &[];

/// What is wrong in one crate; `largest` becomes its largest circle if that is larger.
pub fn check(graph: &Graph, largest: &mut Vec<String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_face = |from, to| graph.files[to].starts_with(&graph.files[from]);
    let ties = graph.ties.keys().filter(|(from, to)| !is_face(from, to));
    let ties = ties.map(|(from, to)| (from.as_str(), to.as_str()));
    for circle in circles(ties) {
        if circle.len() > MAX_FILES {
            let message = format!(
                "a circle of {} files, at most {MAX_FILES} are allowed; cut one of its ties:\n  {}",
                circle.len(),
                ties_of(graph, &circle).join("\n  ")
            );
            findings.push(Finding::whole(circle[0], message));
        }
        if circle.len() > largest.len() {
            *largest = circle.iter().map(|file| (*file).to_owned()).collect();
        }
    }
    findings.extend(folder_circles(graph));
    findings
}

/// Circles between the folders that lie side by side, at every depth. A folder is a module with files of its own,
/// together with the file that declares them.
fn folder_circles(graph: &Graph) -> Vec<Finding> {
    let folders: BTreeSet<&[String]> =
        graph.files.values().flat_map(|path| (1..path.len()).map(|length| &path[..length])).collect();
    let mut ties: BTreeMap<(String, String), String> = BTreeMap::new();
    for ((from, to), tie) in &graph.ties {
        let (a, b) = (&graph.files[from], &graph.files[to]);
        let shared = a.iter().zip(b).take_while(|(a, b)| a == b).count();
        let sides = a.get(..=shared).zip(b.get(..=shared));
        if let Some((a, b)) = sides.filter(|(a, b)| folders.contains(a) && folders.contains(b)) {
            let shown = format!("{from}:{} takes {}", tie.line, tie.path);
            ties.entry((a.join("/"), b.join("/"))).or_insert(shown);
        }
    }
    let between = ties.keys().map(|(from, to)| (from.as_str(), to.as_str()));
    let found = circles(between).into_iter().map(|circle| {
        let inside = ties.iter().filter(|((a, b), _)| circle.contains(&&**a) && circle.contains(&&**b));
        let shown: Vec<_> = inside.map(|(_, shown)| shown.as_str()).collect();
        let package = graph.files.keys().next().and_then(|file| file.split('/').next()).unwrap_or("");
        let message = format!(
            "the folders {} take from each other in a circle; move what they share into a lower one:\n  {}",
            circle.join(", "),
            shown.join("\n  ")
        );
        Finding::whole(package, message)
    });
    found.filter(|finding| !OPEN_FOLDERS.contains(&finding.path.as_str())).collect()
}

/// The ties inside a circle, each as `file:line takes path`.
fn ties_of(graph: &Graph, circle: &[&str]) -> Vec<String> {
    let is_inside = |file: &String| circle.contains(&file.as_str());
    let inside = graph.ties.iter().filter(|((from, to), _)| is_inside(from) && is_inside(to));
    inside.map(|((from, _), tie)| format!("{from}:{} takes {}", tie.line, tie.path)).collect()
}

/// The sets of nodes that reach each other, of two or more.
fn circles<'a>(ties: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<Vec<&'a str>> {
    let mut next: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (from, to) in ties {
        next.entry(from).or_default().push(to);
    }
    // A few hundred files: to ask each for all it reaches is fast enough.
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        next.keys().map(|node| (*node, reach(node, &next))).collect();
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for (node, reaches) in &reached {
        if reaches.contains(node) && !seen.contains(node) {
            let reaches_back = |other: &&&str| reached.get(**other).is_some_and(|back| back.contains(node));
            let circle: Vec<&str> = reaches.iter().filter(reaches_back).copied().collect();
            seen.extend(circle.iter().copied());
            found.push(circle);
        }
    }
    found
}

fn reach<'a>(from: &str, next: &BTreeMap<&'a str, Vec<&'a str>>) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&str> = next.get(from).cloned().unwrap_or_default();
    while let Some(node) = open.pop() {
        if reached.insert(node) {
            open.extend(next.get(node).into_iter().flatten());
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::modules::Tie;

    fn graph(ties: &[(&str, &str)]) -> Graph {
        let mut graph = Graph::default();
        let file = |name: &str| format!("p/src/{name}.rs");
        for (from, to) in ties {
            for name in [from, to] {
                graph.files.insert(file(name), name.split('/').map(str::to_owned).collect());
            }
            let tie = Tie { line: 7, path: format!("crate::{to}") };
            graph.ties.insert((file(from), file(to)), tie);
        }
        graph
    }

    fn messages(ties: &[(&str, &str)]) -> (Vec<String>, usize) {
        let mut largest = Vec::new();
        let findings = check(&graph(ties), &mut largest);
        (findings.iter().map(Finding::to_string).collect(), largest.len())
    }

    #[test]
    fn small_circles_pass_and_the_largest_is_known() {
        assert_eq!(messages(&[("a", "b"), ("b", "c")]), (vec![], 0));
        let ties = [("a", "b"), ("b", "a"), ("c", "d"), ("d", "e"), ("e", "c"), ("e", "a")];
        assert_eq!(messages(&ties), (vec![], 3));
    }

    #[test]
    fn a_circle_of_four_files_is_refused_with_its_ties() {
        let (messages, largest) = messages(&[("a", "b"), ("b", "c"), ("c", "d"), ("d", "a"), ("d", "x")]);
        let expected = "p/src/a.rs: a circle of 4 files, at most 3 are allowed; cut one of its ties:\n  \
                        p/src/a.rs:7 takes crate::b\n  p/src/b.rs:7 takes crate::c\n  \
                        p/src/c.rs:7 takes crate::d\n  p/src/d.rs:7 takes crate::a";
        assert_eq!((messages, largest), (vec![expected.to_owned()], 4));
    }

    #[test]
    fn folders_form_no_circle_at_any_depth() {
        let expected = "p: the folders a, b take from each other in a circle; move what they share into a lower \
                        one:\n  p/src/a/one.rs:7 takes crate::b/two\n  p/src/b/one.rs:7 takes crate::a/two";
        assert_eq!(messages(&[("a/one", "b/two"), ("b/one", "a/two")]).0, [expected]);
        let deep = messages(&[("a/b/one", "a/c/two"), ("a/c/one", "a/b/two")]).0;
        assert!(deep[0].starts_with("p: the folders a/b, a/c take from each other"), "{deep:?}");
    }

    #[test]
    fn the_modules_that_a_file_declares_close_no_circle_with_it() {
        let ties = [("a", "a/b"), ("a", "a/c"), ("a", "a/d"), ("a/b", "a"), ("a/c", "a"), ("a/d", "a/b")];
        assert_eq!(messages(&ties), (vec![], 0));
    }

    #[test]
    fn a_folder_and_its_own_files_may_name_each_other() {
        assert_eq!(messages(&[("a", "a/one"), ("a/one", "a"), ("b", "a/one"), ("a", "c/one")]).0, [""; 0]);
    }
}
