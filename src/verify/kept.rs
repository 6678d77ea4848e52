//! The last reports of a running edge, one a site, and when the next ones are due.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::watch;

use super::report::{Report, ServerReport, Verdict};
use crate::config::SiteName;

/// The last reports, kept for whoever asks. There is one for each process.
#[derive(Debug, Default)]
pub struct Kept {
    last: Mutex<BTreeMap<Option<SiteName>, Arc<Report>>>,
    reloads: watch::Sender<u64>,
}

impl Kept {
    /// The last report of each site that is verified and has been, by name.
    pub fn all(&self) -> Vec<Arc<Report>> {
        self.last.lock().values().cloned().collect()
    }

    /// The last report of one site.
    pub fn last(&self, site: Option<&SiteName>) -> Option<Arc<Report>> {
        self.last.lock().get(&site.cloned()).cloned()
    }

    /// Keeps a report of a site, or none.
    pub fn keep(&self, site: Option<&SiteName>, report: Option<Arc<Report>>) {
        let mut last = self.last.lock();
        match report {
            Some(report) => drop(last.insert(site.cloned(), report)),
            None => drop(last.remove(&site.cloned())),
        }
    }

    /// Says that there is another configuration to verify.
    pub fn reloaded(&self) {
        self.reloads.send_modify(|reloads| *reloads += 1);
    }

    /// Hears of that.
    pub fn reloads(&self) -> watch::Receiver<u64> {
        self.reloads.subscribe()
    }
}

/// The servers whose verdict is another one than before, each with the one from before. One that was not there before
/// is new when it does not agree.
pub fn changes<'a>(before: Option<&Report>, now: &'a Report) -> Vec<(&'a ServerReport, Option<Verdict>)> {
    let verdict_before = |server: &ServerReport| {
        let mut servers = before?.servers.iter();
        let known = servers.find(|known| known.server == server.server && known.address == server.address);
        known.map(|known| known.verdict)
    };
    let servers = now.servers.iter().map(|server| (server, verdict_before(server)));
    servers.filter(|(server, before)| before.unwrap_or(Verdict::Agrees) != server.verdict).collect()
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::verify::Switch;

    fn report(verdicts: &[(&str, Verdict)]) -> Report {
        let server = |(name, verdict): &(&str, Verdict)| ServerReport {
            verdict: *verdict,
            ..ServerReport::unreachable((*name).to_owned(), None, String::new())
        };
        Report {
            site: None,
            at: SystemTime::UNIX_EPOCH,
            profile: "per_user_oauth",
            discovery: Switch::On,
            clients: 0,
            clients_compared: false,
            servers: verdicts.iter().map(server).collect(),
        }
    }

    #[test]
    fn a_change_is_told_once_each_way() {
        use Verdict::{Agrees, Disagrees, Unreachable};
        let told = |before: Option<&Report>, now: &Report| -> Vec<(String, Option<Verdict>)> {
            changes(before, now).into_iter().map(|(server, before)| (server.server.clone(), before)).collect()
        };
        let first = report(&[("a", Agrees), ("b", Disagrees), ("c", Unreachable)]);
        assert_eq!(told(None, &first), [("b".to_owned(), None), ("c".to_owned(), None)]);
        assert!(told(Some(&first), &first).is_empty());
        let second = report(&[("a", Disagrees), ("b", Agrees), ("c", Unreachable)]);
        assert_eq!(told(Some(&first), &second), [("a".to_owned(), Some(Agrees)), ("b".to_owned(), Some(Disagrees))]);
    }
}
