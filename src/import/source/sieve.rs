//! What is kept of one MCP client, and what is not.

use std::fmt;

use serde_yaml::{Mapping, Value};

use super::fields::{Kept, PLACEHOLDER, field, is_nothing, keep};
use crate::{
    config::{AuthType, FIELDS, Field, Form},
    secrets::{is_header_name, is_known_secret, is_open_text},
};

/// A value that was left out, or stands elsewhere.
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
    /// It is something else than this.
    Misfit(&'static str),
    /// Nothing was: it is there under its newer name.
    Renamed(&'static str),
}

/// An MCP client that cannot be imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Its name, or its place in the list.
    client: String,
    field: String,
    message: String,
}

/// One entry without secrets; `None` when there is none.
pub(in crate::import) fn sanitized(
    entry: &Value,
    place: &str,
    dropped: &mut Vec<Dropped>,
) -> Result<Option<Mapping>, Fault> {
    let fault = |client: &str, field: &str, message: &str| Fault {
        client: client.to_owned(),
        field: field.to_owned(),
        message: message.to_owned(),
    };
    let mapping = match entry {
        Value::Null => return Ok(None),
        Value::Mapping(mapping) => mapping,
        _ => return Err(fault(place, "", "is no object")),
    };
    let name = name_of(entry).filter(|name| !name.trim().is_empty());
    let name = name.ok_or_else(|| fault(place, "name", "is missing"))?;
    // It is in every message about the client.
    if is_known_secret(&name) {
        return Err(fault(place, "name", "may be a secret; give the client another name"));
    }
    let client = format!("{name:?}");
    match given(mapping, FIELDS, "auth_type") {
        None | Some((_, Value::Null)) => {}
        Some((_, Value::String(auth_type))) => {
            AuthType::of_name(auth_type).map_err(|why| fault(&client, "auth_type", &why.to_string()))?;
        }
        Some(_) => return Err(fault(&client, "auth_type", "is not text; write it in quotes")),
    }
    let mut sieve = Sieve { client: &name, dropped };
    Ok(Some(sieve.fields(mapping, FIELDS, "")))
}

/// The name of an entry.
pub(in crate::import) fn name_of(entry: &Value) -> Option<String> {
    match given(entry.as_mapping()?, FIELDS, "name")?.1 {
        Value::String(name) => Some(name.clone()),
        Value::Number(name) => Some(name.to_string()),
        Value::Bool(name) => Some(name.to_string()),
        _ => None,
    }
}

/// What is given for the field of this name, and under which of its names.
fn given<'a>(given: &'a Mapping, known: &'static [Field], name: &'static str) -> Option<(&'a str, &'a Value)> {
    if let Some(value) = given.get(name) {
        return Some((name, value));
    }
    let mut others = given.iter().filter_map(|(key, value)| Some((key.as_str()?, value)));
    others.find(|(key, _)| field(known, key).is_some_and(|field| field.name == name))
}

/// Keeps what is no secret, and notes what it has left out.
struct Sieve<'a> {
    client: &'a str,
    dropped: &'a mut Vec<Dropped>,
}

impl Sieve<'_> {
    fn fields(&mut self, mapping: &Mapping, known: &'static [Field], path: &str) -> Mapping {
        let path_of = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        let mut kept = Mapping::new();
        for field in known {
            let Some((key, value)) = given(mapping, known, field.name) else { continue };
            if let Some(value) = self.value(field.form, value, &path_of(field.name)) {
                kept.insert(field.name.into(), value);
                if field.once.contains(&key) {
                    self.drop(path_of(key), Reason::Renamed(field.name));
                }
            }
        }
        for (key, value) in mapping {
            let key = key.as_str().unwrap_or("?");
            if field(known, key).is_none() && !is_nothing(value) {
                self.drop(path_of(key), Reason::Unknown);
            }
        }
        kept
    }

    fn value(&mut self, form: Form, value: &Value, path: &str) -> Option<Value> {
        if matches!(value, Value::Null) || matches!(form, Form::Status) {
            return None;
        }
        match form {
            Form::Fields(known) => {
                let Value::Mapping(given) = value else { return self.misfit(form, path, "an object") };
                let kept = self.fields(given, known, path);
                (!kept.is_empty()).then_some(kept.into())
            }
            Form::Texts | Form::HeaderNames | Form::Secrets | Form::Variables => {
                let Value::Sequence(given) = value else { return self.misfit(form, path, "a list") };
                let mut kept = Vec::new();
                for (place, item) in given.iter().enumerate() {
                    kept.extend(self.one(form, item, &format!("{path}[{place}]")));
                }
                // No tool is not the same as no list of tools.
                let is_missed = matches!(form, Form::Texts) || !kept.is_empty();
                is_missed.then_some(kept.into())
            }
            Form::NamedSecrets | Form::NamedFields(_) | Form::Prices => {
                let Value::Mapping(given) = value else { return self.misfit(form, path, "an object") };
                let kept = self.named(form, given, path);
                (!kept.is_empty()).then_some(kept.into())
            }
            _ => self.one(form, value, path),
        }
    }

    /// Something for each name.
    fn named(&mut self, form: Form, given: &Mapping, path: &str) -> Mapping {
        let mut kept = Mapping::new();
        for (key, value) in given {
            let name = key.as_str().unwrap_or_default();
            let is_open = match form {
                Form::NamedSecrets => is_header_name(name),
                _ => !name.is_empty() && is_open_text(name),
            };
            if !is_open {
                self.drop(path.to_owned(), Reason::Secret);
                continue;
            }
            let path = format!("{path}.{name}");
            let value = match form {
                Form::NamedFields(known) => self.value(Form::Fields(known), value, &path),
                form => self.one(form, value, &path),
            };
            kept.extend(value.map(|value| (name.into(), value)));
        }
        kept
    }

    fn one(&mut self, form: Form, value: &Value, path: &str) -> Option<Value> {
        match keep(form, value) {
            Kept::Whole(value) => Some(value),
            Kept::Part(value) => {
                self.drop(path.to_owned(), Reason::PartlySecret);
                Some(value)
            }
            Kept::Nothing => {
                self.drop(path.to_owned(), Reason::Secret);
                None
            }
            Kept::Empty => None,
            Kept::Misfit(expected) => self.misfit(form, path, expected),
        }
    }

    fn misfit(&mut self, form: Form, path: &str, expected: &'static str) -> Option<Value> {
        self.drop(path.to_owned(), Reason::Misfit(expected));
        matches!(form, Form::Connection | Form::Command).then_some(PLACEHOLDER.into())
    }

    fn drop(&mut self, field: String, reason: Reason) {
        self.dropped.push(Dropped { client: self.client.to_owned(), field, reason });
    }
}

// === impl Display ===

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = self.field.replace(char::is_control, " ");
        write!(f, "MCP client {:?}: {field}: ", self.client)?;
        match self.reason {
            Reason::Secret => f.write_str("left out, it may hold a secret"),
            Reason::PartlySecret => f.write_str("a part that may be a secret was left out"),
            Reason::Unknown => f.write_str("left out, it is newer than this edge knows"),
            Reason::Misfit(expected) => write!(f, "left out, this edge knows only {expected} there"),
            Reason::Renamed(name) => write!(f, "an old name, written as {name}"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = self.field.replace(char::is_control, " ");
        let place = if field.is_empty() { String::new() } else { format!(": {field}") };
        write!(f, "MCP client {}{place} {}", self.client, self.message)
    }
}
