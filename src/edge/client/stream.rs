//! The connection of a client, shared by the loop that serves it and by the session of each request on it.
//!
//! The loop reads the head of each request of HTTP/1; the session, which is Pingora's, gets not a byte more than that
//! request: what follows is the next one's. The exchange with a server writes to the connection directly, past the
//! session. All of them run in one task, so that nobody ever waits for the lock.

use std::{
    fmt,
    future::poll_fn,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use parking_lot::{Mutex, MutexGuard};
use pingora::protocols::{
    ALPN, Digest, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest,
    UniqueID, UniqueIDType, raw_connect::ProxyDigest, tls::SslDigest,
};
use pingora_proxy::Session;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf},
    time::timeout,
};

use super::{
    io::{Detached, Io},
    session::After,
    socket::Transport,
};

/// The connection of a client.
pub(in crate::edge) struct ClientStream {
    id: UniqueIDType,
    about: About,
    io: Mutex<Io>,
}

/// What Pingora and the phases of a request are told of a connection.
#[derive(Clone)]
pub(in crate::edge) struct About {
    pub tls: Option<Arc<SslDigest>>,
    /// Pingora's slot for what a connection carries along.
    pub connection: Arc<ProxyDigest>,
    pub socket: Arc<SocketDigest>,
}

/// The connection as Pingora reads and writes it.
pub(in crate::edge) struct SessionStream(pub Arc<ClientStream>);

/// How long a client that still sends is listened to, so that it can read its response.
pub(super) const LINGER: Duration = Duration::from_secs(2);

impl ClientStream {
    /// Makes one of an open connection, which is cut off when a write has waited for so long.
    pub fn new(id: UniqueIDType, transport: Transport, about: About, most_stalled: Duration) -> Arc<Self> {
        Arc::new(ClientStream { id, about, io: Mutex::new(Io::new(transport, most_stalled)) })
    }

    /// Finds the connection of a session of HTTP/1, if it came in by a listener of the edge's own.
    pub fn of(session: &Session) -> Option<&Arc<ClientStream>> {
        let stream = session.as_downstream().as_http1()?.stream().as_any().downcast_ref::<SessionStream>()?;
        Some(&stream.0)
    }

    pub fn digest(&self) -> Digest {
        Digest {
            ssl_digest: self.about.tls.clone(),
            timing_digest: Vec::new(),
            proxy_digest: Some(Arc::clone(&self.about.connection)),
            socket_digest: Some(Arc::clone(&self.about.socket)),
        }
    }

    /// What is on its way through it.
    pub fn io(&self) -> MutexGuard<'_, Io> {
        self.io.lock()
    }

    /// Reads on; 0 at the end.
    pub async fn fill(&self) -> io::Result<usize> {
        poll_fn(|context| self.io().poll_fill(context)).await
    }

    /// Sends a whole response, past the session, which says of the connection what becomes of it.
    pub async fn send(&self, response: &[&[u8]], after: After) -> io::Result<()> {
        self.io().put(response);
        poll_fn(|context| self.io().poll_flush(context)).await?;
        self.io().end_response(after);
        Ok(())
    }

    /// Sends the last bytes, past the session, and says that there is no more to come.
    pub async fn end_with(&self, last: &[u8]) {
        self.io().put(&[last]);
        // The client may be gone.
        let _said = poll_fn(|context| self.io().poll_shutdown(context)).await;
    }

    /// Closes the connection, but listens for a while to a client that still sends. Whether it did.
    pub async fn close(&self) -> bool {
        // What was written before the response broke off is the client's.
        self.io().send_what_goes();
        let mut heard = 0;
        let linger = async {
            while self.io().lingers(heard) {
                heard += self.fill().await?;
            }
            io::Result::Ok(())
        };
        let _enough = timeout(LINGER, linger).await;
        heard > 0
    }

    /// Takes the connection away: nobody else reads or writes it any more.
    pub fn detach(&self) -> Option<Detached> {
        self.io().detach()
    }
}

// === impl IO for SessionStream ===

impl AsyncRead for SessionStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.0.io().poll_read(context, buffer)
    }
}

impl AsyncWrite for SessionStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.io().poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.io().poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.io().poll_shutdown(context)
    }
}

#[async_trait]
impl Shutdown for SessionStream {
    async fn shutdown(&mut self) {
        // The client may be gone already.
        let _closed = AsyncWriteExt::shutdown(self).await;
    }
}

impl UniqueID for SessionStream {
    fn id(&self) -> UniqueIDType {
        self.0.id
    }
}

impl Ssl for SessionStream {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.0.about.tls.clone()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        None
    }
}

impl GetTimingDigest for SessionStream {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for SessionStream {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        Some(Arc::clone(&self.0.about.connection))
    }
}

impl GetSocketDigest for SessionStream {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(Arc::clone(&self.0.about.socket))
    }
}

impl Peek for SessionStream {}

impl fmt::Debug for SessionStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionStream({})", self.0.id)
    }
}
