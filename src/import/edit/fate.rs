//! What becomes of the entries of a table.

use serde_yaml::Mapping;

/// What an entry of the file is, next to the imported table.
#[derive(Debug, PartialEq)]
pub(in crate::import) enum Fate<'a> {
    /// It says the same as the imported one.
    Same,
    /// Only the file has it.
    Only,
    /// Only the file has it, and should not.
    Goes,
    /// It says something else.
    Becomes { before: &'a Mapping, after: Mapping },
}
