//! Outputs in miniature: one lane's owner, unless it says otherwise.

use ringlog_ledger::{Account, Entry, LaneEnd, Place, What};

use super::*;

fn record(sequence: u64) -> What<'static> {
    What::Record(sequence)
}

fn gap(reason: &'static str, count: u64) -> What<'static> {
    What::Gap { reason: reason.into(), count }
}

fn died(last: Option<u64>) -> What<'static> {
    died_in(3, 2, last)
}

fn died_in(lane: u32, incarnation: u32, last: Option<u64>) -> What<'static> {
    What::Died(vec![LaneEnd { lane, incarnation, last }])
}

/// Numbers of lines, and what is said of each.
fn account(partial: bool, entries: &[(u32, u32, What<'static>)]) -> (Sums, Vec<(u64, String)>) {
    let mut account = Account::new(partial);
    for (line, (lane, incarnation, what)) in (1..).zip(entries) {
        let lane = Some((*lane, *incarnation));
        account.take(Place { file: 0, line }, &Entry { uuid: "u".into(), lane, what: what.clone() });
    }
    let mut findings = account.findings();
    let (rest, sums) = account.close();
    findings.extend(rest);
    findings.sort_by_key(|finding| finding.place);
    let line_and_text =
        |found: Finding| (found.place.line, finding(&found).split(", lane ").next().unwrap().to_owned());
    (sums, findings.into_iter().map(line_and_text).collect())
}

#[track_caller]
fn of_one(entries: Vec<What<'static>>, expected: &[(u64, &str)]) -> Sums {
    let entries: Vec<_> = entries.into_iter().map(|what| (3, 2, what)).collect();
    let (sums, found) = account(false, &entries);
    let found: Vec<(u64, &str)> = found.iter().map(|(line, text)| (*line, &**text)).collect();
    assert_eq!(found, expected);
    sums
}

#[test]
fn each_once_and_in_order_is_complete() {
    let sums = of_one(vec![record(0), record(1), record(2), died(Some(2))], &[]);
    assert_eq!(sums, Sums { records: 3, lanes: 1, died: 1, ..Sums::default() });
    of_one(vec![died(None)], &[]);
    of_one(vec![], &[]);
}

#[test]
fn missing_records_are_named() {
    let sums =
        of_one(vec![record(0), record(3)], &[(2, "missing before this: sequences 1 to 2 (2 records)")]);
    assert_eq!(sums.missing, 2);
    of_one(vec![record(1)], &[(1, "missing before this: sequence 0 (1 record)")]);
    of_one(vec![record(0), died(Some(2))], &[(2, "missing before this: sequences 1 to 2 (2 records)")]);
    let sums = of_one(
        vec![died(Some(u64::MAX))],
        &[(
            1,
            "missing before this: sequences 0 to 18446744073709551614 (18,446,744,073,709,551,615 records)",
        )],
    );
    assert_eq!(sums.missing, u64::MAX);
}

#[test]
fn doubled_records_are_not_missing() {
    let sums = of_one(
        vec![record(0), record(1), record(1), record(0), record(2)],
        &[(3, "doubled: sequence 1 is there already"), (4, "doubled: sequence 0 is there already")],
    );
    assert_eq!((sums.doubled, sums.missing), (2, 0));
    let twice = &[(3, "doubled: its owner's unclean exit is reported already")];
    assert_eq!(of_one(vec![record(0), died(Some(0)), died(Some(0))], twice).doubled, 1);
}

#[test]
fn a_record_that_comes_late_is_out_of_order_and_not_missing() {
    let sums = of_one(
        vec![record(0), record(3), record(2), record(4), record(2)],
        &[
            (2, "missing before this: sequence 1 (1 record)"),
            (3, "out of order: sequence 2 comes after 3"),
            (5, "doubled: sequence 2 is there already"),
        ],
    );
    assert_eq!((sums.missing, sums.misplaced, sums.doubled), (1, 1, 1));
    let sums = of_one(
        vec![record(4), record(1)],
        &[
            (1, "missing before this: sequence 0 (1 record)"),
            (1, "missing before this: sequences 2 to 3 (2 records)"),
            (2, "out of order: sequence 1 comes after 4"),
        ],
    );
    assert_eq!(sums.missing, 3);
}

#[test]
fn what_was_refused_has_no_sequence_and_excuses_nothing() {
    let reported = (2, "reported: 5 records dropped");
    let sums = of_one(vec![record(0), gap("dropped", 5), record(1)], &[reported]);
    assert_eq!((sums.missing, sums.dropped), (0, 5));
    for reason in ["no_lane", "nested", "unfit", "system"] {
        let reported = format!("reported: 5 records dropped ({reason})");
        let sums = of_one(vec![record(0), gap(reason, 5), record(1)], &[(2, &reported)]);
        assert_eq!((sums.missing, sums.dropped), (0, 5));
    }
    let missing = (3, "missing before this: sequence 1 (1 record)");
    assert_eq!(of_one(vec![record(0), gap("dropped", 5), record(2)], &[reported, missing]).missing, 1);
}

#[test]
fn records_reported_as_missing_are_not_counted_twice() {
    let reported = (2, "reported: 2 records missing");
    assert_eq!(of_one(vec![record(0), gap("missing", 2), record(3)], &[reported]).missing, 0);
    let more = (3, "missing: 1 record of sequences 1 to 3, the rest is reported");
    assert_eq!(of_one(vec![record(0), gap("missing", 2), record(4)], &[reported, more]).missing, 1);
    // It excuses the hole at its own place only.
    let later = (4, "missing before this: sequences 2 to 3 (2 records)");
    let sums = of_one(vec![record(0), gap("missing", 2), record(1), record(4)], &[reported, later]);
    assert_eq!((sums.missing, sums.overwritten), (2, 2));
    let damaged = (2, "reported: damaged, 1 place");
    assert_eq!(of_one(vec![record(0), gap("damaged", 1), record(9)], &[damaged]).missing, 0);
}

#[test]
fn an_unclean_exit_and_the_records_have_to_agree() {
    let sums = of_one(
        vec![record(0), record(1), died(Some(0))],
        &[(
            3,
            "contradiction: its owner's unclean exit names sequence 0 as the last, but sequence 1 is there",
        )],
    );
    assert_eq!(sums.misplaced, 1);
    let none = "contradiction: its owner's unclean exit names no record, but sequence 0 is there";
    of_one(vec![record(0), died(None)], &[(2, none)]);
    let after = "out of order: sequence 1 comes after its owner's unclean exit";
    of_one(vec![record(0), died(Some(0)), record(1)], &[(3, after)]);
}

#[test]
fn lanes_and_their_owners_are_accounts_of_their_own() {
    let (sums, found) = account(
        false,
        &[(1, 1, record(0)), (2, 1, record(0)), (1, 1, record(1)), (1, 2, record(0)), (2, 1, record(1))],
    );
    assert_eq!((sums.records, sums.lanes, found), (5, 2, vec![]));
    let (sums, found) =
        account(false, &[(1, 1, record(0)), (1, 2, record(0)), (1, 1, record(1)), (1, 2, record(2))]);
    assert_eq!((sums.misplaced, sums.missing), (1, 1));
    assert_eq!(found[0], (3, "out of order: sequence 1 comes after incarnation 2".to_owned()));
}

#[test]
fn rings_are_accounts_of_their_own() {
    let mut account = Account::new(false);
    for (line, (uuid, sequence)) in (1..).zip([("a", 0), ("b", 0), ("b", 1), ("a", 2)]) {
        let entry = Entry { uuid: uuid.into(), lane: Some((1, 1)), what: record(sequence) };
        account.take(Place { file: 0, line }, &entry);
    }
    let (found, sums) = account.close();
    let [found] = &found[..] else { panic!("{found:?}") };
    let text = "missing before this: sequence 1 (1 record), lane 1, incarnation 1, ring a".to_owned();
    assert_eq!((found.place, finding(found)), (Place { file: 0, line: 4 }, text));
    assert_eq!((sums.lanes, sums.doubled), (2, 0));
}

#[test]
fn a_part_of_an_output_lacks_nothing_at_its_beginning() {
    let entries = [(1, 1, record(7)), (1, 1, record(8)), (1, 1, record(10)), (2, 1, died_in(2, 1, Some(5)))];
    let (sums, found) = account(true, &entries);
    assert_eq!(
        (sums.missing, found),
        (1, vec![(3, "missing before this: sequence 9 (1 record)".to_owned())])
    );
    assert_eq!(account(false, &entries).0.missing, 7 + 1 + 6);
}

#[test]
fn records_left_in_a_removed_ring_have_their_own_words() {
    let of = |reason: &str, count| {
        let place = Place { file: 0, line: 1 };
        finding(&Finding { place, owner: None, fault: Fault::Gap { reason: reason.to_owned(), count } })
    };
    assert_eq!(of("left", 1), "reported: 1 record left in a ring that was removed or replaced");
    assert_eq!(of("damaged", 1), "reported: damaged, 1 place, of threads without a lane");
}

#[test]
fn records_left_out_are_of_threads_with_a_lane() {
    let of = |reason: &str| {
        let fault = Fault::Gap { reason: reason.to_owned(), count: 5 };
        finding(&Finding { place: Place { file: 0, line: 1 }, owner: None, fault })
    };
    assert_eq!(of("unwritten"), "reported: 5 records left out, because the output did not keep up");
    assert_eq!(of("no_lane"), "reported: 5 records dropped (no_lane), of threads without a lane");
}
