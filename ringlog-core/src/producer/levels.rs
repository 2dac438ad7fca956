//! The levels in force: what the process's own filter and the rules in the ring give together.

pub(crate) mod effective;
pub(crate) mod gate;
pub(crate) mod known;
pub(crate) mod steering;
