//! Taking items out: the turn of the thread, the role of the process, and the consumer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::claim::{self, Claim};
use super::found::Found;
use super::patience::Patience;
use super::station::Station;
use super::{Queue, count, waiting};
use crate::error::Error;
use crate::reader::consumer::Consumer;
use crate::shm::layout::header;
use crate::shm::wakeup;

/// How long a call that is not to wait does wait for another getter, if there are items.
const OTHERS: Duration = Duration::from_millis(100);

/// How long a getter waits for another ring of the name, once its own was removed.
const MADE_ANEW_WITHIN: Duration = Duration::from_secs(1);

/// What came of an attempt at one ring.
enum Outcome<T> {
    Done(T),
    TimeUp,
    /// Another ring has taken the place of this one, which is empty.
    Moved,
}

/// Takes out the first item.
pub(super) fn get(queue: &Queue, patience: &Patience<'_>) -> Result<Option<Vec<u8>>, Error> {
    with_item(queue, patience, |found| found.take())
}

/// Claims the first item.
pub(super) fn claim(queue: &Queue, patience: &Patience<'_>) -> Result<Option<Claim>, Error> {
    with_item(queue, patience, |found| found.claim())
}

/// Waits for an item and leaves it where it is.
pub(super) fn wait(queue: &Queue, patience: &Patience<'_>) -> Result<bool, Error> {
    Ok(with_item(queue, patience, |_| Ok(()))?.is_some())
}

/// Takes out what is there.
pub(super) fn clear(queue: &Queue) -> Result<u64, Error> {
    let now = Patience::new(Duration::ZERO, &|| true);
    let cleared = with_item(queue, &now, |mut found| {
        let mut cleared = 0;
        while found.orphan.take().is_some_and(|orphan| {
            orphan.free(found.ring);
            true
        }) {
            cleared += 1;
            found.orphan = claim::find_orphan(found.station, found.ring);
        }
        found.consumer.look()?;
        // What is put in meanwhile is younger than the last scan, and stays.
        while found.consumer.has_found_record()? {
            found.consumer.give_record()?;
            cleared += 1;
        }
        found.consumer.ack()?;
        wakeup::wake_for_room(found.ring);
        Ok(cleared)
    })?;
    Ok(cleared.unwrap_or(0))
}

/// Calls `act` once there is an item.
fn with_item<T>(
    queue: &Queue,
    patience: &Patience<'_>,
    mut act: impl FnMut(Found<'_>) -> Result<T, Error>,
) -> Result<Option<T>, Error> {
    loop {
        let station = queue.station_of_getter()?;
        match at(queue, &station, patience, &mut act) {
            Ok(Outcome::Done(done)) => return Ok(Some(done)),
            Ok(Outcome::TimeUp) => return Ok(None),
            Ok(Outcome::Moved) => {}
            // What is left in a ring that was replaced cannot be had.
            Err(_) if queue.leave(&station)? => {}
            Err(error) => return Err(error),
        }
    }
}

fn at<T>(
    queue: &Queue,
    station: &Arc<Station>,
    patience: &Patience<'_>,
    act: &mut impl FnMut(Found<'_>) -> Result<T, Error>,
) -> Result<Outcome<T>, Error> {
    let ring = station.ring().ok_or(Error::Forked)?;
    let has_items = || count::items(&ring) > 0 || claim::has_orphan(station, &ring);
    let turn = station.getting.take(patience);
    let turn = turn.or_else(|| has_items().then(|| station.getting.take(&patience.longer_by(OTHERS)))?);
    let Some(mut getter) = turn else { return Ok(Outcome::TimeUp) };
    let role = waiting::take(station, &ring, ring.getting(), patience);
    let role = role.or_else(|| {
        has_items().then(|| waiting::take(station, &ring, ring.getting(), &patience.longer_by(OTHERS)))?
    });
    let Some(role) = role else { return Ok(Outcome::TimeUp) };
    // Not there during the call: after an error or a panic the next one begins anew.
    let mut consumer = begin(station, getter.consumer.take(), &role)?;
    let mut gone_since = None;
    let outcome = loop {
        let mut orphan = if claim::may_exist(&ring) && getter.is_look_due() {
            claim::find_orphan(station, &ring)
        } else {
            None
        };
        let has_record = orphan.is_none() && consumer.has_record()?;
        if orphan.is_none() && !has_record {
            orphan = claim::find_orphan(station, &ring);
        }
        if orphan.is_some() {
            // There may be more of them.
            getter.look_again();
        }
        if has_record || orphan.is_some() {
            let found = Found { queue, station, ring: &ring, consumer: &mut consumer, orphan };
            break Outcome::Done(act(found)?);
        }
        if !station.is_of(&*queue.session()?) {
            break Outcome::Moved;
        }
        let session = station.session();
        if ring.flags() & header::FLAG_RETIRED != 0 && !session.identity.is_at(&session.path) {
            // Nobody can put anything in any more.
            if gone_since.get_or_insert_with(Instant::now).elapsed() >= MADE_ANEW_WITHIN {
                return Err(queue.ring.named().why_gone());
            }
        }
        let Some(slice) = patience.slice(Duration::MAX) else { break Outcome::TimeUp };
        consumer.doze(slice)?;
    };
    getter.consumer = Some(consumer);
    Ok(outcome)
}

/// The consumer with the state of the ring.
fn begin(station: &Station, known: Option<Consumer>, role: &waiting::Held<'_>) -> Result<Consumer, Error> {
    let is_again = role.is_again();
    let consumer = match known {
        Some(consumer) if is_again => return Ok(consumer),
        Some(mut consumer) => {
            consumer.catch_up()?;
            if role.follows_death {
                consumer.announce_for_dead()?;
            }
            consumer
        }
        None => {
            let consumer = Consumer::for_queue(station.session().clone())?;
            consumer.announce_for_dead()?;
            consumer
        }
    };
    consumer.name_in_header()?;
    Ok(consumer)
}
