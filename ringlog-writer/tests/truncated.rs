//! A writer whose ring's file is truncated while it works.

use std::fs;
use std::path::PathBuf;

use ringlog::schema::{Definition, Field, Site, Type, Value};
use ringlog::{Level, PushError, Ring};
use ringlog_testkit::Scratch;
use ringlog_writer::config::Formatter;
use ringlog_writer::{Error, Events, Options, Out, Signals, run_with};

/// Truncates the ring when the writer reports a message: here, at a gap in the middle of a batch.
struct TruncateAtGap(PathBuf);

impl Events for TruncateAtGap {
    fn report(&mut self, message: &str) {
        assert!(message.starts_with("1 record dropped here"), "{message}");
        fs::File::options().write(true).open(&self.0).unwrap().set_len(0).unwrap();
    }
}

#[test]
fn records_taken_out_of_a_truncated_ring_are_still_written() {
    ringlog::survive_truncation().unwrap();
    let dir = Scratch::new();
    let ring = Ring::options().size("256KiB").create(&dir.text("app")).unwrap();
    let log = ring.logger();
    let fields = vec![Field::new("bytes", Type::Bytes)];
    let site = Site::new(Definition { fields: fields.into(), ..Definition::new(Level::INFO, "test") });
    ["one", "two", "three"].iter().for_each(|text| log.text(Level::INFO, "", text).unwrap());
    // The gap is reported with the next record, so the records before and after it are in one batch.
    let too_large = log.values(&site, &[Value::Bytes(&[0; 1 << 20])]);
    assert!(matches!(too_large, Err(PushError::TooLarge { .. })));
    log.text(Level::INFO, "", "four").unwrap();
    // The second one is in the next block. The consumer reads that block in the same batch, but after the
    // truncation.
    let long = "x".repeat(7000);
    log.text(Level::INFO, "", &long).unwrap();
    log.text(Level::INFO, "", &long).unwrap();

    let mut options = Options::new(ring.path().to_str().unwrap());
    options.formatter = Formatter::Raw;
    options.out = Out::file(dir.file("app.log"));
    let mut events = TruncateAtGap(ring.path().to_owned());
    let ended = run_with(&options, &Signals::default(), &mut events).unwrap_err();
    assert!(matches!(ended, Error::Ring(ringlog::Error::Truncated { .. })), "{ended}");
    let written = fs::read_to_string(dir.file("app.log")).unwrap();
    assert!(written == format!("one\ntwo\nthree\nfour\n{long}\n"), "{}", &written[..written.len().min(99)]);
}
