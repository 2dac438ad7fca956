//! The limit for the closed files of all handlers together.
//!
//! Each sink deletes its own files, in its own thread: so no file is deleted while its sink renames it. The sinks share
//! a list of all closed files. A sink that has closed one tells the list, and learns which of its own are surplus; the
//! others learn that there is something to do for them, and look again at their directories before they delete.
//!
//! What the others have listed may be old by now: compression makes their files smaller. So a sink deletes only by
//! lists that were all made after it has found a surplus; it asks the others for them, and waits for a moment.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::files::FileEntry;

/// How long the lists of other sinks are waited for. One whose disk does not answer makes none.
const LISTS_WITHIN: Duration = Duration::from_secs(2);

/// A closed file, with its archive while that is being made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClosedFile {
    /// The time of the last write in seconds since 1970.
    pub(crate) modified_s: i64,
    /// The length of the longer one: only one of them stays.
    pub(crate) len: u64,
    pub(crate) files: Vec<FileEntry>,
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
    /// When that was so.
    listed_at: Option<Instant>,
    /// Whether its sink should look again: some of the files are surplus, or another sink has to know them.
    is_due: bool,
    /// Since when files of its own are surplus, while the lists of others are waited for.
    waits_since: Option<Instant>,
}

impl Listed {
    /// Whether the list tells what there was at this time, or there was nothing.
    fn is_as_new_as(&self, since: Instant) -> bool {
        self.closed.is_empty() || self.listed_at.is_some_and(|listed_at| listed_at >= since)
    }
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

    /// Lists the closed files of this sink, oldest first. Returns those of them that are surplus; none while the others
    /// are asked for what they have.
    pub(crate) fn list(&self, closed: Vec<ClosedFile>) -> Vec<FileEntry> {
        self.list_at(closed, Instant::now())
    }

    fn list_at(&self, closed: Vec<ClosedFile>, now: Instant) -> Vec<FileEntry> {
        let mut shares = self.total.lock();
        if let Some(own) = shares.get_mut(self.number) {
            (own.closed, own.listed_at) = (closed, Some(now));
        }
        let lists: Vec<&[ClosedFile]> = shares.iter().map(|share| &share.closed[..]).collect();
        let counts = surplus(&lists, self.total.max);
        for (share, count) in shares.iter_mut().zip(&counts) {
            share.is_due = *count > 0;
        }
        let count = counts.get(self.number).copied().unwrap_or(0);
        let Some(own) = shares.get_mut(self.number) else { return Vec::new() };
        if count == 0 {
            own.waits_since = None;
            return Vec::new();
        }
        let since = *own.waits_since.get_or_insert(now);
        if !self.may_delete(&shares, since, now) {
            for (number, share) in shares.iter_mut().enumerate() {
                share.is_due |= number == self.number || !share.is_as_new_as(since);
            }
            return Vec::new();
        }
        let Some(own) = shares.get_mut(self.number) else { return Vec::new() };
        (own.is_due, own.waits_since) = (false, None);
        own.closed.iter().take(count).flat_map(|closed| closed.files.clone()).collect()
    }

    /// Replaces the list of this sink after it has deleted files. Those that could not be deleted stay surplus, so that
    /// no other ones are deleted in their place.
    pub(crate) fn update(&self, closed: Vec<ClosedFile>) {
        if let Some(own) = self.total.lock().get_mut(self.number) {
            (own.closed, own.listed_at) = (closed, Some(Instant::now()));
        }
    }

    /// Whether the lists of the others were made since this time, or they are not waited for any more.
    fn may_delete(&self, shares: &[Listed], since: Instant, now: Instant) -> bool {
        let others = shares.iter().enumerate().filter(|(number, _)| *number != self.number);
        now.duration_since(since) >= LISTS_WITHIN
            || others.into_iter().all(|(_, other)| other.is_as_new_as(since))
    }

    /// Whether this sink should list its files again: some are surplus, by what was last listed, or another sink has to
    /// know them.
    pub(crate) fn is_due(&self) -> bool {
        self.is_due_at(Instant::now())
    }

    fn is_due_at(&self, now: Instant) -> bool {
        let shares = self.total.lock();
        shares.get(self.number).is_some_and(|own| {
            own.is_due && own.waits_since.is_none_or(|since| self.may_delete(&shares, since, now))
        })
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
    use crate::rotation::Identity;

    fn closed(ino: u64, modified_s: i64, len: u64) -> ClosedFile {
        let file = Identity { dev: 1, ino, born_ns: 0 };
        let name = format!("{ino}").into();
        ClosedFile {
            modified_s,
            len,
            files: vec![FileEntry { name, file, len, modified_s, is_regular: true }],
        }
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

    /// The inodes of the files that are surplus.
    fn list(share: &TotalShare, closed: &[ClosedFile], now: Instant) -> Vec<u64> {
        share.list_at(closed.to_vec(), now).into_iter().map(|entry| entry.file.ino).collect()
    }

    #[test]
    fn each_sink_learns_of_its_own_surplus() {
        let total = TotalSize::new(10);
        let [one, other] = [(); 2].map(|()| TotalShare::new(&total));
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(list(&one, &[closed(1, 1, 4), closed(2, 3, 4)], at(0)), [0; 0]);
        assert!(!one.is_due_at(at(0)) && !other.is_due_at(at(0)));
        // Files of the first are the oldest, and the second has closed one.
        let of_other = [closed(3, 2, 4), closed(4, 9, 4)];
        assert_eq!(list(&other, &of_other, at(1)), [0; 0], "what the first had may be smaller by now");
        assert!(one.is_due_at(at(1)) && !other.is_due_at(at(1)));
        assert_eq!(list(&one, &[closed(1, 1, 4), closed(2, 3, 4)], at(2)), [0; 0], "the same for the first");
        assert!(!one.is_due_at(at(2)) && other.is_due_at(at(2)));
        assert_eq!(list(&other, &of_other, at(3)), [3]);
        assert!(one.is_due_at(at(3)));
        assert_eq!(list(&one, &[closed(1, 1, 4), closed(2, 3, 4)], at(4)), [1]);
        // Compressed meanwhile, they are not surplus any more.
        assert_eq!(list(&one, &[closed(5, 1, 1), closed(6, 3, 1)], at(5)), [0; 0]);
        assert!(!one.is_due_at(at(5)) && !other.is_due_at(at(5)));
        // A sink that has ended counts no more.
        assert_eq!(list(&one, &[closed(5, 1, 1), closed(6, 3, 9)], at(6)), [0; 0]);
        assert!(other.is_due_at(at(6)));
        drop(one);
        assert_eq!(list(&other, &of_other, at(7)), [0; 0]);
        assert_eq!(TotalShare::new(&total).number, 2);
    }

    #[test]
    fn files_that_were_compressed_meanwhile_cost_no_other_ones() {
        let total = TotalSize::new(500);
        let [one, other] = [(); 2].map(|()| TotalShare::new(&total));
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(list(&other, &[closed(11, 20, 200), closed(12, 30, 200)], at(0)), [0; 0]);
        let of_one: Vec<ClosedFile> = (1..8).map(|ino| closed(ino, ino as i64, 25)).collect();
        assert_eq!(list(&one, &of_one, at(1000)), [0; 0], "175 + 400 are too many, but not any more");
        assert!(other.is_due_at(at(1000)) && !one.is_due_at(at(1000)));
        assert_eq!(list(&other, &[closed(13, 20, 30), closed(14, 30, 30)], at(1100)), [0; 0]);
        assert_eq!(list(&one, &of_one, at(1200)), [0; 0]);
        assert!(!one.is_due_at(at(1200)) && !other.is_due_at(at(1200)));
    }

    #[test]
    fn a_sink_whose_disk_does_not_answer_is_not_waited_for_for_ever() {
        let total = TotalSize::new(10);
        let [one, other] = [(); 2].map(|()| TotalShare::new(&total));
        let start = Instant::now();
        assert_eq!(list(&other, &[closed(11, 20, 8)], start), [0; 0]);
        let soon = start + Duration::from_millis(10);
        assert_eq!(list(&one, &[closed(1, 1, 8)], soon), [0; 0]);
        assert!(!one.is_due_at(soon + LISTS_WITHIN / 2));
        assert!(one.is_due_at(soon + LISTS_WITHIN));
        assert_eq!(list(&one, &[closed(1, 1, 8)], soon + LISTS_WITHIN), [1]);
    }
}
