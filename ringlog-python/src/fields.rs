//! The fields of a record besides its message: their names, their order, and which of them a record has.

use ringlog::schema::Type;

use crate::payload;

/// The fields that a record may have besides the user's, in their order behind the message. Attributes are carried
/// where they are not what the reader would say in any case.
const FIELDS: [&str; 14] = [
    "exc_info",
    "stack_info",
    "ringlog.created",
    "ringlog.msecs",
    "ringlog.relativeCreated",
    "ringlog.thread",
    "ringlog.threadName",
    "ringlog.process",
    "ringlog.processName",
    "ringlog.taskName",
    "ringlog.levelname",
    "ringlog.levelno",
    "ringlog.filename",
    "ringlog.module",
];
/// How many of them stand before the user's fields.
const LINES: usize = 2;
pub(crate) const EXC_INFO: usize = 0;
pub(crate) const STACK_INFO: usize = 1;
pub(crate) const CREATED: usize = 2;
pub(crate) const MILLISECONDS: usize = 3;
pub(crate) const RELATIVE_CREATED: usize = 4;
pub(crate) const THREAD: usize = 5;
pub(crate) const THREAD_NAME: usize = 6;
pub(crate) const PROCESS: usize = 7;
pub(crate) const PROCESS_NAME: usize = 8;
pub(crate) const TASK_NAME: usize = 9;
pub(crate) const LEVEL_NAME: usize = 10;
pub(crate) const LEVEL_NUMBER: usize = 11;
pub(crate) const FILE_NAME: usize = 12;
pub(crate) const MODULE: usize = 13;

/// Which fields a record has, and of what types: for each of them the code of its type, 0 if it is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Shape(u64);

impl Shape {
    /// Notes that the record has a field.
    pub fn note(&mut self, field: usize, ty: Type) {
        self.0 |= payload::code(ty) << (4 * field);
    }

    /// Whether the record has a field.
    pub fn has(self, field: usize) -> bool {
        self.0 >> (4 * field) & 15 != 0
    }

    /// The fields that stand before the user's.
    pub fn before_extra(self) -> impl Iterator<Item = (String, Type)> {
        (0..LINES).filter_map(move |at| self.field(at))
    }

    /// The fields that stand behind them.
    pub fn behind_extra(self) -> impl Iterator<Item = (String, Type)> {
        (LINES..FIELDS.len()).filter_map(move |at| self.field(at))
    }

    fn field(self, at: usize) -> Option<(String, Type)> {
        payload::of_code(self.0 >> (4 * at) & 15).map(|ty| (FIELDS[at].to_owned(), ty))
    }
}
