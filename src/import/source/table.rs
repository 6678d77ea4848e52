//! From a Bifrost's MCP clients to those of a configuration.

use std::{
    collections::{BTreeSet, HashSet},
    fmt,
};

use serde_yaml::{Mapping, Value};

use super::{
    config_json::AuthorizationServer,
    fields::{FIELDS, Field, Kept, Kind, field, is_nothing},
    secrets::{is_header_name, is_known_secret, is_open_text},
};
use crate::{
    config::{AuthType, Loaded, Problems, Profile},
    import::{
        edit::render,
        keys::{GATEWAY, KEY, MODE, PROFILE},
    },
};

/// An MCP client table without secrets.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    pub(in crate::import) clients: Vec<Mapping>,
    /// What decides about discovery in place of it, if the source says so: the profile is `oauth2` then.
    pub server: Option<AuthorizationServer>,
    /// The path below which the source is, if it says so.
    pub base_path: Option<String>,
    /// What was left out.
    pub dropped: Vec<Dropped>,
}

/// What a configuration needs besides.
const REST: &str =
    "listeners: [{address: \"127.0.0.1:8000\"}]\nservers: []\npublic_urls: [\"http://localhost:8000\"]\n";

/// A value that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// The MCP client.
    pub client: String,
    /// The field, as a path within it.
    pub field: String,
    /// Why.
    pub reason: Reason,
}

/// Why a value was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It is a secret, or may hold one.
    Secret,
    /// A part of it may be a secret; the rest is there.
    PartlySecret,
    /// The edge does not know the field.
    Unknown,
}

/// An MCP client that cannot be imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Its name, or its place in the list.
    client: String,
    field: String,
    message: &'static str,
}

impl Table {
    /// Keeps of these entries what a configuration can hold and is no secret.
    ///
    /// # Errors
    /// Every field that is not what Bifrost writes there; without its value.
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
        let deciding = AuthType::PerUserOauth.name();
        let decides = |client: &&Mapping| client.get("auth_type").and_then(Value::as_str) == Some(deciding);
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
    pub fn section(&self) -> Result<String, Problems> {
        let entries: String = self.clients.iter().map(|client| render::block(client, 2, "\n")).collect();
        let switch = self.server.as_ref().map_or_else(String::new, |server| {
            let gateway = if server.has_claude_code { format!("{GATEWAY}: true\n") } else { String::new() };
            format!("{PROFILE}: {}\n{MODE}: {}\n{gateway}", Profile::Oauth2.name(), server.mode.name())
        });
        let list = if entries.is_empty() { format!("{KEY}: []\n") } else { format!("{KEY}:\n{entries}") };
        let section = switch + &list;
        Loaded::from_text("the imported table".as_ref(), &format!("{section}{REST}"))?;
        Ok(section)
    }
}

/// One entry without secrets; `None` when there is none.
pub(in crate::import) fn sanitized(
    entry: &Value,
    place: &str,
    dropped: &mut Vec<Dropped>,
) -> Result<Option<Mapping>, Fault> {
    let mapping = match entry {
        Value::Null => return Ok(None),
        Value::Mapping(mapping) => mapping,
        _ => return Err(Fault { client: place.to_owned(), field: String::new(), message: "is no object" }),
    };
    let name = name_of(entry).ok_or_else(|| Fault {
        client: place.to_owned(),
        field: "name".into(),
        message: "is missing",
    })?;
    // It is in every message about the client.
    if is_known_secret(&name) {
        let (client, message) = (place.to_owned(), "may be a secret; give the client another name");
        return Err(Fault { client, field: "name".into(), message });
    }
    let mut sieve = Sieve { client: &name, dropped };
    sieve.fields(mapping, FIELDS, "").map(Some)
}

/// The name of an entry.
pub(in crate::import) fn name_of(entry: &Value) -> Option<String> {
    match entry.get("name")? {
        Value::String(name) => Some(name.clone()),
        Value::Number(name) => Some(name.to_string()),
        Value::Bool(name) => Some(name.to_string()),
        _ => None,
    }
}

/// Keeps what is no secret, and notes what it has left out.
struct Sieve<'a> {
    client: &'a str,
    dropped: &'a mut Vec<Dropped>,
}

impl Sieve<'_> {
    fn fields(&mut self, given: &Mapping, known: &'static [Field], path: &str) -> Result<Mapping, Fault> {
        let path_of = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        let mut kept = Mapping::new();
        for (name, kind) in known {
            let mut values = given.iter().filter(|(key, _)| {
                key.as_str().and_then(|key| field(known, key)).is_some_and(|(known, _)| known == *name)
            });
            if let Some((_, value)) = values.next()
                && let Some(value) = self.value(*kind, value, &path_of(name))?
            {
                kept.insert((*name).into(), value);
            }
        }
        for (key, value) in given {
            let key = key.as_str().unwrap_or("?");
            if field(known, key).is_none() && !is_nothing(value) {
                self.drop(path_of(key), Reason::Unknown);
            }
        }
        Ok(kept)
    }

    fn value(&mut self, kind: Kind, value: &Value, path: &str) -> Result<Option<Value>, Fault> {
        if matches!(value, Value::Null) || matches!(kind, Kind::Status) {
            return Ok(None);
        }
        match kind {
            Kind::Fields(known) => {
                let Value::Mapping(given) = value else { return Err(self.fault(path, "is no object")) };
                let kept = self.fields(given, known, path)?;
                Ok((!kept.is_empty()).then_some(kept.into()))
            }
            Kind::Texts | Kind::HeaderNames | Kind::Secrets | Kind::Variables => {
                let Value::Sequence(given) = value else { return Err(self.fault(path, "is no list")) };
                let mut kept = Vec::new();
                for (place, item) in given.iter().enumerate() {
                    kept.extend(self.one(kind, item, &format!("{path}[{place}]"))?);
                }
                // No tool is not the same as no list of tools.
                let is_missed = matches!(kind, Kind::Texts) || !kept.is_empty();
                Ok(is_missed.then_some(kept.into()))
            }
            Kind::NamedSecrets | Kind::Prices => {
                let Value::Mapping(given) = value else { return Err(self.fault(path, "is no object")) };
                let mut kept = Mapping::new();
                for (key, value) in given {
                    let Some(name) = key.as_str() else { return Err(self.fault(path, "has a name that is no text")) };
                    let is_open = match kind {
                        Kind::NamedSecrets => is_header_name(name),
                        _ => is_open_text(name),
                    };
                    if !is_open {
                        self.drop(path.to_owned(), Reason::Secret);
                        continue;
                    }
                    if let Some(value) = self.one(kind, value, &format!("{path}.{name}"))? {
                        kept.insert(name.into(), value);
                    }
                }
                Ok((!kept.is_empty()).then_some(kept.into()))
            }
            _ => self.one(kind, value, path),
        }
    }

    fn one(&mut self, kind: Kind, value: &Value, path: &str) -> Result<Option<Value>, Fault> {
        match kind.keep(value).map_err(|message| self.fault(path, message))? {
            Kept::Whole(value) => Ok(Some(value)),
            Kept::Part(value) => {
                self.drop(path.to_owned(), Reason::PartlySecret);
                Ok(Some(value))
            }
            Kept::Nothing => {
                self.drop(path.to_owned(), Reason::Secret);
                Ok(None)
            }
            Kept::Empty => Ok(None),
        }
    }

    fn drop(&mut self, field: String, reason: Reason) {
        self.dropped.push(Dropped { client: self.client.to_owned(), field, reason });
    }

    fn fault(&self, field: &str, message: &'static str) -> Fault {
        Fault { client: format!("{:?}", self.client), field: field.to_owned(), message }
    }
}

// === impl Display ===

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = self.field.replace(char::is_control, " ");
        let reason = match self.reason {
            Reason::Secret => "left out, it may hold a secret",
            Reason::PartlySecret => "a part that may be a secret was left out",
            Reason::Unknown => "left out, the edge does not know it",
        };
        write!(f, "MCP client {:?}: {field}: {reason}", self.client)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = self.field.replace(char::is_control, " ");
        let place = if field.is_empty() { String::new() } else { format!(": {field}") };
        write!(f, "MCP client {}{place} {}", self.client, self.message)
    }
}
