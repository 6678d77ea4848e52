//! Verifies the fleet of a running edge by itself: on an interval, or once, to learn which generation of Bifrost it is.

use std::{collections::HashSet, convert::Infallible, io, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use log::{info, warn};
use tokio::time::{Instant, sleep_until};

use super::{supervise::jittered, verify::Verifier};
use crate::{
    api::Credentials,
    background::keep_going,
    edge::snapshot::{Snapshot, VerifyPlan},
    telemetry::{Background, Counters},
    verify::{Kept, Report, ServerReport, Verdict, changes},
};

/// Edges that are started or reloaded together do not ask together.
const SOON: Duration = Duration::from_secs(2);
/// Where it is done once, a server that does not agree, or could not be asked, is asked again after this, so that a
/// warning ends with its reason;
const AGAIN: Duration = Duration::from_secs(3);
/// and the longer that lasts, the later, up to this.
const LATEST: Duration = Duration::from_mins(5);

/// Verifies the fleet of the current snapshot, as long as it is polled and as often as the snapshot wants it, and keeps
/// the last report.
pub async fn keep_verifying(
    snapshots: Arc<ArcSwap<Snapshot>>,
    kept: Arc<Kept>,
    credentials: Option<Credentials>,
    counters: Arc<Counters>,
) {
    keep_going(Background::Verification, &counters, || {
        verify_again_and_again(Arc::clone(&snapshots), Arc::clone(&kept), credentials.clone())
    })
    .await;
}

async fn verify_again_and_again(
    snapshots: Arc<ArcSwap<Snapshot>>,
    kept: Arc<Kept>,
    credentials: Option<Credentials>,
) -> io::Result<Infallible> {
    let verifier = Arc::new(Verifier::new(credentials));
    let mut warned = HashSet::new();
    // When the servers are asked next, after which pause, and those that need not be asked then.
    let (mut next, mut pause, mut settled) = (None, AGAIN, Vec::new());
    loop {
        let snapshot = snapshots.load_full();
        let Some(plan) = &snapshot.verify else {
            kept.keep(None);
            next = None;
            kept.when_reloaded().await;
            continue;
        };
        let at = *next.get_or_insert_with(|| Instant::now() + soon(plan));
        tokio::select! {
            () = sleep_until(at) => {}
            () = kept.when_reloaded() => {
                next = Some(at.min(Instant::now() + soon(plan)));
                (pause, settled) = (AGAIN, Vec::new());
                continue;
            }
        }
        let report = Arc::new(verifier.verify_others(&snapshot, &plan.expected, &settled).await);
        tell(kept.last().as_deref(), &report, plan, &mut warned);
        kept.keep(Some(Arc::clone(&report)));
        if let Some(interval) = plan.interval {
            next = Some(Instant::now() + jittered(interval));
            continue;
        }
        if report.agrees() {
            kept.when_reloaded().await;
            next = None;
            (pause, settled) = (AGAIN, Vec::new());
            continue;
        }
        settled = report.servers.iter().filter(|server| server.verdict == Verdict::Agrees).cloned().collect();
        next = Some(Instant::now() + jittered(pause));
        pause = (2 * pause).min(LATEST);
    }
}

fn soon(plan: &VerifyPlan) -> Duration {
    plan.interval.unwrap_or(SOON).min(SOON).mul_f64(rand::random())
}

/// Logs what has changed since the report before, and warnings that are new.
fn tell(before: Option<&Report>, now: &Report, plan: &VerifyPlan, warned: &mut HashSet<String>) {
    for (server, before) in changes(before, now) {
        let name = name_of(server);
        match (server.verdict, before) {
            // It may be started after the edge, and whether it is there its health tells.
            (Verdict::Unreachable, _) | (Verdict::Agrees, Some(Verdict::Unreachable)) if plan.interval.is_none() => {}
            (Verdict::Agrees, _) => info!("verify: server {name} agrees with the edge again"),
            (Verdict::Disagrees, _) => {
                let first = server.differences.first().map(ToString::to_string).unwrap_or_default();
                let more = server.differences.len().saturating_sub(1) + server.more_differences;
                let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
                warn!("verify: server {name} does not agree with the edge: {first}{more}");
            }
            (Verdict::Unreachable, _) => {
                let why = server.unreachable.as_deref().unwrap_or_default();
                warn!("verify: server {name} did not answer, or not all: {why}");
            }
        }
    }
    let mut current = HashSet::new();
    for server in &now.servers {
        for warning in &server.warnings {
            let line = format!("verify: server {}: {warning}", name_of(server));
            if !warned.contains(&line) {
                warn!("{line}");
            }
            current.insert(line);
        }
    }
    *warned = current;
}

fn name_of(server: &ServerReport) -> String {
    match server.address {
        Some(address) if address.to_string() != server.server => format!("{} ({address})", server.server),
        _ => server.server.clone(),
    }
}
