//! Log statements: the records that the macros make of `info!("order {id} filled", venue)`.
//!
//! The fields of such a record are the statement's arguments. Its site, a static of the macro, holds their
//! names. Their types are known to the compiler only, so they come with the record as constants, and are
//! written into the ring when the site is first used.
//!
//! The type of an argument decides at compile time how it travels: see [`capture`].

pub mod capture;
pub mod deferred;
mod local;

use crate::record::encode::Encoder;
use crate::record::level::Level;
use crate::record::record_trait::{Inferred, Record};
use crate::record::site::Site;
use crate::record::types::Type;
use crate::record::types::Types;

#[cfg(feature = "log")]
pub(crate) use local::show_line;
pub(crate) use local::{log_as_text, log_otherwise};

/// An argument as it travels: a field without its name.
pub trait Argument {
    /// The type that the definition names.
    const TYPE: Type;
    /// Whether it is formatted while it is written, so that its length is unknown before.
    const FORMATS: bool = false;

    /// Bytes that `encode` writes.
    fn payload_bytes(&self) -> usize;

    /// Writes the argument as its type says.
    fn encode(&self, out: &mut Encoder<'_>);
}

/// What the compiler demands of a field that is neither a field value nor an error. No type implements it: it
/// exists for its error message.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of a log statement",
    label = "neither a field value nor an error",
    note = "write `name = %value` to log its `Display`, `name = ?value` to log its `Debug`",
    note = "or implement `ringlog::FieldValue` for its type"
)]
pub trait FieldOrError {}

/// Requires an argument here, so that an error of the compiler points at its place in the program.
#[inline(always)]
pub fn argument<A: Argument>(argument: A) -> A {
    argument
}

/// The arguments of one statement: `(first, (second, ()))`, so that any number of them folds away.
pub trait Arguments {
    /// Their types.
    const TYPES: Option<&'static Types>;
    /// Identifies these types among those that the same statement is used with. Never 0.
    const FINGERPRINT: u64;
    /// Whether one of them is formatted while it is written.
    const FORMATS: bool;

    /// Bytes that `encode` writes.
    fn payload_bytes(&self) -> usize;

    /// Writes them one after the other.
    fn encode(&self, out: &mut Encoder<'_>);

    /// The same where one of them is formatted, so that the payload may outgrow its block.
    fn encode_growing(&self, out: &mut Encoder<'_>);
}

impl Arguments for () {
    const TYPES: Option<&'static Types> = None;
    const FINGERPRINT: u64 = 1;
    const FORMATS: bool = false;

    #[inline(always)]
    fn payload_bytes(&self) -> usize {
        0
    }

    #[inline(always)]
    fn encode(&self, _: &mut Encoder<'_>) {}

    #[inline(always)]
    fn encode_growing(&self, _: &mut Encoder<'_>) {}
}

impl<A: Argument, R: Arguments> Arguments for (A, R) {
    const TYPES: Option<&'static Types> = Some(&Types { first: A::TYPE, rest: R::TYPES });
    const FINGERPRINT: u64 = fingerprint(R::FINGERPRINT, A::TYPE);
    const FORMATS: bool = A::FORMATS || R::FORMATS;

    #[inline(always)]
    fn payload_bytes(&self) -> usize {
        self.0.payload_bytes() + self.1.payload_bytes()
    }

    #[inline(always)]
    fn encode(&self, out: &mut Encoder<'_>) {
        self.0.encode(out);
        self.1.encode(out);
    }

    #[inline(always)]
    fn encode_growing(&self, out: &mut Encoder<'_>) {
        if !A::FORMATS {
            let _ = out.reserve(self.0.payload_bytes());
        }
        self.0.encode(out);
        self.1.encode_growing(out);
    }
}

/// Mixes one more type into a fingerprint of 48 bits, which is never 0 (FNV-1a over words).
const fn fingerprint(rest: u64, ty: Type) -> u64 {
    let mut hash = rest ^ 0xcbf2_9ce4_8422_2325;
    let words = ty.identity();
    let mut at = 0;
    while at < words.len() {
        hash = (hash ^ words[at] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        at += 1;
    }
    let folded = (hash ^ hash >> 48) & 0xffff_ffff_ffff;
    if folded == 0 { 1 } else { folded }
}

/// One log statement with its arguments.
#[derive(Debug)]
pub struct Statement<'a, A> {
    site: &'static Site,
    level: Level,
    arguments: &'a A,
}

impl<'a, A: Arguments> Statement<'a, A> {
    /// The statement at `site`. `level` is the definition's, or the first argument where the definition has
    /// `level_in_record`.
    #[inline(always)]
    pub fn new(site: &'static Site, level: Level, arguments: &'a A) -> Statement<'a, A> {
        Statement { site, level, arguments }
    }
}

impl<A: Arguments> Record for Statement<'_, A> {
    #[inline(always)]
    fn site(&self) -> &Site {
        self.site
    }

    #[inline(always)]
    fn level(&self) -> Level {
        self.level
    }

    #[inline(always)]
    fn payload_bytes(&self) -> usize {
        self.arguments.payload_bytes()
    }

    #[inline(always)]
    fn encode(&self, out: &mut Encoder<'_>) {
        if A::FORMATS {
            self.arguments.encode_growing(out);
        } else {
            self.arguments.encode(out);
        }
    }

    #[inline(always)]
    fn inferred(&self) -> Inferred {
        Inferred {
            types: A::TYPES,
            fingerprint: A::FINGERPRINT,
            formats: A::FORMATS,
            has_message: true,
            is_encoded: false,
            run_time: false,
            flags: 0,
        }
    }
}
