//! The helper process of the tests: `ringlog-test-producer ROLE RING [key=value]…`.
//!
//! It opens its lanes, prints `ready`, waits for a line on its input, does what its role says, prints
//! numbers and ends. A test kills, stops or traces it meanwhile.

mod roles;

use std::collections::HashMap;
use std::io::Write;
use std::time::Duration;

use ringlog::{Logger, Overflow, Ring};

/// The `key=value` arguments.
pub(crate) struct Arguments(HashMap<String, String>);

impl Arguments {
    /// A number, or what it is by default.
    pub(crate) fn number(&self, key: &str, default: u64) -> u64 {
        self.0.get(key).map_or(default, |value| value.parse().unwrap())
    }

    /// A text.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// A logger with the overflow policy that was asked for: a deadline in milliseconds, else the
    /// ring's own.
    pub(crate) fn logger(&self, ring: &Ring) -> Logger {
        match self.number("block_ms", 0) {
            0 => ring.logger(),
            ms => ring.logger().with_overflow(Overflow::Block(Duration::from_millis(ms))),
        }
    }
}

/// Says that the role can begin, and waits for the word.
pub(crate) fn ready() {
    say_ready();
    next_word();
}

/// Says that it has come to a point where the test may go on.
pub(crate) fn say_ready() {
    println!("ready");
}

/// Waits for a line on the input; false if that has ended.
pub(crate) fn next_word() -> bool {
    std::io::stdout().flush().unwrap();
    std::io::stdin().read_line(&mut String::new()).unwrap() > 0
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (Some(role), Some(name)) = (arguments.next(), arguments.next()) else {
        eprintln!("ringlog-test-producer: expected ROLE RING [key=value]...");
        std::process::exit(2);
    };
    let pairs =
        arguments.filter_map(|a| a.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned())));
    let arguments = Arguments(pairs.collect());
    match role.as_str() {
        "define" => roles::define(&name, &arguments),
        "sequence" => roles::sequence(&name, &arguments),
        "endless" => roles::endless(&name, &arguments),
        "flood" => roles::flood(&name, &arguments),
        "many-lanes" => roles::many_lanes(&name, &arguments),
        "paced" => roles::paced(&name, &arguments),
        "fork" => roles::fork(&name, &arguments),
        "fork-while-logging" => roles::fork_while_logging(&name, &arguments),
        "end" => roles::end(&name, &arguments),
        "children" => roles::children(&name, &arguments),
        "consume" => roles::consume(&name, &arguments),
        #[cfg(target_arch = "x86_64")]
        "acknowledge" => roles::acknowledge(&name, &arguments),
        #[cfg(target_arch = "x86_64")]
        "empty" => roles::empty(&name, &arguments),
        #[cfg(target_arch = "x86_64")]
        "pass-closed-gates" => roles::pass_closed_gates(&name, &arguments),
        #[cfg(target_arch = "x86_64")]
        "step" => roles::step(&name, &arguments),
        "push-without-system-call" => roles::push_without_system_call(&name, &arguments),
        "log-without-system-call" => roles::log_without_system_call(&name, &arguments),
        "push-between-markers" => roles::push_between_markers(&name, &arguments),
        "ask-gates" => roles::ask_gates(&name, &arguments),
        "ask-without-system-call" => roles::ask_without_system_call(&name, &arguments),
        "fork-and-ask" => roles::fork_and_ask(&name, &arguments),
        "change-levels" => roles::change_levels(&name, &arguments),
        "push-where-only-exit-is-allowed" => roles::push_where_only_exit_is_allowed(&name, &arguments),
        "limited" => roles::limited(&name, &arguments),
        "without-descriptors" => roles::without_descriptors(&name, &arguments),
        "full-tmpfs" => roles::full_tmpfs(&name, &arguments),
        "until-gone" => roles::until_gone(&name, &arguments),
        "foreign-sigbus" => roles::foreign_sigbus(&name, &arguments),
        "stand" => roles::stand(&name, &arguments),
        "witness" => roles::witness(&name, &arguments),
        "interrupt-new-threads" => roles::interrupt_new_threads(&name, &arguments),
        "orphans" => roles::orphans(&name, &arguments),
        "fork-while-opening" => roles::fork_while_opening(&name, &arguments),
        "ending" => roles::ending(&name, &arguments),
        "without-destructors" => roles::without_destructors(&name, &arguments),
        "late" => roles::late(&name, &arguments),
        "reborn" => roles::reborn(&name, &arguments),
        "put-endlessly" => roles::put_endlessly(&name, &arguments),
        "get-endlessly" => roles::get_endlessly(&name, &arguments),
        "claim-endlessly" => roles::claim_endlessly(&name, &arguments),
        "get-at-words" => roles::get_at_words(&name, &arguments),
        "fork-a-getter" => roles::fork_a_getter(&name, &arguments),
        #[cfg(target_arch = "x86_64")]
        "put-between-markers" => roles::put_between_markers(&name, &arguments),
        #[cfg(target_arch = "x86_64")]
        "get-between-markers" => roles::get_between_markers(&name, &arguments),
        other => panic!("no such role: {other}"),
    }
}
