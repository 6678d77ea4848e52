//! The MCP client table, in the field names of Bifrost's `mcp.client_configs`, so that the list of a Bifrost's
//! `config.json` can be pasted in. Only `auth_type` decides anything here. Bifrost's own table grows every month, so
//! that everything else is looked at only to tell the operator what the edge does not know.

mod auth_type;
pub(crate) mod fields;
pub(in crate::config) mod judge;
#[cfg(feature = "edge")]
mod schema;

use std::{fmt, ops::Deref};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_yaml::{Mapping, Value};

pub use self::auth_type::AuthType;
use self::judge::{Remark, judge};
use crate::config::{
    problem::KeyPath,
    values::{nearest::is_near_miss, null::Text},
};

/// One entry of the MCP client table, of which is kept what the edge needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct McpClient {
    /// The name operators know it by; unique in the table.
    pub name: String,
    /// How Bifrost's users authenticate to it. Bifrost's default: `headers`.
    pub auth_type: AuthType,
    /// Its place in the list as it is written.
    #[serde(skip)]
    place: usize,
}

/// The MCP client table.
#[derive(Debug, Clone, Default)]
pub struct McpClients {
    clients: Vec<McpClient>,
    /// What the operator should know about them, with the place of each entry.
    remarks: Vec<(usize, Remark)>,
    /// How many warnings more there were.
    more: usize,
}

impl McpClient {
    /// One of a table that is made in code. Its place is the table's to say.
    pub fn new(name: impl Into<String>, auth_type: AuthType) -> Self {
        McpClient { name: name.into(), auth_type, place: 0 }
    }

    /// Its place in the list as it is written, where entries may be empty.
    pub fn place(&self) -> usize {
        self.place
    }
}

impl McpClients {
    /// More is not told of a table.
    const MOST_REMARKS: usize = 100;

    pub(in crate::config) fn remarks(&self) -> &[(usize, Remark)] {
        &self.remarks
    }

    /// How many warnings there were beyond them.
    pub(in crate::config) fn more(&self) -> usize {
        self.more
    }

    fn add(&mut self, place: usize, entry: Entry) {
        self.clients.push(McpClient { place, ..McpClient::new(entry.name, entry.auth_type) });
        for remark in entry.remarks {
            self.remark(place, remark);
        }
    }

    fn remark(&mut self, place: usize, remark: Remark) {
        if self.remarks.len() < Self::MOST_REMARKS {
            self.remarks.push((place, remark));
        } else {
            self.more += usize::from(!remark.is_note);
        }
    }
}

impl FromIterator<McpClient> for McpClients {
    /// A table that is made in code: their places are those in which they come.
    fn from_iter<I: IntoIterator<Item = McpClient>>(clients: I) -> Self {
        let clients = clients.into_iter().enumerate().map(|(place, client)| McpClient { place, ..client });
        McpClients { clients: clients.collect(), ..McpClients::default() }
    }
}

impl Deref for McpClients {
    type Target = [McpClient];

    fn deref(&self) -> &[McpClient] {
        &self.clients
    }
}

// === impl Serialize, Deserialize ===

impl Serialize for McpClients {
    /// What is kept of them.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.clients.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for McpClients {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TableVisitor;

        impl<'de> Visitor<'de> for TableVisitor {
            type Value = McpClients;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a sequence")
            }

            /// A key whose items are all commented out.
            fn visit_unit<E>(self) -> Result<McpClients, E> {
                Ok(McpClients::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<McpClients, A::Error> {
                let mut table = McpClients::default();
                let mut place = 0;
                while let Some(entry) = list.next_element::<Option<Entry>>()? {
                    match entry {
                        Some(entry) => table.add(place, entry),
                        None => table.remark(place, Remark::of_empty_entry()),
                    }
                    place += 1;
                }
                Ok(table)
            }
        }

        deserializer.deserialize_any(TableVisitor)
    }
}

impl Remark {
    fn of_empty_entry() -> Self {
        let message = "an entry with nothing in it, which Bifrost skips, too; remove it".into();
        Remark { path: KeyPath::default(), message, is_note: false }
    }
}

/// One entry, as it is read.
struct Entry {
    name: String,
    auth_type: AuthType,
    remarks: Vec<Remark>,
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntryVisitor;

        impl<'de> Visitor<'de> for EntryVisitor {
            type Value = Entry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entry, A::Error> {
                let (mut name, mut auth_type) = (None, None);
                let mut fields = Mapping::new();
                while let Some(key) = map.next_key::<Value>()? {
                    let is_repeated = match key.as_str() {
                        Some("name") => name.replace(map.next_value::<Text>()?.0).is_some(),
                        Some("auth_type") => auth_type.replace(map.next_value::<AuthType>()?).is_some(),
                        _ => {
                            let value = map.next_value::<Value>()?;
                            fields.insert(key, value).is_some()
                        }
                    };
                    if is_repeated {
                        return Err(A::Error::custom("a key is there twice; remove one"));
                    }
                }
                let name = name.ok_or_else(|| nameless(&fields))?;
                if auth_type.is_none() {
                    misleading(&fields).map_or(Ok(()), |why| Err(A::Error::custom(why)))?;
                }
                let auth_type = auth_type.unwrap_or_default();
                let remarks = judge(&name, &auth_type, &fields);
                Ok(Entry { name, auth_type, remarks })
            }
        }

        deserializer.deserialize_map(EntryVisitor)
    }
}

/// What to say of an entry without a `name`.
fn nameless<E: Error>(fields: &Mapping) -> E {
    let mistyped = fields.keys().filter_map(Value::as_str).find(|key| is_near_miss(key, "name"));
    mistyped.map_or_else(
        || E::missing_field("name"),
        |key| E::custom(format!("{key:?} is no field, and the key \"name\" is missing; did you mean \"name\"?")),
    )
}

/// Why an entry without an `auth_type` may well have been meant to turn discovery on.
fn misleading(fields: &Mapping) -> Option<String> {
    let is_meant = |value: &str| value == AuthType::DECIDING || is_near_miss(value, AuthType::DECIDING);
    fields.iter().find_map(|(key, value)| match key.as_str()? {
        "<<" => Some("the merge key << is not followed here, and might say auth_type; write the fields out".into()),
        key if is_near_miss(key, "auth_type") && value.as_str().is_some_and(is_meant) => {
            Some(format!("{key:?} is no field, and without one discovery is off; did you mean \"auth_type\"?"))
        }
        _ => None,
    })
}
