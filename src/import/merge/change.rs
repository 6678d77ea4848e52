//! What an entry of a file becomes when a source says something else: field by field, so that what the source does not
//! say, or says only in part, stays as it is.

use std::{
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

use serde_yaml::{Mapping, Value};

use crate::{
    config::{AuthType, FIELDS, Field, Form},
    import::source::{
        duration::nanoseconds,
        fields::{PLACEHOLDER, field, is_nothing},
        sieve::{Reason, sanitized},
        table::Table,
    },
};

/// The fields about which a source is silent, by MCP client: what was left out of them may be what the file has.
pub(super) struct Silence<'a>(HashMap<&'a str, HashSet<&'a str>>);

impl<'a> Silence<'a> {
    pub fn of(table: &'a Table) -> Self {
        let mut fields: HashMap<_, HashSet<_>> = HashMap::new();
        let is_silent = |reason| !matches!(reason, Reason::Unknown | Reason::Renamed(_));
        for dropped in table.dropped.iter().filter(|dropped| is_silent(dropped.reason)) {
            // Of a list that has lost an item nothing is said.
            let field = dropped.field.split('[').next().unwrap_or_default();
            fields.entry(dropped.client.as_str()).or_default().insert(field);
        }
        Silence(fields)
    }
}

/// The entry of a file, with what the source says of the client. The same when that is nothing else.
pub(super) fn changed(entry: &Mapping, client: &Mapping, silence: &Silence<'_>) -> Mapping {
    let Ok(Some(open)) = sanitized(&Value::Mapping(entry.clone()), "", &mut Vec::new()) else { return client.clone() };
    let name = client.get("name").and_then(Value::as_str).unwrap_or_default();
    let none = HashSet::new();
    Comparison { silent: silence.0.get(name).unwrap_or(&none) }.fields(entry, &open, client, FIELDS, "")
}

struct Comparison<'a> {
    silent: &'a HashSet<&'a str>,
}

impl Comparison<'_> {
    /// `written` is what the file has, `open` that without its secrets, `said` what the source says.
    fn fields(
        &self,
        written: &Mapping,
        open: &Mapping,
        said: &Mapping,
        known: &'static [Field],
        path: &str,
    ) -> Mapping {
        let mut new = written.clone();
        for Field { name, form, .. } in known {
            let path = if path.is_empty() { (*name).to_owned() } else { format!("{path}.{name}") };
            let is_key =
                |key: &&Value| key.as_str().and_then(|key| field(known, key)).is_some_and(|field| field.name == *name);
            let exact = Some(Value::from(*name)).filter(|key| written.contains_key(key));
            let key = exact.or_else(|| written.keys().find(is_key).cloned()).unwrap_or_else(|| (*name).into());
            let before = written.get(&key);
            let (here, there) = (open.get(name), said.get(name));
            let inner = || (mapping(before), mapping(here), mapping(there));
            let after = match form {
                Form::Status => continue,
                Form::Fields(known) => {
                    let (before, here, there) = inner();
                    filled(before, self.fields(before, here, there, known, &path))
                }
                Form::NamedFields(known) => {
                    let (before, here, there) = inner();
                    filled(before, self.named_fields(before, here, there, known, &path))
                }
                Form::NamedSecrets | Form::Prices => {
                    let (before, here, there) = inner();
                    filled(before, self.names(before, here, there, &path))
                }
                _ => self.one(name, before, here, there, &path),
            };
            match after {
                After::Same => {}
                After::Gone => drop(new.shift_remove(&key)),
                After::Becomes(value) => drop(new.insert(key, value)),
            }
        }
        new
    }

    fn one(
        &self,
        name: &str,
        before: Option<&Value>,
        here: Option<&Value>,
        there: Option<&Value>,
        path: &str,
    ) -> After {
        let is_placeholder = |value: Option<&Value>| value.and_then(Value::as_str) == Some(PLACEHOLDER);
        let is_silent = self.silent.contains(path) || is_placeholder(there);
        let has_none = || before.is_none_or(is_nothing) || is_placeholder(before);
        match (stated(name, here), stated(name, there)) {
            (here, there) if here == there || is_same_time(name, here, there) => After::Same,
            _ if is_silent && !has_none() => After::Same,
            (_, Some(there)) => After::Becomes(there.clone()),
            _ if is_silent => After::Same,
            // Said in so many words.
            (_, None) => there.map_or(After::Gone, |there| After::Becomes(there.clone())),
        }
    }

    /// Fields of its own for each name.
    fn named_fields(
        &self,
        written: &Mapping,
        open: &Mapping,
        said: &Mapping,
        known: &'static [Field],
        path: &str,
    ) -> Mapping {
        let mut new = written.clone();
        for name in said.keys().chain(open.keys().filter(|name| !said.contains_key(name))) {
            let path = format!("{path}.{}", name.as_str().unwrap_or_default());
            let (before, here, there) = (written.get(name), open.get(name), said.get(name));
            let before = mapping(before);
            match filled(before, self.fields(before, mapping(here), mapping(there), known, &path)) {
                After::Same => {}
                After::Gone => drop(new.shift_remove(name)),
                After::Becomes(value) => drop(new.insert(name.clone(), value)),
            }
        }
        new
    }

    /// A value for each name.
    fn names(&self, written: &Mapping, open: &Mapping, said: &Mapping, path: &str) -> Mapping {
        let mut new = written.clone();
        for (name, value) in said {
            if !open.get(name).is_some_and(|open| is_equal(open, value)) {
                new.insert(name.clone(), value.clone());
            }
        }
        for name in open.keys().filter(|name| !said.contains_key(name)) {
            let is_silent = |name: &str| self.silent.contains(format!("{path}.{name}").as_str());
            if !self.silent.contains(path) && !name.as_str().is_some_and(is_silent) {
                new.shift_remove(name);
            }
        }
        new
    }
}

/// What becomes of a field.
enum After {
    Same,
    Gone,
    Becomes(Value),
}

fn filled(before: &Mapping, after: Mapping) -> After {
    match after {
        after if after == *before => After::Same,
        after if after.is_empty() => After::Gone,
        after => After::Becomes(after.into()),
    }
}

fn mapping(value: Option<&Value>) -> &Mapping {
    static NONE: LazyLock<Mapping> = LazyLock::new(Mapping::new);
    match value {
        Some(Value::Mapping(mapping)) => mapping,
        _ => &NONE,
    }
}

fn is_equal(one: &Value, other: &Value) -> bool {
    one == other || one.as_f64().is_some_and(|one| other.as_f64() == Some(one))
}

const SYNC_INTERVAL: &str = "tool_sync_interval";
const EXECUTION_TIMEOUT: &str = "tool_execution_timeout";

/// The nanoseconds of a duration, which as a number has the unit of its field.
fn time(name: &str, value: &Value) -> Option<f64> {
    let unit = match name {
        SYNC_INTERVAL => 1.0,
        EXECUTION_TIMEOUT => 1e9,
        _ => return None,
    };
    value.as_f64().map(|number| number * unit).or_else(|| nanoseconds(value.as_str()?))
}

fn is_same_time(name: &str, one: Option<&Value>, other: Option<&Value>) -> bool {
    let time = |value: Option<&Value>| value.and_then(|value| time(name, value));
    time(one).is_some_and(|one| time(other).is_some_and(|other| (one - other).abs() < 1.0))
}

/// A value, unless it is what Bifrost takes for one that is not there.
fn stated<'a>(name: &str, value: Option<&'a Value>) -> Option<&'a Value> {
    let is_default = |value: &Value| match (name, value) {
        ("is_ping_available", Value::Bool(flag)) => *flag,
        ("auth_type", Value::String(text)) if text == AuthType::DEFAULT => true,
        (SYNC_INTERVAL | EXECUTION_TIMEOUT, value) => time(name, value) == Some(0.0),
        _ => is_nothing(value),
    };
    value.filter(|value| !is_default(value))
}
