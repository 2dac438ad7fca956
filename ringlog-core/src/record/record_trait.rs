//! The trait of records on the producing side: a site, a level and fields that encode themselves.

use crate::record::encode::Encoder;
use crate::record::level::Level;
use crate::record::site::Site;
use crate::record::types::Types;

/// A record that a [`Logger`](crate::Logger) can push: usually a struct with `#[derive(Record)]`.
///
/// The fields travel in the order and types of the site's [`Definition`](crate::schema::Definition); no padding
/// is ever copied. A record that writes more or fewer bytes than it announced is refused with
/// [`PushError::Mismatch`](crate::PushError); it cannot damage the ring.
pub trait Record {
    /// The site that the record comes from; its definition names the fields.
    fn site(&self) -> &Site;

    /// The record's level; by default the definition's.
    #[inline]
    fn level(&self) -> Level {
        self.site().definition().level
    }

    /// The exact number of bytes that `encode` will write.
    fn payload_bytes(&self) -> usize;

    /// Writes the fields in the definition's order. It may be called more than once for one push, and has to write the
    /// same each time.
    fn encode(&self, out: &mut Encoder<'_>);

    /// The properties of a log statement that only the compiler knows.
    #[doc(hidden)]
    #[inline(always)]
    fn inferred(&self) -> Inferred {
        Inferred::NOTHING
    }
}

/// The types of a log statement's arguments, and what follows from them. The statement's site is one static; in a
/// generic function its arguments may be of other types at each call.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Inferred {
    /// The types of the fields, in place of the definition's.
    pub(crate) types: Option<&'static Types>,
    /// Identifies the types among those that one site is used with: 48 bits, 0 where the definition names them.
    pub(crate) fingerprint: u64,
    /// Whether a field is formatted while it is written, so that its length is unknown before.
    pub(crate) formats: bool,
    /// Whether it can be logged as plain text, if its fields do not fit the ring.
    pub(crate) has_message: bool,
    /// Whether the payload is in memory already, so that encoding it runs no code of the program.
    pub(crate) is_encoded: bool,
    /// Whether its site was made at run time.
    pub(crate) run_time: bool,
    /// Flags for the record's header.
    pub(crate) flags: u8,
}

impl Inferred {
    pub(crate) const NOTHING: Inferred = Inferred {
        types: None,
        fingerprint: 0,
        formats: false,
        has_message: false,
        is_encoded: false,
        run_time: false,
        flags: 0,
    };
}
