//! How an argument of a log statement travels, chosen by its type.
//!
//! The macros write `(&Capture(&x)).placeholder(…)` or `(&&&&Capture(&x)).field()`, and the compiler chooses
//! the method by autoref-based specialization (dtolnay, "Autoref-based stable specialization"): the methods of
//! that name belong to traits implemented for `&&&&Capture`, `&&&Capture` and so on, and the first that
//! applies is taken. The most specific trait has the most references.
//!
//! | written as | travels as |
//! |---|---|
//! | `{x:.2}` in the message, `x` of a type of the standard library | its binary value; the reader formats it |
//! | the same, any other type | text, formatted in place as the placeholder says |
//! | `key = value` | its `FieldValue`; else an error with its causes, as text |
//! | `key = %value`, `key = ?value` | text of its `Display`, of its `Debug` |

use std::error::Error;
use std::fmt::{self, Debug, Display};
use std::ops::Deref;

use super::deferred::Deferred;
use super::{Argument, FieldOrError};
use crate::record::encode::{Encoder, measure};
use crate::record::field::FieldValue;
use crate::record::types::Type;

/// An argument whose form the compiler is to choose.
#[derive(Debug)]
pub struct Capture<'a, T: ?Sized>(pub &'a T);

impl<T: ?Sized> Clone for Capture<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for Capture<'_, T> {}

/// An argument that travels in binary.
#[derive(Debug)]
pub struct Binary<T>(T);

impl<T: FieldValue> Argument for Binary<T> {
    const TYPE: Type = T::TYPE;

    #[inline(always)]
    fn payload_bytes(&self) -> usize {
        self.0.payload_bytes()
    }

    #[inline(always)]
    fn encode(&self, out: &mut Encoder<'_>) {
        self.0.encode(out);
    }
}

/// An argument that is formatted as its placeholder says, straight into the ring.
#[derive(Debug)]
pub struct Formatted<F>(F);

impl<F: Fn(&mut fmt::Formatter<'_>) -> fmt::Result> Formatted<F> {
    /// The argument whose text `format` writes.
    #[inline(always)]
    pub fn new(format: F) -> Formatted<F> {
        Formatted(format)
    }
}

impl<F: Fn(&mut fmt::Formatter<'_>) -> fmt::Result> Argument for Formatted<F> {
    const TYPE: Type = Type::Formatted;
    const FORMATS: bool = true;

    fn payload_bytes(&self) -> usize {
        measure(|out| self.encode(out))
    }

    fn encode(&self, out: &mut Encoder<'_>) {
        out.put_formatted(&ByFunction(&self.0));
    }
}

struct ByFunction<'a, F>(&'a F);

impl<F: Fn(&mut fmt::Formatter<'_>) -> fmt::Result> Display for ByFunction<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.0)(f)
    }
}

/// Placeholders of types that the reader formats as the program would.
pub trait AsValue {
    /// The type that it travels as.
    type Value;

    /// The argument in binary. `format` is unused: the reader formats it.
    fn placeholder<F>(self, format: F) -> Binary<Self::Value>
    where
        F: Fn(&mut fmt::Formatter<'_>) -> fmt::Result;
}

impl<'a, T: Deferred + ?Sized> AsValue for &Capture<'a, T> {
    type Value = T::Carried<'a>;

    #[inline(always)]
    fn placeholder<F>(self, _: F) -> Binary<T::Carried<'a>>
    where
        F: Fn(&mut fmt::Formatter<'_>) -> fmt::Result,
    {
        Binary(self.0.carry())
    }
}

/// Placeholders of all other types.
pub trait AsText {
    /// The argument, formatted by the program.
    fn placeholder<F>(self, format: F) -> Formatted<F>
    where
        F: Fn(&mut fmt::Formatter<'_>) -> fmt::Result;
}

impl<T: ?Sized> AsText for Capture<'_, T> {
    #[inline(always)]
    fn placeholder<F>(self, format: F) -> Formatted<F>
    where
        F: Fn(&mut fmt::Formatter<'_>) -> fmt::Result,
    {
        Formatted(format)
    }
}

/// Fields that are a [`FieldValue`].
pub trait AsField<'a> {
    /// The type of the value.
    type Value: ?Sized;

    /// The field in binary.
    fn field(self) -> Binary<&'a Self::Value>;
}

impl<'a, T: FieldValue + ?Sized> AsField<'a> for &&&&Capture<'a, T> {
    type Value = T;

    #[inline(always)]
    fn field(self) -> Binary<&'a T> {
        Binary(self.0)
    }
}

/// Fields that are errors.
pub trait AsError<'a> {
    /// The error with its causes.
    fn field(self) -> Chain<'a>;
}

impl<'a, T: Error> AsError<'a> for &&&Capture<'a, T> {
    fn field(self) -> Chain<'a> {
        Chain(Report::Causes(self.0))
    }
}

impl<'a> AsError<'a> for &&&Capture<'a, dyn Error + 'static> {
    fn field(self) -> Chain<'a> {
        Chain(Report::Causes(self.0))
    }
}

impl<'a> AsError<'a> for &&&Capture<'a, dyn Error + Send + Sync + 'static> {
    fn field(self) -> Chain<'a> {
        Chain(Report::Causes(self.0))
    }
}

/// Fields that are boxed errors, whose box does not implement [`Error`].
pub trait AsCause<'a> {
    /// The error with its causes.
    fn field(self) -> Chain<'a>;
}

impl<'a> AsCause<'a> for &&Capture<'a, Box<dyn Error>> {
    fn field(self) -> Chain<'a> {
        Chain(Report::Causes(&**self.0))
    }
}

impl<'a> AsCause<'a> for &&Capture<'a, Box<dyn Error + Send>> {
    fn field(self) -> Chain<'a> {
        Chain(Report::Causes(&**self.0))
    }
}

impl<'a> AsCause<'a> for &&Capture<'a, Box<dyn Error + Send + Sync>> {
    fn field(self) -> Chain<'a> {
        Chain(Report::Causes(&**self.0))
    }
}

/// Fields that are reports of `anyhow` or `eyre`. They dereference to an error, and their `Debug` shows it with its
/// causes and its backtrace.
pub trait AsReport<'a> {
    /// The whole report.
    fn field(self) -> Chain<'a>;
}

impl<'a, T: Deref<Target = dyn Error + Send + Sync + 'static> + Debug> AsReport<'a> for &Capture<'a, T> {
    fn field(self) -> Chain<'a> {
        Chain(Report::Debug(self.0))
    }
}

/// Fields of all other types. They have no form, which the compiler reports by [`FieldOrError`].
pub trait AsNothing<'a> {
    /// The type without a form.
    type Value: ?Sized;

    /// The field, for the compiler to refuse.
    fn field(self) -> Formless<'a, Self::Value>;
}

impl<'a, T: ?Sized> AsNothing<'a> for Capture<'a, T> {
    type Value = T;

    fn field(self) -> Formless<'a, T> {
        Formless(self.0)
    }
}

/// A field that has no form.
#[derive(Debug)]
pub struct Formless<'a, T: ?Sized>(#[allow(dead_code)] &'a T);

/// Applies to no type, because `FieldOrError` does not. It makes the compiler name `T` in its error.
impl<T: FieldOrError + ?Sized> Argument for Formless<'_, T> {
    const TYPE: Type = Type::Str;

    fn payload_bytes(&self) -> usize {
        "".payload_bytes()
    }

    fn encode(&self, out: &mut Encoder<'_>) {
        "".encode(out);
    }
}

/// An error and its causes, a line each.
#[derive(Debug)]
pub struct Chain<'a>(Report<'a>);

impl<'a> Chain<'a> {
    /// This error with its causes.
    #[cfg(feature = "log")]
    pub(crate) fn of(error: &'a (dyn Error + 'static)) -> Chain<'a> {
        Chain(Report::Causes(error))
    }
}

#[derive(Debug)]
enum Report<'a> {
    Causes(&'a dyn Error),
    Debug(&'a dyn Debug),
}

impl Argument for Chain<'_> {
    const TYPE: Type = Type::Error;
    const FORMATS: bool = true;

    fn payload_bytes(&self) -> usize {
        measure(|out| self.encode(out))
    }

    fn encode(&self, out: &mut Encoder<'_>) {
        out.put_formatted(self);
    }
}

/// The limit of causes, for errors that are their own cause.
const CAUSES_MAX: usize = 64;

impl Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Report::Debug(report) => write!(f, "{report:?}"),
            Report::Causes(error) => {
                write!(f, "{error}")?;
                let mut cause = error.source();
                for _ in 0..CAUSES_MAX {
                    let Some(error) = cause else { break };
                    write!(f, "\ncaused by: {error}")?;
                    cause = error.source();
                }
                Ok(())
            }
        }
    }
}

/// A field formatted in place: `%value` or `?value`.
#[derive(Debug)]
pub struct Shown<F>(F);

impl<F> Shown<F>
where
    F: Fn(&mut fmt::Formatter<'_>) -> fmt::Result,
{
    /// The field whose text `format` writes.
    #[inline(always)]
    pub fn new(format: F) -> Shown<F> {
        Shown(format)
    }
}

impl<F: Fn(&mut fmt::Formatter<'_>) -> fmt::Result> Argument for Shown<F> {
    const TYPE: Type = Type::Str;
    const FORMATS: bool = true;

    fn payload_bytes(&self) -> usize {
        measure(|out| self.encode(out))
    }

    fn encode(&self, out: &mut Encoder<'_>) {
        out.put_formatted(&ByFunction(&self.0));
    }
}
