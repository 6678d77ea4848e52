//! Where the head of an answer to a request for a WebSocket ends.

use std::io;

/// How far the answer to a request for a WebSocket has come. What follows its head belongs to the WebSocket,
/// so that no more than the head may be read.
#[derive(Default)]
pub(super) enum Handshake {
    /// The request is for something else, or the answer is no 101.
    #[default]
    None,
    /// So much of the head has been read.
    Head(Vec<u8>),
    /// The head was a 101: what follows is read from the detached connection.
    Done,
}

impl Handshake {
    /// Takes note of what has been read, and looks at a head once it is whole.
    pub fn has_read(&mut self, bytes: &[u8]) -> io::Result<()> {
        const LONGEST: usize = 16 * 1024;
        let Handshake::Head(head) = self else { return Ok(()) };
        head.extend_from_slice(bytes);
        if head.len() > LONGEST {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the head of the answer is too long"));
        }
        if !head.ends_with(b"\n\r\n") && !head.ends_with(b"\n\n") {
            return Ok(());
        }
        match head.get(b"HTTP/1.1 ".len()..b"HTTP/1.1 101".len()) {
            Some(b"101") => *self = Handshake::Done,
            // Another head follows an interim one (RFC 9110 section 15.2).
            Some([b'1', ..]) => head.clear(),
            _ => *self = Handshake::None,
        }
        Ok(())
    }
}
