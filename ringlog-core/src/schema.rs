//! Definitions of records: sites, fields and their types, and values as readers get them.
//!
//! A program that logs by `info!` or `#[derive(Record)]` needs none of these. They are for records defined at run
//! time, and for tools that take records apart.

pub use crate::record::definition::{Definition, Field};
pub use crate::record::encode::Encoder;
pub use crate::record::encoded::Encoded;
pub use crate::record::site::Site;
pub use crate::record::types::{Element, Type};
pub use crate::record::value::{List, Maybe, Value};
