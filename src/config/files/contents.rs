//! What a configuration file held when it was read, and the files that it names.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
};

use crate::config::keys::config::Config;

/// What a configuration file held, and the certificates and keys of servers that it names, to be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contents {
    text: u64,
    named: u64,
}

impl Contents {
    pub(in crate::config) fn of(text: &str, config: &Config) -> Self {
        let named: Vec<_> = config.servers.iter().filter_map(|server| server.tls.as_ref()).collect();
        Contents { text: hash(text), named: hash(&named.iter().map(|tls| &tls.files).collect::<Vec<_>>()) }
    }

    /// Whether the configuration file held this.
    pub fn has_text(&self, text: &str) -> bool {
        self.text == hash(text)
    }
}

/// The files of servers that a configuration names. Those of listeners are looked after by themselves.
pub(in crate::config) fn named(config: &Config, folder: &Path) -> Vec<PathBuf> {
    let tls = config.servers.iter().filter_map(|server| server.tls.as_ref());
    let files = tls.flat_map(|tls| [&tls.ca, &tls.certificate, &tls.key]).flatten();
    files.map(|file| folder.join(file)).collect()
}

fn hash<T: Hash + ?Sized>(value: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
