//! The certificates of a listener, and which of them a client gets.

use std::{collections::HashMap, sync::Arc};

use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use x509_parser::extensions::GeneralName;

/// Certificates by the names they are for (RFC 6125): a name's own, or else a wildcard's, or else the first.
#[derive(Debug)]
pub(super) struct Certificates {
    all: Vec<Arc<CertifiedKey>>,
    /// In lower case. A wildcard stands without its asterisk: `.example.com`.
    by_name: HashMap<String, usize>,
}

impl Certificates {
    /// The first one that has a name counts.
    pub fn new(pairs: Vec<CertifiedKey>) -> Self {
        let mut by_name = HashMap::new();
        for (place, pair) in pairs.iter().enumerate() {
            for name in names(pair) {
                by_name.entry(name).or_insert(place);
            }
        }
        Certificates { all: pairs.into_iter().map(Arc::new).collect(), by_name }
    }

    fn find(&self, name: Option<&str>) -> Option<&Arc<CertifiedKey>> {
        let place = name.and_then(|name| {
            let name = name.to_ascii_lowercase();
            let parent = || name.find('.').and_then(|dot| self.by_name.get(&name[dot..]));
            self.by_name.get(&name).or_else(parent).copied()
        });
        self.all.get(place.unwrap_or(0))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, client: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.find(client.server_name()).cloned()
    }
}

/// The DNS names of a certificate, in lower case, wildcards without their asterisk.
fn names(pair: &CertifiedKey) -> Vec<String> {
    let certificate = pair.cert.first().and_then(|first| x509_parser::parse_x509_certificate(first).ok());
    let Some((_, certificate)) = certificate else { return Vec::new() };
    let Ok(Some(alternatives)) = certificate.subject_alternative_name() else { return Vec::new() };
    let dns = alternatives.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    });
    dns.map(|name| name.strip_prefix('*').map(str::to_owned).unwrap_or(name)).collect()
}
