//! Assembles a running edge: listeners bound first, then the proxy service on them, then an orderly
//! stop.

mod handover;
mod manager;
mod running;
mod sockets;

use std::{
    io,
    net::{SocketAddr, TcpListener},
    os::fd::AsFd,
    sync::Arc,
    thread::available_parallelism,
};

use tokio::{
    sync::{mpsc, watch},
    task::{JoinError, JoinSet},
};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use self::running::{NamedSockets, Running, told_to_stop};
pub use self::{
    handover::{Predecessor, Program},
    running::Ended,
    sockets::{BoundSocket, Inherited},
};
use crate::{
    admin::{self, Admin},
    config::{self, Config, KeyPath, ListenAddress},
    edge::{self, Door, Edge, ListeningSocket, TlsListener},
    state::{Control, Phase},
    telemetry::access_log::{self, AccessLogError},
};

/// What a running edge can be told to do.
#[derive(Debug, Clone)]
pub enum Order {
    /// Stop as `stop` in the configuration says: not ready, then no new connections, then over. A second one means
    /// [`Order::StopNow`].
    Stop,
    /// Drop everything.
    StopNow,
    /// Start this program, give it the sockets, and stop once it serves; go on if it does not.
    Replace(Program),
}

/// An edge whose listeners are bound, and that serves nobody yet.
pub struct Server {
    threads: usize,
    control: Control,
    listeners: Vec<BoundListener>,
    admin: Option<BoundAdmin>,
    access_log: Option<config::AccessLog>,
    predecessor: Option<Predecessor>,
}

/// The admin listener, whose socket is bound.
struct BoundAdmin {
    configured: ListenAddress,
    address: SocketAddr,
    socket: TcpListener,
}

/// A listener whose socket is bound.
struct BoundListener {
    config: config::Listener,
    /// With the port that the system chose where the file says 0.
    address: ListenAddress,
    socket: BoundSocket,
    tls: Option<TlsListener>,
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
    #[error("{0}")]
    Certificates(String),
    /// The access log cannot be written.
    #[error(transparent)]
    AccessLog(#[from] AccessLogError),
    /// A socket cannot be used.
    #[error("a listener cannot be used: {0}")]
    Listener(io::Error),
    /// The listeners ended.
    #[error("the listeners ended unexpectedly{}", .0.as_ref().map(|cause| format!(": {cause}")).unwrap_or_default())]
    Ended(Option<JoinError>),
}

impl Order {
    /// What it says.
    pub fn name(&self) -> &'static str {
        match self {
            Order::Stop => "stop",
            Order::StopNow => "stop at once",
            Order::Replace(_) => "start a successor",
        }
    }
}

impl Server {
    /// Binds every listener of the configuration, and the admin listener if there is one, unless their sockets are
    /// inherited.
    ///
    /// # Errors
    /// The first address that cannot be bound, and why.
    pub fn bind(config: &Config, mut inherited: Inherited) -> Result<Self, BindError> {
        let failed = |key: KeyPath, address: &ListenAddress| {
            let (key, address) = (key.key("address"), address.clone());
            move |source| BindError { key, address, source }
        };
        let sockets = config.listeners.iter().enumerate().map(|(place, listener)| {
            let key = KeyPath::root("listeners").index(place);
            BoundSocket::of(listener, &mut inherited).map_err(failed(key, &listener.address))
        });
        let sockets = sockets.collect::<Result<_, _>>()?;
        let admin = config.admin.as_ref().map(|admin| {
            let address = ListenAddress::Ip(admin.address.0);
            let socket = BoundSocket::of_admin(admin.address.0, &mut inherited);
            socket.map_err(failed(KeyPath::root("admin"), &address))
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
        let admin = config.admin.as_ref().zip(admin).map(|(admin, socket)| {
            socket.set_nonblocking(true)?;
            let (configured, address) = (ListenAddress::Ip(admin.address.0), socket.local_addr()?);
            io::Result::Ok(BoundAdmin { configured, address, socket })
        });
        Ok(Server {
            threads: Self::threads(config),
            control: Control::new(config),
            listeners: listeners
                .map(|(listener, socket)| BoundListener::new(listener, socket))
                .collect::<io::Result<_>>()?,
            admin: admin.transpose()?,
            access_log: config.access_log.clone(),
            predecessor: None,
        })
    }

    /// The listeners, and the addresses that they are bound to, with the port that the system chose where the file
    /// says 0.
    pub fn listeners(&self) -> impl Iterator<Item = (&config::Listener, &ListenAddress)> + '_ {
        self.listeners.iter().map(|bound| (&bound.config, &bound.address))
    }

    /// The address of the admin listener.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(|admin| admin.address)
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

    /// Once it serves, it replaces this process.
    pub fn replace(&mut self, predecessor: Predecessor) {
        self.predecessor = Some(predecessor);
    }

    /// Serves on the current Tokio runtime until it is told to stop, or nobody is left to tell it.
    ///
    /// # Errors
    /// When it cannot begin, or the listeners end without having been told to.
    pub async fn serve(mut self, mut orders: mpsc::Receiver<Order>) -> Result<Ended, ServeError> {
        // Pingora would panic, whether a server needs them or not.
        edge::system_authorities().map_err(ServeError::Certificates)?;
        // Dropped last: it waits for the last lines to be written.
        let _access_log = access_log::start(self.access_log.as_ref(), self.control.counters())?;
        let mut early = None;
        tokio::select! {
            () = self.control.resolve_names() => {}
            () = told_to_stop(&mut orders, 0, |replace| early = Some(replace)) => {
                return Ok(Ended::default());
            }
        }
        let control = self.control.clone();
        let sockets = self.named_sockets().map_err(ServeError::Listener)?;
        let (counters, certificates) = (Arc::clone(control.counters()), self.certificates());
        let _certificates = AbortOnDropHandle::new(tokio::spawn(edge::keep_reading(certificates, counters)));
        let _supervisor = AbortOnDropHandle::new(tokio::spawn(control.supervise()));
        let _verifier = AbortOnDropHandle::new(tokio::spawn(control.keep_verifying()));
        let predecessor = self.predecessor.take();
        let mut running = self.start(sockets)?;

        control.enter(Phase::Serving);
        manager::serving();
        if let Some(predecessor) = &predecessor {
            predecessor.ready();
        }
        if let Some(program) = early {
            running.start_successor(&program);
        }
        let ending = running.until_told(&mut orders).await?;
        Ok(running.end(ending, &mut orders, predecessor).await)
    }

    /// Lets connections in.
    fn start(self, sockets: NamedSockets) -> Result<Running, ServeError> {
        let (stop, stopped) = watch::channel(false);
        let in_flight = TaskTracker::new();
        let (snapshots, counters) = (self.control.snapshots(), Arc::clone(self.control.counters()));
        let phases = self.control.phases();
        let edge = Edge::of_program(self.threads, snapshots, counters, in_flight.clone(), phases);
        let door = Arc::new(Door::new(self.threads, edge, stopped));
        let mut listening = JoinSet::new();
        for bound in self.listeners {
            let (listener, socket) = bound.into_parts().map_err(ServeError::Listener)?;
            listening.spawn(edge::listen(Arc::clone(&door), Arc::new(listener), socket));
        }
        let admin = self.admin.map(|bound| {
            let socket = tokio::net::TcpListener::from_std(bound.socket)?;
            let admin = Arc::new(Admin::new(self.control.clone(), bound.address));
            io::Result::Ok(AbortOnDropHandle::new(tokio::spawn(admin::serve(socket, admin))))
        });
        let admin = admin.transpose().map_err(ServeError::Listener)?;
        Ok(Running { control: self.control, door, in_flight, stop, listening, sockets, admin, successor: None })
    }

    /// The sockets as they go over to a successor, which finds them by what the configuration calls them.
    fn named_sockets(&self) -> io::Result<NamedSockets> {
        let listeners = self.listeners.iter().map(|bound| (&bound.config.address, bound.socket.as_fd()));
        let admin = self.admin.as_ref().map(|admin| (&admin.configured, admin.socket.as_fd()));
        let sockets = listeners.chain(admin).map(|(name, socket)| Ok((name.to_string(), socket.try_clone_to_owned()?)));
        sockets.collect()
    }

    fn certificates(&self) -> Vec<TlsListener> {
        self.listeners.iter().filter_map(|bound| bound.tls.clone()).collect()
    }
}

impl BoundListener {
    fn new(config: &config::Listener, socket: BoundSocket) -> io::Result<Self> {
        let address = socket.address()?;
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
