//! The place of this process at one ring: what its threads share as getters and putters.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use super::state::Getter;
use super::turn::Turn;
use crate::os::fork_guard;
use crate::os::fork_local::ForkLocal;
use crate::ring::by_name::{Attached, Named};
use crate::ring::lane;
use crate::ring::session::{Refusal, Session};
use crate::shm::block::SharedRing;
use crate::shm::role::Holder;

/// What the threads of this process share at one ring. There is one for each session, because the roles name its
/// process lane.
#[derive(Debug)]
pub(super) struct Station {
    session: Attached,
    session_id: u64,
    pub(super) me: Holder,
    pub(super) getting: Turn<Getter>,
    pub(super) putting: Turn<()>,
}

type Stations = Vec<(u64, Weak<Station>)>;

/// All stations of this process, by their sessions.
static STATIONS: OnceLock<ForkLocal<Mutex<Stations>>> = OnceLock::new();

/// Makes the list of stations, unless it exists. Called when a queue is opened.
pub(super) fn prepare() -> std::io::Result<()> {
    if STATIONS.get().is_none() {
        let stations = ForkLocal::new()?;
        // A child forked meanwhile would wait for a thread that it does not have.
        let _no_fork = fork_guard::block_forks();
        let _ = STATIONS.set(stations);
    }
    Ok(())
}

fn stations() -> Option<MutexGuard<'static, Stations>> {
    Some(STATIONS.get()?.get().lock().unwrap_or_else(PoisonError::into_inner))
}

impl Station {
    /// The station at the present ring of the name. Opens the process's lane there.
    pub(super) fn of(named: &Arc<Named>) -> Result<Arc<Station>, Refusal> {
        let session = named.attached();
        let session_id = session.session_id();
        let ring = session.ring().ok_or(Refusal::Gone)?;
        let mut stations = stations().ok_or(Refusal::Gone)?;
        stations.retain(|(_, station)| station.strong_count() > 0);
        let known = stations.iter().find(|(id, _)| *id == session_id).and_then(|(_, known)| known.upgrade());
        if let Some(station) = known {
            return Ok(station);
        }
        let (lane, incarnation) = lane::of_process(&session, &ring)?;
        let me = Holder::new(lane, incarnation);
        let station = Arc::new(Station {
            session,
            session_id,
            me,
            getting: Turn::new(Getter::default()),
            putting: Turn::new(()),
        });
        stations.push((session_id, Arc::downgrade(&station)));
        Ok(station)
    }

    pub(super) fn session(&self) -> &Attached {
        &self.session
    }

    pub(super) fn is_of(&self, session: &Session) -> bool {
        self.session_id == session.session_id()
    }

    /// The ring; `None` if the session is over.
    pub(super) fn ring(&self) -> Option<SharedRing> {
        self.session.ring().filter(|_| self.session.session_id() == self.session_id)
    }
}
