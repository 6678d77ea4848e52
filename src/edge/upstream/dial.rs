//! A new connection to a server of HTTP/1.1.

use std::{io, net::SocketAddr, time::Duration};

use pingora::{Error, ErrorType, Result};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_rustls::TlsConnector;

use super::connection::{Connection, ServerStream};
use crate::edge::{snapshot::ServerTls, tcp::tune};

/// Connects to a server, and shakes hands for TLS, within a time.
///
/// # Errors
/// As Pingora's own: refused, timed out, no route, no handshake, or another reason.
pub(super) async fn dial(address: SocketAddr, tls: Option<&ServerTls>, within: Duration) -> Result<Connection> {
    #[cfg(fuzzing)]
    if let Some(stream) = crate::edge::fuzzing::dialled() {
        return Ok(Connection::new(ServerStream::Memory(stream)));
    }
    let deadline = Instant::now() + within;
    let Ok(connected) = timeout_at(deadline, TcpStream::connect(address)).await else {
        return Error::e_explain(ErrorType::ConnectTimedout, format!("connecting to {address}"));
    };
    let tuned = connected.and_then(|stream| tune(&stream).map(|()| stream));
    let stream = tuned.map_err(|error| {
        let kind = match error.kind() {
            io::ErrorKind::ConnectionRefused => ErrorType::ConnectRefused,
            io::ErrorKind::TimedOut => ErrorType::ConnectTimedout,
            io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => ErrorType::ConnectNoRoute,
            _ => ErrorType::ConnectError,
        };
        Error::because(kind, format!("connecting to {address}"), error)
    })?;
    let Some(tls) = tls else { return Ok(Connection::new(ServerStream::Plain(stream))) };
    let shaking = TlsConnector::from(tls.config.clone()).connect(tls.name.clone(), stream);
    match timeout_at(deadline, shaking).await {
        Ok(Ok(stream)) => Ok(Connection::new(ServerStream::Tls(Box::new(stream)))),
        Ok(Err(error)) => {
            Err(Error::because(ErrorType::TLSHandshakeFailure, format!("shaking hands with {address}"), error))
        }
        Err(_) => Error::e_explain(ErrorType::TLSHandshakeTimedout, format!("shaking hands with {address}")),
    }
}
