//! `cargo x tidy`: the repository's own rules, each a small function from text
//! to findings, so that the unit tests can show each of them failing.

mod circles;
mod direction;
pub mod files;
mod layers;
mod links;
mod modules;
mod rust;
pub mod source;
mod text;

use std::fmt;
use std::path::Path;

use anyhow::{Result, bail};

use crate::metadata::{self, Package};
use crate::shell::root;
use files::File;

/// A broken rule, and where.
#[derive(Debug, PartialEq)]
pub struct Finding {
    /// Relative to the workspace root.
    pub path: String,
    /// Counts from 1; absent if the finding is about the file as a whole.
    pub line: Option<usize>,
    pub message: String,
}

impl Finding {
    fn at(path: &str, line: usize, message: impl Into<String>) -> Finding {
        Finding { path: path.to_owned(), line: Some(line), message: message.into() }
    }

    fn whole(path: &str, message: impl Into<String>) -> Finding {
        Finding { path: path.to_owned(), line: None, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.path, self.message),
            None => write!(f, "{}: {}", self.path, self.message),
        }
    }
}

pub fn run() -> Result<()> {
    let root = root()?;
    let files = files::list(root)?;
    let mut findings = Vec::new();
    for file in &files {
        findings.extend(text::check(&file.path, &file.text));
        if file.is_rust() {
            findings.extend(rust::check(&file.path, &file.text));
        }
        if file.path.ends_with(".md") {
            findings.extend(links::check(&file.path, &file.text, |path| root.join(path).exists()));
        }
    }
    let packages = metadata::packages()?;
    findings.extend(direction::check(&packages));
    let mut largest_circle = Vec::new();
    for package in &packages {
        findings.extend(check_modules(package, root, &files, &mut largest_circle)?);
    }
    println!("the largest circle of files: {}", describe(&largest_circle));
    report(files.len(), findings)
}

/// The rules between the modules of each program and library of a package.
fn check_modules(
    package: &Package,
    root: &Path,
    files: &[File],
    largest: &mut Vec<String>,
) -> Result<Vec<Finding>> {
    let text = |path: &str| {
        let position = files.binary_search_by(|file| file.path.as_str().cmp(path)).ok()?;
        Some(files[position].text.as_str())
    };
    let mut findings = Vec::new();
    for target in &package.targets {
        let source = target.src_path.strip_prefix(root)?.to_string_lossy();
        let graph = modules::read(&source, text);
        findings.extend(circles::check(&graph, largest));
        if target.is_library() {
            findings.extend(layers::check(&package.name, &graph));
        }
    }
    Ok(findings)
}

fn describe(circle: &[String]) -> String {
    if circle.is_empty() {
        return "none".to_owned();
    }
    format!("{} ({})", circle.len(), circle.join(", "))
}

fn report(file_count: usize, findings: Vec<Finding>) -> Result<()> {
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!("tidy: {} findings in {file_count} files", findings.len());
    }
    println!("tidy: {file_count} files obey the rules");
    Ok(())
}
