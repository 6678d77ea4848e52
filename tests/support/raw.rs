//! A server that does with a connection what it is told, byte for byte.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
};

use super::PATIENCE;

/// A whole answer.
pub const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
/// The head of an answer in chunks.
pub const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
pub const EARLY_HINTS: &[u8] = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
/// A whole answer that refuses an upload.
pub const TOO_LARGE: &[u8] = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig";

/// Listens on a free port and handles the first connections one after the other, each in its own way.
pub fn serve(handlers: Vec<Box<dyn FnOnce(TcpStream) + Send>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for handle in handlers {
            let (stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            handle(stream);
        }
    });
    address
}

/// The same for one connection only.
pub fn serve_one(handler: impl FnOnce(TcpStream) + Send + 'static) -> SocketAddr {
    serve(vec![Box::new(handler)])
}

/// Asks the client of one request for its body, `hello`, and answers.
pub fn answer_who_expects_100(stream: &mut TcpStream) {
    let head = read_head(stream).to_ascii_lowercase();
    assert!(head.contains("\r\nexpect: 100-continue\r\n"), "{head}");
    stream.write_all(CONTINUE).unwrap();
    assert_eq!(read_exactly(stream, 5), b"hello");
    stream.write_all(OK).unwrap();
}

/// Answers so many requests without a body, on one connection.
pub fn answers<const N: usize>(answers: [&'static [u8]; N]) -> SocketAddr {
    serve_one(move |mut stream| {
        for answer in answers {
            read_head(&mut stream);
            stream.write_all(answer).unwrap();
        }
    })
}

/// Answers one more request, if one comes.
pub fn answer_the_next(stream: &mut TcpStream) {
    if stream.peek(&mut [0]).is_ok_and(|read| read > 0) {
        read_head(stream);
        stream.write_all(OK).unwrap();
    }
}

/// Answers one request, and lets the connection be used for no other.
pub fn answer_one(mut stream: TcpStream) {
    read_head(&mut stream);
    stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok").unwrap();
}

/// Reads up to the end of a head and returns it.
pub fn read_head(stream: &mut TcpStream) -> String {
    read_next_head(stream).expect("the connection was closed before a head")
}

/// The same, or `None` when the connection is closed instead.
pub fn read_next_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("nothing arrived: {error}"),
            _ if head.is_empty() => return None,
            _ => panic!("the connection was closed within a head: {head:?}"),
        }
    }
    Some(String::from_utf8(head).unwrap())
}

/// Reads a chunked body without trailers and returns it with its frames.
pub fn read_chunked(stream: &mut TcpStream) -> String {
    let mut body = Vec::new();
    let mut byte = [0];
    while !(body == b"0\r\n\r\n" || body.ends_with(b"\r\n0\r\n\r\n")) {
        stream.read_exact(&mut byte).unwrap();
        body.push(byte[0]);
    }
    String::from_utf8(body).unwrap()
}

/// Reads so many bytes.
pub fn read_exactly(stream: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

/// Whether the other end closes or breaks the connection without another byte.
pub fn is_closed(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}
