//! Merges a table into the text of a configuration, which otherwise stays as it is, byte for byte.

mod change;
mod destination;

use std::{collections::HashMap, path::Path};

use serde_yaml::{Mapping, Value};

pub use self::destination::Destination;

use self::change::{Silence, changed};
use crate::{
    config::{AuthType, KeyPath, McpServerAuthMode, Problems, Profile, Site, Step},
    discovery::Discovery,
    import::{
        edit::{edit, fate::Fate, layout::Edits, nodes, part::Part, rewrite::rewrite},
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
    /// The file is none in which a site can be looked for.
    #[error("mend these problems of the configuration first:\n{0}")]
    Before(Problems),
    /// There are more sites than one, and none was named.
    #[error("it has several sites; name the one that the table is for with --site: {0}")]
    Which(String),
    /// None has this name.
    #[error("it has no site {name:?}; {suggestion}")]
    NoSuchSite {
        /// The name.
        name: String,
        /// Which ones there are.
        suggestion: String,
    },
    /// A name was given, and nothing has one.
    #[error("it has no sites, and is one itself; leave --site out")]
    NoSites,
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

/// Merges a table into the text of a file that has one site; see [`merge_into`].
///
/// # Errors
/// Why it cannot be.
pub fn merge(file: &Path, text: &str, table: &Table, prune: bool) -> Result<Merged, MergeFault> {
    merge_into(&Destination::find(file, text, None)?, text, table, prune)
}

/// Merges a table into a site; `text` is what the file of the site says. Entries are the same when they have the same
/// name. One that only the file has stays, unless `prune` is set; one that says the same stays as it is written, and of
/// another one the keys that do. What the source has only without its secrets, or not at all, is as the file has it. If
/// the source says what decides about discovery in place of the table, the file says the same then.
///
/// # Errors
/// Why it cannot be.
pub fn merge_into(to: &Destination, text: &str, table: &Table, prune: bool) -> Result<Merged, MergeFault> {
    if let Some(names) = table.names_twice() {
        return Err(MergeFault::SameName(names));
    }
    let (mark, body) = match text.strip_prefix('\u{feff}') {
        Some(body) => (&text[..text.len() - body.len()], body),
        None => ("", text),
    };
    let path = &to.site.path;
    let part = Part::of(body, path).ok_or(MergeFault::Layout)?;
    let tree: Value = match serde_yaml::from_str(&part.text) {
        Ok(tree @ Value::Mapping(_)) => tree,
        _ => return Err(to.load(text).err().map_or(MergeFault::Layout, MergeFault::Invalid)),
    };
    let entries = match tree.get(KEY) {
        None | Some(Value::Null) => &[][..],
        Some(Value::Sequence(entries)) => entries,
        Some(_) => return Err(MergeFault::NoList),
    };
    let (fates, added) = fates(entries, table, prune);
    let edited = if added.is_empty() && fates.iter().all(Fate::is_as_before) {
        part.text.clone()
    } else {
        let expected = expected(entries, &fates, &added);
        let ways = [false, true].into_iter().filter_map(|whole| edit(&part.text, &fates, &added, whole));
        ways.into_iter().find(|text| says(text, &tree, &expected)).ok_or(MergeFault::Layout)?
    };
    // A file that was none before, and is one now, turned nothing on.
    let before = to.load(text).ok();
    let before = before.as_ref().and_then(|before| before.config.sites.iter().find(|site| *site.place() == to.site));
    let switched = switched(&edited, table, before).ok_or(MergeFault::Layout)?;
    let whole = part.put_back(body, &switched).ok_or(MergeFault::Layout)?;
    if !is_alone(body, &whole, path, &switched) {
        return Err(MergeFault::Layout);
    }
    let text = format!("{mark}{whole}");
    let loaded = to.load(&text).map_err(MergeFault::Invalid)?;
    let remarks = remarks(&loaded, &to.site);
    let site = loaded.config.sites.iter().find(|site| *site.place() == to.site).ok_or(MergeFault::Layout)?;
    let is_on = |site: &Site| Discovery::compile(std::slice::from_ref(site)).is_on();
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
        goes_off: before.is_some_and(is_on) && !is_on(site),
        lacks_issuer: lacks_issuer(site, table),
        remarks,
        missing_path: table.base_path.clone().filter(|path| !site.base_paths().contains(&path.as_str())),
        text,
    })
}

/// The text of a site that said this before, with the profile, the mode and the Claude Code gateway that the source says;
/// `None` when it cannot be edited so.
fn switched(text: &str, table: &Table, site: Option<&Site>) -> Option<String> {
    let Some(profile) = table.profile else { return Some(text.to_owned()) };
    let before: Mapping = serde_yaml::from_str(text).ok()?;
    let mut after = before.clone();
    // What the environment says already stays a reference to it.
    let mut set = |key: &str, value: Value, is_so: bool| {
        let is_reference = before.get(key).and_then(Value::as_str).is_some_and(|text| text.contains("${"));
        if !(is_so && is_reference) {
            after.insert(key.into(), value);
        }
    };
    set(PROFILE, profile.name().into(), site.is_some_and(|site| site.profile == Some(profile)));
    match &table.server {
        Some(server) => {
            let is_so = site.is_some_and(|site| site.mcp_server_auth_mode == Some(server.mode));
            set(MODE, server.mode.name().into(), is_so);
            if server.has_claude_code || before.contains_key(GATEWAY) {
                let is_so = site.is_some_and(|site| site.claude_code_gateway == server.has_claude_code);
                set(GATEWAY, server.has_claude_code.into(), is_so);
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

/// Whether two texts say the same but for the mapping at this path, which says what `own` does in the second one.
fn is_alone(before: &str, after: &str, path: &KeyPath, own: &str) -> bool {
    let parsed = |text: &str| serde_yaml::from_str::<Value>(text).ok();
    if path.steps().is_empty() {
        return true;
    }
    let (Some(mut before), Some(after), Some(own)) = (parsed(before), parsed(after), parsed(own)) else { return false };
    let place = path.steps().iter().try_fold(&mut before, |value, step| match step {
        Step::Key(key) => value.get_mut(key),
        Step::Index(index) => value.get_mut(index),
    });
    place.map(|place| *place = own).is_some() && before == after
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
