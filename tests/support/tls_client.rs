//! A client that speaks TLS to an edge, as it is told.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
};

use bytes::Bytes;
use http::Request;
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, ProtocolVersion, RootCertStore, SignatureScheme,
    StreamOwned, SupportedProtocolVersion,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::ring,
    pki_types::{CertificateDer, ServerName, UnixTime},
    version::{TLS12, TLS13},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    PATIENCE,
    edge::Edge,
    h2c, in_time,
    tls_server::{Authority, Identity},
};

/// What a client is to do.
pub struct TlsClient {
    roots: Arc<RootCertStore>,
    versions: Vec<&'static SupportedProtocolVersion>,
    protocols: Vec<Vec<u8>>,
    identity: Option<Identity>,
    checks_names: bool,
}

/// A connection over TLS.
pub struct TlsConnection {
    stream: StreamOwned<ClientConnection, TcpStream>,
    host: String,
}

impl TlsClient {
    pub fn trusting(authority: &Authority) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(authority.der()).unwrap();
        TlsClient {
            roots: roots.into(),
            versions: vec![&TLS13, &TLS12],
            protocols: vec![],
            identity: None,
            checks_names: true,
        }
    }

    pub fn speaking(self, version: &'static SupportedProtocolVersion) -> Self {
        TlsClient { versions: vec![version], ..self }
    }

    pub fn offering(self, protocols: &[&str]) -> Self {
        TlsClient { protocols: protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect(), ..self }
    }

    pub fn showing(self, identity: Identity) -> Self {
        TlsClient { identity: Some(identity), ..self }
    }

    /// Takes any certificate.
    pub fn without_names(self) -> Self {
        TlsClient { checks_names: false, ..self }
    }

    fn config(&self) -> ClientConfig {
        let provider = Arc::new(ring::default_provider());
        let builder =
            ClientConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(&self.versions).unwrap();
        let builder = if self.checks_names {
            builder.with_root_certificates(Arc::clone(&self.roots))
        } else {
            let verifier =
                WebPkiServerVerifier::builder_with_provider(Arc::clone(&self.roots), provider).build().unwrap();
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyName(verifier)))
        };
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                builder.with_client_auth_cert(vec![identity.certificate.clone()], identity.key()).unwrap()
            }
        };
        config.alpn_protocols.clone_from(&self.protocols);
        config
    }

    /// Connects and shakes hands.
    pub fn connect(&self, edge: &Edge, name: &str) -> io::Result<TlsConnection> {
        self.connect_to(edge.address, name)
    }

    /// The same to anybody.
    pub fn connect_to(&self, address: SocketAddr, name: &str) -> io::Result<TlsConnection> {
        self.shake_hands(b"", address, Some(name))
    }

    /// The same after these bytes.
    pub fn connect_after(&self, first: &[u8], edge: &Edge, name: &str) -> io::Result<TlsConnection> {
        self.shake_hands(first, edge.address, Some(name))
    }

    /// Connects for HTTP/2, which the other end must choose.
    pub fn http2(&self, address: SocketAddr) -> h2c::Client {
        h2c::Client::over(async { self.secure(tokio::net::TcpStream::connect(address).await?).await })
    }

    /// Shakes hands for HTTP/2 on a connection to localhost.
    pub async fn secure(&self, socket: tokio::net::TcpStream) -> io::Result<TlsStream<tokio::net::TcpStream>> {
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(self.config())).connect(name, socket).await?;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        Ok(stream)
    }

    fn shake_hands(&self, first: &[u8], address: SocketAddr, name: Option<&str>) -> io::Result<TlsConnection> {
        let mut config = self.config();
        config.enable_sni = name.is_some();
        let server = ServerName::try_from(name.unwrap_or("localhost").to_owned()).unwrap();
        let mut session = ClientConnection::new(Arc::new(config), server).map_err(io::Error::other)?;
        let mut socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.write_all(first)?;
        while session.is_handshaking() {
            session.complete_io(&mut socket)?;
        }
        Ok(TlsConnection { stream: StreamOwned::new(session, socket), host: format!("localhost:{}", address.port()) })
    }

    /// The common name of the certificate that a client is served who asks for this name.
    pub fn served_to(&self, edge: &Edge, name: Option<&str>) -> String {
        let connection = self.shake_hands(b"", edge.address, name).unwrap();
        let (_, certificate) = x509_parser::parse_x509_certificate(connection.certificate()).unwrap();
        certificate.subject().iter_common_name().next().unwrap().as_str().unwrap().to_owned()
    }

    /// The serial number of the certificate for localhost.
    pub fn serial_served_by(&self, edge: &Edge) -> String {
        let connection = self.connect(edge, "localhost").unwrap();
        x509_parser::parse_x509_certificate(connection.certificate()).unwrap().1.raw_serial_as_string()
    }
}

impl TlsConnection {
    pub fn version(&self) -> Option<ProtocolVersion> {
        self.stream.conn.protocol_version()
    }

    pub fn protocol(&self) -> Option<Vec<u8>> {
        self.stream.conn.alpn_protocol().map(<[u8]>::to_vec)
    }

    fn certificate(&self) -> &CertificateDer<'static> {
        &self.stream.conn.peer_certificates().unwrap()[0]
    }

    /// The stream itself, for whoever wants to break it.
    pub fn into_stream(self) -> StreamOwned<ClientConnection, TcpStream> {
        self.stream
    }

    /// All that comes of a request up to the end of the connection, which must be said: an error, otherwise.
    pub fn ask_to_the_end(&mut self, request: &str) -> io::Result<String> {
        self.stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        self.stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// The whole answer to a GET, head and body.
    pub fn get(&mut self, target: &str) -> String {
        self.try_get(target).unwrap()
    }

    /// The same on a connection that may be refused.
    pub fn try_get(&mut self, target: &str) -> io::Result<String> {
        self.stream.write_all(format!("GET {target} HTTP/1.1\r\nHost: {}\r\n\r\n", self.host).as_bytes())?;
        let mut answer = Vec::new();
        loop {
            let mut piece = [0; 4096];
            let read = self.stream.read(&mut piece)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            answer.extend_from_slice(&piece[..read]);
            let text = String::from_utf8_lossy(&answer);
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let head = head.to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            if length == Some(body.len()) {
                return Ok(text.into_owned());
            }
        }
    }
}

/// The answers to GETs on one connection of HTTP/2, asked at once: status and body.
pub fn over_http2<const N: usize>(client: &TlsClient, edge: &Edge, paths: &[&str; N]) -> [(u16, Vec<u8>); N] {
    in_time::run(async {
        let socket = tokio::net::TcpStream::connect(edge.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(client.config())).connect(name, socket).await.unwrap();
        let (mut requests, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let mut asked = Vec::new();
        for path in paths {
            let request = Request::get(format!("https://{}{path}", edge.host())).body(()).unwrap();
            requests = requests.ready().await.unwrap();
            asked.push(requests.send_request(request, true).unwrap().0);
        }
        let mut answers = Vec::new();
        for answer in asked {
            let answer = answer.await.unwrap();
            let (status, mut body) = (answer.status().as_u16(), answer.into_body());
            let mut all = Vec::new();
            while let Some(piece) = body.data().await {
                let piece: Bytes = piece.unwrap();
                all.extend_from_slice(&piece);
            }
            answers.push((status, all));
        }
        answers.try_into().unwrap()
    })
}

/// Checks everything of a certificate but for whom it is.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
