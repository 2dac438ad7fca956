//! Level rules that one process changes while another reads them.

use super::*;
use crate::shm::layout::header;
use crate::shm::rules_area;

/// The texts, in the order in which they are in force.
const TEXTS: [&[u8; 8]; 3] = [b"first...", b"second..", b"third..."];
const BEGUN: u64 = 2;

/// The words of the epoch and of halves with room for these texts.
fn small_header() -> Memory {
    let halves = header::LEVEL_RULES.into_iter().flat_map(|half| [half / 8, half / 8 + 1]);
    Memory::zeroed(halves.chain([header::LEVEL_EPOCH / 8]))
}

/// One role changes the rules twice, so that the half from which the reader copies is written again.
fn changing() -> &'static str {
    let memory = small_header();
    rules_area::begin(&memory, BEGUN);
    assert!(rules_area::write(&memory, BEGUN, 0, TEXTS[0]));
    let changer = role(&memory, |memory| {
        for (epoch, text) in (BEGUN + 1..).zip(&TEXTS[1..]) {
            assert!(rules_area::write(memory, epoch, 0, &text[..]), "only this role changes the rules");
        }
    });
    let reader = role(&memory, |memory| {
        let mut room = rules_area::ROOM;
        let (epoch, text) = rules_area::read(memory, &mut room).expect("two changes leave enough tries");
        let expected = TEXTS[(epoch - BEGUN - 1) as usize];
        assert_eq!(text, expected, "not the text of its epoch");
        expected
    });
    changer.join().unwrap();
    match reader.join().unwrap() {
        b"first..." => "first",
        b"second.." => "second",
        _ => "third",
    }
}

#[test]
fn a_reader_of_changing_rules_gets_one_whole_text() {
    allows(&["first", "second", "third"], changing);
}

#[test]
fn without_steer_an_epoch_is_seen_before_its_text() {
    weakening_shows(Sync::Steer, "not the text of its epoch", changing);
}

#[test]
fn without_the_rules_fence_a_later_text_goes_unnoticed() {
    weakening_shows(Sync::Rules, "not the text of its epoch", changing);
}
