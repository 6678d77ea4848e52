//! Watches a connection to a server while it carries a request.
//!
//! Pingora has one limit for every read from a server. The edge tells the wait for the first byte from the
//! silence between two, knows whether any byte of an answer has come, and can bound the whole request:
//! so it wraps the connection, and each request has its turn on it.

use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::{
    Result,
    http::ResponseHeader,
    protocols::{
        ALPN, Digest, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream,
        TimingDigest, UniqueID, UniqueIDType,
        raw_connect::ProxyDigest,
        tls::{SslDigest, TlsRef},
    },
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

/// How long a request waits for its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// From the last byte sent to the first byte of the answer.
    pub first_byte: Duration,
    /// Between two bytes of the answer.
    pub silence: Duration,
    /// When the whole request must be over.
    pub end: Option<Instant>,
}

/// The limit that a request ran into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expired {
    FirstByte,
    Silence,
    Request,
}

/// A connection to a server, watched.
pub(super) struct Watched {
    stream: Stream,
    /// Pingora's slot for what a connection carries along.
    digest: Arc<ProxyDigest>,
    watch: Arc<Watch>,
    timer: Option<Pin<Box<Sleep>>>,
}

/// What is known of the request on a connection.
#[derive(Default)]
pub(super) struct Watch(Mutex<State>);

#[derive(Default)]
struct State {
    /// Counts the requests on this connection.
    turn: u64,
    /// Those of the request; none while the connection is idle.
    limits: Option<Limits>,
    /// The last byte sent or received.
    since: Option<Instant>,
    has_received: bool,
    /// So many flushes are to come before anything is read.
    flushes: u8,
    reader: Option<Waker>,
    expired: Option<Expired>,
}

/// One request on a connection. Its limits end with it.
pub(super) struct Turn {
    watch: Arc<Watch>,
    number: u64,
}

impl Watched {
    pub fn new(stream: Stream) -> Result<Self> {
        let watch = Arc::new(Watch::default());
        let digest = ProxyDigest::new(Box::new(ResponseHeader::build(200, None)?), Some(Box::new(Arc::clone(&watch))));
        Ok(Watched { stream, digest: Arc::new(digest), watch, timer: None })
    }

    /// An error once a limit has passed; until then, a wake-up for when it does.
    fn poll_limits(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let Some((due, limit)) = self.watch.0.lock().due() else { return Poll::Pending };
            if due <= Instant::now() {
                self.watch.0.lock().expired = Some(limit);
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
            // A timer that fires too early finds the later limit then.
            if timer.is_elapsed() || timer.deadline() > due {
                timer.as_mut().reset(due);
            }
            if timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl State {
    /// The next limit and when it passes.
    fn due(&self) -> Option<(Instant, Expired)> {
        let (limits, since) = (self.limits?, self.since?);
        let next = if self.has_received {
            (since + limits.silence, Expired::Silence)
        } else {
            (since + limits.first_byte, Expired::FirstByte)
        };
        Some(match limits.end {
            Some(end) if end < next.0 => (end, Expired::Request),
            _ => next,
        })
    }
}

impl Watch {
    /// The watch on the connection that Pingora describes.
    pub fn of(digest: &Digest) -> Option<Arc<Watch>> {
        digest.proxy_digest.as_ref()?.user_data.as_ref()?.downcast_ref::<Arc<Watch>>().cloned()
    }

    /// Begins the turn of a request, which reads nothing before it has been flushed so many times.
    pub fn begin(self: &Arc<Self>, limits: Limits, flushes: u8) -> Turn {
        let mut state = self.0.lock();
        let number = state.turn + 1;
        *state = State { turn: number, limits: Some(limits), since: Some(Instant::now()), flushes, ..State::default() };
        Turn { watch: Arc::clone(self), number }
    }
}

impl Turn {
    /// Whether any byte of an answer has come.
    pub fn has_received(&self) -> bool {
        self.watch.0.lock().has_received
    }

    /// The limit that has passed.
    pub fn expired(&self) -> Option<Expired> {
        self.watch.0.lock().expired
    }

    /// Lifts all limits: what comes may take as long as it likes.
    pub fn lift(&self) {
        self.watch.0.lock().limits = None;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.watch.0.lock();
        // The connection may be with the next request already.
        if state.turn == self.number {
            state.limits = None;
        }
    }
}

// === impl IO for Watched ===

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        {
            let mut state = self.watch.0.lock();
            if state.flushes > 0 {
                state.reader = Some(context.waker().clone());
                return Poll::Pending;
            }
        }
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_pending() {
            return self.poll_limits(context);
        }
        if buffer.filled().len() > before {
            let mut state = self.watch.0.lock();
            state.has_received = true;
            state.since = Some(Instant::now());
        }
        read
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        if let Poll::Ready(Ok(1..)) = written {
            self.watch.0.lock().since = Some(Instant::now());
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        if let Poll::Ready(Ok(())) = flushed {
            let mut state = self.watch.0.lock();
            state.flushes = state.flushes.saturating_sub(1);
            if state.flushes == 0
                && let Some(reader) = state.reader.take()
            {
                reader.wake();
            }
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        if let Poll::Ready(Ok(1..)) = written {
            self.watch.0.lock().since = Some(Instant::now());
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[async_trait]
impl Shutdown for Watched {
    async fn shutdown(&mut self) {
        self.stream.shutdown().await;
    }
}

impl UniqueID for Watched {
    fn id(&self) -> UniqueIDType {
        self.stream.id()
    }
}

impl Ssl for Watched {
    fn get_ssl(&self) -> Option<&TlsRef> {
        self.stream.get_ssl()
    }

    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.stream.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.stream.selected_alpn_proto()
    }
}

impl GetTimingDigest for Watched {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.stream.get_timing_digest()
    }
}

impl GetProxyDigest for Watched {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        Some(Arc::clone(&self.digest))
    }
}

impl GetSocketDigest for Watched {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.stream.get_socket_digest()
    }
}

impl Peek for Watched {}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watched({:?})", self.stream)
    }
}
