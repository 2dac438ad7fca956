//! Checking that the outputs of a configuration can be opened, without creating or changing any.

use super::model::HandlerConfig;
use super::read::Checked;
use crate::setting::diagnostics::Problem;

impl Checked {
    /// Checks that this process could open each file for writing, and create those that are missing. Nothing is created
    /// or changed, so the answer holds only until something else does that.
    ///
    /// Returns a problem for each file that cannot be opened, at the place of its path.
    pub fn check_targets(&self) -> Vec<Problem> {
        let handlers = self.config.handlers.iter().zip(&self.paths);
        let problem = |(handler, place): (&HandlerConfig, &Option<(usize, usize)>)| {
            let why = handler.sink.kind().obstacle()?;
            let what = format!("cannot open {} for writing: {why}", handler.sink);
            Some(Problem { file: self.file.clone(), place: *place, what })
        };
        let mut problems: Vec<Problem> = handlers.filter_map(problem).collect();
        problems.sort_by_key(|problem| problem.place);
        problems
    }

    /// Looks for closed files that the rotation does not know, because its naming was changed.
    ///
    /// Returns a warning for each output that has some, at the place of its path.
    pub fn leftovers(&self) -> Vec<Problem> {
        let handlers = self.config.handlers.iter().zip(&self.paths);
        let mut seen = Vec::new();
        let warning = |(handler, place): (&HandlerConfig, &Option<(usize, usize)>)| {
            // Handlers of one file share its rotation.
            let output = handler.sink.place()?;
            if seen.contains(&output) {
                return None;
            }
            let what = handler.sink.kind().leftover()?;
            seen.push(output);
            Some(Problem { file: self.file.clone(), place: *place, what: format!("warning: {what}") })
        };
        handlers.filter_map(warning).collect()
    }
}
