//! Watches a connection while it carries a request.
//!
//! Pingora has one limit for every read from a server. The edge tells the wait for the first byte from the
//! silence between two, knows whether any byte of an answer has come, and can bound the whole request:
//! so it wraps the connection, and each request has its turn on it. The body of most answers passes Pingora by, and a
//! WebSocket takes the connection out of its hands.

use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use async_trait::async_trait;
use bytes::BytesMut;
use parking_lot::Mutex;
use pingora::{
    Result,
    protocols::{
        ALPN, Digest, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream,
        TimingDigest, UniqueID, UniqueIDType, raw_connect::ProxyDigest, tls::SslDigest,
    },
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use super::{
    connection::slot,
    idle::Home,
    patience::{Clock, Expired, Limits, Phase},
    server_io::{ServerIo, Wanted},
};
use crate::framing::Body;

/// A connection, watched.
pub(super) struct Watched {
    id: UniqueIDType,
    /// Pingora's slot for what a connection carries along.
    digest: Arc<ProxyDigest>,
    watch: Arc<Watch>,
    /// Where it goes when Pingora has no more use for it, and it can carry another request.
    home: Option<Home>,
}

/// What is known of the request on a connection.
#[derive(Default)]
pub(super) struct Watch(Mutex<State>);

#[derive(Default)]
struct State {
    io: ServerIo,
    /// Counts the requests on this connection.
    turn: u64,
    clock: Clock,
    timer: Option<Pin<Box<Sleep>>>,
    expired: Option<Expired>,
}

/// One request on a connection. Its limits end with it.
pub(super) struct Turn {
    watch: Arc<Watch>,
    number: u64,
}

impl Watched {
    pub fn new(stream: Stream, home: Option<Home>) -> Result<Self> {
        let id = stream.id();
        let watch = Arc::new(Watch(Mutex::new(State { io: ServerIo::new(stream), ..State::default() })));
        Ok(Watched { id, digest: slot(Arc::clone(&watch))?, watch, home })
    }

    /// A connection that has rested at home, if there is one.
    pub fn from_rest(home: &mut Option<Home>) -> Option<Self> {
        let resting = home.as_ref()?.take()?;
        Some(resting.with_home(home.take()))
    }

    fn with_home(&self, home: Option<Home>) -> Self {
        Watched { id: self.id, digest: Arc::clone(&self.digest), watch: Arc::clone(&self.watch), home }
    }

    /// Whether it can still be used, while it rests.
    pub fn lives(&self) -> bool {
        self.watch.0.lock().io.lives()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let Some(home) = self.home.take() else { return };
        if self.watch.0.lock().io.can_rest() {
            home.put(self.with_home(None));
        }
    }
}

impl Watch {
    /// The watch on the connection that Pingora describes.
    pub fn of(digest: &Digest) -> Option<Arc<Watch>> {
        digest.proxy_digest.as_ref()?.user_data.as_ref()?.downcast_ref::<Arc<Watch>>().cloned()
    }

    /// Begins the turn of a request.
    pub fn begin(self: &Arc<Self>, limits: Limits, wanted: Wanted, now: Instant) -> Turn {
        let mut state = self.0.lock();
        state.turn += 1;
        state.clock = Clock::begin(limits, now);
        state.expired = None;
        state.io.begin(wanted);
        Turn { watch: Arc::clone(self), number: state.turn }
    }

    /// Takes the connection away, and what has been read from it: Pingora reads nothing from it any more.
    pub fn detach(&self) -> Option<(Stream, BytesMut)> {
        self.0.lock().io.detach()
    }
}

impl Turn {
    /// Says how far the request has come; its time begins anew.
    pub fn enter(&self, phase: Phase, now: Instant) {
        let mut state = self.watch.0.lock();
        if state.turn == self.number {
            state.clock.enter(phase, now);
        }
    }

    /// Whether it is the first one on its connection.
    pub fn is_first(&self) -> bool {
        self.number == 1
    }

    /// Whether any byte of an answer has come.
    pub fn has_received(&self) -> bool {
        self.watch.0.lock().io.received() > 0
    }

    /// The limit that has passed.
    pub fn expired(&self) -> Option<Expired> {
        self.watch.0.lock().expired
    }

    /// Takes the connection away, and what has been read from it, and with it all limits.
    pub fn detach(&self) -> Option<(Stream, BytesMut)> {
        self.watch.detach()
    }

    /// The body of the answer, if Pingora does not see it.
    pub fn hidden_body(&self) -> Option<Body> {
        self.watch.0.lock().io.hidden_body()
    }

    /// Reads the hidden body, within the limits.
    pub fn poll_body(&self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.watch.0.lock().poll_watched(context, buffer, |io, context, buffer, _| io.poll_body(context, buffer))
    }

    /// An error once a limit has passed, for one who does not read at the moment.
    pub fn poll_limits(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.watch.0.lock().poll_limits(context)
    }

    /// The hidden body is over.
    pub fn end_body(&self, behind: &[u8]) {
        self.watch.0.lock().io.end_body(behind);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.watch.0.lock();
        // The connection may be with the next request already.
        if state.turn == self.number {
            state.clock = Clock::default();
        }
    }
}

// === impl IO for Watched ===

impl AsyncRead for Watched {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.watch.0.lock().poll_watched(context, buffer, ServerIo::poll_read)
    }
}

impl State {
    /// Reads, takes note of it, and fails once a limit has passed.
    fn poll_watched(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
        read: impl FnOnce(&mut ServerIo, &mut Context<'_>, &mut ReadBuf<'_>, bool) -> Poll<io::Result<()>>,
    ) -> Poll<io::Result<()>> {
        let received = self.io.received();
        let read = read(&mut self.io, context, buffer, self.clock.is_sent());
        if self.io.received() > received {
            self.clock.touch();
        }
        if read.is_pending() { self.poll_limits(context) } else { read }
    }

    /// An error once a limit has passed; until then, a wake-up for when it does.
    fn poll_limits(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let Some((due, limit)) = self.clock.due() else { return Poll::Pending };
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
            // A timer that fires too early finds the later limit then.
            if timer.is_elapsed() || timer.deadline() > due {
                timer.as_mut().reset(due);
            }
            ready!(timer.as_mut().poll(context));
            if due <= Instant::now() {
                self.expired = Some(limit);
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
    }

    /// Takes note of a write, and tells how it went.
    fn poll_write(
        &mut self,
        write: impl FnOnce(Pin<&mut Stream>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let Some(stream) = &mut self.io.stream else { return Poll::Ready(Err(io::ErrorKind::NotConnected.into())) };
        let written = write(Pin::new(stream));
        self.clock.wrote(&written);
        written
    }
}

impl AsyncWrite for Watched {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.watch.0.lock().poll_write(|stream| stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.watch.0.lock().poll_write(|stream| stream.poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.watch.0.lock().io.stream.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.watch.0.lock().io.stream {
            Some(stream) => Pin::new(stream).poll_flush(context),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.watch.0.lock().io.stream {
            Some(stream) => Pin::new(stream).poll_shutdown(context),
            None => Poll::Ready(Ok(())),
        }
    }
}

#[async_trait]
impl Shutdown for Watched {
    async fn shutdown(&mut self) {
        // Not under the lock: closing a TLS connection waits for the other side.
        if let Some((mut stream, _)) = self.watch.detach() {
            stream.shutdown().await;
        }
    }
}

impl UniqueID for Watched {
    fn id(&self) -> UniqueIDType {
        self.id
    }
}

impl Ssl for Watched {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.watch.0.lock().io.stream.as_ref()?.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.watch.0.lock().io.stream.as_ref()?.selected_alpn_proto()
    }
}

impl GetTimingDigest for Watched {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        // Nobody reads it.
        Vec::new()
    }
}

impl GetProxyDigest for Watched {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        Some(Arc::clone(&self.digest))
    }
}

impl GetSocketDigest for Watched {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.watch.0.lock().io.stream.as_ref()?.get_socket_digest()
    }
}

impl Peek for Watched {}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watched({:?})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
        time::{sleep, timeout},
    };

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const LIMITS: Limits = Limits {
        first_byte: Duration::from_mins(15),
        silence: Duration::from_mins(15),
        end: None,
        client_silence: Duration::from_mins(1),
        body_rate: Some(100),
    };

    /// A connection on which a request is being sent, and its server.
    fn sending(limits: Limits, buffer: usize) -> (Watched, Turn, DuplexStream) {
        let (edge, server) = duplex(buffer);
        let watched = Watched::new(Box::new(edge), None).unwrap();
        let turn = watched.watch.begin(limits, Wanted::Any, Instant::now());
        (watched, turn, server)
    }

    /// Sends so many bytes a second and says after how many seconds it was cut off.
    async fn cut_off_after(rate: usize, most: u64) -> Option<u64> {
        let (mut watched, turn, _server) = sending(LIMITS, 1024 * 1024);
        for second in 0..most {
            watched.write_all(&vec![b'x'; rate]).await.unwrap();
            // As Pingora does while it sends.
            let read = timeout(SECOND, watched.read(&mut [0])).await;
            if read.is_ok() {
                assert_eq!(turn.expired(), Some(Expired::Body));
                return Some(second + 1);
            }
        }
        None
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_comes_too_slowly_is_cut_off_after_its_grace() {
        assert_eq!(cut_off_after(1, 100).await, Some(20));
        assert_eq!(cut_off_after(50, 100).await, Some(39));
        assert_eq!(cut_off_after(101, 1000).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_falls_silent_is_cut_off() {
        let (mut watched, turn, _server) = sending(Limits { body_rate: None, ..LIMITS }, 1024);
        watched.write_all(b"x").await.unwrap();
        let begin = Instant::now();
        assert!(watched.read(&mut [0]).await.is_err());
        assert_eq!((begin.elapsed().as_secs(), turn.expired()), (60, Some(Expired::Body)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_takes_nothing_is_not_held_against_the_client() {
        let (mut watched, turn, mut server) = sending(LIMITS, 16);
        watched.write_all(&[b'x'; 16]).await.unwrap();
        assert!(timeout(SECOND, watched.write_all(b"x")).await.is_err());
        // Longer than any limit of the client's.
        assert!(timeout(200 * SECOND, watched.read(&mut [0])).await.is_err());
        server.read_exact(&mut [0; 16]).await.unwrap();
        watched.write_all(b"x").await.unwrap();
        assert!(timeout(10 * SECOND, watched.read(&mut [0])).await.is_err());
        assert_eq!(turn.expired(), None);
        sleep(SECOND).await;
    }
}
