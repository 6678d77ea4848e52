//! One direction of a tunnel.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::edge::client::PIECE;

/// What goes from one side to the other. While nothing is held up, it keeps no memory.
pub(super) struct Flow {
    /// Has been read, and is not written yet.
    held: BytesMut,
    /// The one side has said all.
    is_over: bool,
    /// The other one has been told so.
    is_told: bool,
    /// The other one does not take what there is for it.
    is_held_up: bool,
    pub read: u64,
    pub written: u64,
}

impl Flow {
    /// Begins with what has been read already.
    pub fn beginning_with(held: BytesMut) -> Self {
        Flow { read: held.len() as u64, held, is_over: false, is_told: false, is_held_up: false, written: 0 }
    }

    /// Whether the other side does not take what there is for it.
    pub fn is_held_up(&self) -> bool {
        self.is_held_up
    }

    /// Whether the one side has said all.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Takes what has been read elsewhere, or that there will be no more.
    pub fn take(&mut self, piece: Option<&[u8]>) {
        match piece {
            Some(piece) => {
                self.read += piece.len() as u64;
                self.held.extend_from_slice(piece);
            }
            None => self.is_over = true,
        }
    }

    /// Passes on what there is. Ready once the one side has said all, and the other one has it.
    pub fn poll(
        &mut self,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_write(to, context))?;
            if self.is_over {
                return Poll::Ready(Ok(()));
            }
            // On the stack: a WebSocket that is silent keeps no memory for what may come.
            let mut piece = [const { MaybeUninit::uninit() }; PIECE];
            let mut piece = ReadBuf::uninit(&mut piece);
            ready!(Pin::new(&mut *from).poll_read(context, &mut piece))?;
            let mut piece = piece.filled();
            self.is_over = piece.is_empty();
            self.read += piece.len() as u64;
            while let [_, ..] = piece {
                match Pin::new(&mut *to).poll_write(context, piece)? {
                    Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    Poll::Ready(written) => {
                        self.written += written as u64;
                        piece = &piece[written..];
                    }
                    Poll::Pending => {
                        self.held = BytesMut::from(piece);
                        self.is_held_up = true;
                        return Poll::Pending;
                    }
                }
            }
        }
    }

    /// Writes what is held, or that there will be no more. Ready when nothing is left to do for the moment.
    pub fn poll_write(
        &mut self,
        to: &mut (impl AsyncWrite + Unpin),
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let written = self.poll_rest(to, context);
        self.is_held_up = written.is_pending();
        written
    }

    fn poll_rest(&mut self, to: &mut (impl AsyncWrite + Unpin), context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            match ready!(Pin::new(&mut *to).poll_write(context, &self.held))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => {
                    self.written += written as u64;
                    self.held.advance(written);
                }
            }
        }
        self.held = BytesMut::new();
        if self.is_over && !self.is_told {
            ready!(Pin::new(&mut *to).poll_shutdown(context))?;
            self.is_told = true;
        }
        Pin::new(to).poll_flush(context)
    }
}
