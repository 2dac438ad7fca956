//! One ring with its producers, writer and readers, and the checker of its output.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::signal::Signal;
use ringlog::Ring;
use ringlog::reader::{Observer, RingStat};
use ringlog_testkit::SOON;

use crate::checker::{Checker, Message, Totals};
use crate::findings::Findings;
use crate::ledger::Ledger;
use crate::life::{Life, Stage};
use crate::patience::Patience;
use crate::plan::{Act, PRODUCERS, Role, Step};
use crate::process::Process;
use crate::producer::Order;
use crate::reader::{Looking, Reader};
use crate::spec::Spec;
use crate::summary::{self, Deeds};

/// The programs under test.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    pub(crate) ringlog: PathBuf,
    pub(crate) writer: PathBuf,
}

pub(crate) struct Arena {
    spec: Spec,
    programs: Programs,
    ring: PathBuf,
    dir: PathBuf,
    output: PathBuf,
    findings: Findings,
    blocks: u32,
    lives: Vec<Life>,
    producers: [Option<u32>; PRODUCERS as usize],
    writer: Option<Process>,
    follower: Option<Reader>,
    /// Readers that were asked to end, or end by themselves.
    readers: Vec<(Reader, Patience)>,
    next_life: u32,
    next_number: u64,
    messages: Sender<Message>,
    checker: Option<JoinHandle<Totals>>,
    totals: Totals,
    checked: Arc<AtomicU64>,
    last_progress: (u64, Patience),
    shown: Arc<AtomicU64>,
}

impl Arena {
    /// Creates the ring in `rings`, and starts the checker of the output in `dir`.
    pub(crate) fn new(spec: Spec, programs: Programs, rings: &Path, dir: &Path, findings: Findings) -> Arena {
        let (ring, dir) = (rings.join(spec.name), dir.join(spec.name));
        std::fs::create_dir(&dir).unwrap();
        let options = Ring::options().size(spec.size).block_bytes(spec.block_bytes);
        let options = options.lanes(spec.lanes).overflow(spec.overflow);
        drop(options.create(ring.to_str().unwrap()).unwrap());
        let output = dir.join("output.json");
        let file = File::options().create(true).append(true).read(true).open(&output).unwrap();
        let (messages, inbox) = channel();
        let checked = Arc::new(AtomicU64::new(0));
        let checker = Checker::new(spec.name, spec.sites, dir.clone(), findings.clone());
        let progress = checked.clone();
        let checker = std::thread::spawn(move || checker.run(file, &inbox, &progress));
        let mut arena = Arena {
            spec,
            programs,
            ring,
            dir,
            output,
            findings,
            blocks: 0,
            lives: Vec::new(),
            producers: [None; PRODUCERS as usize],
            writer: None,
            follower: None,
            readers: Vec::new(),
            next_life: 0,
            next_number: 0,
            messages,
            checker: Some(checker),
            totals: Totals::default(),
            checked,
            last_progress: (0, Patience::new()),
            shown: Arc::default(),
        };
        arena.blocks = arena.stat().free_blocks;
        arena
    }

    pub(crate) fn stat(&self) -> RingStat {
        Observer::open(self.ring.to_str().unwrap()).unwrap().stat().unwrap()
    }

    fn report(&self, what: impl std::fmt::Display) {
        self.findings.report(format_args!("{}: {what}", self.spec.name));
    }

    fn report_end(&self, outcome: Result<(), String>) {
        if let Err(wrong) = outcome {
            self.report(wrong);
        }
    }

    /// Carries out one step.
    pub(crate) fn act(&mut self, step: &Step, deeds: &mut Deeds) {
        match step.role {
            Role::Producer(slot) => self.act_on_producer(slot as usize, step.act, deeds),
            Role::Writer => self.act_on_writer(step.act, deeds),
            Role::Follower => self.act_on_follower(step.act, deeds),
        }
        deeds.stops += u64::from(matches!(step.act, Act::Stop { .. }));
    }

    fn act_on_producer(&mut self, slot: usize, act: Act, deeds: &mut Deeds) {
        if let Act::Start { seed } = act {
            self.producers[slot] = Some(self.start_life(seed));
            deeds.producers_started += 1;
            return;
        }
        let number = self.producers[slot];
        let Some(life) = self.lives.iter_mut().find(|life| Some(life.number) == number) else { return };
        match act {
            Act::Kill { with_children } => {
                life.process.kill(with_children);
                deeds.producers_killed += 1;
            }
            Act::End => {
                life.ask_to_end();
                deeds.producers_ended += 1;
            }
            Act::Stop { with_children } => life.process.signal(Signal::SIGSTOP, with_children),
            Act::Resume => life.process.signal(Signal::SIGCONT, true),
            Act::Fork => life.ledger.ask_to_fork(),
            Act::KillChild => life.ledger.ask_to_kill_child(),
            Act::Start { .. } | Act::Look { .. } => {}
        }
    }

    fn start_life(&mut self, seed: u64) -> u32 {
        let life = self.next_life;
        self.next_life += 1;
        let path = Ledger::path(&self.dir, life);
        let ledger = Arc::new(Ledger::open(&path, life));
        self.send(Message::Life(life, ledger.clone()));
        let order = Order { ring: self.ring.clone(), ledger: path, life, seed, sites: self.spec.sites };
        self.lives.push(Life::start(self.spec.name, &order, ledger, &self.dir));
        life
    }

    fn send(&self, message: Message) {
        // Fails only if the checker has panicked, which shows when it is joined.
        let _ = self.messages.send(message);
    }

    fn act_on_writer(&mut self, act: Act, deeds: &mut Deeds) {
        match act {
            Act::Start { .. } => {
                self.writer = Some(self.start_writer());
                deeds.writers_started += 1;
            }
            Act::Kill { .. } => {
                self.end_writer(|writer| writer.kill(false));
                deeds.writers_killed += 1;
            }
            Act::End => {
                self.end_writer(Process::ask_to_end);
                deeds.writers_ended += 1;
            }
            Act::Stop { .. } => self.writer.iter().for_each(|writer| writer.signal(Signal::SIGSTOP, false)),
            Act::Resume => self.writer.iter().for_each(|writer| writer.signal(Signal::SIGCONT, false)),
            Act::Fork | Act::KillChild | Act::Look { .. } => {}
        }
    }

    fn start_writer(&mut self) -> Process {
        let mut command = Command::new(&self.programs.writer);
        // Lines that come again are part of what is checked; `exactly_once.rs` has the other way.
        command
            .arg(&self.ring)
            .args(["--append", "--no-checkpoint", "--format", "json", "--out"])
            .arg(&self.output);
        let number = self.number();
        let what = format!("{}-writer-{number}", self.spec.name);
        Process::start(what, &mut command, Stdio::null(), &self.dir).quiet()
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    /// Ends the writer, and sends the checker the length of its output.
    fn end_writer(&mut self, how: impl FnOnce(&mut Process)) {
        let Some(mut writer) = self.writer.take() else { return };
        how(&mut writer);
        let outcome = writer.wait();
        self.report_end(outcome);
        let end = self.output.metadata().unwrap().len();
        self.send(Message::Writer { end, was_killed: writer.died_of_a_signal() });
    }

    fn looking(&self) -> Looking<'_> {
        Looking {
            program: &self.programs.ringlog,
            ring: self.spec.name,
            rings: self.ring.parent().unwrap(),
            dir: &self.dir,
            sites: self.spec.sites,
            shown: &self.shown,
            findings: &self.findings,
        }
    }

    fn act_on_follower(&mut self, act: Act, deeds: &mut Deeds) {
        match act {
            Act::Start { .. } => {
                let number = self.number();
                self.follower = Some(self.looking().follow(number));
                deeds.readers_started += 1;
            }
            Act::Look { command } => {
                let number = self.number();
                let reader = self.looking().once(number, command);
                self.readers.push((reader, Patience::new()));
                deeds.looks += 1;
            }
            Act::Kill { .. } => {
                self.end_follower(|follower| follower.kill(false));
                deeds.readers_killed += 1;
            }
            Act::End => self.end_follower(Process::ask_to_end),
            Act::Stop { .. } => self.follower.iter().for_each(|f| f.process.signal(Signal::SIGSTOP, false)),
            Act::Resume => self.follower.iter().for_each(|f| f.process.signal(Signal::SIGCONT, false)),
            Act::Fork | Act::KillChild => {}
        }
    }

    fn end_follower(&mut self, how: impl FnOnce(&mut Process)) {
        if let Some(mut follower) = self.follower.take() {
            how(&mut follower.process);
            self.readers.push((follower, Patience::new()));
        }
    }

    /// Checks all processes: whether those that ended did so as they should, and whether records come.
    pub(crate) fn tend(&mut self, deeds: &mut Deeds) {
        for mut life in std::mem::take(&mut self.lives) {
            match life.look() {
                Stage::Running => self.lives.push(life),
                Stage::Ended => {
                    let (forks, kills) = life.ledger.done();
                    deeds.forks += forks;
                    deeds.children_killed += kills;
                    deeds.orphans += life.orphans;
                    let (pid, ended_well) = (life.process.id(), !life.process.died_of_a_signal());
                    self.send(Message::Ended { life: life.number, pid, ended_well });
                }
                Stage::Wrong(what) => {
                    self.report(what);
                    // Not ended before the ring has been looked at.
                    self.lives.push(life);
                }
            }
        }
        for (mut reader, mut patience) in std::mem::take(&mut self.readers) {
            match reader.poll() {
                None if patience.is_over() => self.report(format_args!("{} hangs", reader.process.what())),
                None => self.readers.push((reader, patience)),
                Some(outcome) => self.report_end(outcome),
            }
        }
        let running = [self.writer.as_mut(), self.follower.as_mut().map(|f| &mut f.process)];
        let ended: Vec<_> = running.into_iter().flatten().filter_map(Process::poll).collect();
        for outcome in ended {
            self.report(format_args!("ended by itself: {outcome:?}"));
        }
        let checked = self.checked.load(Ordering::Relaxed);
        if checked != self.last_progress.0 {
            self.last_progress = (checked, Patience::new());
        } else if self.last_progress.1.is_over() {
            self.report(format_args!("no record has come for {SOON:?}: {}", shown(&self.stat())));
        }
    }

    /// The end: stopped processes are resumed, all end, some by SIGKILL, and the writer persists the remaining records.
    pub(crate) fn finish(&mut self, deeds: &mut Deeds) {
        for life in &mut self.lives {
            life.process.signal(Signal::SIGCONT, true);
            if life.number % 2 == 0 {
                life.process.kill(life.number % 4 == 0);
            }
            life.ask_to_end();
        }
        self.end_follower(|follower| {
            follower.signal(Signal::SIGCONT, false);
            follower.ask_to_end();
        });
        match &self.writer {
            Some(writer) => writer.signal(Signal::SIGCONT, false),
            None => self.writer = Some(self.start_writer()),
        }
        while (!self.lives.is_empty() || !self.readers.is_empty()) && !self.findings.any() {
            std::thread::sleep(Duration::from_millis(1));
            self.tend(deeds);
        }
        self.wait_for_everything_to_come_back();
        if self.findings.any() {
            return;
        }
        self.end_writer(Process::ask_to_end);
        self.send(Message::Finish);
        self.join_checker();
        if !self.findings.any() {
            self.open_every_lane();
            self.remove();
        }
    }

    /// Kills all processes after a finding.
    pub(crate) fn abandon(&mut self) {
        for mut life in self.lives.drain(..) {
            life.kill();
        }
        self.writer = None;
        self.end_follower(|follower| follower.kill(false));
        for (mut reader, _) in self.readers.drain(..) {
            reader.process.kill(false);
            let _ = reader.process.wait();
            reader.join();
        }
        self.send(Message::Finish);
        self.join_checker();
    }

    fn join_checker(&mut self) {
        if let Some(checker) = self.checker.take() {
            self.totals = checker.join().unwrap();
        }
    }

    /// The counts of the checker, and of the records that readers have shown.
    pub(crate) fn summary(&self) -> summary::Arena {
        let shown = self.shown.load(Ordering::Relaxed);
        summary::Arena { name: self.spec.name, totals: self.totals, shown }
    }

    /// Waits until every block is free, as it must become without an open lane.
    fn wait_for_everything_to_come_back(&self) {
        let mut patience = Patience::new();
        while !self.findings.any() {
            let stat = self.stat();
            let alive = stat.lanes.iter().filter(|lane| lane.alive).count();
            let (free, definitions) = (stat.free_blocks, stat.definitions.used_segments);
            if alive == 0 && free == self.blocks && definitions == 0 {
                if stat.damaged != 0 {
                    self.report(format_args!("stat reports {} damaged places", stat.damaged));
                }
                return;
            }
            if patience.is_over() {
                self.report(format_args!(
                    "{free} of {} blocks are free, {definitions} segments are in use, {alive} lanes live: {}",
                    self.blocks,
                    shown(&stat)
                ));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Checks that every lane can be opened again: one by the process, each other one by a thread.
    fn open_every_lane(&self) {
        let ring = Ring::open(self.ring.to_str().unwrap()).unwrap();
        let barrier = Arc::new(std::sync::Barrier::new(self.spec.lanes as usize - 1));
        let threads: Vec<_> = (1..self.spec.lanes)
            .map(|_| {
                let (log, barrier) = (ring.logger(), barrier.clone());
                std::thread::spawn(move || {
                    let opened = log.open_lane();
                    barrier.wait();
                    opened
                })
            })
            .collect();
        for thread in threads {
            if let Err(error) = thread.join().unwrap() {
                self.report(format_args!("a lane cannot be opened again: {error}"));
            }
        }
    }

    /// `ringlog rm` refuses a ring that a process is attached to.
    fn remove(&mut self) {
        let mut command = Command::new(&self.programs.ringlog);
        command.arg("rm").arg(&self.ring);
        let outcome =
            Process::start(format!("{}-rm", self.spec.name), &mut command, Stdio::null(), &self.dir).wait();
        self.report_end(outcome);
    }
}

/// A ring's numbers, with the lanes of live owners only.
fn shown(stat: &RingStat) -> String {
    let alive = stat.lanes.iter().filter(|lane| lane.alive).cloned().collect();
    format!("{:?}", RingStat { lanes: alive, ..stat.clone() })
}
