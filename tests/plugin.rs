//! The discovery alone works inside another Pingora proxy.

use std::{net::TcpListener, os::fd::IntoRawFd, sync::Arc};

use async_trait::async_trait;
use bridgehead::{config::Loaded, edge::DiscoveryFilter};
use pingora::{
    Result,
    server::{Fds, ListenFds, configuration::ServerConf},
    services::Service,
    upstreams::peer::HttpPeer,
};
use pingora_proxy::{ProxyHttp, Session};
use tokio::{runtime, sync::watch};

use crate::support::{
    bifrost::Bifrost,
    edge::{CLIENTS, PUBLIC_URLS},
    http::Connection,
};

/// Somebody else's proxy.
struct Minimal {
    discovery: DiscoveryFilter,
    upstream: std::net::SocketAddr,
}

#[async_trait]
impl ProxyHttp for Minimal {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn request_filter(&self, session: &mut Session, (): &mut ()) -> Result<bool> {
        self.discovery.answer(session).await
    }

    async fn upstream_peer(&self, _: &mut Session, (): &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.upstream, false, String::new())))
    }
}

#[test]
fn another_proxy_answers_discovery_and_forwards_the_rest() {
    let bifrost = Bifrost::start();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let yaml = format!("listeners: [{{address: \"{address}\"}}]\nservers: []\n{PUBLIC_URLS}{CLIENTS}");
    let yaml = yaml.replace("{port}", &address.port().to_string());
    let loaded = Loaded::from_text("plugin.yaml".as_ref(), &yaml).unwrap();
    let proxy = Minimal { discovery: DiscoveryFilter::new(&loaded.config), upstream: bifrost.address() };

    let mut service = pingora_proxy::http_proxy_service(&Arc::new(ServerConf::default()), proxy);
    let mut sockets = Fds::new();
    socket.set_nonblocking(true).unwrap();
    sockets.add(address.to_string(), socket.into_raw_fd());
    service.add_tcp(&address.to_string());
    let (_shutdown, watch) = watch::channel(false);
    let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let sockets: ListenFds = Arc::new(sockets.into());
    runtime.spawn(async move { service.start_service(Some(sockets), watch, 1).await });

    let host = format!("localhost:{}", address.port());
    let mut connection = Connection::to(address);
    let document = connection.ask("GET", "/.well-known/oauth-authorization-server", &host, "");
    assert_eq!(document.json()["issuer"], format!("http://{host}"));
    assert_eq!(connection.ask("GET", "/.well-known/openid-configuration", &host, "").status, 404);
    assert!(bifrost.recorded().is_empty());
    assert_eq!(connection.ask("GET", "/health", &host, "").status, 200);
    assert_eq!(bifrost.recorded().len(), 1);
}
