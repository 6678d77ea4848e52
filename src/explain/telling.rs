//! Tells a rehearsal: gathers what is said and which keys decide, and then looks up what they say, and where.

use serde_yaml::{Mapping, Value};

use super::{Asked, Explanation, Key, Step};
use crate::{
    config::{KeyPath, Loaded, Place, Scheme, Site, Step as PathStep},
    edge::{End, Rehearsal, Snapshot},
    reason::Reason,
};

/// What is told of one request.
pub(super) struct Telling<'a> {
    pub loaded: &'a Loaded,
    pub asked: &'a Asked,
    pub snapshot: &'a Snapshot,
    pub rehearsal: &'a Rehearsal,
    pub listener: usize,
    steps: Vec<(&'static str, String, Vec<Deciding>)>,
}

/// A key that decides: where it is written, and where the configuration as it is understood has it.
pub(super) struct Deciding {
    written: Place,
    understood: KeyPath,
}

impl<'a> Telling<'a> {
    pub fn new(
        loaded: &'a Loaded,
        asked: &'a Asked,
        snapshot: &'a Snapshot,
        rehearsal: &'a Rehearsal,
        listener: usize,
    ) -> Self {
        Telling { loaded, asked, snapshot, rehearsal, listener, steps: Vec::new() }
    }

    /// Says one thing.
    pub fn say(&mut self, step: &'static str, says: impl Into<String>, keys: Vec<Deciding>) {
        self.steps.push((step, says.into(), keys));
    }

    /// The site of the request; before that is known, what holds for none.
    pub fn site(&self) -> &'a Site {
        let config = &self.loaded.config;
        self.rehearsal.site.and_then(|site| config.sites.get(site)).unwrap_or(&config.unsited)
    }

    /// Whether the client speaks plain HTTP to a listener for TLS, so that nobody reads its request.
    pub fn is_plain_at_tls(&self) -> bool {
        let listener = self.loaded.config.edge.listeners.get(self.listener);
        let is_plain = self.asked.parts().is_ok_and(|parts| parts.scheme == Scheme::Http);
        is_plain && listener.is_some_and(|listener| listener.tls.is_some())
    }

    /// A key of the request's site.
    pub fn site_key(&self, path: &KeyPath) -> Deciding {
        match self.rehearsal.site {
            Some(site) => self.key_of(site, path),
            None => edge_key(path.clone()),
        }
    }

    /// A key of the site at this place.
    pub fn key_of(&self, number: usize, path: &KeyPath) -> Deciding {
        let place = self.loaded.config.sites.get(number).map(Site::place).cloned().unwrap_or_default();
        let is_whole = place == Place::default();
        let understood = if is_whole { path.clone() } else { KeyPath::root("sites").index(number).join(path) };
        Deciding { written: place.join(path), understood }
    }

    /// Everything that is to be said.
    pub fn tell(mut self) -> Explanation {
        self.all();
        let (steps, rehearsal) = (std::mem::take(&mut self.steps), self.rehearsal);
        let keys: Vec<_> = steps.iter().flat_map(|(_, _, keys)| keys).collect();
        let places: Vec<_> = keys.iter().map(|key| key.written.clone()).collect();
        let tree = self.loaded.with_references();
        let spots = self.loaded.spots(&places);
        let mut looked_up = keys.iter().zip(spots).map(|(key, spot)| Key {
            value: value(&tree, &key.understood),
            key: spot.as_ref().map_or(&key.understood, |spot| &spot.key).to_string(),
            file: spot.as_ref().map(|spot| spot.file.display().to_string()),
            line: spot.map(|spot| spot.line),
        });
        let told = |(step, says, keys): &(&'static str, String, Vec<Deciding>)| Step {
            step,
            says: says.clone(),
            keys: looked_up.by_ref().take(keys.len()).collect(),
        };
        let told = steps.iter().map(told).collect();
        let is_plain_at_tls = self.is_plain_at_tls();
        let refused = match rehearsal.end {
            End::Refused(reason, _) if !is_plain_at_tls => Some(reason),
            End::Discovery(answer) if !is_plain_at_tls => answer.outcome.reason(),
            _ => None,
        };
        let is_forwarded = matches!(rehearsal.end, End::Forwarded(_)) && !is_plain_at_tls;
        let status = status(&rehearsal.response).or(refused.and_then(Reason::status).map(|status| status.as_u16()));
        Explanation {
            file: self.loaded.file.display().to_string(),
            method: self.asked.method.clone(),
            url: self.asked.url.clone(),
            steps: told,
            answered_by: if is_forwarded { "server" } else { "edge" },
            status: if is_plain_at_tls { Some(400) } else { status },
            reason: refused.map(Reason::name),
            servers_now: Vec::new(),
            site: rehearsal.site,
        }
    }
}

/// A key of the whole process.
pub(super) fn edge_key(path: KeyPath) -> Deciding {
    Deciding { written: path.clone().into(), understood: path }
}

/// The status of a response.
fn status(response: &[u8]) -> Option<u16> {
    let line = response.split(|byte| *byte == b'\r').next()?;
    std::str::from_utf8(line).ok()?.split(' ').nth(1)?.parse().ok()
}

/// What a configuration has at a path; not a whole list or section, which would hide what decides.
fn value(tree: &Mapping, path: &KeyPath) -> Option<Value> {
    let (first, below) = path.steps().split_first()?;
    let PathStep::Key(first) = first else { return None };
    let found = below.iter().try_fold(tree.get(first.as_str())?, |value, step| match step {
        PathStep::Key(key) => value.get(key.as_str()),
        PathStep::Index(index) => value.get(*index),
    })?;
    let is_short = |value: &Value| match value {
        Value::Sequence(items) => items.len() <= 10 && items.iter().all(|item| !item.is_mapping()),
        Value::Mapping(mapping) => mapping.len() <= 4 && mapping.values().all(|value| !value.is_mapping()),
        _ => true,
    };
    is_short(found).then(|| found.clone())
}
