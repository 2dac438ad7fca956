//! The arguments of handler constructors.

use super::expression::PythonValue;
use super::handler_class::HandlerClass;
use super::python_config::PythonHandler;
use super::{ConfigPlace, Notes};

/// The arguments of a Python constructor by the names of its parameters.
pub struct BoundArguments<'a> {
    /// The place of the arguments in the file.
    place: &'a ConfigPlace,
    arguments: Vec<(&'a str, &'a PythonValue)>,
}

impl<'a> BoundArguments<'a> {
    /// Binds a handler's arguments to the parameters of its class.
    ///
    /// # Errors
    /// The reason why Python would refuse them.
    pub fn new(handler: &'a PythonHandler, class: HandlerClass) -> Result<BoundArguments<'a>, String> {
        let names = class.parameters();
        if handler.args.len() > names.len() {
            let most = names.len();
            return Err(format!("{} arguments, at most {most} are known", handler.args.len()));
        }
        let mut arguments: Vec<(&str, &PythonValue)> = names.iter().copied().zip(&handler.args).collect();
        for (name, value) in &handler.kwargs {
            if !names.contains(&name.as_str()) {
                return Err(format!("it takes no argument {name:?}"));
            }
            if arguments.iter().any(|(known, _)| known == name) {
                return Err(format!("the argument {name:?} is given twice"));
            }
            arguments.push((name, value));
        }
        Ok(BoundArguments { place: &handler.args_at, arguments })
    }

    /// The place of the arguments, for notes.
    pub fn place(&self) -> &'a ConfigPlace {
        self.place
    }

    /// The value of an argument, `None` if it is not given.
    pub fn get(&self, name: &str) -> Option<&'a PythonValue> {
        self.arguments.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    /// Returns a number argument, or `default` if it is not given. Any other type is noted, and `default` returned.
    pub fn number(&self, name: &str, default: i128, notes: &mut Notes) -> i128 {
        match self.get(name) {
            None => default,
            Some(PythonValue::Integer(number)) => *number,
            Some(PythonValue::Bool(truth)) => (*truth).into(),
            Some(PythonValue::Float(number)) if number.fract() == 0.0 => *number as i128,
            Some(other) => {
                notes.lost(
                    self.place,
                    format_args!("{name}={} is not a number; {default} is taken", other.shown()),
                );
                default
            }
        }
    }

    /// Returns a Boolean argument, or false if it is not given. Any other type is noted, and false returned.
    pub fn flag(&self, name: &str, notes: &mut Notes) -> bool {
        match self.get(name) {
            None | Some(PythonValue::None) => false,
            Some(PythonValue::Bool(truth)) => *truth,
            Some(PythonValue::Integer(number)) => *number != 0,
            Some(other) => {
                notes.lost(
                    self.place,
                    format_args!("{name}={} is neither true nor false; false is taken", other.shown()),
                );
                false
            }
        }
    }
}
