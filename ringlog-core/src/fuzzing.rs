//! Access for the fuzz targets to the pure parsers, which all other code reaches only through a ring. Built only under
//! `--cfg fuzzing`; no part of the library.

mod steering;

use std::path::Path;
use std::sync::Arc;

use crate::error::Error;
use crate::reader::entry::{OwnedBody, OwnedEntry};
use crate::reader::origin::Origin;
use crate::record::decoded::ParsedDefinition;
use crate::record::definition::Definition;
use crate::ring::header::Info;
use crate::shm::clock::Anchor;
use crate::shm::layout::{self, block, header};
use crate::shm::record_header::flag;

pub use steering::Steering;

/// Decodes a definition from the payload of its record.
pub fn definition(bytes: &[u8]) -> Option<Definition> {
    Definition::decode(bytes)
}

/// The entry that a reader makes of a block's header and the payload of a record in it. Header words that are not given
/// are zero. Without `definition` the record is plain text; with `Some(None)` its definition is not in the ring.
pub fn entry(
    block_words: &[u64],
    ticks: u64,
    definition: Option<Option<Definition>>,
    payload: &[u8],
) -> OwnedEntry {
    let mut words = [0; block::WORDS];
    words.iter_mut().zip(block_words).for_each(|(word, given)| *word = *given);
    let (anchor, origin) = (Anchor::of_block(&words), Arc::new(Origin::from_block(&words)));
    // The tick's low bits choose whether the text was cut, and whether key=values follow the fields.
    let flags = (ticks as u8) << 4 & (flag::CUT | flag::TRAILING);
    let (sequence, payload) = (words[block::FIRST_SEQUENCE], payload.to_vec());
    let body = match definition {
        None => OwnedBody::Plain { sequence, payload, flags },
        Some(definition) => OwnedBody::Defined {
            sequence,
            definition: definition.map(|definition| Arc::new(ParsedDefinition::new(definition))),
            payload,
            flags,
        },
    };
    OwnedEntry { ticks, unix_ns: anchor.unix_ns_at(ticks), origin, body }
}

/// Checks a header from a file of this length.
///
/// # Errors
/// The error that opening the file would return.
pub fn header(start: &[u8], file_bytes: u64) -> Result<Info, Error> {
    Info::decode(Path::new("ring"), start, file_bytes)
}

/// Corrects the checksum of a header, so that the checks of its fields are reached. A header that is too short stays.
pub fn mend_checksum(start: &mut [u8]) {
    if start.len() >= header::CHECKSUM + 4 {
        let checksum = crc32fast::hash(&start[header::VERSION..header::CHECKSUM]);
        start[header::CHECKSUM..][..4].copy_from_slice(&checksum.to_le_bytes());
    }
}

/// Corrects the checksums of both texts of level rules in a header, where their lengths are valid.
pub fn mend_rules(start: &mut [u8]) {
    for at in header::LEVEL_RULES {
        let Some((head, text)) =
            start.get_mut(at..at + header::LEVEL_RULES_BYTES).and_then(<[u8]>::split_first_chunk_mut::<8>)
        else {
            return;
        };
        let (length, _) = layout::halves(u64::from_le_bytes(*head));
        if let Some(text) = text.get(..length as usize) {
            *head = layout::pair(length, crc32fast::hash(text)).to_le_bytes();
        }
    }
}
