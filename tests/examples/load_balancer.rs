//! Discovery in a stock Pingora proxy with Pingora's own load balancer.
//!
//! The options are in a file of their own, which is read again when somebody changes it:
//!
//! ```yaml
//! public_urls: ["http://localhost:8000"]
//! profile: per_user_oauth
//! mcp_clients:
//!   - {name: github, auth_type: per_user_oauth}
//! ```
//!
//! To try it:
//!
//! ```text
//! cargo run --no-default-features --example load_balancer -- 127.0.0.1:8000 discovery.yaml 127.0.0.1:8081 127.0.0.1:8082
//! curl -s localhost:8000/.well-known/oauth-authorization-server
//! ```

use std::{error::Error, sync::Arc, time::Duration};

use async_trait::async_trait;
use bridgehead::plugin::{DiscoveryFile, DiscoveryFilter};
use pingora::{
    ErrorType, Result,
    http::ResponseHeader,
    lb::{LoadBalancer, selection::RoundRobin},
    server::{Server, ShutdownWatch},
    services::background::{BackgroundService, background_service},
    upstreams::peer::HttpPeer,
};
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};

struct Gateway {
    discovery: DiscoveryFilter,
    bifrosts: LoadBalancer<RoundRobin>,
}

#[async_trait]
impl ProxyHttp for Gateway {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn request_filter(&self, session: &mut Session, (): &mut ()) -> Result<bool> {
        Ok(self.discovery.answer(session).await?.is_some())
    }

    async fn upstream_peer(&self, _: &mut Session, (): &mut ()) -> Result<Box<HttpPeer>> {
        let bifrost = self.bifrosts.select(b"", 256);
        let bifrost = bifrost.ok_or_else(|| pingora::Error::explain(ErrorType::ConnectNoRoute, "no Bifrost"))?;
        Ok(Box::new(HttpPeer::new(bifrost, false, String::new())))
    }

    async fn response_filter(&self, session: &mut Session, response: &mut ResponseHeader, (): &mut ()) -> Result<()> {
        self.discovery.repair(session, response)?;
        Ok(())
    }
}

/// Reads the file again every second.
struct Reload(DiscoveryFile);

#[async_trait]
impl BackgroundService for Reload {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let mut every = tokio::time::interval(Duration::from_secs(1));
        loop {
            tokio::select! {
                _ = every.tick() => {}
                _ = shutdown.changed() => return,
            }
            let file = self.0.clone();
            match tokio::task::spawn_blocking(move || file.reload()).await {
                Ok(Ok(true)) => {
                    for warning in self.0.warnings() {
                        println!("{}", warning.in_file(self.0.path()));
                    }
                }
                Ok(Ok(false)) => {}
                Ok(Err(problems)) => eprintln!("the old options go on to be used: {problems}"),
                Err(ended) => eprintln!("the file was not read: {ended}"),
            }
        }
    }
}

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(listen), Some(file)) = (arguments.next(), arguments.next()) else {
        return Err("type: load_balancer LISTEN FILE BIFROST...".into());
    };
    let file = DiscoveryFile::open(file)?;
    let gateway =
        Gateway { discovery: file.filter(), bifrosts: LoadBalancer::try_from_iter(arguments.collect::<Vec<_>>())? };

    let mut server = Server::new(None)?;
    server.bootstrap();
    let mut service = http_proxy_service(&Arc::clone(&server.configuration), gateway);
    service.add_tcp(&listen);
    server.add_service(service);
    server.add_service(background_service("reload", Reload(file)));
    server.run_forever();
}
