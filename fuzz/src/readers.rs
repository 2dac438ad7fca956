//! Readers of a ring: the consumer, observers, and the verbs of the command line.

use std::time::Duration;

use ringlog::reader::{Consumer, Entry, Observer};
use ringlog_cli::fuzzing::{Verb, look};
use ringlog_writer::FormatKind;

use crate::scene::{self, Scene};
use crate::script::Script;
use crate::{lines, writers};

/// More than a look at a ring can give out: each slot holds one record at most, and each makes a gap at most
/// before itself; a lane may tell one more.
fn budget(scene: &Scene) -> usize {
    let lanes = scene.info().geometry().lane_count() as usize;
    2 * scene.words.slots() + 4 * lanes
}

/// Looks at an entry as the writer and `tail` do.
fn look_at(number: usize, entry: &Entry<'_>, scene: &Scene) {
    let text = entry.record().and_then(|record| record.text()).unwrap_or_default();
    assert!(text.len() <= scene.info().geometry().record_limit(), "a text of {} bytes", text.len());
    lines::check_first(number, entry);
}

/// Drains the ring, formatting as the writer does, with the ring changed between two batches.
pub fn consumer(data: &[u8]) {
    let mut script = Script::new(data);
    scene::with(script.byte().unwrap_or(0), |scene| {
        let mut step = script.next_step(&scene.words);
        let mut consumer = scene.ring.consumer().unwrap();
        loop {
            let how = step.unwrap_or(1);
            take_batch(&mut consumer, scene, how);
            if how & 1 != 0 {
                consumer.ack().unwrap();
            }
            if step.is_none() {
                break;
            }
            step = script.next_step(&scene.words);
        }
        consumer.is_drained().unwrap();
        consumer.open_lanes().unwrap();
        let _ = consumer.requests().pending(ringlog::admin::Request::Stop);
    });
}

/// Takes out what is there, or a few entries of it. The ring is not changed meanwhile, so it comes to an end.
fn take_batch(consumer: &mut Consumer, scene: &Scene, how: u8) {
    if how & 2 != 0 {
        consumer.set_grace(Duration::ZERO);
    }
    let few = how & 4 != 0;
    let budget = budget(scene);
    for taken in 0.. {
        assert!(taken <= budget, "{taken} entries and no end");
        let Some(entry) = consumer.next(Duration::ZERO).unwrap() else { return };
        look_at(taken, &entry, scene);
        if few && taken == usize::from(how >> 3) {
            return;
        }
    }
}

/// Looks, with the ring changed between two looks.
pub fn observer(data: &[u8]) {
    let mut script = Script::new(data);
    scene::with(script.byte().unwrap_or(0), |scene| {
        let mut observer = Observer::open(&scene.name).unwrap();
        while let Some(how) = script.next_step(&scene.words) {
            look_once(&mut observer, scene, how);
        }
        look_once(&mut observer, scene, 1);
    });
}

fn look_once(observer: &mut Observer, scene: &Scene, how: u8) {
    // The file is as long as it was; a failure would be a finding.
    let entries = observer.poll().unwrap();
    assert!(entries.len() <= budget(scene), "{} entries", entries.len());
    entries.iter().enumerate().for_each(|(number, entry)| look_at(number, &entry.entry(), scene));
    observer.missed();
    if how & 1 != 0 {
        let stat = observer.stat().unwrap();
        assert!(stat.lanes.len() <= scene.info().geometry().lane_count() as usize);
    }
}

/// Runs the command line's verbs on a ring whose header is not spared: those that look, and what those do that
/// map it for writing.
pub fn verbs(data: &[u8]) {
    let mut script = Script::new(data);
    scene::with(script.byte().unwrap_or(0), |scene| {
        loop {
            let step = script.next_step(&scene.words);
            let verb = step.unwrap_or(0);
            if verb & 16 == 0 {
                scene.mend_checksums();
            }
            run(verb, scene);
            if step.is_none() {
                break;
            }
        }
    });
}

fn run(verb: u8, scene: &Scene) {
    let json = verb & 8 != 0;
    let format = if json { FormatKind::Json } else { FormatKind::Text };
    let shown = match verb & 7 {
        0 => look(Verb::Info, &scene.name, json),
        1 => look(Verb::Stat, &scene.name, json),
        2 => look(Verb::Ls, &scene.name, json),
        3 => look(Verb::Tail(format), &scene.name, json),
        4 if json => look(Verb::Level, &scene.name, false),
        4 => look(Verb::Tail(FormatKind::Raw), &scene.name, json).map(|_| "raw bytes".to_owned()),
        5 if json => look(Verb::Level, &scene.name, true),
        5 => ringlog::admin::request(&scene.name, ringlog::admin::Request::Stop)
            .map(|_| "asked".to_owned())
            .map_err(Into::into),
        6 if json => writers::change_levels(&scene.name).map_err(Into::into),
        // The file has no name, so it survives; everything before that is done.
        6 => ringlog::admin::remove(&scene.name, true).map(|_| "removed".to_owned()).map_err(Into::into),
        _ if json => scene.ring.undo_ended_levels().map(|()| "undone".to_owned()).map_err(Into::into),
        _ => writers::put(&scene.name).map_err(Into::into),
    };
    let text = shown.unwrap_or_else(|error| format!("{error:#}"));
    let harmful = |c: char| c != '\n' && lines::is_harmful(c);
    assert!(!text.contains(harmful), "a terminal would act upon {text:?}");
}
