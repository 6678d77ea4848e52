//! A filter whose options are in a file.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::filter::DiscoveryFilter;
use crate::config::{Options, Problem, Problems};

/// A file with [`Options`], and the filter that answers with them. Reload it when it may have changed: on SIGHUP, or
/// every few seconds.
///
/// ```no_run
/// use bridgehead::plugin::DiscoveryFile;
///
/// let file = DiscoveryFile::open("discovery.yaml")?;
/// let filter = file.filter(); // for the proxy
/// match file.reload() {
///     Ok(false) => {} // it says what it said before
///     Ok(true) => file.warnings().iter().for_each(|warning| println!("{}", warning.in_file(file.path()))),
///     Err(problems) => eprintln!("the old options go on to be used: {problems}"),
/// }
/// # Ok::<(), bridgehead::plugin::Problems>(())
/// ```
#[derive(Debug, Clone)]
pub struct DiscoveryFile {
    path: PathBuf,
    filter: DiscoveryFilter,
    read: Arc<Mutex<LastRead>>,
}

/// What was read last.
#[derive(Debug)]
struct LastRead {
    text: String,
    warnings: Vec<Problem>,
}

impl DiscoveryFile {
    /// Reads a file, and makes a filter of what it says.
    ///
    /// # Errors
    /// Everything that is wrong with it, as for [`Options::from_file`].
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, Problems> {
        let path = path.into();
        let text = Options::read(&path)?;
        let options = Options::from_text(&path, &text)?;
        let (filter, warnings) = (DiscoveryFilter::new(&options)?, options.warnings_in(&text));
        Ok(DiscoveryFile { path, filter, read: Arc::new(Mutex::new(LastRead { text, warnings })) })
    }

    /// The filter. It, and every clone of it, answers with what the file said when it was good last.
    pub fn filter(&self) -> DiscoveryFilter {
        self.filter.clone()
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What should be known of what it says ([`Options::warnings`]), each with its line.
    pub fn warnings(&self) -> Vec<Problem> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).warnings.clone()
    }

    /// Reads the file again. Whether it said something else than the last time, and so the filter does. It takes as long
    /// as reading does: call it where a thread may be blocked.
    ///
    /// # Errors
    /// Everything that is wrong with it; then the filter answers as before. A file that is wrong is told of once, until it
    /// changes again; one that cannot be read, each time.
    pub fn reload(&self) -> Result<bool, Problems> {
        let text = Options::read(&self.path)?;
        let mut last = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if last.text == text {
            return Ok(false);
        }
        last.text = text;
        let options = Options::from_text(&self.path, &last.text)?;
        self.filter.replace(&options)?;
        last.warnings = options.warnings_in(&last.text);
        Ok(true)
    }
}
