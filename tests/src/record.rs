//! Records that prove themselves: producer, sequence, and a checksum over everything.

use std::sync::LazyLock;

use ringlog::Record;
use ringlog::reader::{Body, Entry};
use ringlog::schema::Value;
use ringlog_ledger::{Arrival, Producers};

/// The record of most tests.
#[derive(Record)]
#[record(level = "info", logger = "test.sequenced")]
pub struct Sequenced<'a> {
    producer: u32,
    sequence: u64,
    checksum: u64,
    note: &'a str,
}

/// One of a flood.
#[derive(Record)]
#[record(level = "debug", logger = "test.flood")]
pub struct Flood<'a> {
    producer: u32,
    sequence: u64,
    checksum: u64,
    note: &'a str,
}

/// One that must not be lost in the flood.
#[derive(Record)]
#[record(level = "warn", logger = "test.alarm")]
pub struct Alarm<'a> {
    producer: u32,
    sequence: u64,
    checksum: u64,
    note: &'a str,
}

/// Longest note.
const NOTE_MAX: usize = 64 << 10;

static NOTES: LazyLock<String> = LazyLock::new(|| {
    let words = ["opened", "the", "valve", "and", "closed", "it", "within", "a", "second"];
    let mut text = String::with_capacity(NOTE_MAX + 64);
    for number in 0.. {
        if text.len() > NOTE_MAX {
            break;
        }
        text.push_str(words[number % words.len()]);
        text.push_str(&number.to_string());
    }
    text
});

/// The note of record `sequence`: most end within one slot or two, every `long_every`th takes several
/// blocks. Zero means none is long.
pub fn note(sequence: u64, long_every: u64) -> &'static str {
    let length = if long_every != 0 && sequence % long_every == long_every - 1 {
        4_000 + (sequence % 97) as usize * 150
    } else {
        (sequence % 73) as usize
    };
    note_of(length)
}

/// A note of so many bytes.
pub fn note_of(length: usize) -> &'static str {
    // The text is ASCII, so any length is a boundary.
    &NOTES[..length.min(NOTE_MAX)]
}

/// FNV-1a over words: what it has to find is bytes of another record, not an attacker.
pub fn checksum(producer: u32, sequence: u64, note: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut mix = |word: u64| hash = (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
    mix(producer.into());
    mix(sequence);
    mix(note.len() as u64);
    for chunk in note.chunks(8) {
        let mut bytes = [0; 8];
        bytes[..chunk.len()].copy_from_slice(chunk);
        mix(u64::from_le_bytes(bytes));
    }
    hash
}

/// A kind of record that can be made from a number.
pub trait Kind<'a>: Record {
    /// The record.
    fn new(producer: u32, sequence: u64, note: &'a str) -> Self;
}

macro_rules! kinds {
    ($($name:ident)*) => {$(
        impl<'a> Kind<'a> for $name<'a> {
            fn new(producer: u32, sequence: u64, note: &'a str) -> Self {
                $name { producer, sequence, checksum: checksum(producer, sequence, note.as_bytes()), note }
            }
        }
    )*};
}
kinds!(Sequenced Flood Alarm);

/// Producer and sequence of a received record whose checksum is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The producer that sent it.
    pub producer: u32,
    /// Its number among the records of that producer.
    pub sequence: u64,
}

impl Proof {
    /// Checks the record. Panics at one that is not whole; `None` for gaps.
    pub fn of(entry: &Entry<'_>) -> Option<Proof> {
        let record = entry.record()?;
        let mut fields = record.fields().map(|(_, value)| value);
        let (producer, sequence, sum, note) = (fields.next(), fields.next(), fields.next(), fields.next());
        let (
            Some(Value::U64(producer)),
            Some(Value::U64(sequence)),
            Some(Value::U64(sum)),
            Some(Value::Text(note)),
        ) = (producer, sequence, sum, note)
        else {
            panic!("not a record of the tests: {entry}");
        };
        let producer = u32::try_from(producer).unwrap();
        assert_eq!(sum, checksum(producer, sequence, note), "damaged: {entry}");
        Some(Proof { producer, sequence })
    }
}

/// Asserts of every producer that each of its records comes once and in order, and none is left out.
#[derive(Debug, Default)]
pub struct Arrivals(Producers);

impl Arrivals {
    /// Takes the next record, which has to be the next one of its producer. `None` for a death, for which no
    /// record is missing.
    pub fn take(&mut self, entry: &Entry<'_>) -> Option<Proof> {
        if matches!(entry.body, Body::UncleanExit(_)) {
            return None;
        }
        let Some(proof) = Proof::of(entry) else { panic!("nothing may be missing here: {entry}") };
        let arrival = self.0.take(proof.producer, proof.sequence);
        assert_eq!(arrival, Arrival::Next, "record {} of producer {}", proof.sequence, proof.producer);
        Some(proof)
    }

    /// How many of a producer's have arrived.
    pub fn of(&self, producer: u32) -> u64 {
        self.0.of(producer)
    }

    /// How many have arrived in all.
    pub fn total(&self) -> u64 {
        self.0.total()
    }
}
