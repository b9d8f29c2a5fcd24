//! Errors that say what they are: on a terminal their text counts, over HTTP their kind too.

use std::fmt;

/// Why something could not be done, with the mend.
#[derive(Debug)]
pub(crate) enum Fault {
    /// What was named is not there.
    Unknown(String),
    /// It cannot be done as things are.
    Conflict(String),
    /// A store is away, or too busy.
    Away(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Unknown(text) | Fault::Conflict(text) | Fault::Away(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Fault {}
