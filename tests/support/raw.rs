//! A server that does with a connection what it is told, byte for byte.

use std::{
    io::{ErrorKind, Read},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

/// Listens on a free port and handles the first connections one after the other, each in its own way.
pub fn serve(handlers: Vec<Box<dyn FnOnce(TcpStream) + Send>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for handle in handlers {
            let (stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            handle(stream);
        }
    });
    address
}

/// Reads up to the end of a head and returns it.
pub fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
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
