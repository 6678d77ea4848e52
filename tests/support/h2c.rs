//! An edge that speaks HTTP/2 in clear text, and a client that sends the frames it is told.

use std::{io, net::SocketAddr};

use bytes::Bytes;
use h2::{
    RecvStream, SendStream,
    client::{self, ResponseFuture, SendRequest},
};
use http::{HeaderMap, Request, Response};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    runtime::{self, Runtime},
    time::timeout,
};

use super::{
    PATIENCE,
    edge::{CLIENTS, Edge, PUBLIC_URLS, servers_yaml},
};

/// Dropping it stops the edge.
pub struct H2cEdge(pub Edge);

/// A connection of HTTP/2. Its methods wait, so that a test reads from top to bottom.
pub struct Client {
    runtime: Runtime,
    requests: SendRequest<Bytes>,
}

/// A request whose body is being sent.
pub struct Upload<'a> {
    client: &'a Client,
    body: SendStream<Bytes>,
    answer: ResponseFuture,
}

/// An answer whose body is being read.
pub struct Answer<'a> {
    client: &'a Client,
    pub head: Response<()>,
    body: RecvStream,
    _request: SendStream<Bytes>,
}

impl H2cEdge {
    /// An edge with public URLs for its own port and one `per_user_oauth` client, in front of servers.
    pub fn in_front_of(servers: &[SocketAddr]) -> Self {
        Self::start(&format!("{PUBLIC_URLS}{}{CLIENTS}", servers_yaml(servers)))
    }

    /// An edge with this configuration, but for the listeners.
    pub fn start(yaml: &str) -> Self {
        H2cEdge(Edge::listening("http2: true", yaml))
    }

    /// The authority that a client of `http://localhost:{port}` sends.
    pub fn authority(&self) -> String {
        self.0.host()
    }

    fn address(&self) -> SocketAddr {
        self.0.address
    }

    pub fn connect(&self) -> Client {
        Client::over(TcpStream::connect(self.address()))
    }

    /// A request to this edge.
    pub fn request(&self, method: &str, path: &str) -> http::request::Builder {
        Request::builder().method(method).uri(format!("http://{}{path}", self.authority()))
    }
}

impl Client {
    /// Begins on a connection that is about to be made.
    pub fn over<S>(connecting: impl Future<Output = io::Result<S>>) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (requests, connection) =
            wait(&runtime, async { client::handshake(connecting.await.unwrap()).await.unwrap() });
        runtime.spawn(connection);
        Client { runtime, requests }
    }

    /// Sends the head of a request; the body is to follow.
    pub fn open(&self, request: http::request::Builder) -> Upload<'_> {
        self.start(request, false)
    }

    /// Sends a request without a body.
    pub fn ask(&self, request: http::request::Builder) -> Answer<'_> {
        self.start(request, true).answer()
    }

    /// Sends the head of a request, which may be all of it.
    pub fn start(&self, request: http::request::Builder, is_whole: bool) -> Upload<'_> {
        let request = request.body(()).unwrap();
        let mut requests = self.wait(self.requests.clone().ready()).unwrap();
        let (answer, body) = requests.send_request(request, is_whole).unwrap();
        Upload { client: self, body, answer }
    }

    fn wait<T>(&self, event: impl Future<Output = T>) -> T {
        wait(&self.runtime, event)
    }
}

fn wait<T>(runtime: &Runtime, event: impl Future<Output = T>) -> T {
    runtime.block_on(async { timeout(PATIENCE, event).await.expect("something hangs") })
}

impl<'a> Upload<'a> {
    /// Sends one DATA frame.
    pub fn send(&mut self, data: impl Into<Bytes>) -> &mut Self {
        self.body.send_data(data.into(), false).unwrap();
        self
    }

    /// Sends one DATA frame that ends the body, even an empty one.
    pub fn end(mut self, data: impl Into<Bytes>) -> Answer<'a> {
        self.body.send_data(data.into(), true).unwrap();
        self.answer()
    }

    /// Ends the body with trailers.
    pub fn end_with_trailers(mut self, trailers: HeaderMap) -> Answer<'a> {
        self.body.send_trailers(trailers).unwrap();
        self.answer()
    }

    /// Reads the next interim answer.
    pub fn interim(&mut self) -> Response<()> {
        let answer = &mut self.answer;
        let interim = self.client.wait(std::future::poll_fn(|context| answer.poll_informational(context)));
        interim.expect("the last answer came").unwrap()
    }

    /// Reads the head of the answer, perhaps before the body has been sent.
    pub fn answer(self) -> Answer<'a> {
        let (head, body) = self.client.wait(self.answer).unwrap().into_parts();
        Answer { client: self.client, head: Response::from_parts(head, ()), body, _request: self.body }
    }
}

impl Answer<'_> {
    pub fn status(&self) -> u16 {
        self.head.status().as_u16()
    }

    /// The data of the next frame, `None` at the end of the body.
    pub fn data(&mut self) -> Option<Bytes> {
        let data = self.client.wait(self.body.data())?.unwrap();
        self.body.flow_control().release_capacity(data.len()).unwrap();
        Some(data)
    }

    /// The rest of the body.
    pub fn body(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        while let Some(data) = self.data() {
            body.extend(data);
        }
        body
    }

    pub fn json(&mut self) -> serde_json::Value {
        serde_json::from_slice(&self.body()).unwrap()
    }

    /// Whether the stream ends in good order after the body, with trailers or without.
    pub fn ends_well(&mut self) -> bool {
        self.client.wait(self.body.trailers()).is_ok()
    }
}
