//! Types whose text a reader makes just as `format!` here would.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::field::FieldValue;
use crate::level::Level;

/// A [`FieldValue`] of the standard library, whose formatting readers know. Other types may travel as one
/// of these and still have a `Display` of their own: they are formatted where they are logged.
pub trait Deferred: FieldValue {}

macro_rules! deferred {
    ($($({$($generics:tt)*})? $rust:ty $(where $held:ty)?,)*) => {
        $(impl $(<$($generics)*>)? Deferred for $rust $(where $held: FieldValue)? {})*
    };
}

deferred! {
    bool, char, f32, f64, Level, str, String,
    u8, u16, u32, u64, u128, usize,
    i8, i16, i32, i64, i128, isize,
    Ipv4Addr, Ipv6Addr, IpAddr, SocketAddr,
    Duration, SystemTime,
    {T: Deferred} Option<T> where Option<T>,
    {T: Deferred} [T] where [T],
    {T: Deferred} Vec<T> where Vec<T>,
    {T: Deferred, const N: usize} [T; N] where [T; N],
    {T: Deferred + ?Sized} &T,
    {T: Deferred + ?Sized} Box<T>,
    {T: Deferred + ?Sized} Rc<T>,
    {T: Deferred + ?Sized} Arc<T>,
    {T: Deferred + ToOwned + ?Sized} Cow<'_, T>,
}
#[cfg(feature = "uuid")]
deferred! { uuid::Uuid, }
