//! What a configuration file held when it was read, and the files that it names.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
};

use crate::config::{
    keys::{config::Config, fleet::Server, site::Site},
    load::folder,
};

/// What a configuration file held, and the certificates and keys of servers that it names, to be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contents {
    text: u64,
    included: u64,
    named: u64,
}

impl Contents {
    /// Takes the text of the file, those that it includes, and what its servers' files hold.
    pub(in crate::config) fn of(texts: &[&str], config: &Config) -> Self {
        let named: Vec<_> = servers(config).filter_map(|(_, server)| server.tls.as_ref()).collect();
        Contents {
            text: hash(texts.first().copied().unwrap_or_default()),
            included: hash(texts.get(1..).unwrap_or_default()),
            named: hash(&named.iter().map(|tls| &tls.files).collect::<Vec<_>>()),
        }
    }

    /// Whether the configuration file held this.
    pub fn has_text(&self, text: &str) -> bool {
        self.text == hash(text)
    }
}

fn servers(config: &Config) -> impl Iterator<Item = (&Site, &Server)> {
    config.sites.iter().flat_map(|site| site.servers.iter().map(move |server| (site, server)))
}

/// The files of servers that a configuration names. Those of listeners are looked after by themselves.
pub(in crate::config) fn named(config: &Config, file: &Path) -> Vec<PathBuf> {
    let mut named = Vec::new();
    for (site, server) in servers(config) {
        let Some(tls) = &server.tls else { continue };
        let folder = folder(site.place.file.as_deref().unwrap_or(file));
        named.extend([&tls.ca, &tls.certificate, &tls.key].into_iter().flatten().map(|file| folder.join(file)));
    }
    named
}

fn hash<T: Hash + ?Sized>(value: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
