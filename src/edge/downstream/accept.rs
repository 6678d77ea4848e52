//! Listeners: connections are accepted and counted.

use std::{future::ready, io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, UnixListener},
    pin, select,
    time::sleep,
};

use super::{
    enter,
    listeners::{Listener, Listeners},
};
use crate::{
    accept::recover,
    edge::{client::Socket, tcp::tune},
    telemetry::Closed,
};

/// A socket that listens.
pub enum ListeningSocket {
    /// On an IP address and port.
    Tcp(TcpListener),
    /// On a Unix socket.
    Unix(UnixListener),
}

impl ListeningSocket {
    async fn accept(&self) -> io::Result<(Socket, Option<SocketAddr>)> {
        match self {
            ListeningSocket::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                tune(&stream)?;
                Ok((Socket::Tcp(stream), Some(peer)))
            }
            ListeningSocket::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((Socket::Unix(stream), None))
            }
        }
    }
}

/// Accepts connections until the edge is to stop, and those that wait to be accepted then.
pub async fn listen(listeners: Arc<Listeners>, listener: Arc<Listener>, socket: ListeningSocket) {
    loop {
        select! {
            biased;
            () = listeners.stopping() => break,
            accepted = socket.accept() => take(&listeners, &listener, accepted).await,
        }
    }
    // The runtime may not have heard yet of those that wait.
    let enough = sleep(LAST_LOOK);
    pin!(enough);
    loop {
        select! {
            biased;
            () = &mut enough => break,
            accepted = socket.accept() => take(&listeners, &listener, accepted).await,
        }
    }
    for _ in 0..MOST_WAITING {
        select! {
            biased;
            accepted = socket.accept() => take(&listeners, &listener, accepted).await,
            () = ready(()) => return,
        }
    }
}

/// Connections are taken for so long after the edge was told to stop.
const LAST_LOOK: Duration = Duration::from_millis(100);
/// Those that come faster than they are accepted must not keep the edge from stopping.
const MOST_WAITING: usize = 10_000;

async fn take(
    listeners: &Arc<Listeners>,
    listener: &Arc<Listener>,
    accepted: io::Result<(Socket, Option<SocketAddr>)>,
) {
    match accepted {
        Ok((socket, peer)) => begin(listeners, listener, socket, peer),
        Err(error) => recover("a listener", &error).await,
    }
}

fn begin(listeners: &Arc<Listeners>, listener: &Arc<Listener>, socket: Socket, peer: Option<SocketAddr>) {
    let most = listeners.snapshot.load().connections;
    let connections = listeners.counters.connections();
    // The last tenth is kept free by closing idle connections early.
    if connections.open() >= most - most / 10 {
        listeners.is_crowded.notify_one();
    }
    match connections.enter(most) {
        Ok(slot) => {
            listeners.counters.accepted();
            let connection = enter::serve(Arc::clone(listeners), Arc::clone(listener), socket, peer, slot);
            listeners.connections.spawn(connection);
        }
        Err(_full) => listeners.close(Closed::Limit, peer, "limits.connections"),
    }
}
