//! What outputs guarantee. `--check` and docs/configuration.md take it from here.

/// What a sink guarantees for the records that it has got, whatever becomes of the writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Guarantee {
    /// A record is written once: the sink keeps the rings' positions together with the lines.
    ExactlyOnce,
    /// A record is written, and after a crash possibly twice.
    AtLeastOnce,
    /// Records are not kept in the ring for this sink if another sink gives a better guarantee. Without one, as
    /// `AtLeastOnce`.
    BestEffort,
}

impl Guarantee {
    /// The guarantee of a sink among others. `has_better`: one of them guarantees more than `BestEffort`.
    pub(crate) fn among(self, has_better: bool) -> Guarantee {
        match self {
            Guarantee::BestEffort if !has_better => Guarantee::AtLeastOnce,
            guarantee => guarantee,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Guarantee::ExactlyOnce => "exactly once",
            Guarantee::AtLeastOnce => "at least once",
            Guarantee::BestEffort => "best effort",
        }
    }

    /// What it means when the writer is killed and starts again. A ring does not keep what it dropped because it was
    /// full, nor what other outputs have written without this one.
    pub(crate) fn after_a_kill(self) -> &'static str {
        match self {
            Guarantee::ExactlyOnce => "every record that the rings keep for it is in it exactly once",
            Guarantee::AtLeastOnce => "its last lines may be written twice",
            Guarantee::BestEffort => "lines queued for it are lost, or its last lines are written twice",
        }
    }

    /// What it means when the output cannot be written, or is slow. `has_others`: other outputs may go on without it.
    pub(crate) fn when_slow(self, has_others: bool) -> &'static str {
        match self {
            Guarantee::ExactlyOnce | Guarantee::AtLeastOnce if has_others => {
                "its records wait in the rings; if all rings have the policy `drop` and one is nearly full, others go \
                 on without it, and it lacks records; a full ring drops new ones, or its callers wait, as its policy \
                 says"
            }
            Guarantee::ExactlyOnce | Guarantee::AtLeastOnce => {
                "its records wait in the rings; a full ring drops new ones, or its callers wait, as its policy says"
            }
            Guarantee::BestEffort => {
                "it is waited for until 1 MiB of lines is queued, then records are left out"
            }
        }
    }
}

/// A kind of output, for example a file without a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutputKind {
    pub(crate) name: &'static str,
    /// Its name where no other output guarantees more than `BestEffort`, if that is another one.
    pub(crate) alone: Option<&'static str>,
    pub(crate) guarantee: Guarantee,
}

impl OutputKind {
    /// Its name among other outputs. `has_better`: one of them guarantees more than `BestEffort`.
    pub(crate) fn name(self, has_better: bool) -> &'static str {
        self.alone.filter(|_| !has_better).unwrap_or(self.name)
    }
}
