//! The whole edge as a service of a Pingora server: what `conf/proxy.yaml` says of sites, servers, retries and limits, on
//! listeners of your own.
//!
//! ```text
//! cargo run --example edge_service -- 127.0.0.1:8000 conf/proxy.yaml
//! curl -s localhost:8000/.well-known/oauth-authorization-server
//! ```

use std::error::Error;

use async_trait::async_trait;
use bridgehead::{
    config::Loaded,
    edge::{Edge, service},
};
use pingora::{
    server::{Server, ShutdownWatch},
    services::background::{BackgroundService, background_service},
};

/// Checks the health of the servers, and looks up their names.
struct Supervise(Edge);

#[async_trait]
impl BackgroundService for Supervise {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        tokio::select! {
            () = self.0.supervise() => {}
            _ = shutdown.changed() => {}
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [listen, file] = &arguments[..] else { return Err("type: edge_service LISTEN FILE".into()) };
    let loaded = Loaded::from_file(file.as_ref())?;

    let mut server = Server::new(None)?;
    server.bootstrap();
    let edge = Edge::new(&loaded.config, server.configuration.threads);
    let supervising = background_service("supervise", Supervise(edge.clone()));
    let mut service = service(&server.configuration, edge);
    service.add_tcp(listen);
    server.add_service(service);
    server.add_service(supervising);
    server.run_forever();
}
