//! A writer that was asked to stop ends, whatever else it is asked for.

use std::sync::atomic::Ordering;

use ringlog::Level;
use ringlog_writer::{Events, Signals, run_config};

use crate::configured::Scene;

const ONE_FILE: &str = r#"
[handlers.file]
kind = "file"
path = "DIR/file.log"
formatter = "raw"
[root]
handlers = ["file"]
"#;

/// So many sessions one after the other are taken for a number without end.
const ENDLESS: usize = 20;

/// Asks at the beginning of each session to stop and to reload.
struct AskedForBoth<'a> {
    signals: &'a Signals,
    sessions: usize,
    at_once: bool,
}

impl Events for AskedForBoth<'_> {
    fn ready(&mut self) {
        self.sessions += 1;
        if self.sessions < ENDLESS {
            self.signals.reopen.store(true, Ordering::Relaxed);
        }
        self.signals.now.store(self.at_once, Ordering::Relaxed);
        self.signals.stop.store(true, Ordering::Relaxed);
    }

    fn report(&mut self, _message: &str) {}
}

#[test]
fn a_request_to_stop_wins_over_requests_to_reload() {
    for at_once in [false, true] {
        let scene = Scene::new(ONE_FILE);
        scene.log(0, "x", Level::INFO, "one");
        let signals = Signals::default();
        let mut events = AskedForBoth { signals: &signals, sessions: 0, at_once };
        let ended = run_config(&scene.file, &signals, &mut events);
        assert!(
            events.sessions == 1 && (at_once || ended.is_ok()),
            "{} sessions, {ended:?}",
            events.sessions
        );
        // At once: the record is in the ring still, or in the file.
        assert!(at_once || scene.lines("file.log") == ["one"]);
    }
}
