//! The logger: the handle that applications log with.

#![allow(unsafe_code)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{Error, PushError};
use crate::producer::flush;
use crate::producer::push;
use crate::producer::statement;
use crate::record::encoded::Encoded;
use crate::record::level::Level;
use crate::record::record_trait::Record;
use crate::record::site::Site;
use crate::record::text::{TEXT, Text, text_site};
use crate::record::value::Value;
use crate::record::values::Values;
use crate::ring::by_name::Named;
use crate::ring::handle::Ring;
use crate::ring::lane;
use crate::ring::private::{FastPath, ProducerState};
use crate::ring::session::{Refusal, SessionState};
use crate::ring::thread_lanes;
use crate::shm::clock::Clock;
use crate::shm::overflow::Overflow;
use crate::shm::record_header::flag;
use crate::shm::wakeup;

/// A handle to log into a ring with. It can be cloned and sent to any thread.
///
/// A call takes no lock, makes no system call and allocates nothing: it costs about a clock read and the stores. Some
/// calls cost more: a thread's first record opens its lane, about each hundredth record takes a new block, and a record
/// whose definition finds no room in the ring carries it along (`ringlog stat` counts these; see
/// [`Options::definitions`](crate::Options::definitions)).
#[derive(Clone, Debug)]
pub struct Logger {
    pub(crate) named: Arc<Named>,
    overflow: Option<Overflow>,
}

impl Ring {
    /// A handle to log with; clone it freely, send it to any thread. Each thread gets its lane by
    /// itself with its first record.
    pub fn logger(&self) -> Logger {
        Logger::new(self.named().clone())
    }
}

impl Logger {
    pub(crate) fn new(named: Arc<Named>) -> Logger {
        Logger { named, overflow: None }
    }

    /// The same logger with an overflow policy of its own, in place of the ring's.
    pub fn with_overflow(mut self, overflow: Overflow) -> Logger {
        self.overflow = Some(overflow);
        self
    }

    /// Publishes a record.
    ///
    /// # Errors
    /// A [`PushError`] if the record was refused. The ring counts it, and the output shows the gap.
    #[inline]
    pub fn push<R: Record>(&self, record: &R) -> Result<(), PushError> {
        match self.push_fast(record) {
            FastPath::Done => Ok(()),
            fast => self.push_slow(record, fast),
        }
    }

    /// Logs a record of the built-in definition whose length is unknown before it is written. False where it is
    /// longer than the ring takes.
    #[cfg(feature = "log")]
    pub(crate) fn log_plain<R: Record>(&self, record: &R) -> bool {
        match self.push_defined(record, TEXT, self.named.record_path().0) {
            FastPath::Done => true,
            fast => !matches!(self.push_slow(record, fast), Err(PushError::TooLarge { .. })),
        }
    }

    /// The record path. It makes no call, so it needs few registers, and memory for the record alone.
    #[inline(always)]
    pub(crate) fn push_fast<R: Record>(&self, record: &R) -> FastPath {
        let (state, ids) = self.named.record_path();
        let Some(number) = record.site().first_number(record.inferred().fingerprint) else {
            return FastPath::Outlined;
        };
        match ids.get(number) {
            0 => FastPath::Slow,
            definition => self.push_defined(record, definition, state),
        }
    }

    /// `state` is that of the session to which the id of the definition belongs.
    #[inline(always)]
    fn push_defined<R: Record>(&self, record: &R, definition: u32, state: &SessionState) -> FastPath {
        let level = record.level();
        // SAFETY: an open lane of this thread keeps its session.
        let Some(local) = (unsafe { thread_lanes::first_lane_of(state.session_id()) }) else {
            return FastPath::Outlined;
        };
        if !local.clock_is_inlined() {
            return FastPath::Outlined;
        }
        // SAFETY: found as this thread's own lane of the current session.
        let fast = unsafe { push_to(local, record, definition, Clock::INLINED) };
        if fast == FastPath::Done && level >= Level::ERROR {
            self.wake();
        }
        fast
    }

    /// The record path where it takes a call: the thread logs into several rings, the statement was first used
    /// with other types, or the ring's clock is the kernel's.
    fn push_outlined(&self, record: &dyn Record) -> FastPath {
        let site = record.site();
        let (state, ids) = self.named.record_path();
        let definition = if std::ptr::eq(site, text_site()) {
            TEXT
        } else {
            ids.get(site.number(record.inferred().fingerprint))
        };
        // SAFETY: an open lane of this thread keeps its session.
        match unsafe { thread_lanes::lane_of(state.session_id()) } {
            // SAFETY: as above.
            Some(local) if definition != 0 => unsafe { push_to(local, record, definition, local.clock()) },
            _ => FastPath::Slow,
        }
    }

    /// The slow path, for records that the record path has not written.
    #[cold]
    #[inline(never)]
    pub(crate) fn push_slow(&self, record: &dyn Record, fast: FastPath) -> Result<(), PushError> {
        let fast = if fast == FastPath::Outlined { self.push_outlined(record) } else { fast };
        if fast != FastPath::Done && record.inferred().formats {
            let prepared = push::prepare(&self.named, record, fast, self.overflow)?;
            let result = self.push_known(&prepared);
            push::keep_pages(&self.named, prepared);
            result?;
        } else if fast != FastPath::Done {
            self.push_known(record)?;
        }
        if record.level() >= Level::ERROR {
            self.wake();
        }
        Ok(())
    }

    /// Pushes a record of known length, as text if its fields do not fit the ring.
    fn push_known(&self, record: &dyn Record) -> Result<(), PushError> {
        match push::push(&self.named, record, 0, self.overflow) {
            Err(PushError::TooLarge { limit, .. })
                if push::fits_as_text(record, limit) && !std::ptr::eq(record.site(), text_site()) =>
            {
                statement::log_as_text(self, record)
            }
            result => result,
        }
    }

    #[cold]
    pub(crate) fn wake(&self) {
        let session = self.named.session();
        if let Some(ring) = session.ring() {
            wakeup::wake_consumer(&ring);
        }
    }

    /// Logs plain text. Bytes need not be UTF-8.
    ///
    /// Text longer than the ring takes is cut and marked.
    ///
    /// # Errors
    /// As for [`push`](Self::push).
    pub fn text(&self, level: Level, logger: &str, message: impl AsRef<[u8]>) -> Result<(), PushError> {
        self.write_text(&Text { level, logger, message: message.as_ref(), ..Text::EMPTY })
    }

    /// The longest message in bytes that [`text`](Self::text) logs whole under this logger's name.
    pub fn text_limit(&self, logger: &str) -> usize {
        let frame = Text { logger, ..Text::EMPTY }.payload_bytes();
        self.named.session().info.geometry.record_limit().saturating_sub(frame)
    }

    /// The longest payload in bytes that the ring takes. A record that brings its definition has less.
    pub fn payload_limit(&self) -> usize {
        self.named.session().info.geometry.record_limit()
    }

    /// Inlined, so that fields that a caller leaves empty cost next to nothing.
    #[inline(always)]
    pub(crate) fn write_text(&self, text: &Text<'_>) -> Result<(), PushError> {
        match self.push_defined(text, TEXT, self.named.record_path().0) {
            FastPath::Done => Ok(()),
            fast => self.write_text_slowly(text, fast),
        }
    }

    #[cold]
    #[inline(never)]
    fn write_text_slowly(&self, text: &Text<'_>, fast: FastPath) -> Result<(), PushError> {
        let limit = self.named.session().info.geometry.record_limit();
        let bytes = text.payload_bytes();
        if bytes <= limit {
            return self.push_slow(text, fast);
        }
        let keep = text.message.len().saturating_sub(bytes - limit);
        let cut = Text { message: &text.message[..keep], ..*text };
        push::push(&self.named, &cut, flag::CUT, self.overflow)
    }

    /// Logs a record of a site that was defined at run time.
    ///
    /// # Errors
    /// [`PushError::Mismatch`] if the values are not of the types that the definition names; otherwise as for
    /// [`push`](Self::push).
    pub fn values(&self, site: &Site, values: &[Value<'_>]) -> Result<(), PushError> {
        self.push(&Values::new(site, values).ok_or(PushError::Mismatch)?)
    }

    /// Publishes a record if that needs no call of the kernel, no block and no wait: false, and nothing is counted, if
    /// it does. For a caller that lets go of a lock first, as a Python program does.
    pub fn push_at_once(&self, record: &Encoded<'_>) -> bool {
        match self.push_fast(record) {
            FastPath::Done => true,
            FastPath::Outlined if self.push_outlined(record) == FastPath::Done => {
                if record.level() >= Level::ERROR {
                    self.wake();
                }
                true
            }
            _ => false,
        }
    }

    /// Publishes a record as [`push`](Self::push) does. If the ring is full, waits for room up to `patience`, as
    /// long as `goes_on` is true; it is asked at least each 20 ms.
    ///
    /// # Errors
    /// As for [`push`](Self::push).
    pub fn push_while(
        &self,
        record: &Encoded<'_>,
        patience: Duration,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<(), PushError> {
        match push::push_while(&self.named, record, patience, goes_on) {
            Err(PushError::TooLarge { limit, .. }) if push::fits_as_text(record, limit) => {
                return statement::log_as_text(self, record);
            }
            result => result?,
        }
        if record.level() >= Level::ERROR {
            self.wake();
        }
        Ok(())
    }

    /// Opens this thread's lane now instead of with its first record.
    ///
    /// # Errors
    /// [`Error::LanesExhausted`] if every lane has a living owner; [`Error::EarlierBoot`] if the ring only waits to be
    /// drained; [`Error::Io`] if the system has no
    /// descriptor, memory or lock for one; [`Error::Truncated`] or [`Error::NoSuchRing`] if the ring is gone.
    pub fn open_lane(&self) -> Result<(), Error> {
        let opened = self.named.session_for_record().and_then(|session| {
            let ring = session.ring().ok_or(Refusal::Gone)?;
            lane::open_for_thread(&session, &ring).map(|_| ())
        });
        opened.map_err(|why| self.named.error_of(why))
    }

    /// Whether a consumer drains the ring at the moment.
    pub(crate) fn has_consumer(&self) -> bool {
        flush::has_consumer(&self.named.session())
    }

    /// Waits until the consumer has persisted every record that this process had logged before the call.
    ///
    /// # Errors
    /// [`Error::FlushTimeout`], which also says whether there is a consumer at all.
    pub fn flush(&self, timeout: Duration) -> Result<(), Error> {
        flush::flush(&self.named, Instant::now(), timeout)
    }
}

/// # Safety
/// As for [`ProducerState::push`].
#[inline(always)]
unsafe fn push_to<R: Record + ?Sized>(
    local: &ProducerState,
    record: &R,
    definition: u32,
    clock: Clock,
) -> FastPath {
    let urgent = record.level().is_urgent();
    // SAFETY: the caller's word.
    unsafe {
        if record.inferred().formats {
            local.push_formatting(record, definition, urgent, clock)
        } else {
            local.push(record, definition, urgent, clock)
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::record::definition::Definition;
    use crate::record::encode::Encoder;
    use crate::ring::handle::Ring;

    struct Plain(Site);

    impl Record for Plain {
        fn site(&self) -> &Site {
            &self.0
        }

        fn payload_bytes(&self) -> usize {
            8
        }

        fn encode(&self, out: &mut Encoder<'_>) {
            out.put_u64(7);
        }
    }

    /// A thread that logs into two rings takes `push_outlined`, not the slow path.
    #[test]
    fn a_second_ring_takes_the_outlined_path() {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let ring =
            |name| Ring::options().size("1MiB").create(dir.path().join(name).to_str().unwrap()).unwrap();
        let (first, second) = (ring("first"), ring("second"));
        let record = Plain(Site::new(Definition::new(Level::INFO, "test")));
        for ring in [&first, &second] {
            ring.logger().push(&record).unwrap();
        }
        let by_call = |ring: &Ring| {
            let log = ring.logger();
            (log.push_fast(&record) == FastPath::Outlined, log.push_outlined(&record) == FastPath::Done)
        };
        let at_once = first.info().clock == Clock::INLINED;
        assert_eq!(by_call(&first), (!at_once, true));
        assert_eq!(by_call(&second), (true, true));
    }

    /// As in emulators and sandboxes that do not wipe the memory of a child, but say so.
    #[test]
    fn a_child_whose_kernel_wipes_nothing_logs_with_its_own_lane() {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let name = dir.path().join("ring");
        let ring = Ring::options().size("1MiB").create(name.to_str().unwrap()).unwrap();
        let log = ring.logger();
        log.text(Level::INFO, "", "of the parent").unwrap();
        crate::os::zero_on_fork::stop_wiping();
        // SAFETY: the child logs, which is safe after a fork of a process with threads, and ends.
        match unsafe { libc::fork() } {
            0 => {
                let refused = (0..3).filter(|_| log.text(Level::INFO, "", "of the child").is_err()).count();
                // SAFETY: ends the child at once.
                unsafe { libc::_exit(refused as i32) }
            }
            child => {
                let mut status = -1;
                // SAFETY: our own child, a local for its status.
                unsafe { libc::waitpid(child, &raw mut status, 0) };
                assert_eq!((libc::WIFEXITED(status), libc::WEXITSTATUS(status)), (true, 0));
            }
        }
        log.text(Level::INFO, "", "of the parent").unwrap();
        let stat = ring.observe().unwrap().stat().unwrap();
        assert_eq!((stat.published, stat.dropped, stat.damaged), (5, 0, 0));
        let of_parent = |pid| pid == std::process::id();
        let entries: Vec<_> = ring.observe().unwrap().into_iter().collect();
        let parents = entries.iter().filter(|entry| of_parent(entry.entry().origin.pid));
        let lane = |entry: &crate::reader::OwnedEntry| entry.entry().origin.lane;
        let parents: Vec<_> = parents.map(|entry| (lane(entry), entry.entry().message())).collect();
        assert_eq!(parents, vec![(parents[0].0, "of the parent".to_owned()); 2]);
        let children = entries.iter().filter(|entry| !of_parent(entry.entry().origin.pid));
        assert!(children.clone().all(|entry| lane(entry) != parents[0].0), "it has a lane of its own");
        assert_eq!(children.filter(|entry| entry.entry().message() == "of the child").count(), 3);
    }
}
