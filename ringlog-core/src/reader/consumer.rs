//! The one consumer: drains every lane, merges by time, and gives blocks back when they are acknowledged.
//!
//! It owns nothing in the ring. What it knows (how far each block is read, what each lane's next block must be) it
//! keeps privately, and everything it reads is untrusted: each shared word is read once and bounded, and payload is
//! parsed only from a private copy.
//!
//! | object | knows |
//! |---|---|
//! | [`BlockTable`] | how far each block is published and given out |
//! | [`LaneTable`] | one lane reader for each lane: its chain of blocks, its records, its notices |
//! | [`Merge`] | which lane's entry is next, and which entries' time has come |
//! | [`Acks`] | what is written into the ring when a mark is acknowledged |
//! | [`ExitWatch`] | which owners exited without closing their lane |
//! | [`Totals`] | the counters in the ring's header |
//! | [`ConsumerLock`] | that this is the ring's only consumer |
//! | [`NameWatch`] | whether the path still leads to the ring |
//! | [`Scans`] | when the ring was looked at, and when to look again |

mod acks;
mod blocks;
mod cursor;
mod ended;
mod exit_watch;
mod getting;
mod lane_reader;
mod lanes;
mod lock;
mod merge;
mod moment;
mod name_watch;
mod process_watch;
mod requests;
mod scan;
mod snapshot;
mod totals;
mod unobserved;

use std::time::Duration;

use self::acks::Acks;
use self::blocks::BlockTable;
use self::exit_watch::ExitWatch;
use self::lane_reader::Given;
use self::lanes::LaneTable;
use self::lock::ConsumerLock;
use self::merge::Merge;
use self::name_watch::NameWatch;
use self::process_watch::ProcessWatch;
use self::scan::Scans;
use self::totals::Totals;
use crate::error::Error;
use crate::os::ofd_lock::Mode;
use crate::os::probe::Probe;
use crate::reader::dictionary::Dictionary;
use crate::reader::entry::Entry;
use crate::ring::by_name::Attached;
use crate::shm::block::SharedRing;
use crate::shm::layout::lock as lock_byte;

pub use self::acks::Mark;
pub use self::cursor::{Cursor, Step};
pub(crate) use self::lock::holder;
pub use self::requests::Requests;

/// Drains a ring: takes out records, gaps and unclean exits in the order of their time, and gives their space back
/// when they have been [acknowledged](Self::ack). A ring has one consumer at a time.
///
/// What was taken out but not acknowledged when the consumer ends, the next one gets again, unless it
/// [resumes](Self::resume) from a [`Cursor`].
#[derive(Debug)]
pub struct Consumer {
    session: Attached,
    lock: ConsumerLock,
    probe: Probe,
    blocks: BlockTable,
    lanes: LaneTable,
    merge: Merge,
    acks: Acks,
    exits: ExitWatch,
    totals: Totals,
    scans: Scans,
    name: NameWatch,
    dictionary: Dictionary,
}

impl Consumer {
    /// The time between two looks for owners that exited without closing their lane, as long as the consumer is asked
    /// for entries.
    pub const RECLAIM_INTERVAL: Duration = Duration::from_millis(200);

    pub(crate) fn new(session: Attached) -> Result<Consumer, Error> {
        let ring = session.ring().ok_or(Error::Forked)?;
        let probe = session.lock_file.probe().map_err(|e| Error::io("probe", session.lock_file.path(), e))?;
        let lock = ConsumerLock::take(session.clone(), &ring, Mode::Exclusive)?;
        let processes = ProcessWatch::new(&ring, session.lock_file.identity());
        let consumer = Consumer::begin(session, lock, probe, NameWatch::new(), processes, &ring);
        // An earlier consumer may have died between freeing blocks and announcing it; producers that
        // found the ring full would never look again.
        crate::shm::wakeup::announce_freed(&ring, ring.geometry().block_count.into());
        Ok(consumer)
    }

    /// Begins where the ring's progress is.
    fn begin(
        session: Attached,
        lock: ConsumerLock,
        probe: Probe,
        name: NameWatch,
        processes: ProcessWatch,
        ring: &SharedRing,
    ) -> Consumer {
        Consumer {
            lock,
            probe,
            blocks: BlockTable::new(ring),
            lanes: LaneTable::new(ring),
            merge: Merge::new(&session.info),
            acks: Acks::default(),
            exits: ExitWatch::new(ring, session.info.clock, Self::RECLAIM_INTERVAL, processes),
            totals: Totals::read(ring),
            scans: Scans::new(ring.geometry().block_count),
            name,
            dictionary: Dictionary::default(),
            session,
        }
    }

    /// Goes back to what is acknowledged: everything later is given out again, unless the consumer then
    /// [resumes](Self::resume). As a new consumer begins, but without letting go of the ring meanwhile, which may have
    /// no name any more by which it could be opened. The [grace](Self::set_grace) is the default one again.
    ///
    /// # Errors
    /// As for [`next`](Self::next).
    pub fn rewind(self) -> Result<Consumer, Error> {
        let ring = self.ring()?;
        let Consumer { session, lock, probe, name, exits, .. } = self;
        Ok(Consumer::begin(session, lock, probe, name, exits.into_processes(), &ring))
    }

    /// Sets how long a record waits for older ones of threads that were interrupted in a log call; 10 ms by
    /// default. A record that comes later still is given out late and counted. As the ring fills the wait shrinks
    /// to nothing, so it never costs a record.
    ///
    /// A grace that is set is kept as long as the ring has room. The default one also shrinks when so much is held
    /// back that producers are driven out of their caches.
    pub fn set_grace(&mut self, grace: Duration) {
        self.merge.set_grace(grace);
    }

    /// The next entry, waiting for one up to `timeout`; `None` if there was none.
    ///
    /// # Errors
    /// [`Error::Forked`] in a child of the process that made the consumer; [`Error::Truncated`] once the
    /// ring's file has been truncated. What was given out before is good.
    pub fn next(&mut self, timeout: Duration) -> Result<Option<Entry<'_>>, Error> {
        let ring = self.ring()?;
        Ok(if self.find(&ring, timeout)? { Some(self.hand_out(&ring)) } else { None })
    }

    /// The time of the entry that [`next`](Self::next) will give out, in ns since 1970, without giving it out: for
    /// merging several rings by time.
    ///
    /// # Errors
    /// As for [`next`](Self::next).
    pub fn peek(&mut self, timeout: Duration) -> Result<Option<u64>, Error> {
        let ring = self.ring()?;
        let is_found = self.find(&ring, timeout)?;
        let lane = self.merge.top().filter(|_| is_found);
        Ok(lane.and_then(|lane| self.lanes.reader(lane).head_unix_ns()))
    }

    /// The time, in ns since 1970, up to which all entries had been found at the last look, except those of threads
    /// that were interrupted for longer than the grace.
    pub fn watermark_unix_ns(&self) -> u64 {
        self.merge.watermark_unix_ns()
    }

    /// Whether less than a quarter of the ring's blocks was free at the last look.
    pub fn is_nearly_full(&self) -> bool {
        let blocks = self.session.info.geometry.block_count;
        self.scans.free_blocks() < blocks / 4
    }

    /// Whether everything published so far has been given out and acknowledged. Looks at the ring again.
    ///
    /// # Errors
    /// As for [`next`](Self::next).
    pub fn is_drained(&mut self) -> Result<bool, Error> {
        let ring = self.ring()?;
        self.advance_top(&ring);
        // What was published before the lanes' entries are read is found by the scans after.
        // Two of them: that a lane's next block is missing counts only after another scan.
        self.exits.take_snapshots(&ring, &self.lanes, &self.probe, self.scans.finished());
        self.scan(&ring);
        self.scan(&ring);
        self.exits.report(&ring, &mut self.lanes, self.scans.finished());
        self.refresh_heads(&ring);
        self.check_whole()?;
        let is_empty = self.lanes.are_empty() && self.merge.is_empty() && !self.exits.is_waiting();
        Ok(is_empty && self.acks.are_complete())
    }

    /// The number of lanes whose owner is alive.
    ///
    /// # Errors
    /// As for [`next`](Self::next); [`Error::Io`] if the kernel's locks cannot be queried.
    pub fn open_lanes(&self) -> Result<usize, Error> {
        let ring = self.ring()?;
        let mut open = 0;
        for lane in 0..ring.geometry().lane_count {
            if ring.lane_state(lane).open {
                let held = self.probe.is_held(lock_byte::lane(lane));
                open += usize::from(held.map_err(|e| Error::io("probe", self.session.lock_file.path(), e))?);
            }
        }
        Ok(open)
    }

    /// The ring's file.
    pub fn path(&self) -> &std::path::Path {
        &self.session.path
    }

    /// What the ring's header says.
    pub fn info(&self) -> &crate::ring::header::Info {
        &self.session.info
    }

    /// Acknowledges everything that [`next`](Self::next) has given out: it is persisted. Its blocks are given back to
    /// the producers, and flushes that wait for it end.
    ///
    /// # Errors
    /// As for [`next`](Self::next).
    pub fn ack(&mut self) -> Result<(), Error> {
        let mark = self.mark();
        self.ack_to(mark)
    }

    /// Marks what has been given out so far. [`ack_to`](Self::ack_to) then acknowledges it and nothing later, so
    /// that more can be taken out while this is being persisted.
    pub fn mark(&mut self) -> Mark {
        self.acks.mark(&mut self.lanes, &mut self.blocks, self.totals)
    }

    /// Acknowledges what was given out up to the mark, as [`ack`](Self::ack) does. Acknowledging a mark older than the
    /// last acknowledged one is a no-op.
    ///
    /// # Errors
    /// As for [`next`](Self::next).
    pub fn ack_to(&mut self, mark: Mark) -> Result<(), Error> {
        let ring = self.ring()?;
        self.acks.acknowledge(&ring, mark, &mut self.blocks);
        Ok(())
    }

    /// Passes over what the cursor has behind it, if the ring itself is not further. Ignores a cursor of another
    /// ring, and one that is given after the first entry was asked for.
    ///
    /// # Errors
    /// As for [`next`](Self::next).
    pub fn resume(&mut self, cursor: &Cursor) -> Result<(), Error> {
        let ring = self.ring()?;
        if cursor.ring != self.session.info.uuid || self.scans.have_begun() {
            return Ok(());
        }
        self.totals.count_uncounted_exits(ended::count_uncounted(&ring, cursor));
        self.totals.resume_laneless_drops(cursor.laneless_drops());
        self.exits.resume_laneless_drops(cursor.laneless_drops());
        self.lanes.resume(&ring, cursor);
        Ok(())
    }

    /// Whether the consumer before this one ended without [saying so](Self::end), as when it is killed. What it had
    /// given out and not acknowledged comes again, unless a [`Cursor`] says how far it was.
    pub fn previous_consumer_crashed(&self) -> bool {
        self.lock.follows_unclean_exit()
    }

    /// Notes in the ring that this consumer has ended in order, if all that was given out is acknowledged. Call it when
    /// nothing more is asked for: wherever the process is killed from here on, the next consumer does not
    /// [see a crash](Self::previous_consumer_crashed). Dropping the consumer notes it too.
    pub fn end(&mut self) {
        if let Some(ring) = self.session.ring().filter(|_| self.acks.are_complete()) {
            lock::write_end(&ring);
        }
    }

    /// The place up to which entries have been given out.
    pub fn cursor(&self) -> Cursor {
        let mut cursor = Cursor::default();
        self.cursor_into(&mut cursor);
        cursor
    }

    /// As [`cursor`](Self::cursor), into a cursor whose memory is used again.
    pub fn cursor_into(&self, cursor: &mut Cursor) {
        let (ring, laneless_drops) = (self.session.info.uuid, self.totals.laneless_drops());
        cursor.set(ring, laneless_drops, self.lanes.cursors());
    }

    /// What the entry that was given out last changes in a cursor. Call it before the next is asked for.
    pub fn step(&self) -> Step {
        let reader = self.lanes.reader(self.merge.top().unwrap_or(0));
        Step::new(reader.step_kind(), reader.cursor(), self.totals.laneless_drops())
    }

    fn ring(&self) -> Result<SharedRing, Error> {
        // Not `ok_or`: that builds and drops an error on each call, 23 instructions for each record.
        let Some(ring) = self.lock.ring() else { return Err(Error::Forked) };
        self.check_whole().map(|()| ring)
    }

    /// Whether everything that was read so far came from the ring's file.
    fn check_whole(&self) -> Result<(), Error> {
        if self.session.is_whole() {
            return Ok(());
        }
        if let Some(ring) = self.session.ring() {
            // For producers that touch nothing of what is gone: it is written into the header.
            self.session.look_at_size(&ring);
        }
        Err(self.session.truncated())
    }

    /// Gives out the entry at the top of the merge.
    fn hand_out(&mut self, ring: &SharedRing) -> Entry<'_> {
        self.acks.count_entry();
        let lane = self.merge.give_top().unwrap_or(0);
        self.lanes.mark_dirty(lane);
        // A gap has no time of its own. One that is found late shows the time of the entry before it.
        let mut earliest = 0;
        match self.lanes.reader_mut(lane).give_head(self.merge.scan_ticks(), &mut self.blocks) {
            Given::Record { ticks, is_described } => {
                self.totals.count_record(self.merge.note_ticks(ticks), is_described);
            }
            Given::Gap { is_damage, laneless_drops } => {
                earliest = self.merge.last_unix_ns();
                laneless_drops.into_iter().for_each(|gap| self.totals.count_laneless_drops(gap));
                if is_damage {
                    self.totals.count_damage();
                }
            }
            Given::Exit { process, cause } => {
                self.totals.count_exit(cause);
                self.exits.exit_given(&mut self.lanes, process);
            }
        }
        let mut entry = self.lanes.reader(lane).entry(ring, &mut self.dictionary);
        entry.unix_ns = self.merge.smooth_unix_ns(entry.unix_ns.max(earliest));
        entry
    }
}
