//! The edge as a service: for any Pingora `Server`, and for the listeners of its own.

use std::sync::Arc;

use arc_swap::ArcSwap;
use pingora::{apps::HttpServerOptions, server::configuration::ServerConf, services::listening::Service};
use pingora_proxy::{HttpProxy, ProxyServiceBuilder};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::{
    beside::supervise,
    proxy::{Edge, Parts},
    snapshot::Snapshot,
    upstream::Pool,
};
use crate::{
    config::{Config, Retries},
    fleet::Runtime,
    limits::{OpenFiles, Rates},
    readiness::Stage,
    telemetry::Counters,
};

/// Idle connections to servers that are kept for each worker, until `timeouts.idle` ends them, where the process may have
/// so many open files. Of more requests in
/// flight than these the rest connects anew each time.
const IDLE_CONNECTIONS: usize = 1024;

impl Edge {
    /// Makes an edge of its own of a configuration, for [`service()`]. Of the configuration it serves what belongs to a
    /// request; `listeners` belong to the service: they, and how many connections there may be and of whom, how long a
    /// head may take, PROXY and TLS, are the embedding server's to see to. With `redirect_to_https` on any listener
    /// of the configuration, clients on all listeners of the service are redirected. Without
    /// `limits.requests_in_flight`, three eighths of the files that the process may have open now bound the requests:
    /// raise its limit before.
    ///
    /// Its servers' health is checked, and their names looked up, while [`supervise`](Self::supervise) is polled.
    pub fn new(config: &Config, threads: usize) -> Self {
        let counters = Arc::<Counters>::default();
        let snapshot = Snapshot::compile(config, Arc::new(Runtime::default()), counters.sites(), 1);
        let (_, phase) = watch::channel(Stage::Serving);
        let redirects_to_https = config.edge.listeners.iter().any(|listener| listener.redirect_to_https);
        let snapshot = Arc::new(ArcSwap::from_pointee(snapshot));
        Self::of(threads, snapshot, counters, TaskTracker::new(), phase, redirects_to_https)
    }

    /// Makes the edge of a running program, which serves the snapshot of the moment and counts its requests with the
    /// tracker. Its own listeners say whether they redirect.
    pub(crate) fn of_program(
        threads: usize,
        snapshot: Arc<ArcSwap<Snapshot>>,
        counters: Arc<Counters>,
        in_flight: TaskTracker,
        phase: watch::Receiver<Stage>,
    ) -> Self {
        Self::of(threads, snapshot, counters, in_flight, phase, false)
    }

    fn of(
        threads: usize,
        snapshot: Arc<ArcSwap<Snapshot>>,
        counters: Arc<Counters>,
        in_flight: TaskTracker,
        phase: watch::Receiver<Stage>,
        redirects_to_https: bool,
    ) -> Self {
        let idle = IDLE_CONNECTIONS.saturating_mul(threads.max(1)).min(OpenFiles::of_process().idle());
        let (rates, requests, pool) = (Rates::new(), Arc::default(), Pool::new(idle, threads));
        let changed = Arc::default();
        Edge(Arc::new(Parts {
            snapshot,
            changed,
            counters,
            rates,
            requests,
            pool,
            in_flight,
            phase,
            redirects_to_https,
        }))
    }

    /// Checks the health of the servers, and looks up their names, until it is dropped: for a background service. Without
    /// it, servers whose address is a name are never found, and servers that fail are only known by what becomes of
    /// requests.
    pub async fn supervise(&self) {
        supervise(Arc::clone(self.snapshot()), Arc::clone(&self.0.changed), Arc::clone(self.counters())).await;
    }

    /// Serves another configuration from now on; requests that have begun end with theirs. What is known of servers that
    /// stay goes on to be known, and [`supervise`](Self::supervise) looks up the names of new ones. It takes as long as
    /// compiling does: call it where a thread may be blocked, and from one place at a time.
    pub fn replace(&self, config: &Config) {
        let snapshot = Arc::new(self.snapshot().load().followed_by(config, self.counters().sites()));
        self.snapshot().store(Arc::clone(&snapshot));
        snapshot.take_over();
        self.0.changed.notify_one();
    }

    /// What is served: swapped whole when there is a new configuration.
    #[doc(hidden)]
    pub fn snapshot(&self) -> &Arc<ArcSwap<Snapshot>> {
        &self.0.snapshot
    }

    /// What has been counted.
    #[doc(hidden)]
    pub fn counters(&self) -> &Arc<Counters> {
        &self.0.counters
    }
}

/// Makes a service that any Pingora `Server` runs, on any listeners that are added to it.
///
/// ```no_run
/// use bridgehead::{config::Loaded, edge::{Edge, service}};
/// use pingora::server::Server;
///
/// let mut server = Server::new(None)?;
/// server.bootstrap();
/// let loaded = Loaded::from_file("conf/proxy.yaml".as_ref())?;
/// let mut edge = service(&server.configuration, Edge::new(&loaded.config, server.configuration.threads));
/// edge.add_tcp("127.0.0.1:8000");
/// server.add_service(edge);
/// server.run_forever();
/// # #[allow(unreachable_code)]
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn service(settings: &Arc<ServerConf>, edge: Edge) -> Service<HttpProxy<Edge>> {
    ProxyServiceBuilder::new(settings, edge).name("bridgehead").server_options(HttpServerOptions::default()).build()
}

/// Makes the proxy of Pingora's that carries what the edge's own listeners do not: HTTP/2, on either side.
pub(super) fn proxy(threads: usize, edge: Edge) -> HttpProxy<Edge> {
    let settings = ServerConf {
        threads,
        // The fleet says when there are no attempts left.
        max_retries: Retries::MOST_ATTEMPTS + 1,
        upstream_keepalive_pool_size: IDLE_CONNECTIONS,
        ..ServerConf::default()
    };
    pingora_proxy::http_proxy(&Arc::new(settings), edge)
}
