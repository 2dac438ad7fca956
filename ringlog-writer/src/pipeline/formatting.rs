//! Formatting: the entries that a handler takes become lines.

use ringlog::reader::{Body, Entry, Gap, GapReason, Origin};

use super::router::HandlerMask;
use crate::config::{Formatter, HandlerConfig};
use crate::error::Error;
use crate::events::Events;
use crate::format::{self, Colored, Format, FormatKind, Newlines, Pattern, PatternError, RingIdentity};

/// The formats of one handler.
pub(super) struct Formatting {
    /// The handler's name.
    name: String,
    /// The handler's bit in the masks of the router.
    bit: HandlerMask,
    /// One format for each ring.
    formats: Vec<Box<dyn Format>>,
    /// Whether lines are the messages' bytes and nothing else, so that gaps cannot be written.
    is_raw: bool,
}

impl Formatting {
    pub(super) fn new(
        handler: &HandlerConfig,
        bit: HandlerMask,
        rings: &[RingIdentity],
    ) -> Result<Formatting, Error> {
        let format = |ring| {
            let format = format_of(&handler.formatter, handler.sink.kind().is_colored(), ring);
            format.map_err(|error| Error::Config(format!("handler {:?}: {error}", handler.name)))
        };
        Ok(Formatting {
            name: handler.name.clone(),
            bit,
            formats: rings.iter().map(format).collect::<Result<_, _>>()?,
            is_raw: handler.formatter == Formatter::Raw,
        })
    }

    /// The handler's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn bit(&self) -> HandlerMask {
        self.bit
    }

    /// Appends the line of an entry of this ring. Reports what the format has no line for.
    #[inline]
    pub(super) fn format(
        &mut self,
        ring: usize,
        entry: &Entry<'_>,
        lines: &mut Vec<u8>,
        events: &mut dyn Events,
    ) {
        if self.is_raw {
            match &entry.body {
                Body::Gap(gap) => {
                    let Origin { pid, thread, .. } = entry.origin;
                    events.report(&format!("{gap} ({pid}/{thread})"));
                }
                Body::UncleanExit(_) => events.report(&entry.message()),
                _ => {}
            }
        }
        self.formats[ring].entry(entry, lines);
    }

    /// Whether the format has lines for gaps.
    pub(super) fn writes_gaps(&self) -> bool {
        !self.is_raw
    }

    /// Appends the line for records that were left out.
    pub(super) fn format_left_out(&mut self, entry: &Entry<'_>, lines: &mut Vec<u8>) {
        self.formats[0].entry(entry, lines);
    }
}

/// The entry that stands for records that were left out of a sink.
pub(super) fn left_out(count: u64, unix_ns: u64) -> Entry<'static> {
    let body = Body::Gap(Gap { count, reason: GapReason::Unwritten });
    Entry { unix_ns, origin: Origin::no_lane(), body }
}

/// The format of a handler for one ring.
fn format_of(
    formatter: &Formatter,
    color: bool,
    ring: &RingIdentity,
) -> Result<Box<dyn Format>, PatternError> {
    let format = match formatter {
        Formatter::Text { newlines, ids } => format::new(FormatKind::Text, *newlines, *ids, ring),
        Formatter::Json => format::new(FormatKind::Json, Newlines::default(), false, ring),
        Formatter::Raw => format::new(FormatKind::Raw, Newlines::default(), false, ring),
        Formatter::Pattern { pattern, date, zone, newlines } => {
            let pattern = Pattern::new(pattern, date.as_deref(), zone.zone().clone(), *newlines)?;
            Box::new(pattern.of_ring(ring))
        }
    };
    Ok(if color { Box::new(Colored::new(format)) } else { format })
}
