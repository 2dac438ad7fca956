//! What the attempts to push one record have in common.

use std::cell::Cell;
use std::time::Instant;

/// How often a record begins again because the ring was replaced while it was waiting for space.
const MOVES_MAX: u32 = 2;

/// What the attempts to push one record have in common.
#[derive(Default)]
pub(super) struct Attempts<'a> {
    /// Until when the record waits for space, once it does.
    pub deadline: Cell<Option<Instant>>,
    /// How often the record may still begin again.
    pub moves_left: Cell<u32>,
    /// Whether it is to begin again, in the ring that has taken the place of the last one.
    pub has_moved: Cell<bool>,
    /// Whether the record still waits; always, if there is no question.
    goes_on: Option<&'a dyn Fn() -> bool>,
}

impl<'a> Attempts<'a> {
    pub fn new(goes_on: Option<&'a dyn Fn() -> bool>) -> Attempts<'a> {
        Attempts { moves_left: Cell::new(MOVES_MAX), goes_on, ..Attempts::default() }
    }

    /// Whether the record still waits.
    pub fn go_on(&self) -> bool {
        self.goes_on.is_none_or(|goes_on| goes_on())
    }
}
