//! Connections to a server for WebSockets.
//!
//! Pingora 0.9.1 takes the end of the request, which it passes to the server's side through a channel,
//! for the end of the WebSocket when the server's 101 has been read before it. A server that answers
//! within microseconds wins that race now and then. So nothing is read here until the request has been
//! sent whole: its head is flushed once, and its end once more.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use async_trait::async_trait;
use http::{HeaderName, Method, header};
use pingora::{
    Error, ErrorType, Result,
    connectors::L4Connect,
    protocols::l4::{
        socket::SocketAddr,
        stream::Stream,
        virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream},
    },
    upstreams::peer::HttpPeer,
};
use pingora_proxy::Session;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// The head and the end of the request.
const FLUSHES_OF_A_REQUEST: u8 = 2;

/// Keeps these connections apart from the pooled ones of ordinary requests.
const GROUP: u64 = 1;

/// Whether the request opens a WebSocket (RFC 6455 section 4.1). Pingora takes any `Upgrade` for one.
pub(super) fn is_opened_by(session: &mut Session) -> bool {
    let header = session.req_header();
    let lists = |name: HeaderName, wanted: &[u8]| {
        let values = header.headers.get_all(name);
        let mut items = values.iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
        items.any(|item| item.trim_ascii().eq_ignore_ascii_case(wanted))
    };
    let is_opening =
        header.method == Method::GET && lists(header::UPGRADE, b"websocket") && lists(header::CONNECTION, b"upgrade");
    is_opening && session.as_downstream_mut().is_body_empty()
}

/// Prepares both sides: a WebSocket may be silent for as long as both ends like.
pub(super) fn prepare(session: &mut Session, peer: &mut HttpPeer) {
    session.set_read_timeout(None);
    peer.options.read_timeout = None;
    peer.options.write_timeout = None;
    peer.options.custom_l4 = Some(Arc::new(Connector));
    peer.options.idle_timeout = Some(Duration::ZERO);
    peer.group_key = GROUP;
}

#[derive(Debug)]
struct Connector;

/// A connection that is read from only once the request is on its way.
#[derive(Debug)]
struct Socket {
    stream: TcpStream,
    flushes: u8,
    reader: Option<Waker>,
}

#[async_trait]
impl L4Connect for Connector {
    async fn connect(&self, address: &SocketAddr) -> Result<Stream> {
        let Some(address) = address.as_inet() else {
            return Error::e_explain(ErrorType::ConnectError, "no IP address");
        };
        let connected = TcpStream::connect(address).await.and_then(|stream| {
            stream.set_nodelay(true)?;
            Ok(stream)
        });
        let stream = connected.map_err(|error| {
            let kind = match error.kind() {
                io::ErrorKind::ConnectionRefused => ErrorType::ConnectRefused,
                _ => ErrorType::ConnectError,
            };
            Error::because(kind, format!("connecting to {address}"), error)
        })?;
        let socket = Socket { stream, flushes: 0, reader: None };
        Ok(Stream::from(VirtualSocketStream::new(Box::new(socket))))
    }
}

impl VirtualSocket for Socket {
    fn set_socket_option(&self, option: VirtualSockOpt) -> io::Result<()> {
        match option {
            VirtualSockOpt::NoDelay => self.stream.set_nodelay(true),
            _ => Ok(()),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.flushes < FLUSHES_OF_A_REQUEST {
            self.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        self.flushes = self.flushes.saturating_add(1);
        if self.flushes == FLUSHES_OF_A_REQUEST
            && let Some(reader) = self.reader.take()
        {
            reader.wake();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
