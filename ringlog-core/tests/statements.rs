//! Log statements: a reader formats them as `format!` would in the program.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use ringlog::reader::{Consumer, Entry};
use ringlog::schema::Value;
use ringlog::{Level, Logger, Ring, critical, debug, error, info, log, trace, warn};
use ringlog_testkit::Scratch;

/// A ring, a logger into it, and its consumer.
struct Held {
    _dir: Scratch,
    ring: Ring,
    log: Logger,
    consumer: Consumer,
}

impl Held {
    fn new() -> Held {
        Held::of_size("4MiB")
    }

    fn of_size(size: &str) -> Held {
        let dir = Scratch::new();
        let ring = Ring::options().size(size).create(&dir.text("ring")).unwrap();
        let mut consumer = ring.consumer().unwrap();
        consumer.set_grace(Duration::ZERO);
        Held { _dir: dir, log: ring.logger(), consumer, ring }
    }

    /// The results of `read` for the entries logged since the last call.
    fn each<T>(&mut self, read: impl Fn(&Entry<'_>) -> T) -> Vec<T> {
        let mut all = Vec::new();
        while !self.consumer.is_drained().unwrap() {
            while let Some(entry) = self.consumer.next(Duration::ZERO).unwrap() {
                all.push(read(&entry));
            }
            self.consumer.ack().unwrap();
        }
        all
    }

    /// The result of `read` for the one record logged since the last call.
    #[track_caller]
    fn one(&mut self) -> Logged {
        let mut all = self.each(|entry| {
            let record = entry.record().expect("a record");
            Logged {
                level: record.level,
                logger: record.logger.to_owned(),
                message: String::from_utf8(record.text().unwrap_or_default().into_owned()).unwrap(),
                fields: record.fields().map(|(name, value)| format!("{name}={value}")).collect(),
                line: entry.message(),
            }
        });
        assert_eq!(all.len(), 1, "one record only");
        all.remove(0)
    }
}

struct Logged {
    level: Level,
    logger: String,
    message: String,
    fields: Vec<String>,
    /// The message, and the fields that it does not show.
    line: String,
}

/// Logs and formats each of the arguments in parentheses, and compares.
macro_rules! same {
    ($held:ident: $(($($argument:tt)*))*) => {$(
        info!(to: &$held.log, $($argument)*);
        assert_eq!($held.one().message, format!($($argument)*), "{}", stringify!($($argument)*));
    )*};
}

#[test]
fn the_message_equals_that_of_format() {
    let mut held = Held::new();
    let (order, price, venue) = (7_u64, 9.5, "XETR");
    let (width, precision) = (12, 3);
    same! { held:
        ("ready")
        ("")
        ("{{}} {{{order}}}")
        ("order {order} filled at {price:.2}")
        ("{} {} {}", order, price, venue)
        ("{1} {0} {1:?}", order, venue)
        ("{a} {b:>8}", a = order, b = venue)
        ("{order:>width$} {price:width$.precision$} {:.*} {price:.*}", 2, order as f32, 1)
        ("{:>1$} {:.*} {:2$}", order, 9, 4, price)
        ("{venue:*^+10.2}|{venue:-<6}|{venue:é>7}")
        ("{order:#x} {order:#010b} {order:o} {price:e} {price:+E}")
        ("{:?} {:#?}", Some(order), Some(venue))
        ("{:?} {:02x?} {:#X?}", [1_u8, 20], [1_u16, 200], vec![1_u32])
        ("{:?} {:?} {:?}", "a\"\n\u{202e}", 'x', '\'')
        ("{}{}{}", i128::MIN, u128::MAX, isize::MIN)
        ("{:x} {:b} {:08o}", -1_i8, -2_i16, -3_i32)
        ("{:?} {:?} {}", f64::NAN, -0.0_f64, f32::INFINITY)
        ("{:?} {:10?}|{:<12.1?}|", Duration::from_millis(1500), Duration::ZERO, Duration::MAX)
        ("{} {:>20} {:?}", Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST, IpAddr::from([9, 9, 9, 9]))
        ("{} {:?}", SocketAddr::from(([127, 0, 0, 1], 80)), SocketAddr::from(([0_u16; 8], 443)))
        ("{:?}", SystemTime::UNIX_EPOCH + Duration::new(5, 6))
        ("{} {} {} {}", &&order, Box::new(order), Rc::new(venue), Arc::new(price))
        ("{} {:?}", Cow::Borrowed("b"), Cow::<str>::Owned("o".to_owned()))
        ("{} {:?}", true, false)
    }
}

/// A type whose `Display` is not that of its value.
struct Point(f64, f64);

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({:.*}, {:.*})", f.precision().unwrap_or(1), self.0, f.precision().unwrap_or(1), self.1)
    }
}

#[derive(Debug)]
#[allow(dead_code)]
struct Order {
    id: u64,
    note: &'static str,
}

#[test]
fn types_of_the_program_are_formatted_in_place() {
    let mut held = Held::new();
    let at = Point(1.0, 2.5);
    let order = Order { id: 7, note: "a\nb" };
    same! { held:
        ("{at} {at:.3} {:.0}", at)
        ("{order:?}")
        ("{order:#?} and {at}")
        ("{:>5}|{}", format_args!("{}", 1), format_args!("x{}", 2))
        ("{:?} {:?}", Some(Some(1)), vec![vec![1, 2]])
        ("{0:p}", &raw const order)
    }
}

#[test]
fn named_arguments_and_key_values_are_fields() {
    let mut held = Held::new();
    let (id, price, side, venue) = (7_u64, 9.5, Point(0.0, 1.0), "XETR");
    info!(to: &held.log, "order {id} filled at {price:.2}", side = %side, venue, http.status = 200, "a key" = ?venue);
    let logged = held.one();
    assert_eq!(logged.message, "order 7 filled at 9.50");
    let fields = ["id=7", "price=9.5", "side=(0.0, 1.0)", "venue=XETR", "http.status=200", "a key=\"XETR\""];
    assert_eq!(logged.fields, fields);
    assert_eq!(
        logged.line,
        "order 7 filled at 9.50 side=(0.0, 1.0) venue=XETR http.status=200 a key=\"XETR\""
    );

    info!(to: &held.log, "{} {p:.1} {}", id, id + 1, p = price);
    assert_eq!(held.one().fields, ["id=7", "p=9.5"], "an expression has no name");

    info!(to: &held.log, id, %side, ?venue, none = None::<u8>, list = [1_u16, 2], text = String::from("t"));
    let logged = held.one();
    assert_eq!(logged.message, "");
    assert_eq!(logged.fields[1..3], ["side=(0.0, 1.0)", "venue=\"XETR\""]);
    assert_eq!(logged.fields.len(), 6);
}

#[test]
fn values_stay_typed() {
    let mut held = Held::new();
    info!(to: &held.log, "{n}", n = 5_u16, d = Duration::from_secs(1), ip = IpAddr::from([1, 1, 1, 1]));
    let ip = Value::Ip([1, 1, 1, 1].into());
    let expected = [Value::U64(5), Value::Duration(Duration::from_secs(1)), ip];
    let are_equal = held.each(|entry| entry.record().unwrap().fields().map(|(_, value)| value).eq(expected));
    assert_eq!(are_equal, [true]);
}

#[test]
fn each_macro_has_its_level_and_log_takes_any() {
    let mut held = Held::new();
    macro_rules! level {
        ($($name:ident $level:ident)*) => {$(
            $name!(to: &held.log, "x");
            assert_eq!(held.one().level, Level::$level);
        )*};
    }
    level! { trace TRACE debug DEBUG info INFO warn WARN error ERROR critical CRITICAL }
    for number in [1, 20, 35, 255] {
        let level = Level::from_number(number);
        log!(to: &held.log, level, "at {number:>3}", half = number / 2);
        let logged = held.one();
        assert_eq!((logged.level, logged.message), (level, format!("at {number:>3}")));
        assert_eq!(logged.fields, [format!("number={number}"), format!("half={}", number / 2)]);
    }
}

#[test]
fn a_logger_has_the_modules_name_or_its_own() {
    mod inner {
        pub(super) fn log(to: &super::Logger) {
            super::info!(to: to, "x");
        }
    }
    let mut held = Held::new();
    inner::log(&held.log);
    assert_eq!(
        held.one().logger,
        "statements.a_logger_has_the_modules_name_or_its_own.inner"
            .replace(".a_logger_has_the_modules_name_or_its_own", "")
    );
    info!(to: &held.log, logger: "db.pool", "x");
    assert_eq!(held.one().logger, "db.pool");
    info!(logger: "db", to: &held.log, "x");
    assert_eq!(held.one().logger, "db");
}

/// Logs a value of any type by one statement.
fn log_any<T: ringlog::FieldValue>(to: &Logger, value: T) {
    info!(to: to, "any", value);
}

#[test]
fn one_statement_may_have_arguments_of_many_types() {
    let mut held = Held::new();
    for round in 0..3 {
        macro_rules! each {
            ($($value:expr => $text:literal),*) => {$(
                log_any(&held.log, $value);
                assert_eq!(held.one().line, concat!("any value=", $text), "round {round}");
            )*};
        }
        // More types than a statement has room for: the others travel as text.
        each! { 1_u8 => "1", "a" => "a", 2.5 => "2.5", true => "true", 'c' => "c", -1_i64 => "-1" }
        each! { [7_u16, 8] => "[7, 8]" }
    }
}

#[test]
fn arguments_are_evaluated_once_and_in_order() {
    let mut held = Held::new();
    let mut order = Vec::new();
    let mut next = |n: u32| {
        order.push(n);
        n
    };
    info!(to: &held.log, "{1} {0} {0:?}", next(1), next(2), k = next(3));
    assert_eq!(held.one().line, "2 1 1 k=3");
    assert_eq!(order, [1, 2, 3]);
}

#[derive(Debug, thiserror::Error)]
#[error("cannot save the order")]
struct SaveError(#[source] DiskError);

#[derive(Debug, thiserror::Error)]
#[error("disk full\non /var")]
struct DiskError;

#[test]
fn an_error_is_one_field_with_its_causes() {
    let mut held = Held::new();
    let error = SaveError(DiskError);
    let expected = "cannot save the order\ncaused by: disk full\non /var";
    let log = held.log.clone();
    let mut check = |what: &str| {
        let expected = [("err", Value::Error(expected.as_bytes()))];
        let are_equal = held.each(|entry| entry.record().unwrap().fields().eq(expected));
        assert_eq!(are_equal, [true], "{what}");
    };
    error!(to: &log, "lost", err = error);
    check("by value");
    error!(to: &log, "lost", err = &error);
    check("by reference");
    let dynamic: &(dyn std::error::Error + 'static) = &error;
    error!(to: &log, "lost", err = dynamic);
    check("by dynamic reference");
    let boxed: Box<dyn std::error::Error + Send + Sync> = Box::new(SaveError(DiskError));
    error!(to: &log, "lost", err = boxed);
    check("boxed");
    error!(to: &log, "lost", err = &boxed);
    check("boxed, by reference");
}

#[test]
fn unusual_texts_arrive_unchanged() {
    let mut held = Held::of_size("32MiB");
    let long = "ä".repeat(500_000);
    for text in ["", "{", "}{0}", "\0", "\u{202e}x", "\x1b[2J", &long] {
        info!(to: &held.log, "<{text}>", again = text);
        let logged = held.one();
        assert!(
            logged.message == format!("<{text}>"),
            "{:.50?} of {} bytes",
            logged.message,
            logged.message.len()
        );
        assert!(logged.fields == [format!("text={text}"), format!("again={text}")]);
    }
}

#[test]
fn a_statement_longer_than_the_ring_takes_is_cut_and_marked() {
    let mut held = Held::new();
    let long = "x".repeat(3 << 20);
    info!(to: &held.log, "<{long}>");
    info!(to: &held.log, "<{}>", format_args!("{long}"));
    let cut = held.each(|entry| entry.record().unwrap().cut && entry.message().starts_with("<xxx"));
    assert_eq!(cut, [true, true]);
    assert_eq!(held.ring.observe().unwrap().stat().unwrap().dropped, 0);
}

/// A `Display` that panics, or logs, or writes a longer text each time.
struct Odd<F>(F);

impl<F: Fn(&mut fmt::Formatter<'_>) -> fmt::Result> fmt::Display for Odd<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.0)(f)
    }
}

#[test]
fn a_panic_inside_an_argument_leaves_nothing_behind() {
    let mut held = Held::new();
    let odd = Odd(|f: &mut fmt::Formatter<'_>| {
        f.write_str("half a ")?;
        panic!("in Display")
    });
    for _ in 0..3 {
        let log = held.log.clone();
        let result =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| info!(to: &log, "{odd} record")));
        assert!(result.is_err());
        info!(to: &held.log, "goes on");
        assert_eq!(held.one().message, "goes on");
    }
}

#[test]
fn an_argument_may_log_itself() {
    let mut held = Held::new();
    let log = held.log.clone();
    info!(to: &held.log, "first: opens the lane");
    held.one();
    let odd = Odd(|f: &mut fmt::Formatter<'_>| {
        warn!(to: &log, "inner");
        f.write_str("outer")
    });
    info!(to: &held.log, "{odd}");
    let mut messages = held.each(|entry| entry.message());
    messages.sort();
    assert_eq!(messages, ["inner", "outer"]);
}

#[test]
fn formatted_arguments_fill_blocks_to_their_ends() {
    let mut held = Held::new();
    // Every length, so that each room left in a block meets a record that just fits and one that does not.
    let text = "0123456789".repeat(3000);
    for length in (0..3000).chain((3000..30_000).step_by(997)) {
        let part = &text[..length];
        info!(to: &held.log, "{}|{}", format_args!("{part}"), length);
        assert_eq!(held.one().message, format!("{part}|{length}"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_values_under_any_specification(
        a: u64, b: i32, c: f64, d: f32, text: String, e: char, f: Option<i16>, g: Vec<u16>,
        width in 0..40_usize, precision in 0..20_usize, h: i8, i: u128, secs: u64, nanos in 0..1_000_000_000_u32,
    ) {
        thread_local!(static HELD: std::cell::RefCell<Held> = std::cell::RefCell::new(Held::new()));
        let duration = Duration::new(secs, nanos);
        HELD.with_borrow_mut(|held| {
            same! { held:
                ("{a}{b}{c}{d}{text}{e}{f:?}{g:?}{h}{i}")
                ("{a:?}{b:?}{c:?}{d:?}{text:?}{e:?}{h:?}{i:?}{duration:?}")
                ("{a:>width$}|{b:<+width$}|{c:^width$.precision$}|{d:0width$}|{text:>width$.precision$}|{e:-^width$}")
                ("{a:#x}|{b:#010X}|{h:#b}|{h:08o}|{i:#034x}|{c:e}|{c:+.precision$E}")
                ("{f:05?}|{g:#?}|{g:02x?}|{duration:>width$.precision$?}|{text:width$?}")
            }
        });
    }
}
