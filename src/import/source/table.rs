//! From a Bifrost's MCP clients to those of a configuration.

use std::collections::{BTreeSet, HashSet};

use serde_yaml::{Mapping, Value};

use super::{
    config_json::AuthorizationServer,
    sieve::{Dropped, Fault, sanitized},
};
use crate::{
    config::{AuthType, Loaded, Place, Problem, Problems, Profile},
    import::{
        edit::render,
        keys::{GATEWAY, KEY, MODE, PROFILE},
    },
};

/// An MCP client table without secrets.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    pub(in crate::import) clients: Vec<Mapping>,
    /// The profile for the Bifrost that it is of, if that can be known.
    pub profile: Option<Profile>,
    /// What decides about discovery in place of it, if the source says so: the profile is `oauth2` then.
    pub server: Option<AuthorizationServer>,
    /// How these were found out, in a line.
    pub told: String,
    /// The path below which the source is, if it says so.
    pub base_path: Option<String>,
    /// What was left out.
    pub dropped: Vec<Dropped>,
}

/// What a configuration needs besides.
const REST: &str =
    "listeners: [{address: \"127.0.0.1:8000\"}]\nservers: []\npublic_urls: [\"http://localhost:8000\"]\n";

/// A part of a configuration that says what a table does, and has passed every check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The part.
    pub text: String,
    /// What an operator should know of it, a line each.
    pub remarks: Vec<String>,
}

impl Table {
    /// Keeps of these entries what a configuration can hold and is no secret.
    ///
    /// # Errors
    /// Every entry that has no name, or whose `auth_type` cannot be told; without its values.
    pub fn new(entries: &[Value]) -> Result<Self, Vec<Fault>> {
        let (mut table, mut faults) = (Table::default(), Vec::new());
        for (place, entry) in entries.iter().enumerate() {
            match sanitized(entry, &format!("the {}. of the list", place + 1), &mut table.dropped) {
                // In Go an entry may be null, and then is none.
                Ok(None) => {}
                Ok(Some(client)) => table.clients.push(client),
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() { Ok(table) } else { Err(faults) }
    }

    /// How many MCP clients it has.
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// How many of them turn discovery on.
    pub fn deciding(&self) -> usize {
        let decides = |client: &&Mapping| client.get("auth_type").and_then(Value::as_str) == Some(AuthType::DECIDING);
        self.clients.iter().filter(decides).count()
    }

    /// The names that more than one of them has, if there are any.
    pub(in crate::import) fn names_twice(&self) -> Option<String> {
        let (mut seen, mut twice) = (HashSet::new(), BTreeSet::new());
        for name in self.clients.iter().filter_map(|client| client.get("name")?.as_str()) {
            if !seen.insert(name) {
                twice.insert(format!("{name:?}"));
            }
        }
        (!twice.is_empty()).then(|| twice.into_iter().collect::<Vec<_>>().join(", "))
    }

    /// It as the section `mcp_clients` of a configuration, behind what decides in place of it, which has passed every
    /// check.
    ///
    /// # Errors
    /// What would be wrong with it.
    pub fn section(&self) -> Result<Section, Problems> {
        let entries: String = self.clients.iter().map(|client| render::block(client, 2, "\n")).collect();
        let profile = self.profile.map(|profile| format!("{PROFILE}: {}\n", profile.name())).unwrap_or_default();
        let mode = self.server.as_ref().map(|server| format!("{MODE}: {}\n", server.mode.name())).unwrap_or_default();
        let gateway = self.server.as_ref().filter(|server| server.has_claude_code);
        let gateway = gateway.map(|_| format!("{GATEWAY}: true\n")).unwrap_or_default();
        let list = if entries.is_empty() { format!("{KEY}: []\n") } else { format!("{KEY}:\n{entries}") };
        let text = profile + &mode + &gateway + &list;
        let loaded = Loaded::from_text("the imported table".as_ref(), &format!("{text}{REST}"))?;
        Ok(Section { text, remarks: remarks(&loaded, &Place::default()) })
    }
}

/// What is to be said of the table of the site at this place of a configuration, a line each.
pub(in crate::import) fn remarks(loaded: &Loaded, site: &Place) -> Vec<String> {
    let table = site.path.key(KEY);
    let is_of_table = |remark: &&Problem| remark.file == site.file && remark.path.steps().starts_with(table.steps());
    let (warnings, notes) = (loaded.warnings.iter().filter(is_of_table), loaded.notes.iter().filter(is_of_table));
    let warnings = warnings.map(|warning| format!("warning: {}", warning.in_file(&loaded.file)));
    warnings.chain(notes.map(|note| format!("note: {}", note.in_file(&loaded.file)))).collect()
}
