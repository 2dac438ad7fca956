//! Reads the output while the writers write it, and compares it with the calls that the producers have counted.
//!
//! Its memory is bounded by lanes and living producers, not by records: what has been checked of the
//! output is given back to the file system.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::ops::RangeInclusive;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use ringlog_ledger::{Arrived, Calls, LaneBook, Record};

use crate::findings::Findings;
use crate::ledger::{Identity, Ledger, VOICES};
use crate::record::Said;
use crate::tail::Tail;

/// The size of one read, in bytes.
const CHUNK: usize = 256 << 10;
/// More lives than end within the time until a death is reported.
const PAST_LIVES: usize = 500;
/// The longest batch of the writer without its last line, in bytes.
const BATCH: u64 = 64 << 10;

/// A message from the thread that starts and kills processes.
pub(crate) enum Message {
    /// A new life, before its process is started.
    Life(u32, Arc<Ledger>),
    /// All processes of a life have ended; the first one of itself, with its lanes closed, or not.
    Ended { life: u32, pid: u32, ended_well: bool },
    /// A writer has ended when the file was so long; the next one is started after this.
    Writer { end: u64, was_killed: bool },
    /// All is drained, and no process lives.
    Finish,
}

/// The counts of what was checked.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) lines: u64,
    pub(crate) records: u64,
    pub(crate) voices: u64,
    /// Calls whose outcome was noted, and those that were begun.
    pub(crate) calls_done: u64,
    pub(crate) calls_begun: u64,
    pub(crate) drops_reported: u64,
    /// Processes that were reported dead, and the lanes that these reports name.
    pub(crate) deaths_reported: u64,
    pub(crate) lanes_reported: u64,
    /// Of them those of an owner whose name is in no block and no entry any more.
    pub(crate) nameless_deaths: u64,
    /// Records that came again after a writer was killed, and the most after one kill.
    pub(crate) doubles: u64,
    pub(crate) doubles_most: u64,
    /// Lines that a killed writer did not finish.
    pub(crate) torn: u64,
}

struct Life {
    ledger: Arc<Ledger>,
    ended: bool,
    settled: [bool; VOICES as usize],
    reported_dead: [bool; VOICES as usize],
    /// The writers that had ended when a voice was found to be killed in the middle of a call: it has to be reported.
    awaited: BTreeMap<u32, u64>,
    /// The process, if it has closed its lanes: none of its threads may be reported dead.
    closed: Option<u32>,
}

impl Life {
    fn is_done_with(&self) -> bool {
        let all_settled =
            (0..self.ledger.voices()).all(|v| self.settled[v as usize] || self.ledger.calls(v).begun == 0);
        self.ended && all_settled
    }
}

pub(crate) struct Checker {
    arena: &'static str,
    sites: u64,
    dir: PathBuf,
    findings: Findings,
    lives: BTreeMap<u32, Life>,
    /// The last lives of which all calls are settled: they may still be reported dead.
    past: VecDeque<(u32, Life)>,
    lanes: BTreeMap<u32, LaneBook>,
    totals: Totals,
    doubled_lines: u64,
    doubled_bytes: u64,
    longest_line: u64,
    /// Writers that have ended.
    writers_ended: u64,
    /// Writers killed in a row: each may leave a batch that was not acknowledged.
    kills_in_a_row: u64,
}

impl Checker {
    pub(crate) fn new(arena: &'static str, sites: u64, dir: PathBuf, findings: Findings) -> Checker {
        Checker {
            arena,
            sites,
            dir,
            findings,
            lives: BTreeMap::new(),
            past: VecDeque::new(),
            lanes: BTreeMap::new(),
            totals: Totals::default(),
            doubled_lines: 0,
            doubled_bytes: 0,
            longest_line: 0,
            writers_ended: 0,
            kills_in_a_row: 0,
        }
    }

    /// Checks until it receives [`Message::Finish`]. `progress` counts the new records.
    pub(crate) fn run(mut self, file: File, messages: &Receiver<Message>, progress: &AtomicU64) -> Totals {
        let mut tail = Tail::new(file);
        let mut ends = VecDeque::new();
        let mut is_last = false;
        loop {
            // The length first: what a new writer has written lies behind an end that was sent
            // before.
            let len = tail.file.metadata().unwrap().len();
            loop {
                match messages.try_recv() {
                    Ok(Message::Life(number, ledger)) => {
                        let none = [false; VOICES as usize];
                        let life = Life {
                            ledger,
                            ended: false,
                            settled: none,
                            reported_dead: none,
                            awaited: BTreeMap::new(),
                            closed: None,
                        };
                        self.lives.insert(number, life);
                    }
                    Ok(Message::Ended { life, pid, ended_well }) => self.end_life(life, pid, ended_well),
                    Ok(Message::Writer { end, was_killed }) => ends.push_back((end, was_killed)),
                    Ok(Message::Finish) | Err(TryRecvError::Disconnected) => is_last = true,
                    Err(TryRecvError::Empty) => break,
                }
                if is_last {
                    break;
                }
            }
            let until = ends.front().map_or(len, |(end, _)| *end);
            self.read(&mut tail, until);
            progress.store(self.totals.records, Ordering::Relaxed);
            match ends.front().copied() {
                Some((end, was_killed)) if tail.position >= end => {
                    ends.pop_front();
                    self.writer_ended(&mut tail, was_killed);
                }
                Some(_) => {}
                None if is_last && tail.position == len => break,
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        }
        self.finish();
        self.totals
    }

    fn report(&self, what: impl std::fmt::Display) {
        self.findings.report(format_args!("{}: {what}", self.arena));
    }

    fn read(&mut self, tail: &mut Tail, until: u64) {
        let mut chunk = vec![0; CHUNK];
        while tail.position < until && !self.findings.any() {
            let want = (until - tail.position).min(CHUNK as u64) as usize;
            let got = tail.file.read_at(&mut chunk[..want], tail.position).unwrap();
            if got == 0 {
                self.report(format_args!("the output ends at {}, not at {until}", tail.position));
                return;
            }
            tail.position += got as u64;
            tail.rest.extend_from_slice(&chunk[..got]);
            let whole = tail.rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
            let mut lines: Vec<u8> = tail.rest.drain(..whole).collect();
            if tail.is_torn && !lines.is_empty() {
                tail.is_torn = false;
                match lines.first() {
                    Some(b'\n') => drop(lines.remove(0)),
                    _ => self.report(format_args!("a line was joined to one that a killed writer had torn")),
                }
            }
            for line in lines.split_inclusive(|byte| *byte == b'\n') {
                if let Err(what) = self.line(line) {
                    self.report(what);
                }
            }
            tail.give_back();
        }
        if self.findings.any() {
            // The lines that follow cannot be checked any more.
            tail.position = tail.position.max(until);
        }
    }

    fn line(&mut self, line: &[u8]) -> Result<(), String> {
        self.totals.lines += 1;
        self.longest_line = self.longest_line.max(line.len() as u64);
        match Said::of(line, self.sites)? {
            Said::Gap { lane, count } => {
                self.lanes.entry(lane).or_default().gap(count);
                Ok(())
            }
            Said::Died { pid, lanes } => self.process_death(pid, &lanes),
            Said::Record { lane, incarnation, sequence, pid, tid, id, call } => {
                let record = Record { incarnation, sequence, id, call };
                self.is_known(record, Identity { pid, tid, lane, incarnation })?;
                self.record(lane, record, line.len() as u64)
            }
        }
    }

    /// Checks that the voice has begun that call and has the identity in the line. A life that is settled can only have
    /// repeated records, which the lane's book checks.
    fn is_known(&self, record: Record, identity: Identity) -> Result<(), String> {
        let Some(life) = self.lives.get(&(record.id / VOICES)) else { return Ok(()) };
        let voice = record.id % VOICES;
        if life.ledger.identity(voice) != Some(identity) {
            let real = life.ledger.identity(voice);
            return Err(format!("{record:?} has the identity {identity:?}, but its voice is {real:?}"));
        }
        let Calls { begun, .. } = life.ledger.calls(voice);
        if record.call >= begun {
            return Err(format!("{record:?} has come, but only {begun} calls were begun"));
        }
        Ok(())
    }

    fn record(&mut self, lane: u32, record: Record, bytes: u64) -> Result<(), String> {
        let mut book = self.lanes.remove(&lane).unwrap_or_default();
        let last = book.last();
        let came = book.record(record, || self.settle_lane(lane, last, record.incarnation));
        self.lanes.insert(lane, book);
        match came.map_err(|what| format!("lane {lane}: {what}"))? {
            Arrived::New if !self.lives.contains_key(&(record.id / VOICES)) => {
                return Err(format!("{record:?} has come, but that life has ended"));
            }
            Arrived::New => self.totals.records += 1,
            Arrived::Again => {
                self.doubled_lines += 1;
                self.doubled_bytes += bytes;
            }
        }
        Ok(())
    }

    fn process_death(&mut self, pid: u32, lanes: &[(Identity, Option<u64>)]) -> Result<(), String> {
        self.totals.deaths_reported += 1;
        for (identity, last_sequence) in lanes {
            self.death(*identity, *last_sequence)?;
        }
        // A writer that follows a killed one does not know where the owner ended, if that one had written records of
        // the lane's next owner.
        let writers_ended = self.writers_ended;
        for life in self.lives.values_mut().chain(self.past.iter_mut().map(|(_, life)| life)) {
            let Life { ledger, awaited, .. } = life;
            let is_named = |voice: u32| ledger.identity(voice).is_some_and(|known| known.pid == pid);
            awaited.retain(|voice, ended_before| !(is_named(*voice) && writers_ended > *ended_before));
        }
        self.forget_past();
        Ok(())
    }

    fn death(&mut self, identity: Identity, last_sequence: Option<u64>) -> Result<(), String> {
        let Identity { lane, incarnation, .. } = identity;
        self.totals.lanes_reported += 1;
        let lives = self.lives.values_mut().chain(self.past.iter_mut().map(|(_, life)| life));
        let voice = lives.into_iter().find_map(|life| {
            let voice = (0..life.ledger.voices()).find(|voice| {
                let known = life.ledger.identity(*voice);
                known.is_some_and(|known| (known.lane, known.incarnation) == (lane, incarnation))
            })?;
            Some((life, voice))
        });
        if let Some((life, voice)) = voice {
            let known = life.ledger.identity(voice);
            let is_nameless = (identity.pid, identity.tid) == (0, 0);
            if is_nameless && self.lanes.get(&lane).is_none_or(|book| book.may_be_nameless(incarnation)) {
                self.totals.nameless_deaths += 1;
            } else if known != Some(identity) {
                return Err(format!("{identity:?} was reported dead, but is {known:?}"));
            }
            life.reported_dead[voice as usize] = true;
            life.awaited.remove(&voice);
            if life.ended
                && let Some(voice) = life.false_death()
            {
                return Err(format!("voice {voice} was reported dead, but ended by itself: {identity:?}"));
            }
        } else if last_sequence.is_none() {
            // A process's own lane: it is reported when none of its threads can be, so not always at its place.
            return Ok(());
        }
        let book = self.lanes.entry(lane).or_default();
        book.death(incarnation, last_sequence).map(|_| ()).map_err(|what| format!("lane {lane}: {what}"))
    }

    /// Settles the voices that had the lane from the last record's on and before incarnation `before`.
    /// Returns how many of their calls were refused after that record.
    fn settle_lane(
        &mut self,
        lane: u32,
        last: Option<Record>,
        before: u32,
    ) -> Result<RangeInclusive<u64>, String> {
        let (mut least, mut most) = (0, 0);
        let from = last.map_or(0, |last| last.incarnation);
        let totals = &mut self.totals;
        for (number, life) in &mut self.lives {
            for voice in 0..life.ledger.voices() {
                let Some(identity) = life.ledger.identity(voice) else { continue };
                if identity.lane != lane || !(from..before).contains(&identity.incarnation) {
                    continue;
                }
                let last = last.filter(|last| last.incarnation == identity.incarnation);
                let received = last.map_or(0, |last| last.sequence + 1);
                let reported = last.map_or(0, |last| last.call - last.sequence);
                let calls = life.ledger.calls(voice);
                let left = calls.left_behind(received, reported).map_err(|what| {
                    format!("voice {voice} of life {number}, {identity:?}, made {calls:?}: {what}")
                })?;
                if calls.begun > calls.done && received > 0 && !life.reported_dead[voice as usize] {
                    life.awaited.insert(voice, self.writers_ended);
                }
                (least, most) = (least + left.start(), most + left.end());
                if !std::mem::replace(&mut life.settled[voice as usize], true) {
                    totals.voices += 1;
                    totals.calls_done += calls.done;
                    totals.calls_begun += calls.begun;
                }
            }
        }
        self.forget_settled();
        Ok(least..=most)
    }

    fn end_life(&mut self, number: u32, pid: u32, ended_well: bool) {
        if let Some(life) = self.lives.get_mut(&number) {
            life.ended = true;
            life.closed = ended_well.then_some(pid);
        }
        self.forget_settled();
    }

    fn forget_settled(&mut self) {
        let (dir, findings, arena) = (&self.dir, &self.findings, self.arena);
        let settled: Vec<u32> =
            self.lives.iter().filter(|(_, life)| life.is_done_with()).map(|(number, _)| *number).collect();
        for number in settled {
            let Some(life) = self.lives.remove(&number) else { continue };
            if let Some(voice) = life.false_death() {
                findings.report(format_args!(
                    "{arena}: voice {voice} of life {number} was reported dead, but ended by itself"
                ));
            }
            // The file is not needed any more: it stays mapped.
            let _ = std::fs::remove_file(Ledger::path(dir, number));
            self.past.push_back((number, life));
        }
        self.forget_past();
    }

    /// Forgets the oldest settled lives, of which nothing is awaited.
    fn forget_past(&mut self) {
        while self.past.len() > PAST_LIVES
            && self.past.front().is_some_and(|(_, life)| life.awaited.is_empty())
        {
            self.past.pop_front();
        }
        if self.past.len() > 2 * PAST_LIVES
            && let Some((number, life)) = self.past.pop_front()
        {
            self.report_unreported(number, &life);
        }
    }

    fn report_unreported(&self, number: u32, life: &Life) {
        for voice in life.awaited.keys() {
            let identity = life.ledger.identity(*voice);
            self.report(format_args!(
                "{identity:?}, voice {voice} of life {number}, was killed in the middle of a call, and its unclean \
                 exit is not reported"
            ));
        }
    }

    fn writer_ended(&mut self, tail: &mut Tail, was_killed: bool) {
        self.writers_ended += 1;
        let kills = self.kills_in_a_row;
        self.kills_in_a_row = if was_killed { kills + 1 } else { 0 };
        let most = (self.longest_line + BATCH) * kills;
        if self.doubled_bytes > most {
            let (lines, bytes) = (self.doubled_lines, self.doubled_bytes);
            self.report(format_args!(
                "{lines} lines, {bytes} bytes came again after {kills} kills, more than {most}"
            ));
        }
        self.totals.doubles += self.doubled_lines;
        self.totals.doubles_most = self.totals.doubles_most.max(self.doubled_lines);
        (self.doubled_lines, self.doubled_bytes) = (0, 0);
        if !tail.rest.is_empty() {
            if !was_killed {
                let rest = String::from_utf8_lossy(&tail.rest[..tail.rest.len().min(300)]).into_owned();
                self.report(format_args!(
                    "a writer ended in the orderly way in the middle of a line: {rest}"
                ));
            }
            self.totals.torn += 1;
            tail.rest.clear();
            tail.is_torn = true;
        }
        self.lanes.values_mut().for_each(LaneBook::writer_has_ended);
        if was_killed {
            self.lanes.values_mut().for_each(LaneBook::writer_was_killed);
        }
    }

    fn finish(&mut self) {
        let lanes: BTreeSet<u32> =
            self.lives.values().flat_map(Life::lanes).chain(self.lanes.keys().copied()).collect();
        for lane in lanes {
            let mut book = self.lanes.remove(&lane).unwrap_or_default();
            let left = self.settle_lane(lane, book.last(), u32::MAX);
            if let Err(what) = left.and_then(|left| book.end(left)) {
                self.report(format_args!("lane {lane} at the end: {what}"));
            }
            self.totals.drops_reported += book.reported_in_all();
        }
        for (number, life) in &self.lives {
            self.report(format_args!("life {number} has calls of a voice without a lane: {life:?}"));
        }
        for (number, life) in self.past.iter().map(|(number, life)| (*number, life)) {
            self.report_unreported(number, life);
        }
        let Totals { records, drops_reported, calls_done, calls_begun, .. } = self.totals;
        if !(calls_done..=calls_begun).contains(&(records + drops_reported)) {
            self.report(format_args!(
                "{calls_done} to {calls_begun} calls, but {records} records and {drops_reported} refused calls reported"
            ));
        }
    }
}

impl Life {
    /// A voice that was reported dead though its process ended in the orderly way.
    fn false_death(&self) -> Option<u32> {
        let closed =
            |voice: &u32| self.ledger.identity(*voice).is_some_and(|known| Some(known.pid) == self.closed);
        (0..self.ledger.voices()).filter(closed).find(|voice| self.reported_dead[*voice as usize])
    }

    fn lanes(&self) -> impl Iterator<Item = u32> {
        (0..self.ledger.voices()).filter_map(|voice| Some(self.ledger.identity(voice)?.lane))
    }
}

impl std::fmt::Debug for Life {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let voices = 0..self.ledger.voices();
        let voices = voices.map(|voice| (voice, self.ledger.identity(voice), self.ledger.calls(voice)));
        f.debug_list().entries(voices).finish()
    }
}
