use super::*;

/// A header's words, which no other thread accesses.
fn header() -> Vec<AtomicU64> {
    (0..header::BYTES / 8).map(|_| AtomicU64::new(0)).collect()
}

#[allow(unsafe_code)]
fn memory(words: &[AtomicU64]) -> Memory {
    // SAFETY: the words outlive the value in each test.
    unsafe { Memory::borrow(words.as_ptr(), words.len()) }
}

fn text(memory: &Memory) -> Option<(u64, Vec<u8>)> {
    let mut room = ROOM;
    read(memory, &mut room).map(|(epoch, text)| (epoch, text.to_vec()))
}

#[test]
fn a_ring_that_was_never_steered_has_no_rules() {
    let words = header();
    let memory = memory(&words);
    assert_eq!(text(&memory), Some((0, Vec::new())));
    assert_eq!([begin(&memory, 77), begin(&memory, 99)], [76, 76]);
    assert_eq!(text(&memory), Some((76, Vec::new())));
}

#[test]
fn no_epoch_repeats_even_if_the_word_is_set_back() {
    let words = header();
    let memory = memory(&words);
    let mut seen = std::collections::BTreeSet::from([begin(&memory, 1_000)]);
    for now_ns in [1_000, 1_000, 1_001, 2_000, 2_003, 2_004, 3_000] {
        let epoch = epoch_word(&memory).load(Ordering::Relaxed);
        assert!(write(&memory, epoch, now_ns, b""));
        let next = epoch_word(&memory).load(Ordering::Relaxed);
        assert!(next & 1 != epoch & 1 && seen.insert(next), "{next} after {epoch}");
    }
    words[header::LEVEL_EPOCH / 8].store(0, Ordering::Relaxed);
    assert!(seen.insert(begin(&memory, 4_000)));
    words[header::LEVEL_EPOCH / 8].store(1_000, Ordering::Relaxed);
    assert!(write(&memory, 1_000, 5_000, b"") && seen.insert(epoch_word(&memory).load(Ordering::Relaxed)));
    words[header::LEVEL_EPOCH / 8].store(u64::MAX, Ordering::Relaxed);
    assert!(write(&memory, u64::MAX, 0, b"after the last"));
    assert_eq!(text(&memory), Some((2, b"after the last".to_vec())));
}

#[test]
fn texts_of_every_length_are_read_back_whole() {
    let words = header();
    let memory = memory(&words);
    let mut epoch = begin(&memory, 0);
    for length in (0..40).chain(TEXT_MAX - 9..=TEXT_MAX) {
        let new: Vec<u8> = (0..length).map(|n| (n * 7 + length) as u8).collect();
        assert!(write(&memory, epoch, 0, &new));
        assert!(!write(&memory, epoch, 0, b"for an epoch that has passed"));
        assert!(write(&memory, epoch + 1, 0, b"in between") && write(&memory, epoch + 2, 0, &new));
        epoch += 3;
        assert_eq!(text(&memory), Some((epoch, new)));
    }
}

#[test]
fn damaged_bytes_read_as_no_rules() {
    let words = header();
    let memory = memory(&words);
    let epoch = begin(&memory, 0);
    assert!(write(&memory, epoch, 0, b"10 0 0 db\n"));
    let start = half(epoch + 1);
    for (at, damage) in (0..=2).flat_map(|word| (0..64).map(move |bit| (start + word, 1 << bit))) {
        let good = words[at].fetch_xor(damage, Ordering::Relaxed);
        let (_, found) = text(&memory).unwrap();
        // What lies behind the text does not count.
        let counts = at < start + 2 || damage < 1 << 16;
        assert_eq!(found.is_empty(), counts, "word {at}, {damage:x}");
        words[at].store(good, Ordering::Relaxed);
    }
    assert_eq!(text(&memory).unwrap().1, b"10 0 0 db\n");
}
