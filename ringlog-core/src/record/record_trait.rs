//! What a record is on the producing side: a site, a level and fields that write themselves.

use crate::record::encode::Encoder;
use crate::record::level::Level;
use crate::record::site::Site;
use crate::record::types::Types;

/// Something that can be pushed: usually derived for a struct with `#[derive(Record)]`.
///
/// The fields travel in the order and types of the site's [`Definition`](crate::schema::Definition); no padding
/// is ever copied. An implementation that writes more or fewer bytes than it announced is refused with
/// [`PushError::Mismatch`](crate::PushError), it cannot hurt the ring.
pub trait Record {
    /// Where the record comes from and what its fields are.
    fn site(&self) -> &Site;

    /// Its level; by default the definition's.
    #[inline]
    fn level(&self) -> Level {
        self.site().definition().level
    }

    /// Exact number of bytes that `encode` will write.
    fn payload_bytes(&self) -> usize;

    /// Writes the fields in the definition's order. May be called more than once for one push and has
    /// to write the same each time.
    fn encode(&self, out: &mut Encoder<'_>);

    /// What the definition does not say because only the compiler knows it. For log statements.
    #[doc(hidden)]
    #[inline(always)]
    fn inferred(&self) -> Inferred {
        Inferred::NOTHING
    }
}

/// What a log statement's arguments turn out to be. The statement's site is one static, its arguments may
/// be of other types each time where it stands in a generic function.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Inferred {
    /// The types of the fields, in place of the definition's.
    pub(crate) types: Option<&'static Types>,
    /// Tells apart the types that one site has seen: 48 bits, 0 where the definition says them.
    pub(crate) fingerprint: u64,
    /// Some field is formatted while it is written: nobody knows its length before.
    pub(crate) formats: bool,
    /// Its message can be made here and now, if it cannot travel as it is.
    pub(crate) has_message: bool,
    /// Flags for its header.
    pub(crate) flags: u8,
}

impl Inferred {
    pub(crate) const NOTHING: Inferred =
        Inferred { types: None, fingerprint: 0, formats: false, has_message: false, flags: 0 };
}
