//! Setting a process up for logging in one call.

use std::path::PathBuf;

use crate::error::Error;
use crate::os::environment::{self, variable};
use crate::producer::default_logger::{self, Destination};
use crate::producer::search::{self, Search};
use crate::record::level::filter::Filter;
use crate::ring::handle::Ring;

/// Where log calls go when there is no ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// To standard error, a line each, until the ring is there.
    Stderr,
    /// Nowhere, and nothing is printed when a ring that was there is removed.
    Nothing,
}

/// What [`init`] has done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Initialized {
    /// Records go into this ring.
    Ring(PathBuf),
    /// Records go into this ring, except those of the `log` facade: another logger was installed there before.
    WithoutFacade(PathBuf),
    /// There is no ring, for this reason. The fallback is used; with [`Fallback::Stderr`], until a ring is there (see
    /// [`init`]).
    Fallback(String),
    /// A default logger was set before. Nothing was changed.
    AlreadySet,
}

/// Makes the ring that `$RINGLOG` names the process's default logger. `ringlog run` sets that variable.
///
/// `$RINGLOG_LEVEL` names the levels that are wanted, as `info,db=debug`. With the feature `log`, what libraries log
/// by the `log` facade goes into the ring too. Without a ring records go to standard error.
///
/// Where `$RINGLOG` names a ring that is not there, or cannot be opened, log calls that go to standard error look for
/// it, at most once a second, each process for itself. Once it is there, it becomes the default logger: records go
/// into it from then on, as far as its level rules and `$RINGLOG_LEVEL` want them, and a line on standard error says
/// so.
///
/// If the ring is removed later and no writer drains it, records are refused and counted for the next ring of its
/// name. A line on standard error says so, once for each ring. Another one says at the process's end how many could be
/// counted in no ring, unless the process is killed, or ends by `_exit` or `exec`.
///
/// Never fails and never panics: a program must not end because it cannot log.
///
/// A setuid or setgid program, or one with file capabilities, ignores both variables: its caller has set them.
///
/// ```
/// ringlog::init();
/// ```
pub fn init() -> Initialized {
    init_or(Fallback::Stderr)
}

/// As [`init`], with the fallback for a process without a ring.
pub fn init_or(fallback: Fallback) -> Initialized {
    // Errors were reported by the first call.
    if !matches!(default_logger::destination(), Destination::Nothing) {
        return Initialized::AlreadySet;
    }
    let wanted = variable("RINGLOG_LEVEL").unwrap_or_default();
    let filter = match wanted.to_string_lossy().parse::<Filter>() {
        Ok(filter) => filter,
        Err(error) => {
            complain(fallback, &format!("RINGLOG_LEVEL: {error}; using info"));
            Filter::default()
        }
    };
    if variable("RINGLOG").is_none() {
        let why = format!("RINGLOG {}", environment::why_missing("RINGLOG"));
        return fall_back(fallback, filter, None, why);
    }
    match Ring::open(".").and_then(|ring| set_ring(&ring, filter.clone()).map(|set| (ring, set))) {
        Ok((ring, initialized)) => {
            if fallback == Fallback::Stderr {
                ring.named().report_losses();
            }
            initialized
        }
        Err(error) => {
            let search = Search::after(&error, follow_destination).filter(|_| fallback == Fallback::Stderr);
            let otherwise =
                search.as_ref().map_or("logging to standard error instead", |_| search::UNTIL_THEN);
            complain(fallback, &format!("{error}; {otherwise}"));
            fall_back(fallback, filter, search, error.to_string())
        }
    }
}

/// Makes this ring the process's default logger, and with the feature `log` that of the `log` facade. It has no
/// fallback: nothing is printed if the ring is removed.
pub fn init_ring(ring: &Ring, filter: Filter) -> Initialized {
    set_ring(ring, filter).unwrap_or_else(|error| Initialized::Fallback(error.to_string()))
}

fn set_ring(ring: &Ring, filter: Filter) -> Result<Initialized, Error> {
    match default_logger::set_default(ring.logger(), filter) {
        Ok(()) if install_facade() => Ok(Initialized::Ring(ring.path().to_owned())),
        Ok(()) => Ok(Initialized::WithoutFacade(ring.path().to_owned())),
        Err(Error::DefaultLoggerSet) => Ok(Initialized::AlreadySet),
        Err(other) => Err(other),
    }
}

fn fall_back(fallback: Fallback, filter: Filter, search: Option<Search>, why: String) -> Initialized {
    if fallback == Fallback::Stderr {
        if default_logger::install(Destination::Stderr(filter, search)).is_err() {
            return Initialized::AlreadySet;
        }
        install_facade();
    }
    Initialized::Fallback(why)
}

/// False if another logger was installed there before. That one stays.
fn install_facade() -> bool {
    #[cfg(feature = "log")]
    return crate::producer::facade::install();
    #[cfg(not(feature = "log"))]
    true
}

/// Has the facade hand over what the default destination may want.
fn follow_destination() {
    #[cfg(feature = "log")]
    crate::producer::facade::follow_destination();
}

fn complain(fallback: Fallback, what: &str) {
    if fallback == Fallback::Stderr {
        search::say(what);
    }
}
