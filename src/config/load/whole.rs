//! A file that is one site, decoded straight from its text: a large table is not made into a tree first.

use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeSeed, IgnoredAny, IntoDeserializer, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_yaml::{Mapping, Value};

use super::{
    decode::{Decoded, decode},
    keys::{EDGE, INCLUDE, SITES},
};
use crate::config::{
    keys::{config::EdgeKeys, site::Site},
    problem::KeyPath,
};

/// What the top level of a file says.
pub(super) enum Whole {
    /// It is one site.
    OneSite(Box<(EdgeKeys, Site)>),
    /// It has `sites`, or includes some, and is read in another way.
    Sites,
}

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(TopLevel)
    }
}

struct TopLevel;

impl<'de> Visitor<'de> for TopLevel {
    type Value = Whole;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the keys of a configuration")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Whole, A::Error> {
        let mut keys = SiteKeys { map, edge: Mapping::new(), has_sites: false };
        // An error ends it: of a mapping that was left in its middle, serde_yaml cannot find the end.
        let site = Site::deserialize(MapAccessDeserializer::new(&mut keys))?;
        if keys.has_sites {
            return Ok(Whole::Sites);
        }
        // Whoever looks at the file as a tree finds out what is wrong with it.
        let Decoded { value: Some(edge), problems, .. } = decode(&Value::Mapping(keys.edge), &KeyPath::default())
        else {
            return Err(de::Error::custom("a key of the process is wrong or missing"));
        };
        if !problems.is_empty() {
            return Err(de::Error::custom("a key of the process is wrong"));
        }
        Ok(Whole::OneSite(Box::new((edge, site))))
    }
}

/// The keys of a site among all; those of the whole process are put aside.
struct SiteKeys<A> {
    map: A,
    edge: Mapping,
    has_sites: bool,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for &mut SiteKeys<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        while let Some(key) = self.map.next_key::<String>()? {
            if EDGE.contains(&key) {
                let value = self.map.next_value()?;
                if self.edge.insert(key.into(), value).is_some() {
                    return Err(de::Error::custom("a key is there twice"));
                }
            } else if key == SITES || key == INCLUDE {
                self.has_sites |= self.map.next_value::<Option<IgnoredAny>>()?.is_some();
            } else if key == "name" {
                return Err(de::Error::custom("only an entry of sites has a name"));
            } else {
                return seed.deserialize(key.into_deserializer()).map(Some);
            }
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}
