//! What goes on beside the requests: names are looked up, servers are checked.

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    future::pending,
    io,
    net::SocketAddr,
    panic::resume_unwind,
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use log::{debug, info, warn};
use tokio::{
    select,
    sync::Notify,
    task::{AbortHandle, JoinError, JoinSet, spawn_blocking},
    time::sleep,
};

use super::{
    health::Checker,
    lookup::{lookup, of_one, one_of},
};
use crate::{
    background::{PAUSE, failed, keep_going},
    config::ServerAddress,
    edge::snapshot::{Site, Snapshot},
    fleet::{Server, log_change},
    telemetry::{Background, Counters},
};

/// Keeps looking up names and checking servers, those of the current snapshot, for as long as it is
/// polled. `changed` tells it that there is another snapshot.
pub async fn supervise(snapshot: Arc<ArcSwap<Snapshot>>, changed: Arc<Notify>, counters: Arc<Counters>) {
    keep_going(Background::Supervision, &counters, || supervise_on(&snapshot, &changed, &counters)).await;
}

async fn supervise_on(
    snapshot: &Arc<ArcSwap<Snapshot>>,
    changed: &Arc<Notify>,
    counters: &Counters,
) -> io::Result<Infallible> {
    let mut tasks = JoinSet::new();
    let mut names: HashMap<ServerAddress, AbortHandle> = HashMap::new();
    let mut checks: HashMap<(ServerAddress, SocketAddr), AbortHandle> = HashMap::new();
    let checker = Arc::new(Checker::new());
    loop {
        let current = snapshot.load_full();
        let names_of_all = current.sites.iter().flat_map(|site| site.servers.fleet().names());
        let wanted: HashSet<_> = names_of_all.cloned().collect();
        keep(&mut names, &wanted);
        for name in wanted {
            let look_up = |name: ServerAddress| async move { lookup(name.host(), name.port(), LOOKUP).await };
            let task = || tasks.spawn(resolve(name.clone(), Arc::clone(snapshot), Arc::clone(changed), look_up));
            names.entry(name.clone()).or_insert_with(task);
        }

        let with_health = current.sites.iter().filter(|site| site.health.enabled);
        let servers: Vec<_> = with_health.flat_map(|site| site.servers.fleet().servers()).collect();
        let wanted: HashSet<_> = servers.iter().map(|(_, server)| (server.name().clone(), server.address())).collect();
        keep(&mut checks, &wanted);
        for server in wanted {
            let task = || tasks.spawn(check(server.clone(), Arc::clone(snapshot), Arc::clone(&checker)));
            checks.entry(server.clone()).or_insert_with(task);
        }
        drop((servers, current));
        select! {
            () = changed.notified() => {}
            // There is another one of it soon.
            panic = a_panic(&mut tasks) => {
                failed(Background::Supervision, counters, &panic.to_string());
                sleep(PAUSE).await;
            }
        }
    }
}

/// Waits for a task that panics. Others that end are wanted no more.
pub(super) async fn a_panic(tasks: &mut JoinSet<()>) -> JoinError {
    loop {
        match tasks.join_next().await {
            Some(Err(error)) if error.is_panic() => return error,
            Some(_) => {}
            None => return pending().await,
        }
    }
}

/// Ends the tasks that are no longer wanted, and forgets those that have ended by themselves.
pub(super) fn keep<K: std::hash::Hash + Eq>(tasks: &mut HashMap<K, AbortHandle>, wanted: &HashSet<K>) {
    tasks.retain(|key, task| {
        let is_wanted = wanted.contains(key) && !task.is_finished();
        if !is_wanted {
            task.abort();
        }
        is_wanted
    });
}

/// Looks up every name of the snapshot that has no address yet, for at most so long. Those that do not
/// resolve are warned of.
pub(crate) async fn resolve_new(snapshot: &Arc<Snapshot>, patience: Duration) {
    let mut lookups = JoinSet::new();
    let fleets = snapshot.fleets();
    let unresolved: HashMap<_, _> =
        (fleets.iter()).flat_map(|fleet| fleet.unresolved().map(|name| (name.clone(), fleet.is_one(name)))).collect();
    for (name, is_one) in unresolved {
        lookups.spawn(async move {
            let found = lookup(name.host(), name.port(), patience).await;
            if !is_one {
                return (found, name);
            }
            let found = match of_one(&name, found) {
                Ok(addresses) => Ok(one_of(&addresses, None, true).await.map(|(one, _)| one).into_iter().collect()),
                Err(why) => Err(why),
            };
            (found, name)
        });
    }
    let mut resolved = Vec::new();
    for (found, name) in lookups.join_all().await {
        match found {
            Ok(addresses) => resolved.push((name, addresses)),
            Err(why) => warn!("server {name}: {why}; it gets no requests until the name resolves"),
        }
    }
    let snapshot = Arc::clone(snapshot);
    off_the_workers(move || snapshot.resolved(resolved)).await;
}

/// Does work that may take long for a large fleet. That it fails is a fault of whoever wants it done.
async fn off_the_workers<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        // The runtime ends.
        Err(_) => pending().await,
    }
}

/// A name may take so long.
const LOOKUP: Duration = Duration::from_secs(5);
/// A name that has no address yet is tried again after this.
const SOON: Duration = Duration::from_secs(1);

/// Looks up one name again and again.
async fn resolve<L>(
    name: ServerAddress,
    snapshot: Arc<ArcSwap<Snapshot>>,
    changed: Arc<Notify>,
    mut look_up: impl FnMut(ServerAddress) -> L,
) where
    L: Future<Output = Result<Vec<SocketAddr>, String>>,
{
    // Of one server with several addresses it must be seen once which of them takes connections.
    let (mut is_failing, mut is_in_doubt) = (false, true);
    loop {
        let current = snapshot.load_full();
        let (fleet, interval) = (current.fleet_of(&name), current.dns.interval);
        let used = fleet.and_then(|fleet| fleet.first_address(&name));
        let is_one = fleet.is_some_and(|fleet| fleet.is_one(&name));
        let server = used.filter(|_| is_one).and_then(|used| Some(fleet?.server(&name, used)?.1));
        drop(current);
        let is_settled = used.is_some() && !(is_one && is_in_doubt);
        is_in_doubt |= rest(jittered(if is_settled { interval } else { SOON.min(interval) }), server).await;
        let found = look_up(name.clone()).await;
        match if is_one { of_one(&name, found) } else { found } {
            Ok(mut addresses) => {
                if is_one && let Some((one, takes_connections)) = one_of(&addresses, used, is_in_doubt).await {
                    addresses = vec![one];
                    is_in_doubt = !takes_connections;
                }
                let shown: Vec<_> = addresses.iter().map(ToString::to_string).collect();
                let (current, known_as) = (snapshot.load_full(), name.clone());
                if off_the_workers(move || current.resolved([(known_as, addresses)])).await {
                    info!("server {name}: now at {}", shown.join(", "));
                    changed.notify_one();
                }
                is_failing = false;
            }
            Err(why) if !is_failing && used.is_some() => {
                warn!("server {name}: {why}; the addresses from before are kept");
                is_failing = true;
            }
            Err(why) => debug!("server {name}: {why}"),
        }
    }
}

/// Waits, but not to the end when this server fails: whether it did.
async fn rest(pause: Duration, server: Option<Arc<Server>>) -> bool {
    let least = server.as_ref().map_or(pause, |_| SOON.min(pause));
    sleep(least).await;
    let Some(server) = server else { return false };
    select! {
        biased;
        () = server.failed() => true,
        () = sleep(pause.saturating_sub(least)) => false,
    }
}

/// Checks one server again and again, at once for the first time.
async fn check(known_as: (ServerAddress, SocketAddr), snapshot: Arc<ArcSwap<Snapshot>>, checker: Arc<Checker>) {
    let (name, address) = &known_as;
    if let Some((_, _, server)) = find(&snapshot.load(), name, *address) {
        server.unchecked();
    }
    loop {
        let current = snapshot.load_full();
        let Some((site, configured, server)) = find(&current, name, *address) else { return };
        let peer = site.servers.peer_for_check(server.address(), configured, site.health.timeout);
        let result = checker.check(&peer, server.name().as_str(), &site.health).await;
        if let Err(why) = &result {
            server.failed_check(why);
        }
        if let Some(change) = server.checked(result.is_ok(), &site.health) {
            log_change(&server, change, result.as_ref().err());
        }
        if let Some(change) = site.servers.fleet().probed(configured, &server, result.is_ok()) {
            log_change(&server, change, None);
        }
        let interval = site.health.interval;
        drop((server, current));
        sleep(jittered(interval)).await;
    }
}

/// The first site that has a server checked, the server's place in it, and the server.
fn find<'a>(
    snapshot: &'a Snapshot,
    name: &ServerAddress,
    address: SocketAddr,
) -> Option<(&'a Site, usize, Arc<Server>)> {
    let mut checked = snapshot.sites.iter().filter(|site| site.health.enabled);
    checked.find_map(|site| {
        let (configured, server) = site.servers.fleet().server(name, address)?;
        Some((site, configured, server))
    })
}

/// An interval, give or take a tenth, so that several edges do not ask in step.
pub(super) fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(0.9 + 0.2 * rand::random::<f64>())
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;
    use crate::{config::Loaded, telemetry::SitesCounters};

    #[tokio::test]
    async fn a_task_that_panics_is_heard_of_and_those_that_end_are_not() {
        let mut tasks = JoinSet::new();
        tasks.spawn(async {});
        tasks.spawn(pending()).abort();
        tasks.spawn(pending());
        let panics = tasks.spawn(async { panic!("a fault") }).id();
        assert_eq!(a_panic(&mut tasks).await.id(), panics);
        assert_eq!(tasks.len(), 1, "the others have been forgotten");
    }

    #[tokio::test]
    async fn a_name_is_looked_up_again_and_again_and_keeps_its_last_good_answer() {
        let yaml = "listeners: [{address: \"127.0.0.1:8000\"}]\nservers: [{address: \"bifrost.internal:8080\"}]\n\
                    dns: {interval: 1ms}\n";
        let config = Loaded::from_text("test.yaml".as_ref(), yaml).unwrap().config;
        let snapshot =
            Arc::new(ArcSwap::from_pointee(Snapshot::compile(&config, Arc::default(), &SitesCounters::default(), 1)));
        let changed = Arc::new(Notify::new());
        let (answers, mut answer) = mpsc::unbounded_channel();
        let addresses = |texts: &[&str]| Ok(texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>());
        let name = config.sites[0].servers[0].address.clone();
        let (asked, mut asks) = mpsc::unbounded_channel();
        let look_up = move |name| {
            asked.send(name).unwrap();
            let answer = answer.try_recv().unwrap_or_else(|_| Err("no more".to_owned()));
            std::future::ready(answer)
        };
        answers.send(Err("not yet".into())).unwrap();
        answers.send(addresses(&["10.0.0.2:8080", "10.0.0.1:8080"])).unwrap();
        answers.send(addresses(&["10.0.0.1:8080", "10.0.0.2:8080"])).unwrap();
        answers.send(addresses(&["10.0.0.3:8080"])).unwrap();
        let task = tokio::spawn(resolve(name.clone(), Arc::clone(&snapshot), Arc::clone(&changed), look_up));
        for _ in 0..8 {
            assert_eq!(asks.recv().await, Some(name.clone()));
        }
        task.abort();
        let servers = snapshot.load().sites[0].servers.fleet().servers();
        let seen: Vec<_> = servers.iter().map(|(_, server)| server.address().to_string()).collect();
        assert_eq!(seen, ["10.0.0.3:8080"]);
        // Told once for each of the two new answers, which one word may stand for.
        changed.notified().await;
    }
}
