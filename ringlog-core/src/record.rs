//! Records: levels, field types and values, definitions, encoding and decoding.

pub(crate) mod level;
pub(crate) mod number;

pub(crate) mod decoded;
pub(crate) mod definition;
pub(crate) mod described;
pub(crate) mod encode;
pub(crate) mod encoded;
pub(crate) mod field;
pub(crate) mod prepared;
pub(crate) mod record_trait;
pub(crate) mod site;
pub(crate) mod template;
pub(crate) mod text;
pub(crate) mod types;
pub(crate) mod value;
pub(crate) mod values;
