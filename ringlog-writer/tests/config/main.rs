//! Configurations as text: what they mean, what is wrong with them, and what the document says of them.

mod docs;
mod errors;
mod hostile;
mod read;
mod round_trip;
mod whole_files;
