//! The connection of a client, as Pingora gets it for one request after the other.
//!
//! The edge itself reads the head of each request of HTTP/1, and gives Pingora not a byte more than that
//! request: what follows is the next one's. It bounds how long a client may read nothing, and can take the
//! connection back for a WebSocket.

use std::{
    any::Any,
    fmt, io,
    mem::MaybeUninit,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use parking_lot::Mutex;
use pingora::protocols::{
    ALPN, Digest, GetProxyDigest, GetSocketDigest, GetTimingDigest, IO, Peek, Shutdown, SocketDigest, Ssl,
    TimingDigest, UniqueID, UniqueIDType, raw_connect::ProxyDigest, tls::SslDigest,
};
use pingora_proxy::Session;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf},
    time::{Sleep, sleep, timeout},
};

use super::{http2::Resets, socket::Transport};
use crate::framing::{Body, Chunks, Frames};

/// The connection of a client.
pub(super) struct ClientStream {
    id: UniqueIDType,
    about: About,
    state: Mutex<State>,
}

/// What Pingora and the phases of a request are told of a connection.
#[derive(Clone)]
pub(super) struct About {
    pub tls: Option<Arc<SslDigest>>,
    /// Pingora's slot for what a connection carries along.
    pub connection: Arc<ProxyDigest>,
    pub socket: Arc<SocketDigest>,
}

/// A connection that is out of Pingora's hands.
pub(super) struct Detached {
    pub transport: Transport,
    /// Has been read from it.
    pub unread: BytesMut,
    /// Is still to be written to it.
    pub unsent: Vec<u8>,
}

struct State {
    /// Until it is detached.
    transport: Option<Transport>,
    /// Read, and not for Pingora yet.
    unread: BytesMut,
    /// Written by Pingora, from a place on.
    unsent: Vec<u8>,
    sent: usize,
    reading: Reading,
    /// Runs while the client reads nothing.
    stalled: Option<Pin<Box<Sleep>>>,
    most_stalled: Duration,
}

/// How much of what comes Pingora may read.
enum Reading {
    /// So many bytes of a body.
    Length(u64),
    /// A body in chunks, to its end.
    Chunks(Chunks),
    /// All of it: frames of HTTP/2, whose resets are counted.
    Frames { received: Frames, sent: Frames, resets: Arc<Resets> },
}

/// A piece that is read at once: the head of nearly every request is smaller.
const PIECE: usize = 16 * 1024;
/// Room for a whole discovery answer in one write to the socket.
const MOST_UNSENT: usize = 16 * 1024;
/// So much is read ahead of the requests that come next.
const MOST_AHEAD: usize = 64 * 1024;

impl ClientStream {
    pub fn new(id: UniqueIDType, transport: Transport, about: About, most_stalled: Duration) -> Self {
        let state = State {
            transport: Some(transport),
            unread: BytesMut::new(),
            unsent: Vec::new(),
            sent: 0,
            reading: Reading::Length(0),
            stalled: None,
            most_stalled,
        };
        ClientStream { id, about, state: Mutex::new(state) }
    }

    /// The connection of a session of HTTP/1.
    pub fn of(session: &Session) -> Option<&ClientStream> {
        session.as_downstream().as_http1()?.stream().as_any().downcast_ref()
    }

    /// The connection that Pingora has given back, if it has read the request to its end.
    pub fn given_back(stream: Box<dyn IO>) -> Option<Box<ClientStream>> {
        let stream: Box<dyn Any> = stream.into_any();
        let mut stream = stream.downcast::<ClientStream>().ok()?;
        stream.state.get_mut().reading.is_over().then_some(stream)
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
        &mut self.state.get_mut().unread
    }

    /// Reads on; 0 at the end.
    pub async fn fill(&mut self) -> io::Result<usize> {
        let state = self.state.get_mut();
        std::future::poll_fn(|context| state.poll_fill(context)).await
    }

    /// Keeps no memory for the time of waiting.
    pub fn rest(&mut self) {
        let state = self.state.get_mut();
        if state.unread.is_empty() {
            state.unread = BytesMut::new();
        }
        if state.sent == state.unsent.len() {
            state.unsent = Vec::new();
            state.sent = 0;
        }
    }

    /// Takes the head of a request, whose body Pingora may read.
    pub fn begin(&mut self, head: usize, body: Body, most_stalled: Duration) -> BytesMut {
        let state = self.state.get_mut();
        state.most_stalled = most_stalled;
        state.reading = match body {
            Body::Length(length) => Reading::Length(length),
            Body::Chunked => Reading::Chunks(Chunks::new()),
        };
        state.unread.split_to(head)
    }

    /// From now on it is HTTP/2.
    pub fn begin_http2(&mut self, resets: Arc<Resets>) {
        let (received, sent) = (Frames::of_client(), Frames::of_server());
        self.state.get_mut().reading = Reading::Frames { received, sent, resets };
    }

    /// Sends the last bytes and closes, but listens for a while to a client that still sends: closing a
    /// connection with unread bytes resets it, and these bytes may be lost on their way.
    pub async fn end_with(mut self: Box<Self>, last: &[u8], patience: Duration) {
        let farewell = async {
            self.write_all(last).await?;
            AsyncWriteExt::shutdown(&mut self).await?;
            loop {
                self.unread().clear();
                if self.fill().await? == 0 {
                    return io::Result::Ok(());
                }
            }
        };
        let _enough = timeout(patience, farewell).await;
    }

    /// Takes the connection away: Pingora reads nothing from it any more.
    pub fn detach(&self) -> Option<Detached> {
        let mut state = self.state.lock();
        let transport = state.transport.take()?;
        let sent = std::mem::take(&mut state.sent);
        Some(Detached {
            transport,
            unread: std::mem::take(&mut state.unread),
            unsent: std::mem::take(&mut state.unsent).split_off(sent),
        })
    }
}

impl Reading {
    fn is_over(&self) -> bool {
        match self {
            Reading::Length(left) => *left == 0,
            Reading::Chunks(chunks) => chunks.is_done(),
            Reading::Frames { .. } => false,
        }
    }
}

impl State {
    /// Reads a piece into `unread`; 0 at the end.
    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(transport) = &mut self.transport else { return Poll::Pending };
        // On the stack: a connection that waits keeps no memory for what may come.
        let mut piece = [const { MaybeUninit::uninit() }; PIECE];
        let mut piece = ReadBuf::uninit(&mut piece);
        match ready!(Pin::new(transport).poll_read(context, &mut piece)) {
            Ok(()) => {
                self.unread.extend_from_slice(piece.filled());
                Poll::Ready(Ok(piece.filled().len()))
            }
            // TLS that ends without saying so.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(0)),
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.reading.is_over() {
            return self.poll_gone(context);
        }
        let most = match self.reading {
            Reading::Length(left) => buffer.remaining().min(usize::try_from(left).unwrap_or(usize::MAX)),
            Reading::Chunks(_) | Reading::Frames { .. } => buffer.remaining(),
        };
        let before = buffer.filled().len();
        ready!(self.poll_some(context, buffer, most))?;
        let read = &buffer.filled()[before..];
        let ours = match &mut self.reading {
            Reading::Length(left) => {
                *left -= read.len() as u64;
                read.len()
            }
            Reading::Chunks(chunks) => {
                chunks.follow(read).map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why))?
            }
            Reading::Frames { received, resets, .. } => {
                resets.count(received.follow(read));
                read.len()
            }
        };
        if ours < read.len() {
            let rest = BytesMut::from(&read[ours..]);
            let behind = std::mem::replace(&mut self.unread, rest);
            self.unread.extend_from_slice(&behind);
            buffer.set_filled(before + ours);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads at most so much: what has been read already, or else from the connection.
    fn poll_some(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>, most: usize) -> Poll<io::Result<()>> {
        if !self.unread.is_empty() {
            let taken = most.min(self.unread.len());
            buffer.put_slice(&self.unread[..taken]);
            self.unread.advance(taken);
            return Poll::Ready(Ok(()));
        }
        let Some(transport) = &mut self.transport else { return Poll::Pending };
        if most >= buffer.remaining() {
            return Pin::new(transport).poll_read(context, buffer);
        }
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(most));
        ready!(Pin::new(transport).poll_read(context, &mut part))?;
        let read = part.filled().len();
        buffer.advance(read);
        Poll::Ready(Ok(()))
    }

    /// The request has been read: all that Pingora may hear is that the client has gone.
    fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.unread.len() < MOST_AHEAD {
            if ready!(self.poll_fill(context))? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
        Poll::Pending
    }

    fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.unsent.len() + bytes.len() > MOST_UNSENT {
            ready!(self.poll_send(context))?;
        }
        let written = if bytes.len() < MOST_UNSENT {
            self.unsent.extend_from_slice(bytes);
            bytes.len()
        } else {
            let Some(transport) = &mut self.transport else { return Poll::Ready(Err(detached())) };
            let written = Pin::new(transport).poll_write(context, bytes);
            ready!(self.unless_stalled(context, written))?
        };
        if let Reading::Frames { sent, resets, .. } = &mut self.reading {
            resets.count(sent.follow(&bytes[..written]));
        }
        Poll::Ready(Ok(written))
    }

    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.unsent.len() {
            let Some(transport) = &mut self.transport else { return Poll::Ready(Err(detached())) };
            let written = Pin::new(transport).poll_write(context, &self.unsent[self.sent..]);
            match ready!(self.unless_stalled(context, written))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.sent += written,
            }
        }
        self.unsent.clear();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(context))?;
        let Some(transport) = &mut self.transport else { return Poll::Ready(Ok(())) };
        let flushed = Pin::new(transport).poll_flush(context);
        self.unless_stalled(context, flushed)
    }

    fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_flush(context))?;
        let Some(transport) = &mut self.transport else { return Poll::Ready(Ok(())) };
        let closed = Pin::new(transport).poll_shutdown(context);
        self.unless_stalled(context, closed)
    }

    /// An error once the client has read nothing for too long.
    fn unless_stalled<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let timer = self.stalled.get_or_insert_with(|| Box::pin(sleep(self.most_stalled)));
        ready!(timer.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

fn detached() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

impl Drop for ClientStream {
    /// What was written before the answer broke off is the client's.
    fn drop(&mut self) {
        let _as_far_as_it_goes = self.state.get_mut().poll_send(&mut Context::from_waker(Waker::noop()));
    }
}

// === impl IO for ClientStream ===

impl AsyncRead for ClientStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.get_mut().state.get_mut().poll_read(context, buffer)
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().state.get_mut().poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().state.get_mut().poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().state.get_mut().poll_shutdown(context)
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
