//! Where the file of the access log is.

use std::path::Path;

use crate::config::{
    keys::logs::{AccessLog, AccessLogTarget},
    problem::{KeyPath, Problem},
};

impl AccessLog {
    /// Finds the file from the folder of the configuration, and what is wrong with it.
    pub(in crate::config) fn locate(&mut self, folder: &Path) -> Option<Problem> {
        let AccessLogTarget::File(shown) = &self.to else { return None };
        let file = folder.join(shown);
        let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let fault = if file.is_dir() {
            Some(format!("{} is a directory; name a file in it", shown.display()))
        } else if !parent.is_dir() {
            Some(format!("there is no directory for {}; make it, or name another file", shown.display()))
        } else {
            None
        };
        self.to = AccessLogTarget::File(file);
        Some(Problem::new(KeyPath::root("access_log").key("to"), fault?))
    }
}
