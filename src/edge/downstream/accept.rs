//! Listeners: connections are accepted and counted.

use std::{future::ready, io, net::SocketAddr, os::fd::AsRawFd, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    pin,
    runtime::Handle,
    select,
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
    /// Listens on a TCP socket, which does not block, on the current runtime.
    ///
    /// # Errors
    /// When it cannot be watched, or has not the options of a socket of TCP.
    pub fn tcp(socket: std::net::TcpListener) -> io::Result<Self> {
        tune(&socket)?;
        Ok(ListeningSocket::Tcp(TcpListener::from_std(socket)?))
    }

    async fn accept(&self) -> io::Result<(Socket, Option<SocketAddr>)> {
        match self {
            ListeningSocket::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
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
    let begun = accepted.and_then(|(socket, peer)| begin(listeners, listener, socket, peer));
    if let Err(error) = begun {
        recover("a listener", &error).await;
    }
}

fn begin(
    listeners: &Arc<Listeners>,
    listener: &Arc<Listener>,
    socket: Socket,
    peer: Option<SocketAddr>,
) -> io::Result<()> {
    let snapshot = listeners.snapshot.load();
    let (most, first_kept_file) = (snapshot.connections, snapshot.first_kept_file);
    drop(snapshot);
    if usize::try_from(socket.as_raw_fd()).is_ok_and(|file| file >= first_kept_file) {
        let why = "the last open files are kept for the admin listener; raise ulimit -n (LimitNOFILE in systemd)";
        listeners.close(Closed::OpenFiles, peer, why);
        return Ok(());
    }
    let connections = listeners.counters.connections();
    // The last tenth is kept free by closing idle connections early.
    if connections.open() >= most - most / 10 {
        listeners.is_crowded.notify_one();
    }
    match connections.enter(most) {
        Ok(slot) => {
            listeners.counters.accepted();
            let own = Handle::current().id();
            let worker = listeners.worker_for(own);
            let socket = if worker.runtime.id() == own { socket } else { moved(socket, &worker.runtime)? };
            let connection = enter::serve(Arc::clone(listeners), Arc::clone(listener), socket, peer, slot);
            worker.connections.spawn_on(connection, &worker.runtime);
        }
        Err(_full) => listeners.close(Closed::Limit, peer, "limits.connections"),
    }
    Ok(())
}

/// Has another runtime watch a socket.
fn moved(socket: Socket, runtime: &Handle) -> io::Result<Socket> {
    let _entered = runtime.enter();
    match socket {
        Socket::Tcp(stream) => TcpStream::from_std(stream.into_std()?).map(Socket::Tcp),
        Socket::Unix(stream) => UnixStream::from_std(stream.into_std()?).map(Socket::Unix),
        #[cfg(fuzzing)]
        memory @ Socket::Memory(_) => Ok(memory),
    }
}

#[cfg(test)]
mod tests {
    use socket2::SockRef;
    use tokio::net::TcpStream;

    use super::*;
    use crate::edge::tcp::TCP_KEEPALIVE;

    #[tokio::test]
    async fn an_accepted_connection_has_the_options_of_its_listener() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let address = socket.local_addr().unwrap();
        let listening = ListeningSocket::tcp(socket).unwrap();
        let (_client, accepted) = tokio::join!(TcpStream::connect(address), listening.accept());
        let Ok((Socket::Tcp(stream), Some(_))) = accepted else { panic!("no connection") };
        let options = SockRef::from(&stream);
        assert!(options.tcp_nodelay().unwrap() && options.keepalive().unwrap());
        assert_eq!(options.tcp_keepalive_time().unwrap(), TCP_KEEPALIVE.idle);
        assert_eq!(options.tcp_keepalive_interval().unwrap(), TCP_KEEPALIVE.interval);
    }
}
