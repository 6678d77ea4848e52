//! A good file as a tree without its MCP client tables: they are decoded straight from the text, since a tree of a large
//! one takes seconds.

use std::{collections::HashMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor},
};
use serde_yaml::{Mapping, Value};

use super::{SITES, TABLE};
use crate::config::{discovery::mcp_client::McpClients, problem::KeyPath};

/// The tables, by the site that has them.
pub(in crate::config) type Tables = HashMap<KeyPath, McpClients>;

/// What a file says.
#[derive(Debug)]
pub(in crate::config) struct Outline {
    /// Null in the place of each table that is among the `tables`.
    pub tree: Value,
    pub tables: Tables,
}

impl<'de> Deserialize<'de> for Outline {
    /// # Errors
    /// One that says nothing to the operator: whoever looks at the whole tree finds out what is wrong.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut tables = Tables::new();
        let top = Keys { place: KeyPath::default(), tables: &mut tables };
        let tree = top.deserialize(deserializer)?.into();
        Ok(Outline { tree, tables })
    }
}

/// The keys of a file, or of an entry of its `sites`. An error ends the reading: of a mapping that was left in its
/// middle, `serde_yaml` cannot find the end.
struct Keys<'t> {
    place: KeyPath,
    tables: &'t mut Tables,
}

impl<'de> DeserializeSeed<'de> for Keys<'_> {
    type Value = Mapping;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Mapping, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Keys<'_> {
    type Value = Mapping;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("keys of a configuration")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Mapping, A::Error> {
        let mut keys = Mapping::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = match &*key {
                TABLE => {
                    self.tables.insert(self.place.clone(), map.next_value()?);
                    Value::Null
                }
                SITES if self.place == KeyPath::default() => map.next_value_seed(List(self.tables))?,
                _ => map.next_value()?,
            };
            if keys.insert(key.into(), value).is_some() {
                return Err(A::Error::custom("a key is there twice"));
            }
        }
        // To serde_yaml nothing at all is an empty mapping.
        if keys.is_empty() { Err(A::Error::custom("no keys")) } else { Ok(keys) }
    }
}

/// The list `sites`.
struct List<'t>(&'t mut Tables);

impl<'de> DeserializeSeed<'de> for List<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of sites")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let (place, mut sites) = (KeyPath::root(SITES), Vec::new());
        while let Some(site) = list.next_element_seed(Keys { place: place.index(sites.len()), tables: &mut *self.0 })? {
            sites.push(Value::Mapping(site));
        }
        Ok(Value::Sequence(sites))
    }
}
