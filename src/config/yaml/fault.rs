//! The error of [`super::decode`]: where a value does not fit, what is wrong and how to mend it, in the
//! words of YAML and without the value.

use std::fmt;

use serde::de::{self, Unexpected};

use crate::config::{problem::KeyPath, values::nearest::suggestion};

/// What is wrong with a value, and where.
#[derive(Debug)]
pub(super) struct Fault {
    pub path: Option<KeyPath>,
    pub kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Missing(&'static str),
    /// Not a whole number, or not one that the key takes: what was found.
    WholeNumber(String),
    Other(String),
}

impl Fault {
    pub fn at(mut self, path: &KeyPath) -> Self {
        self.path.get_or_insert_with(|| path.clone());
        self
    }

    fn expected(found: String, expected: &dyn de::Expected) -> Self {
        let kind = match expected.to_string().as_str() {
            "u16" | "u32" | "usize" | "a nonzero usize" => Kind::WholeNumber(found),
            _ => Kind::Other(format!("{found}; write {}", in_yaml_words(expected))),
        };
        Fault { path: None, kind }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Missing(key) => write!(f, "the key {key:?} is missing; add it"),
            Kind::WholeNumber(found) => write!(f, "{found}; write a whole number"),
            Kind::Other(message) => f.write_str(message),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Fault { path: None, kind: Kind::Other(message.to_string()) }
    }

    fn missing_field(field: &'static str) -> Self {
        Fault { path: None, kind: Kind::Missing(field) }
    }

    /// The same key twice is no YAML, so this is one with two names.
    fn duplicate_field(field: &'static str) -> Self {
        Self::custom(format_args!("the key {field:?} is there twice, once by its other name; remove one"))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(format_args!("{variant:?} is not a known value; {}", suggestion(variant, expected)))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        // The value itself is not shown: it may be a secret pasted into the wrong place.
        let found = match found {
            Unexpected::Bool(_) => "true or false",
            Unexpected::Unsigned(_) | Unexpected::Signed(_) => "a whole number",
            Unexpected::Float(_) => "a number with a fraction",
            Unexpected::Str(_) | Unexpected::Char(_) => "text",
            Unexpected::Seq => "a list",
            Unexpected::Map => "a mapping",
            Unexpected::Unit | Unexpected::Option => "nothing",
            _ => "something else",
        };
        Self::expected(format!("found {found}"), expected)
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::expected("not a value that fits".into(), expected)
    }
}

/// What serde's visitors expect is said in the words of Rust.
fn in_yaml_words(expected: &dyn de::Expected) -> String {
    let expected = expected.to_string();
    match expected.as_str() {
        "a sequence" => "a list".into(),
        "a map" => "a mapping of keys to values".into(),
        "a string" => "text in quotes".into(),
        "a boolean" => "true or false".into(),
        "a duration" => "a duration such as 5s, 10m or 1h 30m".into(),
        "f64" => "a number".into(),
        "path string" => "the path of a file".into(),
        other if other.starts_with("struct ") => "a mapping of keys to values".into(),
        _ => expected,
    }
}
