//! What travels: levels, values, definitions, and how a record is encoded.

pub(crate) mod level;
pub(crate) mod number;

pub(crate) mod decoded;
pub(crate) mod definition;
pub(crate) mod encode;
pub(crate) mod field;
pub(crate) mod template;
pub(crate) mod value;
