//! What goes on beside the requests: names are looked up, servers are checked.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use log::{debug, error, info, warn};
use tokio::{
    sync::Notify,
    task::{AbortHandle, JoinSet},
    time::sleep,
};

use super::{health::Checker, lookup::lookup};
use crate::{config::ServerAddress, edge::snapshot::Snapshot, fleet::log_change};

/// Keeps looking up names and checking servers, those of the current snapshot, for as long as it is
/// polled. `changed` tells it that there is another snapshot.
pub async fn supervise(snapshot: Arc<ArcSwap<Snapshot>>, changed: Arc<Notify>) {
    let mut tasks = JoinSet::new();
    let mut names: HashMap<ServerAddress, AbortHandle> = HashMap::new();
    let mut checks: HashMap<(ServerAddress, SocketAddr), AbortHandle> = HashMap::new();
    let checker = Arc::new(Checker::new());
    loop {
        let current = snapshot.load_full();
        let fleet = current.servers.fleet();

        let wanted: HashSet<_> = fleet.names().cloned().collect();
        keep(&mut names, &wanted);
        for name in wanted {
            let look_up = |name: ServerAddress| async move { lookup(name.as_str(), LOOKUP).await };
            let task = || tasks.spawn(resolve(name.clone(), Arc::clone(&snapshot), Arc::clone(&changed), look_up));
            names.entry(name.clone()).or_insert_with(task);
        }

        let servers = if current.health.enabled { fleet.servers() } else { Vec::new() };
        let wanted: HashSet<_> = servers.iter().map(|(_, server)| (server.name().clone(), server.address())).collect();
        keep(&mut checks, &wanted);
        for server in wanted {
            let task = || tasks.spawn(check(server.clone(), Arc::clone(&snapshot), Arc::clone(&checker)));
            checks.entry(server.clone()).or_insert_with(task);
        }
        drop((servers, current));
        // A task that has ended is forgotten; only a fault of this program could end one that is wanted.
        while let Some(ended) = tasks.try_join_next() {
            if let Err(error) = ended
                && error.is_panic()
            {
                error!("a task beside the requests has failed: {error}");
            }
        }
        changed.notified().await;
    }
}

/// Ends the tasks that are no longer wanted, and forgets those that have ended by themselves.
fn keep<K: std::hash::Hash + Eq>(tasks: &mut HashMap<K, AbortHandle>, wanted: &HashSet<K>) {
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
pub(crate) async fn resolve_new(snapshot: &Snapshot, patience: Duration) {
    let mut lookups = JoinSet::new();
    for name in snapshot.servers.fleet().unresolved().cloned() {
        lookups.spawn(async move { (lookup(name.as_str(), patience).await, name) });
    }
    while let Some(Ok((answer, name))) = lookups.join_next().await {
        match answer {
            Ok(addresses) => {
                snapshot.servers.fleet().resolved(&name, addresses);
            }
            Err(why) => warn!("server {name}: {why}; it gets no requests until the name resolves"),
        }
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
    let mut is_failing = false;
    loop {
        let interval = snapshot.load().dns.interval;
        let has_address = !snapshot.load().servers.fleet().unresolved().any(|unresolved| *unresolved == name);
        sleep(jittered(if has_address { interval } else { SOON.min(interval) })).await;
        match look_up(name.clone()).await {
            Ok(addresses) => {
                let shown: Vec<_> = addresses.iter().map(ToString::to_string).collect();
                if snapshot.load().servers.fleet().resolved(&name, addresses) {
                    info!("server {name}: now at {}", shown.join(", "));
                    changed.notify_one();
                }
                is_failing = false;
            }
            Err(why) if !is_failing && has_address => {
                warn!("server {name}: {why}; the addresses from before are kept");
                is_failing = true;
            }
            Err(why) => debug!("server {name}: {why}"),
        }
    }
}

/// Checks one server again and again, at once for the first time.
async fn check(known_as: (ServerAddress, SocketAddr), snapshot: Arc<ArcSwap<Snapshot>>, checker: Arc<Checker>) {
    let (name, address) = &known_as;
    if let Some((_, server)) = snapshot.load().servers.fleet().server(name, *address) {
        server.unchecked();
    }
    loop {
        let current = snapshot.load_full();
        let Some((configured, server)) = current.servers.fleet().server(name, *address) else { return };
        let peer = current.servers.peer_for_check(server.address(), configured, current.health.timeout);
        let result = checker.check(&peer, server.name().as_str(), &current.health).await;
        if let Some(change) = server.checked(result.is_ok(), &current.health) {
            log_change(&server, change, result.as_ref().err());
        }
        let interval = current.health.interval;
        drop((server, current));
        sleep(jittered(interval)).await;
    }
}

/// An interval, give or take a tenth, so that several edges do not ask in step.
pub(super) fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(0.9 + 0.2 * rand::random::<f64>())
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;
    use crate::config::Loaded;

    #[tokio::test]
    async fn a_name_is_looked_up_again_and_again_and_keeps_its_last_good_answer() {
        let yaml = "listeners: [{address: \"127.0.0.1:8000\"}]\nservers: [{address: \"bifrost.internal:8080\"}]\n\
                    dns: {interval: 1ms}\n";
        let config = Loaded::from_text("test.yaml".as_ref(), yaml).unwrap().config;
        let snapshot = Arc::new(ArcSwap::from_pointee(Snapshot::compile(&config, Arc::default(), 1)));
        let changed = Arc::new(Notify::new());
        let (answers, mut answer) = mpsc::unbounded_channel();
        let addresses = |texts: &[&str]| Ok(texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>());
        let name = config.servers[0].address.clone();
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
        let servers = snapshot.load().servers.fleet().servers();
        let seen: Vec<_> = servers.iter().map(|(_, server)| server.address().to_string()).collect();
        assert_eq!(seen, ["10.0.0.3:8080"]);
        // Told once for each of the two new answers, which one word may stand for.
        changed.notified().await;
    }
}
