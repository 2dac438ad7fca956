//! The handler: what `logging` calls for each record.

use std::env;
use std::mem::take;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use pyo3::exceptions::{PyException, PyRuntimeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use ringlog::schema::{Encoded, Site, Value};
use ringlog::{Filter, Level, Ring};

use crate::exception;
use crate::hold::{self, Held};
use crate::payload::Payload;
use crate::plain;
use crate::record::Taken;
use crate::rules;
use crate::shared::Shared;
use crate::sites::Sites;
use crate::wait::{detached, seconds};

/// How often a wait looks for signals, such as Ctrl-C.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The ring of a handler.
pub(crate) struct Producer {
    shared: Arc<Shared>,
    /// Of a ring that its writer removes after its last user.
    hold: Held,
    patience: Duration,
    /// Memory for the next record's payload.
    spare: Mutex<Payload>,
    dropped: AtomicU64,
}

/// The longest payload whose memory is kept.
const KEPT_MAX: usize = 64 << 10;

/// The native part of `ringlog.Handler`, before `logging.Handler` among its bases.
#[pyclass(subclass, frozen, module = "ringlog._ringlog")]
pub(crate) struct NativeHandler {
    producer: OnceLock<Producer>,
}

#[pymethods]
impl NativeHandler {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> NativeHandler {
        NativeHandler { producer: OnceLock::new() }
    }

    /// Opens the ring, or makes it with this size.
    #[pyo3(signature = (name, create, timeout, *, is_held=false))]
    fn open_ring(
        &self,
        py: Python<'_>,
        name: &str,
        create: Option<&str>,
        timeout: f64,
        is_held: bool,
    ) -> PyResult<()> {
        let patience = seconds(Some(timeout))?;
        let open = || match create {
            Some(size) => Ring::options().size(size).create_or_open(name),
            None => Ring::open(name),
        };
        let (ring, hold) = hold::opened(py, name, is_held, || {
            let ring = open()?;
            Ok((ring.clone(), ring))
        })?;
        // Without the variable nothing is limited here: Python's own levels are.
        if let Ok(levels) = env::var("RINGLOG_LEVEL") {
            let filter = levels.parse::<Filter>();
            let filter = filter.map_err(|why| PyValueError::new_err(format!("RINGLOG_LEVEL: {why}")))?;
            ringlog::init_ring(&ring, filter);
        }
        let producer = Producer {
            shared: Shared::of(ring),
            hold,
            patience,
            spare: Mutex::default(),
            dropped: AtomicU64::new(0),
        };
        let _ = self.producer.set(producer);
        Ok(())
    }

    /// Logs the record if the handler's filters let it pass. What goes wrong goes to `handleError`.
    fn handle<'py>(slf: &Bound<'py, Self>, record: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        if !plain::is_plain(slf)? {
            let by_emit =
                py.import(intern!(py, "ringlog.handler"))?.getattr(intern!(py, "_handle_by_emit"))?;
            return by_emit.call1((slf, record));
        }
        let filters = slf.getattr(intern!(py, "filters"))?;
        if filters.cast::<PyList>().is_ok_and(PyListMethods::is_empty) {
            NativeHandler::emit(slf, &record)?;
            return Ok(record);
        }
        let passed = slf.call_method1(intern!(py, "filter"), (&record,))?;
        if passed.is_truthy()? {
            // Since Python 3.12 a filter can put another record in its place.
            let is_record = passed.hasattr(intern!(py, "levelno"))?;
            NativeHandler::emit(slf, if is_record { &passed } else { &record })?;
        }
        Ok(passed)
    }

    /// Logs the record, without a look at filters.
    fn emit<'py>(slf: &Bound<'py, Self>, record: &Bound<'py, PyAny>) -> PyResult<()> {
        let Err(error) = slf.get().log(slf, record) else { return Ok(()) };
        if !error.is_instance_of::<PyException>(slf.py()) {
            return Err(error);
        }
        // `handleError` shows the exception that is being handled.
        let helper = slf.getattr(intern!(slf.py(), "_report"))?;
        helper.call1((error.value(slf.py()), record)).map(drop)
    }

    /// In a forked child: holds the ring by a descriptor of its own.
    fn hold_again(&self) -> PyResult<()> {
        let producer = self.producer()?;
        producer.hold.renew(producer.shared.ring())
    }

    /// The number of records that this handler's ring has refused in this process.
    #[getter]
    fn dropped(&self) -> u64 {
        self.producer.get().map_or(0, |producer| producer.dropped.load(Ordering::Relaxed))
    }

    /// The path of the ring's file.
    #[getter]
    fn ring_path(&self) -> PyResult<String> {
        Ok(self.producer()?.shared.ring().path().display().to_string())
    }

    /// The UUID of the ring.
    #[getter]
    fn ring_uuid(&self) -> PyResult<String> {
        Ok(Value::Uuid(self.producer()?.shared.ring().info().uuid).to_string())
    }

    /// Opens the lanes of this thread and process now. A writer that ends when idle goes on as long as the process
    /// lives.
    fn attach(&self) -> PyResult<()> {
        self.producer()?.shared.logger().open_lane().map_err(|error| exception(&error))
    }

    /// Lets level rules of the ring enable what `setLevel` refuses.
    fn steer(&self) -> PyResult<()> {
        rules::follow(&self.producer()?.shared);
        Ok(())
    }

    /// The level rule from outside that counts for a logger: the length of the name that it is for, and its level.
    fn rule_for(&self, logger: &str) -> PyResult<Option<(usize, u8)>> {
        let rule = self.producer()?.shared.logger().rule_for(logger);
        Ok(rule.map(|(length, level)| (length, level.number())))
    }

    /// Waits until a writer has written all that this process had logged before.
    fn sync(&self, py: Python<'_>, timeout: f64) -> PyResult<()> {
        let logger = self.producer()?.shared.logger().clone();
        let until = Instant::now().checked_add(seconds(Some(timeout))?);
        loop {
            let left = until.map_or(Duration::MAX, |until| until.saturating_duration_since(Instant::now()));
            match py.detach(|| logger.flush(left.min(LOOK_EVERY))) {
                Ok(()) => return Ok(()),
                Err(ringlog::Error::FlushTimeout { .. }) if left > LOOK_EVERY => py.check_signals()?,
                Err(error) => return Err(exception(&error)),
            }
        }
    }
}

impl NativeHandler {
    pub(crate) fn producer(&self) -> PyResult<&Producer> {
        self.producer
            .get()
            .ok_or_else(|| PyRuntimeError::new_err("the handler has no ring; call Handler.__init__"))
    }

    fn log<'py>(&self, slf: &Bound<'py, Self>, record: &Bound<'py, PyAny>) -> PyResult<()> {
        let producer = self.producer()?;
        let mut payload = producer.payload();
        let taken = Taken::new(record, &slf.getattr(intern!(slf.py(), "formatter"))?, &mut payload)?;
        let logger = taken.logger()?;
        let name = str::from_utf8(logger.bytes()).unwrap_or("?");
        if !producer.allows(taken.level, name) {
            return Ok(());
        }
        let site = taken.site(producer.sites())?;
        let published = NativeHandler::publish(slf, &site, &mut payload);
        producer.keep(payload);
        published
    }

    /// Publishes a record of this site.
    pub(crate) fn publish(slf: &Bound<'_, Self>, site: &Site, payload: &mut Payload) -> PyResult<()> {
        if !slf.get().producer()?.push(slf.py(), site, payload)? {
            slf.call_method0(intern!(slf.py(), "_after_drop"))?;
        }
        Ok(())
    }
}

impl Producer {
    /// Whether the ring's rules let a record of this level pass.
    pub fn allows(&self, level: Level, logger: &str) -> bool {
        self.shared.logger().allows(level, logger)
    }

    pub fn sites(&self) -> &Sites {
        self.shared.sites()
    }

    /// An empty payload, with memory that was used before if another thread does not use it.
    pub fn payload(&self) -> Payload {
        let mut payload =
            self.spare.try_lock().map_or_else(|_| Payload::default(), |mut spare| take(&mut *spare));
        payload.clear();
        payload
    }

    /// Keeps the memory of a payload for the next record.
    pub fn keep(&self, payload: Payload) {
        if payload.bytes().len() <= KEPT_MAX
            && let Ok(mut spare) = self.spare.try_lock()
        {
            *spare = payload;
        }
    }

    /// Publishes a record. If the ring is full, waits for room without holding Python's lock. False if the record was
    /// dropped.
    fn push(&self, py: Python<'_>, site: &Site, payload: &mut Payload) -> PyResult<bool> {
        let is_cut = payload.cut(self.shared.logger().payload_limit());
        let record = Encoded::new(site, payload.bytes());
        let record = if is_cut { record.marked_as_cut() } else { record };
        if self.shared.logger().push_at_once(&record) {
            return Ok(true);
        }
        let (pushed, interrupted) =
            detached(py, |goes_on| self.shared.logger().push_while(&record, self.patience, goes_on));
        let is_pushed = pushed.is_ok();
        if !is_pushed {
            // Counted in the ring, too: the output shows the gap.
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        interrupted.map(|()| is_pushed)
    }
}
