//! Closing the open file: the plan goes into the checkpoint, is carried out, and the next file begins.

use std::io;

use super::FileSink;
use super::checkpoint::CheckpointState;
use crate::events::Events;
use crate::rotation::{LockedDirectory, Plan, PlanError, Trigger};

impl FileSink {
    /// Closes the file and begins the next one. May be called again until it succeeds.
    pub(super) fn close_file(&mut self, unix_ns: u64, events: &mut dyn Events) -> io::Result<()> {
        let directory = self.rotation.directory();
        let names = directory.lock();
        if self.closing.is_none() {
            if !Trigger::may_close(self.file.len) {
                return Ok(());
            }
            self.prepare_close(&names, unix_ns, events)?;
        }
        if let Some(plan) = self.closing.clone() {
            self.close(&names, &plan, events)?;
            self.closing = None;
            self.rotation.rotated(unix_ns);
        }
        Ok(())
    }

    /// Carries out the plan that an earlier writer left in the checkpoint.
    pub(super) fn finish_plan(&mut self, plan: &Plan, events: &mut dyn Events) -> Result<(), PlanError> {
        let directory = self.rotation.directory();
        self.rotation.carry_out(&directory.lock(), plan, self.syncs.are_wanted(), events)
    }

    /// Writes the plan that closes the file into the checkpoint. Nothing is written to the file from then on.
    fn prepare_close(
        &mut self,
        names: &LockedDirectory<'_>,
        unix_ns: u64,
        events: &mut dyn Events,
    ) -> io::Result<()> {
        self.sync_whole(events)?;
        let (plan, next_number) =
            self.rotation.plan(names, self.file.identity, unix_ns, self.committed.next_number)?;
        let clock = self.rotation.clock();
        let attributes = self.file.attributes();
        let mut state =
            CheckpointState { file: None, next_number, clock, attributes, ..self.committed.clone() };
        state.plan.clear();
        plan.encode(&mut state.plan);
        self.checkpoint.set(&state)?;
        self.committed = state;
        self.closing = Some(plan);
        Ok(())
    }

    /// Carries the plan out and begins the next file.
    fn close(&mut self, names: &LockedDirectory<'_>, plan: &Plan, events: &mut dyn Events) -> io::Result<()> {
        match self.rotation.carry_out(names, plan, self.syncs.are_wanted(), events) {
            // Another process took the name meanwhile: the next attempt plans with another name.
            Err(refused @ PlanError::Taken { .. }) => {
                self.closing = None;
                return Err(io::Error::other(refused));
            }
            done => done.map_err(|refused| match &refused {
                // The kind lets the delivery recognise a full disk.
                PlanError::System { source, .. } => io::Error::new(source.kind(), refused),
                PlanError::Taken { .. } => io::Error::other(refused),
            })?,
        }
        self.file.reopen().map_err(io::Error::from)?;
        self.syncs.begin_file();
        self.record_file()
    }
}
