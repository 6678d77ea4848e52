//! A client's connection that is cut off when the client reads nothing for too long.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use super::socket::Transport;

/// A connection whose writes fail with [`io::ErrorKind::TimedOut`] once one has waited for too long.
pub(in crate::edge) struct WriteLimit {
    transport: Transport,
    most: Duration,
    /// Runs while the client reads nothing.
    timer: Option<Pin<Box<Sleep>>>,
}

impl WriteLimit {
    pub fn new(transport: Transport, most: Duration) -> Self {
        WriteLimit { transport, most, timer: None }
    }

    /// From now on, so long is too long.
    pub fn wait_at_most(&mut self, most: Duration) {
        self.most = most;
    }

    fn unless_stalled<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.timer = None;
            return written;
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(self.most)));
        ready!(timer.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// As of the transport.
    pub fn reset_when_closed(&self, is_reset: bool) {
        self.transport.reset_when_closed(is_reset);
    }

    /// Whether the other end has hung up, as far as that can be seen without reading.
    pub fn has_hung_up(&self) -> bool {
        self.transport.socket().has_hung_up()
    }

    /// Whether the other end has reset the connection.
    pub fn is_reset(&self) -> bool {
        self.transport.socket().is_reset()
    }

    /// Writes without waiting, outside of any runtime.
    pub fn write_now(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.transport).poll_write(context, bytes)
    }

    /// The same for what is below it.
    pub fn flush_now(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_flush(context)
    }
}

impl AsyncRead for WriteLimit {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_read(context, buffer)
    }
}

impl AsyncWrite for WriteLimit {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.transport).poll_write(context, bytes);
        self.unless_stalled(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.transport).poll_flush(context);
        self.unless_stalled(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.transport).poll_shutdown(context);
        self.unless_stalled(context, closed)
    }
}
