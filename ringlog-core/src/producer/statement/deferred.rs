//! Types whose text a reader makes just as `format!` here would.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::record::field::FieldValue;
use crate::record::level::Level;

/// A [`FieldValue`] of the standard library, whose formatting readers know. Other types may travel as one
/// of these and still have a `Display` of their own: they are formatted where they are logged.
pub trait Deferred: FieldValue {
    /// How a statement carries the value into the ring.
    type Carried<'a>: FieldValue
    where
        Self: 'a;

    /// The value itself where it is small, or where its bytes lie: so that the record path looks at
    /// it once and not each time through a reference to a variable.
    fn carry(&self) -> Self::Carried<'_>;
}

/// `type`s, each with what it is carried as and how it becomes that.
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
