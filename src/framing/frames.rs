//! The frames of HTTP/2 (RFC 9113 section 4), followed byte by byte.

/// One direction of a connection. It looks at the bytes and changes none, and tells of streams that are reset.
#[derive(Debug, Clone)]
pub struct Frames {
    /// Of the preface, in bytes.
    preface_left: usize,
    head: [u8; HEAD + CODE],
    /// How much of `head` has come.
    has: usize,
    /// Of the payload, in bytes.
    left: usize,
}

/// What a client sends before its first frame (section 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const HEAD: usize = 9;
const RST_STREAM: u8 = 3;
/// The payload of that frame.
const CODE: usize = 4;

impl Frames {
    /// What a client sends, beginning with the preface.
    pub fn of_client() -> Self {
        Frames { preface_left: PREFACE.len(), head: [0; HEAD + CODE], has: 0, left: 0 }
    }

    /// What a server sends.
    pub fn of_server() -> Self {
        Frames { preface_left: 0, ..Self::of_client() }
    }

    /// Follows the next bytes and tells of each stream that they reset with which code (section 7).
    pub fn follow(&mut self, mut bytes: &[u8], mut reset: impl FnMut(u32)) {
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
                    reset(u32::from_be_bytes([a, b, c, d]));
                }
                self.left -= code;
                self.has = usize::MAX;
            }
            if self.has > self.head.len() {
                let skipped = self.left.min(bytes.len());
                self.left -= skipped;
                bytes = &bytes[skipped..];
                if self.left == 0 {
                    self.has = 0;
                }
            }
        }
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
        frames.follow(bytes, |code| codes.push(code));
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
            let _codes = codes(&mut Frames::of_server(), &bytes);
        }
    }
}
