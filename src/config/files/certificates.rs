//! The certificates of a listener, and which of them a client gets.

use std::{collections::HashMap, sync::Arc};

use rustls::{
    SupportedCipherSuite,
    crypto::ring,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use smallvec::SmallVec;
use x509_parser::extensions::GeneralName;

/// Certificates by the names they are for (RFC 6125): a name's own, or else a wildcard's, or else the first's.
#[derive(Debug)]
pub(super) struct Certificates {
    all: Vec<Arc<CertifiedKey>>,
    /// In lower case, with the places of those that have the name. A wildcard stands without its asterisk:
    /// `.example.com`.
    by_name: HashMap<String, Places>,
    /// Those with the names of the first.
    of_first: Places,
}

/// In the order of the configuration. There is more than one where their keys are of several types.
type Places = SmallVec<[usize; 2]>;

impl Certificates {
    pub fn new(pairs: Vec<CertifiedKey>) -> Self {
        let mut by_name: HashMap<String, Places> = HashMap::new();
        let mut of_first = Places::from_slice(&[0]);
        for (place, pair) in pairs.iter().enumerate() {
            let names = names(pair);
            for name in names {
                let places = by_name.entry(name).or_default();
                if places.first() == Some(&0) && place > 0 && !of_first.contains(&place) {
                    of_first.push(place);
                }
                places.push(place);
            }
        }
        Certificates { all: pairs.into_iter().map(Arc::new).collect(), by_name, of_first }
    }

    fn places(&self, name: Option<&str>) -> &Places {
        let found = name.and_then(|name| {
            let name = name.to_ascii_lowercase();
            let parent = || name.find('.').and_then(|dot| self.by_name.get(&name[dot..]));
            self.by_name.get(&name).or_else(parent)
        });
        found.unwrap_or(&self.of_first)
    }
}

impl ResolvesServerCert for Certificates {
    /// Of several for the name, the first that the client can verify (RFC 8446 section 4.4.2.2).
    fn resolve(&self, client: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let places = self.places(client.server_name());
        let pairs = || places.iter().filter_map(|place| self.all.get(*place));
        let fitting = if places.len() > 1 { pairs().find(|pair| is_usable(pair, &client)) } else { None };
        fitting.or_else(|| pairs().next()).cloned()
    }
}

/// Whether the client takes a signature of this key. In TLS 1.2 its cipher suites say so, too (RFC 8422 section 5.3,
/// RFC 5246 section 7.4.2).
fn is_usable(pair: &CertifiedKey, client: &ClientHello<'_>) -> bool {
    let offered = |suite: &&SupportedCipherSuite| client.cipher_suites().contains(&suite.suite());
    let signs = |suite: &SupportedCipherSuite| match suite {
        SupportedCipherSuite::Tls12(suite) => pair.key.choose_scheme(suite.sign).is_some(),
        SupportedCipherSuite::Tls13(_) => true,
    };
    pair.key.choose_scheme(client.signature_schemes()).is_some()
        && ring::ALL_CIPHER_SUITES.iter().filter(offered).any(signs)
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
