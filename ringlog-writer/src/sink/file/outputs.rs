//! What a file can be, and what it guarantees as such.

use crate::sink::guarantee::{Guarantee, OutputKind};

/// A regular file with a checkpoint.
pub(in crate::sink) const WITH_CHECKPOINT: OutputKind =
    OutputKind { name: "file with a checkpoint", alone: None, guarantee: Guarantee::ExactlyOnce };
/// A regular file without one.
pub(in crate::sink) const WITHOUT_CHECKPOINT: OutputKind =
    OutputKind { name: "file without a checkpoint", alone: None, guarantee: Guarantee::AtLeastOnce };
/// A pipe or a device.
pub(in crate::sink) const IRREGULAR: OutputKind =
    OutputKind { name: "pipe or device", alone: None, guarantee: Guarantee::AtLeastOnce };
