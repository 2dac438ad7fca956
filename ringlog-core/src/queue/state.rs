//! What this process knows as a getter.

use std::time::{Duration, Instant};

use crate::reader::consumer::Consumer;

/// How often claims of dead getters are looked for while there are items.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What this process knows as a getter.
#[derive(Debug, Default)]
pub(super) struct Getter {
    /// There once this process has attached, and while no thread is using it.
    pub(super) consumer: Option<Consumer>,
    /// When claims were last looked for although there were items.
    looked: Option<Instant>,
}

impl Getter {
    /// Has claims looked for before the next item.
    pub(super) fn look_again(&mut self) {
        self.looked = None;
    }

    /// Whether claims are to be looked for before the next item: now and then, because that asks the kernel. Where
    /// there is no item it is always done.
    pub(super) fn is_look_due(&mut self) -> bool {
        let is_due = self.looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY);
        if is_due {
            self.looked = Some(Instant::now());
        }
        is_due
    }
}
