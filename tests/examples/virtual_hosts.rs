//! Discovery beside virtual hosts that have nothing to do with it: an identity provider with a discovery of its own, on
//! another host and on the host of the gateway, and whatever else there is.
//!
//! ```text
//! cargo run --no-default-features --example virtual_hosts -- 127.0.0.1:8000 127.0.0.1:8081 127.0.0.1:8082
//! curl -s -H 'Host: gateway.example.com' localhost:8000/.well-known/oauth-authorization-server
//! curl -s -H 'Host: login.example.com' localhost:8000/realms/x/.well-known/openid-configuration
//! ```

use std::{error::Error, net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use bridgehead::plugin::{self, DiscoveryFilter, McpServerAuthMode, Options, Profile};
use pingora::{Result, http::ResponseHeader, server::Server, upstreams::peer::HttpPeer};
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};

struct VirtualHosts {
    discovery: DiscoveryFilter,
    bifrost: SocketAddr,
    keycloak: SocketAddr,
}

impl VirtualHosts {
    fn is_for_keycloak(session: &Session) -> bool {
        let path = session.req_header().uri.path();
        // On the host of the gateway, too: its own paths, and where RFC 8414 section 3.1 has the metadata of its issuers.
        let is_below_realms =
            path.starts_with("/realms/") || path.starts_with("/.well-known/") && path.contains("/realms/");
        plugin::is_for(session, "login.example.com") || is_below_realms
    }
}

#[async_trait]
impl ProxyHttp for VirtualHosts {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn request_filter(&self, session: &mut Session, (): &mut ()) -> Result<bool> {
        // Before anything that demands a credential: who asks for discovery has none yet.
        if let Some(answered) = self.discovery.answer(session).await? {
            println!("discovery: {} {}", answered.document.name(), answered.outcome.name());
            return Ok(true);
        }
        Ok(false)
    }

    async fn upstream_peer(&self, session: &mut Session, (): &mut ()) -> Result<Box<HttpPeer>> {
        let server = if Self::is_for_keycloak(session) { self.keycloak } else { self.bifrost };
        Ok(Box::new(HttpPeer::new(server, false, String::new())))
    }

    async fn response_filter(&self, session: &mut Session, response: &mut ResponseHeader, (): &mut ()) -> Result<()> {
        if !Self::is_for_keycloak(session) {
            self.discovery.repair(session, response)?;
        }
        Ok(())
    }
}

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [listen, bifrost, keycloak] = &arguments[..] else {
        return Err("type: virtual_hosts LISTEN BIFROST KEYCLOAK".into());
    };
    let options = Options::new(Profile::Oauth2)
        .mcp_server_auth_mode(McpServerAuthMode::Both)
        .public_urls(["https://gateway.example.com".parse()?]);
    let hosts = VirtualHosts {
        discovery: DiscoveryFilter::new(&options)?,
        bifrost: bifrost.parse()?,
        keycloak: keycloak.parse()?,
    };

    let mut server = Server::new(None)?;
    server.bootstrap();
    let mut service = http_proxy_service(&Arc::clone(&server.configuration), hosts);
    service.add_tcp(listen);
    server.add_service(service);
    server.run_forever();
}
