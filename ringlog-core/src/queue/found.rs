//! An item that a getter has found, and the two ways to take it out.

use std::sync::Arc;

use super::claim::{self, Claim, Orphan, Written};
use super::station::Station;
use super::{Queue, item};
use crate::error::Error;
use crate::reader::consumer::Consumer;
use crate::shm::block::SharedRing;
use crate::shm::wakeup;

/// What a getter has found, to be taken out or claimed.
pub(super) struct Found<'a> {
    pub(super) queue: &'a Queue,
    pub(super) station: &'a Arc<Station>,
    pub(super) ring: &'a SharedRing,
    pub(super) consumer: &'a mut Consumer,
    /// A claim to be taken over; otherwise the record at the consumer's head.
    pub(super) orphan: Option<Orphan>,
}

impl Found<'_> {
    /// Takes the item out and acknowledges it.
    pub(super) fn take(mut self) -> Result<Vec<u8>, Error> {
        let item = self.item()?;
        self.acknowledge()?;
        Ok(item)
    }

    /// Takes the item out and claims it.
    pub(super) fn claim(mut self) -> Result<Claim, Error> {
        let item = self.item()?;
        if let Some(orphan) = self.orphan.take() {
            let written = orphan.take_over(self.station, self.ring);
            return Ok(Claim::new(item, self.station.clone(), written));
        }
        let Some(written) = Written::new(self.station, self.ring, &item) else {
            let (path, claims) = (self.queue.ring().path().to_owned(), claim::count(self.ring));
            return Err(Error::ClaimsExhausted { path, claims });
        };
        self.acknowledge()?;
        Ok(Claim::new(item, self.station.clone(), written))
    }

    fn item(&mut self) -> Result<Vec<u8>, Error> {
        match &mut self.orphan {
            Some(orphan) => Ok(std::mem::take(&mut orphan.item)),
            None => Ok(item::bytes_of(&self.consumer.give_record()?)),
        }
    }

    fn acknowledge(&mut self) -> Result<(), Error> {
        match &self.orphan {
            Some(orphan) => orphan.free(self.ring),
            None => {
                self.consumer.ack()?;
                wakeup::wake_for_room(self.ring);
            }
        }
        Ok(())
    }
}
