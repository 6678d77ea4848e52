//! What is wrong with a single value.

use std::fmt;

/// Why a value of the configuration is refused: what is wrong with it, and what to write instead. It shows the value
/// only where that can hold no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidValue {
    message: String,
}

impl InvalidValue {
    pub(in crate::config) fn new(message: impl Into<String>) -> Self {
        InvalidValue { message: message.into() }
    }
}

impl fmt::Display for InvalidValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for InvalidValue {}
