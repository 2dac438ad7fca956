//! The limit for the closed files of all handlers together.
//!
//! Each sink deletes its own files, in its own thread: so no file is deleted while its sink renames it. The sinks share
//! a list of all closed files. A sink that has closed one tells the list, and learns which of its own are surplus; the
//! others learn that there is something to do for them, and look again at their directories before they delete.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::files::Identity;

/// A closed file, with its archive while that is being made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClosedFile {
    /// The time of the last write in seconds since 1970.
    pub(crate) modified_s: i64,
    /// The length of both.
    pub(crate) len: u64,
    pub(crate) files: Vec<Identity>,
}

/// The closed files of all sinks, and how many bytes they may have.
#[derive(Debug)]
pub(crate) struct TotalSize {
    max: u64,
    shares: Mutex<Vec<Listed>>,
}

/// The closed files of a sink, oldest first.
#[derive(Debug, Default)]
struct Listed {
    closed: Vec<ClosedFile>,
    /// Whether some of them are surplus.
    is_due: bool,
}

impl TotalSize {
    pub(crate) fn new(max: u64) -> Arc<TotalSize> {
        Arc::new(TotalSize { max, shares: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Listed>> {
        // Each change of the lists is whole before anything could panic.
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The part of one sink.
#[derive(Debug)]
pub(crate) struct TotalShare {
    total: Arc<TotalSize>,
    number: usize,
}

impl TotalShare {
    pub(crate) fn new(total: &Arc<TotalSize>) -> TotalShare {
        let mut shares = total.lock();
        shares.push(Listed::default());
        TotalShare { total: total.clone(), number: shares.len() - 1 }
    }

    /// Lists the closed files of this sink, oldest first. Returns those of them that are surplus.
    pub(crate) fn list(&self, closed: Vec<ClosedFile>) -> Vec<Identity> {
        let mut shares = self.total.lock();
        if let Some(own) = shares.get_mut(self.number) {
            own.closed = closed;
        }
        let lists: Vec<&[ClosedFile]> = shares.iter().map(|share| &share.closed[..]).collect();
        let surplus = surplus(&lists, self.total.max);
        let mut own = Vec::new();
        for (number, (share, count)) in shares.iter_mut().zip(surplus).enumerate() {
            if number == self.number {
                share.is_due = false;
                own = share.closed.iter().take(count).flat_map(|closed| closed.files.clone()).collect();
            } else {
                share.is_due = count > 0;
            }
        }
        own
    }

    /// Whether closed files of this sink are surplus, by what was last listed.
    pub(crate) fn is_due(&self) -> bool {
        self.total.lock().get(self.number).is_some_and(|share| share.is_due)
    }
}

impl Drop for TotalShare {
    fn drop(&mut self) {
        // The numbers of the others stay.
        if let Some(own) = self.total.lock().get_mut(self.number) {
            *own = Listed::default();
        }
    }
}

/// How many of the files in each list are to be deleted, from its start, so that all that stay have at most `max`
/// bytes: always the oldest of those that come first in their lists. A file is as old as any that was closed after it,
/// also where the clock was ahead meanwhile.
fn surplus(lists: &[&[ClosedFile]], max: u64) -> Vec<usize> {
    let all = lists.iter().flat_map(|list| list.iter());
    let mut bytes = all.fold(0_u64, |bytes, closed| bytes.saturating_add(closed.len));
    let mut counts = vec![0; lists.len()];
    let closed_s = |list: &[ClosedFile]| list.iter().map(|closed| closed.modified_s).min();
    while bytes > max {
        let firsts = lists.iter().zip(&counts).enumerate();
        let oldest = firsts.filter_map(|(number, (list, count))| {
            Some((number, list.get(*count)?, closed_s(&list[*count..])))
        });
        let Some((number, closed, _)) = oldest.min_by_key(|(.., closed_s)| *closed_s) else { break };
        counts[number] += 1;
        bytes = bytes.saturating_sub(closed.len);
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed(ino: u64, modified_s: i64, len: u64) -> ClosedFile {
        ClosedFile { modified_s, len, files: vec![Identity { dev: 1, ino, born_ns: 0 }] }
    }

    #[test]
    fn the_oldest_of_all_files_are_surplus() {
        let one = [closed(1, 10, 5), closed(2, 30, 5), closed(3, 50, 5)];
        let other = [closed(4, 20, 7), closed(5, 40, 7)];
        let none: &[ClosedFile] = &[];
        let of = |max| surplus(&[&one, none, &other], max);
        assert_eq!(of(29), [0, 0, 0]);
        assert_eq!(of(28), [1, 0, 0]);
        assert_eq!(of(24), [1, 0, 0]);
        assert_eq!(of(23), [1, 0, 1]);
        assert_eq!(of(16), [2, 0, 1]);
        assert_eq!(of(11), [2, 0, 2]);
        assert_eq!(of(0), [3, 0, 2]);
        // Within a list the order of closing counts, whatever the clock said.
        let ahead = [closed(1, 99, 5), closed(2, 30, 5)];
        for (max, expected) in [(24, [0, 0]), (17, [0, 1]), (16, [1, 1]), (11, [2, 1]), (6, [2, 2])] {
            assert_eq!(surplus(&[&ahead, &other], max), expected, "{max}");
        }
        assert_eq!(surplus(&[&[closed(1, 1, u64::MAX), closed(2, 2, 9)]], 9), [1]);
    }

    #[test]
    fn each_sink_learns_of_its_own_surplus() {
        let total = TotalSize::new(10);
        let [one, other] = [(); 2].map(|()| TotalShare::new(&total));
        assert_eq!(one.list(vec![closed(1, 1, 4), closed(2, 3, 4)]), []);
        assert!(!one.is_due() && !other.is_due());
        // Files of the first are the oldest, and the second has closed one.
        assert_eq!(other.list(vec![closed(3, 2, 4), closed(4, 9, 4)]), [closed(3, 2, 4).files[0]]);
        assert!(one.is_due() && !other.is_due());
        // Compressed meanwhile, it is not surplus any more.
        assert_eq!(one.list(vec![closed(5, 1, 1), closed(6, 3, 1)]), []);
        assert!(!one.is_due() && !other.is_due());
        assert_eq!(
            one.list(vec![closed(5, 1, 1), closed(6, 3, 9)]),
            [closed(5, 1, 1).files[0], closed(6, 3, 9).files[0]]
        );
        assert!(other.is_due());
        // A sink that has ended counts no more.
        drop(one);
        assert_eq!(other.list(vec![closed(3, 2, 4), closed(4, 9, 4)]), []);
        assert_eq!(TotalShare::new(&total).number, 2);
    }
}
