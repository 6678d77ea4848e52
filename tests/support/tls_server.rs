//! A server that says what it saw of each request, over TLS or not, in HTTP/1.1 or HTTP/2; and the
//! authorities that sign its certificates, made anew in every test.

use std::{
    collections::HashSet,
    convert::Infallible,
    error::Error,
    net::{SocketAddr, TcpListener as StdListener},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

use base64::Engine;
use http_body_util::{BodyExt, Full, channel::Channel, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request, Response, StatusCode, Version,
    body::{Bytes, Incoming},
    header,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};
use serde::Serialize;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime,
    sync::{Notify, Semaphore, oneshot},
};
use tokio_rustls::TlsAcceptor;

type BoxError = Box<dyn Error + Send + Sync>;
type Reply = Response<UnsyncBoxBody<Bytes, BoxError>>;

/// Signs certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key.
pub struct Identity {
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = named("an authority", &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate for DNS names or IP addresses, good for servers and clients.
    pub fn sign(&self, common_name: &str, names: &[&str]) -> Identity {
        let mut params = named(common_name, names);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Identity { certificate: certificate.der().clone(), key: key.serialize_der() }
    }

    /// Its own certificate.
    pub fn pem(&self) -> String {
        pem("CERTIFICATE", self.0.der())
    }

    pub fn key_pem(&self) -> String {
        pem("PRIVATE KEY", &self.0.key().serialize_der())
    }
}

impl Identity {
    pub fn certificate_pem(&self) -> String {
        pem("CERTIFICATE", &self.certificate)
    }

    pub fn key_pem(&self) -> String {
        pem("PRIVATE KEY", &self.key)
    }

    fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.clone()).into()
    }
}

fn named(common_name: &str, names: &[&str]) -> CertificateParams {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// A folder for the files that a configuration names.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file and returns its full name.
    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let file = self.0.path().join(name);
        std::fs::write(&file, contents).unwrap();
        file
    }
}

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
                store.add(authority.0.der().clone()).unwrap();
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

    /// Lets one more piece of a stream through, now or as soon as there is one.
    pub fn release(&self) {
        self.state.gate.add_permits(1);
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

async fn answer(request: Request<Incoming>, connection: Connection, state: Arc<State>) -> Result<Reply, BoxError> {
    let saw = see(&request, &connection);
    state.saw.lock().push(saw.clone());
    let path = saw.path.split('/').skip(1).collect::<Vec<_>>();
    let is_for_me = |port: &str| port.parse() == Ok(state.port);
    match path[..] {
        ["stream", pieces] => Ok(stream(pieces.parse()?, state)),
        ["websocket"] if request.version() == Version::HTTP_11 && request.headers().contains_key(header::UPGRADE) => {
            Ok(websocket(request))
        }
        ["hang"] => std::future::pending().await,
        ["broken"] => Ok(broken()),
        ["reset", code, port] if is_for_me(port) => {
            request.into_body().collect().await?;
            Err(h2::Error::from(h2::Reason::from(code.parse::<u32>()?)).into())
        }
        ["cut", port] if is_for_me(port) => {
            request.into_body().collect().await?;
            connection.cut.notify_one();
            std::future::pending().await
        }
        _ => {
            let mut told = serde_json::to_value(saw)?;
            let body = request.into_body().collect().await?.to_bytes();
            told["body"] = body.len().into();
            let body = Full::from(serde_json::to_vec(&told)?).map_err(|never: Infallible| match never {});
            let mut reply = Response::new(body.boxed_unsync());
            reply.headers_mut().append(header::SET_COOKIE, "a=1".parse()?);
            reply.headers_mut().append(header::SET_COOKIE, "b=2".parse()?);
            Ok(reply)
        }
    }
}

fn see(request: &Request<Incoming>, connection: &Connection) -> Saw {
    let uri = request.uri();
    let text = |value: &header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Saw {
        connection: connection.number,
        version: format!("{:?}", request.version()),
        sni: connection.sni.clone(),
        client: connection.client.clone(),
        method: request.method().to_string(),
        path: uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        scheme: uri.scheme_str().map(str::to_owned),
        authority: uri.authority().map(ToString::to_string),
        host: request.headers().get(header::HOST).map(text),
        headers: request.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
    }
}

fn stream(pieces: usize, state: Arc<State>) -> Reply {
    let (mut pen, body) = Channel::<Bytes, BoxError>::new(1);
    tokio::spawn(async move {
        for number in 1..=pieces {
            state.gate.acquire().await.unwrap().forget();
            if pen.send_data(format!("piece{number}\n").into()).await.is_err() {
                return;
            }
        }
    });
    Response::new(body.boxed_unsync())
}

fn broken() -> Reply {
    let (mut pen, body) = Channel::<Bytes, BoxError>::new(1);
    tokio::spawn(async move {
        let _ = pen.send_data("beginning".into()).await;
        pen.abort("broken off on purpose".into());
    });
    Response::new(body.boxed_unsync())
}

fn websocket(request: Request<Incoming>) -> Reply {
    assert_eq!(request.method(), Method::GET);
    tokio::spawn(async move {
        let Ok(upgraded) = hyper::upgrade::on(request).await else { return };
        let mut stream = TokioIo::new(upgraded);
        let mut buffer = [0; 1024];
        while let Ok(read @ 1..) = stream.read(&mut buffer).await {
            if stream.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
    });
    let reply = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
    let reply = reply.header(header::CONNECTION, "Upgrade").header(header::UPGRADE, "websocket");
    reply.body(UnsyncBoxBody::default()).unwrap()
}
