//! A file of the keys that decide about discovery, and of nothing else.

use std::{env, path::Path};

use super::{checks, keys::DiscoveryKeys, options::Options};
use crate::config::{
    problem::{KeyPath, Place, Problem, Problems},
    yaml::{decode::decode, environment::Resolver, lines, outline::Outline, parse, text},
};

impl Options {
    /// Reads and checks a YAML file. `${NAME}` is what the environment has under the name, but in `mcp_clients`, where
    /// `env.NAME` is Bifrost's.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its line, its key and a remedy; one problem when it cannot be read.
    pub fn from_file(file: &Path) -> Result<Self, Problems> {
        Self::from_text(file, &Self::read(file)?)
    }

    /// Reads and checks the text of a file, which `file` names in problems.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn from_text(file: &Path, text: &str) -> Result<Self, Problems> {
        let outline = parse(text::without_mark(text), "write public_urls, profile and mcp_clients")
            .map_err(|problem| vec![problem]);
        outline.and_then(Self::of_outline).map_err(|problems| Problems::new(file, located(text, problems)))
    }

    /// Reads the text of a file.
    pub(crate) fn read(file: &Path) -> Result<String, Problems> {
        let text = text::read_text_or(file, "write one with public_urls, profile and mcp_clients");
        text.map_err(|message| Problems::of_file(file, &message))
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

    /// Checks what no single value can show.
    ///
    /// # Errors
    /// Everything that makes them wrong, although each value alone is well formed: one public URL twice, for example.
    pub fn check(&self) -> Result<(), Problems> {
        let problems = self.problems();
        if problems.is_empty() { Ok(()) } else { Err(Problems::new(Path::new("options"), problems)) }
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        checks::problems(&DiscoveryKeys::from(self), &Place::default(), &mut problems);
        match (self.public_urls.is_empty(), self.any_host) {
            (true, false) => problems.push(Problem::new(
                KeyPath::root("public_urls"),
                "not set; list what clients type in front of /mcp, such as https://gateway.example.com. Only where no \
                 other hosts can get here, any_host: true in its place has each request's own Host named as the issuer",
            )),
            (false, true) => problems.push(Problem::new(
                KeyPath::root("any_host"),
                "true, and there are public_urls, which are the only hosts then; remove one of both",
            )),
            _ => {}
        }
        problems
    }

    /// What is allowed and works, but should be known before relying on it: plain `http` in a public URL, or a profile that
    /// is only assumed, for example. Each names its key and a remedy. Of an MCP client `auth_type` alone is looked at: what
    /// else an entry has is Bifrost's business.
    pub fn warnings(&self) -> Vec<Problem> {
        let (keys, place, mut warnings) = (DiscoveryKeys::from(self), Place::default(), Vec::new());
        if !self.any_host {
            checks::url_warnings(&keys, &place, &mut warnings);
        }
        checks::profile_warnings(&keys, &place, &mut warnings);
        checks::assumed(&keys, &place, &mut warnings);
        let mut remarks = Vec::new();
        checks::remarks(&keys, &place, false, &mut remarks);
        warnings.extend(remarks.into_iter().filter(|remark| remark.path.ends_with("auth_type")));
        warnings
    }

    /// The same, with their lines in the text that they were read from.
    pub(crate) fn warnings_in(&self, text: &str) -> Vec<Problem> {
        located(text, self.warnings())
    }
}

/// Fills in the lines of problems.
fn located(text: &str, mut problems: Vec<Problem>) -> Vec<Problem> {
    lines::locate(text::without_mark(text), &mut problems.iter_mut().collect::<Vec<_>>());
    problems
}
