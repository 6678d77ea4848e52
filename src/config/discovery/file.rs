//! A file of the keys that decide about discovery, and of nothing else.

use std::{env, path::Path};

use super::{checks, keys::DiscoveryKeys, options::Options};
use crate::config::{
    problem::{KeyPath, Place, Problem, Problems},
    yaml::{decode::decode, environment::Resolver, lines, outline::Outline, parse, text},
};

impl Options {
    /// Reads and checks a YAML file. `${NAME}` in a value is what the environment has under the name.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its line, its key and a remedy; one problem when it cannot be read.
    pub fn from_file(file: &Path) -> Result<Self, Problems> {
        Self::from_text(file, &text::read(file)?)
    }

    /// Reads and checks the text of a file, which `file` names in problems.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn from_text(file: &Path, text: &str) -> Result<Self, Problems> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let read = parse(text).map_err(|problem| vec![problem]).and_then(Self::of_outline);
        read.map_err(|mut problems| {
            lines::locate(text, &mut problems.iter_mut().collect::<Vec<_>>());
            Problems::new(file, problems)
        })
    }

    fn of_outline(Outline { mut tree, mut tables }: Outline) -> Result<Self, Vec<Problem>> {
        let root = Place::default();
        let mut resolver = Resolver::new(&|name| env::var(name).ok());
        resolver.resolve(&mut tree, &root);
        if !resolver.problems.is_empty() {
            return Err(resolver.problems);
        }
        let decoded = decode::<Options>(&tree, &root.path, |_| "a whole number".into());
        let mut problems = decoded.problems;
        let Some(mut options) = decoded.value else { return Err(problems) };
        if let Some(table) = tables.remove(&KeyPath::default()) {
            options.mcp_clients = table;
        }
        // Places are those in the file as long as nothing of it was left out.
        if problems.is_empty() {
            problems = options.problems();
        }
        if problems.is_empty() { Ok(options) } else { Err(problems) }
    }

    /// Everything that makes them wrong, although each value alone is well formed.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        checks::problems(&DiscoveryKeys::from(self), &Place::default(), &mut problems);
        problems
    }

    /// What is allowed and works, but should be known before relying on it: plain `http` in a public URL, or a profile that
    /// is only assumed, for example. Each names its key and a remedy. Of MCP clients nothing is said here: what else an
    /// entry has is Bifrost's business.
    pub fn warnings(&self) -> Vec<Problem> {
        let (keys, place, mut warnings) = (DiscoveryKeys::from(self), Place::default(), Vec::new());
        checks::url_warnings(&keys, &place, &mut warnings);
        checks::profile_warnings(&keys, &place, &mut warnings);
        warnings
    }
}
