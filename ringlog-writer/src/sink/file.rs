//! The file sink: the open file, the closed ones, and the checkpoint beside them. Every record is in these files
//! exactly once, at whatever point a writer was killed.

mod again;
pub(super) mod append;
mod begin;
pub(crate) mod checkpoint;
mod closing;
pub(crate) mod config;
mod delivering;
mod foreign;
pub(crate) mod fsync;
mod full;
mod kind;
mod lease;
mod links;
mod lock;
mod older_copy;
mod opening;
pub(crate) mod outputs;
pub(crate) mod owners;
pub(crate) mod paths;
mod pipe;
mod plain;
mod recovery;
pub(super) mod rotate;
pub(crate) mod rotation_config;
mod syncing;
mod syncs;
mod target;
mod unsynced;

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use ringlog::admin::Shown;
use ringlog::reader::Cursor;

use append::File;
use config::{Existing, FileConfig};
use delivering::Delivered;
use fsync::Fsync;
use links::Place;
use opening::Claim;
use owners::{Group, Mode, Owner};
use paths::checkpoint_path;
use pipe::Pipe;
use plain::PlainFile;
use recovery::RepairAction;
use rotate::FileRotation;
use syncs::Syncs;

use super::batch::Batch;
use super::guarantee::Guarantee;
use super::kind::Opening;
use super::traits::{Abandoned, NotSynced, Sink, SinkRequest, Unrotatable};
use crate::clock::now_unix_ns;
use crate::error::{Error, is_for_want_of_room};
use crate::events::Events;
use crate::rotation::{NewFile, Plan, PlanError, Rotation, TotalShare, without_replacing};
use checkpoint::{Checkpoint, CheckpointState, FileState};

/// Opens the file of a handler. A pipe may have no reader yet. The file of one of the rings is refused.
fn open(output: &FileConfig, with: &Opening<'_>) -> Result<Box<dyn Sink>, Error> {
    let Opening { rings, total, takes_all } = *with;
    // A pipe or a device cannot do this; ignoring it silently would break a promise.
    let check_irregular = || match output.rotation == Rotation::default() && output.fsync == Fsync::Never {
        true => Ok(()),
        false => Err(Error::Open { path: output.path.clone(), why: target::IRREGULAR.to_owned() }),
    };
    if pipe::is_pipe(&output.path) {
        check_irregular()?;
        return Ok(Box::new(Pipe::open(&output.path)?));
    }
    append::refuse_ring(&output.path, rings)?;
    let before = if output.checkpoint { begin::attributes_before(&output.path) } else { None };
    let configured = NewFile::configured(
        output.mode.map(Mode::bits),
        output.owner.as_ref().map(Owner::id),
        output.group.as_ref().map(Group::id),
    );
    let claim = if output.checkpoint { Claim::take(output)? } else { None };
    let (claim, file) = Claim::keep_if(claim, File::open(&output.path, rings, configured, before))?;
    if file.is_regular() && output.checkpoint {
        let share = total.map(TotalShare::new);
        return Ok(Box::new(FileSink::open(file, claim, output, rings, share, takes_all)?));
    }
    claim.into_iter().for_each(Claim::withdraw);
    if !file.is_regular() {
        check_irregular()?;
    }
    Ok(Box::new(PlainFile::new(file, output.existing)))
}

/// The positions of rings in a file that cannot be opened now; `None` if only opening it can tell.
fn known_positions(output: &FileConfig) -> Option<Vec<Cursor>> {
    if !output.checkpoint || pipe::is_pipe(&output.path) {
        return Some(Vec::new());
    }
    checkpoint::known_positions(&checkpoint_path(&Place::of(&output.path)))
}

/// How often to check whether the file was moved away.
const MAINTAIN_EVERY: Duration = Duration::from_millis(250);

struct FileSink {
    file: File,
    rotation: FileRotation,
    /// The plan that closes the file, from when it is in the checkpoint until it is carried out.
    closing: Option<Plan>,
    checkpoint: Checkpoint,
    /// The repair that is needed before the first batch.
    repair: RepairAction,
    /// Whether the prepared state has to be committed before the repair, because its batch is in the file.
    needs_commit: bool,
    /// Messages of the recovery that are not reported yet.
    messages: Vec<String>,
    /// Whether the checkpoint was new.
    is_unknown: bool,
    existing: Existing,
    syncs: Syncs,
    /// The committed state, and the one that counts once the batch is written.
    committed: CheckpointState,
    prepared: CheckpointState,
    /// Whether the file still has to be closed because the writer has started.
    closes_late: bool,
    /// Whether the file's identity and length still have to be written to the checkpoint.
    is_unrecorded: bool,
    /// How much of the present batch is in the files.
    delivered: Delivered,
    /// Whether its part is committed but not synced yet.
    is_committed: bool,
    maintained_at: Instant,
    /// When it was last reported that other processes write to the file.
    reported_at: Option<Instant>,
}

impl FileSink {
    /// The file's state once these bytes are appended to it.
    fn state_with(&self, batch: &[u8]) -> FileState {
        FileState {
            identity: self.file.identity,
            len: self.file.len + batch.len() as u64,
            tail_start: self.file.len,
            tail_crc: crc32fast::hash(batch),
            since_ns: if self.file.len > 0 || !batch.is_empty() { self.rotation.since_ns() } else { 0 },
        }
    }

    /// Records the file's identity and length in the checkpoint. No batch may be in flight.
    fn record_file(&mut self) -> io::Result<()> {
        // No batch may be prepared before this: a part of it could not be distinguished from foreign bytes.
        self.is_unrecorded = true;
        self.committed.file = Some(self.state_with(&[]));
        self.committed.plan.clear();
        self.committed.clock = self.rotation.clock();
        self.committed.attributes = self.file.attributes();
        self.checkpoint.set(&self.committed)?;
        if self.syncs.are_wanted() {
            self.checkpoint.sync(&self.committed)?;
            self.rotation.directory().sync()?;
        }
        self.prepared.clone_from(&self.committed);
        self.is_unrecorded = false;
        Ok(())
    }

    /// When the first entry of the file was written: as the checkpoint says, else when the file was created, or last
    /// written if that is earlier.
    fn first_written_ns(&self) -> io::Result<u64> {
        let known = self.committed.file.filter(|known| known.identity == self.file.identity);
        match known.map_or(0, |known| known.since_ns) {
            _ if self.file.len == 0 => Ok(now_unix_ns()),
            0 => self.file.created_ns(),
            since_ns => Ok(since_ns),
        }
    }

    /// Records the present file in the checkpoint as the one that is written from here on.
    fn record_present_file(&mut self, events: &mut dyn Events) -> io::Result<()> {
        let since_ns = self.first_written_ns()?;
        self.rotation.begin_file(since_ns);
        let recorded = self.record_file();
        self.wait_if_full(recorded, events)
    }

    /// Starts the rotation, once the repair is done.
    fn start_rotation(&mut self, events: &mut dyn Events) -> io::Result<()> {
        self.rotation.begin(self.file.identity, events)?;
        self.closes_late = self.rotation.closes_on_start();
        let closed = self.close_late(events);
        self.wait_if_full(closed, events)
    }

    /// Closes the file and begins the next one. May be called again until it succeeds.
    fn rotate(&mut self, unix_ns: u64, events: &mut dyn Events) -> io::Result<()> {
        // A timestamp from the future names no file and begins none.
        self.close_file(unix_ns.min(now_unix_ns()), events)
    }

    /// Opens the file of the same name again if the present one was moved away. After an error nothing has changed.
    fn reopen(&mut self, events: &mut dyn Events) -> Result<(), Error> {
        // While a rotation is under way, that opens the next file.
        if self.closing.is_none() && self.file.is_moved() {
            self.sync_whole(events).map_err(|error| failed(&self.file.path, error))?;
            self.file.reopen()?;
            self.syncs.begin_file();
            // The checkpoint may have gone with the directory.
            self.checkpoint.check_place();
            let since_ns = self.first_written_ns().map_err(|error| failed(&self.file.path, error))?;
            self.rotation.begin_file(since_ns);
            self.record_file().map_err(|error| failed(&self.file.path, error))?;
        }
        Ok(())
    }

    /// Discards what is in the file.
    fn truncate(&mut self, events: &mut dyn Events) -> io::Result<()> {
        self.file.truncate(0)?;
        self.syncs.begin_file();
        self.record_present_file(events)
    }

    /// Renames the file to an unused name, and begins a new one.
    fn rename_away(&mut self, events: &mut dyn Events) -> io::Result<()> {
        if self.file.len == 0 {
            return Ok(());
        }
        let (from, to) = (self.file.path.clone(), recovery::unused_name(&self.file.path));
        without_replacing(&from, &to)?;
        events.report(&format!("{} is now {}", from.shown(), to.shown()));
        self.file.reopen().map_err(io::Error::from)
    }
}

fn failed(path: &Path, error: io::Error) -> Error {
    // It may be one of these in other clothes.
    error.downcast().unwrap_or_else(|error| Error::of_open(path, &error, error.to_string()))
}

impl Sink for FileSink {
    fn guarantee(&self) -> Guarantee {
        outputs::WITH_CHECKPOINT.guarantee
    }

    fn deliver(&mut self, batch: &Batch, events: &mut dyn Events) -> io::Result<()> {
        loop {
            match self.deliver_part(batch, events) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error)
                    if is_for_want_of_room(&error)
                        && self.rotation.free_space(self.file.identity, events) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn batch_max(&self) -> usize {
        self.rotation.size_max()
    }

    fn abandon(&mut self, batch: &Batch, events: &mut dyn Events) -> Abandoned {
        self.abandon_batch(batch, events)
    }

    fn cursor(&self, ring: &[u8; 16]) -> Cursor {
        self.committed.cursor(ring)
    }

    fn recover(&mut self, after_crash: bool, events: &mut dyn Events) -> Result<(), Error> {
        if after_crash && self.is_unknown && self.file.len > 0 && self.existing == Existing::Append {
            let path = self.file.path.shown();
            events.report(&format!(
                "{path} has no checkpoint, and the ring's last writer was killed: its last lines may be \
                 written a second time"
            ));
        }
        for message in self.messages.drain(..) {
            events.report(&message);
        }
        // Before anything else, because the next state that is prepared replaces the prepared one.
        let counted = if std::mem::take(&mut self.needs_commit) { self.checkpoint.commit() } else { Ok(()) };
        let mended = counted.and_then(|()| match std::mem::replace(&mut self.repair, RepairAction::None) {
            RepairAction::None => Ok(()),
            RepairAction::Truncate { mut file, len } => file.truncate(len),
            RepairAction::RenameAway => self.rename_away(events),
            RepairAction::FinishRotation(plan) => match self.finish_plan(&plan, events) {
                Ok(()) => self.file.reopen().map_err(io::Error::from),
                Err(refused @ PlanError::Taken { .. }) => {
                    events.report(&format!("{refused}; the writer appends to the present file"));
                    Ok(())
                }
                Err(refused) => Err(io::Error::other(refused)),
            },
        });
        // The length may have changed since the file was opened.
        let mended = mended.and_then(|()| self.file.len_on_disk().map(|len| self.file.len = len));
        let path = self.file.path.clone();
        self.rotation.resume_clock(self.committed.clock);
        self.sync_before(events);
        let recovered = mended.and_then(|()| self.record_present_file(events));
        recovered.map_err(|error| failed(&path, error))
    }

    fn begin(&mut self, events: &mut dyn Events) -> Result<(), Error> {
        // After a kill in between, the file is shorter than its checkpoint says: its records are not written again.
        let truncated = match self.existing {
            Existing::Truncate => self.truncate(events),
            Existing::Append => Ok(()),
        };
        let begun = truncated.and_then(|()| self.start_rotation(events));
        begun.map_err(|error| failed(&self.file.path, error))
    }

    fn handle(&mut self, request: SinkRequest, events: &mut dyn Events) -> io::Result<()> {
        match request {
            SinkRequest::Rotate(unix_ns) => self.rotate(unix_ns, events),
            // A committed part stays where it is: its file is left once it is synced.
            SinkRequest::Reopen if self.is_committed => Ok(()),
            SinkRequest::Reopen => {
                // The new file gets the whole part.
                self.take_back(events);
                self.reopen(events).map_err(io::Error::from)
            }
            SinkRequest::TrustClock => {
                self.rotation.trust_clock(self.file.identity, events)?;
                if self.closing.is_none() { self.record_file() } else { Ok(()) }
            }
            SinkRequest::Finish => {
                self.rotation.finish(events);
                Ok(())
            }
        }
    }

    fn maintain(&mut self, events: &mut dyn Events) -> Result<bool, Error> {
        if self.maintained_at.elapsed() < MAINTAIN_EVERY {
            return Ok(false);
        }
        self.maintained_at = Instant::now();
        self.rotation.report_messages(events);
        self.rotation.maintain(self.file.identity, events);
        self.lock_late(events);
        if self.syncs.is_due_late() {
            // If this fails, it has been reported, and is tried again.
            let _ = self.syncs.sync_late(&self.file, &mut self.checkpoint, &self.committed, events);
        }
        if !self.checkpoint.check_place() && self.closing.is_none() {
            // If this fails, it is done before the next batch.
            let _ = self.record_file();
        }
        match self.reopen(events) {
            // The file was deleted: the next batch opens a new one, and reports the error if it cannot.
            Err(_) if matches!(self.file.len_unless_deleted(), Ok(None)) => Ok(true),
            done => done.map(|()| true),
        }
    }

    fn late(&self) -> u64 {
        self.committed.order.late
    }

    fn take_loss(&mut self) -> bool {
        self.syncs.take_loss()
    }

    fn unrotatable(&self) -> Option<Unrotatable> {
        None
    }

    fn withdraw(mut self: Box<Self>) {
        let (is_unused, is_recorded) = (self.file.is_unused(), !self.is_unrecorded);
        let is_own_checkpoint = self.checkpoint.is_new() && self.checkpoint.check_place();
        // A checkpoint of before that names the file by now needs it. One made here goes with its file, before it: an
        // empty file without a checkpoint is as any.
        if is_recorded && !(is_unused && is_own_checkpoint) {
            return;
        }
        let FileSink { file, checkpoint, .. } = *self;
        if is_own_checkpoint {
            checkpoint.remove();
        }
        file.discard();
    }

    fn close(mut self: Box<Self>, acknowledged: bool, events: &mut dyn Events) -> Result<(), NotSynced> {
        self.sync_at_the_end(events)?;
        // The checkpoint stays where it is needed: after a power cut, a ring on a disk may give records out again, and
        // the numbers of closed files continue from it.
        if acknowledged && !self.syncs.are_wanted() && !self.rotation.is_configured() {
            self.checkpoint.remove();
        }
        Ok(())
    }
}
