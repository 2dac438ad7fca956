//! The consumer of a queue: several processes have one each and take turns. Each shares the lock that keeps an ordinary
//! consumer out, and touches the ring only while it has the role of the getter.

use std::time::Duration;

use super::exit_watch::ExitWatch;
use super::lock::{self, ConsumerLock};
use super::name_watch::NameWatch;
use super::process_watch::ProcessWatch;
use super::scan::Scans;
use super::{Acks, BlockTable, Consumer, LaneTable, Merge, Totals};
use crate::error::Error;
use crate::os::ofd_lock::Mode;
use crate::reader::entry::Entry;
use crate::ring::by_name::Attached;
use crate::shm::wakeup;

/// How often the ring is scanned for an entry that has been found and cannot be given out yet.
const SCANS_MAX: u32 = 4;
/// How long an entry that no scan can give out yet is waited for, before the next scan.
const PAUSE: Duration = Duration::from_micros(50);

impl Consumer {
    /// The consumer of one process of a queue. The caller has the role.
    pub(crate) fn for_queue(session: Attached) -> Result<Consumer, Error> {
        let ring = session.ring().ok_or(Error::Forked)?;
        let probe = session.lock_file.probe().map_err(|e| Error::io("probe", session.lock_file.path(), e))?;
        let lock = ConsumerLock::take(session.clone(), &ring, Mode::Shared)?;
        let processes = ProcessWatch::blind(&ring, session.lock_file.identity());
        let mut consumer = Consumer::begin(session, lock, probe, NameWatch::new(), processes, &ring);
        consumer.set_grace(Duration::ZERO);
        Ok(consumer)
    }

    /// Begins anew where the ring's progress is: another process has taken out items meanwhile.
    pub(crate) fn catch_up(&mut self) -> Result<(), Error> {
        let ring = self.ring()?;
        self.blocks = BlockTable::new(&ring);
        self.lanes = LaneTable::new(&ring);
        self.merge = Merge::new(&self.session.info);
        self.merge.set_grace(Duration::ZERO);
        self.acks = Acks::default();
        self.totals = Totals::read(&ring);
        self.scans = Scans::new(ring.geometry().block_count);
        let processes = ProcessWatch::blind(&ring, self.session.lock_file.identity());
        let mut exits = ExitWatch::new(&ring, self.session.info.clock, Self::RECLAIM_INTERVAL, processes);
        exits.keep_due_of(&self.exits);
        self.exits = exits;
        Ok(())
    }

    /// Writes into the header that this process is the one that takes out items.
    pub(crate) fn name_in_header(&self) -> Result<(), Error> {
        lock::write_holder(&self.ring()?);
        Ok(())
    }

    /// Announces blocks that a getter may have freed before it was killed.
    pub(crate) fn announce_for_dead(&self) -> Result<(), Error> {
        let ring = self.ring()?;
        wakeup::announce_freed(&ring, ring.geometry().block_count.into());
        Ok(())
    }

    /// Whether there is a record that can be given out now. Acknowledges notices before it and passes over them.
    pub(crate) fn has_record(&mut self) -> Result<bool, Error> {
        let ring = self.ring()?;
        self.advance_top(&ring);
        let mut scans = 0;
        loop {
            if !self.has_entry(&ring)? {
                // An entry that came during the scan, or whose place among the blocks only another scan shows.
                if scans == SCANS_MAX || (scans > 0 && self.lanes.are_empty()) {
                    return Ok(false);
                }
                scans += 1;
                self.scan(&ring);
                continue;
            }
            let lane = self.merge.top().unwrap_or(0);
            if self.lanes.reader(lane).head_is_record() {
                return Ok(true);
            }
            self.hand_out(&ring);
            self.ack()?;
            self.advance_top(&ring);
        }
    }

    /// Gives out the record that [`has_record`](Self::has_record) has found.
    pub(crate) fn give_record(&mut self) -> Result<Entry<'_>, Error> {
        let ring = self.ring()?;
        Ok(self.hand_out(&ring))
    }

    /// Finds all that is in the ring now. Twice: where a block belongs may show in the second scan only.
    pub(crate) fn look(&mut self) -> Result<(), Error> {
        let ring = self.ring()?;
        self.scan(&ring);
        self.scan(&ring);
        Ok(())
    }

    /// Whether a record can be given out that the last scan has found.
    pub(crate) fn has_found_record(&mut self) -> Result<bool, Error> {
        let ring = self.ring()?;
        self.advance_top(&ring);
        let top = self.merge.due();
        Ok(top.is_some_and(|lane| self.lanes.reader(lane).head_is_record()))
    }

    /// Sleeps until something may have been put, `most` at most. Not if something has been found.
    pub(crate) fn doze(&mut self, most: Duration) -> Result<(), Error> {
        let ring = self.ring()?;
        if self.lanes.are_empty() {
            self.sleep(&ring, most);
        } else {
            // An entry whose time stamp lies ahead, or whose block could not be placed yet.
            std::thread::sleep(PAUSE.min(most));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::queue::Queue;
    use crate::shm::layout::header;
    use crate::shm::sync::Ordering;

    /// Sleeps for longer than a queue's getter does, so that nothing else wakes it.
    #[test]
    fn a_put_wakes_a_getter_that_sleeps() {
        const LONG: Duration = Duration::from_secs(60);
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let queue = Queue::options().size("1MiB").create(dir.path().join("queue").to_str().unwrap()).unwrap();
        let mut consumer = Consumer::for_queue(queue.ring().named().attached()).unwrap();
        // Whatever else wakes the consumer, such as a new block, is over with the first item.
        queue.put(b"first", Duration::ZERO).unwrap();
        assert!(consumer.has_record().unwrap());
        consumer.give_record().unwrap();
        consumer.ack().unwrap();
        assert!(!consumer.has_record().unwrap());
        std::thread::scope(|scope| {
            let (tells, told) = std::sync::mpsc::channel();
            let sleeper = scope.spawn(move || {
                tells.send(crate::os::thread::id()).unwrap();
                let begun = Instant::now();
                consumer.doze(LONG).unwrap();
                (consumer.has_record().unwrap(), begun.elapsed())
            });
            let state = format!("/proc/self/task/{}/stat", told.recv().unwrap());
            let is_asleep = || {
                let mut word = 0;
                queue.ring().with_ring(|ring| word = ring.header_word(header::SLEEP).load(Ordering::Relaxed));
                word == 1 && std::fs::read_to_string(&state).unwrap().contains(") S ")
            };
            while !is_asleep() {
                std::thread::yield_now();
            }
            queue.put(b"item", Duration::ZERO).unwrap();
            let (has_record, slept) = sleeper.join().unwrap();
            assert!(has_record && slept < LONG / 2, "{slept:?}");
        });
    }
}
