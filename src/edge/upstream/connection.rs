//! A connection to a server of HTTP/1.1.

use std::{
    io,
    mem::MaybeUninit,
    os::fd::AsRawFd,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use pingora::protocols::l4::ext::get_tcp_info;
use socket2::SockRef;
#[cfg(fuzzing)]
use tokio::io::DuplexStream;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    task::unconstrained,
};
use tokio_rustls::client::TlsStream;

use super::clock::Timer;
use crate::fleet::Era;

/// A connection to a server, between exchanges or with one on it.
pub(in crate::edge) struct Connection {
    pub(in crate::edge) stream: ServerStream,
    /// Is still to be written to it, from a place on.
    unsent: Vec<u8>,
    sent: usize,
    /// Whether it has carried an exchange before this one.
    pub(super) is_reused: bool,
    /// Whether its server has been down since it was made.
    pub(super) era: Era,
    /// For how long its server keeps it without a request, if it says so.
    pub(super) kept_for: Option<Duration>,
    /// The alarm of the exchange's clock.
    pub(super) timer: Timer,
}

/// What HTTP is spoken on.
pub(in crate::edge) enum ServerStream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    #[cfg(fuzzing)]
    Memory(DuplexStream),
}

/// So much of a request is held for a server that does not take it.
const MOST_UNSENT: usize = 16 * 1024;

impl Connection {
    pub fn new(stream: ServerStream) -> Self {
        let (unsent, sent, is_reused, timer) = (Vec::new(), 0, false, Timer::default());
        Connection { stream, unsent, sent, is_reused, era: Era::default(), kept_for: None, timer }
    }

    /// Whether it can carry another exchange, while it rests: a server that says something now closes it, or has gone
    /// mad.
    pub fn lives(&mut self) -> bool {
        let stream = &mut self.stream;
        let look =
            std::future::poll_fn(|context| Pin::new(&mut *stream).poll_read(context, &mut ReadBuf::new(&mut [0])));
        // A task that has done a lot would be told to wait, whatever there is to read.
        let mut look = unconstrained(look);
        Pin::new(&mut look).poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    /// Whether the system knows that its end has come, or of words that nobody asked for. What the runtime knows may be
    /// older than that, by all that its thread has done since.
    pub fn has_ended(&self) -> bool {
        let Some(stream) = self.stream.tcp() else { return false };
        match SockRef::from(stream).peek(&mut [MaybeUninit::uninit()]) {
            // Between exchanges TLS may have something to say for itself.
            Ok(read) => read == 0 || matches!(self.stream, ServerStream::Plain(_)),
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }

    /// Has the current runtime watch it, as far as it can be moved: else the worker that has dialled it would be woken
    /// for whatever comes.
    pub fn watched_here(self) -> io::Result<Self> {
        let stream = match self.stream {
            ServerStream::Plain(stream) => ServerStream::Plain(TcpStream::from_std(stream.into_std()?)?),
            tls @ ServerStream::Tls(_) => tls,
            #[cfg(fuzzing)]
            memory @ ServerStream::Memory(_) => memory,
        };
        Ok(Connection { stream, timer: Timer::default(), ..self })
    }

    /// Keeps no memory for the time of waiting.
    pub fn rest(&mut self) {
        (self.unsent, self.sent) = (Vec::new(), 0);
        self.is_reused = true;
    }

    pub fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }

    /// What goes with the next [`poll_send`](Self::poll_send).
    pub fn unsent(&mut self) -> &mut Vec<u8> {
        &mut self.unsent
    }

    /// Whether it takes more of a request.
    pub fn has_room(&self) -> bool {
        self.unsent.len() < MOST_UNSENT
    }

    /// Takes a piece of a request. One that is not small is sent at once, as far as it goes.
    pub fn pass(&mut self, context: &mut Context<'_>, mut piece: &[u8], taken: &mut usize) -> io::Result<()> {
        if self.unsent.len() + piece.len() >= MOST_UNSENT && self.poll_send(context, taken)?.is_ready() {
            while !piece.is_empty() {
                match Pin::new(&mut self.stream).poll_write(context, piece)? {
                    Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Poll::Ready(written) => {
                        *taken += written;
                        piece = &piece[written..];
                    }
                    Poll::Pending => break,
                }
            }
        }
        self.unsent.extend_from_slice(piece);
        Ok(())
    }

    /// Sends what there is, and counts what is taken of it.
    pub fn poll_send(&mut self, context: &mut Context<'_>, taken: &mut usize) -> Poll<io::Result<()>> {
        while self.sent < self.unsent.len() {
            match ready!(Pin::new(&mut self.stream).poll_write(context, &self.unsent[self.sent..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => {
                    self.sent += written;
                    *taken += written;
                }
            }
        }
        self.unsent.clear();
        self.sent = 0;
        match &mut self.stream {
            stream @ ServerStream::Tls(_) => Pin::new(stream).poll_flush(context),
            _ => Poll::Ready(Ok(())),
        }
    }
}

impl ServerStream {
    /// Its connection of TCP, below TLS or not.
    #[cfg_attr(not(fuzzing), allow(clippy::unnecessary_wraps, reason = "a stream in memory has none"))]
    fn tcp(&self) -> Option<&TcpStream> {
        match self {
            ServerStream::Plain(stream) => Some(stream),
            ServerStream::Tls(stream) => Some(stream.get_ref().0),
            #[cfg(fuzzing)]
            ServerStream::Memory(_) => None,
        }
    }

    /// Whether the other end has taken all that was sent to it, as far as TCP tells: what comes to a connection that it
    /// has closed already is answered with a reset, and never acknowledged.
    pub fn has_taken_all(&self) -> bool {
        // As Linux numbers the states of RFC 9293 section 3.3.2.
        const CLOSED: u8 = 7;
        let Some(stream) = self.tcp() else { return true };
        let info = get_tcp_info(stream.as_raw_fd());
        info.is_ok_and(|info| info.tcpi_state != CLOSED && info.tcpi_unacked == 0)
    }
}

/// Hands the methods of a stream on to the stream inside.
macro_rules! each {
    ($stream:expr, $method:ident, $($argument:expr),*) => {
        match $stream.get_mut() {
            ServerStream::Plain(stream) => Pin::new(stream).$method($($argument),*),
            ServerStream::Tls(stream) => Pin::new(stream).$method($($argument),*),
            #[cfg(fuzzing)]
            ServerStream::Memory(stream) => Pin::new(stream).$method($($argument),*),
        }
    };
}

impl AsyncRead for ServerStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(self, poll_read, context, buffer)
    }
}

impl AsyncWrite for ServerStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        each!(self, poll_write, context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, poll_flush, context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, poll_shutdown, context)
    }
}
