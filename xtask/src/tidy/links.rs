//! The rule for Markdown files: a relative link leads to a file that exists.

use std::path::{Component, Path, PathBuf};

use super::Finding;

/// `exists` answers for a path relative to the workspace root.
pub fn check(path: &str, text: &str, exists: impl Fn(&Path) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut in_code = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        for target in targets(&without_code(line)) {
            let file = target.split('#').next().unwrap_or_default();
            let is_elsewhere = file.contains("://") || file.starts_with("mailto:");
            if file.is_empty() || is_elsewhere {
                continue;
            }
            if !resolve(path, file).is_some_and(|file| exists(&file)) {
                findings.push(Finding::at(path, index + 1, format!("the link leads to no file: {target}")));
            }
        }
    }
    findings
}

/// The line without its `code spans`, in which brackets link nothing.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect()
}

/// What the line links to: `[text](target "title")` and `[name]: target`.
fn targets(line: &str) -> Vec<&str> {
    let inline = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let reference = line.starts_with('[').then(|| line.split_once("]: ")).flatten();
    inline
        .chain(reference.map(|(_, target)| target))
        .filter_map(|target| target.split_whitespace().next())
        .map(|target| target.trim_start_matches('<').trim_end_matches('>'))
        .collect()
}

/// The path, relative to the root, that a link in the file `from` leads to; `None` if it is absolute or leads out of
/// the repository.
fn resolve(from: &str, link: &str) -> Option<PathBuf> {
    let mut path = Path::new(from).parent()?.to_owned();
    for part in Path::new(link).components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::CurDir => {}
            Component::ParentDir => path.pop().then_some(())?,
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(text: &str) -> Vec<String> {
        let exists = |path: &Path| ["docs/b.md", "FORMAT.md"].iter().any(|file| path == Path::new(file));
        check("docs/a.md", text, exists).into_iter().map(|finding| finding.to_string()).collect()
    }

    #[test]
    fn links_to_files_pass() {
        let text = "[b](b.md) ![up](../FORMAT.md#the-header) [here](#section) [<b>](<b.md> \"title\")\n\
                    [web](https://a.example/x) [mail](mailto:a@a.example)\n[ref]: ./b.md\n";
        assert_eq!(messages(text), [""; 0]);
    }

    #[test]
    fn links_to_no_file_are_found() {
        for target in ["c.md", "../b.md", "FORMAT.md#x", "/docs/b.md", "../../FORMAT.md"] {
            let expected = [format!("docs/a.md:2: the link leads to no file: {target}")];
            assert_eq!(messages(&format!("\nsee [b](b.md), [c]({target})\n")), expected);
            assert_eq!(messages(&format!("\n[c]: {target}\n")), expected);
        }
    }

    #[test]
    fn code_holds_no_links() {
        assert_eq!(messages("`a[i](x)`\n```text\n[a](x)\n```\n"), [""; 0]);
        assert_eq!(messages("```\n```\n[a](x)\n").len(), 1);
    }
}
