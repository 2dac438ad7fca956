//! One row of numbers that count up from 0.

use std::ops::RangeInclusive;

/// How a number came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The one after the highest so far.
    Next,
    /// Higher than that: these have not come yet.
    Ahead(RangeInclusive<u64>),
    /// Lower than the highest so far, and out of a hole that was [awaited](Series::await_late).
    Late,
    /// Lower than the highest so far, and not awaited: it is there already.
    Doubled,
}

/// Consecutive numbers that have not come, and the place before which they ought to be.
#[derive(Clone, Copy, Debug)]
struct Hole<P> {
    from: u64,
    to: u64,
    place: P,
}

/// The numbers that came of one row, in a few words of memory unless there are holes in it. Holes have a place of
/// the type `P`.
#[derive(Clone, Debug)]
pub struct Series<P> {
    next: u64,
    holes: Vec<Hole<P>>,
}

impl<P> Default for Series<P> {
    fn default() -> Self {
        Series { next: 0, holes: Vec::new() }
    }
}

impl<P: Copy> Series<P> {
    /// The number that comes next if none is missing.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Takes a number.
    pub fn take(&mut self, number: u64) -> Arrival {
        let next = self.next;
        if number < next {
            return if self.fill(number) { Arrival::Late } else { Arrival::Doubled };
        }
        self.next = number.saturating_add(1);
        if number == next { Arrival::Next } else { Arrival::Ahead(next..=number - 1) }
    }

    /// Learns that there are `end` numbers, so the last is one less. Returns those that have not come.
    pub fn end(&mut self, end: u64) -> Option<RangeInclusive<u64>> {
        let next = self.next;
        self.next = next.max(end);
        (next < end).then(|| next..=end - 1)
    }

    /// Keeps a hole, because its numbers may still come.
    pub fn await_late(&mut self, missing: RangeInclusive<u64>, place: P) {
        self.holes.push(Hole { from: *missing.start(), to: *missing.end(), place });
    }

    /// The numbers that are still awaited, and where they ought to be.
    pub fn holes(&self) -> impl Iterator<Item = (RangeInclusive<u64>, P)> {
        self.holes.iter().map(|hole| (hole.from..=hole.to, hole.place))
    }

    /// Takes a number that comes late out of its hole; false if there is none.
    fn fill(&mut self, number: u64) -> bool {
        let Some(at) = self.holes.iter().position(|hole| (hole.from..=hole.to).contains(&number)) else {
            return false;
        };
        let hole = self.holes.swap_remove(at);
        if hole.from < number {
            self.holes.push(Hole { to: number - 1, ..hole });
        }
        if number < hole.to {
            self.holes.push(Hole { from: number + 1, ..hole });
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_next_ahead_late_or_doubled() {
        let mut series = Series::default();
        assert_eq!(series.take(0), Arrival::Next);
        let Arrival::Ahead(missing) = series.take(4) else { panic!("three are missing") };
        assert_eq!(missing, 1..=3);
        series.await_late(missing, 'a');
        assert_eq!(series.take(2), Arrival::Late);
        assert_eq!(series.take(2), Arrival::Doubled);
        assert_eq!(series.take(5), Arrival::Next);
        let mut holes: Vec<_> = series.holes().collect();
        holes.sort_by_key(|(range, _)| *range.start());
        assert_eq!(holes, [(1..=1, 'a'), (3..=3, 'a')]);
        assert_eq!((series.next(), series.end(6), series.end(8)), (6, None, Some(6..=7)));
    }

    #[test]
    fn a_hole_that_is_not_awaited_is_given_up() {
        let mut series = Series::<()>::default();
        assert_eq!(series.take(3), Arrival::Ahead(0..=2));
        assert_eq!(series.take(1), Arrival::Doubled);
    }
}
