//! The proof, from nothing but the lines of the output file.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};

use ringlog_ledger::Producers;

use super::producer::checksum;
use crate::humanize;

/// How many lines are shown.
const SAMPLES: u64 = 3;

/// What was found in the file.
#[derive(Debug, Default)]
pub struct Proof {
    producers: u32,
    /// How many records each producer has logged.
    records: u64,
    ledger: Producers,
    /// Records that no producer has logged.
    foreign: u64,
    /// Lines that are not whole records: a wrong checksum, a gap, anything else.
    damaged: u64,
    samples: Vec<String>,
}

impl Proof {
    /// Reads lines in the text format and checks each.
    ///
    /// # Errors
    /// What the system reports while reading.
    pub fn of(log: impl Read, producers: u32, records: u64) -> io::Result<Proof> {
        let mut proof = Proof { producers, records, ..Proof::default() };
        let mut log = BufReader::with_capacity(1 << 20, log);
        let (mut line, mut number) = (Vec::new(), 0);
        while log.read_until(b'\n', &mut line)? > 0 {
            proof.check(&line);
            if number % (proof.expected() / SAMPLES).max(1) == 0 && (proof.samples.len() as u64) < SAMPLES {
                proof.samples.push(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            number += 1;
            line.clear();
        }
        Ok(proof)
    }

    fn check(&mut self, line: &[u8]) {
        match str::from_utf8(line).ok().and_then(parse) {
            None => self.damaged += 1,
            Some((producer, sequence)) if producer >= self.producers || sequence >= self.records => {
                self.foreign += 1;
            }
            Some((producer, sequence)) => _ = self.ledger.take(producer, sequence),
        }
    }

    fn expected(&self) -> u64 {
        self.records * u64::from(self.producers)
    }

    fn missing(&self) -> u64 {
        self.expected() - self.ledger.in_order() - self.ledger.late()
    }

    /// Whether every record arrived exactly once and in order, and nothing else did.
    pub fn is_complete(&self) -> bool {
        let faults = [self.missing(), self.ledger.late(), self.ledger.doubled(), self.foreign, self.damaged];
        faults == [0; 5]
    }

    /// Some lines of the file.
    pub fn samples(&self) -> &[String] {
        &self.samples
    }
}

/// Producer and sequence of a line whose checksum is right.
fn parse(line: &str) -> Option<(u32, u64)> {
    if !line.ends_with('\n') {
        return None;
    }
    let fields = &line[line.find("producer=")?..];
    let mut fields = fields.split_ascii_whitespace();
    let mut value = |key: &str| fields.next()?.strip_prefix(key)?.parse::<u64>().ok();
    let producer = u32::try_from(value("producer=")?).ok()?;
    let (sequence, price, sum) = (value("sequence=")?, value("price=")?, value("checksum=")?);
    (sum == checksum(producer, sequence, price)).then_some((producer, sequence))
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expected = humanize::records(self.expected());
        let are = |number| humanize::verb(number, "is", "are");
        if self.is_complete() {
            write!(
                f,
                "PROVED: all {expected} arrived exactly once, {} in order, every checksum right",
                match self.producers {
                    1 => "the one lane".to_owned(),
                    lanes => format!("each of the {} lanes", humanize::count(lanes.into())),
                }
            )
        } else {
            write!(
                f,
                "INCOMPLETE: of {expected} {} {} missing, {} came late, {} came twice; {} {} never logged, {} {} not \
                 whole",
                humanize::count(self.missing()),
                are(self.missing()),
                humanize::count(self.ledger.late()),
                humanize::count(self.ledger.doubled()),
                humanize::count(self.foreign),
                humanize::verb(self.foreign, "was", "were"),
                humanize::counted(self.damaged, "line"),
                are(self.damaged)
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(producer: u32, sequence: u64) -> String {
        let sum = checksum(producer, sequence, 5);
        format!(
            "2026-11-21T10:15:30Z INFO  demo[1/main] producer={producer} sequence={sequence} price=5 checksum={sum}\n"
        )
    }

    fn proof(lines: &[String]) -> Proof {
        Proof::of(lines.concat().as_bytes(), 2, 2).unwrap()
    }

    fn all() -> Vec<String> {
        vec![line(0, 0), line(1, 0), line(1, 1), line(0, 1)]
    }

    #[test]
    fn everything_once_and_in_order_is_complete() {
        let proof = proof(&all());
        assert!(proof.is_complete());
        assert_eq!(proof.samples().len(), 3);
        let expected =
            "PROVED: all 4 records arrived exactly once, each of the 2 lanes in order, every checksum right";
        assert_eq!(proof.to_string(), expected);
    }

    #[test]
    fn numbers_agree_with_their_nouns_and_verbs() {
        let one = Proof::of(line(0, 0).as_bytes(), 1, 1).unwrap().to_string();
        assert_eq!(
            one,
            "PROVED: all 1 record arrived exactly once, the one lane in order, every checksum right"
        );
        let text = proof(&all()[..3]).to_string();
        let rest = "0 came late, 0 came twice; 0 were never logged, 0 lines are not whole";
        assert_eq!(text, format!("INCOMPLETE: of 4 records 1 is missing, {rest}"));
    }

    #[test]
    fn whatever_goes_wrong_is_noticed() {
        let broken = |change: &dyn Fn(&mut Vec<String>)| {
            let mut lines = all();
            change(&mut lines);
            !proof(&lines).is_complete()
        };
        assert!(broken(&|lines| drop(lines.pop())), "one is missing");
        assert!(broken(&|lines| drop(lines.remove(0))), "the first one is missing");
        assert!(broken(&|lines| lines.push(line(0, 1))), "one is there twice");
        assert!(broken(&|lines| lines.swap(1, 2)), "two are out of order");
        assert!(broken(&|lines| lines[3] = line(1, 2)), "one of another producer");
        assert!(broken(&|lines| lines.push(line(2, 0))), "one of an unknown producer");
        assert!(broken(&|lines| lines[0] = lines[0].replace("price=5", "price=6")), "a wrong field");
        assert!(broken(&|lines| lines.push("WARN ringlog 3 records dropped here\n".into())), "a gap");
        assert!(broken(&|lines| lines[3].truncate(60)), "a torn line");
    }
}
