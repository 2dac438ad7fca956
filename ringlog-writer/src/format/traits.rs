//! The interface of a format, and the ring that its lines name.

use std::path::Path;

use ringlog::admin::Info;
use ringlog::reader::Entry;
use ringlog::schema::Value;

/// Writes entries as lines.
pub trait Format: Send {
    /// Appends the entry's line to `out`, including its newline.
    fn entry(&mut self, entry: &Entry<'_>, out: &mut Vec<u8>);
}

/// The ring that entries are from, as lines name it.
#[derive(Clone, Debug)]
pub struct RingIdentity {
    /// The name of its file.
    pub name: String,
    /// The ring's UUID in the usual notation. UUID, lane, incarnation and sequence identify a record permanently.
    pub uuid: String,
    /// The time of its creation, in ns since 1970.
    pub created_unix_ns: u64,
}

impl RingIdentity {
    /// The identity of a ring with this path and header.
    pub fn new(path: &Path, info: &Info) -> RingIdentity {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        RingIdentity { name, uuid: Value::Uuid(info.uuid).to_string(), created_unix_ns: info.created_unix_ns }
    }
}
