//! The listeners, and what all of them and their connections share.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use log::{Level, log};
use pingora::server::ShutdownWatch;
use pingora_proxy::HttpProxy;
use rustls::ServerConfig;
use tokio::{runtime::Id, sync::Notify, time::sleep};

use super::workers::{Worker, Workers, least_busy};
use crate::{
    config,
    edge::{client::shown, proxy::Edge, service::proxy, snapshot::Snapshot},
    limits::Buffers,
    telemetry::{Closed, Counters},
};

/// What all listeners and their connections share.
pub struct Listeners {
    pub(super) edge: Edge,
    /// Carries HTTP/2, to clients or to servers.
    pub(super) proxy: Arc<HttpProxy<Edge>>,
    pub(super) snapshot: Arc<ArcSwap<Snapshot>>,
    pub(super) counters: Arc<Counters>,
    /// The bodies that clients of HTTP/2 send.
    pub(super) uploads: Buffers,
    /// Connections are scarce: each word closes the one that has been idle for longest.
    pub(super) is_crowded: Notify,
    workers: Arc<[Worker]>,
    /// True once the edge is to stop.
    pub(super) stop: ShutdownWatch,
}

/// A new connection is not idle before it had the time to ask.
pub(super) const FIRST_WORD: Duration = Duration::from_secs(1);

/// A listener of the configuration, as its connections need it.
pub struct Listener {
    pub(super) redirects_to_https: bool,
    pub(super) has_http2: bool,
    pub(super) proxy_protocol: bool,
    /// Swapped when the files of its certificates change.
    pub(super) tls: Option<Arc<ArcSwap<ServerConfig>>>,
}

impl Listeners {
    /// Makes it for an edge, whose connections these carry.
    pub fn new(workers: &Workers, edge: Edge, stop: ShutdownWatch) -> Self {
        let workers = Arc::clone(workers.each());
        Listeners {
            proxy: Arc::new(proxy(workers.len(), edge.clone())),
            workers,
            snapshot: Arc::clone(edge.snapshot()),
            counters: Arc::clone(edge.counters()),
            edge,
            uploads: Buffers::default(),
            is_crowded: Notify::new(),
            stop,
        }
    }

    /// Counts and logs a connection that is closed before its time.
    pub(super) fn close(&self, closed: Closed, peer: Option<SocketAddr>, why: &str) {
        self.counters.closed(closed);
        if self.counters.may_log(closed.name()) {
            // A limit of the whole process is the operator's business more than the client's.
            let is_operators = matches!(closed, Closed::Limit | Closed::OpenFiles);
            let level = if is_operators { Level::Warn } else { Level::Info };
            log!(level, "{}: connection closed, {closed}: {why}", shown(peer));
        }
    }

    /// Waits until the last connection is closed, once the edge is to stop.
    pub async fn drained(&self) {
        for worker in &*self.workers {
            worker.connections.close();
            worker.connections.wait().await;
        }
    }

    /// Finds the worker that a connection is given to which has been accepted on a runtime.
    pub(super) fn worker_for(&self, accepted_on: Id) -> &Worker {
        least_busy(&self.workers, accepted_on)
    }

    /// Waits until the edge is to stop, and a request that was on its way then should have come.
    pub(super) async fn last_call(&self) {
        self.stopping().await;
        let idle = self.snapshot.load().stop.idle;
        sleep(idle).await;
    }

    /// Waits until the edge is to stop.
    pub(super) async fn stopping(&self) {
        // It is over, too, when nobody is left to say so.
        let _told = self.stop.clone().wait_for(|is_stopping| *is_stopping).await.map(drop);
    }
}

impl Listener {
    /// A listener of the configuration, with its TLS.
    pub fn new(listener: &config::Listener, tls: Option<Arc<ArcSwap<ServerConfig>>>) -> Self {
        Listener {
            redirects_to_https: listener.redirect_to_https,
            has_http2: listener.has_http2(),
            proxy_protocol: listener.proxy_protocol,
            tls,
        }
    }
}
