//! What each handler guarantees, in words.

use super::model::HandlerConfig;
use super::read::Checked;
use crate::sink::{Guarantee, OutputKind};

impl Checked {
    /// A line for each handler: what it guarantees for its records. What a path leads to is looked at now.
    pub fn guarantees(&self) -> Vec<String> {
        let handlers = &self.config.handlers;
        let is_used =
            |number: usize| self.config.loggers.iter().any(|logger| logger.handlers.contains(&number));
        let mut kinds = handlers.iter().filter_map(|handler| handler.sink.kind().output());
        let has_better = kinds.any(|kind| kind.guarantee != Guarantee::BestEffort);
        let used = handlers.iter().enumerate().filter(|(number, _)| is_used(*number));
        let mut places = used.filter_map(|(_, handler)| handler.sink.place());
        let first = places.next();
        let has_others = places.any(|place| Some(&place) != first.as_ref());
        let line = |(number, handler): (usize, &HandlerConfig)| {
            let output = handler.sink.kind().output();
            let what = match output {
                None => "discards every record".to_owned(),
                Some(_) if !is_used(number) => "no logger uses it".to_owned(),
                Some(kind) => in_words(kind, has_better, has_others),
            };
            let out = output.map_or_else(String::new, |_| format!(" ({})", handler.sink));
            format!("handler {:?}{out}: {what}", handler.name)
        };
        handlers.iter().enumerate().map(line).collect()
    }
}

/// `has_others`: there is another output. `has_better`: one of them guarantees more than best effort.
fn in_words(kind: OutputKind, has_better: bool, has_others: bool) -> String {
    let guarantee = kind.guarantee.among(has_better);
    format!(
        "{}, {}. When the writer is killed and starts again, {}; when it cannot be written, or is slow, {}",
        guarantee.name(),
        kind.name(has_better),
        guarantee.after_a_kill(),
        guarantee.when_slow(has_others)
    )
}
