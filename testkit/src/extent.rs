//! How many of a test's cases run.
//!
//! An exhaustive test goes through every instruction or every system call. It is marked
//! `#[ignore = "exhaustive: run by cargo x prove"]`, and has a sibling that takes a sample of the same cases,
//! so that the quick tests show the promise too.

use std::sync::atomic::{AtomicUsize, Ordering};

/// How many cases run at the same time: those that start processes mostly wait for them.
const CASES_AT_A_TIME: usize = 3;

/// Which of its cases a test runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of them.
    Every,
    /// About so many, spread over all of them, the first and the last among them.
    Sample(usize),
}

impl Extent {
    /// The cases that run.
    pub fn of<T>(self, cases: Vec<T>) -> Vec<T> {
        let all = cases.len();
        let Extent::Sample(count) = self else { return cases };
        if all <= count {
            return cases;
        }
        let chosen = |at: usize| {
            // The `n`th of `count` is `n * (all - 1) / (count - 1)`; `at` is chosen if one falls on it.
            let steps = count.max(2) - 1;
            let n = (at * steps).div_ceil(all - 1);
            n * (all - 1) / steps == at
        };
        cases.into_iter().enumerate().filter(|(at, _)| chosen(*at)).map(|(_, case)| case).collect()
    }

    /// Whether all cases run.
    pub fn is_every(self) -> bool {
        self == Extent::Every
    }
}

/// Runs all cases, several at a time.
pub fn run_cases<T: Sync>(cases: &[T], run: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..CASES_AT_A_TIME {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    run(case);
                }
            });
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_the_first_the_last_and_as_many_as_asked() {
        for (all, count) in [(10, 3), (100, 7), (433, 40), (5, 5), (3, 40), (1, 1)] {
            let chosen = Extent::Sample(count).of((0..all).collect());
            assert_eq!(chosen.len(), count.min(all), "{all} {count}");
            assert_eq!((chosen.first(), chosen.last()), (Some(&0), Some(&(all - 1))));
        }
        assert_eq!(Extent::Every.of(vec![1, 2, 3]), [1, 2, 3]);
    }
}
