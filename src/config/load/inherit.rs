//! What the top level says for every site that says nothing else, key by key.

use std::collections::HashMap;

use serde_yaml::{Mapping, Value};

use super::keys::FOR_EVERY_SITE;
use crate::config::problem::{KeyPath, Place, Step};

/// The sections of the top level that hold for every site.
#[derive(Debug, Clone, Default)]
pub(in crate::config) struct Inherited(Mapping);

/// Which values of sites are the top level's.
#[derive(Debug, Clone, Default)]
pub(in crate::config) struct Inheritance {
    pub common: Inherited,
    /// The sections that each site has of its own, by its place.
    pub sites: HashMap<Place, Mapping>,
}

impl Inheritance {
    /// Where a value is written that is found at this place: at the top level if that says it.
    pub fn written(&self, place: Place) -> Place {
        // A site is an entry of `sites`, or a whole file that is included.
        let depths = (0..place.path.0.len()).filter(|depth| [0, 2].contains(depth));
        let found = depths.rev().find_map(|depth| {
            let site = Place { file: place.file.clone(), path: KeyPath(place.path.0[..depth].to_vec()) };
            Some((depth, self.sites.get(&site)?))
        });
        let Some((depth, own)) = found else { return place };
        let path = &place.path.0[depth..];
        if self.common.is_own(own, path) { place } else { Place { file: None, path: KeyPath(path.to_vec()) } }
    }
}

/// Takes those sections; of `limits` what a site has of its own.
pub(super) fn inherit(mut sections: Mapping) -> Inherited {
    const OF_LIMITS: [&str; 1] = ["request_body"];
    if let Some(Value::Mapping(limits)) = sections.get_mut("limits") {
        limits.retain(|key, _| key.as_str().is_some_and(|key| OF_LIMITS.contains(&key)));
    }
    Inherited(sections)
}

impl Inherited {
    /// A site that says nothing, and has no server.
    pub fn site_without_servers(&self) -> Value {
        let mut site = self.0.clone();
        site.insert("servers".into(), Value::Sequence(Vec::new()));
        site.into()
    }

    /// Adds what a site does not say itself, and returns the sections as the site has them.
    pub fn add_to(&self, site: &mut Mapping) -> Mapping {
        let mut own = Mapping::new();
        for (key, common) in &self.0 {
            match site.get_mut(key) {
                None | Some(Value::Null) => drop(site.insert(key.clone(), common.clone())),
                Some(said) => {
                    own.insert(key.clone(), said.clone());
                    merge(said, common);
                }
            }
        }
        own
    }

    /// Whether the site itself has the value at this path below it, given its own sections.
    pub fn is_own(&self, own: &Mapping, path: &[Step]) -> bool {
        let Some(Step::Key(section)) = path.first() else { return true };
        if !FOR_EVERY_SITE.contains(&section.as_str()) || !self.0.contains_key(section.as_str()) {
            return true;
        }
        let mut found = own.get(section.as_str());
        for step in &path[1..] {
            found = found.and_then(|value| match step {
                Step::Key(key) => value.get(key),
                Step::Index(index) => value.get(index),
            });
        }
        found.is_some()
    }
}

/// Adds what only `common` says, mapping by mapping; a list is one value.
fn merge(said: &mut Value, common: &Value) {
    let (Value::Mapping(said), Value::Mapping(common)) = (said, common) else { return };
    for (key, common) in common {
        match said.get_mut(key) {
            None => drop(said.insert(key.clone(), common.clone())),
            Some(value) => merge(value, common),
        }
    }
}
