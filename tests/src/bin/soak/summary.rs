//! The counts of a run.

use std::fmt;
use std::time::Duration;

use crate::checker::Totals;

/// The counts of actions on processes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Deeds {
    pub(crate) steps: u64,
    pub(crate) producers_started: u64,
    pub(crate) producers_killed: u64,
    pub(crate) producers_ended: u64,
    pub(crate) forks: u64,
    pub(crate) children_killed: u64,
    pub(crate) orphans: u64,
    pub(crate) writers_started: u64,
    pub(crate) writers_killed: u64,
    pub(crate) writers_ended: u64,
    pub(crate) readers_started: u64,
    pub(crate) readers_killed: u64,
    pub(crate) stops: u64,
    pub(crate) looks: u64,
}

/// One arena's output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arena {
    pub(crate) name: &'static str,
    pub(crate) totals: Totals,
    /// Records that readers have shown.
    pub(crate) shown: u64,
}

/// The whole run.
#[derive(Clone, Debug)]
pub(crate) struct Summary {
    pub(crate) time: Duration,
    pub(crate) deeds: Deeds,
    pub(crate) arenas: Vec<Arena>,
    pub(crate) findings: usize,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Deeds { steps, stops, looks, .. } = self.deeds;
        let shown: u64 = self.arenas.iter().map(|arena| arena.shown).sum();
        let deeds = &self.deeds;
        let sum = |of: fn(&Totals) -> u64| self.arenas.iter().map(|arena| of(&arena.totals)).sum::<u64>();
        writeln!(f, "soak: {:.0} s, {steps} steps, {} findings", self.time.as_secs_f64(), self.findings)?;
        let kills =
            deeds.producers_killed + deeds.children_killed + deeds.writers_killed + deeds.readers_killed;
        writeln!(
            f,
            "  kills     {kills}: {} producers, {} forked children, {} writers, {} readers",
            deeds.producers_killed, deeds.children_killed, deeds.writers_killed, deeds.readers_killed
        )?;
        writeln!(
            f,
            "  stops     {stops}; forks {}, of which {} outlived their parents",
            deeds.forks, deeds.orphans
        )?;
        writeln!(
            f,
            "  starts    {} producers, {} writers, {} readers; {} and {} orderly ends; {looks} looks",
            deeds.producers_started,
            deeds.writers_started,
            deeds.readers_started,
            deeds.producers_ended,
            deeds.writers_ended
        )?;
        writeln!(
            f,
            "  checked   {} lines, {} records of {} threads, {} dropped and reported; {} unclean exits reported, \
             {} of them without a name; {shown} records shown by tail",
            sum(|t| t.lines),
            sum(|t| t.records),
            sum(|t| t.voices),
            sum(|t| t.drops_reported),
            sum(|t| t.deaths_reported),
            sum(|t| t.nameless_deaths)
        )?;
        writeln!(
            f,
            "  doubles   {} after writer kills, {} at most after one; {} torn lines",
            sum(|t| t.doubles),
            self.arenas.iter().map(|arena| arena.totals.doubles_most).max().unwrap_or(0),
            sum(|t| t.torn)
        )?;
        for Arena { name, totals: Totals { records, drops_reported, doubles, .. }, .. } in &self.arenas {
            writeln!(f, "  {name:<12} {records} records, {drops_reported} dropped, {doubles} doubles")?;
        }
        Ok(())
    }
}
