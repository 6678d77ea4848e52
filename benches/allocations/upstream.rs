//! A server in another process, so that what it allocates is not counted: this very program, started anew.

use std::{
    env,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{self, Child, Command, Stdio},
    thread,
};

use crate::client::{content_length, find};

/// Makes this program the server.
pub const ARGUMENT: &str = "--upstream";

/// The other process, which ends with this one.
pub struct Upstream {
    pub address: SocketAddr,
    child: Child,
}

impl Upstream {
    pub fn start() -> Self {
        let mut child = Command::new(env::current_exe().expect("this program"))
            .arg(ARGUMENT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("a line");
        Upstream { address: line.trim().parse().expect("an address"), child }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Serves until whoever started it is gone.
pub fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    thread::spawn(|| {
        let _end = io::stdin().read(&mut [0]);
        process::exit(0);
    });
    for stream in listener.incoming().map_while(Result::ok) {
        let serving = thread::Builder::new().stack_size(128 * 1024);
        let _serving = serving.spawn(move || serve_one(stream));
    }
}

fn serve_one(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut request = Vec::new();
    loop {
        let head = loop {
            if let Some(end) = find(&request, b"\r\n\r\n") {
                break end + 4;
            }
            read_more(&mut stream, &mut request)?;
        };
        let whole = head + content_length(&request[..head]);
        while request.len() < whole {
            read_more(&mut stream, &mut request)?;
        }
        let answer = match request.split(|byte| *byte == b' ').nth(1) {
            Some(b"/events") => first_event(),
            Some(b"/large") => json(10_000),
            _ => json(1_400),
        };
        stream.write_all(&answer)?;
        request.drain(..whole);
    }
}

fn read_more(stream: &mut TcpStream, request: &mut Vec<u8>) -> io::Result<()> {
    let mut piece = [0; 16 * 1024];
    let read = stream.read(&mut piece)?;
    request.extend_from_slice(&piece[..read]);
    if read == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}

/// With the headers of a Bifrost.
fn json(length: usize) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nServer: fasthttp\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Type: \
         application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    [head.into_bytes(), vec![b'x'; length]].concat()
}

/// The next one never comes.
fn first_event() -> Vec<u8> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    let event = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello\"}}]}\n\n";
    format!("{head}{:x}\r\n{event}\r\n", event.len()).into_bytes()
}
