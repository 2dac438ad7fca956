//! Log statements with arguments of every kind, for where something is counted or forbidden.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use ringlog::{Level, Logger};

/// What the statements log. Made before, because some of it is allocated.
#[derive(Debug)]
pub struct Given {
    /// For statements that name their logger; the others go to the process's default.
    pub log: Logger,
    unsigned: (u8, u16, u32, u64, u128, usize),
    signed: (i8, i16, i32, i64, i128, isize),
    floats: (f32, f64),
    text: String,
    bytes: Vec<u8>,
    numbers: Vec<u32>,
    names: [String; 2],
    present: Option<u16>,
    absent: Option<String>,
    addresses: (Ipv4Addr, Ipv6Addr, IpAddr, SocketAddr),
    duration: Duration,
    time: SystemTime,
    own: Point,
    path: PathBuf,
    error: Failed,
    boxed: Box<dyn Error + Send + Sync>,
}

/// Has a text of its own, so it is formatted where it is logged.
#[derive(Debug)]
struct Point(f64, f64);

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({:.1}, {:.1})", self.0, self.1)
    }
}

/// An error with a cause.
#[derive(Debug)]
struct Failed(fmt::Error);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot save the order")
    }
}

impl Error for Failed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

impl Given {
    /// One of everything.
    pub fn new(log: Logger) -> Given {
        Given {
            log,
            unsigned: (u8::MAX, 16, 32, 64, u128::MAX, 7),
            signed: (i8::MIN, -16, -32, -64, i128::MIN, -7),
            floats: (0.1, f64::NAN),
            text: "a text of the heap, ä".to_owned(),
            bytes: b"\0bytes\xff".to_vec(),
            numbers: vec![1, 2, 3],
            names: ["a".to_owned(), "bc".to_owned()],
            present: Some(5),
            absent: None,
            addresses: (
                Ipv4Addr::LOCALHOST,
                Ipv6Addr::LOCALHOST,
                [9, 9, 9, 9].into(),
                ([1, 2, 3, 4], 80).into(),
            ),
            duration: Duration::from_millis(1500),
            time: SystemTime::now(),
            own: Point(1.0, 2.5),
            path: "/var/log".into(),
            error: Failed(fmt::Error),
            boxed: Box::new(Failed(fmt::Error)),
        }
    }
}

/// Statements, each with its source.
pub type Statements = &'static [(&'static str, fn(&Given))];

macro_rules! statements {
    ($given:ident: $($name:ident!($($argument:tt)*);)*) => {
        &[$((stringify!($name!($($argument)*)), |$given| {
            let _ = $given; // by those that say nothing but a message
            ringlog::$name!($($argument)*)
        }),)*]
    };
}

/// Those whose arguments travel in binary, by each of the macros.
pub const BINARY: Statements = statements! { given:
    trace!("nothing but a message");
    debug!("{} {:x} {:>9} {}", given.unsigned.0, given.unsigned.1, given.unsigned.2, given.unsigned.3);
    info!("{} {}", given.unsigned.4, given.unsigned.5, key = given.unsigned.3);
    warn!("{} {} {} {}", given.signed.0, given.signed.1, given.signed.2, given.signed.3);
    error!("{} {}", given.signed.4, given.signed.5);
    critical!("{:.2} {:e}", given.floats.0, given.floats.1);
    log!(Level::INFO, "{} {:?}", given.text.is_empty(), 'ä');
    info!("{} {:?} {}", given.text, &given.text[2..6], given.names[1]);
    info!(bytes = given.bytes, slice = &given.bytes[1..], array = *b"XETR");
    info!("{:?} {:?}", given.present, given.absent);
    info!("{} {} {} {}", given.addresses.0, given.addresses.1, given.addresses.2, given.addresses.3);
    info!("{:?} {:?}", given.duration, given.time);
    info!("{:?} {:?} {:?}", given.numbers, &given.numbers[1..], given.names);
    info!(numbers = [1_u64, 2], floats = &[0.5][..], names = given.names, none = None::<u8>);
    info!(to: &given.log, logger: "elsewhere", "{}", given.unsigned.0, text = given.text);
};

/// Those with an argument that is formatted into the record, in place.
pub const FORMATTED: Statements = statements! { given:
    info!("{} {:?}", given.own, given.own);
    warn!("{}", format_args!("{} and {}", given.text, given.signed.3));
    info!(own = %given.own, number = ?given.floats.1, text = %given.text, path = %given.path.display());
    error!("{}", given.unsigned.0, list = ?given.numbers, debug = ?given.own, some = ?given.present);
    error!("lost", err = &given.error);
    error!("lost", err = &given.boxed);
    critical!(to: &given.log, "{:p}", &raw const given.own);
};
