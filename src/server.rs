//! Assembles a running edge: listeners bound first, then the proxy service on them, then an orderly
//! stop.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    os::fd::IntoRawFd,
    sync::Arc,
    thread::available_parallelism,
    time::Duration,
};

use pingora::{
    apps::HttpServerOptions,
    listeners::{L4BufferSettings, ListenerConfig, TcpSocketOptions},
    server::{Fds, ListenFds, ShutdownWatch, configuration::ServerConf},
    services::Service,
    tls::load_platform_certs_incl_env_into_store,
};
use rustls::RootCertStore;
use tokio::{
    sync::{mpsc, watch},
    task::{JoinError, JoinHandle},
    time::timeout,
};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::{
    admin,
    config::{Config, KeyPath, Retries},
    control::Control,
    edge,
};

/// How long a stopping edge waits for the requests in flight.
pub const STOP_GRACE: Duration = Duration::from_secs(30);

/// Room for a whole discovery answer in one write to the socket.
const CONNECTION_BUFFER: usize = 16 * 1024;

/// How a running edge is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Stop accepting, finish the requests in flight for at most [`STOP_GRACE`].
    Gracefully,
    /// Drop everything.
    Now,
}

/// An edge whose listeners are bound, and that serves nobody yet.
pub struct Server {
    threads: usize,
    control: Control,
    listeners: Vec<Bound>,
    admin: Option<Bound>,
}

/// A socket and its address.
struct Bound {
    address: SocketAddr,
    socket: TcpListener,
}

/// A listener that could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}; stop what uses it, or change {key}")]
pub struct BindError {
    /// Where the address stands in the configuration.
    key: KeyPath,
    address: SocketAddr,
    source: io::Error,
}

/// Why an edge stopped serving although nobody had told it to.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The authorities that the system trusts, which TLS to servers needs, cannot be read.
    #[error("the certificates that the system trusts cannot be read: {0}; mend them, or SSL_CERT_FILE")]
    Certificates(Box<pingora::Error>),
    /// The listeners ended.
    #[error("the listeners ended unexpectedly{}", .0.as_ref().map(|cause| format!(": {cause}")).unwrap_or_default())]
    Ended(Option<JoinError>),
}

impl Server {
    /// Binds every listener of the configuration, and the admin listener if there is one.
    ///
    /// # Errors
    /// The first address that cannot be bound, and why.
    pub fn bind(config: &Config) -> Result<Self, BindError> {
        let bind = |key: KeyPath, address: SocketAddr| {
            let bound = TcpListener::bind(address).and_then(Bound::new);
            bound.map_err(|source| BindError { key: key.key("address"), address, source })
        };
        let listeners = config.listeners.iter().enumerate();
        let listeners =
            listeners.map(|(place, listener)| bind(KeyPath::root("listeners").index(place), listener.address.0));
        Ok(Server {
            threads: Self::threads(config),
            control: Control::new(config),
            listeners: listeners.collect::<Result<_, _>>()?,
            admin: config.admin.as_ref().map(|admin| bind(KeyPath::root("admin"), admin.address.0)).transpose()?,
        })
    }

    /// Takes sockets that are bound already, in place of those the configuration names.
    ///
    /// # Errors
    /// When a socket does not know its address or refuses to become non-blocking.
    pub fn on(config: &Config, listeners: Vec<TcpListener>, admin: Option<TcpListener>) -> io::Result<Self> {
        Ok(Server {
            threads: Self::threads(config),
            control: Control::new(config),
            listeners: listeners.into_iter().map(Bound::new).collect::<io::Result<_>>()?,
            admin: admin.map(Bound::new).transpose()?,
        })
    }

    /// The addresses that are bound, with the port that the system chose where the file says 0.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.listeners.iter().map(|bound| bound.address)
    }

    /// The address of the admin listener.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(|bound| bound.address)
    }

    /// The hand on it, now and while it serves.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// The number of worker threads: as configured, or one for each core.
    pub fn threads(config: &Config) -> usize {
        let cores = || available_parallelism().map_or(1, usize::from);
        config.threads.map_or_else(cores, usize::from)
    }

    /// Serves on the current Tokio runtime until it is told to stop, or nobody is left to tell it. While
    /// it finishes the requests in flight, a second word ends it at once. Returns how many requests were
    /// cut.
    ///
    /// # Errors
    /// When it cannot begin, or the listeners end without having been told to.
    pub async fn serve(self, mut stop: mpsc::Receiver<Stop>) -> Result<usize, ServeError> {
        // Pingora would panic, whether a server needs them or not.
        load_platform_certs_incl_env_into_store(&mut RootCertStore::empty()).map_err(ServeError::Certificates)?;
        let in_flight = TaskTracker::new();
        let settings = Arc::new(ServerConf {
            threads: self.threads,
            // The fleet says when there are no attempts left.
            max_retries: Retries::MOST_ATTEMPTS + 1,
            ..ServerConf::default()
        });
        tokio::select! {
            () = self.control.resolve_names() => {}
            _ = stop.recv() => return Ok(0),
        }
        let _supervisor = AbortOnDropHandle::new(tokio::spawn(self.control.supervise()));
        let (shutdown, watch) = watch::channel(false);

        let options = HttpServerOptions::default();
        let mut service = edge::service(&settings, self.control.snapshots(), in_flight.clone(), options);
        for bound in &self.listeners {
            let buffers = L4BufferSettings::default().read(CONNECTION_BUFFER).write(CONNECTION_BUFFER);
            let mut options = TcpSocketOptions::default();
            options.tcp_keepalive = Some(edge::TCP_KEEPALIVE);
            let listener = ListenerConfig::tcp(bound.address.to_string()).l4_buffer(buffers);
            service.add_listener(listener.tcp_socket_options(options));
        }
        let mut serving = start(service, self.listeners, watch.clone());

        let _admin = self.admin.map(|bound| {
            let mut service = admin::service(self.control.clone());
            service.add_tcp(&bound.address.to_string());
            AbortOnDropHandle::new(start(service, vec![bound], watch))
        });

        let first = tokio::select! {
            first = stop.recv() => first.unwrap_or(Stop::Now),
            ended = &mut serving => return Err(ServeError::Ended(ended.err())),
        };
        let told = shutdown.send(true);
        if first == Stop::Gracefully && told.is_ok() {
            in_flight.close();
            let drained = async {
                let _listeners_closed = serving.await;
                in_flight.wait().await;
            };
            tokio::select! {
                _in_time = timeout(STOP_GRACE, drained) => {}
                Some(_) = stop.recv() => {}
            }
        }
        Ok(in_flight.len())
    }
}

impl Bound {
    fn new(socket: TcpListener) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Bound { address: socket.local_addr()?, socket })
    }
}

/// Starts a service on sockets that are bound already: it finds them by the addresses of its listeners.
fn start(mut service: impl Service + 'static, bound: Vec<Bound>, stop: ShutdownWatch) -> JoinHandle<()> {
    let mut sockets = Fds::new();
    for bound in bound {
        sockets.add(bound.address.to_string(), bound.socket.into_raw_fd());
    }
    let sockets: ListenFds = Arc::new(sockets.into());
    tokio::spawn(async move { service.start_service(Some(sockets), stop, 1).await })
}
