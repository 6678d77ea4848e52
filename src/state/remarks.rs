//! What an operator should know about the configuration that is served.

use crate::config::{Loaded, Problem};

/// What an operator should know about the configuration that is served, a line each. They hold no secret of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remarks {
    /// What may not be as it is meant; of certificates the moment decides.
    pub warnings: Vec<String>,
    /// What need not be acted on.
    pub notes: Vec<String>,
}

impl Remarks {
    /// Those of a configuration.
    pub fn of(loaded: &Loaded) -> Self {
        let lines = |problems: &[Problem]| problems.iter().map(|problem| problem.in_file(&loaded.file)).collect();
        Remarks { warnings: lines(loaded.lasting_warnings()), notes: lines(&loaded.notes) }
    }
}
