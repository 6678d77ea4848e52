//! The connection of a client, below HTTP: a socket, perhaps with TLS on it.

use std::{
    io,
    mem::MaybeUninit,
    os::fd::{AsRawFd, RawFd},
    pin::{Pin, pin},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::BytesMut;
use rustix::net::{RecvFlags, recv};
use socket2::SockRef;
#[cfg(fuzzing)]
use tokio::io::DuplexStream;
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::server::TlsStream;

/// A socket that a client has connected to.
pub enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
    #[cfg(fuzzing)]
    Memory(DuplexStream),
}

/// What HTTP is spoken on.
pub enum Transport {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Socket::Tcp(stream) => stream.as_raw_fd(),
            Socket::Unix(stream) => stream.as_raw_fd(),
            #[cfg(fuzzing)]
            Socket::Memory(_) => -1,
        }
    }
}

impl Socket {
    /// Whether the other end has said that it sends no more: the system hears of that while nobody reads.
    pub fn has_hung_up(&self) -> bool {
        self.is_ready(Interest::READABLE, Ready::is_read_closed)
    }

    /// Whether the other end has reset the connection, of which the system hears as well.
    pub fn is_reset(&self) -> bool {
        self.is_ready(Interest::WRITABLE, Ready::is_write_closed)
    }

    /// Waits for what comes, and shows as much of it as there is room for without taking it; 0 at the end.
    pub async fn peek(&self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.peek(room).await,
            Socket::Unix(stream) => {
                let peek = || Ok(recv(stream, &mut *room, RecvFlags::PEEK)?.0);
                stream.async_io(Interest::READABLE, peek).await
            }
            #[cfg(fuzzing)]
            Socket::Memory(_) => Ok(0),
        }
    }

    fn is_ready(&self, interest: Interest, wanted: fn(Ready) -> bool) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        let ready = match self {
            Socket::Tcp(stream) => pin!(stream.ready(interest)).poll(&mut context),
            Socket::Unix(stream) => pin!(stream.ready(interest)).poll(&mut context),
            #[cfg(fuzzing)]
            Socket::Memory(_) => return false,
        };
        match ready {
            Poll::Ready(Ok(ready)) => wanted(ready),
            Poll::Ready(Err(_)) => true,
            Poll::Pending => false,
        }
    }
}

impl Transport {
    /// Says whether the connection is reset when it is closed, by whatever: the end of the edge, too. As far as that goes,
    /// which is not so of a Unix socket.
    pub fn reset_when_closed(&self, is_reset: bool) {
        if let Socket::Tcp(stream) = self.socket() {
            // It fails when the client is gone.
            let _told = SockRef::from(stream).set_linger(is_reset.then_some(Duration::ZERO));
        }
    }

    pub fn socket(&self) -> &Socket {
        match self {
            Transport::Plain(socket) => socket,
            Transport::Tls(stream) => stream.get_ref().0,
        }
    }
}

/// A piece that is read at once: the head of nearly every request and answer is smaller.
pub(in crate::edge) const PIECE: usize = 16 * 1024;

/// Reads a piece onto what has been read; 0 at the end.
pub(in crate::edge) fn poll_piece(
    stream: &mut (impl AsyncRead + Unpin),
    context: &mut Context<'_>,
    onto: &mut BytesMut,
) -> Poll<io::Result<usize>> {
    // On the stack: a connection that waits keeps no memory for what may come.
    let mut piece = [const { MaybeUninit::uninit() }; PIECE];
    let mut piece = ReadBuf::uninit(&mut piece);
    ready!(Pin::new(stream).poll_read(context, &mut piece))?;
    onto.extend_from_slice(piece.filled());
    Poll::Ready(Ok(piece.filled().len()))
}

/// Hands the methods of a stream on to the stream inside.
macro_rules! stream {
    ($type:ident { $($(#[$condition:meta])? $variant:ident),* }) => {
        impl AsyncRead for $type {
            fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
                match self.get_mut() { $($(#[$condition])? $type::$variant(stream) => Pin::new(stream).poll_read(context, buffer)),* }
            }
        }

        impl AsyncWrite for $type {
            fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
                match self.get_mut() { $($(#[$condition])? $type::$variant(stream) => Pin::new(stream).poll_write(context, bytes)),* }
            }

            fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                match self.get_mut() { $($(#[$condition])? $type::$variant(stream) => Pin::new(stream).poll_flush(context)),* }
            }

            fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                match self.get_mut() { $($(#[$condition])? $type::$variant(stream) => Pin::new(stream).poll_shutdown(context)),* }
            }
        }
    };
}

stream!(Socket {
    Tcp,
    Unix,
    #[cfg(fuzzing)]
    Memory
});
stream!(Transport { Plain, Tls });
