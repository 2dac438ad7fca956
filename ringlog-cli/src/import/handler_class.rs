//! The handler classes of Python's `logging`, and the parameters of their constructors.

/// A handler class of Python's `logging` that has a counterpart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandlerClass {
    Stream,
    File,
    WatchedFile,
    RotatingFile,
    TimedRotatingFile,
    Null,
    /// Passes records on to one other handler.
    Memory,
    /// Passes records on to the handlers of its listener.
    Queue,
}

impl HandlerClass {
    /// Finds a class by its name, as Python's `eval` or import would.
    ///
    /// # Errors
    /// The reason why the class has no counterpart.
    pub fn by_name(name: &str) -> Result<HandlerClass, &'static str> {
        let name = name.strip_prefix("logging.").unwrap_or(name);
        let (is_plain, name) = name.strip_prefix("handlers.").map_or((true, name), |name| (false, name));
        Ok(match (is_plain, name) {
            (true, "StreamHandler") => HandlerClass::Stream,
            (true, "FileHandler") => HandlerClass::File,
            (true, "NullHandler") => HandlerClass::Null,
            (false, "WatchedFileHandler") => HandlerClass::WatchedFile,
            (false, "RotatingFileHandler") => HandlerClass::RotatingFile,
            (false, "TimedRotatingFileHandler") => HandlerClass::TimedRotatingFile,
            (false, "MemoryHandler") => HandlerClass::Memory,
            (false, "QueueHandler") => HandlerClass::Queue,
            (false, "SocketHandler" | "DatagramHandler" | "HTTPHandler") => {
                return Err("nothing is sent over a network; processes on one machine log into the ring");
            }
            (false, "SMTPHandler") => {
                return Err("no mail is sent; `ringlog tail` can feed a program that does");
            }
            (false, "SysLogHandler" | "NTEventLogHandler") => {
                return Err(
                    "the system's log is not written to; `ringlog tail` can feed a program that does",
                );
            }
            (false, "BufferingHandler") => return Err("it keeps records and writes none"),
            _ => return Err("it is Python code"),
        })
    }

    /// The names of the constructor's parameters, in their order.
    pub fn parameters(self) -> &'static [&'static str] {
        match self {
            HandlerClass::Stream => &["stream"],
            HandlerClass::File | HandlerClass::WatchedFile => {
                &["filename", "mode", "encoding", "delay", "errors"]
            }
            HandlerClass::RotatingFile => {
                &["filename", "mode", "maxBytes", "backupCount", "encoding", "delay", "errors"]
            }
            HandlerClass::TimedRotatingFile => &[
                "filename",
                "when",
                "interval",
                "backupCount",
                "encoding",
                "delay",
                "utc",
                "atTime",
                "errors",
            ],
            HandlerClass::Null => &["level"],
            HandlerClass::Memory => &["capacity", "flushLevel", "target", "flushOnClose"],
            HandlerClass::Queue => &["queue", "handlers", "respect_handler_level", "listener"],
        }
    }
}
