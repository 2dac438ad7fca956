//! Processes that ended without closing their lanes, as `stat` shows them.

use ringlog::reader::EndStat;
use serde::Serialize;

use crate::humanize;

/// A line, if there were any.
pub(super) fn line(ends: &EndStat) -> Option<String> {
    let EndStat { signal, status, exec, unknown, .. } = *ends;
    let causes = [
        (signal, "killed by a signal"),
        (status, "by _exit or the like"),
        (exec, "by exec"),
        (unknown, "cause unknown"),
    ];
    let causes = causes.iter().filter(|(count, _)| *count > 0);
    let causes: Vec<String> = causes.map(|(n, cause)| format!("{} {cause}", humanize::count(*n))).collect();
    let processes = match ends.all() {
        1 => "1 process".to_owned(),
        all => format!("{} processes", humanize::count(all)),
    };
    let line = format!("ends      {processes} without closing lanes: {}", causes.join(", "));
    (!causes.is_empty()).then_some(line)
}

/// The same for programs.
#[derive(Serialize)]
pub(super) struct EndReport {
    signal: u64,
    status: u64,
    exec: u64,
    unknown: u64,
}

impl EndReport {
    pub(super) fn new(ends: &EndStat) -> EndReport {
        let EndStat { signal, status, exec, unknown, .. } = *ends;
        EndReport { signal, status, exec, unknown }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_causes_that_there_were_are_named() {
        let line = |signal, status, exec, unknown| line(&EndStat { signal, status, exec, unknown });
        assert_eq!(line(0, 0, 0, 0), None);
        assert_eq!(
            line(0, 1, 0, 0).unwrap(),
            "ends      1 process without closing lanes: 1 by _exit or the like"
        );
        assert_eq!(
            line(2, 1, 3, 4).unwrap(),
            "ends      10 processes without closing lanes: 2 killed by a signal, 1 by _exit or the like, 3 by exec, \
             4 cause unknown"
        );
    }
}
