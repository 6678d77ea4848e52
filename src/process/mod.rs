//! This program as a process: listeners are bound first, then connections are let in, then it stops in good order, or
//! hands its sockets over to its successor.

mod error;
mod handover;
mod listeners;
mod manager;
mod order;
mod running;
mod signals;
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
    task::JoinSet,
};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

pub(crate) use self::signals::{on_signals, survive_early_signals};
pub use self::{
    error::{BindError, ServeError},
    handover::{Predecessor, Program},
    order::Order,
    running::Ended,
    sockets::{BoundSocket, Inherited},
};
use self::{
    listeners::{BoundAdmin, BoundListener},
    order::told_to_stop,
    running::{NamedSockets, Running},
};
use crate::{
    admin::{self, Admin},
    config::{self, Config, KeyPath, ListenAddress},
    edge::{self, Edge, Listeners, TlsListener, Workers},
    readiness::Stage,
    state::Control,
    telemetry::access_log,
};

/// An edge whose listeners are bound, and that serves nobody yet.
pub struct Process {
    threads: usize,
    control: Control,
    listeners: Vec<BoundListener>,
    admin: Option<BoundAdmin>,
    access_log: Option<config::AccessLog>,
    tracing: Option<config::Tracing>,
    predecessor: Option<Predecessor>,
}

impl Process {
    /// Binds every listener of the configuration, and the admin listener if there is one, unless their sockets are
    /// inherited.
    ///
    /// # Errors
    /// The first address that cannot be bound, and why.
    pub fn bind(config: &Config, mut inherited: Inherited) -> Result<Self, BindError> {
        let failed = |key: KeyPath, address: &ListenAddress| {
            let (key, address) = (key.key("address"), address.clone());
            move |source| BindError::Address { key, address, source }
        };
        let sockets = config.edge.listeners.iter().enumerate().map(|(place, listener)| {
            let key = KeyPath::root("listeners").index(place);
            BoundSocket::of(listener, config, &mut inherited).map_err(failed(key, &listener.address))
        });
        let sockets = sockets.collect::<Result<_, _>>()?;
        let admin = config.edge.admin.as_ref().map(|admin| {
            let address = ListenAddress::Ip(admin.address.0);
            let socket = BoundSocket::of_admin(admin.address.0, config, &mut inherited);
            socket.map_err(failed(KeyPath::root("admin"), &address))
        });
        Self::on(config, sockets, admin.transpose()?)
    }

    /// Takes sockets that are bound already, in place of those the configuration names, in their order.
    ///
    /// # Errors
    /// When a socket does not know its address or refuses to become non-blocking, or when the files of a
    /// listener's certificates have become wrong since they were checked.
    pub fn on(config: &Config, sockets: Vec<BoundSocket>, admin: Option<TcpListener>) -> Result<Self, BindError> {
        let listeners = config.edge.listeners.iter().zip(sockets).enumerate();
        let admin = config.edge.admin.as_ref().zip(admin).map(|(admin, socket)| {
            let configured = ListenAddress::Ip(admin.address.0);
            let address = socket.set_nonblocking(true).and_then(|()| socket.local_addr());
            let address = address.map_err(|source| {
                let key = KeyPath::root("admin").key("address");
                BindError::Address { key, address: configured.clone(), source }
            })?;
            Ok::<_, BindError>(BoundAdmin { configured, address, socket })
        });
        Ok(Process {
            threads: Self::threads(config),
            control: Control::new(config),
            listeners: listeners
                .map(|(place, (listener, socket))| BoundListener::new(place, listener, socket))
                .collect::<Result<_, _>>()?,
            admin: admin.transpose()?,
            access_log: config.edge.access_log.clone(),
            tracing: config.edge.tracing.clone(),
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
        config.edge.threads.map_or_else(cores, usize::from)
    }

    /// Once it serves, it replaces this process.
    pub fn replace(&mut self, predecessor: Predecessor) {
        self.predecessor = Some(predecessor);
    }

    /// Serves until it is told to stop, or nobody is left to tell it: connections on workers of its own, and what is
    /// beside them on the current Tokio runtime.
    ///
    /// # Errors
    /// When it cannot begin, or the listeners end without having been told to.
    pub async fn serve(mut self, mut orders: mpsc::Receiver<Order>) -> Result<Ended, ServeError> {
        // Pingora would panic, whether a server needs them or not.
        edge::system_authorities().map_err(ServeError::Certificates)?;
        // Dropped last: it waits for the last lines to be written.
        let log =
            self.access_log.as_ref().map(|config| self.control.counters().start_access_log(config)).transpose()?;
        let tracing = self.tracing.as_ref().map(|config| self.control.counters().start_tracing(config));
        // Dropped late, too: it waits for the last spans to be sent.
        let _tracing = tracing.transpose()?;
        let _reopening = access_log::reopen_when_told(log.as_ref())?;
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
        let _certificates =
            AbortOnDropHandle::new(tokio::spawn(edge::keep_reading(certificates, control.shared_snapshot(), counters)));
        let _supervisor = AbortOnDropHandle::new(tokio::spawn(control.supervise()));
        let _verifier = AbortOnDropHandle::new(tokio::spawn(control.keep_verifying()));
        let predecessor = self.predecessor.take();
        // Before the first connection is let in: a request on it may ask whether the edge is ready.
        control.enter(Stage::Serving);
        let mut running = self.start(sockets)?;
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
        let edge = Edge::of_program(self.threads, snapshots, counters, in_flight.clone(), self.control.stages());
        let workers = Workers::start(self.threads).map_err(ServeError::Workers)?;
        let listeners = Arc::new(Listeners::new(&workers, edge, stopped));
        let mut listening = JoinSet::new();
        for (number, bound) in self.listeners.into_iter().enumerate() {
            let runtime = workers.accepting(number);
            let (listener, socket) = bound.into_parts(runtime).map_err(ServeError::Listener)?;
            listening.spawn_on(edge::listen(Arc::clone(&listeners), Arc::new(listener), socket), runtime);
        }
        let admin = self.admin.map(|bound| {
            let socket = tokio::net::TcpListener::from_std(bound.socket)?;
            let admin = Arc::new(Admin::new(self.control.clone(), bound.address));
            io::Result::Ok(AbortOnDropHandle::new(tokio::spawn(admin::serve(socket, admin))))
        });
        let admin = admin.transpose().map_err(ServeError::Listener)?;
        Ok(Running {
            control: self.control,
            workers,
            listeners,
            in_flight,
            stop,
            listening,
            sockets,
            admin,
            successor: None,
        })
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
