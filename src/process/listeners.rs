//! Listeners whose sockets are bound.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use super::sockets::BoundSocket;
use crate::{
    config::{self, ListenAddress},
    edge::{self, ListeningSocket, TlsListener},
};

/// The admin listener, whose socket is bound.
pub(super) struct BoundAdmin {
    pub configured: ListenAddress,
    pub address: SocketAddr,
    pub socket: TcpListener,
}

/// A listener whose socket is bound.
pub(super) struct BoundListener {
    pub config: config::Listener,
    /// With the port that the system chose where the file says 0.
    pub address: ListenAddress,
    pub socket: BoundSocket,
    pub tls: Option<TlsListener>,
}

impl BoundListener {
    pub fn new(config: &config::Listener, socket: BoundSocket) -> io::Result<Self> {
        let address = socket.address()?;
        let tls = config.tls.as_ref().map(|tls| TlsListener::new(address.to_string(), tls, config.has_http2()));
        let tls = tls.transpose().map_err(|faults| {
            let faults: Vec<_> = faults.into_iter().map(|fault| fault.message).collect();
            io::Error::other(faults.join("; "))
        })?;
        Ok(BoundListener { config: config.clone(), address, socket, tls })
    }

    /// The listener and its socket, on the current runtime.
    pub fn into_parts(self) -> io::Result<(edge::Listener, ListeningSocket)> {
        let socket = match self.socket {
            BoundSocket::Tcp(socket) => ListeningSocket::tcp(socket)?,
            BoundSocket::Unix(socket) => ListeningSocket::Unix(tokio::net::UnixListener::from_std(socket)?),
        };
        Ok((edge::Listener::new(&self.config, self.tls.map(|tls| tls.used())), socket))
    }
}
