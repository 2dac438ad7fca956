//! Which numbered records came, and which are missing, doubled or out of order.
//!
//! `ringlog verify` and `ringlog demo` use it on outputs, and so do the tests and the soak. It knows numbers only:
//! neither rings nor formats.
//!
//! * [`Series`]: one row of numbers that count up from 0, the basis of the others.
//! * [`Producers`]: one series of each producer, for records that carry their producer's own numbers.
//! * [`Account`]: a whole output by the ids in it. It tolerates losses that the output reports, and finds all others.
//! * [`LaneBook`]: one lane whose producer's calls are known from elsewhere, so that each refused call has to be
//!   reported too, and what a killed writer wrote may come again.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod account;
mod calls;
mod lane_book;
mod producers;
mod series;

pub use account::{Account, Entry, Fault, Finding, LaneEnd, Owner, Place, Sums, What, is_refusal};
pub use calls::Calls;
pub use lane_book::{Arrived, LaneBook, Record};
pub use producers::Producers;
pub use series::{Arrival, Series};
