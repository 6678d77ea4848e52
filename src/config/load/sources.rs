//! The texts that a configuration was read from: the file that was loaded, and those that it includes.

use std::{path::Path, sync::Arc};

use crate::config::{problem::Problem, yaml::lines};

/// One text.
pub(super) struct Source {
    /// The file, if it is an included one.
    pub file: Option<Arc<Path>>,
    pub text: String,
}

/// Fills in the lines of problems, each in the text that it is in.
pub(super) fn locate(sources: &[Source], problems: &mut [Problem]) {
    for source in sources {
        let mut own: Vec<_> = problems.iter_mut().filter(|problem| problem.file == source.file).collect();
        lines::locate(&source.text, &mut own);
    }
}
