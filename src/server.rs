//! Assembles a running edge: listeners bound first, then the proxy service on them, then an orderly
//! stop.

use std::{
    fs::{self, Permissions},
    io,
    net::{SocketAddr, TcpListener},
    os::{
        fd::IntoRawFd,
        unix::{
            fs::{FileTypeExt, PermissionsExt},
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
    sync::Arc,
    thread::available_parallelism,
    time::Duration,
};

use pingora::{
    server::{Fds, ListenFds, ShutdownWatch, configuration::ServerConf},
    services::Service,
    tls::load_platform_certs_incl_env_into_store,
};
use rustls::RootCertStore;
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::{
    sync::{mpsc, watch},
    task::{JoinError, JoinHandle, JoinSet},
    time::timeout,
};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::{
    admin,
    config::{self, Config, KeyPath, ListenAddress, Retries},
    edge::{self, Door, ListeningSocket, TlsListener},
    state::{Control, Phase},
};

/// How long a stopping edge waits for the requests in flight.
pub const STOP_GRACE: Duration = Duration::from_secs(30);

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
    listeners: Vec<BoundListener>,
    admin: Option<(SocketAddr, TcpListener)>,
}

/// A listener whose socket is bound.
struct BoundListener {
    config: config::Listener,
    /// With the port that the system chose where the file says 0.
    address: ListenAddress,
    socket: BoundSocket,
    tls: Option<TlsListener>,
}

/// A socket that is bound, outside any runtime.
#[derive(Debug)]
pub enum BoundSocket {
    /// To an IP address and port.
    Tcp(TcpListener),
    /// To the path of a Unix socket.
    Unix(UnixListener),
}

/// A listener that could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}; stop what uses it, or change {key}")]
pub struct BindError {
    /// Where the address stands in the configuration.
    key: KeyPath,
    address: ListenAddress,
    source: io::Error,
}

/// Why an edge stopped serving although nobody had told it to.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The authorities that the system trusts, which TLS to servers needs, cannot be read.
    #[error("the certificates that the system trusts cannot be read: {0}; mend them, or SSL_CERT_FILE")]
    Certificates(Box<pingora::Error>),
    /// Pingora has no proxy to give.
    #[error("the proxy cannot be made: {0}")]
    Proxy(io::Error),
    /// A socket cannot be used.
    #[error("a listener cannot be used: {0}")]
    Listener(io::Error),
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
        let failed = |key: KeyPath, address: &ListenAddress| {
            let (key, address) = (key.key("address"), address.clone());
            move |source| BindError { key, address, source }
        };
        let sockets = config.listeners.iter().enumerate().map(|(place, listener)| {
            let key = KeyPath::root("listeners").index(place);
            BoundSocket::bind(listener).map_err(failed(key, &listener.address))
        });
        let sockets = sockets.collect::<Result<_, _>>()?;
        let admin = config.admin.as_ref().map(|admin| {
            let address = ListenAddress::Ip(admin.address.0);
            TcpListener::bind(admin.address.0).map_err(failed(KeyPath::root("admin"), &address))
        });
        let address = ListenAddress::Ip(SocketAddr::from(([0, 0, 0, 0], 0)));
        Self::on(config, sockets, admin.transpose()?).map_err(failed(KeyPath::root("listeners"), &address))
    }

    /// Takes sockets that are bound already, in place of those the configuration names, in their order.
    ///
    /// # Errors
    /// When a socket does not know its address or refuses to become non-blocking, or when the files of a
    /// listener's certificates have become wrong since they were checked.
    pub fn on(config: &Config, sockets: Vec<BoundSocket>, admin: Option<TcpListener>) -> io::Result<Self> {
        let listeners = config.listeners.iter().zip(sockets);
        let admin = admin.map(|socket| {
            socket.set_nonblocking(true)?;
            io::Result::Ok((socket.local_addr()?, socket))
        });
        Ok(Server {
            threads: Self::threads(config),
            control: Control::new(config),
            listeners: listeners
                .map(|(listener, socket)| BoundListener::new(listener, socket))
                .collect::<io::Result<_>>()?,
            admin: admin.transpose()?,
        })
    }

    /// The listeners, and the addresses that they are bound to, with the port that the system chose where the file
    /// says 0.
    pub fn listeners(&self) -> impl Iterator<Item = (&config::Listener, &ListenAddress)> + '_ {
        self.listeners.iter().map(|bound| (&bound.config, &bound.address))
    }

    /// The address of the admin listener.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(|(address, _)| *address)
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
        let (shutdown, watch) = watch::channel(false);
        let counters = Arc::clone(self.control.counters());
        let snapshots = self.control.snapshots();
        let proxy = edge::proxy(&settings, Arc::clone(&snapshots), Arc::clone(&counters), in_flight.clone()).await;
        let proxy = proxy.map_err(ServeError::Proxy)?;
        let door = Arc::new(Door::new(proxy, snapshots, Arc::clone(&counters), watch.clone()));
        let certificates = self.listeners.iter().filter_map(|bound| bound.tls.clone()).collect();
        let _certificates =
            AbortOnDropHandle::new(tokio::spawn(edge::keep_reading(certificates, Arc::clone(&counters))));
        let _supervisor = AbortOnDropHandle::new(tokio::spawn(self.control.supervise()));
        let _verifier = AbortOnDropHandle::new(tokio::spawn(self.control.keep_verifying()));
        let mut listening = JoinSet::new();
        for bound in self.listeners {
            let (listener, socket) = bound.into_parts().map_err(ServeError::Listener)?;
            listening.spawn(edge::listen(Arc::clone(&door), Arc::new(listener), socket));
        }
        let _admin = self.admin.map(|(address, socket)| {
            let mut service = admin::service(self.control.clone());
            service.add_tcp(&address.to_string());
            AbortOnDropHandle::new(start(service, address, socket, watch))
        });

        self.control.enter(Phase::Serving);
        let first = tokio::select! {
            first = stop.recv() => first.unwrap_or(Stop::Now),
            Some(ended) = listening.join_next() => return Err(ServeError::Ended(ended.err())),
        };
        self.control.enter(Phase::Draining);
        let told = shutdown.send(true);
        if first == Stop::Gracefully && told.is_ok() {
            in_flight.close();
            let drained = async {
                while listening.join_next().await.is_some() {}
                in_flight.wait().await;
                door.drained().await;
            };
            tokio::select! {
                _in_time = timeout(STOP_GRACE, drained) => {}
                Some(_) = stop.recv() => {}
            }
        }
        Ok(in_flight.len())
    }
}

impl BoundSocket {
    fn bind(listener: &config::Listener) -> io::Result<Self> {
        match &listener.address {
            ListenAddress::Ip(address) => {
                let socket = bind(Domain::for_address(*address), &(*address).into())?;
                Ok(BoundSocket::Tcp(socket.into()))
            }
            ListenAddress::Unix(path) => {
                forget_abandoned(path)?;
                let socket = bind(Domain::UNIX, &SockAddr::unix(path)?)?;
                fs::set_permissions(path, Permissions::from_mode(listener.mode().0))?;
                Ok(BoundSocket::Unix(socket.into()))
            }
        }
    }
}

/// As the standard library does, but with room for as many connections that wait to be accepted as the system
/// allows: of those beyond 128 it would have their clients try again a second later.
fn bind(domain: Domain, address: &SockAddr) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::STREAM, None)?;
    if domain != Domain::UNIX {
        socket.set_reuse_address(true)?;
    }
    socket.bind(address)?;
    socket.listen(i32::from(u16::MAX))?;
    Ok(socket)
}

/// A Unix socket on which nobody listens any more is in the way of the next one.
fn forget_abandoned(path: &Path) -> io::Result<()> {
    // Another kind of file refuses connections, too, and is somebody's.
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    match UnixStream::connect(path) {
        Err(error) if is_socket && error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
        Err(_) => Ok(()),
    }
}

impl BoundListener {
    fn new(config: &config::Listener, socket: BoundSocket) -> io::Result<Self> {
        let address = match &socket {
            BoundSocket::Tcp(socket) => {
                socket.set_nonblocking(true)?;
                ListenAddress::Ip(socket.local_addr()?)
            }
            BoundSocket::Unix(socket) => {
                socket.set_nonblocking(true)?;
                ListenAddress::Unix(socket.local_addr()?.as_pathname().map(PathBuf::from).unwrap_or_default())
            }
        };
        let tls = config.tls.as_ref().map(|tls| TlsListener::new(address.to_string(), tls, config.has_http2()));
        let tls = tls.transpose().map_err(|faults| {
            let faults: Vec<_> = faults.into_iter().map(|fault| fault.message).collect();
            io::Error::other(faults.join("; "))
        })?;
        Ok(BoundListener { config: config.clone(), address, socket, tls })
    }

    /// The listener and its socket, on the current runtime.
    fn into_parts(self) -> io::Result<(edge::Listener, ListeningSocket)> {
        let socket = match self.socket {
            BoundSocket::Tcp(socket) => ListeningSocket::Tcp(tokio::net::TcpListener::from_std(socket)?),
            BoundSocket::Unix(socket) => ListeningSocket::Unix(tokio::net::UnixListener::from_std(socket)?),
        };
        Ok((edge::Listener::new(&self.config, self.tls.map(|tls| tls.used())), socket))
    }
}

/// Starts a service on a socket that is bound already: it finds it by its address.
fn start(
    mut service: impl Service + 'static,
    address: SocketAddr,
    socket: TcpListener,
    stop: ShutdownWatch,
) -> JoinHandle<()> {
    let mut sockets = Fds::new();
    sockets.add(address.to_string(), socket.into_raw_fd());
    let sockets: ListenFds = Arc::new(sockets.into());
    tokio::spawn(async move { service.start_service(Some(sockets), stop, 1).await })
}
