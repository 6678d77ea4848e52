//! A client that allocates nothing once it is connected.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// A kept-alive connection. It is on the stack, buffer and all.
pub struct Client {
    stream: TcpStream,
    buffer: [u8; 16 * 1024],
}

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the edge accepts");
        stream.set_nodelay(true).expect("a socket");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
        Client { stream, buffer: [0; _] }
    }

    pub fn get(&mut self, target: &str) {
        self.ask(format_args!("GET {target} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n"));
        self.read_answer();
    }

    /// Sends so many bytes, at most 4 KiB.
    pub fn post(&mut self, target: &str, length: usize) {
        let body = [b'x'; 4096];
        let body = str::from_utf8(&body[..length]).expect("ASCII");
        self.ask(format_args!(
            "POST {target} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nAccept: */*\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        ));
        self.read_answer();
    }

    /// Begins a stream of events and reads the first one.
    pub fn begin_stream(&mut self) {
        self.ask(format_args!("GET /events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"));
        let mut read = 0;
        while find(&self.buffer[..read], b"data:").is_none() {
            read += self.read(read);
        }
    }

    /// One write, as clients do.
    fn ask(&mut self, request: std::fmt::Arguments<'_>) {
        let mut rest = self.buffer.as_mut_slice();
        rest.write_fmt(request).expect("it fits");
        let left = rest.len();
        let written = self.buffer.len() - left;
        self.stream.write_all(&self.buffer[..written]).expect("the edge reads");
    }

    fn read_answer(&mut self) {
        let mut read = self.read(0);
        let head = loop {
            match find(&self.buffer[..read], b"\r\n\r\n") {
                Some(end) => break end + 4,
                None => read += self.read(read),
            }
        };
        assert!(self.buffer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&self.buffer[..read]));
        let length = content_length(&self.buffer[..head]);
        while read < head + length {
            read += self.read(read);
        }
    }

    fn read(&mut self, from: usize) -> usize {
        let read = self.stream.read(&mut self.buffer[from..]).expect("an answer");
        assert!(read > 0, "the edge closed the connection");
        read
    }
}

/// Of a head; 0 without one.
pub fn content_length(head: &[u8]) -> usize {
    let lines = head.split(|byte| *byte == b'\n');
    let mut values = lines.filter_map(|line| {
        let (name, value) = line.split_at_checked(b"content-length:".len())?;
        name.eq_ignore_ascii_case(b"content-length:").then(|| str::from_utf8(value.trim_ascii()).ok()?.parse().ok())?
    });
    values.next_back().unwrap_or(0)
}

pub fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}
