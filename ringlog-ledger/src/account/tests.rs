use super::*;

#[test]
fn a_finding_names_its_place_its_owner_and_the_sequences() {
    let mut account = Account::new(false);
    for (line, sequence) in (1..).zip([0, 1, 4]) {
        let entry = Entry { uuid: "u".into(), lane: Some((3, 2)), what: What::Record(sequence) };
        account.take(Place { file: 0, line }, &entry);
    }
    assert_eq!(account.findings(), []);
    let (findings, sums) = account.close();
    let owner = Some(Owner { uuid: "u".to_owned(), lane: 3, incarnation: 2 });
    let place = Place { file: 0, line: 3 };
    assert_eq!(findings, [Finding { place, owner, fault: Fault::Missing(2..=3) }]);
    assert_eq!(sums, Sums { records: 3, lanes: 1, missing: 2, ..Sums::default() });
}

/// The lines of two owners, and of records left out of the output: the findings, and the sums.
fn left_out_account(entries: &[(u32, What<'static>)]) -> (Vec<Fault>, Sums) {
    let mut account = Account::new(false);
    for (line, (lane, what)) in (1..).zip(entries) {
        let lane = (!matches!(what, What::Gap { .. })).then_some((*lane, 1));
        account.take(Place { file: 0, line }, &Entry { uuid: "u".into(), lane, what: what.clone() });
    }
    let (findings, sums) = account.close();
    (findings.into_iter().map(|finding| finding.fault).collect(), sums)
}

fn left_out(count: u64) -> What<'static> {
    What::Gap { reason: "unwritten".into(), count }
}

#[test]
fn records_left_out_of_the_output_are_not_missing_too() {
    let gap = |count| Fault::Gap { reason: "unwritten".to_owned(), count };
    let record = What::Record;
    let lines = [(1, record(0)), (2, record(0)), (0, left_out(5)), (1, record(3)), (2, record(4))];
    let (faults, sums) = left_out_account(&lines);
    assert_eq!(faults, [gap(5)], "two in one lane, three in another");
    assert_eq!(sums, Sums { records: 4, lanes: 2, left_out: 5, ..Sums::default() });
    // No more than were left out, and only before the next entry of each owner.
    let (faults, sums) = left_out_account(&[(1, record(0)), (0, left_out(2)), (1, record(4))]);
    assert_eq!((faults, sums.missing), (vec![gap(2), Fault::PartlyMissing(1..=3, 1)], 1));
    let lines = [(1, record(0)), (2, record(0)), (0, left_out(2)), (1, record(3)), (2, record(2))];
    assert_eq!(left_out_account(&lines).0, [gap(2), Fault::Missing(1..=1)]);
    let lines = [(1, record(0)), (0, left_out(2)), (1, record(1)), (1, record(3))];
    assert_eq!(left_out_account(&lines).0, [gap(2), Fault::Missing(2..=2)]);
}

#[test]
fn a_lane_without_records_is_not_counted() {
    let gap = Entry {
        uuid: "u".into(),
        lane: Some((3, 1)),
        what: What::Gap { reason: "dropped".into(), count: 2 },
    };
    let mut account = Account::new(false);
    account.take(Place { file: 0, line: 1 }, &gap);
    let end = LaneEnd { lane: 4, incarnation: 1, last: Some(7) };
    account.take(
        Place { file: 0, line: 2 },
        &Entry { uuid: "u".into(), lane: Some((4, 1)), what: What::Died(vec![end]) },
    );
    assert_eq!(account.close().1.lanes, 0);
}
