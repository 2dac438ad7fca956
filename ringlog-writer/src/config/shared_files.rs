//! Handlers of one file. They share it: its settings are those that any of them has.

use std::path::PathBuf;

use super::options::FileConfig;
use super::settings::FILE_HANDLER;
use crate::rotation::Rotation;

impl FileConfig {
    /// Takes over the settings of `other`, another handler of the same file, that are not the defaults. Returns the
    /// keys of those that both have and that differ; they stay as they are.
    pub fn join(&mut self, other: &FileConfig) -> Vec<&'static str> {
        let plain = FileConfig::new(PathBuf::new());
        let joined = |setting: &&super::setting::Setting<FileConfig>| !setting.join(self, other, &plain);
        let mut differing: Vec<_> = FILE_HANDLER.iter().filter(joined).map(|setting| setting.key()).collect();
        if self.rotation == Rotation::default() {
            self.rotation.clone_from(&other.rotation);
        } else if other.rotation != Rotation::default() && other.rotation != self.rotation {
            differing.push("rotate");
        }
        differing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::options::{Existing, Fsync};

    #[test]
    fn handlers_of_one_file_have_the_settings_of_all() {
        let plain = FileConfig::new("app.log");
        let rotated = FileConfig {
            rotation: Rotation { size: Some(100), ..Rotation::default() },
            fsync: Fsync::Batch,
            ..plain.clone()
        };
        let truncated = FileConfig { existing: Existing::Truncate, ..plain.clone() };
        let all = FileConfig { existing: Existing::Truncate, ..rotated.clone() };
        for order in [[&plain, &rotated, &truncated], [&truncated, &rotated, &plain]] {
            let mut joined = order[0].clone();
            assert!(joined.join(order[1]).is_empty() && joined.join(order[2]).is_empty());
            assert_eq!(joined, all);
        }
        let other = FileConfig {
            rotation: Rotation { size: Some(200), ..Rotation::default() },
            fsync: Fsync::Level(ringlog::Level::ERROR),
            ..plain
        };
        let mut joined = all.clone();
        assert_eq!(joined.join(&other), ["fsync", "rotate"]);
        assert_eq!(joined, all);
    }
}
