//! When clients leave whose exchange is Pingora's in part (a stock listener before the edge, a server of HTTP/2 behind
//! it), whatever was going on for them ends.

use std::{
    io::{ErrorKind, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use socket2::SockRef;

use crate::support::{
    PATIENCE,
    edge::{Edge, PUBLIC_URLS, servers_yaml},
    h2c::H2cEdge,
    stages::{GRACE, Stages, client_gone, soon, stops_at_once},
    stock::Stock,
    tls_server::{Server, Speaks, over_h2c, yaml},
    until,
    websocket::UPGRADE,
};

const CLIENTS: usize = 16;
const UPLOAD: &str = "Content-Length: 32000000\r\n";

/// Has clients send this, and then a body, of this size or as much as is taken.
fn connect(address: SocketAddr, head: &str, body: Option<usize>) -> Vec<TcpStream> {
    let begin = |_| {
        let mut client = TcpStream::connect(address).unwrap();
        client.write_all(head.as_bytes()).unwrap();
        client.write_all(&vec![b'x'; body.unwrap_or(0)]).unwrap();
        client
    };
    let mut clients: Vec<_> = (0..CLIENTS).map(begin).collect();
    if body.is_none() {
        clients.iter_mut().for_each(fill);
    }
    clients
}

/// Sends until nothing has been taken for a while.
fn fill(client: &mut TcpStream) {
    client.set_nonblocking(true).unwrap();
    SockRef::from(&*client).set_send_buffer_size(64 * 1024).unwrap();
    let (piece, mut moved, give_up) = (vec![b'x'; 64 * 1024], Instant::now(), Instant::now() + PATIENCE);
    while moved.elapsed() < Duration::from_millis(300) {
        assert!(Instant::now() < give_up, "it is never held up");
        match client.write(&piece) {
            Ok(_) => moved = Instant::now(),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        thread::sleep(Duration::from_millis(2));
    }
}

fn leave(clients: Vec<TcpStream>, by_reset: bool) {
    for client in clients {
        if by_reset {
            SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
        }
    }
}

/// The end of a connection is behind the bytes for which there is no room: only a reset can be heard there.
const WAYS: [(Option<usize>, bool); 3] = [(Some(200_000), false), (Some(200_000), true), (None, true)];

#[test]
fn clients_of_a_stock_listener_leave_within_what_the_server_does_not_take() {
    for (path, method, headers) in [("/takes-nothing", "POST", UPLOAD), ("/websocket", "GET", UPGRADE)] {
        for (body, by_reset) in WAYS {
            let server = Stages::start();
            let stock = Stock::start(&format!("{PUBLIC_URLS}{}{GRACE}", servers_yaml(&[server.address])));
            let clients = connect(stock.address, &stock.head(method, path, headers), body);
            until("all are there", || server.there() == CLIENTS && stock.in_flight() == CLIENTS);
            leave(clients, by_reset);
            soon(&format!("{path} {body:?}, reset: {by_reset}"), "nothing is in flight", || stock.in_flight() == 0);
        }
    }
}

/// A server of HTTP/2, and a configuration with it.
fn http2() -> (Server, String) {
    let server = Server::start(Speaks::h2c());
    let yaml = yaml(&[over_h2c(&server)], GRACE);
    (server, yaml)
}

#[test]
fn clients_leave_within_what_a_server_of_http2_does_not_take() {
    // All fit into the megabyte that the server takes on one connection: beyond that Pingora waits for the server alone,
    // until the limit of its silence.
    let body = Some(1_000_000 / CLIENTS);
    for by_reset in [false, true] {
        let (_server, yaml) = http2();
        let edge = Edge::start(&yaml);
        let clients = connect(edge.address, &edge.head("POST", "/hang", UPLOAD), body);
        let in_flight = || edge.report().servers[0].in_flight;
        until("all are in flight", || in_flight() == CLIENTS);
        let what = format!("{body:?}, reset: {by_reset}");
        leave(clients, by_reset);
        soon(&what, "nothing is in flight", || in_flight() == 0);
        client_gone(&edge, CLIENTS, &what);
        stops_at_once(edge, &what);
    }
}

#[test]
fn streams_end_within_what_a_server_of_http2_does_not_take_and_give_their_credit_back() {
    let (_server, yaml) = http2();
    let edge = H2cEdge::start(&yaml);
    let client = edge.connect();
    for round in 1..=3 {
        let mut uploads: Vec<_> = (0..4).map(|_| client.open(edge.request("POST", "/hang"))).collect();
        for upload in &mut uploads {
            upload.send(vec![b'x'; 8_000_000]);
        }
        until("all are in flight", || edge.0.report().servers[0].in_flight == 4);
        drop(uploads);
        soon("streams", "nothing is in flight", || edge.0.report().servers[0].in_flight == 0);
        client_gone(&edge.0, 4 * round, "streams");
        let mut upload = client.open(edge.request("POST", "/"));
        upload.send(vec![b'x'; 200_000]);
        assert_eq!(upload.end("").json()["body"], 200_000);
    }
}
