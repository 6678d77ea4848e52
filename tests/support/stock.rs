//! The edge as somebody else runs it: a service of Pingora's, with Pingora's own listeners and HTTP.

use std::{
    net::{SocketAddr, TcpListener},
    ops::Deref,
    os::fd::IntoRawFd,
    sync::Arc,
};

use bridgehead::edge::{Edge, service};
use pingora::{
    listeners::tls::TlsSettings,
    server::{Fds, ListenFds, configuration::ServerConf},
    services::{Service, listening},
};
use pingora_proxy::HttpProxy;
use tokio::{
    runtime::{self, Runtime},
    sync::watch,
};

use super::{edge::config_listening, http::Origin, tls_server::Trust};

/// Dropping it stops the service.
pub struct Stock {
    origin: Origin,
    edge: Edge,
    _running: Running,
}

/// A service of Pingora's that runs. Dropping it stops it.
pub struct Running {
    _stop: watch::Sender<bool>,
    _runtime: Runtime,
}

/// Binds a socket to a free port.
pub fn free_socket() -> (TcpListener, SocketAddr) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// Runs a service on such a socket, whose address has been added to it.
pub fn run(mut service: impl Service + 'static, socket: TcpListener) -> Running {
    let mut sockets = Fds::new();
    sockets.add(socket.local_addr().unwrap().to_string(), socket.into_raw_fd());
    let sockets: ListenFds = Arc::new(sockets.into());
    let (stop, stopped) = watch::channel(false);
    let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.spawn(async move { service.start_service(Some(sockets), stopped, 1).await });
    Running { _stop: stop, _runtime: runtime }
}

impl Stock {
    /// Starts the service on a free port, with a configuration as for an edge of its own.
    pub fn start(yaml: &str) -> Self {
        Self::listening("", yaml)
    }

    /// The same for a configuration whose listener has these options.
    pub fn listening(options: &str, yaml: &str) -> Self {
        Self::begin(options, yaml, listening::Service::add_tcp)
    }

    /// The same over TLS, with a certificate for localhost, and in HTTP/2 for clients that want it.
    pub fn start_with_tls(trust: &Trust, yaml: &str) -> Self {
        let identity = trust.identity();
        let certificate = trust.folder.write("stock.pem", identity.certificate_pem());
        let key = trust.folder.write("stock.key", identity.key_pem());
        let mut tls = TlsSettings::intermediate(certificate.to_str().unwrap(), key.to_str().unwrap()).unwrap();
        tls.enable_h2();
        Self::begin("", yaml, |service, address| service.add_tls_with_settings(address, None, tls))
    }

    fn begin(options: &str, yaml: &str, add: impl FnOnce(&mut listening::Service<HttpProxy<Edge>>, &str)) -> Self {
        let (socket, address) = free_socket();
        let edge = Edge::new(&config_listening(address, options, yaml), 2);
        let mut service = service(&Arc::new(ServerConf::default()), edge.clone());
        add(&mut service, &address.to_string());
        Stock { origin: Origin { address }, edge, _running: run(service, socket) }
    }

    /// Serves another configuration from now on.
    pub fn replace(&self, yaml: &str) {
        self.edge.replace(&config_listening(self.address, "", yaml));
    }

    /// Requests to servers that are not over.
    pub fn in_flight(&self) -> usize {
        let snapshot = self.edge.snapshot().load();
        snapshot.sites[0].servers.fleet().servers().iter().map(|(_, server)| server.in_flight()).sum()
    }
}

impl Deref for Stock {
    type Target = Origin;

    fn deref(&self) -> &Origin {
        &self.origin
    }
}
