//! An edge in memory, for fuzzing: whole connections of clients and servers, without a socket or a thread.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use tokio::{io::DuplexStream, sync::watch};

use super::{
    client::Socket,
    downstream::{Listener, Listeners, Workers, serve},
    proxy::Edge,
};
use crate::{config::Config, limits::Full};

/// An edge whose clients and servers are streams in memory.
pub struct Bench {
    edge: Edge,
    listeners: Arc<Listeners>,
    listener: Arc<Listener>,
    /// It never stops.
    _stop: watch::Sender<bool>,
}

/// What answers when a server is dialled.
type Dial = Rc<dyn Fn() -> DuplexStream>;

thread_local! {
    static DIAL: RefCell<Option<Dial>> = const { RefCell::new(None) };
}

impl Bench {
    /// Makes an edge of a configuration, and of its first listener.
    pub fn new(config: &Config) -> Self {
        let (sender, stop) = watch::channel(false);
        let edge = Edge::new(config, 1);
        let workers = Workers::start(1).expect("a thread");
        Bench {
            listeners: Arc::new(Listeners::new(&workers, edge.clone(), stop)),
            edge,
            listener: Arc::new(Listener::new(&config.edge.listeners[0], None)),
            _stop: sender,
        }
    }

    /// Serves the connection of a client on loopback to its end. Whatever this thread dials from now on is a connection
    /// to a server that this makes.
    ///
    /// # Errors
    /// When there are too many connections.
    pub async fn serve(&self, client: DuplexStream, dial: impl Fn() -> DuplexStream + 'static) -> Result<(), Full> {
        DIAL.set(Some(Rc::new(dial)));
        let slot = self.edge.counters().connections().enter(usize::MAX)?;
        let (listeners, listener) = (Arc::clone(&self.listeners), Arc::clone(&self.listener));
        let peer = Some(([127, 0, 0, 1], 40_000).into());
        serve(listeners, listener, Socket::Memory(client), peer, slot).await;
        Ok(())
    }
}

/// A new connection to a server, on a thread that has one in memory.
pub(super) fn dialled() -> Option<DuplexStream> {
    DIAL.with_borrow(Clone::clone).map(|dial| dial())
}
