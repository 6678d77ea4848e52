//! Merges a table into the text of a configuration, which otherwise stays as it is, byte for byte.

mod change;

use std::{collections::HashMap, path::Path};

use serde_yaml::{Mapping, Value};

use self::change::{Silence, changed};
use crate::{
    config::{AuthType, Loaded, McpServerAuthMode, Problems, Profile, Site},
    discovery::Discovery,
    import::{
        edit::{edit, fate::Fate, layout::Edits, nodes, rewrite::rewrite},
        keys::{GATEWAY, KEY, MODE, PROFILE},
        source::{
            config_json::Issuer,
            sieve::name_of,
            table::{Table, remarks},
        },
    },
};

/// A configuration with a table merged into it, which has passed every check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The text of the file.
    pub text: String,
    /// MCP clients that the file did not have.
    pub added: usize,
    /// Those that it had otherwise.
    pub replaced: usize,
    /// Those that only the file has, and that were taken out.
    pub removed: usize,
    /// Those that only the file has, and that are still there.
    pub kept: usize,
    /// How many with `auth_type: per_user_oauth` the file had.
    pub deciding_before: usize,
    /// How many it has now; with none of them discovery is off, unless a mode decides.
    pub deciding: usize,
    /// The profile now.
    pub profile: Profile,
    /// What decides about discovery now; `None` under a profile where the MCP clients do.
    pub mode: Option<McpServerAuthMode>,
    /// Whether that, the profile, or whether there is a Claude Code gateway, is another one than before.
    pub is_switched: bool,
    /// Whether discovery was on before, and is not now.
    pub goes_off: bool,
    /// Whether the issuer that the source names is no public URL of the file.
    pub lacks_issuer: bool,
    /// What an operator should know of the table now, a line each.
    pub remarks: Vec<String>,
    /// The path below which the source is, if no public URL of the file has it.
    pub missing_path: Option<String>,
}

/// Why a table cannot be merged.
#[derive(Debug, thiserror::Error)]
pub enum MergeFault {
    /// The file is not one to begin with, or would not be one any more.
    #[error("{0}")]
    Invalid(Problems),
    /// The file's own table is no list.
    #[error("mcp_clients is no list in it; mend that first")]
    NoList,
    /// The imported table has the same name more than once.
    #[error("the source has more than one MCP client of the name {0}; names are unique, mend that first")]
    SameName(String),
    /// The text around the table cannot be edited so that only the table changes.
    #[error(
        "mcp_clients cannot be edited in it without touching anything else, perhaps because of an anchor, an alias or \
         a tag; import without --into, and put the table there by hand"
    )]
    Layout,
}

/// Merges a table into the text of a file, whose name is for messages. Entries are the same when they have the same
/// name. One that only the file has stays, unless `prune` is set; one that says the same stays as it is written, and of
/// another one the keys that do. What the source has only without its secrets, or not at all, is as the file has it. If
/// the source says what decides about discovery in place of the table, the file says the same then.
///
/// # Errors
/// Why it cannot be.
pub fn merge(file: &Path, text: &str, table: &Table, prune: bool) -> Result<Merged, MergeFault> {
    if let Some(names) = table.names_twice() {
        return Err(MergeFault::SameName(names));
    }
    let (mark, body) = match text.strip_prefix('\u{feff}') {
        Some(body) => (&text[..text.len() - body.len()], body),
        None => ("", text),
    };
    let tree: Value = match serde_yaml::from_str(body) {
        Ok(tree @ Value::Mapping(_)) => tree,
        _ => return Err(Loaded::from_text(file, text).err().map_or(MergeFault::Layout, MergeFault::Invalid)),
    };
    let entries = match tree.get(KEY) {
        None | Some(Value::Null) => &[][..],
        Some(Value::Sequence(entries)) => entries,
        Some(_) => return Err(MergeFault::NoList),
    };
    let (fates, added) = fates(entries, table, prune);
    let edited = if added.is_empty() && fates.iter().all(Fate::is_as_before) {
        body.to_owned()
    } else {
        let expected = expected(entries, &fates, &added);
        let ways = [false, true].into_iter().filter_map(|whole| edit(body, &fates, &added, whole));
        ways.into_iter().find(|text| says(text, &tree, &expected)).ok_or(MergeFault::Layout)?
    };
    let switched = switched(&edited, table).ok_or(MergeFault::Layout)?;
    // A file that was none before, and is one now, turned nothing on.
    let was_on = Loaded::from_text(file, text).is_ok_and(|before| Discovery::compile(&before.config.sites).is_on());
    let text = format!("{mark}{switched}");
    let loaded = Loaded::from_text(file, &text).map_err(MergeFault::Invalid)?;
    let remarks = remarks(&loaded);
    let sites = loaded.config.sites;
    let [site] = &sites[..] else { return Err(MergeFault::Layout) };
    let count = |is: fn(&Fate<'_>) -> bool| fates.iter().filter(|fate| is(fate)).count();
    Ok(Merged {
        added: added.len(),
        replaced: count(|fate| matches!(fate, Fate::Becomes { .. })),
        removed: count(|fate| *fate == Fate::Goes),
        kept: count(|fate| *fate == Fate::Only),
        deciding_before: entries.iter().filter(|entry| decides(entry)).count(),
        deciding: site.mcp_clients.iter().filter(|client| client.auth_type == AuthType::PerUserOauth).count(),
        profile: site.profile(),
        mode: site.auth_mode(),
        is_switched: switched != edited,
        goes_off: was_on && !Discovery::compile(&sites).is_on(),
        lacks_issuer: lacks_issuer(site, table),
        remarks,
        missing_path: table.base_path.clone().filter(|path| !site.base_paths().contains(&path.as_str())),
        text,
    })
}

/// The text, with the profile, the mode and the Claude Code gateway that the source says; `None` when it cannot be edited so.
fn switched(text: &str, table: &Table) -> Option<String> {
    let Some(profile) = table.profile else { return Some(text.to_owned()) };
    let before: Mapping = serde_yaml::from_str(text).ok()?;
    let mut after = before.clone();
    after.insert(PROFILE.into(), profile.name().into());
    match &table.server {
        Some(server) => {
            after.insert(MODE.into(), server.mode.name().into());
            if server.has_claude_code || before.contains_key(GATEWAY) {
                after.insert(GATEWAY.into(), server.has_claude_code.into());
            }
        }
        // There is none under it.
        None if profile == Profile::PerUserOauth => drop(after.shift_remove(MODE)),
        None => {}
    }
    if before == after {
        return Some(text.to_owned());
    }
    let mut edits = Edits::default();
    rewrite(text, &nodes::root(text)?, &before, &after, &mut edits)?;
    let edited = edits.apply(text);
    (serde_yaml::from_str::<Mapping>(&edited).ok()? == after).then_some(edited)
}

/// Whether the one issuer that the source has is none of the public URLs.
fn lacks_issuer(site: &Site, table: &Table) -> bool {
    match table.server.as_ref().map(|server| &server.issuer) {
        Some(Issuer::Url { url, .. }) => !site.public_urls.contains(url),
        Some(Issuer::Other(_)) => true,
        Some(Issuer::Missing | Issuer::Reference) | None => false,
    }
}

/// What becomes of each entry of the file, and what is new.
fn fates<'a>(entries: &'a [Value], table: &'a Table, prune: bool) -> (Vec<Fate<'a>>, Vec<&'a Mapping>) {
    let mut new: HashMap<&str, &Mapping> =
        table.clients.iter().filter_map(|client| Some((name(client)?, client))).collect();
    let silence = Silence::of(table);
    let fate =
        |entry: &'a Value| match name_of(entry).and_then(|name| new.remove(name.as_str())).zip(entry.as_mapping()) {
            Some((client, before)) => match changed(before, client, &silence) {
                after if after == *before => Fate::Same,
                after => Fate::Becomes { before, after },
            },
            None if prune => Fate::Goes,
            None => Fate::Only,
        };
    let fates = entries.iter().map(fate).collect();
    let is_new = |client: &&Mapping| name(client).is_none_or(|name| new.contains_key(name));
    (fates, table.clients.iter().filter(is_new).collect())
}

/// Whether an entry of the file turns discovery on.
fn decides(entry: &Value) -> bool {
    entry.get("auth_type").and_then(Value::as_str) == Some(AuthType::DECIDING)
}

fn name(client: &Mapping) -> Option<&str> {
    client.get("name")?.as_str()
}

impl Fate<'_> {
    fn is_as_before(&self) -> bool {
        matches!(self, Fate::Same | Fate::Only)
    }
}

/// The table that the file should have then.
fn expected(entries: &[Value], fates: &[Fate<'_>], added: &[&Mapping]) -> Vec<Value> {
    let old = entries.iter().zip(fates).filter_map(|(entry, fate)| match fate {
        Fate::Same | Fate::Only => Some(entry.clone()),
        Fate::Goes => None,
        Fate::Becomes { after, .. } => Some(after.clone().into()),
    });
    old.chain(added.iter().map(|client| (*client).clone().into())).collect()
}

/// Whether a text says the same as before, but for this table.
fn says(text: &str, before: &Value, table: &[Value]) -> bool {
    let Ok(Value::Mapping(mut now)) = serde_yaml::from_str(text) else { return false };
    let Value::Mapping(mut before) = before.clone() else { return false };
    before.shift_remove(KEY);
    let is_table = match now.shift_remove(KEY) {
        None | Some(Value::Null) => table.is_empty(),
        Some(Value::Sequence(list)) => list == table,
        Some(_) => false,
    };
    is_table && now == before
}
