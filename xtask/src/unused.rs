//! Dependencies that no source names: a check by text, so that it needs no
//! nightly compiler. It errs on the lenient side: a name in a string or a doc
//! comment counts as a use.

use std::path::Path;

use anyhow::{Result, bail};

use crate::metadata::{self, Dependency, Package};
use crate::shell::root;
use crate::tidy::files::{self, File};

pub fn run() -> Result<()> {
    let packages = metadata::packages()?;
    let files = files::list(root()?)?;
    let mut unused = Vec::new();
    for package in &packages {
        let sources = sources(package, &files)?;
        for dependency in &package.dependencies {
            let name = source_name(dependency, &packages);
            if !sources.iter().any(|file| is_used(&name, &file.text)) {
                unused.push(format!("  {}: {} (`{name}::` in no source)", package.name, dependency.name));
            }
        }
    }
    if !unused.is_empty() {
        unused.sort();
        bail!(
            "unused dependencies:\n{}\nIf a library's name differs from its package's, rename the \
             dependency to it: lib = {{ package = \"name\" }}",
            unused.join("\n")
        );
    }
    let count: usize = packages.iter().map(|package| package.dependencies.len()).sum();
    println!("{count} dependencies of {} packages are used", packages.len());
    Ok(())
}

/// The Rust files below the package's directory.
fn sources<'a>(package: &Package, files: &'a [File]) -> Result<Vec<&'a File>> {
    let manifest = package.manifest_path.strip_prefix(root()?)?;
    let directory = manifest.parent().unwrap_or(Path::new(""));
    let is_source = |file: &&File| file.is_rust() && Path::new(&file.path).starts_with(directory);
    Ok(files.iter().filter(is_source).collect())
}

/// The name of a dependency in Rust sources: the manifest's own name for it,
/// else the library's where it is one of ours, else the package's.
fn source_name(dependency: &Dependency, packages: &[Package]) -> String {
    let ours = || packages.iter().find(|p| p.name == dependency.name).and_then(Package::library);
    let name = dependency.rename.clone().or_else(ours).unwrap_or_else(|| dependency.name.clone());
    name.replace('-', "_")
}

/// Whether the source names the crate at the root of a path, or in a bare `use` or `extern crate`.
fn is_used(name: &str, source: &str) -> bool {
    source.lines().filter(|line| !is_plain_comment(line)).any(|line| {
        line.match_indices(name).any(|(start, _)| is_root_use(&line[..start], &line[start + name.len()..]))
    })
}

/// Whether a name between these two texts is a crate's.
fn is_root_use(before: &str, after: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    // `crate::log::` and `logger::` name something else; `::log::` and `{log::` name the crate.
    if before.ends_with(is_word) || after.starts_with(is_word) {
        return false;
    }
    if let Some(parent) = before.strip_suffix("::")
        && parent.ends_with(is_word)
    {
        return false;
    }
    let keyword = before.trim_end_matches("::").split_whitespace().last();
    matches!(keyword, Some("use" | "crate")) || after.trim_start().starts_with("::")
}

/// A comment that rustdoc does not compile. The examples in doc comments are users.
fn is_plain_comment(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("//") && !line.starts_with("///") && !line.starts_with("//!")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Target;

    #[test]
    fn a_crate_is_used_by_path_or_import() {
        for source in [
            "log::info!()",
            "use log::Level;",
            "pub use log;",
            "use ::log::Level;",
            "use ::log as facade;",
            "extern crate log;",
            "use {anyhow::Result, log::Level};",
            "/// use log::info;",
            "#[derive(log::Derive)]",
        ] {
            assert!(is_used("log", source), "{source}");
        }
    }

    #[test]
    fn a_name_that_is_not_the_crate_is_no_use() {
        for source in [
            "let log = 1;",
            "crate::log::open()",
            "logger::log()",
            "use ringlog::Ring;",
            "// log::info!()",
            "catalog::open()",
            "reuse log",
        ] {
            assert!(!is_used("log", source), "{source}");
        }
    }

    #[test]
    fn names_in_sources_honour_renames_and_library_names() {
        let ours = Package {
            name: "ringlog-core".into(),
            manifest_path: "Cargo.toml".into(),
            dependencies: Vec::new(),
            targets: vec![Target {
                name: "ringlog".into(),
                kind: vec!["lib".into()],
                src_path: "src/lib.rs".into(),
            }],
        };
        let named = |name: &str, rename: Option<&str>| {
            let dependency = Dependency { name: name.into(), rename: rename.map(str::to_owned) };
            source_name(&dependency, std::slice::from_ref(&ours))
        };
        assert_eq!(named("ringlog-core", None), "ringlog");
        assert_eq!(named("proc-macro2", None), "proc_macro2");
        assert_eq!(named("md-5", Some("md5")), "md5");
    }
}
