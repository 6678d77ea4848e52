//! A server that says what it saw of each request, over TLS or not, in HTTP/1.1 or HTTP/2.

mod answer;
mod certificates;
mod trust;

use std::{
    collections::HashSet,
    net::{SocketAddr, TcpListener as StdListener},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

use hyper::{
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use rustls::{RootCertStore, ServerConfig, crypto::ring, pki_types::CertificateDer, server::WebPkiClientVerifier};
use serde::Serialize;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    runtime,
    sync::{Notify, Semaphore, oneshot},
};
use tokio_rustls::TlsAcceptor;

use super::http::Origin;

pub use certificates::{Authority, Folder, Identity};
pub use trust::{BOTH, HTTP_1, Trust, both_ways, edge, over, over_h2c, yaml};

use answer::answer;

/// What a server is to speak.
pub struct Speaks {
    tls: Option<ServerConfig>,
    is_http2: bool,
    most_streams: Option<u32>,
}

impl Speaks {
    /// HTTP/2 without TLS and without an upgrade.
    pub fn h2c() -> Self {
        Speaks { tls: None, is_http2: true, most_streams: None }
    }

    /// TLS, and of these protocols (`h2`, `http/1.1`) the one that the client likes best.
    pub fn tls(identity: &Identity, protocols: &[&str]) -> Self {
        Self::over_tls(identity, protocols, None)
    }

    /// The same, for clients alone that have a certificate of this authority.
    pub fn tls_for_clients_of(authority: &Authority, identity: &Identity, protocols: &[&str]) -> Self {
        Self::over_tls(identity, protocols, Some(authority))
    }

    /// So many requests at a time on one connection of HTTP/2.
    pub fn at_a_time(self, most_streams: u32) -> Self {
        Speaks { most_streams: Some(most_streams), ..self }
    }

    fn over_tls(identity: &Identity, protocols: &[&str], clients_of: Option<&Authority>) -> Self {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = match clients_of {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut store = RootCertStore::empty();
                store.add(authority.der()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(store.into(), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let mut config = builder.with_single_cert(vec![identity.certificate.clone()], identity.key()).unwrap();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Speaks { tls: Some(config), is_http2: false, most_streams: None }
    }
}

/// A running server. Dropping it closes the listener and every connection before it returns.
///
/// It answers any path with what it [`Saw`], as JSON, and two cookies; but for these:
/// - `/stream/N`: so many pieces `piece1\n`, `piece2\n`, …, each when [it is released](Server::release),
/// - `/websocket`: becomes a WebSocket (HTTP/1.1) that sends back what arrives,
/// - `/hang`: no answer,
/// - `/broken`: the head and the beginning of an answer,
/// - `/reset/CODE/PORT`, `/cut/PORT`: of the server on that port the stream is reset with that code
///   (HTTP/1.1: the connection closed), the connection closed, when the whole request is there.
pub struct Server {
    address: SocketAddr,
    state: Arc<State>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the server saw of one request.
#[derive(Debug, Clone, Serialize)]
pub struct Saw {
    /// Counts the connections, TLS or not, from 1.
    pub connection: u64,
    /// `HTTP/1.1` or `HTTP/2.0`.
    pub version: String,
    /// The name that the client asked for in its TLS handshake.
    pub sni: Option<String>,
    /// The common name in the client's certificate.
    pub client: Option<String>,
    pub method: String,
    pub path: String,
    /// `:scheme`.
    pub scheme: Option<String>,
    /// `:authority`.
    pub authority: Option<String>,
    pub host: Option<String>,
    pub headers: Vec<(String, String)>,
}

struct State {
    port: u16,
    connections: AtomicU64,
    saw: Mutex<Vec<Saw>>,
    gate: Semaphore,
}

/// What the requests on one connection share.
#[derive(Clone)]
struct Connection {
    number: u64,
    sni: Option<String>,
    client: Option<String>,
    most_streams: Option<u32>,
    /// Closes it.
    cut: Arc<Notify>,
}

impl Server {
    /// Starts a server on a free port of 127.0.0.1.
    pub fn start(speaks: Speaks) -> Self {
        let listener = StdListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            port: address.port(),
            connections: AtomicU64::new(0),
            saw: Mutex::default(),
            gate: Semaphore::new(0),
        });
        let (stop, stopped) = oneshot::channel();
        let shared = Arc::clone(&state);
        let thread = thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::spawn(accept(TcpListener::from_std(listener).unwrap(), speaks, shared));
                let _dropped = stopped.await;
            });
        });
        Server { address, state, stop: Some(stop), thread: Some(thread) }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Every request that arrived, in order of arrival.
    pub fn saw(&self) -> Vec<Saw> {
        self.state.saw.lock().clone()
    }

    /// The requests to this path.
    pub fn saw_at(&self, path: &str) -> Vec<Saw> {
        self.saw().into_iter().filter(|saw| saw.path == path).collect()
    }

    /// The connections that requests came on.
    pub fn connections_used(&self) -> usize {
        self.saw().iter().map(|saw| saw.connection).collect::<HashSet<_>>().len()
    }

    /// Whether a connection has had a second request.
    pub fn is_reused(&self) -> bool {
        self.connections_used() < self.saw().len()
    }

    /// Lets one more piece of a stream through, now or as soon as there is one.
    pub fn release(&self) {
        self.state.gate.add_permits(1);
    }

    /// Asserts that a stream of this server passes an edge piece by piece, each before the next is sent.
    pub fn streams_through(&self, edge: &Origin) {
        let mut client = edge.connect();
        client.send(edge.head("GET", "/stream/4", ""));
        assert_eq!(client.read_head().status, 200);
        for number in 1..=4 {
            self.release();
            assert_eq!(client.read_chunk().unwrap(), format!("piece{number}\n").into_bytes());
        }
        assert_eq!(client.read_chunk(), None);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, speaks: Speaks, state: Arc<State>) {
    let tls = speaks.tls.map(|config| TlsAcceptor::from(Arc::new(config)));
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let number = state.connections.fetch_add(1, Ordering::Relaxed) + 1;
        let connection =
            Connection { number, sni: None, client: None, most_streams: speaks.most_streams, cut: Arc::default() };
        let (tls, state) = (tls.clone(), Arc::clone(&state));
        tokio::spawn(async move {
            match tls {
                None => serve(stream, speaks.is_http2, connection, state).await,
                Some(tls) => serve_tls(&tls, stream, connection, state).await,
            }
        });
    }
}

async fn serve_tls(tls: &TlsAcceptor, stream: TcpStream, connection: Connection, state: Arc<State>) {
    // A client that does not like the certificate, or that has none to show.
    let Ok(stream) = tls.accept(stream).await else { return };
    let (_, session) = stream.get_ref();
    let client = session.peer_certificates().and_then(|chain| common_name(chain.first()?));
    let connection = Connection { sni: session.server_name().map(str::to_owned), client, ..connection };
    let is_http2 = session.alpn_protocol() == Some(b"h2");
    serve(stream, is_http2, connection, state).await;
}

fn common_name(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    Some(certificate.subject().iter_common_name().next()?.as_str().ok()?.to_owned())
}

async fn serve<S>(stream: S, is_http2: bool, connection: Connection, state: Arc<State>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (cut, most_streams) = (Arc::clone(&connection.cut), connection.most_streams);
    let service = service_fn(move |request| answer(request, connection.clone(), Arc::clone(&state)));
    let stream = TokioIo::new(stream);
    let served = async {
        // An error is a client that went away, or a handler that wanted to break off.
        let _ = if is_http2 {
            let mut http2 = http2::Builder::new(TokioExecutor::new());
            if most_streams.is_some() {
                http2.max_concurrent_streams(most_streams);
            }
            http2.serve_connection(stream, service).await
        } else {
            http1::Builder::new().serve_connection(stream, service).with_upgrades().await
        };
    };
    tokio::select! {
        () = served => {}
        () = cut.notified() => {}
    }
}
