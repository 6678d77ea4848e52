//! The headline of the status page: what clients get at this moment, and why, with the places on the page that say more.

use super::status::{
    Available, Cause, CertificateStatus, Configuration, Headline, MOST_SHOWN, ReplacementStatus, SiteStatus, Tone,
};
use crate::{
    readiness::{Readiness, Stage},
    verify::Verdict,
};

/// What the headline is made of.
pub(super) struct Facts<'a> {
    pub readiness: &'a Readiness,
    pub servers: Available,
    pub sites: &'a [SiteStatus],
    pub configuration: &'a Configuration,
    pub certificates: &'a [CertificateStatus],
    pub replacement: &'a ReplacementStatus,
    /// Seconds since 1970.
    pub now: i64,
}

const FLEET: &str = "fleet-title";
const CONFIGURATION: &str = "configuration-title";
const VERIFICATION: &str = "verification";
const CERTIFICATES: &str = "certificates-title";

/// So many sites are named.
const MOST_NAMED: usize = 5;

impl Headline {
    pub(super) fn of(facts: &Facts) -> Self {
        let (tone, words) = facts.impact();
        let reasons = facts.reasons();
        let tone = if tone == Tone::Good && facts.needs_somebody() { Tone::Warn } else { tone };
        Headline { tone, words, reasons }
    }
}

impl Facts<'_> {
    /// What clients get.
    fn impact(&self) -> (Tone, String) {
        let Available { available, configured } = self.servers;
        let has_discovery = self.sites.iter().any(|site| site.discovery.on);
        match self.readiness.stage {
            Stage::Starting => return (Tone::Bad, "Starting".to_owned()),
            Stage::Leaving | Stage::Draining => return (Tone::Bad, "Leaving".to_owned()),
            Stage::Serving => {}
        }
        match (available, configured) {
            (0, 0) if has_discovery => (Tone::Warn, "Discovery only: no server is configured".to_owned()),
            (0, 0) => (Tone::Bad, "Not serving: no server is configured, and discovery is off".to_owned()),
            (0, _) if has_discovery => (Tone::Bad, "Discovery only: no server is available".to_owned()),
            (0, _) => (Tone::Bad, "Not serving: no server is available, and discovery is off".to_owned()),
            (some, all) if some < all => {
                let tone = if self.cut_off().next().is_some() { Tone::Bad } else { Tone::Warn };
                (tone, format!("Degraded: {some} of {} available", servers(all)))
            }
            _ => (Tone::Good, "Serving".to_owned()),
        }
    }

    /// The sites that have servers, none of which is available.
    fn cut_off(&self) -> impl Iterator<Item = &SiteStatus> {
        self.sites.iter().filter(|site| site.servers.configured > 0 && site.servers.available == 0)
    }

    /// Whether something is wrong that clients do not notice yet.
    fn needs_somebody(&self) -> bool {
        self.is_refused()
            || self.replacement.why.is_some()
            || self.disagreeing() > 0
            || self.troubles().next().is_some()
    }

    fn is_refused(&self) -> bool {
        self.configuration.last_reload.as_ref().is_some_and(|last| last.result == "refused")
    }

    /// How many servers do not agree with the edge about discovery.
    fn disagreeing(&self) -> usize {
        let reports = self.sites.iter().filter_map(|site| site.verification.as_ref());
        reports.map(|report| report.count(Verdict::Disagrees)).sum()
    }

    /// The section of the first site whose servers disagree, as far as the page shows it.
    fn first_disagreement(&self) -> Option<String> {
        let disagrees =
            |site: &SiteStatus| site.verification.as_ref().is_some_and(|report| report.count(Verdict::Disagrees) > 0);
        match self.sites.iter().take(MOST_SHOWN).position(disagrees)? {
            0 => Some(VERIFICATION.to_owned()),
            place => Some(format!("{VERIFICATION}-{}", place + 1)),
        }
    }

    /// The certificates that something is wrong with.
    fn troubles(&self) -> impl Iterator<Item = &CertificateStatus> {
        self.certificates.iter().filter(|certificate| certificate.trouble.is_some())
    }

    fn reasons(&self) -> Vec<Cause> {
        let mut reasons = Vec::new();
        let mut say = |text: String, place: Option<&str>| {
            reasons.push(Cause { text, place: place.map(ToOwned::to_owned) });
        };
        for reason in self.readiness.reasons() {
            say(reason, None);
        }
        let Available { available, configured } = self.servers;
        match configured {
            0 => say("no server is configured".to_owned(), Some(FLEET)),
            _ => say(format!("{available} of {} available", servers(configured)), Some(FLEET)),
        }
        let cut_off: Vec<_> = self.cut_off().filter_map(|site| site.name.as_ref()).collect();
        for name in cut_off.iter().take(MOST_NAMED) {
            say(format!("site {name} has none"), Some(FLEET));
        }
        if cut_off.len() > MOST_NAMED {
            say(format!("and {} sites more have none", cut_off.len() - MOST_NAMED), Some(FLEET));
        }
        if self.is_refused() {
            say("the last reload was refused".to_owned(), Some(CONFIGURATION));
        }
        let disagreeing = self.disagreeing();
        if disagreeing > 0 {
            let agrees = if disagreeing == 1 { "does not agree" } else { "do not agree" };
            let place = self.first_disagreement();
            say(format!("{} {agrees} about discovery", servers(disagreeing)), place.as_deref());
        }
        if let Some(text) = self.about_certificates() {
            say(text, Some(CERTIFICATES));
        }
        match (self.replacement.state, &self.replacement.why) {
            ("starting", _) => say("a successor is starting".to_owned(), None),
            (_, Some(why)) => say(format!("the last successor did not serve: {why}"), None),
            _ => {}
        }
        reasons
    }

    fn about_certificates(&self) -> Option<String> {
        let count = |word: &str, is_meant: &dyn Fn(&CertificateStatus) -> bool| match self
            .troubles()
            .filter(|certificate| is_meant(certificate))
            .count()
        {
            0 => None,
            1 => Some(format!("1 certificate {word}")),
            more => Some(format!("{more} certificates {word}")),
        };
        let parts = [
            count("expired", &|certificate| certificate.not_after < self.now),
            count("not valid yet", &|certificate| certificate.not_before > self.now),
            count("about to expire", &|one| one.not_after >= self.now && one.not_before <= self.now),
        ];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

fn servers(count: usize) -> String {
    if count == 1 { "1 server".to_owned() } else { format!("{count} servers") }
}
