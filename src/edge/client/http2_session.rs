//! A request of HTTP/2 on a listener of the edge's own, as a session that Pingora takes.
//!
//! Pingora's own session of HTTP/2 writes no interim responses, on which some clients wait (RFC 9110 section 15.2),
//! cannot end a stream with its head, and has judged the request already, by rules that are not the edge's.

use std::{future::poll_fn, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;
use h2::{RecvStream, SendStream, server::SendResponse};
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use pingora::{
    Error, ErrorType, OrErr, Result,
    http::{RequestHeader, ResponseHeader},
    protocols::{
        Digest,
        http::{
            HttpTask,
            body_buffer::FixedBuffer,
            custom::{CustomMessageWrite, server::Session},
            date::get_cached_date,
            v2::write_body,
        },
        l4::socket::SocketAddr,
    },
};

use super::resets::Resets;
use crate::limits::Held;

/// A request of HTTP/2, and the response to it.
pub(in crate::edge) struct Http2Session {
    request: RequestHeader,
    body: RecvStream,
    body_read: usize,
    /// What has been read of the body, for another attempt of Pingora's half.
    kept: Option<FixedBuffer>,
    response: SendResponse<Bytes>,
    written: Option<Box<ResponseHeader>>,
    /// Once the head has been written.
    stream: Option<SendStream<Bytes>>,
    body_sent: usize,
    has_ended: bool,
    /// The room for what has come of the body and has not been read.
    held: Option<Held>,
    resets: Arc<Resets>,
    digest: Arc<Digest>,
    read_timeout: Option<Duration>,
    write_timeout: Option<Duration>,
    drain_timeout: Option<Duration>,
}

/// Marks a request whose path came with a fragment, which nobody can see any more.
#[derive(Debug, Clone, Copy)]
pub(in crate::edge) struct HasFragment;

/// So much of a body is kept, as by Pingora's own sessions.
const MOST_KEPT: usize = 64 * 1024;

impl Http2Session {
    /// Begins with a request that has been accepted, and room for what may come of its body.
    pub fn new(
        request: Request<RecvStream>,
        response: SendResponse<Bytes>,
        digest: Arc<Digest>,
        held: Option<Held>,
        resets: Arc<Resets>,
    ) -> Self {
        let (head, body) = request.into_parts();
        Http2Session {
            request: head.into(),
            body,
            body_read: 0,
            kept: None,
            response,
            written: None,
            stream: None,
            body_sent: 0,
            has_ended: false,
            held,
            resets,
            digest,
            read_timeout: None,
            write_timeout: None,
            drain_timeout: None,
        }
    }

    pub fn request(&self) -> &RequestHeader {
        &self.request
    }

    /// The number of its stream.
    pub fn stream(&self) -> u32 {
        self.response.stream_id().as_u32()
    }

    /// Writes a head, which ends the stream where no body can follow.
    pub fn write_head(&mut self, mut header: Box<ResponseHeader>, is_end: bool) -> Result<()> {
        if self.has_ended || self.written.is_some() {
            return Ok(());
        }
        // What is for the next hop alone has no place in HTTP/2 (RFC 9113 section 8.2.2).
        for name in [header::TRANSFER_ENCODING, header::CONNECTION, header::UPGRADE] {
            header.remove_header(&name);
        }
        header.remove_header("Keep-Alive");
        header.remove_header("Proxy-Connection");
        if header.status.is_informational() {
            let interim = Response::from_parts(header.as_owned_parts(), ());
            return self.response.send_informational(interim).or_err(ErrorType::WriteError, "an interim response");
        }
        if !header.headers.contains_key(header::DATE) {
            header.insert_header(header::DATE, get_cached_date())?;
        }
        let is_end = is_end || self.has_no_body(&header);
        let response = Response::from_parts(header.as_owned_parts(), ());
        let stream = self.response.send_response(response, is_end);
        self.stream = Some(stream.or_err(ErrorType::WriteError, "the head of a response")?);
        self.written = Some(header);
        self.has_ended = is_end;
        self.resets.answers(self.stream());
        Ok(())
    }

    /// Whether a response with this head has no content (RFC 9110 section 6.4.1).
    fn has_no_body(&self, header: &ResponseHeader) -> bool {
        self.request.method == Method::HEAD
            || matches!(header.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
            || header.headers.get(header::CONTENT_LENGTH).is_some_and(|length| length == "0")
    }

    /// Ends the response with these bytes.
    pub async fn write(&mut self, data: Bytes, is_end: bool) -> Result<()> {
        if self.has_ended {
            return Ok(());
        }
        let Some(stream) = &mut self.stream else {
            return Error::e_explain(ErrorType::InternalError, "a body without a head");
        };
        let length = data.len();
        let writing = write_body(stream, data, is_end, self.write_timeout);
        // What Pingora makes of a client that is gone.
        writing.await.map_err(|error| match error.etype() {
            ErrorType::WriteTimedout => error.into_down(),
            _ => Error::because(ErrorType::WriteError, "to the client", error).into_down(),
        })?;
        self.body_sent += length;
        self.has_ended = is_end;
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        if let Some(stream) = self.stream.as_mut().filter(|_| !self.has_ended) {
            stream.send_data(Bytes::new(), true).or_err(ErrorType::WriteError, "the end of a response")?;
            self.has_ended = true;
        }
        Ok(())
    }

    /// Waits until the client takes its request back, or is gone.
    async fn gone(&mut self) -> Result<Option<Bytes>> {
        let reason = poll_fn(|context| match &mut self.stream {
            Some(stream) => stream.poll_reset(context),
            None => self.response.poll_reset(context),
        });
        match reason.await {
            Ok(reason) => Error::e_explain(ErrorType::ConnectionClosed, format!("by the client: {reason}")),
            Err(error) => Error::e_because(ErrorType::ConnectionClosed, "by the client", error),
        }
        .map_err(Error::into_down)
    }

    async fn read(&mut self) -> Result<Option<Bytes>> {
        let data = self.body.data().await.transpose().or_err(ErrorType::ReadError, "from the client");
        if self.body.is_end_stream() {
            self.held = None;
        }
        let Some(data) = data.map_err(Error::into_down)? else { return Ok(None) };
        self.body_read += data.len();
        if let Some(kept) = &mut self.kept {
            kept.write_to_buffer(&data);
        }
        // The client may send as much more. It fails for a stream that is over.
        let _released = self.body.flow_control().release_capacity(data.len());
        Ok(Some(data))
    }

    fn has_read_all(&self) -> bool {
        self.has_none() || self.body.is_end_stream()
    }

    fn has_none(&self) -> bool {
        let length = self.request.headers.get(header::CONTENT_LENGTH);
        self.body_read == 0 && (self.body.is_end_stream() || length.is_some_and(|length| length == "0"))
    }
}

impl Drop for Http2Session {
    fn drop(&mut self) {
        self.resets.is_over(self.stream());
    }
}

#[async_trait]
impl Session for Http2Session {
    fn req_header(&self) -> &RequestHeader {
        &self.request
    }

    fn req_header_mut(&mut self) -> &mut RequestHeader {
        &mut self.request
    }

    async fn read_body_bytes(&mut self) -> Result<Option<Bytes>> {
        self.read().await
    }

    async fn drain_request_body(&mut self) -> Result<()> {
        while !self.has_read_all() && self.read().await?.is_some() {}
        Ok(())
    }

    async fn write_response_header(&mut self, header: Box<ResponseHeader>, is_end: bool) -> Result<()> {
        self.write_head(header, is_end).map_err(Error::into_down)
    }

    async fn write_response_header_ref(&mut self, header: &ResponseHeader, is_end: bool) -> Result<()> {
        self.write_head(Box::new(header.clone()), is_end).map_err(Error::into_down)
    }

    async fn write_body(&mut self, data: Bytes, is_end: bool) -> Result<()> {
        self.write(data, is_end).await
    }

    async fn write_trailers(&mut self, trailers: HeaderMap) -> Result<()> {
        if let Some(stream) = self.stream.as_mut().filter(|_| !self.has_ended) {
            stream.send_trailers(trailers).or_err(ErrorType::WriteError, "trailers").map_err(Error::into_down)?;
            self.has_ended = true;
        }
        Ok(())
    }

    /// Writes what comes from Pingora's half.
    async fn response_duplex_vec(&mut self, tasks: Vec<HttpTask>) -> Result<bool> {
        let mut is_over = false;
        for task in tasks {
            is_over |= task.is_end();
            match task {
                HttpTask::Header(header, is_end) => self.write_head(header, is_end).map_err(Error::into_down)?,
                HttpTask::Body(Some(data), is_end) if !data.is_empty() => self.write(data, is_end).await?,
                HttpTask::Trailer(Some(trailers)) => self.write_trailers(*trailers).await?,
                HttpTask::Body(..) | HttpTask::Trailer(None) | HttpTask::Done => {}
                HttpTask::UpgradedBody(..) => {
                    return Error::e_explain(ErrorType::InternalError, "another protocol within HTTP/2");
                }
                HttpTask::Failed(error) => return Err(error),
            }
        }
        if is_over {
            self.end().map_err(Error::into_down)?;
        }
        Ok(is_over)
    }

    /// The clock of the exchange sees to a client that is silent.
    fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        self.read_timeout = timeout;
    }

    fn get_read_timeout(&self) -> Option<Duration> {
        self.read_timeout
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) {
        self.write_timeout = timeout;
    }

    fn get_write_timeout(&self) -> Option<Duration> {
        self.write_timeout
    }

    fn set_total_drain_timeout(&mut self, timeout: Option<Duration>) {
        self.drain_timeout = timeout;
    }

    fn get_total_drain_timeout(&self) -> Option<Duration> {
        self.drain_timeout
    }

    /// Without the query, which may be a secret.
    fn request_summary(&self) -> String {
        format!("{} {}", self.request.method, self.request.uri.path())
    }

    fn response_written(&self) -> Option<&ResponseHeader> {
        self.written.as_deref()
    }

    async fn shutdown(&mut self, code: u32, _: &str) {
        if !self.has_ended {
            self.response.send_reset(code.into());
            self.has_ended = true;
        }
    }

    async fn abandon(&mut self, context: &str) {
        self.shutdown(h2::Reason::INTERNAL_ERROR.into(), context).await;
    }

    fn is_body_done(&mut self) -> bool {
        self.has_read_all()
    }

    async fn finish(&mut self) -> Result<()> {
        self.end().map_err(Error::into_down)
    }

    fn is_body_empty(&mut self) -> bool {
        self.has_none()
    }

    async fn read_body_or_idle(&mut self, no_body_expected: bool) -> Result<Option<Bytes>> {
        if no_body_expected || self.has_read_all() { self.gone().await } else { self.read().await }
    }

    fn body_bytes_sent(&self) -> usize {
        self.body_sent
    }

    fn body_bytes_read(&self) -> usize {
        self.body_read
    }

    fn digest(&self) -> Option<&Digest> {
        Some(&self.digest)
    }

    fn digest_mut(&mut self) -> Option<&mut Digest> {
        Arc::get_mut(&mut self.digest)
    }

    fn client_addr(&self) -> Option<&SocketAddr> {
        self.digest.socket_digest.as_ref()?.peer_addr()
    }

    fn server_addr(&self) -> Option<&SocketAddr> {
        self.digest.socket_digest.as_ref()?.local_addr()
    }

    fn pseudo_raw_h1_request_header(&self) -> Bytes {
        Bytes::new()
    }

    fn enable_retry_buffering(&mut self) {
        self.kept.get_or_insert_with(|| FixedBuffer::new(MOST_KEPT));
    }

    fn retry_buffer_truncated(&self) -> bool {
        self.kept.as_ref().is_some_and(FixedBuffer::is_truncated)
    }

    fn get_retry_buffer(&self) -> Option<Bytes> {
        self.kept.as_ref().filter(|kept| !kept.is_truncated())?.get_buffer()
    }

    // === What HTTP/2 has none of ===

    async fn finish_custom(&mut self) -> Result<()> {
        Ok(())
    }

    fn take_custom_message_reader(
        &mut self,
    ) -> Option<Box<dyn Stream<Item = Result<Bytes>> + Unpin + Send + Sync + 'static>> {
        None
    }

    fn restore_custom_message_reader(
        &mut self,
        _: Box<dyn Stream<Item = Result<Bytes>> + Unpin + Send + Sync + 'static>,
    ) -> Result<()> {
        Ok(())
    }

    fn take_custom_message_writer(&mut self) -> Option<Box<dyn CustomMessageWrite>> {
        None
    }

    fn restore_custom_message_writer(&mut self, _: Box<dyn CustomMessageWrite>) -> Result<()> {
        Ok(())
    }
}
