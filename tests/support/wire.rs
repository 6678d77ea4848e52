//! A client that sends bytes and keeps all that it gets.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{
    PATIENCE,
    recorder::write,
    strict::{self, AnswerHead, End, Reading, Side},
};

/// A connection, and all that has come on it.
pub struct Wire<S = TcpStream> {
    stream: S,
    pub got: Vec<u8>,
    pub is_over: bool,
}

/// What hung.
pub type Hangs = String;

/// What bytes pass on, both ways.
pub trait ByteStream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> ByteStream for S {}

impl Wire {
    pub async fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Wire::on(stream)
    }
}

impl<S: ByteStream> Wire<S> {
    pub fn on(stream: S) -> Self {
        Wire { stream, got: Vec::new(), is_over: false }
    }

    /// Sends these bytes, in pieces. The edge may not want them all.
    pub async fn send(&mut self, bytes: &[u8], cuts: &[usize]) {
        let _refused = write(&mut self.stream, bytes, cuts).await;
    }

    /// Says that there is no more to come.
    pub async fn half_close(&mut self) {
        let _closed = self.stream.shutdown().await;
    }

    /// Reads until it is enough, or the end.
    pub async fn read_until(&mut self, is_enough: impl Fn(&[u8]) -> bool) -> Result<(), Hangs> {
        while !self.is_over && !is_enough(&self.got) {
            let read = timeout(PATIENCE, self.stream.read_buf(&mut self.got)).await;
            let read =
                read.map_err(|_| format!("nothing more came after {:?}", self.got.escape_ascii().to_string()))?;
            self.is_over = !read.is_ok_and(|read| read > 0);
        }
        Ok(())
    }

    /// The same, but for no longer than this. False: it is not enough.
    pub async fn read_for(&mut self, time: Duration, is_enough: impl Fn(&[u8]) -> bool) -> Result<bool, Hangs> {
        timeout(time, self.read_until(is_enough)).await.map_or(Ok(false), |read| read.map(|()| true))
    }

    /// What has come, as answers to requests of these methods.
    pub fn answers(&self, methods: &[&str]) -> Vec<Reading<AnswerHead>> {
        strict::answers(&self.got, methods, Side::Edge)
    }
}

/// Whether there are so many whole answers that are not interim, or one that is none.
pub fn is_enough(got: &[u8], methods: &[&str], many: usize) -> bool {
    let answers = strict::answers(got, methods, Side::Edge);
    let is_final = |answer: &&Reading<AnswerHead>| {
        answer.is_whole() && answer.head.as_ref().is_some_and(|head| !head.is_interim())
    };
    let is_faulty = answers.last().is_some_and(|last| matches!(last.end, End::Fault(_)));
    is_faulty || answers.iter().filter(is_final).count() >= many
}
