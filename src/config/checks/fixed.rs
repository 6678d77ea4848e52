//! What is settled when a process starts.

use std::num::NonZeroUsize;

use crate::config::{
    keys::{
        admin::AdminAddress,
        config::EdgeKeys,
        listener::Listener,
        logs::{AccessLog, LogOptions},
    },
    problem::{KeyPath, Problem},
};

/// The part of a configuration that a running edge cannot change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed {
    listeners: Vec<Listener>,
    admin: Option<AdminAddress>,
    threads: Option<NonZeroUsize>,
    access_log: Option<AccessLog>,
    log: LogOptions,
}

impl Fixed {
    /// That part of a configuration.
    pub fn of(edge: &EdgeKeys) -> Self {
        Fixed {
            listeners: edge.listeners.clone(),
            admin: edge.admin.as_ref().map(|admin| admin.address),
            threads: edge.threads,
            access_log: edge.access_log.clone(),
            log: edge.log,
        }
    }

    /// A problem for each key of another configuration that a running edge cannot take over.
    pub(in crate::config) fn problems(&self, edge: &EdgeKeys) -> Vec<Problem> {
        let other = Fixed::of(edge);
        let mut changed = Vec::new();
        let listeners = KeyPath::root("listeners");
        if self.listeners.len() == other.listeners.len() {
            let pairs = self.listeners.iter().zip(&other.listeners).enumerate();
            changed.extend(pairs.filter(|(_, (one, other))| one != other).map(|(place, _)| listeners.index(place)));
        } else {
            changed.push(listeners);
        }
        if self.admin != other.admin {
            let admin = KeyPath::root("admin");
            changed.push(if other.admin.is_some() { admin.key("address") } else { admin });
        }
        if self.threads != other.threads {
            changed.push(KeyPath::root("threads"));
        }
        if self.access_log != other.access_log {
            changed.push(KeyPath::root("access_log"));
        }
        if self.log != other.log {
            changed.push(KeyPath::root("log"));
        }
        let message = "cannot change while the edge runs; undo it, or replace the edge without losing a connection: \
                       bridgehead upgrade";
        changed.into_iter().map(|path| Problem::new(path, message)).collect()
    }
}
