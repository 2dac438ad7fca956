//! Configurations as text: their meaning, their errors, and their documentation.

mod docs;
mod errors;
mod hostile;
mod read;
mod round_trip;
mod schema;
mod whole_files;
