//! Writing the status of the writer beside its rings.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ringlog::admin::Shown;

use super::sources::Sources;
use crate::clock::now_unix_ns;
use crate::error::Error;
use crate::events::Events;
use crate::sink::Guarantee;
use crate::status::{ConfigStatus, Failure, OutputStatus, WriterStatus};

/// The shortest time between two writes.
const WRITE_EVERY: Duration = Duration::from_secs(1);

/// The status of a running writer, and where it is written. It goes from one session to the next.
pub(super) struct StatusFile {
    status: WriterStatus,
    /// The configuration before one that was loaded and is not in force yet.
    replaced_config: Option<ConfigStatus>,
    /// The counts of the outputs in earlier sessions, by the name of the file or stream.
    before: HashMap<String, OutputStatus>,
    /// The paths of the status and of the ring, for each ring that has a name.
    places: Vec<(PathBuf, PathBuf)>,
    /// What was written last.
    written: Option<WriterStatus>,
    due: Instant,
    /// Whether it has been reported that it cannot be written.
    is_reported: bool,
}

impl Default for StatusFile {
    fn default() -> StatusFile {
        StatusFile {
            status: WriterStatus::new(now_unix_ns()),
            replaced_config: None,
            before: HashMap::new(),
            places: Vec::new(),
            written: None,
            due: Instant::now(),
            is_reported: false,
        }
    }
}

impl StatusFile {
    /// A configuration was loaded, and takes effect with the next session.
    pub(super) fn load_config(&mut self, path: &Path) {
        let (path, loaded_unix_ns) = (absolute(path), now_unix_ns());
        let config = ConfigStatus { path, loaded_unix_ns, refused: None };
        self.replaced_config = self.status.config.replace(config);
    }

    /// A configuration cannot take effect, and the one before stays in force.
    pub(super) fn refuse_config(&mut self, error: String) {
        if let Some(before) = self.replaced_config.take() {
            self.status.config = Some(before);
        }
        if let Some(config) = &mut self.status.config {
            config.refused = Some(Failure { error, since_unix_ns: now_unix_ns() });
        }
    }

    /// A session begins.
    pub(super) fn begin_session(&mut self) {
        (self.due, self.status.error, self.replaced_config) = (Instant::now(), None, None);
        self.status.ended_unix_ns = None;
    }

    /// No session can begin, for this reason.
    pub(super) fn stall(&mut self, error: String, events: &mut dyn Events) {
        self.status.error = Some(error);
        self.write(events);
    }

    /// Writes the status of a running session, if it is time to.
    pub(super) fn update(
        &mut self,
        outputs: impl FnOnce() -> Vec<OutputStatus>,
        sources: &Sources,
        events: &mut dyn Events,
    ) {
        if Instant::now() >= self.due {
            self.due = Instant::now() + WRITE_EVERY;
            self.take(outputs(), sources);
            self.write(events);
        }
    }

    /// Writes the status of a session that has ended, as long as the rings are held: a writer that comes next writes
    /// its own. `ended`: the writer ends with it, with this error if there is one.
    pub(super) fn end_session(
        &mut self,
        outputs: Vec<OutputStatus>,
        sources: &Sources,
        ended: Option<Option<String>>,
        events: &mut dyn Events,
    ) {
        self.take(outputs, sources);
        // An output that this session did not have may come back with a later one.
        self.before.extend(self.status.outputs.iter().map(|output| (output.out.clone(), output.clone())));
        if let Some(error) = ended {
            (self.status.ended_unix_ns, self.status.error) = (Some(now_unix_ns()), error);
            self.write(events);
        }
    }

    /// Counts what an output lacks that the present session does not have any more.
    pub(super) fn leave_out(&mut self, name: &str, error: &Error) {
        if let (Some(before), Error::LeftOut { records, .. }) = (self.before.get_mut(name), error) {
            before.left_out += records;
        }
    }

    fn take(&mut self, mut outputs: Vec<OutputStatus>, sources: &Sources) {
        for output in &mut outputs {
            if let Some(before) = self.before.get(&output.out) {
                output.records += before.records;
                output.bytes += before.bytes;
                output.left_out += before.left_out;
                output.retries += before.retries;
                // The checkpoint of a file keeps its count; another sink begins anew with each session.
                let has_checkpoint = output.guarantee == Guarantee::ExactlyOnce.name();
                output.late = if has_checkpoint {
                    output.late.max(before.late)
                } else {
                    output.late.saturating_add(before.late)
                };
            }
        }
        self.status.outputs = outputs;
        self.places = sources.status_places();
        self.status.rings = self.places.iter().map(|(_, ring)| ring.display().to_string()).collect();
    }

    /// Writes it beside each ring, unless it is there already. Reports a failure once.
    fn write(&mut self, events: &mut dyn Events) {
        let is_written = self.written.as_ref().is_some_and(|written| {
            self.status.written_unix_ns = written.written_unix_ns;
            *written == self.status
        });
        if is_written {
            return;
        }
        self.status.written_unix_ns = now_unix_ns();
        let mut failed = None;
        for (path, ring) in &self.places {
            failed = self.status.write(path, ring).err().map(|error| (path, error)).or(failed);
        }
        match failed {
            None => (self.written, self.is_reported) = (Some(self.status.clone()), false),
            Some(_) if self.is_reported => {}
            Some((path, error)) => {
                self.is_reported = true;
                let path = path.shown();
                events.report(&format!(
                    "cannot write {path}, in which `ringlog stat` finds the outputs: {error}"
                ));
            }
        }
    }
}

/// The absolute path as text: who reads it has another working directory.
pub(super) fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}
