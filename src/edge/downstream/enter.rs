//! The life of a client's connection before HTTP: who is at the other end, and TLS.

use std::{net::SocketAddr, os::fd::AsRawFd, sync::Arc};

use log::debug;
use once_cell::sync::OnceCell;
use pingora::protocols::{SocketDigest, l4::socket::SocketAddr as PingoraAddress, tls::SslDigest};
use tokio::{
    io::AsyncReadExt,
    time::{Instant, timeout_at},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    http1, http2,
    listeners::{Listener, Listeners},
    plain_http::{FirstWord, first_word, refuse},
};
use crate::{
    edge::client::{About, ClientStream, Connection, Socket, Transport, slot},
    limits::{Full, Slot},
    telemetry::Closed,
    trust::proxy_header::{self, Header, Parsed},
};

/// Why a connection ends before HTTP.
struct Ended(Closed, String);

/// Takes a connection from the moment it is accepted to its end.
pub(in crate::edge) async fn serve(
    listeners: Arc<Listeners>,
    listener: Arc<Listener>,
    mut socket: Socket,
    accepted_from: Option<SocketAddr>,
    mut slot: Slot,
) {
    let entered = enter(&listeners, &listener, &mut socket, accepted_from, &mut slot).await;
    let (peer, is_anonymous) = match entered {
        Ok(Some(entered)) => entered,
        Ok(None) => return,
        Err(Ended(closed, why)) => return listeners.close(closed, accepted_from, &why),
    };
    let id = socket.as_raw_fd();
    let handshake = Instant::now() + listeners.snapshot.load().limits.head_time;
    let first = match listener.tls {
        Some(_) => timeout_at(handshake, first_word(&socket)).await.unwrap_or(FirstWord::Other),
        None => FirstWord::Other,
    };
    match first {
        FirstWord::Nothing => return,
        FirstWord::Plain(request) => {
            listeners.close(Closed::PlainHttp, peer, "it is answered 400");
            let connection = Arc::new(Connection::new(false, false, false, peer));
            if let Some(client) = client(&listeners, &connection, id, Transport::Plain(socket), None) {
                refuse(&client, request).await;
            }
            return;
        }
        FirstWord::Other => {}
    }
    let (transport, tls, is_http2) = match secure(&listeners, &listener, socket, handshake).await {
        Ok(secured) => secured,
        Err(Ended(closed, why)) => return listeners.close(closed, peer, &why),
    };
    let connection = Connection::new(listener.redirects_to_https, listener.has_http2, tls.is_some(), peer);
    let connection = Arc::new(if is_anonymous { connection.of_somebody() } else { connection });
    let Some(client) = client(&listeners, &connection, id, transport, tls) else { return };
    // What only some connections need is not kept for all of them.
    if is_http2 {
        Box::pin(http2::serve(&listeners, client, &connection)).await;
    } else {
        http1::serve(&listeners, client, &connection).await;
    }
    drop(slot);
}

/// Finds out who is at the other end, whether that is somebody whom a proxy does not know, and whether there is room
/// for it. Nobody, when a proxy has left without a byte: it only saw whether somebody listens.
async fn enter(
    listeners: &Listeners,
    listener: &Listener,
    socket: &mut Socket,
    accepted_from: Option<SocketAddr>,
    slot: &mut Slot,
) -> Result<Option<(Option<SocketAddr>, bool)>, Ended> {
    let snapshot = listeners.snapshot.load_full();
    let is_trusted = |peer: Option<SocketAddr>| snapshot.trusted.contains_peer(peer);
    let (mut peer, mut is_anonymous) = (accepted_from, false);
    if listener.proxy_protocol {
        if !is_trusted(peer) {
            return Err(Ended(Closed::ProxyProtocol, "it is from none of trusted_proxies".into()));
        }
        let deadline = Instant::now() + snapshot.limits.head_time;
        match timeout_at(deadline, read_proxy_header(socket)).await {
            Ok(Ok(None)) => return Ok(None),
            Ok(Ok(Some(Header::Client(client)))) => peer = Some(client),
            Ok(Ok(Some(Header::Local))) => {}
            // The connection's own addresses count then, as without a header (proxy-protocol.txt section 2.1).
            Ok(Ok(Some(Header::Unknown))) => is_anonymous = true,
            Ok(Err(why)) => return Err(Ended(Closed::ProxyProtocol, why)),
            Err(_) => return Err(Ended(Closed::ProxyProtocol, "no header in time".into())),
        }
    }
    if let Some(client) = peer.filter(|_| !is_trusted(peer)) {
        let most = snapshot.limits.connections_per_client.most();
        if let Err(Full::All | Full::Client) = slot.of_client(client.ip(), most) {
            return Err(Ended(Closed::ClientLimit, "limits.connections_per_client".into()));
        }
    }
    Ok(Some((peer, is_anonymous)))
}

/// Reads not a byte more than the header: what follows may be TLS. None when nothing comes at all.
async fn read_proxy_header(socket: &mut Socket) -> Result<Option<Header>, String> {
    if let Ok(0) | Err(_) = socket.peek(&mut [0]).await {
        return Ok(None);
    }
    let mut header = Vec::with_capacity(108);
    let mut wanted = proxy_header::SHORTEST;
    loop {
        let has = header.len();
        header.resize(wanted, 0);
        socket.read_exact(&mut header[has..]).await.map_err(|error| error.to_string())?;
        match proxy_header::parse(&header).map_err(|fault| fault.to_string())? {
            Parsed::Complete { header, .. } => return Ok(Some(header)),
            Parsed::Incomplete(more) => wanted = more.max(wanted + 1),
        }
    }
}

/// Shakes hands, if the listener has TLS, and tells whether HTTP/2 is spoken.
async fn secure(
    listeners: &Listeners,
    listener: &Listener,
    socket: Socket,
    deadline: Instant,
) -> Result<(Transport, Option<Arc<SslDigest>>, bool), Ended> {
    let Some(tls) = &listener.tls else { return Ok((Transport::Plain(socket), None, false)) };
    let acceptor = TlsAcceptor::from(tls.load_full());
    let stream = match Box::pin(timeout_at(deadline, acceptor.accept(socket))).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(Ended(Closed::TlsHandshake, error.to_string())),
        Err(_) => return Err(Ended(Closed::TlsHandshake, "no handshake in time".into())),
    };
    listeners.counters.shook_hands();
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let digest = tls_digest(&stream);
    Ok((Transport::Tls(Box::new(stream)), Some(Arc::new(digest)), is_http2))
}

fn tls_digest(stream: &TlsStream<Socket>) -> SslDigest {
    let (_, session) = stream.get_ref();
    let cipher = session.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()).unwrap_or_default();
    let version = session.protocol_version().and_then(|version| version.as_str()).unwrap_or_default();
    SslDigest::new(cipher, version, None, None, Vec::new())
}

fn client(
    listeners: &Listeners,
    connection: &Arc<Connection>,
    id: i32,
    transport: Transport,
    tls: Option<Arc<SslDigest>>,
) -> Option<Arc<ClientStream>> {
    let most_stalled = listeners.snapshot.load().limits.client_silence;
    Some(ClientStream::new(id, transport, about(connection, id, tls)?, most_stalled))
}

fn about(connection: &Arc<Connection>, id: i32, tls: Option<Arc<SslDigest>>) -> Option<About> {
    let mut socket = SocketDigest::from_raw_fd(id);
    socket.peer_addr = OnceCell::with_value(connection.peer.map(PingoraAddress::Inet));
    let connection = slot(Arc::clone(connection)).map_err(|error| debug!("{error}")).ok()?;
    Some(About { tls, connection, socket: Arc::new(socket) })
}
