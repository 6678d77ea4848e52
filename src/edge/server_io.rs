//! How bytes pass between the connection of a server and Pingora: the head of an answer, and not a byte beyond it
//! where what follows is not for Pingora.
//!
//! Pingora would carry each piece of a body through buffers of its own, 64 KiB for each stream, and through channels
//! between its tasks. So it is shown an answer without a body, and [`super::relay`] takes the body to the client.

use std::{
    future::{Future, poll_fn},
    io,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use bytes::{Buf, BytesMut};
use pingora::protocols::Stream;
use tokio::{
    io::{AsyncRead, ReadBuf},
    task::unconstrained,
};

use super::socket::poll_piece;
use crate::framing::{self, Body, Follows};

/// A connection and what has come through it.
#[derive(Default)]
pub(super) struct ServerIo {
    /// Until it is detached.
    pub stream: Option<Stream>,
    /// Read, and not taken yet.
    unread: BytesMut,
    reading: Reading,
    /// Pingora may read so much of `unread`: the rest of a head.
    shown: usize,
    wanted: Wanted,
    /// Since the request began.
    received: u64,
}

/// What the client of a request can do with its answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Take what Pingora makes of it.
    #[default]
    Any,
    /// Take a body as it comes from the server.
    Body,
    /// Speak the protocol of WebSockets after a 101.
    Websocket,
}

/// Who reads what comes next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Reading {
    /// Nobody, until a head is whole, of which the end has been searched for up to a place.
    Head { searched: usize },
    /// Pingora.
    #[default]
    All,
    /// Whoever relays the body.
    Body(Body),
    /// Nobody: it was relayed to its end. Whether Pingora has asked if the connection can be kept.
    Over { is_asked: bool },
    /// Whoever takes the connection away.
    Protocol,
}

/// A head that is longer is Pingora's to judge.
const LONGEST_HEAD: usize = 64 * 1024;

impl ServerIo {
    pub fn new(stream: Stream) -> Self {
        ServerIo { stream: Some(stream), ..ServerIo::default() }
    }

    /// A request begins.
    pub fn begin(&mut self, wanted: Wanted) {
        if !self.unread.is_empty() {
            // What has come unasked is nobody's answer, and neither is what follows it.
            *self = ServerIo::default();
        }
        let reading = if wanted == Wanted::Any { Reading::All } else { Reading::Head { searched: 0 } };
        *self = ServerIo { reading, wanted, shown: 0, received: 0, ..std::mem::take(self) };
    }

    /// Bytes that have come since the request began.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// The body that Pingora does not see.
    pub fn hidden_body(&self) -> Option<Body> {
        match self.reading {
            Reading::Body(body) => Some(body),
            _ => None,
        }
    }

    /// Takes the connection away, and what has been read from it.
    pub fn detach(&mut self) -> Option<(Stream, BytesMut)> {
        Some((self.stream.take()?, std::mem::take(&mut self.unread)))
    }

    /// Reads for Pingora. Whether the request has been sent whole decides if its answer's body can be hidden: until
    /// then Pingora has more to do than to wait for it.
    pub fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
        is_sent: bool,
    ) -> Poll<io::Result<()>> {
        loop {
            if self.shown > 0 {
                let taken = self.take(buffer, self.shown);
                self.shown -= taken;
                return Poll::Ready(Ok(()));
            }
            match self.reading {
                Reading::Head { searched } => ready!(self.poll_head(context, searched, is_sent))?,
                Reading::All => return self.poll_body(context, buffer),
                Reading::Protocol => return Poll::Pending,
                Reading::Body(_) => return Poll::Ready(Err(io::Error::other("a hidden body is read by Pingora"))),
                Reading::Over { .. } => {
                    // The end of the connection, for Pingora, which keeps none of those: they rest in `idle`.
                    self.reading = Reading::Over { is_asked: true };
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }

    /// Reads what is not hidden, or what is.
    pub fn poll_body(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.unread.is_empty() {
            self.take(buffer, usize::MAX);
            return Poll::Ready(Ok(()));
        }
        let Some(stream) = &mut self.stream else { return Poll::Pending };
        let before = buffer.filled().len();
        ready!(Pin::new(stream).poll_read(context, buffer))?;
        self.received += (buffer.filled().len() - before) as u64;
        Poll::Ready(Ok(()))
    }

    /// The hidden body is over. There should be nothing behind it, or Pingora is to find that out.
    pub fn end_body(&mut self, behind: &[u8]) {
        if behind.is_empty() && self.unread.is_empty() {
            self.reading = Reading::Over { is_asked: false };
        } else {
            self.unread = [behind, &self.unread].concat().as_slice().into();
            self.reading = Reading::All;
        }
    }

    /// Whether the next request can come on this connection, as far as Pingora is concerned.
    pub fn can_rest(&self) -> bool {
        self.reading == Reading::Over { is_asked: true } && self.stream.is_some()
    }

    /// Whether a connection that rests is as it was: a server that says something now closes it, or has gone mad.
    pub fn lives(&mut self) -> bool {
        let Some(stream) = &mut self.stream else { return false };
        // A task that has done a lot would be told to wait, whatever there is to read.
        let mut read =
            unconstrained(poll_fn(|context| Pin::new(&mut *stream).poll_read(context, &mut ReadBuf::new(&mut [0]))));
        Pin::new(&mut read).poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    /// Moves what has been read to a buffer, so much at most.
    fn take(&mut self, buffer: &mut ReadBuf<'_>, most: usize) -> usize {
        let taken = most.min(self.unread.len()).min(buffer.remaining());
        buffer.put_slice(&self.unread[..taken]);
        self.unread.advance(taken);
        if self.unread.is_empty() {
            // A connection that waits keeps no memory.
            self.unread = BytesMut::new();
        }
        taken
    }

    /// Reads on in a head, until it is known who is to read it.
    fn poll_head(&mut self, context: &mut Context<'_>, searched: usize, is_sent: bool) -> Poll<io::Result<()>> {
        let mut searched = searched;
        if let Some(end) = framing::end_of_head(&self.unread, &mut searched) {
            self.show(end, is_sent);
            return Poll::Ready(Ok(()));
        }
        if self.unread.len() > LONGEST_HEAD && self.wanted == Wanted::Websocket {
            // Pingora might read beyond it.
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "the head of the answer is too long")));
        }
        let is_http = self.unread.iter().zip(b"HTTP/1.").all(|(read, expected)| read == expected);
        if !is_http || self.unread.len() > LONGEST_HEAD {
            self.reading = Reading::All;
            return Poll::Ready(Ok(()));
        }
        let is_over = ready!(self.poll_fill(context))? == 0;
        self.reading = if is_over { Reading::All } else { Reading::Head { searched } };
        Poll::Ready(Ok(()))
    }

    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(stream) = &mut self.stream else { return Poll::Pending };
        let read = ready!(poll_piece(stream, context, &mut self.unread))?;
        self.received += read as u64;
        Poll::Ready(Ok(read))
    }

    /// Shows Pingora a head, and settles who reads what follows.
    fn show(&mut self, end: usize, is_sent: bool) {
        self.shown = end;
        let head = &mut self.unread[..end];
        self.reading = match framing::follows(head) {
            Follows::Head => {
                // Pingora may write it only after it has asked for the next one: a body would overtake it.
                self.wanted = if self.wanted == Wanted::Body { Wanted::Any } else { self.wanted };
                Reading::Head { searched: 0 }
            }
            Follows::Protocol if self.wanted == Wanted::Websocket => Reading::Protocol,
            Follows::Body if self.wanted == Wanted::Body && is_sent => {
                framing::hide_body(head).map_or(Reading::All, Reading::Body)
            }
            Follows::Body | Follows::Protocol => Reading::All,
        };
    }
}
