//! What an operator should know about an entry that is taken all the same: fields and values that the edge does not know,
//! names that are no longer used, and what Bifrost needs to connect.

use serde_yaml::{Mapping, Value};

use super::{
    AuthType,
    fields::{CONNECTION_TYPES, FIELDS, Field, Form, field},
};
use crate::{
    config::{
        problem::{KeyPath, Step},
        values::nearest::nearest,
    },
    secrets::{is_about_secrets, is_known_secret, word},
};

/// Something about an entry that does not keep it from being used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) struct Remark {
    /// Below the entry.
    pub path: KeyPath,
    pub message: String,
    /// Whether it only says by what name the field is known today.
    pub is_note: bool,
}

/// What is to be said about an entry, whose name and `auth_type` have been read.
pub(super) fn judge(name: &str, auth_type: &AuthType, fields: &Mapping) -> Vec<Remark> {
    let mut judge = Judge { name, remarks: Vec::new() };
    if let AuthType::Other(other) = auth_type {
        let value = word(other).unwrap_or("this text".into());
        judge.warn(KeyPath::root("auth_type"), format!("{value} {NEWER} one that does not turn discovery on"));
    }
    judge.fields(fields, FIELDS, &KeyPath::default());
    judge.needs(fields, auth_type);
    judge.remarks
}

const NEWER: &str = "is newer than this edge knows; treated as";
/// The name of a field whose texts are not shown.
const SECRET: &str = "secret";
const NOT_THERE: &str = "if it were not there";

struct Judge<'a> {
    name: &'a str,
    remarks: Vec<Remark>,
}

impl Judge<'_> {
    fn fields(&mut self, given: &Mapping, known: &'static [Field], path: &KeyPath) {
        for (key, value) in given {
            let Some(key) = key.as_str() else {
                let key = described(key, "");
                self.warn(path.clone(), format!("the field {key} {NEWER} {NOT_THERE}"));
                continue;
            };
            match field(known, key) {
                Some(field) => {
                    self.age(field, key, given, path);
                    self.value(field, value, &path.key(key));
                }
                None => self.unknown(key, value, known, path),
            }
        }
    }

    fn unknown(&mut self, key: &str, value: &Value, known: &'static [Field], path: &KeyPath) {
        // Somebody may have written a secret where a name belongs.
        let path = if is_open_key(key) { path.key(key) } else { path.clone() };
        let names: Vec<_> = known.iter().map(|field| field.name).collect();
        let meant = nearest(key, &names).map(|name| format!("; did you mean {name:?}?")).unwrap_or_default();
        let value = described(value, key);
        self.warn(path, format!("a field that {NEWER} {NOT_THERE} (its value: {value}){meant}"));
    }

    fn age(&mut self, field: &Field, key: &str, given: &Mapping, path: &KeyPath) {
        let path = || path.key(key);
        if let Some(instead) = field.instead {
            self.note(
                path(),
                format!("an old field, which newer versions of Bifrost do not read; they have {instead:?}"),
            );
        } else if field.once.contains(&key) {
            self.note(path(), format!("the old name of {:?}, and taken for it", field.name));
        }
        let is_twice =
            key != field.name && given.keys().any(|other| other.as_str().is_some_and(|other| other == field.name));
        if is_twice {
            self.warn(path(), format!("there twice, once as {:?}; Bifrost reads that one", field.name));
        }
    }

    /// Warns of the first part of a value that is not of its form.
    fn value(&mut self, field: &'static Field, value: &Value, path: &KeyPath) {
        if field.name == "connection_type" && path.0.len() == 1 {
            return self.connection_type(value, path);
        }
        match (field.form, value) {
            (Form::Fields(known), Value::Mapping(given)) => self.fields(given, known, path),
            (Form::NamedFields(known), Value::Mapping(given)) => {
                for (key, value) in given {
                    let path = open_key(key).map_or_else(|| path.clone(), |key| path.key(key));
                    match value {
                        Value::Mapping(given) => self.fields(given, known, &path),
                        Value::Null => {}
                        other => self.misfit(other, "a mapping", SECRET, &path),
                    }
                }
            }
            (form, value) => {
                if let Some((below, found, expected)) = first_misfit(form, value) {
                    let name = if may_be_secret(form) { SECRET } else { field.name };
                    self.misfit(found, expected, name, &path.join(&below));
                }
            }
        }
    }

    fn connection_type(&mut self, value: &Value, path: &KeyPath) {
        match value {
            Value::Null => {}
            Value::String(name) if name.is_empty() || CONNECTION_TYPES.contains(&name.as_str()) => {}
            Value::String(name) => {
                let value = word(name).unwrap_or("this text".into());
                let meant = nearest(name, &CONNECTION_TYPES).map(|name| format!("; did you mean {name:?}?"));
                let meant = meant.unwrap_or_default();
                self.warn(path.clone(), format!("{value} {NEWER} a connection that needs no other field{meant}"));
            }
            other => self.misfit(other, "text", "", path),
        }
    }

    /// What Bifrost needs, or does not connect. Discovery needs none of it.
    fn needs(&mut self, fields: &Mapping, auth_type: &AuthType) {
        let has = |name: &str| {
            field(FIELDS, name).is_some_and(|field| {
                fields
                    .iter()
                    .any(|(key, value)| key.as_str().is_some_and(|key| field.is_named(key)) && !is_blank(value))
            })
        };
        let kind = fields.get("connection_type").and_then(Value::as_str).unwrap_or_default();
        let needed = match kind {
            "http" | "sse" => Some(("connection_string", "write its URL, or a reference such as env.NAME")),
            "stdio" => Some(("stdio_config", "write at least {command: …}")),
            "openapi" => Some(("openapi_config", "write at least {spec_file: …}")),
            "" if !has("connection_type") => Some(("connection_type", "write for example http")),
            _ => None,
        };
        let needed = needed.filter(|(key, _)| !has(key)).map(|(key, remedy)| match kind {
            "" => (key, format!("Bifrost does not connect to an MCP client without one; {remedy}")),
            _ => (
                key,
                format!("Bifrost does not connect to an MCP client of connection_type {kind} without one; {remedy}"),
            ),
        });
        let keys = "per_user_header_keys";
        let users = (*auth_type == AuthType::PerUserHeaders && !has(keys)).then(|| {
            (keys, "auth_type per_user_headers needs at least one; name the headers that users supply".to_owned())
        });
        for (key, message) in needed.into_iter().chain(users) {
            self.warn(KeyPath::root(key), message);
        }
    }

    fn misfit(&mut self, found: &Value, expected: &str, key: &str, path: &KeyPath) {
        let found = described(found, key);
        self.warn(path.clone(), format!("{found} in place of {expected} {NEWER} {NOT_THERE}"));
    }

    fn warn(&mut self, path: KeyPath, message: impl AsRef<str>) {
        self.remark(path, message.as_ref(), false);
    }

    fn note(&mut self, path: KeyPath, message: impl AsRef<str>) {
        self.remark(path, message.as_ref(), true);
    }

    fn remark(&mut self, path: KeyPath, message: &str, is_note: bool) {
        let name = if is_known_secret(self.name) { String::new() } else { format!(" {:?}", self.name) };
        self.remarks.push(Remark { path, message: format!("MCP client{name}: {message}"), is_note });
    }
}

/// The first part of a value that is not of the form: where it is, what is there, and what is known.
fn first_misfit(form: Form, value: &Value) -> Option<(KeyPath, &Value, &'static str)> {
    let here = |expected| Some((KeyPath::default(), value, expected));
    let items = |item: Form| match value {
        Value::Sequence(items) => items.iter().enumerate().find_map(|(place, value)| {
            let (_, found, expected) = match value {
                // A list has no item that is nothing.
                Value::Null => (KeyPath::default(), value, "text"),
                value => first_misfit(item, value)?,
            };
            Some((KeyPath(vec![Step::Index(place)]), found, expected))
        }),
        _ => here("a list"),
    };
    let entries = |entry: Form| match value {
        Value::Mapping(entries) => entries.iter().find_map(|(key, value)| {
            let (_, found, expected) = first_misfit(entry, value)?;
            Some((open_key(key).map_or_else(KeyPath::default, KeyPath::root), found, expected))
        }),
        _ => here("a mapping"),
    };
    match form {
        _ if value.is_null() => None,
        Form::Texts | Form::HeaderNames => items(Form::Text),
        Form::Secrets | Form::Variables => items(Form::Secret),
        Form::NamedSecrets => entries(Form::Secret),
        Form::Prices => entries(Form::Number),
        form if is_of(form, value) => None,
        form => here(expected(form)),
    }
}

/// Whether a value that is there is of a form that has no parts.
fn is_of(form: Form, value: &Value) -> bool {
    match (form, value) {
        (Form::Document, _) => true,
        (Form::Fields(_) | Form::NamedFields(_), value) => value.is_mapping(),
        (Form::Flag, value) => value.is_bool(),
        (Form::Number, value) => value.is_number(),
        (Form::Duration, value) => value.is_string() || value.is_i64() || value.is_u64(),
        (Form::Secret | Form::Connection, Value::Mapping(object)) => object.values().all(is_plain),
        // In YAML a text without quotes may look like something else.
        (_, value) => value.is_string() || value.is_number() || value.is_bool(),
    }
}

fn expected(form: Form) -> &'static str {
    match form {
        Form::Fields(_) | Form::NamedFields(_) => "a mapping",
        Form::Flag => "true or false",
        Form::Number => "a number",
        Form::Duration => "a duration such as 10m, or a whole number",
        Form::Secret | Form::Connection => "text, or a reference such as env.NAME",
        _ => "text",
    }
}

/// Whether a text in the place of such a value may be a secret, whatever it looks like.
fn may_be_secret(form: Form) -> bool {
    !matches!(
        form,
        Form::Word
            | Form::Text
            | Form::Texts
            | Form::Flag
            | Form::Number
            | Form::Duration
            | Form::Prices
            | Form::Fields(_)
    )
}

fn is_plain(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Bool(_) | Value::String(_) | Value::Number(_))
}

/// Whether a value says nothing. Of a secret's object its `type` says nothing of it.
fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Sequence(items) => items.is_empty(),
        Value::Mapping(object) => object
            .iter()
            .all(|(key, value)| key.as_str() == Some("type") || matches!(value, Value::Bool(_)) || is_blank(value)),
        _ => false,
    }
}

/// A key that may be shown.
fn open_key(key: &Value) -> Option<&str> {
    key.as_str().filter(|key| is_open_key(key))
}

fn is_open_key(key: &str) -> bool {
    key.len() <= 64 && !is_known_secret(key)
}

/// What a value is, for a person: itself, when it cannot be a secret.
fn described(value: &Value, key: &str) -> String {
    match value {
        Value::Null => "nothing".into(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => Some(number.to_string()).filter(|text| text.len() < 7).unwrap_or("a number".into()),
        Value::String(text) if !is_about_secrets(key) => word(text).unwrap_or("text".into()),
        Value::String(_) => "text".into(),
        Value::Sequence(_) => "a list".into(),
        Value::Mapping(_) => "a mapping".into(),
        Value::Tagged(tagged) => described(&tagged.value, key),
    }
}
