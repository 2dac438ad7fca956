//! Types whose text a reader makes exactly as `format!` would here.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::record::field::FieldValue;
use crate::record::level::Level;

/// A [`FieldValue`] of the standard library, whose formatting readers know. A type of a program may travel as one
/// of these and have another `Display`: it is formatted where it is logged.
pub trait Deferred: FieldValue {
    /// The type that a statement carries the value as.
    type Carried<'a>: FieldValue
    where
        Self: 'a;

    /// The value itself where it is small, else a reference to its bytes: so the record path loads it once,
    /// instead of through a reference to a variable at each use.
    fn carry(&self) -> Self::Carried<'_>;
}

/// Types, each with the type that carries it and the conversion.
macro_rules! deferred {
    ($($({$($generics:tt)*})? $rust:ty $(where $held:ty)? => $carried:ty, |$value:ident| $carry:expr;)*) => {
        $(impl $(<$($generics)*>)? Deferred for $rust $(where $held: FieldValue)? {
            type Carried<'a> = $carried where Self: 'a;

            #[inline(always)]
            fn carry(&self) -> Self::Carried<'_> {
                let $value = self;
                $carry
            }
        })*
    };
}

macro_rules! deferred_copies {
    ($($rust:ty,)*) => {
        deferred! { $($rust => $rust, |value| *value;)* }
    };
}

deferred_copies! {
    bool, char, f32, f64, Level,
    u8, u16, u32, u64, u128, usize,
    i8, i16, i32, i64, i128, isize,
    Ipv4Addr, Ipv6Addr, IpAddr, SocketAddr,
    Duration, SystemTime,
}
#[cfg(feature = "uuid")]
deferred_copies! { uuid::Uuid, }

deferred! {
    str => &'a str, |text| text;
    String => &'a str, |text| text;
    {T: Deferred} Option<T> where Option<T> => &'a Option<T>, |option| option;
    {T: Deferred} [T] where [T] => &'a [T], |values| values;
    {T: Deferred} Vec<T> where Vec<T> => &'a Vec<T>, |values| values;
    {T: Deferred, const N: usize} [T; N] where [T; N] => &'a [T; N], |values| values;
    {T: Deferred + ?Sized} &T => T::Carried<'a>, |held| (**held).carry();
    {T: Deferred + ?Sized} Box<T> => T::Carried<'a>, |held| (**held).carry();
    {T: Deferred + ?Sized} Rc<T> => T::Carried<'a>, |held| (**held).carry();
    {T: Deferred + ?Sized} Arc<T> => T::Carried<'a>, |held| (**held).carry();
    {T: Deferred + ToOwned + ?Sized} Cow<'_, T> => T::Carried<'a>, |held| (**held).carry();
}
