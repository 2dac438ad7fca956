//! The rule for crates: dependencies point in one direction, cli → writer → core → macros → testkit.

use super::Finding;
use crate::metadata::Package;

/// From the bottom up. A crate may depend on those before it and on no other package of the workspace. Packages that
/// are not named here may depend on all.
const ORDER: &[&str] =
    &["ringlog-testkit", "ringlog-ledger", "ringlog-macros", "ringlog-core", "ringlog-writer", "ringlog-cli"];

pub fn check(packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages {
        let Some(rank) = rank(&package.name) else { continue };
        let ours = |name: &str| packages.iter().any(|package| package.name == name);
        for dependency in package.dependencies.iter().filter(|dependency| ours(&dependency.name)) {
            if self::rank(&dependency.name).is_none_or(|other| other >= rank) {
                let message = format!("{} must not depend on {}", package.name, dependency.name);
                findings.push(Finding::whole(&format!("{}/Cargo.toml", package.name), message));
            }
        }
    }
    findings
}

fn rank(name: &str) -> Option<usize> {
    ORDER.iter().position(|other| *other == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::metadata::Dependency;

    fn package(name: &str, dependencies: &[&str]) -> Package {
        let declare = |name: &&str| Dependency { name: (*name).into(), rename: None, kind: None };
        Package {
            name: name.into(),
            manifest_path: "Cargo.toml".into(),
            dependencies: dependencies.iter().map(declare).collect(),
            targets: Vec::new(),
            features: BTreeMap::new(),
        }
    }

    #[test]
    fn downwards_is_allowed() {
        let packages = [
            package("ringlog-cli", &["ringlog-writer", "ringlog-core", "clap"]),
            package("ringlog-writer", &["ringlog-core"]),
            package("ringlog-core", &["ringlog-macros", "libc"]),
            package("ringlog-macros", &["syn"]),
            package("ringlog-tests", &["ringlog-core", "ringlog-cli"]),
        ];
        assert_eq!(check(&packages), []);
    }

    #[test]
    fn upwards_and_sideways_are_found() {
        let packages = [
            package("ringlog-core", &["ringlog-writer"]),
            package("ringlog-writer", &["ringlog-tests"]),
            package("ringlog-tests", &[]),
        ];
        let found: Vec<_> = check(&packages).iter().map(Finding::to_string).collect();
        let expected = [
            "ringlog-core/Cargo.toml: ringlog-core must not depend on ringlog-writer",
            "ringlog-writer/Cargo.toml: ringlog-writer must not depend on ringlog-tests",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn every_ranked_crate_exists() {
        let packages = crate::metadata::packages().unwrap();
        for name in ORDER {
            assert!(packages.iter().any(|package| package.name == *name), "{name}");
        }
    }
}
