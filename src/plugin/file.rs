//! A filter whose options are in a file.

use std::path::{Path, PathBuf};

use super::filter::DiscoveryFilter;
use crate::config::{Options, Problem, Problems};

/// A file with [`Options`], and the filter that answers with them. Reload it when the file has changed: on SIGHUP, on a
/// timer, or when whoever writes it says so.
///
/// ```no_run
/// use bridgehead::plugin::DiscoveryFile;
///
/// let file = DiscoveryFile::open("discovery.yaml")?;
/// let filter = file.filter(); // for the proxy
/// match file.reload() {
///     Ok(warnings) => warnings.iter().for_each(|warning| println!("{}", warning.in_file(file.path()))),
///     Err(problems) => eprintln!("the old options go on to be used: {problems}"),
/// }
/// # Ok::<(), bridgehead::plugin::Problems>(())
/// ```
#[derive(Debug, Clone)]
pub struct DiscoveryFile {
    path: PathBuf,
    filter: DiscoveryFilter,
}

impl DiscoveryFile {
    /// Reads a file, and makes a filter of what it says.
    ///
    /// # Errors
    /// Everything that is wrong with it, as for [`Options::from_file`].
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, Problems> {
        let path = path.into();
        let filter = DiscoveryFilter::new(&Options::from_file(&path)?)?;
        Ok(DiscoveryFile { path, filter })
    }

    /// The filter. It, and every clone of it, answers with what the file said when it was read last.
    pub fn filter(&self) -> DiscoveryFilter {
        self.filter.clone()
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file again, and returns what should be known of it ([`Options::warnings`]). It takes as long as reading
    /// does: call it where a thread may be blocked.
    ///
    /// # Errors
    /// Everything that is wrong with it; then the filter answers as before.
    pub fn reload(&self) -> Result<Vec<Problem>, Problems> {
        let options = Options::from_file(&self.path)?;
        self.filter.replace(&options)?;
        Ok(options.warnings())
    }
}
