//! What is reported between a lane's records: gaps, and unclean exits of its owners.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::reader::consumer::moment::Moment;
use crate::reader::entry::{Body, ExitCause, Gap, GapReason, LaneEnd, UncleanExit};
use crate::reader::origin::Origin;
use crate::ring::exit_history::ExitHistory;
use crate::shm::drops::{Drops, LanelessReason};

/// A gap or an unclean exit, waiting for its place between two records.
#[derive(Debug)]
pub(super) struct Notice {
    pub(super) kind: NoticeKind,
    /// The owner concerned; the current block's if `None`.
    pub(super) origin: Option<Arc<Origin>>,
    /// When it was observed; at the time of the record before it, if `None`, or of the scan that found it.
    pub(super) moment: Option<Moment>,
}

#[derive(Debug)]
pub(super) enum NoticeKind {
    Gap {
        gap: Gap,
        /// The lane's counters of drops, as far as this notice and those before it report them.
        drops: Drops,
    },
    /// The unclean exit of a process.
    Exit { cause: ExitCause, lanes: Vec<LaneEnd> },
}

/// An unclean exit of a lane's owner, behind all of its records. The report of its process names it.
#[derive(Debug)]
pub(in crate::reader::consumer) struct OwnerExit {
    pub(in crate::reader::consumer) incarnation: u32,
    /// The owner, if its name is known.
    pub(in crate::reader::consumer) owner: Option<Arc<Origin>>,
    /// Sequence of its last record, if it published any; `None` if that is not known any more.
    pub(in crate::reader::consumer) last_sequence: Option<Option<u64>>,
}

impl Notice {
    pub(super) fn body(&self) -> Body<'_> {
        match &self.kind {
            NoticeKind::Gap { gap, .. } => Body::Gap(*gap),
            NoticeKind::Exit { cause, lanes } => Body::UncleanExit(UncleanExit { cause: *cause, lanes }),
        }
    }

    /// Drops of threads without a lane that the notice reports.
    pub(super) fn laneless_drops(&self) -> Option<Gap> {
        match self.kind {
            NoticeKind::Gap { gap, .. } if gap.reason.is_refusal() || gap.reason == GapReason::Left => {
                self.origin.as_ref().filter(|origin| !origin.is_known()).map(|_| gap)
            }
            _ => None,
        }
    }
}

/// The notices of one lane. Drops are *observed* when a notice is queued or is found needless, and *reported* when it
/// has been given out. An exit is observed when it is proved and all of the owner's records have been given out, and
/// reported with its process.
#[derive(Debug)]
pub(super) struct Notices {
    waiting: VecDeque<Notice>,
    /// The lane's counters of drops, which only grow.
    drops_observed: Drops,
    drops_reported: Drops,
    /// Whether the reasons of what was reported may be older than its number: a consumer that was killed may have
    /// stored only the number, in a cursor.
    may_lack_reasons: bool,
    /// The incarnation up to which exits have been observed, and reported.
    exits_observed: u32,
    exits_reported: u32,
    /// The incarnation up to which nothing has to be reported, but for `unreported`.
    exits_settled: u32,
    /// The incarnations, in order, whose exits are observed and not reported.
    unreported: Vec<u32>,
    /// Those of them that have not been taken.
    exits: Vec<OwnerExit>,
}

impl Notices {
    pub(super) fn new(drops_reported: Drops, exits_reported: u32) -> Notices {
        Notices {
            waiting: VecDeque::new(),
            drops_observed: drops_reported,
            drops_reported,
            may_lack_reasons: drops_reported.all != 0,
            exits_observed: exits_reported,
            exits_reported,
            exits_settled: exits_reported,
            unreported: Vec::new(),
            exits: Vec::new(),
        }
    }

    #[inline]
    pub(super) fn pop(&mut self) -> Option<Notice> {
        self.waiting.pop_front()
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn push_gap(&mut self, count: u64, reason: GapReason, origin: Option<Arc<Origin>>) {
        let kind = NoticeKind::Gap { gap: Gap { count, reason }, drops: self.drops_observed };
        self.waiting.push_back(Notice { kind, origin, moment: None });
    }

    /// Queues a gap for each reason for which the lane has dropped records since the last one.
    pub(super) fn observe_drops(&mut self, counter: Drops, owner: Option<Arc<Origin>>) {
        let may_lack_reasons = std::mem::replace(&mut self.may_lack_reasons, false);
        if self.has_new_drops(counter.all) {
            self.push_drops(counter, owner);
        } else if may_lack_reasons && self.waiting.is_empty() && counter.all == self.drops_observed.all {
            self.drops_observed = counter;
            self.drops_reported = counter;
        }
    }

    /// The same for the first `all` drops, those of earlier owners. The reasons in `counter` may be those of later
    /// drops, so they are used only for as many.
    pub(super) fn observe_earlier_drops(&mut self, all: u64, counter: Drops, owner: Option<Arc<Origin>>) {
        let all = all.min(counter.all);
        if self.has_new_drops(all) {
            self.push_drops(Drops { all, ..counter }, owner);
        }
    }

    fn push_drops(&mut self, counter: Drops, owner: Option<Arc<Origin>>) {
        let new = counter.since(self.drops_observed).into_iter().filter(|(_, count)| *count > 0);
        for (reason, count) in new {
            self.drops_observed = self.drops_observed.after(reason, count);
            self.push_gap(count, reason.into(), owner.clone());
        }
    }

    /// Whether the counter has grown. One that has gone back was damaged: a distance of half of all numbers or more
    /// counts as backwards.
    pub(super) fn has_new_drops(&self, counter: u64) -> bool {
        let observed = self.drops_observed.all;
        counter > observed && counter - observed < 1 << 63
    }

    /// Queues a gap of threads that have no lane. `origin` stands for them.
    pub(super) fn observe_laneless_drops(&mut self, count: u64, reason: LanelessReason, origin: Arc<Origin>) {
        self.push_gap(count, reason.into(), Some(origin));
    }

    pub(super) fn observe_missing(&mut self, count: u64) {
        self.push_gap(count, GapReason::Missing, None);
    }

    pub(super) fn observe_damage(&mut self, origin: Option<Arc<Origin>>) {
        self.push_gap(1, GapReason::Damaged, origin);
    }

    /// Notes the unclean exit of an owner, behind its last record.
    pub(super) fn observe_exit(&mut self, exit: OwnerExit) {
        if exit.incarnation <= self.exits_observed {
            return;
        }
        self.exits_observed = exit.incarnation;
        self.await_report(exit.incarnation);
        self.exits.push(exit);
    }

    /// The exits observed since the last call, in order.
    pub(super) fn take_exits(&mut self) -> Vec<OwnerExit> {
        std::mem::take(&mut self.exits)
    }

    /// Notes that the exit of this incarnation is to be reported. Returns false if it has been.
    pub(super) fn await_report(&mut self, incarnation: u32) -> bool {
        if incarnation <= self.exits_reported {
            return false;
        }
        if let Err(at) = self.unreported.binary_search(&incarnation) {
            self.unreported.insert(at, incarnation);
        }
        true
    }

    /// Queues the report of a process, of which this is the lane.
    pub(super) fn push_exit(
        &mut self,
        process: Arc<Origin>,
        cause: ExitCause,
        lanes: Vec<LaneEnd>,
        moment: Moment,
    ) {
        let kind = NoticeKind::Exit { cause, lanes };
        self.waiting.push_back(Notice { kind, origin: Some(process), moment: Some(moment) });
    }

    /// The incarnations before `before` that exited uncleanly and have not been observed. `read` is the incarnation
    /// whose blocks were read last. It is among them also where the history does not reach back to it: had it
    /// closed the lane, its last block would have said so.
    pub(super) fn unobserved_exits(&self, history: ExitHistory, read: u32, before: u32) -> Vec<u32> {
        let is_forgotten = read > self.exits_observed && read < before && history.has_forgotten(read);
        let read = is_forgotten.then_some(read);
        read.into_iter().chain(history.between(self.exits_observed, before)).collect()
    }

    pub(super) fn exits_observed(&self) -> u32 {
        self.exits_observed
    }

    pub(super) fn exits_reported(&self) -> u32 {
        self.exits_reported
    }

    pub(super) fn drops_reported(&self) -> Drops {
        self.drops_reported
    }

    /// Notes that the owner closed the lane, so that its exit, and those before it that have not been observed, need no
    /// report.
    pub(super) fn skip_exit(&mut self, incarnation: u32) {
        self.exits_observed = self.exits_observed.max(incarnation);
        self.settle_exit(incarnation);
    }

    /// Notes that nothing of the exit of this incarnation is left to be reported. The lane counts as reported up to the
    /// first one of which something is.
    pub(super) fn settle_exit(&mut self, incarnation: u32) {
        self.unreported.retain(|unreported| *unreported != incarnation);
        self.exits_settled = self.exits_settled.max(incarnation);
        let first = self.unreported.first().map_or(u32::MAX, |first| first - 1);
        self.exits_reported = self.exits_reported.max(self.exits_settled.min(first));
    }

    /// Notes that a notice has been given out.
    pub(super) fn reported(&mut self, notice: &Notice) {
        match notice.kind {
            NoticeKind::Gap { drops, .. } => self.drops_reported = drops,
            NoticeKind::Exit { .. } => {
                let incarnation = notice.origin.as_ref().map_or(0, |origin| origin.incarnation);
                // Earlier owners whose exits are unreported were threads of other processes, which are reported in
                // their own lanes.
                self.exits_reported = self.exits_reported.max(incarnation);
                self.settle_exit(incarnation);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next_gap(notices: &mut Notices) -> Option<(u64, GapReason)> {
        let notice = notices.pop()?;
        notices.reported(&notice);
        match notice.kind {
            NoticeKind::Gap { gap, .. } => Some((gap.count, gap.reason)),
            NoticeKind::Exit { .. } => None,
        }
    }

    #[test]
    fn drops_are_reported_once_and_by_difference() {
        let drops = |all| Drops { all, reasons: 0 };
        let mut notices = Notices::new(drops(10), 0);
        for counter in [10, 12, 12, 15] {
            notices.observe_drops(drops(counter), None);
        }
        notices.observe_drops(drops(3), None);
        notices.observe_drops(drops(1 << 63 | 20), None);
        assert_eq!(next_gap(&mut notices), Some((2, GapReason::Dropped)));
        assert_eq!(notices.drops_reported(), drops(12));
        assert_eq!(next_gap(&mut notices), Some((3, GapReason::Dropped)));
        assert_eq!((notices.drops_reported(), next_gap(&mut notices)), (drops(15), None));
    }

    #[test]
    fn each_reason_for_drops_has_its_gap() {
        let mut notices = Notices::new(Drops::default(), 0);
        let counter = Drops { all: 6, reasons: crate::shm::layout::pair(2, 1) };
        notices.observe_drops(counter, None);
        let expected = [(3, GapReason::Dropped), (2, GapReason::Nested), (1, GapReason::Unfit)];
        assert_eq!(expected.map(|_| next_gap(&mut notices)), expected.map(Some));
        assert_eq!(notices.drops_reported(), counter);
        // The file has them, but its writer was killed before it wrote the reasons into the ring.
        let mut notices = Notices::new(Drops { all: 6, reasons: 0 }, 0);
        notices.observe_drops(counter, None);
        notices.observe_drops(Drops { all: 7, ..counter }, None);
        assert_eq!(next_gap(&mut notices), Some((1, GapReason::Dropped)));
    }

    /// The block of a new owner names its own reasons beside what was dropped before.
    #[test]
    fn reasons_of_a_new_owner_are_not_taken_for_reported() {
        let nested = |count| crate::shm::layout::pair(count, 0);
        for before in [0, 5] {
            let reported = Drops { all: before, reasons: 0 };
            let mut notices = Notices::new(reported, 0);
            notices.observe_drops(reported, None);
            let counter = Drops { all: before + 1, reasons: nested(1) };
            notices.observe_earlier_drops(before, counter, None);
            notices.observe_drops(counter, None);
            assert_eq!(next_gap(&mut notices), Some((1, GapReason::Nested)), "{before} before");
            // The reason of a drop that is being counted, ahead of its number.
            notices.observe_drops(Drops { all: before + 1, reasons: nested(2) }, None);
            notices.observe_drops(Drops { all: before + 2, reasons: nested(2) }, None);
            assert_eq!(next_gap(&mut notices), Some((1, GapReason::Nested)), "{before} before");
        }
    }

    fn observe(notices: &mut Notices, incarnation: u32) -> usize {
        notices.observe_exit(OwnerExit { incarnation, owner: None, last_sequence: None });
        notices.take_exits().len()
    }

    fn give(notices: &mut Notices, incarnation: u32) {
        let process = Arc::new(Origin { process_lane: (4, incarnation), ..Origin::unknown(4, incarnation) });
        notices.push_exit(process, ExitCause::Unknown, Vec::new(), Moment::default());
        let notice = notices.pop().unwrap();
        notices.reported(&notice);
    }

    #[test]
    fn an_exit_is_observed_once() {
        let mut notices = Notices::new(Drops::default(), 2);
        assert_eq!([2, 3, 3].map(|incarnation| observe(&mut notices, incarnation)), [0, 1, 0]);
        assert_eq!(notices.exits_reported(), 2);
        give(&mut notices, 3);
        assert_eq!(notices.exits_reported(), 3);
        notices.skip_exit(7);
        assert_eq!((observe(&mut notices, 7), notices.exits_reported()), (0, 7));
    }

    #[test]
    fn what_comes_later_passes_over_no_unreported_exit() {
        let mut notices = Notices::new(Drops::default(), 0);
        for incarnation in [2, 3, 5] {
            assert_eq!(observe(&mut notices, incarnation), 1);
        }
        // A later owner closes the lane; the third, a thread, is reported with its process.
        notices.skip_exit(6);
        notices.settle_exit(3);
        assert_eq!(notices.exits_reported(), 1);
        give(&mut notices, 2);
        assert_eq!(notices.exits_reported(), 4);
        assert!(!notices.await_report(4) && notices.await_report(5));
        notices.settle_exit(5);
        assert_eq!(notices.exits_reported(), 6);
    }

    #[test]
    fn a_process_is_reported_before_threads_of_others_in_its_lane() {
        let mut notices = Notices::new(Drops::default(), 0);
        for incarnation in [1, 2] {
            observe(&mut notices, incarnation);
        }
        give(&mut notices, 2);
        assert_eq!(notices.exits_reported(), 2, "so that the next consumer does not report it again");
    }

    #[test]
    fn an_exit_before_the_history_is_one_if_its_blocks_were_read() {
        let notices = Notices::new(Drops::default(), 1);
        let history = ExitHistory::decode(crate::shm::layout::pair(50, 0));
        assert_eq!(notices.unobserved_exits(history, 2, 60), [2, 50]);
        assert_eq!(notices.unobserved_exits(history, 1, 60), [50]);
        assert_eq!(notices.unobserved_exits(history, 50, 50), [0; 0]);
    }
}
