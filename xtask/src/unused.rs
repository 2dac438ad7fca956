//! Dependencies, workspace dependencies and features that no source names.
//!
//! A check by text that takes a second. cargo-machete and cargo-shear find the first kind too, but this command would
//! have to install them first, which takes minutes, and neither finds a feature. The check is lenient: a name in a
//! string or a doc comment counts as a use.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::metadata::{self, Dependency, Kind, Package};
use crate::shell::root;
use crate::tidy::files::{self, File};

pub fn run() -> Result<()> {
    let packages = metadata::packages()?;
    let files = files::list(root()?)?;
    let mut unused = unused_workspace_dependencies(&files)?;
    for package in &packages {
        unused.extend(unused_in(package, &packages, &files)?);
    }
    if !unused.is_empty() {
        unused.sort();
        bail!(
            "unused:\n{}\nRemove them, or move what only tests name to [dev-dependencies]. If a library's name differs \
             from its package's, rename the dependency: lib = {{ package = \"name\" }}",
            unused.join("\n")
        );
    }
    let count: usize = packages.iter().map(|package| package.dependencies.len()).sum();
    println!("{count} dependencies of {} packages are used", packages.len());
    Ok(())
}

/// The dependencies and features of a package that its sources do not name.
fn unused_in(package: &Package, packages: &[Package], files: &[File]) -> Result<Vec<String>> {
    let manifest = package.manifest_path.strip_prefix(root()?)?;
    let directory = manifest.parent().unwrap_or(Path::new(""));
    let sources: Vec<(&Path, &str)> = files
        .iter()
        .filter(|file| file.is_rust())
        .filter_map(|file| Some((Path::new(&file.path).strip_prefix(directory).ok()?, file.text.as_str())))
        .collect();
    let mut unused = Vec::new();
    for dependency in &package.dependencies {
        let name = source_name(dependency, packages);
        if !sources.iter().any(|(path, text)| can_name(dependency.kind, path) && is_used(&name, text)) {
            unused.push(format!("  {}: {} (`{name}::` in no source)", package.name, dependency.name));
        }
    }
    for (feature, turns_on) in &package.features {
        let quoted = format!("\"{feature}\"");
        if feature != "default"
            && turns_on.is_empty()
            && !sources.iter().any(|(_, text)| text.contains(&quoted))
        {
            unused.push(format!("  {}: feature {quoted} (in no source)", package.name));
        }
    }
    Ok(unused)
}

/// Whether a dependency of this kind can be named in a file, by its path in the package.
fn can_name(kind: Option<Kind>, path: &Path) -> bool {
    match kind {
        Some(Kind::Build) => path == Path::new("build.rs"),
        Some(Kind::Dev) => true,
        None => !path.starts_with("tests") && path != Path::new("build.rs"),
    }
}

/// The workspace's dependencies that no manifest takes over.
fn unused_workspace_dependencies(files: &[File]) -> Result<Vec<String>> {
    let manifest = |file: &&File| file.path.ends_with("Cargo.toml");
    let workspace = files.iter().find(|file| file.path == "Cargo.toml").context("no Cargo.toml")?;
    let manifests: Vec<&str> = files.iter().filter(manifest).map(|file| file.text.as_str()).collect();
    let unused = workspace_dependencies(&workspace.text).filter(|name| !is_taken_over(name, &manifests));
    Ok(unused.map(|name| format!("  workspace: {name} (in no package's manifest)")).collect())
}

/// The keys of `[workspace.dependencies]`.
fn workspace_dependencies(manifest: &str) -> impl Iterator<Item = &str> {
    let section = manifest.lines().skip_while(|line| *line != "[workspace.dependencies]").skip(1);
    section.take_while(|line| !line.starts_with('[')).filter_map(|line| Some(line.split_once(" = ")?.0))
}

/// `name.workspace = true` or `name = { workspace = true, … }`
fn is_taken_over(name: &str, manifests: &[&str]) -> bool {
    let rest = |line: &str| line.strip_prefix(name).map(str::to_owned);
    let takes = |rest: String| rest.starts_with(".workspace") || rest.starts_with(" = { workspace");
    manifests.iter().flat_map(|text| text.lines()).filter_map(rest).any(takes)
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
    use std::collections::BTreeMap;

    use super::*;
    use crate::metadata::Target;

    #[test]
    fn workspace_dependencies_need_a_package() {
        let manifest =
            "[workspace.dependencies]\na = \"1\"\nb-c = { version = \"1\" }\n\n[lints]\nd = \"warn\"\n";
        assert_eq!(workspace_dependencies(manifest).collect::<Vec<_>>(), ["a", "b-c"]);
        assert!(is_taken_over("a", &["[dependencies]\na.workspace = true\n"]));
        assert!(is_taken_over("a", &["a = { workspace = true, features = [\"x\"] }\n"]));
        assert!(!is_taken_over("a", &["ab.workspace = true\na = \"1\"\n"]));
    }

    #[test]
    fn what_only_tests_name_is_a_dev_dependency() {
        for (kind, path, expected) in [
            (None, "src/a.rs", true),
            (None, "tests/a.rs", false),
            (None, "build.rs", false),
            (Some(Kind::Dev), "tests/a.rs", true),
            (Some(Kind::Build), "src/a.rs", false),
        ] {
            assert_eq!(can_name(kind, Path::new(path)), expected, "{path}");
        }
    }

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
            features: BTreeMap::new(),
            targets: vec![Target {
                name: "ringlog".into(),
                kind: vec!["lib".into()],
                src_path: "src/lib.rs".into(),
            }],
        };
        let named = |name: &str, rename: Option<&str>| {
            let dependency = Dependency { name: name.into(), rename: rename.map(str::to_owned), kind: None };
            source_name(&dependency, std::slice::from_ref(&ours))
        };
        assert_eq!(named("ringlog-core", None), "ringlog");
        assert_eq!(named("proc-macro2", None), "proc_macro2");
        assert_eq!(named("md-5", Some("md5")), "md5");
    }
}
