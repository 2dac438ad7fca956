//! The calls of a thread that logs, and which of their records must have come.

use std::ops::RangeInclusive;

/// The calls of one thread, which counts each before it is made, and its outcome with one store afterwards. So of a
/// thread that was killed at most one call is open: its record may have been published or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calls {
    /// Calls that were begun.
    pub begun: u64,
    /// Calls whose outcome was noted: as many, or one fewer.
    pub done: u64,
    /// Of those, the refused ones.
    pub refused: u64,
}

impl Calls {
    /// How many calls were refused after the last record that came: `received` records have come, and `reported`
    /// refused calls before the last one.
    ///
    /// # Errors
    /// What does not fit: numbers that contradict each other, records that are missing, or too many of them.
    pub fn left_behind(self, received: u64, reported: u64) -> Result<RangeInclusive<u64>, String> {
        let Calls { begun, done, refused } = self;
        let open =
            begun.checked_sub(done).filter(|open| *open <= 1).ok_or("its numbers contradict each other")?;
        let published = done - refused;
        let beyond = received
            .checked_sub(published)
            .ok_or_else(|| format!("{published} records were published, but {received} have come"))?;
        if beyond > open {
            return Err(format!(
                "{published} records were published and {open} perhaps, but {received} have come"
            ));
        }
        let least =
            refused.checked_sub(reported).ok_or("more refused calls were reported than there were")?;
        Ok(least..=least + open - beyond)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_killed_thread_leaves_at_most_one_call_open() {
        let calls = |begun, done, refused| Calls { begun, done, refused };
        assert_eq!(calls(5, 5, 2).left_behind(3, 1), Ok(1..=1));
        assert_eq!(calls(6, 5, 2).left_behind(3, 2), Ok(0..=1), "the open call was refused, or nothing");
        assert_eq!(calls(6, 5, 2).left_behind(4, 2), Ok(0..=0), "the open call was published");
        let missing = calls(5, 5, 2).left_behind(2, 2).unwrap_err();
        assert!(missing.contains("3 records were published, but 2"));
        assert!(calls(5, 5, 2).left_behind(4, 2).unwrap_err().contains("perhaps"));
        assert!(calls(5, 5, 2).left_behind(3, 3).is_err());
        assert!(calls(7, 5, 2).left_behind(3, 2).is_err());
    }
}
