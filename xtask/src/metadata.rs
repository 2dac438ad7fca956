//! What cargo knows about the workspace: its packages and what they declare.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::shell::{self, cargo};

/// A package of this workspace.
#[derive(Deserialize)]
pub struct Package {
    pub name: String,
    pub manifest_path: PathBuf,
    pub dependencies: Vec<Dependency>,
    pub targets: Vec<Target>,
    /// Each with what it turns on.
    pub features: BTreeMap<String, Vec<String>>,
}

/// A dependency as declared in a manifest, of any kind and for any platform.
#[derive(Deserialize)]
pub struct Dependency {
    pub name: String,
    /// The key in the manifest, where `package = "…"` names another one.
    pub rename: Option<String>,
    pub kind: Option<Kind>,
}

/// The kind of a dependency that only a part of the package can name; other dependencies have none.
#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Dev,
    Build,
}

/// Something a package builds.
#[derive(Deserialize)]
pub struct Target {
    pub name: String,
    pub kind: Vec<String>,
    /// The root of its modules.
    pub src_path: PathBuf,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

/// The packages of the workspace, without what they depend on.
pub fn packages() -> Result<Vec<Package>> {
    let json = shell::read(&mut cargo(&["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: Metadata =
        serde_json::from_str(&json).context("cannot read the output of cargo metadata")?;
    Ok(metadata.packages)
}

impl Package {
    /// The name by which Rust sources know this package's library, if it has one.
    pub fn library(&self) -> Option<String> {
        self.targets.iter().find(|target| target.is_library()).map(|target| target.name.replace('-', "_"))
    }
}

impl Target {
    pub fn is_library(&self) -> bool {
        self.kind.iter().any(|kind| matches!(&**kind, "lib" | "rlib" | "proc-macro"))
    }
}
