//! The modules of a crate and what each takes from the others: a graph whose nodes are files.
//!
//! A name is followed through re-exports to the file that defines it, so a folder's face (`pub use inner::Thing`)
//! ties nothing together. A file that re-exports a name and uses it too takes it.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::source::{self, NamedPath, Scope};

/// How many re-exports of re-exports are followed.
const MAX_STEPS: usize = 16;

/// What one file takes from another.
#[derive(Debug, PartialEq)]
pub struct Tie {
    pub line: usize,
    /// The path as it stands there.
    pub path: String,
}

/// The files of a crate and the ties between them.
#[derive(Debug, Default)]
pub struct Graph {
    /// Each file with the path of its module: `a/src/b/c.rs` is `[b, c]`.
    pub files: BTreeMap<String, Vec<String>>,
    /// From file to file, the first of several.
    pub ties: BTreeMap<(String, String), Tie>,
}

/// Reads the crate whose root is this file. `text` gives a file's content, if there is such a file.
pub fn read<'a>(root: &str, text: impl Fn(&str) -> Option<&'a str>) -> Graph {
    let mut tree = Tree { modules: Vec::new() };
    let directory = Path::new(root).parent().unwrap_or(Path::new("")).to_owned();
    tree.add_file(root, directory, None, Vec::new(), &text);
    tree.graph()
}

struct Module {
    file: String,
    /// From the root of the crate.
    path: Vec<String>,
    parent: Option<usize>,
    children: HashMap<String, usize>,
    scope: Scope,
}

/// All modules of a crate; the first is its root.
struct Tree {
    modules: Vec<Module>,
}

/// What a path names.
#[derive(Clone, Copy)]
enum Target {
    Module(usize),
    /// Something that this module defines.
    Item(usize),
}

impl Tree {
    /// Adds a file and all it declares; its children lie in `directory`.
    fn add_file<'a>(
        &mut self,
        file: &str,
        directory: PathBuf,
        parent: Option<usize>,
        path: Vec<String>,
        text: &impl Fn(&str) -> Option<&'a str>,
    ) -> Option<usize> {
        let scope = source::read(text(file)?)?;
        Some(self.add(file, directory, parent, path, scope, text))
    }

    fn add<'a>(
        &mut self,
        file: &str,
        directory: PathBuf,
        parent: Option<usize>,
        path: Vec<String>,
        mut scope: Scope,
        text: &impl Fn(&str) -> Option<&'a str>,
    ) -> usize {
        let declared = std::mem::take(&mut scope.children);
        let index = self.modules.len();
        let module =
            Module { file: file.to_owned(), path: path.clone(), parent, children: HashMap::new(), scope };
        self.modules.push(module);
        for child in declared {
            let path = [&*path, std::slice::from_ref(&child.name)].concat();
            let inner = directory.join(&child.name);
            let added = match (child.body, child.path) {
                (Some(body), _) => Some(self.add(file, inner, Some(index), path, body, text)),
                (None, Some(own)) => {
                    let own = Path::new(file).parent().unwrap_or(Path::new("")).join(own);
                    let inner = own.parent().unwrap_or(Path::new("")).to_owned();
                    self.add_file(&normal(&own), inner, Some(index), path, text)
                }
                (None, None) => {
                    let beside = normal(&inner.with_extension("rs"));
                    let inside = normal(&inner.join("mod.rs"));
                    let file = if text(&beside).is_some() { beside } else { inside };
                    self.add_file(&file, inner, Some(index), path, text)
                }
            };
            if let Some(added) = added {
                self.modules[index].children.entry(child.name).or_insert(added);
            }
        }
        index
    }

    fn graph(&self) -> Graph {
        let mut graph = Graph::default();
        for (index, module) in self.modules.iter().enumerate() {
            graph.files.entry(module.file.clone()).or_insert_with(|| module.path.clone());
            for path in self.taken(index) {
                let Some(Target::Module(target) | Target::Item(target)) = self.resolve(index, &path.parts, 0)
                else {
                    continue;
                };
                let to = &self.modules[target].file;
                if *to != module.file {
                    let tie = Tie { line: path.line, path: path.parts.join("::") };
                    graph.ties.entry((module.file.clone(), to.clone())).or_insert(tie);
                }
            }
        }
        graph
    }

    /// The paths that a module uses: not those that it only hands on.
    fn taken(&self, index: usize) -> impl Iterator<Item = &NamedPath> {
        let scope = &self.modules[index].scope;
        let is_used = |import: &&source::Import| !import.is_public || scope.words.contains(&import.name);
        scope.imports.iter().filter(is_used).map(|import| &import.path).chain(&scope.paths)
    }

    /// Where a path leads that stands in the module `from`; `None` if out of the crate.
    fn resolve(&self, from: usize, parts: &[String], steps: usize) -> Option<Target> {
        let (first, mut rest) = parts.split_first()?;
        if steps > MAX_STEPS {
            return None;
        }
        let mut at = match &**first {
            "crate" => Target::Module(0),
            "self" => Target::Module(from),
            "super" => Target::Module(self.modules[from].parent?),
            name => self.step(from, name, steps)?,
        };
        while let (Target::Module(module), Some((name, others))) = (at, rest.split_first()) {
            at = match &**name {
                "super" => Target::Module(self.modules[module].parent?),
                name => self.step(module, name, steps).unwrap_or(Target::Item(module)),
            };
            rest = others;
        }
        Some(at)
    }

    /// What a module calls by this name without defining it: a module inside it, or an import.
    fn step(&self, module: usize, name: &str, steps: usize) -> Option<Target> {
        if let Some(child) = self.modules[module].children.get(name) {
            return Some(Target::Module(*child));
        }
        let scope = &self.modules[module].scope;
        let import = scope.imports.iter().find(|import| import.name == name && import.path.parts[0] != name);
        if let Some(import) = import {
            return self.resolve(module, &import.path.parts, steps + 1);
        }
        // Whether a module has a name is known for modules and imports alone; that is enough for a folder's face.
        let globs = scope.imports.iter().filter(|import| import.name == "*" && import.is_public);
        globs
            .filter_map(|glob| match self.resolve(module, &glob.path.parts, steps + 1)? {
                Target::Module(inner) if inner != module && steps < MAX_STEPS => {
                    self.step(inner, name, steps + 1)
                }
                _ => None,
            })
            .next()
    }
}

/// The path without `.` and `..`, with `/` between its parts.
fn normal(path: &Path) -> String {
    let mut parts: Vec<String> = Vec::new();
    for part in path.components() {
        match part.as_os_str().to_str() {
            Some("..") => _ = parts.pop(),
            Some(".") | None => {}
            Some(name) => parts.push(name.to_owned()),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ties(files: &[(&str, &str)]) -> Vec<String> {
        let text = |path: &str| files.iter().find(|(name, _)| *name == path).map(|(_, text)| *text);
        let graph = read("p/src/lib.rs", text);
        graph.ties.iter().map(|((from, to), tie)| format!("{from}:{} {to}", tie.line)).collect()
    }

    #[test]
    fn a_tie_leads_to_the_file_that_defines_the_name() {
        let found = ties(&[
            ("p/src/lib.rs", "mod a; mod b; pub use b::Thing;"),
            ("p/src/a.rs", "use std::fmt;\nuse crate::b::Thing;\nfn f() { crate::Thing::new() }"),
            ("p/src/b.rs", "mod inner;\npub use inner::Thing;"),
            ("p/src/b/inner.rs", "pub struct Thing;"),
        ]);
        assert_eq!(found, ["p/src/a.rs:2 p/src/b/inner.rs"]);
    }

    #[test]
    fn a_parent_that_uses_what_it_exports_takes_it() {
        let found = ties(&[
            ("p/src/lib.rs", "mod b;"),
            ("p/src/b.rs", "mod inner;\npub use inner::Thing;\nfn f(thing: Thing) {}"),
            ("p/src/b/inner.rs", "use super::f;\npub struct Thing;"),
        ]);
        assert_eq!(found, ["p/src/b.rs:2 p/src/b/inner.rs", "p/src/b/inner.rs:1 p/src/b.rs"]);
    }

    #[test]
    fn modules_are_named_through_imports_and_parents() {
        let found = ties(&[
            ("p/src/lib.rs", "mod a; mod b { pub mod c; }"),
            ("p/src/a.rs", "use crate::b;\nfn f() { b::c::g() }"),
            ("p/src/b/c.rs", "fn g() { super::super::a::f() }"),
        ]);
        assert_eq!(
            found,
            ["p/src/a.rs:2 p/src/b/c.rs", "p/src/a.rs:1 p/src/lib.rs", "p/src/b/c.rs:1 p/src/a.rs"]
        );
    }

    #[test]
    fn files_are_found_where_the_compiler_looks() {
        let found = ties(&[
            ("p/src/lib.rs", "mod a; #[path = \"../common/x.rs\"] mod b; use a::A; use b::B;"),
            ("p/src/a/mod.rs", "pub struct A;"),
            ("p/common/x.rs", "pub struct B;"),
        ]);
        assert_eq!(found, ["p/src/lib.rs:1 p/common/x.rs", "p/src/lib.rs:1 p/src/a/mod.rs"]);
    }
}
