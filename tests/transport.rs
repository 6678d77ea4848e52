//! What HTTP/1 allows on a connection passes through the edge, and no connection loses step.

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::mpsc,
    thread,
    time::Duration,
};

use crate::support::{
    bifrost::Bifrost,
    edge::{Edge, servers_yaml},
    http::{Connection, Head},
    program::{Running, config},
    raw,
};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
const TOO_LARGE: &[u8] = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig";

/// An edge in front of a server that handles its first connections so, one after the other.
fn in_front_of(handlers: Vec<Box<dyn FnOnce(TcpStream) + Send>>) -> Edge {
    Edge::in_front_of(&[raw::serve(handlers)])
}

/// The same with a server of one connection only.
fn in_front_of_one(handler: impl FnOnce(TcpStream) + Send + 'static) -> Edge {
    in_front_of(vec![Box::new(handler)])
}

/// The head of an HTTP/1.1 request.
fn head(method: &str, target: &str, edge: &Edge, headers: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: {}\r\n{headers}\r\n", edge.host())
}

/// Answers one more request, if one comes.
fn answer_the_next(stream: &mut TcpStream) {
    if stream.peek(&mut [0]).is_ok_and(|read| read > 0) {
        raw::read_head(stream);
        stream.write_all(OK).unwrap();
    }
}

/// Asks for one more answer, unless the last one said that the connection ends with it.
fn is_in_step(client: &mut Connection, edge: &Edge, last: &Head) {
    if last.header("connection") == Some("close") {
        assert!(client.is_closed());
    } else {
        assert_eq!(client.ask("GET", "/", &edge.host(), "").text(), "ok");
    }
}

// === Expect: 100-continue ===

#[test]
fn a_client_that_expects_100_gets_it_before_it_sends_the_body_and_keeps_its_connection() {
    let edge = in_front_of_one(|mut stream| {
        let head = raw::read_head(&mut stream).to_ascii_lowercase();
        assert!(head.contains("\r\nexpect: 100-continue\r\n"), "{head}");
        stream.write_all(CONTINUE).unwrap();
        assert_eq!(raw::read_exactly(&mut stream, 5), b"hello");
        stream.write_all(OK).unwrap();
        answer_the_next(&mut stream);
    });
    let mut client = edge.connect();
    client.send(head("POST", "/", &edge, "Expect: 100-continue\r\nContent-Length: 5\r\n"));
    assert_eq!(client.read_head().status, 100);
    client.send("hello");
    let response = client.read_response("POST");
    assert_eq!((response.text(), response.header("connection")), ("ok", Some("keep-alive")));
    assert_eq!(client.ask("GET", "/", &edge.host(), "").text(), "ok");
}

#[test]
fn a_server_that_refuses_instead_of_100_is_heard() {
    for (closes, status) in [(true, 413), (false, 413), (true, 401), (false, 401)] {
        let (done, is_done) = mpsc::channel::<()>();
        let edge = in_front_of_one(move |mut stream| {
            raw::read_head(&mut stream);
            let connection = if closes { "Connection: close\r\n" } else { "" };
            let answer = format!("HTTP/1.1 {status} No\r\nContent-Length: 3\r\n{connection}\r\nbig");
            stream.write_all(answer.as_bytes()).unwrap();
            if !closes {
                // Until the client has heard it.
                let _ended = is_done.recv();
            }
        });
        let mut client = edge.connect();
        client.send(head("POST", "/", &edge, "Expect: 100-continue\r\nContent-Length: 5\r\n"));
        let response = client.read_response("POST");
        assert_eq!((response.status, response.text()), (status, "big"), "closes: {closes}");
        drop(done);
    }
}

/// Such a client may send the body all the same (RFC 9110 section 10.1.1).
#[test]
fn a_body_sent_after_a_refusal_is_not_taken_for_a_request() {
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    let bifrost = Bifrost::start();
    let refusing = raw::serve(vec![Box::new(|mut stream: TcpStream| {
        raw::read_head(&mut stream);
        stream.write_all(TOO_LARGE).unwrap();
    })]);
    let servers = servers_yaml(&[refusing, bifrost.address()]);
    let edge = Edge::start(&format!("{servers}balance: {{policy: round_robin}}\n"));
    let mut client = edge.connect();
    let length = format!("Expect: 100-continue\r\nContent-Length: {}\r\n", smuggled.len());
    client.send(head("POST", "/", &edge, &length));
    assert_eq!(client.read_response("POST").status, 413);
    // The edge may have closed the connection, or reads on and finds the next request where it is.
    let mut sender = client.sender();
    let next = head("GET", "/echo?next", &edge, "");
    if sender.write_all(smuggled.as_bytes()).and_then(|()| sender.write_all(next.as_bytes())).is_ok()
        && !client.is_closed()
    {
        assert_eq!(client.read_response("GET").json()["target"], "/echo?next");
    }
    assert!(bifrost.recorded().iter().all(|request| request.target != "/smuggled"));
}

#[test]
fn a_client_of_http_1_0_gets_no_interim_answer() {
    let edge = in_front_of_one(|mut stream| {
        let head = raw::read_head(&mut stream).to_ascii_lowercase();
        if head.contains("\r\nexpect: 100-continue\r\n") {
            stream.write_all(CONTINUE).unwrap();
        }
        stream.write_all(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n").unwrap();
        assert_eq!(raw::read_exactly(&mut stream, 5), b"hello");
        stream.write_all(OK).unwrap();
    });
    let mut client = edge.connect();
    let headers = "Expect: 100-continue\r\nContent-Length: 5\r\n";
    client.send(format!("POST / HTTP/1.0\r\nHost: {}\r\n{headers}\r\nhello", edge.host()));
    let response = client.read_response("POST");
    assert_eq!((response.status, response.body), (200, b"ok".to_vec()));
}

// === trailers ===

#[test]
fn a_chunked_request_with_trailers_arrives_whole_and_the_next_one_too() {
    let bifrost = Bifrost::start();
    let edge = Edge::in_front_of(&[bifrost.address()]);
    let mut client = edge.connect();
    for number in 0..3 {
        client.send(head(
            "POST",
            &format!("/echo?{number}"),
            &edge,
            "Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n",
        ));
        client.send("3\r\nhel\r\n2;extension=1\r\nlo\r\n0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n");
        let echo = client.read_response("POST").json();
        assert_eq!((&echo["body_length"], &echo["target"]), (&5.into(), &format!("/echo?{number}").into()));
    }
    for request in bifrost.recorded() {
        assert_eq!((request.body.as_slice(), request.connection), (&b"hello"[..], 0));
    }
}

#[test]
fn a_chunked_answer_with_trailers_arrives_whole_and_the_next_one_too() {
    // The edge is given no other connection than the first.
    let edge = in_front_of_one(|mut stream| {
        for _ in 0..3 {
            raw::read_head(&mut stream);
            stream.write_all(CHUNKED).unwrap();
            stream.write_all(b"3\r\nhel\r\n2\r\nlo\r\n0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n").unwrap();
        }
    });
    let mut client = edge.connect();
    for _ in 0..3 {
        assert_eq!(client.ask("GET", "/", &edge.host(), "TE: trailers\r\n").text(), "hello");
    }
}

// === HTTP/1.0 ===

#[test]
fn a_client_of_http_1_0_keeps_its_connection_only_when_it_asks_to() {
    let bifrost = Bifrost::start();
    let edge = Edge::in_front_of(&[bifrost.address()]);
    let mut client = edge.connect();
    client.send(format!("GET /health HTTP/1.0\r\nHost: {}\r\n\r\n", edge.host()));
    assert_eq!(client.read_response("GET").status, 200);
    assert!(client.is_closed());
    let mut client = edge.connect();
    for _ in 0..3 {
        client.send(format!("GET /health HTTP/1.0\r\nHost: {}\r\nConnection: keep-alive\r\n\r\n", edge.host()));
        let response = client.read_response("GET");
        let connection = response.header("connection").unwrap().to_ascii_lowercase();
        assert_eq!((response.status, connection.as_str()), (200, "keep-alive"));
    }
    let post = "Content-Length: 5\r\n\r\nhello";
    client.send(format!("POST /echo HTTP/1.0\r\nHost: {}\r\n{post}", edge.host()));
    assert_eq!(client.read_response("POST").json()["body_length"], 5);
    assert!(client.is_closed());
}

// === large bodies ===

/// The program in front of a server, once it has served a request.
struct Measured {
    program: Running,
    address: SocketAddr,
    at_first: usize,
    _config: tempfile::NamedTempFile,
}

impl Measured {
    fn in_front_of(server: SocketAddr) -> Self {
        let file =
            config(&format!("listeners: [{{address: \"127.0.0.1:0\"}}]\nthreads: 2\n{}", servers_yaml(&[server])));
        let mut program = Running::start(file.path());
        let listening = program.wait_for("listening on 127.0.0.1:");
        let address = listening.split_whitespace().find_map(|word| word.parse().ok()).unwrap();
        assert_eq!(Connection::to(address).ask("GET", "/health", "x", "").status, 200);
        let mut measured = Measured { program, address, at_first: 0, _config: file };
        measured.at_first = measured.most_memory();
        measured
    }

    /// The most memory that the program has held since it started, in KiB.
    fn most_memory(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.program.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Fails when the bodies since then were held in memory instead of passed on.
    fn has_held_little(&self) {
        let grown = self.most_memory() - self.at_first;
        assert!(grown < MOST_GROWTH, "the memory has grown by {grown} KiB from {} KiB", self.at_first);
    }
}

/// In KiB. The allocator takes memory by the megabyte: the first body of 15 MB makes it take 6 to 13 MiB
/// more, and one of 600 MB takes no more than that.
const MOST_GROWTH: usize = 24 * 1024;

const LARGE: usize = 150_000_000;

/// Reads a body of `/bytes/{LARGE}` to its end.
fn read_large(client: &mut Connection) {
    // A multiple of the period of these bytes.
    let block: Vec<u8> = (0..251 * 400).map(Bifrost::byte_at).collect();
    let mut left = LARGE;
    while left > 0 {
        let size = left.min(block.len());
        assert!(client.read_exactly(size) == block[..size], "another body, {left} bytes before its end");
        left -= size;
    }
}

#[test]
fn a_large_upload_passes_in_little_memory() {
    const SIZE: usize = 90_000_000;
    let bifrost = Bifrost::start();
    let edge = Measured::in_front_of(bifrost.address());
    let mut client = Connection::to(edge.address);
    let block = vec![b'x'; 100_000];
    client.send("POST /status/200 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..SIZE / block.len() {
        client.send(format!("{:x}\r\n", block.len())).send(&block).send("\r\n");
    }
    client.send("0\r\n\r\n");
    assert_eq!(client.read_response("POST").status, 200);
    let upload = bifrost.recorded().pop().unwrap();
    assert_eq!((upload.body_len, upload.body_complete), (SIZE as u64, true));
    edge.has_held_little();
}

#[test]
fn a_large_download_passes_in_little_memory() {
    let bifrost = Bifrost::start();
    let edge = Measured::in_front_of(bifrost.address());
    let mut client = Connection::to(edge.address);
    client.send(format!("GET /bytes/{LARGE} HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_eq!(client.read_head().header("content-length"), Some(LARGE.to_string().as_str()));
    read_large(&mut client);
    edge.has_held_little();
}

/// Writes all of it and says once that the other end takes no more for now.
fn write_until_it_stalls(stream: &mut TcpStream, mut bytes: &[u8], stalled: &mpsc::Sender<()>) {
    stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                let _heard_before = stalled.send(());
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_client_that_stops_reading_stops_the_server_and_fills_no_memory() {
    let (stalls, stalled) = mpsc::channel();
    let server = raw::serve(vec![Box::new(move |mut stream: TcpStream| {
        raw::read_head(&mut stream);
        stream.write_all(OK).unwrap();
        raw::read_head(&mut stream);
        stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n").as_bytes()).unwrap();
        let period: Vec<u8> = (0..251).map(Bifrost::byte_at).collect();
        write_until_it_stalls(&mut stream, &period.repeat(LARGE / period.len() + 1)[..LARGE], &stalls);
    })]);
    let edge = Measured::in_front_of(server);
    let mut client = Connection::to(edge.address);
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(client.read_head().status, 200);
    stalled.recv_timeout(Duration::from_mins(1)).expect("the server should have had to wait");
    edge.has_held_little();
    read_large(&mut client);
    edge.has_held_little();
}

#[test]
fn a_server_that_stops_reading_stops_the_client_and_fills_no_memory() {
    const SIZE: usize = 90_000_000;
    let (resume, resumed) = mpsc::channel::<()>();
    let server = raw::serve(vec![Box::new(move |mut stream: TcpStream| {
        raw::read_head(&mut stream);
        stream.write_all(OK).unwrap();
        raw::read_head(&mut stream);
        resumed.recv().unwrap();
        let mut body = vec![0; 1 << 20];
        let mut left = SIZE;
        while left > 0 {
            left -= stream.read(&mut body).unwrap();
        }
        stream.write_all(OK).unwrap();
    })]);
    let edge = Measured::in_front_of(server);
    let mut client = Connection::to(edge.address);
    client.send(format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {SIZE}\r\n\r\n"));
    let (stalls, stalled) = mpsc::channel();
    let mut sender = client.sender();
    let sending = thread::spawn(move || write_until_it_stalls(&mut sender, &vec![b'x'; SIZE], &stalls));
    stalled.recv_timeout(Duration::from_mins(1)).expect("the client should have had to wait");
    edge.has_held_little();
    resume.send(()).unwrap();
    sending.join().unwrap();
    assert_eq!(client.read_response("POST").text(), "ok");
    edge.has_held_little();
}

// === clients that go away ===

#[test]
fn a_client_that_goes_away_before_the_answer_cancels_the_request() {
    for upload in ["", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"] {
        let (news, heard) = mpsc::channel();
        let edge = in_front_of_one(move |mut stream| {
            raw::read_head(&mut stream);
            news.send(true).unwrap();
            news.send(raw::is_closed(&mut stream)).unwrap();
        });
        let mut client = edge.connect();
        client.send(head("POST", "/", &edge, upload));
        assert!(heard.recv().unwrap());
        drop(client);
        assert!(heard.recv().unwrap(), "the server heard nothing: {upload}");
    }
}

#[test]
fn a_client_that_goes_away_within_an_answer_cancels_the_request() {
    // Half of a body that is larger than any buffer on its way.
    let half = "x".repeat(50_000);
    for (framing, start) in [
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n"),
        ("Content-Length: 100000", &half),
        ("Content-Type: text/event-stream", "hello"),
    ] {
        let start = format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n{start}");
        let (news, heard) = mpsc::channel();
        let edge = in_front_of_one(move |mut stream| {
            raw::read_head(&mut stream);
            stream.write_all(start.as_bytes()).unwrap();
            news.send(raw::is_closed(&mut stream)).unwrap();
        });
        let mut client = edge.connect();
        client.send(head("GET", "/", &edge, ""));
        assert_eq!(client.read_head().status, 200);
        // The first of the body has come.
        client.read_exactly(5);
        drop(client);
        assert!(heard.recv().unwrap(), "the server heard nothing: {framing}");
    }
}

// === several requests on one connection ===

#[test]
fn a_request_sent_before_the_last_is_answered_aborts_nothing_and_waits_its_turn() {
    let (news, heard) = mpsc::channel();
    let (go_on, told) = mpsc::channel::<()>();
    let edge = in_front_of_one(move |mut stream| {
        assert!(raw::read_head(&mut stream).starts_with("GET /slow HTTP/1.1\r\n"));
        news.send("asked").unwrap();
        told.recv().unwrap();
        stream.write_all(CHUNKED).unwrap();
        stream.write_all(b"1\r\na\r\n").unwrap();
        told.recv().unwrap();
        stream.write_all(b"1\r\nb\r\n0\r\n\r\n").unwrap();
        assert!(raw::read_head(&mut stream).starts_with("POST /second HTTP/1.1\r\n"));
        assert_eq!(raw::read_exactly(&mut stream, 5), b"hello");
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond").unwrap();
        assert!(raw::read_head(&mut stream).starts_with("GET /third HTTP/1.1\r\n"));
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nthird").unwrap();
    });
    let mut client = edge.connect();
    client.send(head("GET", "/slow", &edge, ""));
    assert_eq!(heard.recv().unwrap(), "asked");
    // One while nothing has been answered, one within the answer.
    client.send(head("POST", "/second", &edge, "Content-Length: 5\r\n") + "hello");
    go_on.send(()).unwrap();
    assert_eq!(client.read_head().status, 200);
    assert_eq!(client.read_chunk().unwrap(), b"a");
    client.send(head("GET", "/third", &edge, ""));
    go_on.send(()).unwrap();
    assert_eq!((client.read_chunk().unwrap(), client.read_chunk()), (b"b".to_vec(), None));
    assert_eq!(client.read_response("POST").text(), "second");
    assert_eq!(client.read_response("GET").text(), "third");
}

#[test]
fn requests_sent_all_at_once_are_answered_in_order() {
    let bifrost = Bifrost::start();
    let edge = Edge::in_front_of(&[bifrost.address()]);
    let mut client = edge.connect();
    let mut all = String::new();
    for number in 0..20 {
        all += &head("POST", &format!("/echo?{number}"), &edge, "Transfer-Encoding: chunked\r\n");
        all += "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
        all += &head("GET", "/.well-known/oauth-authorization-server", &edge, "");
    }
    client.send(all);
    for number in 0..20 {
        let echo = client.read_response("POST").json();
        assert_eq!((&echo["target"], &echo["body_length"]), (&format!("/echo?{number}").into(), &5.into()));
        assert_eq!(client.read_response("GET").json()["issuer"], format!("http://{}", edge.host()));
    }
}

#[test]
fn a_connection_that_the_server_closed_idle_costs_a_post_nothing() {
    let (news, heard) = mpsc::channel();
    let edge = in_front_of(vec![
        Box::new(move |mut stream| {
            raw::read_head(&mut stream);
            stream.write_all(OK).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            // The edge has seen the end once it ends its own side.
            news.send(raw::is_closed(&mut stream)).unwrap();
        }),
        Box::new(|mut stream| {
            assert!(raw::read_head(&mut stream).starts_with("POST /second HTTP/1.1\r\n"));
            assert_eq!(raw::read_exactly(&mut stream, 5), b"hello");
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond").unwrap();
        }),
    ]);
    let mut client = edge.connect();
    assert_eq!(client.ask("GET", "/", &edge.host(), "").text(), "ok");
    assert!(heard.recv().unwrap());
    client.send(head("POST", "/second", &edge, "Content-Length: 5\r\n") + "hello");
    let response = client.read_response("POST");
    assert_eq!((response.status, response.text()), (200, "second"));
}

// === WebSocket ===

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                       Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.x\r\n";

const SWITCH: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                        Sec-WebSocket-Protocol: realtime\r\n\r\n";

/// A client of a WebSocket that is open.
fn websocket(edge: &Edge) -> Connection {
    let mut client = edge.connect();
    client.send(head("GET", "/ws", edge, UPGRADE));
    let head = client.read_head();
    assert_eq!((head.status, head.header("sec-websocket-protocol")), (101, Some("realtime")));
    client
}

fn accept_websocket(stream: &mut TcpStream) {
    let head = raw::read_head(stream).to_ascii_lowercase();
    assert!(head.contains("sec-websocket-protocol: realtime, openai-insecure-api-key.x\r\n"), "{head}");
    stream.write_all(SWITCH).unwrap();
}

fn read_all(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    all
}

#[test]
fn a_client_that_has_said_all_on_a_websocket_still_hears_the_server() {
    let edge = in_front_of_one(|mut stream| {
        accept_websocket(&mut stream);
        assert_eq!(read_all(&mut stream), b"last words");
        stream.write_all(b"the answer to them").unwrap();
    });
    let mut client = websocket(&edge);
    client.send("last words");
    client.half_close();
    assert_eq!(String::from_utf8(client.read_to_end()).unwrap(), "the answer to them");
}

#[test]
fn a_server_that_has_said_all_on_a_websocket_still_hears_the_client() {
    let (news, heard) = mpsc::channel();
    let edge = in_front_of_one(move |mut stream| {
        accept_websocket(&mut stream);
        stream.write_all(b"last words").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut all = Vec::new();
        let ended = stream.read_to_end(&mut all).map_err(|error| error.kind());
        news.send((String::from_utf8(all).unwrap(), ended)).unwrap();
    });
    let mut client = websocket(&edge);
    assert_eq!(client.read_exactly(10), b"last words");
    assert!(client.is_closed(), "the edge has not passed on that the server has said all");
    let mut sender = client.sender();
    for piece in ["the ", "answer ", "to them"] {
        // A broken connection shows in what the server hears.
        let _broken = sender.write_all(piece.as_bytes());
    }
    let _broken = sender.shutdown(Shutdown::Write);
    assert_eq!(heard.recv().unwrap(), ("the answer to them".to_owned(), Ok(18)));
}

#[test]
fn frames_of_a_megabyte_pass_on_a_websocket_both_ways() {
    let mut frame = b"\x82\x7f\0\0\0\0\0\x10\0\0".to_vec();
    frame.extend((0..1 << 20).map(Bifrost::byte_at));
    let length = frame.len();
    let edge = in_front_of_one(move |mut stream| {
        accept_websocket(&mut stream);
        for _ in 0..3 {
            let frame = raw::read_exactly(&mut stream, length);
            stream.write_all(&frame).unwrap();
        }
    });
    let mut client = websocket(&edge);
    for _ in 0..3 {
        client.send(&frame);
        assert!(client.read_exactly(length) == frame);
    }
}

/// Both ends write before they read, more than a connection holds.
#[test]
fn a_websocket_passes_both_ways_at_the_same_time() {
    const SIZE: usize = 32 << 20;
    let edge = in_front_of_one(|mut stream| {
        accept_websocket(&mut stream);
        let mut sender = stream.try_clone().unwrap();
        let sending = thread::spawn(move || sender.write_all(&vec![b's'; SIZE]).unwrap());
        assert!(raw::read_exactly(&mut stream, SIZE).iter().all(|byte| *byte == b'c'));
        sending.join().unwrap();
        raw::read_exactly(&mut stream, 1);
    });
    let mut client = websocket(&edge);
    let mut sender = client.sender();
    let sending = thread::spawn(move || sender.write_all(&vec![b'c'; SIZE]).unwrap());
    for _ in 0..SIZE >> 20 {
        assert!(client.read_exactly(1 << 20) == vec![b's'; 1 << 20]);
    }
    sending.join().unwrap();
    client.send(".");
}

#[test]
fn what_an_end_of_a_websocket_sent_before_it_closed_arrives_whole() {
    const SIZE: usize = 4 << 20;
    let (news, heard) = mpsc::channel();
    let edge = in_front_of(vec![
        Box::new(|mut stream| {
            accept_websocket(&mut stream);
            stream.write_all(&vec![b's'; SIZE]).unwrap();
        }),
        Box::new(move |mut stream| {
            accept_websocket(&mut stream);
            news.send(read_all(&mut stream)).unwrap();
        }),
    ]);
    let heard_from_server = websocket(&edge).read_to_end();
    assert_eq!(heard_from_server.len(), SIZE);
    let mut client = websocket(&edge);
    client.send(vec![b'c'; SIZE]);
    drop(client);
    assert_eq!(heard.recv().unwrap().len(), SIZE);
}

// === answers out of the ordinary ===

#[test]
fn the_pieces_of_an_upload_pass_as_they_come() {
    for framing in ["Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n"] {
        let is_chunked = framing.starts_with('T');
        let (news, heard) = mpsc::channel();
        let edge = in_front_of_one(move |mut stream| {
            raw::read_head(&mut stream);
            news.send(b"head".to_vec()).unwrap();
            for _ in b"abc" {
                news.send(raw::read_exactly(&mut stream, if is_chunked { 6 } else { 1 })).unwrap();
            }
            if is_chunked {
                assert_eq!(raw::read_chunked(&mut stream), "0\r\n\r\n");
            }
            stream.write_all(OK).unwrap();
        });
        let mut client = edge.connect();
        client.send(head("POST", "/", &edge, framing));
        assert_eq!(heard.recv().unwrap(), b"head");
        for letter in ["a", "b", "c"] {
            let piece = if is_chunked { format!("1\r\n{letter}\r\n") } else { letter.to_owned() };
            client.send(&piece);
            assert_eq!(heard.recv().unwrap(), piece.as_bytes());
        }
        client.send(if is_chunked { "0\r\n\r\n" } else { "" });
        assert_eq!(client.read_response("POST").text(), "ok");
    }
}

#[test]
fn an_answer_that_comes_byte_by_byte_is_read_whole() {
    let edge = in_front_of_one(|mut stream| {
        stream.set_nodelay(true).unwrap();
        let answer =
            b"HTTP/1.1 200 OK\r\nX-Header: value\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n";
        for _ in 0..20 {
            raw::read_head(&mut stream);
            for byte in [CONTINUE, answer].concat() {
                stream.write_all(&[byte]).unwrap();
            }
        }
    });
    let mut client = edge.connect();
    for _ in 0..20 {
        client.send(head("GET", "/", &edge, ""));
        assert_eq!(client.read_head().status, 100);
        let response = client.read_response("GET");
        assert_eq!((response.status, response.header("x-header"), response.text()), (200, Some("value"), "hello"));
    }
}

#[test]
fn a_request_that_comes_byte_by_byte_is_read_whole() {
    let bifrost = Bifrost::start();
    let edge = Edge::in_front_of(&[bifrost.address()]);
    let mut client = edge.connect();
    client.sender().set_nodelay(true).unwrap();
    for _ in 0..3 {
        let request =
            head("POST", "/echo", &edge, "Transfer-Encoding: chunked\r\n") + "3\r\nhel\r\n2\r\nlo\r\n0\r\nX: y\r\n\r\n";
        for byte in request.bytes() {
            client.send([byte]);
        }
        assert_eq!(client.read_response("POST").json()["body_length"], 5);
    }
}

#[test]
fn an_answer_may_begin_before_the_upload_ends() {
    for framing in ["Content-Length: 9\r\n", "Transfer-Encoding: chunked\r\n"] {
        let edge = in_front_of_one(|mut stream| {
            let head = raw::read_head(&mut stream).to_ascii_lowercase();
            stream.write_all(CHUNKED).unwrap();
            stream.write_all(b"6\r\nbefore\r\n").unwrap();
            if head.contains("\r\ncontent-length: 9\r\n") {
                assert_eq!(raw::read_exactly(&mut stream, 9), b"firstlast");
            } else {
                assert_eq!(raw::read_chunked(&mut stream), "5\r\nfirst\r\n4\r\nlast\r\n0\r\n\r\n");
            }
            stream.write_all(b"5\r\nafter\r\n0\r\n\r\n").unwrap();
            answer_the_next(&mut stream);
        });
        let mut client = edge.connect();
        let chunked = framing.starts_with('T');
        client.send(head("POST", "/", &edge, framing)).send(if chunked { "5\r\nfirst\r\n" } else { "first" });
        let answer = client.read_head();
        assert_eq!((answer.status, client.read_chunk().unwrap()), (200, b"before".to_vec()));
        client.send(if chunked { "4\r\nlast\r\n0\r\n\r\n" } else { "last" });
        assert_eq!((client.read_chunk().unwrap(), client.read_chunk()), (b"after".to_vec(), None));
        is_in_step(&mut client, &edge, &answer);
    }
}

#[test]
fn an_upload_goes_on_after_the_whole_answer() {
    for framing in ["Content-Length: 9\r\n", "Transfer-Encoding: chunked\r\n"] {
        let (uploads, uploaded) = mpsc::channel();
        let edge = in_front_of_one(move |mut stream| {
            let head = raw::read_head(&mut stream).to_ascii_lowercase();
            stream.write_all(OK).unwrap();
            uploads
                .send(if head.contains("\r\ncontent-length: 9\r\n") {
                    raw::read_exactly(&mut stream, 9)
                } else {
                    raw::read_chunked(&mut stream).into_bytes()
                })
                .unwrap();
            answer_the_next(&mut stream);
        });
        let mut client = edge.connect();
        let chunked = framing.starts_with('T');
        client.send(head("POST", "/", &edge, framing)).send(if chunked { "5\r\nfirst\r\n" } else { "first" });
        let answer = client.read_head();
        assert_eq!(client.read_exactly(2), b"ok");
        client.send(if chunked { "4\r\nlast\r\n0\r\n\r\n" } else { "last" });
        let body = if chunked { &b"5\r\nfirst\r\n4\r\nlast\r\n0\r\n\r\n"[..] } else { b"firstlast" };
        assert_eq!(uploaded.recv().unwrap(), body);
        is_in_step(&mut client, &edge, &answer);
    }
}

/// The server does not read the rest, so that its close breaks the connection.
#[test]
fn a_server_that_refuses_an_upload_and_closes_is_heard_by_a_client_that_is_still_sending() {
    for round in 0..20 {
        let edge = in_front_of_one(|mut stream| {
            raw::read_head(&mut stream);
            raw::read_exactly(&mut stream, 1000);
            stream.write_all(TOO_LARGE).unwrap();
        });
        let mut client = edge.connect();
        client.send(head("POST", "/", &edge, "Content-Length: 50000000\r\n"));
        let mut sender = client.sender();
        let sending = thread::spawn(move || {
            let block = vec![b'x'; 100_000];
            // It ends when the edge closes the connection, as it may.
            (0..500).try_for_each(|_| sender.write_all(&block))
        });
        let response = client.read_response("POST");
        assert_eq!((response.status, response.text()), (413, "big"), "round {round}");
        drop(client);
        let _broken = sending.join().unwrap();
    }
}

/// Some clients look for an answer only when they can send no more.
#[test]
fn a_refusal_is_still_there_when_the_client_has_sent_what_it_could() {
    for round in 0..20 {
        let edge = in_front_of_one(|mut stream| {
            raw::read_head(&mut stream);
            raw::read_exactly(&mut stream, 1000);
            stream.write_all(TOO_LARGE).unwrap();
        });
        let mut client = edge.connect();
        client.send(head("POST", "/", &edge, "Content-Length: 50000000\r\n"));
        let mut sender = client.sender();
        let block = vec![b'x'; 100_000];
        let _broken = (0..500).try_for_each(|_| sender.write_all(&block));
        let response = client.read_response("POST");
        assert_eq!((response.status, response.text()), (413, "big"), "round {round}");
    }
}

#[test]
fn answers_without_a_body_leave_both_connections_in_step() {
    let edge = in_front_of_one(|mut stream| {
        for answer in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 5\r\n\r\n",
            "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        ] {
            raw::read_head(&mut stream);
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    let mut client = edge.connect();
    for (method, status, length) in [
        ("HEAD", 200, Some("5")),
        ("HEAD", 200, None),
        ("HEAD", 200, None),
        ("GET", 204, None),
        ("GET", 304, Some("5")),
        ("GET", 304, None),
        ("POST", 200, Some("0")),
    ] {
        let headers = if method == "POST" { "Content-Length: 0\r\n" } else { "" };
        let response = client.ask(method, "/", &edge.host(), headers);
        assert_eq!((response.status, response.header("content-length")), (status, length), "{method}");
        assert_eq!(response.body, b"", "{method} {status}");
    }
    assert_eq!(client.ask("GET", "/", &edge.host(), "").text(), "hello");
}
