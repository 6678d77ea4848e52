//! The frames of HTTP/2 (RFC 9113 section 4), followed byte by byte.

use super::hpack::{self, Path};

/// One direction of a connection. It looks at the bytes and changes none, and tells what there is in them.
#[derive(Debug, Clone)]
pub struct Frames {
    /// Of the preface, in bytes.
    preface_left: usize,
    head: [u8; HEAD + CODE],
    /// How much of `head` has come.
    has: usize,
    /// Of the payload, in bytes.
    left: usize,
    /// A block of fields, as far as it has come; of clients alone.
    block: Option<Vec<u8>>,
}

/// What is told of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It is reset, with this code (section 7).
    Reset(u32),
    /// The path of its request has a fragment; which may come again in other requests, where nobody can see it.
    Fragment { is_indexed: bool },
}

/// What a client sends before its first frame (section 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const HEAD: usize = 9;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const CONTINUATION: u8 = 9;
/// Flags of a frame of fields.
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 0x20;
/// The payload of a reset.
const CODE: usize = 4;
/// No block is read further: the library takes none that is so long.
const LONGEST_BLOCK: usize = 2 * 1024 * 1024;

impl Frames {
    /// What a client sends, beginning with the preface.
    pub fn of_client() -> Self {
        Frames { preface_left: PREFACE.len(), head: [0; HEAD + CODE], has: 0, left: 0, block: Some(Vec::new()) }
    }

    /// What a server sends.
    pub fn of_server() -> Self {
        Frames { preface_left: 0, block: None, ..Self::of_client() }
    }

    /// Follows the next bytes and tells what there is of which stream.
    pub fn follow(&mut self, mut bytes: &[u8], mut tell: impl FnMut(u32, Told)) {
        let skipped = self.preface_left.min(bytes.len());
        self.preface_left -= skipped;
        bytes = &bytes[skipped..];
        while !bytes.is_empty() {
            if self.has < self.wanted() {
                let taken = (self.wanted() - self.has).min(bytes.len());
                self.head[self.has..self.has + taken].copy_from_slice(&bytes[..taken]);
                self.has += taken;
                bytes = &bytes[taken..];
                if self.has == HEAD {
                    self.left =
                        usize::from(self.head[0]) << 16 | usize::from(self.head[1]) << 8 | usize::from(self.head[2]);
                }
            }
            if self.has == self.wanted() {
                let code = if self.is_reset() { CODE } else { 0 };
                if code > 0 {
                    let [.., a, b, c, d] = self.head;
                    tell(self.stream(), Told::Reset(u32::from_be_bytes([a, b, c, d])));
                }
                self.left -= code;
                self.has = usize::MAX;
            }
            if self.has > self.head.len() {
                let (skipped, rest) = bytes.split_at(self.left.min(bytes.len()));
                self.collect(skipped);
                self.left -= skipped.len();
                bytes = rest;
                if self.left == 0 {
                    self.has = 0;
                    match self.read_block() {
                        Path::Plain => {}
                        path => tell(self.stream(), Told::Fragment { is_indexed: path == Path::IndexedFragment }),
                    }
                }
            }
        }
    }

    fn stream(&self) -> u32 {
        let [_, _, _, _, _, a, b, c, d, ..] = self.head;
        // The first bit means nothing (section 4.1).
        u32::from_be_bytes([a & 0x7f, b, c, d])
    }

    /// Keeps what belongs to a block of fields.
    fn collect(&mut self, bytes: &[u8]) {
        let is_of_block = matches!(self.head[3], HEADERS | CONTINUATION);
        if let Some(block) = self.block.as_mut().filter(|block| is_of_block && block.len() < LONGEST_BLOCK) {
            block.extend_from_slice(bytes);
        }
    }

    /// Reads a block that is whole. What pads its first frame, and the weights of old clients, are no part of it.
    fn read_block(&mut self) -> Path {
        let Some(block) = &mut self.block else { return Path::Plain };
        let (kind, flags) = (self.head[3], self.head[4]);
        if kind == HEADERS {
            let padded = flags & PADDED > 0;
            let padding = if padded { block.first().map_or(0, |padding| usize::from(*padding)) } else { 0 };
            let before = usize::from(padded) + if flags & PRIORITY > 0 { 5 } else { 0 };
            block.truncate(block.len().saturating_sub(padding));
            block.drain(..before.min(block.len()));
        }
        if !matches!(kind, HEADERS | CONTINUATION) || flags & END_HEADERS == 0 {
            return Path::Plain;
        }
        let path = hpack::path(block);
        // A connection that waits keeps no memory for what may come.
        *block = Vec::new();
        path
    }

    /// A reset says in its payload why.
    fn wanted(&self) -> usize {
        if self.has >= HEAD && self.is_reset() { HEAD + CODE } else { HEAD }
    }

    fn is_reset(&self) -> bool {
        self.head[3] == RST_STREAM && self.head[..3] == [0, 0, 4]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, 0, 0, 0, 0, 1], payload].concat()
    }

    fn codes(frames: &mut Frames, bytes: &[u8]) -> Vec<u32> {
        let mut codes = Vec::new();
        frames.follow(bytes, |stream, told| {
            assert_eq!(stream, 1);
            if let Told::Reset(code) = told {
                codes.push(code);
            }
        });
        codes
    }

    #[test]
    fn resets_are_told_with_their_codes() {
        let bytes = [
            PREFACE.to_vec(),
            frame(4, &[]),
            frame(RST_STREAM, &[0, 0, 0, 8]),
            frame(0, b"some data"),
            frame(RST_STREAM, &[0, 0, 0, 0]),
            frame(RST_STREAM, &[1, 0, 0, 5]),
        ];
        assert_eq!(codes(&mut Frames::of_client(), &bytes.concat()), [8, 0, 0x0100_0005]);
        assert_eq!(codes(&mut Frames::of_server(), &bytes[1..].concat()), [8, 0, 0x0100_0005]);
    }

    #[test]
    fn fragments_are_told_however_they_are_written() {
        let fragment = |is_indexed| Some(Told::Fragment { is_indexed });
        let long = [&[0x04, 0x7f, 0x29][..], &[b'/'; 167], b"#"].concat();
        for (block, told) in [
            (&b"\x82\x86\x84"[..], None),
            // Plain, by the name's index or its text.
            (b"\x82\x04\x04/a#b", fragment(false)),
            (b"\x82\x14\x04/a#b", fragment(false)),
            (b"\x82\x44\x04/a#b", fragment(true)),
            (b"\x82\x05\x04/a#b", fragment(false)),
            (b"\x00\x05:path\x04/a#b", fragment(false)),
            (b"\x40\x84\xb9\x58\xd3\x3f\x04/a#b", fragment(true)),
            (b"\x3f\xe1\x1f\x04\x04/a?b", None),
            (b"\x00\x07:method\x03G#T\x04\x04/a#b", fragment(false)),
            (&long, fragment(false)),
            // In the Huffman code.
            (b"\x04\x84\x60\x7f\xf5\x1f", fragment(false)),
            (b"\x04\x84\x60\x7f\xe4\x7f", None),
            (b"\x04\x83\x63\xfe\xbf", fragment(false)),
            // Not in a path, behind the pseudo-headers, or cut off.
            (b"\x01\x04x#yz", None),
            (b"\x0f\x2b\x04a#bc", None),
            (b"\x04\x05/a#b", None),
        ] {
            let stream = 0x0102_0305_u32;
            let with_stream = |kind: u8, flags: u8, payload: &[u8]| {
                let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
                [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
            };
            let padded = [&[3][..], &[0; 5], block, b"###"].concat();
            let (first, rest) = block.split_at(block.len() / 2);
            for bytes in [
                with_stream(HEADERS, END_HEADERS | 1, block),
                with_stream(HEADERS, END_HEADERS | PADDED | PRIORITY, &padded),
                [with_stream(HEADERS, 0, first), with_stream(CONTINUATION, END_HEADERS, rest)].concat(),
            ] {
                for piece in [1, 3, bytes.len()] {
                    let mut frames = Frames { preface_left: 0, ..Frames::of_client() };
                    let mut found = Vec::new();
                    let mut follow = |frames: &mut Frames, bytes: &[u8]| {
                        frames.follow(bytes, |stream, told| found.push((stream, told)));
                    };
                    for _ in 0..2 {
                        bytes.chunks(piece).for_each(|piece| follow(&mut frames, piece));
                    }
                    let expected: Vec<_> = told.iter().chain(&told).map(|told| (stream, *told)).collect();
                    assert_eq!(found, expected, "{}", block.escape_ascii());
                }
            }
        }
    }

    proptest! {
        #[test]
        fn they_are_told_however_the_bytes_come(
            frames in proptest::collection::vec((0..10_u8, proptest::collection::vec(any::<u8>(), 0..20)), 0..20),
            pieces in proptest::collection::vec(1..30_usize, 1..20),
        ) {
            let is_reset = |(kind, payload): &&(u8, Vec<u8>)| *kind == RST_STREAM && payload.len() == CODE;
            let code = |(_, payload): &(u8, Vec<u8>)| u32::from_be_bytes(payload[..].try_into().unwrap());
            let expected: Vec<_> = frames.iter().filter(is_reset).map(code).collect();
            let bytes = frames.iter().flat_map(|(kind, payload)| frame(*kind, payload)).collect::<Vec<_>>();
            let (mut state, mut found, mut at) = (Frames::of_server(), Vec::new(), 0);
            for piece in pieces.into_iter().cycle() {
                if at == bytes.len() {
                    break;
                }
                let end = (at + piece).min(bytes.len());
                found.extend(codes(&mut state, &bytes[at..end]));
                at = end;
            }
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            Frames::of_server().follow(&bytes, |_, _| {});
            Frames { preface_left: 0, ..Frames::of_client() }.follow(&bytes, |_, _| {});
            let _path = hpack::path(&bytes);
        }
    }
}
