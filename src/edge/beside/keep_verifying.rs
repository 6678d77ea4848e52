//! Verifies the fleet of a running edge by itself: on an interval, or once, to learn which generation of Bifrost it is.

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    io,
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use log::{info, warn};
use tokio::{
    task::{AbortHandle, JoinSet},
    time::{Instant, sleep_until},
};

use super::{
    supervise::{a_panic, jittered, keep},
    verify::Verifier,
};
use crate::{
    api::Credentials,
    background::keep_going,
    config::SiteName,
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

/// Verifies the fleets of the current snapshot, as long as it is polled and as often as the snapshot wants it, and keeps
/// the last report of each site.
pub async fn keep_verifying(
    snapshots: Arc<ArcSwap<Snapshot>>,
    kept: Arc<Kept>,
    credentials: Option<Credentials>,
    counters: Arc<Counters>,
) {
    let verifier = Arc::new(Verifier::new(credentials));
    keep_going(Background::Verification, &counters, || {
        verify_sites(Arc::clone(&snapshots), Arc::clone(&kept), Arc::clone(&verifier))
    })
    .await;
}

/// Has a loop for each site of the current snapshot.
async fn verify_sites(
    snapshots: Arc<ArcSwap<Snapshot>>,
    kept: Arc<Kept>,
    verifier: Arc<Verifier>,
) -> io::Result<Infallible> {
    let mut tasks = JoinSet::new();
    let mut sites: HashMap<Option<SiteName>, AbortHandle> = HashMap::new();
    let mut reloads = kept.reloads();
    loop {
        let wanted: HashSet<_> = snapshots.load().sites.iter().map(|site| site.name.clone()).collect();
        for gone in sites.keys().filter(|name| !wanted.contains(*name)) {
            kept.keep(gone.as_ref(), None);
        }
        keep(&mut sites, &wanted);
        for name in wanted {
            let task = || verify_site(name.clone(), Arc::clone(&snapshots), Arc::clone(&kept), Arc::clone(&verifier));
            sites.entry(name.clone()).or_insert_with(|| tasks.spawn(task()));
        }
        tokio::select! {
            changed = reloads.changed() => changed.map_err(io::Error::other)?,
            failed = a_panic(&mut tasks) => return Err(io::Error::other(failed)),
        }
    }
}

/// The same of one site, by its name.
async fn verify_site(
    name: Option<SiteName>,
    snapshots: Arc<ArcSwap<Snapshot>>,
    kept: Arc<Kept>,
    verifier: Arc<Verifier>,
) {
    let name = name.as_ref();
    let mut reloads = kept.reloads();
    let mut warned = HashSet::new();
    // When the servers are asked next, after which pause, and those that need not be asked then.
    let (mut next, mut pause, mut settled) = (None, AGAIN, Vec::new());
    loop {
        let snapshot = snapshots.load_full();
        let site = snapshot.sites.iter().find(|site| site.name.as_ref() == name);
        let Some((site, plan)) = site.and_then(|site| Some((site, site.verify.as_ref()?))) else {
            kept.keep(name, None);
            next = None;
            drop(snapshot);
            if reloads.changed().await.is_err() {
                return;
            }
            continue;
        };
        let at = *next.get_or_insert_with(|| Instant::now() + soon(plan));
        tokio::select! {
            () = sleep_until(at) => {}
            Ok(()) = reloads.changed() => {
                next = Some(at.min(Instant::now() + soon(plan)));
                (pause, settled) = (AGAIN, Vec::new());
                continue;
            }
        }
        let report = Arc::new(verifier.verify_others(site, &plan.expected, &settled).await);
        tell(kept.last(name).as_deref(), &report, plan, &mut warned);
        kept.keep(name, Some(Arc::clone(&report)));
        if let Some(interval) = plan.interval {
            next = Some(Instant::now() + jittered(interval));
            continue;
        }
        if report.agrees() {
            drop(snapshot);
            if reloads.changed().await.is_err() {
                return;
            }
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
        let (site, name) = (site_of(now), name_of(server));
        match (server.verdict, before) {
            // It may be started after the edge, and whether it is there its health tells.
            (Verdict::Unreachable, _) | (Verdict::Agrees, Some(Verdict::Unreachable)) if plan.interval.is_none() => {}
            (Verdict::Agrees, _) => info!("verify: {site}server {name} agrees with the edge again"),
            (Verdict::Disagrees, _) => {
                let first = server.differences.first().map(ToString::to_string).unwrap_or_default();
                let more = server.differences.len().saturating_sub(1) + server.more_differences;
                let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
                warn!("verify: {site}server {name} does not agree with the edge: {first}{more}");
            }
            (Verdict::Unreachable, _) => {
                let why = server.unreachable.as_deref().unwrap_or_default();
                warn!("verify: {site}server {name} did not answer, or not all: {why}");
            }
        }
    }
    let mut current = HashSet::new();
    for server in &now.servers {
        for warning in &server.warnings {
            let line = format!("verify: {}server {}: {warning}", site_of(now), name_of(server));
            if !warned.contains(&line) {
                warn!("{line}");
            }
            current.insert(line);
        }
    }
    *warned = current;
}

fn site_of(report: &Report) -> String {
    report.site.as_ref().map(|site| format!("site {site}, ")).unwrap_or_default()
}

fn name_of(server: &ServerReport) -> String {
    match server.address {
        Some(address) if address.to_string() != server.server => format!("{} ({address})", server.server),
        _ => server.server.clone(),
    }
}
