//! A server that takes nothing of a request is given up in time, and is heard as long as it has something to say.

use std::{
    io::Write,
    net::{SocketAddr, TcpStream},
    sync::mpsc::{self, Receiver, Sender},
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::support::{
    edge::{Edge, NO_ANSWER, PUBLIC_URLS, is_error, servers_yaml},
    h2c::H2cEdge,
    http::{Connection, Response},
    in_time::{Heard, Joined},
    raw,
    stages::{GRACE, stops_at_once},
    stock::Stock,
    until,
    websocket::{SWITCH, UPGRADE},
};

/// More than all buffers on the way hold.
const LENGTH: usize = 32_000_000;
const TIMEOUTS: &str = "timeouts: {silence: 500ms, first_byte: 1h}\n";
const SILENT: &str = "the Bifrost server fell silent, or took nothing of the request, for too long";
const FRAMINGS: [&str; 2] = ["Content-Length: 32000000\r\n", "Transfer-Encoding: chunked\r\n"];
const EXPECTING: &str = "Expect: 100-continue\r\nContent-Length: 5\r\n";

/// A server that reads a head, says something, and then reads nothing until this is dropped.
struct Stalled {
    address: SocketAddr,
    heads: Receiver<()>,
    _holds: Sender<()>,
}

impl Stalled {
    fn saying(answer: &'static [u8]) -> Self {
        let (came, heads) = mpsc::channel();
        let (holds, held) = mpsc::channel::<()>();
        let address = raw::serve_one(move |mut stream| {
            raw::read_head(&mut stream);
            stream.write_all(answer).unwrap();
            came.send(()).unwrap();
            let _until_dropped = held.recv();
        });
        Stalled { address, heads, _holds: holds }
    }

    fn yaml(&self) -> String {
        format!("{PUBLIC_URLS}{}{TIMEOUTS}{GRACE}", servers_yaml(&[self.address]))
    }
}

/// Sends an upload until it is whole, or nobody takes any more of it.
fn upload(client: &mut Connection, host: &str, framing: &str) -> JoinHandle<()> {
    client.send(format!("POST /upload HTTP/1.1\r\nHost: {host}\r\n{framing}\r\n"));
    send_body(client.sender(), framing.starts_with('T'))
}

fn send_body(mut sender: TcpStream, is_chunked: bool) -> JoinHandle<()> {
    thread::spawn(move || {
        let piece = vec![b'x'; 100_000];
        let (before, after) = if is_chunked { ("186a0\r\n", "\r\n") } else { ("", "") };
        let piece = [before.as_bytes(), &piece, after.as_bytes()].concat();
        // It ends when the edge closes the connection.
        let _broken = (0..LENGTH / 100_000).try_for_each(|_| sender.write_all(&piece));
    })
}

/// Whatever the edge says to a client that sends on, and then closes the connection.
fn last_word(address: SocketAddr, framing: &str) -> Response {
    let mut client = Connection::to(address);
    let sending = upload(&mut client, "x", framing);
    let answer = client.read_response("POST");
    assert!(client.is_closed());
    drop(client);
    sending.joined();
    answer
}

#[test]
fn a_server_that_takes_nothing_of_an_upload_is_504() {
    for framing in FRAMINGS {
        let server = Stalled::saying(b"");
        let edge = Edge::start(&server.yaml());
        is_error(&last_word(edge.address, framing), 504, SILENT);
        assert_eq!((edge.report().servers[0].in_flight, edge.report().servers[0].broken), (0, 1));
        stops_at_once(edge, framing);
    }
}

#[test]
fn a_server_that_takes_nothing_is_504_on_a_stock_listener_and_over_http2_too() {
    for framing in FRAMINGS {
        let server = Stalled::saying(b"");
        let stock = Stock::start(&server.yaml());
        is_error(&last_word(stock.address, framing), 504, SILENT);
    }
    let server = Stalled::saying(b"");
    let edge = H2cEdge::start(&server.yaml());
    let client = edge.connect();
    let mut upload = client.open(edge.request("POST", "/upload"));
    upload.send(vec![b'x'; LENGTH]);
    assert_eq!(upload.answer().status(), 504);
    // The other requests of the connection go on.
    assert_eq!(client.ask(edge.request("GET", "/.well-known/openid-configuration")).status(), 404);
}

/// The end of its connection is behind the bytes for which there is no room, so that nobody hears of it.
#[test]
fn a_server_that_takes_nothing_is_given_up_when_the_client_has_left_and_holds_up_no_stop() {
    for framing in FRAMINGS {
        let server = Stalled::saying(b"");
        let edge = Edge::start(&server.yaml());
        let mut client = edge.connect();
        let sending = upload(&mut client, "x", framing);
        server.heads.heard();
        drop(client);
        until("it is given up", || edge.report().servers[0].in_flight == 0);
        stops_at_once(edge, framing);
        sending.joined();
    }
}

#[test]
fn a_server_that_answers_early_and_takes_nothing_is_heard() {
    const SAYS: [(&[u8], u16); 3] = [
        (raw::TOO_LARGE, 413),
        (b"HTTP/1.1 401 No\r\nContent-Length: 3\r\n\r\nbig", 401),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nbig\r\n0\r\n\r\n", 200),
    ];
    for framing in FRAMINGS {
        for (says, status) in SAYS {
            let server = Stalled::saying(says);
            let edge = Edge::start(&server.yaml());
            let answer = last_word(edge.address, framing);
            assert_eq!((answer.status, answer.text(), answer.header("connection")), (status, "big", Some("close")));
            until("it is over", || edge.report().servers[0].in_flight == 0);
            stops_at_once(edge, framing);

            let server = Stalled::saying(says);
            let stock = Stock::start(&server.yaml());
            let answer = last_word(stock.address, framing);
            assert_eq!((answer.status, answer.text(), answer.header("connection")), (status, "big", Some("close")));
            until("it is over", || stock.in_flight() == 0);
        }
    }
}

#[test]
fn a_server_that_asks_for_the_body_and_takes_nothing_of_it_is_504() {
    let (own, by_stock) = (Stalled::saying(raw::CONTINUE), Stalled::saying(raw::CONTINUE));
    let (edge, stock) = (Edge::start(&own.yaml()), Stock::start(&by_stock.yaml()));
    for address in [edge.address, stock.address] {
        let mut client = Connection::to(address);
        client.send(format!("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n{}\r\n", FRAMINGS[0]));
        assert_eq!(client.read_head().status, 100);
        let sending = send_body(client.sender(), false);
        is_error(&client.read_response("POST"), 504, SILENT);
        drop(client);
        sending.joined();
    }
    stops_at_once(edge, "after 100");
}

/// Asks this server with each listener.
fn expecting(serve: impl FnOnce(TcpStream) + Clone + Send + 'static, timeouts: &str, go_on: impl Fn(&mut Connection)) {
    let server = || servers_yaml(&[raw::serve_one(serve.clone())]);
    let yaml = || format!("{PUBLIC_URLS}{}timeouts: {{{timeouts}}}\n", server());
    let (edge, stock) = (Edge::start(&yaml()), Stock::start(&yaml()));
    for address in [edge.address, stock.address] {
        let mut client = Connection::to(address);
        client.send(format!("POST / HTTP/1.1\r\nHost: x\r\n{EXPECTING}\r\n"));
        go_on(&mut client);
    }
}

#[test]
fn a_client_that_expects_100_is_asked_for_its_body_by_the_server_alone() {
    let serve = |mut stream: TcpStream| {
        raw::read_head(&mut stream);
        stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        assert!(stream.peek(&mut [0]).is_err(), "there is more than a head");
        stream.write_all(raw::CONTINUE).unwrap();
        stream.set_read_timeout(None).unwrap();
        assert_eq!(raw::read_exactly(&mut stream, 5), b"hello");
        stream.write_all(raw::OK).unwrap();
    };
    expecting(serve, "first_byte: 1h", |client| {
        assert_eq!(client.read_head().status, 100);
        assert_eq!(client.send("hello").read_response("POST").text(), "ok");
    });
}

#[test]
fn a_client_that_expects_100_hears_a_final_answer_instead() {
    let serve = |mut stream: TcpStream| {
        raw::read_head(&mut stream);
        stream.write_all(raw::TOO_LARGE).unwrap();
        // It keeps its connection, and waits for a body that never comes.
        stream.set_read_timeout(None).unwrap();
        raw::is_closed(&mut stream);
    };
    expecting(serve, "first_byte: 1h", |client| {
        let answer = client.read_response("POST");
        assert_eq!((answer.status, answer.header("connection")), (413, Some("close")));
        assert!(client.is_closed());
    });
}

#[test]
fn a_client_that_sends_without_100_after_its_own_patience_is_served() {
    let (came, heads) = mpsc::channel();
    let serve = move |mut stream: TcpStream| {
        raw::read_head(&mut stream);
        came.send(()).unwrap();
        assert_eq!(raw::read_exactly(&mut stream, 5), b"hello");
        stream.write_all(raw::OK).unwrap();
    };
    expecting(serve, "first_byte: 1h", |client| {
        // Its server has been asked, and says nothing.
        heads.heard();
        assert_eq!(client.send("hello").read_response("POST").text(), "ok");
    });
}

#[test]
fn a_server_that_says_nothing_to_a_client_that_expects_100_is_504() {
    let serve = |mut stream: TcpStream| {
        raw::read_head(&mut stream);
        assert!(raw::is_closed(&mut stream));
    };
    expecting(serve, "first_byte: 300ms", |client| is_error(&client.read_response("POST"), 504, NO_ANSWER));
}

#[test]
fn a_server_that_takes_nothing_of_a_websocket_is_given_up() {
    let (own, by_stock) = (Stalled::saying(SWITCH), Stalled::saying(SWITCH));
    let (edge, stock) = (Edge::start(&own.yaml()), Stock::start(&by_stock.yaml()));
    for address in [edge.address, stock.address] {
        let mut client = Connection::to(address);
        client.send(format!("GET /ws HTTP/1.1\r\nHost: x\r\n{UPGRADE}\r\n"));
        assert_eq!(client.read_head().status, 101);
        send_body(client.sender(), false).joined();
        assert!(client.is_closed());
    }
    until("they are given up", || edge.report().servers[0].in_flight == 0 && stock.in_flight() == 0);
    assert_eq!(edge.report().servers[0].broken, 1);
    assert_eq!(edge.metric("bridgehead_requests_failed_total{reason=\"silence_timed_out\"}"), 1);
    stops_at_once(edge, "a WebSocket");
}
