//! How a record describes itself: definitions of sites, types of fields, and values as readers get them.
//!
//! A program that logs by `info!` or `#[derive(Record)]` needs none of this. It is for records that are defined at
//! run time, and for tools that take records apart.

pub use crate::record::definition::{Definition, Field};
pub use crate::record::encode::Encoder;
pub use crate::record::site::Site;
pub use crate::record::types::{Element, Type};
pub use crate::record::value::{List, Maybe, Value};
