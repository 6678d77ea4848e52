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

use arc_swap::ArcSwap;
use pingora::{
    apps::HttpServerOptions,
    listeners::{L4BufferSettings, ListenerConfig},
    server::{Fds, ListenFds, configuration::ServerConf},
    services::Service,
};
use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinError,
    time::timeout,
};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::{
    config::{Config, Retries},
    edge::{self, Snapshot, supervise},
    fleet::{Report, Runtime},
};

/// How long a stopping edge waits for the requests in flight.
pub const STOP_GRACE: Duration = Duration::from_secs(30);

/// Room for a whole discovery answer in one write to the socket.
const CONNECTION_BUFFER: usize = 16 * 1024;

/// Names of servers are waited for so long before the first request is served.
const FIRST_LOOKUP: Duration = Duration::from_secs(5);

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
    listeners: Vec<(SocketAddr, TcpListener)>,
}

/// The hand on a running edge: what it serves can be replaced, what it does be asked for.
#[derive(Clone)]
pub struct Control {
    snapshot: Arc<ArcSwap<Snapshot>>,
    runtime: Arc<Runtime>,
    changed: Arc<Notify>,
}

/// A listener that could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}; stop what uses it, or change listeners[{place}].address")]
pub struct BindError {
    place: usize,
    address: SocketAddr,
    source: io::Error,
}

/// The listeners ended although nobody had told them to.
#[derive(Debug, thiserror::Error)]
#[error("the listeners ended unexpectedly{}", .0.as_ref().map(|cause| format!(": {cause}")).unwrap_or_default())]
pub struct ServeError(Option<JoinError>);

impl Control {
    fn new(config: &Config) -> Self {
        let runtime = Arc::default();
        let snapshot = Snapshot::compile(config, Arc::clone(&runtime));
        Control { snapshot: Arc::new(ArcSwap::from_pointee(snapshot)), runtime, changed: Arc::default() }
    }

    /// What is served.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Serves another configuration from now on; requests that have begun end with theirs. Listeners and
    /// threads stay as they are.
    pub fn replace(&self, config: &Config) {
        let snapshot = Arc::new(Snapshot::compile(config, Arc::clone(&self.runtime)));
        self.snapshot.store(Arc::clone(&snapshot));
        // A name may have been resolved anew in between.
        snapshot.servers.fleet().refresh();
        self.changed.notify_one();
    }

    /// What the fleet has done so far.
    pub fn report(&self) -> Report {
        self.snapshot.load().servers.fleet().report()
    }
}

impl Server {
    /// Binds every listener of the configuration.
    ///
    /// # Errors
    /// The first address that cannot be bound, and why.
    pub fn bind(config: &Config) -> Result<Self, BindError> {
        let sockets = config.listeners.iter().enumerate().map(|(place, listener)| {
            let address = listener.address.0;
            let failed = |source| BindError { place, address, source };
            TcpListener::bind(address).map_err(failed)
        });
        let sockets = sockets.collect::<Result<_, _>>()?;
        let first = config.listeners.first().map_or(([0; 4], 0).into(), |listener| listener.address.0);
        Self::on(config, sockets).map_err(|source| BindError { place: 0, address: first, source })
    }

    /// Takes sockets that are bound already, in place of those the configuration names.
    ///
    /// # Errors
    /// When a socket does not know its address or refuses to become non-blocking.
    pub fn on(config: &Config, sockets: Vec<TcpListener>) -> io::Result<Self> {
        let listeners = sockets.into_iter().map(|socket| {
            socket.set_nonblocking(true)?;
            Ok((socket.local_addr()?, socket))
        });
        let listeners = listeners.collect::<io::Result<_>>()?;
        Ok(Server { threads: Self::threads(config), control: Control::new(config), listeners })
    }

    /// The addresses that are bound, with the port that the system chose where the file says 0.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.listeners.iter().map(|(address, _)| *address)
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
    /// When the listeners end without having been told to.
    pub async fn serve(self, mut stop: mpsc::Receiver<Stop>) -> Result<usize, ServeError> {
        let in_flight = TaskTracker::new();
        let settings = Arc::new(ServerConf {
            threads: self.threads,
            // The fleet says when there are no attempts left.
            max_retries: Retries::MOST_ATTEMPTS + 1,
            ..ServerConf::default()
        });
        let Control { snapshot, changed, .. } = self.control;
        edge::resolve_all(&snapshot.load_full(), FIRST_LOOKUP).await;
        let _supervisor = AbortOnDropHandle::new(tokio::spawn(supervise(Arc::clone(&snapshot), changed)));
        let mut service = edge::service(&settings, snapshot, in_flight.clone(), HttpServerOptions::default());
        let mut sockets = Fds::new();
        for (address, socket) in self.listeners {
            let name = address.to_string();
            let buffers = L4BufferSettings::default().read(CONNECTION_BUFFER).write(CONNECTION_BUFFER);
            service.add_listener(ListenerConfig::tcp(name.clone()).l4_buffer(buffers));
            sockets.add(name, socket.into_raw_fd());
        }
        let sockets: ListenFds = Arc::new(sockets.into());
        let (shutdown, watch) = watch::channel(false);
        let mut serving = tokio::spawn(async move { service.start_service(Some(sockets), watch, 1).await });

        let first = tokio::select! {
            first = stop.recv() => first.unwrap_or(Stop::Now),
            ended = &mut serving => return Err(ServeError(ended.err())),
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
