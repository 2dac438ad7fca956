//! Checking that a file can be written, without creating or changing any.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use nix::unistd::{AccessFlags, eaccess};
use ringlog::admin::Shown;

use super::config::FileConfig;
use super::fsync::Fsync;
use super::links::{Place, directory};
use super::paths::checkpoint_path;
use crate::counted::{counted, is_or_are};
use crate::error::why_not_opened;
use crate::rotation::{Directory, Family, Rotation};

/// The reason for which the file sink refuses such a file.
pub(super) const IRREGULAR: &str = "it is not a regular file, so it can be neither rotated nor synced";

/// The reason why a file cannot be written, if there is one.
pub(super) fn obstacle(output: &FileConfig) -> Option<String> {
    let path = &output.path;
    // As the sink does when it opens the file.
    let place = match Place::trusted(path) {
        Ok(place) => place,
        Err(why) => return Some(why),
    };
    if let Err(error) = writable(path) {
        return Some(place.why_not_opened(&error));
    }
    if let Some(Err(why)) = fs::metadata(path).ok().map(|meta| place.check_target(&meta)) {
        return Some(why);
    }
    if fs::metadata(path).is_ok_and(|meta| meta.file_type().is_socket()) {
        return Some("it is a socket; expected a file, a pipe or a device".to_owned());
    }
    let is_regular = fs::metadata(path).map_or(true, |meta| meta.is_file());
    if !is_regular {
        let plain = output.rotation == Rotation::default() && output.fsync == Fsync::Never;
        return (!plain).then(|| IRREGULAR.to_owned());
    }
    if output.checkpoint {
        // Beside the file itself, not beside a link to it.
        let path = checkpoint_path(&place.path);
        return writable(&path)
            .err()
            .map(|error| format!("its checkpoint {}: {}", path.shown(), why_not_opened(&path, &error)));
    }
    None
}

/// The closed files of another naming, from before it was changed, if there are any.
pub(super) fn leftover(output: &FileConfig) -> Option<String> {
    if output.rotation == Rotation::default() {
        return None;
    }
    let path = Place::of(&output.path);
    let family = Family::new(path.file_name()?, &output.rotation);
    let files = Directory::new(directory(&path)).lock().list().ok()?;
    let mut names: Vec<_> = files
        .into_iter()
        .filter(|file| file.is_regular && family.is_of_another_naming(&file.name))
        .map(|file| file.name)
        .collect();
    names.sort();
    let count = names.len() as u64;
    let first = Path::new(names.first()?);
    Some(format!(
        "{} of {} {} of another naming, such as {}; no limit counts or deletes such files, so remove them by hand",
        counted(count, "closed file"),
        path.shown(),
        is_or_are(count),
        first.shown()
    ))
}

/// Checks that a file could be opened for writing, or created if it is missing.
pub(super) fn writable(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => Err(ErrorKind::IsADirectory.into()),
        Ok(_) => Ok(eaccess(path, AccessFlags::W_OK)?),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let path = Place::of(path);
            if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
                return Err(ErrorKind::IsADirectory.into());
            }
            let directory = directory(&path);
            if !fs::metadata(directory)?.is_dir() {
                return Err(ErrorKind::NotADirectory.into());
            }
            Ok(eaccess(directory, AccessFlags::W_OK | AccessFlags::X_OK)?)
        }
        Err(error) => Err(error),
    }
}
