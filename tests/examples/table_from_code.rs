//! An MCP client table from code, which changes while the proxy runs, and counters of what was answered.
//!
//! ```text
//! cargo run --no-default-features --example table_from_code -- 127.0.0.1:8000 127.0.0.1:8081
//! curl -si localhost:8000/.well-known/oauth-authorization-server
//! ```

use std::{
    error::Error,
    io::{BufRead, stdin},
    net::SocketAddr,
    sync::Arc,
    thread,
};

use async_trait::async_trait;
use bridgehead::plugin::{AuthType, DiscoveryCounters, DiscoveryFilter, McpClient, Options, Problems, Profile};
use pingora::{Result, http::ResponseHeader, server::Server, upstreams::peer::HttpPeer};
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};

struct Gateway {
    discovery: DiscoveryFilter,
    counters: Arc<DiscoveryCounters>,
    bifrost: SocketAddr,
}

#[async_trait]
impl ProxyHttp for Gateway {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn request_filter(&self, session: &mut Session, (): &mut ()) -> Result<bool> {
        let answered = self.discovery.answer(session).await?;
        if let Some(answered) = answered {
            self.counters.add(answered);
        }
        Ok(answered.is_some())
    }

    async fn upstream_peer(&self, _: &mut Session, (): &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.bifrost, false, String::new())))
    }

    async fn response_filter(&self, session: &mut Session, response: &mut ResponseHeader, (): &mut ()) -> Result<()> {
        self.discovery.repair(session, response)?;
        Ok(())
    }
}

/// What the table is when these MCP clients use OAuth by each user. Without any, discovery is off.
fn options<'a>(names: impl Iterator<Item = &'a str>) -> Options {
    let clients = names.map(|name| McpClient::new(name, AuthType::PerUserOauth));
    // Behind a proxy of many hosts write public_urls instead.
    Options::new(Profile::PerUserOauth).any_host(true).mcp_clients(clients)
}

/// Replaces the table with each line of the standard input, and tells what has been answered.
fn follow(discovery: &DiscoveryFilter, counters: &DiscoveryCounters) -> std::result::Result<(), Problems> {
    for line in stdin().lock().lines().map_while(std::result::Result::ok) {
        discovery.replace(&options(line.split_whitespace()))?;
        let counts = counters.answers().filter(|(_, count)| *count > 0);
        counts.for_each(|(answer, count)| println!("{} {}: {count}", answer.document.name(), answer.outcome.name()));
        println!("discovery is {}", if discovery.is_on() { "on" } else { "off" });
    }
    Ok(())
}

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [listen, bifrost] = &arguments[..] else { return Err("type: table_from_code LISTEN BIFROST".into()) };
    let discovery = DiscoveryFilter::new(&options(["github"].into_iter()))?;
    let counters = Arc::new(DiscoveryCounters::default());
    let gateway = Gateway { discovery: discovery.clone(), counters: Arc::clone(&counters), bifrost: bifrost.parse()? };
    thread::spawn(move || follow(&discovery, &counters).unwrap_or_else(|problems| eprintln!("{problems}")));

    let mut server = Server::new(None)?;
    server.bootstrap();
    let mut service = http_proxy_service(&Arc::clone(&server.configuration), gateway);
    service.add_tcp(listen);
    server.add_service(service);
    server.run_forever();
}
