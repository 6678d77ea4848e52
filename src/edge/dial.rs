//! A plain connection to a server.
//!
//! Pingora's own keeps a read buffer of 64 KiB, which every stream would hold, and copies what comes through it.
//! [`super::server_io`] needs none.

use std::{
    fmt, io,
    net::SocketAddr,
    os::fd::AsRawFd,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use once_cell::sync::OnceCell;
use pingora::{
    Error, ErrorType, Result,
    protocols::{
        GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream, TimingDigest,
        UniqueID, UniqueIDType, l4::socket::SocketAddr as PingoraAddress, raw_connect::ProxyDigest,
    },
};
use rustix::io::Errno;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::TcpStream,
    time::timeout,
};

use super::listen::tune;

/// A connection to a server, without TLS.
struct ServerSocket {
    stream: TcpStream,
    digest: Arc<SocketDigest>,
}

/// Connects to a server within a time.
///
/// # Errors
/// As Pingora's own: refused, timed out, no route, or another reason; an internal error when it is this process that
/// has no more files or ports.
pub(super) async fn dial(address: SocketAddr, within: Duration) -> Result<Stream> {
    let Ok(connected) = timeout(within, TcpStream::connect(address)).await else {
        return Error::e_explain(ErrorType::ConnectTimedout, format!("connecting to {address}"));
    };
    let tuned = connected.and_then(|stream| tune(&stream).map(|()| stream));
    let stream = tuned.map_err(|error| {
        let kind = match error.kind() {
            io::ErrorKind::ConnectionRefused => ErrorType::ConnectRefused,
            io::ErrorKind::TimedOut => ErrorType::ConnectTimedout,
            io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => ErrorType::ConnectNoRoute,
            _ if is_our_own(&error) => ErrorType::InternalError,
            _ => ErrorType::ConnectError,
        };
        Error::because(kind, format!("connecting to {address}"), error)
    })?;
    let mut digest = SocketDigest::from_raw_fd(stream.as_raw_fd());
    digest.peer_addr = OnceCell::with_value(Some(PingoraAddress::Inet(address)));
    Ok(Box::new(ServerSocket { stream, digest: Arc::new(digest) }))
}

/// Whether no server is to blame.
fn is_our_own(error: &io::Error) -> bool {
    use io::ErrorKind::{AddrInUse, AddrNotAvailable, PermissionDenied};
    let full = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM].map(Errno::raw_os_error);
    matches!(error.kind(), AddrInUse | AddrNotAvailable | PermissionDenied)
        || error.raw_os_error().is_some_and(|code| full.contains(&code))
}

// === impl IO for ServerSocket ===

impl AsyncRead for ServerSocket {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for ServerSocket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[async_trait]
impl Shutdown for ServerSocket {
    async fn shutdown(&mut self) {
        // The server may be gone already.
        let _closed = AsyncWriteExt::shutdown(self).await;
    }
}

impl UniqueID for ServerSocket {
    fn id(&self) -> UniqueIDType {
        self.stream.as_raw_fd()
    }
}

impl Ssl for ServerSocket {}

impl GetTimingDigest for ServerSocket {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for ServerSocket {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for ServerSocket {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(Arc::clone(&self.digest))
    }
}

impl Peek for ServerSocket {}

impl fmt::Debug for ServerSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerSocket({})", self.id())
    }
}
