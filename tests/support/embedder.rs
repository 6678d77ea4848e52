//! A Pingora proxy of somebody else's that embeds discovery.

use std::{net::SocketAddr, ops::Deref, sync::Arc};

use async_trait::async_trait;
use bridgehead::plugin::{self, AuthType, DiscoveryCounters, DiscoveryFilter, McpClient, Options, Profile, PublicUrl};
use pingora::{
    Result, apps::HttpServerOptions, http::ResponseHeader, server::configuration::ServerConf, upstreams::peer::HttpPeer,
};
use pingora_proxy::{ProxyHttp, ProxyServiceBuilder, Session};

use super::{
    bifrost::Bifrost,
    http::{Connection, Origin, Response},
    stock::{Running, free_socket, run},
};

/// The host of the gateway.
pub const HOST: &str = "gateway.example.com";
/// Where the authorization server metadata is.
pub const AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";

/// Their proxy: a Bifrost, and an identity provider on another host and below `/realms/`.
struct Theirs {
    discovery: DiscoveryFilter,
    counters: Arc<DiscoveryCounters>,
    bifrost: SocketAddr,
    identity_provider: SocketAddr,
}

#[async_trait]
impl ProxyHttp for Theirs {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn request_filter(&self, session: &mut Session, (): &mut ()) -> Result<bool> {
        let answered = self.discovery.answer(session).await?;
        if let Some(answered) = answered {
            self.counters.add(answered);
        }
        Ok(answered.is_some())
    }

    async fn upstream_peer(&self, session: &mut Session, (): &mut ()) -> Result<Box<HttpPeer>> {
        let is_theirs =
            plugin::is_for(session, "login.example.com") || session.req_header().uri.path().contains("/realms/");
        let server = if is_theirs { self.identity_provider } else { self.bifrost };
        Ok(Box::new(HttpPeer::new(server, false, String::new())))
    }

    async fn response_filter(&self, session: &mut Session, response: &mut ResponseHeader, (): &mut ()) -> Result<()> {
        self.discovery.repair(session, response)?;
        Ok(())
    }
}

/// Their proxy as it runs, with what is behind it. Dropping it stops it.
pub struct Proxy {
    origin: Origin,
    pub bifrost: Bifrost,
    pub identity_provider: Bifrost,
    counters: Arc<DiscoveryCounters>,
    _running: Running,
}

impl Proxy {
    pub fn start(discovery: DiscoveryFilter) -> Self {
        let (socket, address) = free_socket();
        let (bifrost, identity_provider, counters) = (Bifrost::start(), Bifrost::start(), Arc::default());
        let theirs = Theirs {
            discovery,
            counters: Arc::clone(&counters),
            bifrost: bifrost.address(),
            identity_provider: identity_provider.address(),
        };
        let mut options = HttpServerOptions::default();
        options.h2c = true;
        let settings = Arc::new(ServerConf::default());
        let mut service = ProxyServiceBuilder::new(&settings, theirs).server_options(options).build();
        service.add_tcp(&address.to_string());
        let running = run(service, socket);
        Proxy { origin: Origin { address }, bifrost, identity_provider, counters, _running: running }
    }

    /// Asks for something of a host.
    pub fn ask(&self, host: &str, path: &str) -> Response {
        Connection::to(self.address).ask("GET", path, host, "")
    }

    /// What was answered and not forwarded, as counters have it.
    pub fn answered(&self) -> Vec<(&'static str, &'static str, u64)> {
        let counts = self.counters.answers().filter(|(_, count)| *count > 0);
        counts.map(|(answer, count)| (answer.document.name(), answer.outcome.name(), count)).collect()
    }
}

impl Deref for Proxy {
    type Target = Origin;

    fn deref(&self) -> &Origin {
        &self.origin
    }
}

/// Public URLs that are good.
pub fn urls(urls: &[&str]) -> Vec<PublicUrl> {
    urls.iter().map(|url| url.parse().unwrap()).collect()
}

/// What turns discovery on at these public URLs.
pub fn at(public_urls: &[&str]) -> Options {
    let clients = [McpClient::new("github", AuthType::PerUserOauth)];
    Options::new(Profile::PerUserOauth).public_urls(urls(public_urls)).mcp_clients(clients)
}

/// A proxy with discovery at these public URLs.
pub fn serving(public_urls: &[&str]) -> Proxy {
    Proxy::start(DiscoveryFilter::new(&at(public_urls)).unwrap())
}
