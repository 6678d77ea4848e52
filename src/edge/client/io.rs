//! What is on its way through the connection of a client: no more of it is read than belongs to the request, and a
//! client that reads nothing is not waited for for ever.

use std::{
    io,
    mem::{self, MaybeUninit},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    reading::Reading,
    resets::Resets,
    session::After,
    socket::{PIECE, Transport, poll_piece},
    write_limit::WriteLimit,
};
use crate::framing::{Body, Frames, Rest};

/// A connection and what is on its way through it.
pub(in crate::edge) struct Io {
    /// Until it is detached.
    transport: Option<WriteLimit>,
    /// Read, and not for Pingora yet.
    unread: BytesMut,
    /// Written by Pingora, from a place on.
    unsent: Vec<u8>,
    sent: usize,
    reading: Reading,
    /// The client has been told, in good order, that there is no more to come.
    is_closing: bool,
    /// The client will send no more, or is gone.
    has_ended: bool,
    /// The end of the connection is the end of the response.
    ends_response: bool,
    /// The edge has written the response by itself. What Pingora writes or asks after that is not for the client.
    answered: Option<After>,
}

/// A connection that is out of Pingora's hands.
pub(in crate::edge) struct Detached {
    pub transport: WriteLimit,
    /// Has been read from it.
    pub unread: BytesMut,
    /// Is still to be written to it.
    pub unsent: Vec<u8>,
}

/// Room for a whole discovery answer in one write to the socket.
const MOST_UNSENT: usize = 16 * 1024;
/// So much is listened to after the last word.
const MOST_HEARD: usize = 64 * 1024 * 1024;
/// So much is read ahead of the requests that come next.
const MOST_AHEAD: usize = 64 * 1024;

impl Io {
    pub fn new(transport: Transport, most_stalled: Duration) -> Self {
        Io {
            transport: Some(WriteLimit::new(transport, most_stalled)),
            unread: BytesMut::new(),
            unsent: Vec::new(),
            sent: 0,
            reading: Reading::NOTHING,
            is_closing: false,
            has_ended: false,
            ends_response: false,
            answered: None,
        }
    }

    /// What has been read and is not taken yet.
    pub fn unread(&mut self) -> &mut BytesMut {
        &mut self.unread
    }

    /// Keeps no memory for the time of waiting.
    pub fn rest(&mut self) {
        if self.unread.is_empty() {
            self.unread = BytesMut::new();
        }
        if self.sent == self.unsent.len() {
            self.unsent = Vec::new();
            self.sent = 0;
        }
    }

    /// Takes the head of a request, whose body Pingora may read.
    pub fn begin(&mut self, head: usize, body: Body, most_stalled: Duration) -> BytesMut {
        if let Some(transport) = &mut self.transport {
            transport.wait_at_most(most_stalled);
        }
        self.reading = Reading::Body(Rest::of_request(body));
        self.unread.split_to(head)
    }

    /// From now on it is HTTP/2.
    pub fn begin_http2(&mut self, resets: Arc<Resets>) {
        self.reading = Reading::Frames { received: Frames::of_client(), sent: Frames::of_server(), resets };
    }

    /// Whether all of the request's body has been read.
    pub fn has_read_body(&self) -> bool {
        self.reading.is_over()
    }

    /// Takes note that the end of the connection is that of the response. Until there is no more to come, any other end is
    /// a reset: what is cut must not pass for a whole response.
    pub fn end_with_response(&mut self) {
        self.ends_response = true;
        if let Some(transport) = &self.transport {
            transport.reset_when_closed(true);
        }
    }

    /// Takes note that the client has been sent its whole response without Pingora.
    pub fn end_response(&mut self, after: After) {
        self.answered = Some(after);
    }

    /// Ends the request: what becomes of the connection, if the edge has written the response by itself.
    pub fn end_request(&mut self) -> Option<After> {
        self.answered.take()
    }

    /// Whether the client is to be listened to before the connection is closed, so many bytes having been heard since.
    /// Closing a connection with unread bytes resets it, and what was written last may be lost on its way (RFC 9112
    /// section 9.6). A response that broke off is not closed in good order: it must not pass for a whole one.
    pub fn lingers(&mut self, heard: usize) -> bool {
        self.unread.clear();
        self.is_closing && !self.has_ended && heard < MOST_HEARD
    }

    /// Takes the connection away, with what is on its way.
    pub fn detach(&mut self) -> Option<Detached> {
        let transport = self.transport.take()?;
        let (unread, sent) = (mem::take(&mut self.unread), mem::take(&mut self.sent));
        Some(Detached { transport, unread, unsent: mem::take(&mut self.unsent).split_off(sent) })
    }

    /// Sends what can be sent without waiting.
    pub fn send_what_goes(&mut self) {
        let mut context = Context::from_waker(Waker::noop());
        while let (Some(transport), Some(rest @ [_, ..])) = (&mut self.transport, self.unsent.get(self.sent..)) {
            match transport.write_now(&mut context, rest) {
                Poll::Ready(Ok(written @ 1..)) => self.sent += written,
                _ => return,
            }
        }
        if let Some(transport) = &mut self.transport {
            let _as_far_as_it_goes = transport.flush_now(&mut context);
        }
    }

    /// Reads a piece into `unread`; 0 at the end.
    pub fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(transport) = &mut self.transport else { return Poll::Pending };
        let read = match ready!(poll_piece(transport, context, &mut self.unread)) {
            // TLS that ends without saying so.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
            read => read,
        };
        self.has_ended |= !matches!(read, Ok(1..));
        Poll::Ready(read)
    }

    pub fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.answered.is_some() {
            // The end, for one who looks for the rest of a body.
            return Poll::Ready(Ok(()));
        }
        if self.reading.is_over() {
            return self.poll_gone(context);
        }
        let most = match &self.reading {
            Reading::Body(rest) => buffer.remaining().min(rest.most()),
            Reading::Frames { .. } => buffer.remaining(),
        };
        let before = buffer.filled().len();
        ready!(self.poll_some(context, buffer, most))?;
        let read = &buffer.filled()[before..];
        let ours = match &mut self.reading {
            Reading::Body(rest) => {
                let (ours, _) = rest.follow(read).map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why))?;
                ours
            }
            Reading::Frames { received, resets, .. } => {
                received.follow(read, |stream, told| resets.told_of_client(stream, told));
                read.len()
            }
        };
        if ours < read.len() {
            let rest = BytesMut::from(&read[ours..]);
            let behind = mem::replace(&mut self.unread, rest);
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

    /// Whether so much has been read ahead that the client is not heard any more.
    pub fn is_full(&self) -> bool {
        self.unread.len() >= MOST_AHEAD
    }

    /// The request has been read: all that may be heard is that the client has gone.
    pub fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.reading.is_over() && self.unread.len() < MOST_AHEAD {
            if ready!(self.poll_fill(context))? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
        Poll::Pending
    }

    pub fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.answered.is_some() {
            return Poll::Ready(Ok(bytes.len()));
        }
        if self.unsent.len() + bytes.len() > MOST_UNSENT {
            ready!(self.poll_send(context))?;
        }
        let written = if bytes.len() < MOST_UNSENT {
            self.unsent.extend_from_slice(bytes);
            bytes.len()
        } else {
            let Some(transport) = &mut self.transport else { return Poll::Ready(Err(detached())) };
            let written = Pin::new(transport).poll_write(context, bytes);
            ready!(self.told(written))?
        };
        if let Reading::Frames { sent, resets, .. } = &mut self.reading {
            sent.follow(&bytes[..written], |_, told| resets.told_of_edge(told));
        }
        Poll::Ready(Ok(written))
    }

    /// Reads on in the body of the request, and hands its data on piece by piece. 0 at its end; as an error, when the
    /// client ends before it.
    pub fn poll_body(
        &mut self,
        context: &mut Context<'_>,
        mut take: impl FnMut(&mut Context<'_>, &[u8]) -> io::Result<()>,
    ) -> Poll<io::Result<usize>> {
        let Reading::Body(rest) = &mut self.reading else { return Poll::Ready(Ok(0)) };
        while !rest.is_over() {
            let mut piece = [const { MaybeUninit::uninit() }; PIECE];
            let mut piece = ReadBuf::uninit(&mut piece);
            let ahead = mem::take(&mut self.unread);
            let mut bytes = &ahead[..];
            if bytes.is_empty() {
                let Some(transport) = &mut self.transport else { return Poll::Pending };
                ready!(Pin::new(transport).poll_read(context, &mut piece))?;
                bytes = piece.filled();
            }
            if bytes.is_empty() {
                self.has_ended = true;
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            let mut data = 0;
            while !bytes.is_empty() && !rest.is_over() {
                let next = rest.next(bytes);
                let (used, of_data) = next.map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why))?;
                if of_data > 0 {
                    take(context, &bytes[used - of_data..used])?;
                    data += of_data;
                }
                bytes = &bytes[used..];
            }
            if !bytes.is_empty() {
                self.unread = BytesMut::from(bytes);
            }
            if data > 0 {
                return Poll::Ready(Ok(data));
            }
        }
        Poll::Ready(Ok(0))
    }

    /// Whether the client has hung up, as far as that can be seen without reading.
    pub fn has_hung_up(&self) -> bool {
        self.transport.as_ref().is_some_and(WriteLimit::has_hung_up)
    }

    /// Whether the other end has reset the connection.
    pub fn is_reset(&self) -> bool {
        self.transport.as_ref().is_some_and(WriteLimit::is_reset)
    }

    /// Takes a response, which goes with the next flush.
    pub fn put(&mut self, answer: &[&[u8]]) {
        self.unsent.reserve_exact(answer.iter().map(|part| part.len()).sum());
        for part in answer {
            self.unsent.extend_from_slice(part);
        }
    }

    /// What goes with the next flush.
    pub fn unsent(&mut self) -> &mut Vec<u8> {
        &mut self.unsent
    }

    /// Waits until there is room for a piece of a response.
    pub fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.unsent.len() < MOST_UNSENT { Poll::Ready(Ok(())) } else { self.poll_send(context) }
    }

    /// Takes a piece of a response. One that is not small is sent at once, as far as it goes.
    pub fn pass(&mut self, context: &mut Context<'_>, mut piece: &[u8]) -> io::Result<()> {
        if self.unsent.len() + piece.len() >= MOST_UNSENT && self.poll_send(context)?.is_ready() {
            while let (Some(transport), [_, ..]) = (&mut self.transport, piece) {
                match Pin::new(transport).poll_write(context, piece)? {
                    Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Poll::Ready(written) => piece = &piece[written..],
                    Poll::Pending => break,
                }
            }
        }
        self.unsent.extend_from_slice(piece);
        Ok(())
    }

    /// Takes note of how a write went.
    fn told<T>(&mut self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Reading::Frames { resets, .. } = &self.reading {
            resets.stall(written.is_pending());
        }
        self.has_ended |= matches!(written, Poll::Ready(Err(_)));
        written
    }

    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.unsent.len() {
            let Some(transport) = &mut self.transport else { return Poll::Ready(Err(detached())) };
            let written = Pin::new(transport).poll_write(context, &self.unsent[self.sent..]);
            match ready!(self.told(written))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.sent += written,
            }
        }
        self.unsent.clear();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }

    pub fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(context))?;
        let Some(transport) = &mut self.transport else { return Poll::Ready(Ok(())) };
        let flushed = Pin::new(transport).poll_flush(context);
        self.told(flushed)
    }

    pub fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.answered.is_some() {
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_flush(context))?;
        let Some(transport) = &mut self.transport else { return Poll::Ready(Ok(())) };
        self.is_closing = true;
        if mem::take(&mut self.ends_response) {
            transport.reset_when_closed(false);
        }
        let closed = Pin::new(transport).poll_shutdown(context);
        self.told(closed)
    }
}

fn detached() -> io::Error {
    io::ErrorKind::NotConnected.into()
}
