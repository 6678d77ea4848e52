//! `${NAME}` in a scalar: what the environment says in its place, resolved before anything is judged. The MCP client
//! table is left alone: there `env.NAME` is Bifrost's.

use std::collections::BTreeSet;

use serde_yaml::Value;

use super::{SITES, TABLE};
use crate::config::problem::{Place, Problem};

/// What the environment has under a name.
pub(in crate::config) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Resolves every reference in the tree of a file.
pub(in crate::config) struct Resolver<'a> {
    pub environment: Environment<'a>,
    /// The names that were used.
    pub names: BTreeSet<String>,
    pub references: Vec<Reference>,
    pub problems: Vec<Problem>,
}

/// A value that comes from the environment.
#[derive(Debug, Clone)]
pub(in crate::config) struct Reference {
    /// Where it is written.
    pub place: Place,
    /// How it is written.
    pub text: String,
    /// What it stands for.
    pub resolved: Value,
}

/// What a scalar says.
#[derive(Debug, PartialEq, Eq)]
enum Part<'a> {
    Text(&'a str),
    Reference {
        name: &'a str,
        default: Option<&'a str>,
    },
    /// What begins as a reference and is none.
    Broken,
}

impl<'a> Resolver<'a> {
    /// Nothing has been resolved yet.
    pub fn new(environment: Environment<'a>) -> Self {
        Resolver { environment, names: BTreeSet::new(), references: Vec::new(), problems: Vec::new() }
    }

    /// Resolves the references of a whole file.
    pub fn resolve(&mut self, tree: &mut Value, place: &Place) {
        let Value::Mapping(top) = tree else { return };
        for (key, value) in top.iter_mut() {
            match key.as_str() {
                Some(TABLE) => {}
                Some(SITES) => self.sites(value, &place.key(SITES)),
                key => self.value(value, &place.key(key.unwrap_or("?"))),
            }
        }
    }

    fn sites(&mut self, sites: &mut Value, place: &Place) {
        let Value::Sequence(sites) = sites else { return };
        for (number, site) in sites.iter_mut().enumerate() {
            self.resolve(site, &place.index(number));
        }
    }

    fn value(&mut self, value: &mut Value, place: &Place) {
        match value {
            Value::Mapping(mapping) => {
                for (key, value) in mapping.iter_mut() {
                    self.value(value, &place.key(key.as_str().unwrap_or("?")));
                }
            }
            Value::Sequence(list) => {
                for (number, value) in list.iter_mut().enumerate() {
                    self.value(value, &place.index(number));
                }
            }
            Value::Tagged(tagged) => self.value(&mut tagged.value, place),
            Value::String(text) if text.contains("${") => {
                if let Some(resolved) = self.text(text, place) {
                    *value = resolved;
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, text: &str, place: &Place) -> Option<Value> {
        let mut resolved = String::new();
        let (mut is_good, mut has_reference) = (true, false);
        for part in parts(text) {
            let missing = match part {
                Part::Text(text) => {
                    resolved.push_str(text);
                    continue;
                }
                Part::Broken => "no reference to the environment; write ${NAME} or ${NAME:-default}, and $${ for the \
                                 characters ${ themselves"
                    .to_owned(),
                Part::Reference { name, default } => {
                    has_reference = true;
                    self.names.insert(name.to_owned());
                    let value = (self.environment)(name);
                    // As a shell has it, what is empty is not there for a default.
                    let value = value.filter(|value| default.is_none() || !value.is_empty());
                    if let Some(value) = value.as_deref().or(default) {
                        resolved.push_str(value);
                        continue;
                    }
                    format!("the environment has no {name}; set it, or write ${{{name}:-default}}")
                }
            };
            is_good = false;
            self.problems.push(Problem::new(place.clone(), missing));
        }
        if !is_good || !has_reference {
            return is_good.then_some(Value::String(resolved));
        }
        let resolved = scalar(resolved);
        self.references.push(Reference { place: place.clone(), text: text.to_owned(), resolved: resolved.clone() });
        Some(resolved)
    }
}

/// Reads what a reference stands for as the same text would be read in the file: a number is one.
fn scalar(text: String) -> Value {
    match serde_yaml::from_str::<Value>(&text) {
        Ok(Value::Number(number)) if number.to_string() == text => Value::Number(number),
        Ok(Value::Bool(flag)) if flag.to_string() == text => Value::Bool(flag),
        _ => Value::String(text),
    }
}

fn parts(text: &str) -> Vec<Part<'_>> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while let Some(at) = rest.find("${") {
        if let Some(before) = rest[..at].strip_suffix('$') {
            parts.extend([Part::Text(before), Part::Text("${")]);
            rest = &rest[at + 2..];
            continue;
        }
        parts.push(Part::Text(&rest[..at]));
        let below = &rest[at + 2..];
        let Some(end) = below.find('}') else {
            parts.push(Part::Broken);
            return parts;
        };
        parts.push(reference(&below[..end]));
        rest = &below[end + 1..];
    }
    parts.push(Part::Text(rest));
    parts
}

fn reference(inner: &str) -> Part<'_> {
    let (name, default) = match inner.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    };
    let is_first = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_';
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_name && name.as_bytes().first().is_some_and(is_first) {
        Part::Reference { name, default }
    } else {
        Part::Broken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str) -> Result<Value, Vec<String>> {
        let environment = |name: &str| match name {
            "PORT" => Some("8080".to_owned()),
            "HOST" => Some("bifrost.internal".to_owned()),
            "EMPTY" => Some(String::new()),
            "VERSION" => Some("1.10".to_owned()),
            _ => None,
        };
        let mut resolver = Resolver::new(&environment);
        let mut tree: Value = serde_yaml::from_str("a: {b: [x]}").unwrap();
        tree["a"]["b"][0] = text.into();
        resolver.resolve(&mut tree, &Place::default());
        let problems: Vec<_> = resolver.problems.iter().map(|problem| problem.in_file("f".as_ref())).collect();
        if problems.is_empty() { Ok(tree["a"]["b"][0].clone()) } else { Err(problems) }
    }

    #[test]
    fn references_become_what_the_environment_says() {
        for (text, expected) in [
            ("${HOST}:${PORT}", Value::from("bifrost.internal:8080")),
            ("${PORT}", Value::from(8080)),
            ("${VERSION}", Value::from("1.10")),
            ("${NONE:-5}s", Value::from("5s")),
            ("${EMPTY:-5s}", Value::from("5s")),
            ("${EMPTY}", Value::from("")),
            ("${NONE:-}", Value::from("")),
            ("$${HOST}", Value::from("${HOST}")),
            ("$HOST $ {x}", Value::from("$HOST $ {x}")),
            ("a$${b}${PORT}", Value::from("a${b}8080")),
            ("${NONE:-true}", Value::from(true)),
        ] {
            assert_eq!(resolved(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_missing_or_broken_is_said_where_it_stands() {
        let missing = resolved("${NONE}").unwrap_err();
        assert_eq!(missing, ["f: a.b[0]: the environment has no NONE; set it, or write ${NONE:-default}"]);
        for broken in ["${", "${}", "${1A}", "${A B}", "${:-x}", "${HOST"] {
            assert!(resolved(broken).unwrap_err()[0].contains("no reference to the environment"), "{broken}");
        }
    }

    #[test]
    fn the_table_is_left_alone() {
        let text = "mcp_clients: [{name: \"${A}\"}]\nsites: [{mcp_clients: [{name: \"${A}\"}], name: \"${A}\"}]\n";
        let mut tree: Value = serde_yaml::from_str(text).unwrap();
        let environment = |_: &str| Some("x".to_owned());
        let mut resolver = Resolver::new(&environment);
        resolver.resolve(&mut tree, &Place::default());
        assert_eq!(tree["mcp_clients"][0]["name"], "${A}");
        assert_eq!(tree["sites"][0]["mcp_clients"][0]["name"], "${A}");
        assert_eq!(tree["sites"][0]["name"], "x");
        assert_eq!(resolver.names.into_iter().collect::<Vec<_>>(), ["A"]);
    }
}
