//! An HTTP/1 client that sends what it is told, byte for byte.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

/// Long enough for any machine; reached only when something hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection whose answers are read one by one.
pub struct Connection {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// The head of an answer.
#[derive(Debug, Clone)]
pub struct Head {
    pub status: u16,
    pub headers: Vec<(String, String)>,
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Connection {
    pub fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Connection { stream, unread: Vec::new() }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.stream.write_all(bytes.as_ref()).unwrap();
        self
    }

    /// Its sending end, to send while another thread reads.
    pub fn sender(&self) -> TcpStream {
        self.stream.try_clone().unwrap()
    }

    /// Sends a request without a body and reads its answer.
    pub fn ask(&mut self, method: &str, target: &str, host: &str, headers: &str) -> Response {
        self.send(format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n"));
        self.read_response(method)
    }

    /// Reads one answer, whose length depends on the method it answers.
    pub fn read_response(&mut self, method: &str) -> Response {
        let head = self.read_head();
        let length = head.header("content-length").map(|length| length.parse().unwrap());
        let body = if method == "HEAD" || head.status == 204 || head.status == 304 {
            Vec::new()
        } else if head.header("transfer-encoding").is_some() {
            let mut body = Vec::new();
            while let Some(chunk) = self.read_chunk() {
                body.extend(chunk);
            }
            body
        } else if let Some(length) = length {
            self.read_exactly(length)
        } else {
            self.read_to_end()
        };
        Response { status: head.status, headers: head.headers, body }
    }

    pub fn read_head(&mut self) -> Head {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 64];
            let mut response = httparse::Response::new(&mut headers);
            if let httparse::Status::Complete(length) = response.parse(&self.unread).unwrap() {
                let pair = |header: &httparse::Header<'_>| {
                    (header.name.to_ascii_lowercase(), String::from_utf8(header.value.to_vec()).unwrap())
                };
                let head =
                    Head { status: response.code.unwrap(), headers: response.headers.iter().map(pair).collect() };
                self.unread.drain(..length);
                return head;
            }
            assert!(self.fill(), "the connection was closed before a whole head: {:?}", self.unread);
        }
    }

    /// The next chunk of a chunked body, `None` after the last and the trailers.
    pub fn read_chunk(&mut self) -> Option<Vec<u8>> {
        let size = usize::from_str_radix(&self.read_line(), 16).unwrap();
        if size == 0 {
            while !self.read_line().is_empty() {}
            return None;
        }
        let mut chunk = self.read_exactly(size + 2);
        chunk.truncate(size);
        Some(chunk)
    }

    fn read_line(&mut self) -> String {
        let end = loop {
            if let Some(end) = self.unread.windows(2).position(|two| two == b"\r\n") {
                break end;
            }
            assert!(self.fill(), "the connection was closed within a chunked body");
        };
        let line = String::from_utf8(self.unread[..end].to_vec()).unwrap();
        self.unread.drain(..end + 2);
        line
    }

    pub fn read_exactly(&mut self, length: usize) -> Vec<u8> {
        while self.unread.len() < length {
            assert!(self.fill(), "the connection was closed within a body");
        }
        self.unread.drain(..length).collect()
    }

    pub fn read_to_end(&mut self) -> Vec<u8> {
        while self.fill() {}
        std::mem::take(&mut self.unread)
    }

    /// Whether the other end closes the connection without another byte.
    pub fn is_closed(&mut self) -> bool {
        self.unread.is_empty() && !self.fill()
    }

    /// Says that nothing more will be sent.
    pub fn half_close(&mut self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Reads what there is; false at the end of the stream.
    fn fill(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(read) => {
                self.unread.extend_from_slice(&buffer[..read]);
                read > 0
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("nothing arrived: {error}"),
        }
    }
}

impl Head {
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// The value of a header that must not be repeated.
fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut found = headers.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str());
    let value = found.next();
    assert_eq!(found.next(), None, "{name} is repeated");
    value
}
