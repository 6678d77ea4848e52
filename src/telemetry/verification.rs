//! The metrics of the last verification.

use std::time::SystemTime;

use prometheus::{GaugeVec, IntGaugeVec, Opts, Registry, Result};

use super::metrics::{SERVER, registered};
use crate::verify::{Report, Verdict};

/// What the servers agreed about when they were verified last; nothing when they were not.
pub(super) fn register(registry: &Registry, report: Option<&Report>) -> Result<()> {
    let Some(report) = report else { return Ok(()) };
    let help = "When the servers were last asked what they answer for discovery.";
    let last = registered(registry, GaugeVec::new(Opts::new("verify_last_run_timestamp_seconds", help), &[]))?;
    let at = report.at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    last.with_label_values::<&str>(&[]).set(at.as_secs_f64());
    let help = "Servers by what became of that: agrees, disagrees, unreachable (no answer, or not all).";
    let servers = registered(registry, IntGaugeVec::new(Opts::new("verify_servers", help), &["verdict"]))?;
    for verdict in Verdict::ALL {
        let count = i64::try_from(report.count(verdict)).unwrap_or(i64::MAX);
        servers.with_label_values(&[verdict.name()]).set(count);
    }
    let help = "1 for a server that agreed with the edge, 0 for one that did not, or that was not reached.";
    let agreement = registered(registry, IntGaugeVec::new(Opts::new("verify_agreement", help), SERVER))?;
    for server in &report.servers {
        let address = server.address.map(|address| address.to_string()).unwrap_or_default();
        let agrees = server.verdict == Verdict::Agrees;
        agreement.with_label_values(&[server.server.as_str(), &address]).set(agrees.into());
    }
    Ok(())
}
