//! What all listeners and connections share.

use std::sync::Arc;

use arc_swap::ArcSwap;
use pingora::server::ShutdownWatch;
use rustls::ServerConfig;
use tokio::sync::Notify;

use super::{proxy::Proxy, snapshot::Snapshot};
use crate::{config, limits::Connections, telemetry::Counters};

/// The way into the edge.
pub struct Door {
    pub(super) proxy: Arc<Proxy>,
    pub(super) snapshot: Arc<ArcSwap<Snapshot>>,
    pub(super) counters: Arc<Counters>,
    pub(super) connections: Arc<Connections>,
    /// Connections are scarce: each word closes the one that has been idle for longest.
    pub(super) is_crowded: Notify,
    /// True once the edge is to stop.
    pub(super) stop: ShutdownWatch,
}

/// A listener of the configuration, as its connections need it.
pub struct Listener {
    pub(super) redirects_to_https: bool,
    pub(super) has_http2: bool,
    pub(super) proxy_protocol: bool,
    /// Swapped when the files of its certificates change.
    pub(super) tls: Option<Arc<ArcSwap<ServerConfig>>>,
}

impl Door {
    /// A way to the proxy, which serves the snapshot.
    pub fn new(
        proxy: Arc<Proxy>,
        snapshot: Arc<ArcSwap<Snapshot>>,
        counters: Arc<Counters>,
        stop: ShutdownWatch,
    ) -> Self {
        let connections = Arc::clone(counters.connections());
        Door { proxy, snapshot, counters, connections, is_crowded: Notify::new(), stop }
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
