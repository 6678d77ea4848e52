//! A large body passes in little memory, and an end that stops reading stops the other.

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::mpsc,
    thread,
    time::Duration,
};

use crate::support::{
    bifrost::Bifrost,
    edge::servers_yaml,
    http::Connection,
    in_time::{Heard, Joined},
    program::{Running, config},
    raw,
};

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
        let address = program.address();
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
        client.send_chunk(&block);
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
    let serve = move |mut stream: TcpStream| {
        raw::read_head(&mut stream);
        stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n").as_bytes()).unwrap();
        let period: Vec<u8> = (0..251).map(Bifrost::byte_at).collect();
        write_until_it_stalls(&mut stream, &period.repeat(LARGE / period.len() + 1)[..LARGE], &stalls);
    };
    let edge = Measured::in_front_of(raw::serve(vec![Box::new(raw::answer_one), Box::new(serve)]));
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
    let serve = move |mut stream: TcpStream| {
        raw::read_head(&mut stream);
        resumed.heard();
        let mut body = vec![0; 1 << 20];
        let mut left = SIZE;
        while left > 0 {
            left -= stream.read(&mut body).unwrap();
        }
        stream.write_all(raw::OK).unwrap();
    };
    let edge = Measured::in_front_of(raw::serve(vec![Box::new(raw::answer_one), Box::new(serve)]));
    let mut client = Connection::to(edge.address);
    client.send(format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {SIZE}\r\n\r\n"));
    let (stalls, stalled) = mpsc::channel();
    let mut sender = client.sender();
    let sending = thread::spawn(move || write_until_it_stalls(&mut sender, &vec![b'x'; SIZE], &stalls));
    stalled.recv_timeout(Duration::from_mins(1)).expect("the client should have had to wait");
    edge.has_held_little();
    resume.send(()).unwrap();
    sending.joined();
    assert_eq!(client.read_response("POST").text(), "ok");
    edge.has_held_little();
}
