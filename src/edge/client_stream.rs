//! The connection of a client, as Pingora gets it for one request after the other.
//!
//! The edge itself reads the head of each request of HTTP/1, and gives Pingora not a byte more than that
//! request: what follows is the next one's. It bounds how long a client may read nothing, and can take the
//! connection back for a WebSocket.

use std::{
    any::Any,
    fmt,
    future::poll_fn,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use bytes::BytesMut;
use parking_lot::{Mutex, MutexGuard};
use pingora::protocols::{
    ALPN, Digest, GetProxyDigest, GetSocketDigest, GetTimingDigest, IO, Peek, Shutdown, SocketDigest, Ssl,
    TimingDigest, UniqueID, UniqueIDType, raw_connect::ProxyDigest, tls::SslDigest,
};
use pingora_proxy::Session;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf},
    time::timeout,
};

use super::{
    client_io::{ClientIo, Detached},
    conduct::Conduct,
    socket::Transport,
};
use crate::framing::Body;

/// The connection of a client.
pub(super) struct ClientStream {
    id: UniqueIDType,
    about: About,
    io: Mutex<ClientIo>,
    /// Where the connection goes when Pingora has dropped it.
    left: Left,
}

/// A connection that Pingora has dropped, and the edge has not closed yet.
#[derive(Clone, Default)]
pub(super) struct Left(Arc<Mutex<Option<ClientIo>>>);

impl Left {
    /// Closes the connection, if it is there, but listens for a while to a client that still sends. Whether it did.
    pub async fn close(&self) -> bool {
        let left = self.0.lock().take();
        let Some(mut io) = left else { return false };
        let mut heard = 0;
        let _enough = timeout(LINGER, io.linger(&mut heard)).await;
        heard > 0
    }
}

/// How long a client that still sends is listened to, so that it can read its answer.
pub(super) const LINGER: Duration = Duration::from_secs(2);

/// What Pingora and the phases of a request are told of a connection.
#[derive(Clone)]
pub(super) struct About {
    pub tls: Option<Arc<SslDigest>>,
    /// Pingora's slot for what a connection carries along.
    pub connection: Arc<ProxyDigest>,
    pub socket: Arc<SocketDigest>,
}

impl ClientStream {
    pub fn new(id: UniqueIDType, transport: Transport, about: About, most_stalled: Duration) -> Self {
        ClientStream { id, about, io: Mutex::new(ClientIo::new(transport, most_stalled)), left: Left::default() }
    }

    /// The connection of a session of HTTP/1.
    pub fn of(session: &Session) -> Option<&ClientStream> {
        session.as_downstream().as_http1()?.stream().as_any().downcast_ref()
    }

    /// The connection that Pingora has given back, if it has read the request to its end.
    pub fn given_back(stream: Box<dyn IO>) -> Option<Box<ClientStream>> {
        let stream: Box<dyn Any> = stream.into_any();
        let mut stream = stream.downcast::<ClientStream>().ok()?;
        stream.io.get_mut().end_request().then_some(stream)
    }

    /// Where the connection will be when it has been dropped.
    pub fn left(&self) -> Left {
        self.left.clone()
    }

    pub fn digest(&self) -> Digest {
        Digest {
            ssl_digest: self.get_ssl_digest(),
            timing_digest: self.get_timing_digest(),
            proxy_digest: self.get_proxy_digest(),
            socket_digest: self.get_socket_digest(),
        }
    }

    /// What has been read and is not taken yet.
    pub fn unread(&mut self) -> &mut BytesMut {
        self.io.get_mut().unread()
    }

    /// Reads on; 0 at the end.
    pub async fn fill(&mut self) -> io::Result<usize> {
        let io = self.io.get_mut();
        poll_fn(|context| io.poll_fill(context)).await
    }

    /// Keeps no memory for the time of waiting.
    pub fn rest(&mut self) {
        self.io.get_mut().rest();
    }

    /// Takes the head of a request, whose body Pingora may read.
    pub fn begin(&mut self, head: usize, body: Body, most_stalled: Duration) -> BytesMut {
        self.io.get_mut().begin(head, body, most_stalled)
    }

    /// What is on its way through it.
    pub fn io(&self) -> MutexGuard<'_, ClientIo> {
        self.io.lock()
    }

    /// Sends an answer that Pingora knows nothing of.
    pub async fn send(&self, answer: &[&[u8]]) -> io::Result<()> {
        self.io.lock().put(answer);
        poll_fn(|context| self.io.lock().poll_flush(context)).await
    }

    /// From now on it is HTTP/2.
    pub fn begin_http2(&mut self, conduct: Arc<Conduct>) {
        self.io.get_mut().begin_http2(conduct);
    }

    /// Sends the last bytes, which Pingora knows nothing of, and says that there is no more to come.
    pub async fn end_with(&mut self, last: &[u8]) {
        // The client may be gone.
        let _said = self.write_all(last).await;
        Shutdown::shutdown(self).await;
    }

    /// Takes the connection away: Pingora reads nothing from it any more.
    pub fn detach(&self) -> Option<Detached> {
        self.io.lock().detach()
    }
}

impl Drop for ClientStream {
    /// What was written before the answer broke off is the client's.
    fn drop(&mut self) {
        let mut io = self.io.get_mut().take();
        io.send_what_goes();
        *self.left.0.lock() = Some(io);
    }
}

// === impl IO for ClientStream ===

impl AsyncRead for ClientStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.get_mut().io.get_mut().poll_read(context, buffer)
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().io.get_mut().poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().io.get_mut().poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().io.get_mut().poll_shutdown(context)
    }
}

#[async_trait]
impl Shutdown for ClientStream {
    async fn shutdown(&mut self) {
        // The client may be gone already.
        let _closed = AsyncWriteExt::shutdown(self).await;
    }
}

impl UniqueID for ClientStream {
    fn id(&self) -> UniqueIDType {
        self.id
    }
}

impl Ssl for ClientStream {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.about.tls.clone()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        None
    }
}

impl GetTimingDigest for ClientStream {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for ClientStream {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        Some(Arc::clone(&self.about.connection))
    }
}

impl GetSocketDigest for ClientStream {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(Arc::clone(&self.about.socket))
    }
}

impl Peek for ClientStream {}

impl fmt::Debug for ClientStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientStream({})", self.id)
    }
}
