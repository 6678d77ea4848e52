//! A client of HTTP/2 that sends frames made by hand.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    time::Instant,
};

use super::{PATIENCE, edge::Edge, in_time::is_endless, narrow};
use bridgehead::framing::PREFACE;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

pub const PROTOCOL_ERROR: u32 = 1;
pub const REFUSED_STREAM: u32 = 7;
pub const CANCEL: u32 = 8;
pub const ENHANCE_YOUR_CALM: u32 = 11;

/// A connection after its preface and settings.
pub struct Frames {
    began: Instant,
    stream: TcpStream,
}

/// A frame that has come.
#[derive(Debug, Clone)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frames {
    pub fn connect(edge: &Edge) -> Self {
        let mut frames = Self::without_preface(edge);
        frames.write(PREFACE);
        // No table of headers, so that an answer spells them out.
        frames.send(SETTINGS, 0, 0, &[0, 1, 0, 0, 0, 0]);
        frames
    }

    /// A connection that takes little at a time, of streams that may send any amount.
    pub fn narrow(edge: &Edge) -> Self {
        let mut frames = Frames { began: Instant::now(), stream: narrow(edge.address) };
        frames.write(PREFACE);
        frames.send(SETTINGS, 0, 0, &[0, 1, 0, 0, 0, 0, 0, 4, 0x7f, 0xff, 0xff, 0xff]);
        frames.send(WINDOW_UPDATE, 0, 0, &0x7fff_0000_u32.to_be_bytes());
        frames
    }

    pub fn without_preface(edge: &Edge) -> Self {
        let stream = TcpStream::connect(edge.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Frames { began: Instant::now(), stream }
    }

    /// Whether it could be sent.
    pub fn write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Sends a frame; whether it could be sent.
    pub fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> bool {
        self.write(&frame(kind, flags, stream, payload))
    }

    /// Sends the head of a request, whose headers are as given, and which has no body.
    pub fn request(&mut self, stream: u32, headers: &[(&str, &str)]) -> bool {
        self.send(HEADERS, END_HEADERS | END_STREAM, stream, &literal(headers))
    }

    /// The next frame, `None` when the connection has ended.
    pub fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.read(&mut head)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        self.read(&mut payload)?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    fn read(&mut self, buffer: &mut [u8]) -> Option<()> {
        assert!(!is_endless(self.began), "what comes has no end");
        match self.stream.read_exact(buffer) {
            Ok(()) => Some(()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => panic!("nothing came"),
            Err(_) => None,
        }
    }

    /// The first frame of this kind, on any stream; `None` when the connection ends without.
    pub fn wait_for(&mut self, kind: u8) -> Option<Frame> {
        std::iter::from_fn(|| self.next()).find(|frame| frame.kind == kind)
    }

    /// The status of the answer on a stream, or the code with which it is reset, or with which the connection ends.
    pub fn answer(&mut self, stream: u32) -> Result<u16, u32> {
        let mut frames = std::iter::from_fn(|| self.next());
        let frame = frames.find(|frame| match frame.kind {
            HEADERS | RST_STREAM => frame.stream == stream,
            // Another one says in good order that the connection will end.
            kind => kind == GOAWAY && frame.code(4) != 0,
        });
        let frame = frame.expect("the connection ended before the answer");
        match frame.kind {
            HEADERS => Ok(status(&frame.payload)),
            RST_STREAM => Err(frame.code(0)),
            _ => Err(frame.code(4)),
        }
    }

    /// The code of the GOAWAY with which the connection ends.
    pub fn goes_away(&mut self) -> Option<u32> {
        Some(self.wait_for(GOAWAY)?.code(4))
    }
}

impl Frame {
    /// The status of the head of an answer.
    pub fn status(&self) -> u16 {
        status(&self.payload)
    }

    /// The code in a payload, from this byte on.
    pub fn code(&self, from: usize) -> u32 {
        u32::from_be_bytes(self.payload[from..from + 4].try_into().unwrap())
    }
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Headers, each spelled out (RFC 7541 section 6.2.2).
pub fn literal(headers: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| {
        let length = text.len();
        let mut bytes = if length < 127 {
            vec![u8::try_from(length).unwrap()]
        } else {
            // An integer with a prefix of seven bits (section 5.1).
            let mut rest = length - 127;
            let mut bytes = vec![127];
            while rest >= 128 {
                bytes.push(u8::try_from(rest % 128).unwrap() | 128);
                rest /= 128;
            }
            bytes.push(u8::try_from(rest).unwrap());
            bytes
        };
        bytes.extend_from_slice(text.as_bytes());
        bytes
    };
    headers.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}

/// The status that an answer begins with: indexed, or with an indexed name.
fn status(headers: &[u8]) -> u16 {
    // The table may have got smaller first.
    let start = headers.iter().position(|byte| byte & 0xe0 != 0x20).unwrap();
    match &headers[start..] {
        [0x88, ..] => 200,
        [0x89, ..] => 204,
        [0x8b, ..] => 304,
        [0x8c, ..] => 400,
        [0x8d, ..] => 404,
        [0x8e, ..] => 500,
        // Huffman codes of three digits fit into two bytes, or three plain.
        [0x48 | 0x08, 0x03, digits @ ..] => std::str::from_utf8(&digits[..3]).unwrap().parse().unwrap(),
        [0x48 | 0x08, length, coded @ ..] if length & 0x80 != 0 => digits(&coded[..usize::from(length & 0x7f)]),
        other => panic!("no status: {other:x?}"),
    }
}

/// Digits in the Huffman code (appendix B): 0, 1 and 2 have five bits, the others six.
fn digits(coded: &[u8]) -> u16 {
    let bits: Vec<u8> = coded.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let (mut at, mut number) = (0, 0);
    for _ in 0..3 {
        let take = |count: usize| bits[at..at + count].iter().fold(0_u16, |code, bit| code << 1 | u16::from(*bit));
        let five = take(5);
        let (digit, length) = if five <= 2 { (five, 5) } else { (take(6) - 0x19 + 3, 6) };
        number = number * 10 + digit;
        at += length;
    }
    number
}
