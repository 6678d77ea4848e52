//! Certificates that do not hold, or not for long. They are warned of and not refused: a process that does not start
//! serves nobody.

use std::time::SystemTime;

use crate::config::{
    files::life::CertificateLife,
    keys::config::Config,
    problem::{Place, Problem},
};

/// A warning for each certificate that has expired, is not valid yet, or expires soon.
pub(in crate::config) fn warnings(config: &Config, now: SystemTime) -> Vec<Problem> {
    let soon = config.edge.tls.expires_soon;
    let mut warnings = Vec::new();
    let mut warn = |place: Place, lives: Vec<(&'static str, CertificateLife)>| {
        for (key, life) in lives {
            warnings.extend(life.trouble(now, soon).map(|trouble| Problem::new(place.key(key), trouble)));
        }
    };
    for (number, listener) in config.edge.listeners.iter().enumerate() {
        let Some(tls) = &listener.tls else { continue };
        let place = Place::root("listeners").index(number).key("tls");
        for (number, life) in tls.pairs().enumerate() {
            let pair = place.key("certificates").index(number);
            warn(pair, life.map(|life| ("certificate", life)).into_iter().collect());
        }
        warn(place, tls.authorities().map(|life| ("client_ca", life)).into_iter().collect());
    }
    for site in &config.sites {
        for (number, server) in site.servers.iter().enumerate() {
            let Some(tls) = &server.tls else { continue };
            warn(site.place.key("servers").index(number).key("tls"), tls.lives());
        }
    }
    warnings
}
