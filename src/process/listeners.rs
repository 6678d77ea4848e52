//! Listeners whose sockets are bound.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use tokio::runtime::Handle;

use super::{error::BindError, sockets::BoundSocket};
use crate::{
    config::{self, KeyPath, ListenAddress},
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
    /// The listener at this place in the configuration.
    pub fn new(place: usize, config: &config::Listener, socket: BoundSocket) -> Result<Self, BindError> {
        let key = KeyPath::root("listeners").index(place);
        let address = socket.address().map_err(|source| BindError::Address {
            key: key.key("address"),
            address: config.address.clone(),
            source,
        })?;
        let tls = config.tls.as_ref().map(|tls| TlsListener::new(address.to_string(), tls, config.has_http2()));
        let tls = tls.transpose().map_err(|faults| {
            let tls = key.key("tls");
            BindError::Certificates(faults.into_iter().map(|fault| (tls.join(&fault.path), fault.message)).collect())
        })?;
        Ok(BoundListener { config: config.clone(), address, socket, tls })
    }

    /// The listener and its socket, on a runtime.
    pub fn into_parts(self, runtime: &Handle) -> io::Result<(edge::Listener, ListeningSocket)> {
        let _current = runtime.enter();
        let socket = match self.socket {
            BoundSocket::Tcp(socket) => ListeningSocket::tcp(socket)?,
            BoundSocket::Unix(socket) => ListeningSocket::Unix(tokio::net::UnixListener::from_std(socket)?),
        };
        Ok((edge::Listener::new(&self.config, self.tls.map(|tls| tls.used())), socket))
    }
}
