//! An HTTP/1 client that sends what it is told, byte for byte.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Instant,
};

use super::{PATIENCE, in_time::is_endless};

/// Where an edge listens, as clients see it.
pub struct Origin {
    pub address: SocketAddr,
}

/// A connection whose answers are read one by one.
pub struct Connection {
    began: Instant,
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

impl Origin {
    /// A new connection to it.
    pub fn connect(&self) -> Connection {
        Connection::to(self.address)
    }

    /// The Host that a client of `http://localhost:{port}` sends.
    pub fn host(&self) -> String {
        format!("localhost:{}", self.address.port())
    }

    /// The head of a request to it, in HTTP/1.1.
    pub fn head(&self, method: &str, target: &str, headers: &str) -> String {
        format!("{method} {target} HTTP/1.1\r\nHost: {}\r\n{headers}\r\n", self.host())
    }

    /// The answer to a GET on a connection of its own.
    pub fn get(&self, target: &str) -> Response {
        self.connect().ask("GET", target, &self.host(), "")
    }
}

impl Connection {
    pub fn to(address: SocketAddr) -> Self {
        Self::try_to(address).unwrap()
    }

    /// A connection that may be refused.
    pub fn try_to(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Connection { began: Instant::now(), stream, unread: Vec::new() })
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.stream.write_all(bytes.as_ref()).unwrap();
        self
    }

    /// Sends one chunk of a chunked body.
    pub fn send_chunk(&mut self, data: &[u8]) -> &mut Self {
        self.send(format!("{:x}\r\n", data.len())).send(data).send("\r\n")
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
            self.read_chunks()
        } else if let Some(length) = length {
            self.read_exactly(length)
        } else {
            self.read_to_end()
        };
        Response { status: head.status, headers: head.headers, body }
    }

    #[track_caller]
    pub fn read_head(&mut self) -> Head {
        expected(self.try_read_head())
    }

    /// The same of a connection that may break: an error is the cause.
    pub fn try_read_head(&mut self) -> Result<Head, String> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 64];
            let mut response = httparse::Response::new(&mut headers);
            let parsed = response.parse(&self.unread).map_err(|error| format!("a malformed head: {error}"))?;
            if let httparse::Status::Complete(length) = parsed {
                let pair = |header: &httparse::Header<'_>| {
                    (header.name.to_ascii_lowercase(), String::from_utf8(header.value.to_vec()).unwrap())
                };
                let head =
                    Head { status: response.code.unwrap(), headers: response.headers.iter().map(pair).collect() };
                self.unread.drain(..length);
                return Ok(head);
            }
            self.try_fill()?;
        }
    }

    /// The next chunk of a chunked body, `None` after the last and the trailers.
    #[track_caller]
    pub fn read_chunk(&mut self) -> Option<Vec<u8>> {
        expected(self.try_read_chunk())
    }

    /// The same of a connection that may break.
    pub fn try_read_chunk(&mut self) -> Result<Option<Vec<u8>>, String> {
        let line = self.try_read_line()?;
        let size = usize::from_str_radix(&line, 16).map_err(|_| format!("no size of a chunk: {line:?}"))?;
        if size == 0 {
            while !self.try_read_line()?.is_empty() {}
            return Ok(None);
        }
        let mut chunk = self.try_read_exactly(size + 2)?;
        chunk.truncate(size);
        Ok(Some(chunk))
    }

    /// The rest of a chunked body.
    pub fn read_chunks(&mut self) -> Vec<u8> {
        std::iter::from_fn(|| self.read_chunk()).flatten().collect()
    }

    fn try_read_line(&mut self) -> Result<String, String> {
        let end = loop {
            if let Some(end) = self.unread.windows(2).position(|two| two == b"\r\n") {
                break end;
            }
            self.try_fill()?;
        };
        let line = String::from_utf8_lossy(&self.unread[..end]).into_owned();
        self.unread.drain(..end + 2);
        Ok(line)
    }

    #[track_caller]
    pub fn read_exactly(&mut self, length: usize) -> Vec<u8> {
        expected(self.try_read_exactly(length))
    }

    /// The same of a connection that may break.
    pub fn try_read_exactly(&mut self, length: usize) -> Result<Vec<u8>, String> {
        while self.unread.len() < length {
            self.try_fill()?;
        }
        Ok(self.unread.drain(..length).collect())
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
        match self.receive() {
            Ok(read) => read > 0,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("nothing arrived: {error}"),
        }
    }

    /// Reads what there is; an error at the end of the stream.
    fn try_fill(&mut self) -> Result<(), String> {
        match self.receive() {
            Ok(0) => Err(format!("closed after {:?}", String::from_utf8_lossy(&self.unread))),
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn receive(&mut self) -> io::Result<usize> {
        assert!(!is_endless(self.began), "what comes has no end");
        let mut buffer = [0; 16 * 1024];
        let read = self.stream.read(&mut buffer)?;
        self.unread.extend_from_slice(&buffer[..read]);
        Ok(read)
    }
}

#[track_caller]
fn expected<T>(read: Result<T, String>) -> T {
    read.unwrap_or_else(|cause| panic!("no whole answer: {cause}"))
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
