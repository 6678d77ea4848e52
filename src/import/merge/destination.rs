//! The site that a table is for, and the file that it is written in.

use std::path::{Path, PathBuf};

use serde_yaml::{Mapping, Value};

use super::MergeFault;
use crate::config::{Loaded, Place, Problems, Site, SiteName, suggestion};

/// The site that a table is for, and where it is written.
#[derive(Debug, Clone)]
pub struct Destination {
    file: PathBuf,
    text: String,
    pub(super) site: Place,
}

impl Destination {
    /// Finds the site with this name; without one, the only site of the configuration. `file` is that of the whole
    /// configuration, and `text` what it says.
    ///
    /// # Errors
    /// Which sites there are, if that is none of them or more than one.
    pub fn find(file: &Path, text: &str, name: Option<&str>) -> Result<Self, MergeFault> {
        let to = |site: Place| Destination { file: file.to_owned(), text: text.to_owned(), site };
        // It may be no configuration yet, and become one.
        if name.is_none() && !has_sites(text) {
            return Ok(to(Place::default()));
        }
        let loaded = Loaded::from_text(file, text).map_err(MergeFault::Before)?;
        let sites = &loaded.config.sites;
        let names: Vec<&str> = sites.iter().filter_map(|site| site.name.as_ref().map(SiteName::as_str)).collect();
        let is_meant = |site: &&Site| site.name.as_ref().map(SiteName::as_str) == name;
        match (name, &sites[..]) {
            (None, [site]) => Ok(to(site.place().clone())),
            (None, _) => Err(MergeFault::Which(names.join(", "))),
            (Some(_), _) if names.is_empty() => Err(MergeFault::NoSites),
            (Some(name), _) => match sites.iter().find(is_meant) {
                Some(site) => Ok(to(site.place().clone())),
                None => Err(MergeFault::NoSuchSite { name: name.to_owned(), suggestion: suggestion(name, &names) }),
            },
        }
    }

    /// The file that the site is written in.
    pub fn file(&self) -> &Path {
        self.site.file.as_deref().unwrap_or(&self.file)
    }

    /// The whole configuration, if the file of the site says this.
    pub(super) fn load(&self, text: &str) -> Result<Loaded, Problems> {
        match self.site.file.as_deref() {
            None => Loaded::from_text(&self.file, text),
            Some(included) => Loaded::with_included(&self.file, &self.text, Some((included, text))),
        }
    }
}

/// Whether a text that can be read says that there are sites.
fn has_sites(text: &str) -> bool {
    let tree: Option<Mapping> = serde_yaml::from_str(text.strip_prefix('\u{feff}').unwrap_or(text)).ok();
    let is_there = |key: &str| tree.as_ref().and_then(|tree| tree.get(key)).is_some_and(|value| *value != Value::Null);
    is_there("sites") || is_there("include")
}
