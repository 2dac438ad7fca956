//! The static of a log statement, and the calls that its macro generates.

use crate::producer::default_logger;
use crate::producer::levels::effective;
use crate::producer::levels::gate::Gate;
use crate::producer::logger::Logger;
use crate::producer::statement::{self, Arguments, Statement};
use crate::record::definition::{Definition, Field};
use crate::record::level::Level;
use crate::record::site::Site;
use crate::record::types::Type;
use crate::ring::private::FastPath;

/// The level that these features name. Of several enabled ones the lowest level counts, because features add up
/// over all packages that depend on this one.
macro_rules! least_level {
    ($($feature:literal => $level:expr,)*) => {
        $(if cfg!(feature = $feature) { Some($level) } else)* { None }
    };
}

/// The least level that is compiled in. Where debug assertions are off, `release_max_level_*` goes before
/// `max_level_*`.
const LEAST_LEVEL: u8 = {
    let always = least_level! {
        "max_level_trace" => 0,
        "max_level_debug" => Level::DEBUG.number(),
        "max_level_info" => Level::INFO.number(),
        "max_level_warn" => Level::WARN.number(),
        "max_level_error" => Level::ERROR.number(),
        "max_level_off" => u8::MAX,
    };
    let release = least_level! {
        "release_max_level_trace" => 0,
        "release_max_level_debug" => Level::DEBUG.number(),
        "release_max_level_info" => Level::INFO.number(),
        "release_max_level_warn" => Level::WARN.number(),
        "release_max_level_error" => Level::ERROR.number(),
        "release_max_level_off" => u8::MAX,
    };
    match (release, always) {
        (Some(level), _) if !cfg!(debug_assertions) => level,
        (_, Some(level)) => level,
        (_, None) => 0,
    }
};

/// Whether statements of this level are compiled in.
#[allow(clippy::absurd_extreme_comparisons)] // always true without such a feature
#[inline(always)]
pub const fn is_compiled_in(level: Level) -> bool {
    level.number() >= LEAST_LEVEL
}

/// A log statement's site and gate.
#[derive(Debug)]
pub struct Callsite {
    gate: Gate,
    site: Site,
}

impl Callsite {
    /// The statement whose records have this definition.
    pub const fn new(definition: Definition) -> Callsite {
        Callsite { gate: Gate::new(), site: Site::new(definition) }
    }

    /// Whether the default logger wants the statement's records.
    #[inline(always)]
    pub fn is_open(&'static self) -> bool {
        self.gate.is_open(|| (self.site.definition().level, self.site.definition().logger_or_module()))
    }

    /// Whether the default logger wants records of this level.
    pub fn is_open_at(&'static self, level: Level) -> bool {
        effective::wants(level, self.site.definition().logger_or_module())
    }

    /// Whether this logger wants records of this level.
    #[inline]
    pub fn is_open_to(&'static self, logger: &Logger, level: Level) -> bool {
        logger.allows(level, self.site.definition().logger_or_module())
    }

    /// Logs to the default logger.
    #[inline]
    pub fn log<A: Arguments>(&'static self, level: Level, arguments: A) {
        let logger = default_logger::default_logger();
        match logger.map_or(FastPath::Slow, |logger| self.log_fast(logger, level, &arguments)) {
            FastPath::Done => {}
            fast => self.log_slow(None, level, &arguments, fast),
        }
    }

    /// Logs to this logger.
    #[inline]
    pub fn log_to<A: Arguments>(&'static self, logger: &Logger, level: Level, arguments: A) {
        match self.log_fast(logger, level, &arguments) {
            FastPath::Done => {}
            fast => self.log_slow(Some(logger), level, &arguments, fast),
        }
    }

    /// Builds the statement here, where everything that takes it is inlined: so it need not lie in memory.
    #[inline(always)]
    fn log_fast<A: Arguments>(&'static self, logger: &Logger, level: Level, arguments: &A) -> FastPath {
        logger.push_fast(&Statement::new(&self.site, level, arguments))
    }

    /// The slow path: to this logger, else to the default one, else to standard error or nowhere.
    #[cold]
    #[inline(never)]
    fn log_slow<A: Arguments>(
        &'static self,
        logger: Option<&Logger>,
        level: Level,
        arguments: &A,
        fast: FastPath,
    ) {
        let statement = Statement::new(&self.site, level, arguments);
        // A statement has no result; the ring has counted what it refused.
        if let Some(logger) = logger.or(default_logger::default_logger()) {
            let _ = logger.push_slow(&statement, fast);
        } else if let Some(logger) = default_logger::look_for_ring() {
            // The rules of the ring that was found now may not want it.
            if self.is_open_at(level) {
                let _ = logger.push_slow(&statement, FastPath::Slow);
            }
        } else {
            statement::log_otherwise(&statement);
        }
    }
}

/// A field of a statement. Its type comes with each record.
pub const fn field(name: &'static str) -> Field {
    Field::new(name, Type::Unknown(0, 0))
}
