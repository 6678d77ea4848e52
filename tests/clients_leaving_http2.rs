//! When clients of HTTP/2 leave, or give up their streams, whatever was going on for them ends, and the rest goes on.

use std::{future::poll_fn, net::TcpStream, time::Duration};

use bytes::Bytes;
use h2::{
    RecvStream, SendStream,
    client::{ResponseFuture, SendRequest},
};
use http::Request;
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    runtime::{self, Runtime},
    task::JoinHandle,
    time::timeout,
};

use crate::support::{
    PATIENCE,
    edge::{Edge, PUBLIC_URLS, servers_yaml},
    stages::{GRACE, Stages, client_gone, stops_at_once},
    tls_client::TlsClient,
    tls_server::Trust,
    until,
};

const CONNECTIONS: usize = 8;
const STREAMS: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaves {
    /// Stream by stream, and stays.
    Cancelling,
    /// In good order.
    Closing,
    /// As when its process has died.
    Dying,
    Resetting,
}

/// An edge in front of such a server.
struct Setup {
    runtime: Runtime,
    server: Stages,
    edge: Edge,
    tls: Option<TlsClient>,
}

/// A connection with requests on it.
struct Client {
    /// To say how it is to be closed.
    socket: TcpStream,
    connection: JoinHandle<()>,
    requests: SendRequest<Bytes>,
    streams: Vec<Stream>,
}

struct Stream {
    response: Option<ResponseFuture>,
    request: SendStream<Bytes>,
    body: Option<RecvStream>,
}

impl Setup {
    fn new(is_tls: bool) -> Self {
        let server = Stages::start();
        let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let yaml = format!("{}{GRACE}", servers_yaml(&[server.address]));
        if !is_tls {
            let edge = Edge::listening("http2: true", &format!("{PUBLIC_URLS}{yaml}"));
            return Setup { runtime, server, edge, tls: None };
        }
        let trust = Trust::new();
        let edge = trust.edge_with_tls(&yaml);
        Setup { runtime, server, edge, tls: Some(TlsClient::trusting(&trust.authority).offering(&["h2"])) }
    }

    fn wait<T>(&self, event: impl Future<Output = T>) -> T {
        self.runtime.block_on(async { timeout(PATIENCE, event).await.expect("something hangs") })
    }

    fn connect(&self) -> Client {
        let socket = TcpStream::connect(self.edge.address).unwrap();
        let stream = socket.try_clone().unwrap();
        stream.set_nonblocking(true).unwrap();
        let (requests, connection) = self.wait(async {
            let stream = tokio::net::TcpStream::from_std(stream).unwrap();
            match &self.tls {
                Some(tls) => begin(tls.secure(stream).await.unwrap()).await,
                None => begin(stream).await,
            }
        });
        Client { socket, connection, requests, streams: Vec::new() }
    }

    fn request(&self, client: &mut Client, method: &str, path: &str, body: Option<&'static [u8]>) {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let request = Request::builder().method(method).uri(format!("{scheme}://{}{path}", self.edge.host()));
        client.requests = self.wait(client.requests.clone().ready()).unwrap();
        let (response, mut request) = client.requests.send_request(request.body(()).unwrap(), body.is_none()).unwrap();
        if let Some(body) = body {
            request.send_data(Bytes::from_static(body), false).unwrap();
        }
        client.streams.push(Stream { response: Some(response), request, body: None });
    }
}

async fn begin<S>(stream: S) -> (SendRequest<Bytes>, JoinHandle<()>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    // The streams do not wait for each other.
    let mut http2 = h2::client::Builder::new();
    let handshake = http2.initial_connection_window_size(16 * 1024 * 1024).handshake(stream);
    let (requests, connection) = handshake.await.unwrap();
    let connection = tokio::spawn(async move {
        let _broken = connection.await;
    });
    (requests, connection)
}

impl Client {
    /// Goes away, but for one that only cancels its requests.
    fn leave(mut self, leaves: Leaves) -> Option<Self> {
        match leaves {
            Leaves::Cancelling => {
                self.streams.clear();
                return Some(self);
            }
            // The connection ends when nobody needs it any more.
            Leaves::Closing => return None,
            Leaves::Resetting => SockRef::from(&self.socket).set_linger(Some(Duration::ZERO)).unwrap(),
            Leaves::Dying => {}
        }
        self.connection.abort();
        None
    }
}

impl Stream {
    /// Sends what it has credit for. Whether there was any.
    async fn send_more(&mut self) -> bool {
        self.request.reserve_capacity(256 * 1024);
        let credit = poll_fn(|context| self.request.poll_capacity(context));
        let Ok(Some(Ok(credit @ 1..))) = timeout(Duration::from_millis(10), credit).await else { return false };
        self.request.send_data(vec![b'x'; credit].into(), false).unwrap();
        true
    }

    /// Reads so much of the response.
    async fn read(&mut self, length: usize) {
        let mut body = self.response.take().unwrap().await.unwrap().into_body();
        let mut read = 0;
        while read < length {
            let data = body.data().await.unwrap().unwrap();
            read += data.len();
            body.flow_control().release_capacity(data.len()).unwrap();
        }
        self.body = Some(body);
    }
}

/// Has clients come to a stage, with many requests each, and leave there, in each way, over TLS and not.
fn at(method: &str, path: &str, body: Option<&'static [u8]>, come: impl Fn(&Setup, &mut [Client])) {
    at_with(CONNECTIONS, method, path, body, come);
}

/// The same on so many connections.
fn at_with(
    connections: usize,
    method: &str,
    path: &str,
    body: Option<&'static [u8]>,
    come: impl Fn(&Setup, &mut [Client]),
) {
    let requests = connections * STREAMS;
    for is_tls in [false, true] {
        for leaves in [Leaves::Cancelling, Leaves::Closing, Leaves::Dying, Leaves::Resetting] {
            let what = format!("{leaves:?}, TLS: {is_tls}");
            let setup = Setup::new(is_tls);
            let mut clients: Vec<_> = (0..connections).map(|_| setup.connect()).collect();
            for client in &mut clients {
                (0..STREAMS).for_each(|_| setup.request(client, method, path, body));
            }
            until("all are there", || setup.server.there() == requests);
            come(&setup, &mut clients);
            assert_eq!(setup.edge.report().servers[0].in_flight, requests, "{what}");
            let staying: Vec<_> = clients.into_iter().filter_map(|client| client.leave(leaves)).collect();
            setup.server.exchanges_end(&setup.edge, requests, &what);
            client_gone(&setup.edge, requests, &what);
            // What the streams had of the connection's window is there for the next ones.
            for mut client in staying {
                for _ in 0..2 {
                    setup.request(&mut client, "GET", "/ok", None);
                    setup.wait(client.streams.pop().unwrap().read(2));
                }
            }
            setup.server.are_left(&setup.edge, requests, &what);
            let mut next = setup.connect();
            setup.request(&mut next, "GET", "/ok", None);
            setup.wait(next.streams.pop().unwrap().read(2));
            drop(next);
            stops_at_once(setup.edge, &what);
        }
    }
}

#[test]
fn clients_of_http2_leave_within_uploads_that_the_server_reads() {
    at("POST", "/reads", Some(b"hello"), |_, _| {});
}

#[test]
fn clients_of_http2_leave_within_uploads_that_stand_still() {
    // Each stream fills the system's buffers first, which are large.
    at_with(2, "POST", "/takes-nothing", Some(b"hello"), |setup, clients| {
        for stream in clients.iter_mut().flat_map(|client| &mut client.streams) {
            while setup.wait(stream.send_more()) {}
        }
    });
}

#[test]
fn clients_of_http2_leave_before_the_server_has_answered() {
    at("GET", "/silent", None, |_, _| {});
}

#[test]
fn clients_of_http2_leave_within_streams_that_are_silent_for_the_moment() {
    at("GET", "/event", None, |setup, clients| {
        for stream in clients.iter_mut().flat_map(|client| &mut client.streams) {
            setup.wait(stream.read(5));
        }
    });
}

#[test]
fn clients_of_http2_leave_within_responses_that_flow() {
    at("GET", "/flows", None, |setup, clients| {
        for stream in clients.iter_mut().flat_map(|client| &mut client.streams) {
            setup.wait(stream.read(10_000));
        }
    });
}

#[test]
fn clients_of_http2_leave_within_responses_that_they_do_not_read() {
    at("GET", "/flows", None, |setup, _| {
        until("all are held up", || setup.server.stalled() == CONNECTIONS * STREAMS);
    });
}
