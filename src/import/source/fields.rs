//! What is imported of each field: the one place that decides what may hold a secret. The fields themselves are those
//! that the configuration knows.

use serde_yaml::Value;

use super::duration::nanoseconds;
use crate::{
    config::{Field, Form},
    secrets,
};

/// In place of a connection string, or of a command, of which nothing can be kept: Bifrost needs one.
pub(in crate::import) const PLACEHOLDER: &str = "(dropped by import)";

/// The field of this name, which Go reads whatever its capital letters.
pub(in crate::import) fn field(fields: &'static [Field], name: &str) -> Option<&'static Field> {
    crate::config::field(fields, name).or_else(|| crate::config::field(fields, &name.to_ascii_lowercase()))
}

/// What is left of a value.
pub(in crate::import) enum Kept {
    /// It is there as it was.
    Whole(Value),
    /// A part of it was left out.
    Part(Value),
    /// It may hold a secret, and nothing of it is there.
    Nothing,
    /// There was nothing in it.
    Empty,
    /// It is something else than this.
    Misfit(&'static str),
}

/// What is left of one value of this form that is no list and has no fields of its own.
pub(in crate::import) fn keep(form: Form, value: &Value) -> Kept {
    match (form, value) {
        (_, Value::Null) => Kept::Empty,
        (Form::Flag, Value::Bool(_)) | (Form::Duration | Form::Prices | Form::Number, Value::Number(_)) => {
            Kept::Whole(value.clone())
        }
        (Form::Flag, _) => Kept::Misfit("true or false"),
        (Form::Prices | Form::Number, _) => Kept::Misfit("a number"),
        (Form::Document, Value::Mapping(_)) => Kept::Nothing,
        (_, Value::Mapping(object)) if may_be_object(form) => keep_object(form, object),
        // What looks like one in YAML.
        (_, Value::Number(number)) if is_open(form) => Kept::Whole(number.to_string().into()),
        (_, Value::Bool(flag)) if is_open(form) => Kept::Whole(flag.to_string().into()),
        (_, Value::Number(_) | Value::Bool(_)) if may_be_object(form) => dropped(form),
        (_, Value::String(text)) if text.trim().is_empty() => Kept::Empty,
        (_, Value::String(text)) => keep_text(form, text),
        _ => Kept::Misfit("text"),
    }
}

/// Whether a number is no secret there.
fn is_open(form: Form) -> bool {
    matches!(form, Form::Text | Form::Texts | Form::Word)
}

/// Whether Bifrost's API shows it as an object: `value`, and `env_var` or, from 1.6 on, `ref` and `type`.
fn may_be_object(form: Form) -> bool {
    matches!(form, Form::Connection | Form::Secret | Form::Secrets | Form::NamedSecrets | Form::Variables)
}

fn keep_object(form: Form, object: &serde_yaml::Mapping) -> Kept {
    let member = |name: &str| object.get(name).and_then(Value::as_str).map(str::trim).unwrap_or_default();
    let reference = [member("ref"), member("secret_ref")].into_iter().find(|text| !text.is_empty());
    let (variable, literal) = (member("env_var"), member("value"));
    // Another kind of reference, or anything else. A type says nothing.
    let is_other = || {
        object.iter().any(|(name, value)| {
            name.as_str() != Some("type") && !matches!(value, Value::Bool(_)) && !is_nothing(value)
        })
    };
    match (reference, variable) {
        (None, "") if literal.is_empty() && is_other() => dropped(form),
        (None, "") => keep(form, &Value::from(literal)),
        (None, name) if name.starts_with("env.") => keep(form, &Value::from(name)),
        (None, name) => keep(form, &Value::from(format!("env.{name}"))),
        (Some(reference), _) if secrets::reference(reference).is_some() => keep(form, &Value::from(reference)),
        _ => dropped(form),
    }
}

/// What is left of a value that is nothing but a secret.
fn dropped(form: Form) -> Kept {
    match form {
        Form::Connection | Form::Command => Kept::Part(PLACEHOLDER.into()),
        _ => Kept::Nothing,
    }
}

fn keep_text(form: Form, text: &str) -> Kept {
    let whole = || Kept::Whole(text.into());
    let if_open = |is_open: bool| if is_open { whole() } else { Kept::Nothing };
    if may_be_object(form)
        && let Some(reference) = secrets::reference(text)
    {
        return Kept::Whole(reference.into());
    }
    match form {
        Form::Word => if_open(secrets::word(text).is_some()),
        Form::Text | Form::Texts => if_open(secrets::is_open_text(text)),
        Form::Duration => if_open(nanoseconds(text).is_some()),
        Form::HeaderNames => if_open(secrets::is_header_name(text)),
        Form::Url => if_open(secrets::reference(text).is_some() || secrets::is_open_url(text)),
        Form::Connection if secrets::is_open_url(text) || text == PLACEHOLDER => whole(),
        Form::Connection => Kept::Part(secrets::open_part(text).unwrap_or(PLACEHOLDER.to_owned()).into()),
        Form::Command if text == PLACEHOLDER => whole(),
        Form::Command => match secrets::program_in(text) {
            Some(program) if program == text => whole(),
            Some(program) => Kept::Part(program.into()),
            None => dropped(form),
        },
        Form::Variables => match secrets::variable_in(text) {
            Some(name) if name == text => whole(),
            Some(name) => Kept::Part(name.into()),
            None => Kept::Nothing,
        },
        Form::Secret | Form::Secrets | Form::NamedSecrets | Form::Document => Kept::Nothing,
        Form::Flag | Form::Number | Form::Prices => Kept::Misfit("something else"),
        Form::Fields(_) | Form::NamedFields(_) | Form::Status => Kept::Misfit("an object"),
    }
}

/// What nobody misses.
pub(in crate::import) fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Sequence(list) => list.is_empty(),
        Value::Mapping(mapping) => mapping.is_empty(),
        _ => false,
    }
}
