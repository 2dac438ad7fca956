//! Printing settings as lines of a TOML file. Defaults are left out.

use std::fmt;

use super::Setting;

/// Writes the settings that differ from those of `plain`. `own` gives the values of those that are no words.
pub(crate) fn put_settings<T>(
    f: &mut fmt::Formatter<'_>,
    settings: &[Setting<T>],
    it: &T,
    plain: &T,
    own: impl Fn(&str) -> Option<String>,
) -> fmt::Result {
    for setting in settings {
        let value = match setting.as_word() {
            None => own(setting.key()),
            Some(word) => {
                let changed = (word.get)(it).filter(|value| Some(value) != (word.get)(plain).as_ref());
                changed.map(|word| setting.about().syntax.value_of_word(&word))
            }
        };
        if let Some(value) = value {
            writeln!(f, "{} = {value}", setting.key())?;
        }
    }
    Ok(())
}
