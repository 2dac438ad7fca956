//! Records that carry their producer and its own number.

use std::collections::BTreeMap;

use crate::series::{Arrival, Series};

/// One series of each producer.
#[derive(Clone, Debug, Default)]
pub struct Producers {
    series: BTreeMap<u32, Series<()>>,
    in_order: u64,
    late: u64,
    doubled: u64,
}

impl Producers {
    /// Takes a record. What it leaves out may still come.
    pub fn take(&mut self, producer: u32, sequence: u64) -> Arrival {
        let series = self.series.entry(producer).or_default();
        let arrival = series.take(sequence);
        match &arrival {
            Arrival::Next => self.in_order += 1,
            Arrival::Ahead(missing) => {
                series.await_late(missing.clone(), ());
                self.in_order += 1;
            }
            Arrival::Late => self.late += 1,
            Arrival::Doubled => self.doubled += 1,
        }
        arrival
    }

    /// One more than the highest number of a producer: how many came of it, if none is missing.
    pub fn of(&self, producer: u32) -> u64 {
        self.series.get(&producer).map_or(0, Series::next)
    }

    /// The same of all producers together.
    pub fn total(&self) -> u64 {
        self.series.values().map(Series::next).sum()
    }

    /// Records that came behind all lower numbers of their producer that ever came.
    pub fn in_order(&self) -> u64 {
        self.in_order
    }

    /// Records that came after a higher number of their producer.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// Records that came again.
    pub fn doubled(&self) -> u64 {
        self.doubled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn producers_have_numbers_of_their_own() {
        let mut producers = Producers::default();
        for (producer, sequence, arrival) in [
            (7, 0, Arrival::Next),
            (9, 0, Arrival::Next),
            (7, 1, Arrival::Next),
            (9, 2, Arrival::Ahead(1..=1)),
            (9, 1, Arrival::Late),
            (7, 1, Arrival::Doubled),
        ] {
            assert_eq!(producers.take(producer, sequence), arrival);
        }
        assert_eq!((producers.of(7), producers.of(9), producers.of(8)), (2, 3, 0));
        assert_eq!(producers.total(), 5);
        assert_eq!((producers.in_order(), producers.late(), producers.doubled()), (4, 1, 1));
    }
}
