//! `cargo x tidy`: the repository's own rules, each a small function from text
//! to findings, so that the unit tests can show each of them failing.

mod direction;
pub mod files;
mod links;
mod proofs;
mod rust;
mod text;

use std::fmt;

use anyhow::{Result, bail};

use crate::metadata;
use crate::shell::root;

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
    findings.extend(proofs::check(&files));
    findings.extend(direction::check(&metadata::packages()?));
    report(files.len(), findings)
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
