//! What the handlers of a configuration guarantee, in words.

use super::model::{HandlerConfig, SinkConfig};
use super::read::Checked;
use crate::sink::{Guarantee, OutputKind};

impl Checked {
    /// A line for each handler: what it guarantees for its records. What a path leads to is looked at now.
    pub fn guarantees(&self) -> Vec<String> {
        let handlers = &self.config.handlers;
        let is_used =
            |number: usize| self.config.loggers.iter().any(|logger| logger.handlers.contains(&number));
        let mut kinds = handlers.iter().filter_map(|handler| OutputKind::of(&handler.sink));
        let has_better = kinds.any(|kind| kind.guarantee() != Guarantee::BestEffort);
        let line = |(number, handler): (usize, &HandlerConfig)| {
            let what = match OutputKind::of(&handler.sink) {
                None => "discards every record".to_owned(),
                Some(_) if !is_used(number) => "no logger uses it".to_owned(),
                Some(kind) => in_words(kind, has_better),
            };
            let out = match &handler.sink {
                SinkConfig::Null => String::new(),
                sink => format!(" ({sink})"),
            };
            format!("handler {:?}{out}: {what}", handler.name)
        };
        handlers.iter().enumerate().map(line).collect()
    }
}

fn in_words(kind: OutputKind, has_better: bool) -> String {
    let guarantee = kind.guarantee().among(has_better);
    format!(
        "{}, {}. When the writer is killed and starts again, {}; when it cannot be written, or is slow, {}",
        guarantee.name(),
        kind.name(has_better),
        guarantee.after_a_kill(),
        guarantee.when_slow()
    )
}
