//! When clients leave, whatever was going on for them ends: nothing is in flight, and the server is told.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use rustls::{ClientConnection, StreamOwned};
use socket2::SockRef;

use crate::support::{
    PATIENCE,
    edge::{Edge, PUBLIC_URLS, servers_yaml},
    stages::{GRACE, Stages, client_gone, stops_at_once},
    tls_client::TlsClient,
    tls_server::Trust,
    until,
    websocket::{SWITCH, UPGRADE},
};

const CLIENTS: usize = 64;
/// A client over TLS or not.
enum Client {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

#[derive(Debug, Clone, Copy)]
enum Leaves {
    /// In good order.
    Closing,
    /// As when its process has died.
    Dying,
    Resetting,
}

/// An edge in front of such a server.
struct Setup {
    server: Stages,
    edge: Edge,
    tls: Option<TlsClient>,
}

impl Setup {
    fn new(is_tls: bool) -> Self {
        let server = Stages::start();
        let yaml = format!("{}{GRACE}", servers_yaml(&[server.address]));
        if !is_tls {
            return Setup { edge: Edge::start(&format!("{PUBLIC_URLS}{yaml}")), server, tls: None };
        }
        let trust = Trust::new();
        let edge = trust.edge_with_tls(&yaml);
        Setup { edge, server, tls: Some(TlsClient::trusting(&trust.authority)) }
    }

    fn connect(&self) -> Client {
        match &self.tls {
            Some(tls) => Client::Tls(Box::new(tls.connect(&self.edge, "localhost").unwrap().into_stream())),
            None => Client::Plain(TcpStream::connect(self.edge.address).unwrap()),
        }
    }

    fn in_flight(&self) -> usize {
        self.edge.report().servers[0].in_flight
    }

    /// Asserts that it serves on, and stops at once.
    fn ends(self, what: &str) {
        let mut next = self.connect();
        next.send(&self.edge.head("GET", "/ok", "Connection: close\r\n"));
        let mut answer = Vec::new();
        next.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{what}: it does not serve any more");
        drop(next);
        stops_at_once(self.edge, what);
    }
}

impl Client {
    fn socket(&self) -> &TcpStream {
        match self {
            Client::Plain(socket) => socket,
            Client::Tls(stream) => &stream.sock,
        }
    }

    fn stream(&mut self) -> &mut dyn ReadWrite {
        match self {
            Client::Plain(socket) => socket,
            Client::Tls(stream) => stream,
        }
    }

    fn send(&mut self, bytes: &str) {
        self.stream().write_all(bytes.as_bytes()).unwrap();
    }

    /// Reads so much of an answer.
    fn read(&mut self, length: usize) {
        self.stream().read_exact(&mut vec![0; length]).unwrap();
    }

    fn read_to_end(&mut self, answer: &mut Vec<u8>) -> io::Result<usize> {
        self.stream().read_to_end(answer)
    }

    fn leave(mut self, leaves: Leaves) {
        match (leaves, &mut self) {
            (Leaves::Closing, Client::Tls(stream)) => {
                stream.conn.send_close_notify();
                // There may be no room for it.
                stream.sock.set_nonblocking(true).unwrap();
                let _said = stream.flush();
            }
            (Leaves::Resetting, _) => SockRef::from(self.socket()).set_linger(Some(Duration::ZERO)).unwrap(),
            _ => {}
        }
    }
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

/// Over TLS or not; without it the first two are the same.
const WAYS: [(bool, Leaves); 5] = [
    (false, Leaves::Closing),
    (false, Leaves::Resetting),
    (true, Leaves::Closing),
    (true, Leaves::Dying),
    (true, Leaves::Resetting),
];
const RESETS: [(bool, Leaves); 2] = [WAYS[1], WAYS[4]];

/// Has clients come to a stage and leave there, in each of these ways.
fn at(ways: &[(bool, Leaves)], forwarded: usize, come: impl Fn(&Setup, &mut [Client])) {
    at_with(ways, forwarded, forwarded, come);
}

/// The same where so many of the requests count as failed.
fn at_with(ways: &[(bool, Leaves)], forwarded: usize, failed: usize, come: impl Fn(&Setup, &mut [Client])) {
    for &(is_tls, leaves) in ways {
        let setup = Setup::new(is_tls);
        let mut clients: Vec<_> = (0..CLIENTS).map(|_| setup.connect()).collect();
        come(&setup, &mut clients);
        until("all are in flight", || setup.in_flight() == forwarded);
        for client in clients {
            client.leave(leaves);
        }
        let what = format!("{leaves:?}, TLS: {is_tls}");
        setup.server.are_left(&setup.edge, forwarded, &what);
        client_gone(&setup.edge, failed, &what);
        setup.ends(&what);
    }
}

/// Sends to all of them what their requests begin with.
fn begin(setup: &Setup, clients: &mut [Client], request: &str) {
    for client in clients.iter_mut() {
        client.send(request);
    }
    until("all are there", || setup.server.there() == CLIENTS);
}

/// Sends to all of them until none takes any more, and returns how much they took.
fn fill(clients: &mut [Client]) -> usize {
    let piece = vec![b'x'; 64 * 1024];
    let (mut sent, mut moved) = (0, Instant::now());
    for client in &*clients {
        client.socket().set_nonblocking(true).unwrap();
        SockRef::from(client.socket()).set_send_buffer_size(64 * 1024).unwrap();
    }
    let give_up = Instant::now() + PATIENCE;
    while moved.elapsed() < Duration::from_millis(500) {
        assert!(Instant::now() < give_up, "it is never held up");
        for client in &mut *clients {
            match client.stream().write(&piece) {
                Ok(written) => (sent, moved) = (sent + written, Instant::now()),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
        thread::sleep(Duration::from_millis(5));
    }
    sent
}

#[test]
fn clients_leave_before_their_heads_are_whole() {
    at(&WAYS, 0, |setup, clients| {
        let head = setup.edge.head("GET", "/silent", "");
        for client in clients.iter_mut() {
            client.send(&head[..head.len() - 5]);
        }
        until("all are there", || setup.edge.counters().connections().open() == CLIENTS);
    });
}

#[test]
fn clients_leave_within_uploads_that_the_server_reads() {
    for framing in ["Content-Length: 32000000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n5\r\n"] {
        at(&WAYS, CLIENTS, |setup, clients| {
            let head = setup.edge.head("POST", "/reads", "");
            begin(setup, clients, &format!("{}{framing}hello", head.trim_end_matches("\r\n").to_owned() + "\r\n"));
        });
    }
}

#[test]
fn clients_leave_within_uploads_that_the_server_does_not_take() {
    at(&WAYS, CLIENTS, |setup, clients| {
        begin(setup, clients, &setup.edge.head("POST", "/takes-nothing", "Content-Length: 32000000\r\n"));
        for client in clients.iter_mut() {
            client.send(&"x".repeat(200_000));
        }
    });
}

/// Only a reset can be heard: the system keeps the end of a connection behind the bytes for which there is no room.
#[test]
fn clients_leave_within_uploads_that_stand_still() {
    at(&RESETS, CLIENTS, |setup, clients| {
        begin(setup, clients, &setup.edge.head("POST", "/takes-nothing", "Content-Length: 32000000\r\n"));
        assert!(fill(clients) < CLIENTS * 32_000_000);
    });
}

#[test]
fn clients_leave_before_the_server_has_answered() {
    at(&WAYS, CLIENTS, |setup, clients| begin(setup, clients, &setup.edge.head("GET", "/silent", "")));
    at(&WAYS, CLIENTS, |setup, clients| {
        begin(setup, clients, &(setup.edge.head("POST", "/silent", "Content-Length: 5\r\n") + "hello"));
    });
}

#[test]
fn clients_leave_with_a_lot_pipelined_ahead_of_an_answer() {
    at(&WAYS, CLIENTS, |setup, clients| {
        let next = setup.edge.head("GET", "/next", "");
        let ahead = next.repeat(100_000 / next.len());
        begin(setup, clients, &(setup.edge.head("GET", "/silent", "") + &ahead));
    });
}

#[test]
fn clients_leave_within_streams_that_are_silent_for_the_moment() {
    at(&WAYS, CLIENTS, |setup, clients| {
        begin(setup, clients, &setup.edge.head("GET", "/event", ""));
        for client in clients.iter_mut() {
            client.read(100);
        }
    });
}

#[test]
fn clients_leave_within_responses_that_flow() {
    at(&WAYS, CLIENTS, |setup, clients| {
        begin(setup, clients, &setup.edge.head("GET", "/flows", ""));
        for client in clients.iter_mut() {
            client.read(100_000);
        }
    });
}

#[test]
fn clients_leave_within_responses_that_they_do_not_read() {
    at(&WAYS, CLIENTS, |setup, clients| {
        begin(setup, clients, &setup.edge.head("GET", "/flows", ""));
        until("all are held up", || setup.server.stalled() == CLIENTS);
    });
}

#[test]
fn clients_leave_within_websockets_of_which_the_server_takes_nothing() {
    let open = |setup: &Setup, clients: &mut [Client]| {
        begin(setup, clients, &setup.edge.head("GET", "/websocket", UPGRADE));
        for client in clients.iter_mut() {
            client.read(SWITCH.len() - 10);
        }
    };
    // The end of a WebSocket is no failure.
    at_with(&WAYS, CLIENTS, 0, |setup, clients| {
        open(setup, clients);
        for client in clients.iter_mut() {
            client.send(&"x".repeat(200_000));
        }
    });
    at_with(&RESETS, CLIENTS, 0, |setup, clients| {
        open(setup, clients);
        fill(clients);
    });
}
