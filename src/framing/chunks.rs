//! A body in chunks (RFC 9112 section 7.1), followed byte by byte.

use super::fields::is_token;

/// How far a chunked body has come. It looks at the bytes and keeps none.
#[derive(Debug, Clone, Copy)]
pub struct Chunks {
    state: State,
    /// Of the size that is being read, or of the data that is left.
    size: u64,
    /// Of the line or the trailers that are being read.
    length: usize,
    /// Whether also what harms nobody is refused: blanks at the end of a line, and trailers that are no fields.
    is_strict: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before a size, of which nothing has come.
    Size,
    /// Within a size.
    Digits,
    /// After a size: blanks, which are bad.
    Blank,
    /// After a size and a semicolon, up to the end of its line.
    Extension,
    /// The same, after a blank.
    ExtensionBlank,
    SizeLineFeed,
    Data,
    DataReturn,
    DataLineFeed,
    /// At the beginning of a line of the trailers.
    Trailers,
    /// Within the name of a field.
    TrailerName,
    Trailer,
    TrailerLineFeed,
    LastLineFeed,
    Done,
}

/// Of the line of a size, extensions included: nobody uses them.
const LONGEST_LINE: usize = 256;
/// Of all trailers.
const LONGEST_TRAILERS: usize = 8 * 1024;

impl Chunks {
    /// At the beginning of a body.
    pub fn new() -> Self {
        Chunks { state: State::Size, size: 0, length: 0, is_strict: false }
    }

    /// The same of a request's, read strictly.
    pub fn of_request() -> Self {
        Chunks { is_strict: true, ..Self::new() }
    }

    /// Whether the body is over.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Whether all data have come: what is left are trailers (RFC 9112 section 7.1.2).
    pub fn is_in_trailers(&self) -> bool {
        use State::{Done, LastLineFeed, Trailer, TrailerLineFeed, TrailerName, Trailers};
        matches!(self.state, Trailers | TrailerName | Trailer | TrailerLineFeed | LastLineFeed | Done)
    }

    /// Follows the next bytes up to the end of the data that comes first, or to the trailers: how many bytes these are, and how many at
    /// their end are data. No bytes at all once the body is over.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn next(&mut self, bytes: &[u8]) -> Result<(usize, usize), &'static str> {
        let mut at = 0;
        while at < bytes.len() && !self.is_done() {
            if self.state == State::Data {
                let left = usize::try_from(self.size).unwrap_or(usize::MAX);
                let data = left.min(bytes.len() - at);
                self.size -= data as u64;
                if self.size == 0 {
                    self.state = State::DataReturn;
                }
                return Ok((at + data, data));
            }
            let was_in_trailers = self.is_in_trailers();
            self.state = self.step(bytes[at])?;
            at += 1;
            if self.is_in_trailers() && !was_in_trailers {
                break;
            }
        }
        Ok((at, 0))
    }

    fn step(&mut self, byte: u8) -> Result<State, &'static str> {
        Ok(match (self.state, byte) {
            (State::Size | State::Digits, _) if byte.is_ascii_hexdigit() => {
                self.digit(byte)?;
                State::Digits
            }
            (State::Digits | State::Blank, b' ' | b'\t') => {
                self.count(LONGEST_LINE, "a chunk with many blanks")?;
                State::Blank
            }
            (State::Digits | State::Blank, b';') => State::Extension,
            (State::Blank | State::ExtensionBlank, b'\r') if self.is_strict => {
                return Err("a chunk with blanks at its end");
            }
            (State::Digits | State::Blank | State::Extension | State::ExtensionBlank, b'\r') => State::SizeLineFeed,
            (State::Extension | State::ExtensionBlank, _) if !byte.is_ascii_control() || byte == b'\t' => {
                self.count(LONGEST_LINE, "a chunk with a long extension")?;
                if matches!(byte, b' ' | b'\t') { State::ExtensionBlank } else { State::Extension }
            }
            (State::SizeLineFeed, b'\n') => {
                self.length = 0;
                if self.size == 0 { State::Trailers } else { State::Data }
            }
            (State::DataReturn, b'\r') => State::DataLineFeed,
            (State::DataLineFeed, b'\n') => State::Size,
            (State::Trailers, b'\r') => State::LastLineFeed,
            (State::Trailer, b'\r') => State::TrailerLineFeed,
            (State::TrailerName, b':') => State::Trailer,
            (State::Trailers | State::TrailerName, _) if self.is_strict => {
                if !is_token(&[byte]) {
                    return Err("a trailer that is no field");
                }
                self.count(LONGEST_TRAILERS, "long trailers")?;
                State::TrailerName
            }
            (State::Trailers | State::Trailer, _) if !byte.is_ascii_control() || byte == b'\t' => {
                self.count(LONGEST_TRAILERS, "long trailers")?;
                State::Trailer
            }
            (State::TrailerLineFeed, b'\n') => State::Trailers,
            (State::LastLineFeed, b'\n') => State::Done,
            _ => return Err("a chunk that is malformed"),
        })
    }

    fn digit(&mut self, byte: u8) -> Result<(), &'static str> {
        self.count(16, "a chunk whose size is too long")?;
        let digit = char::from(byte).to_digit(16).unwrap_or(0);
        self.size = (self.size << 4) | u64::from(digit);
        Ok(())
    }

    fn count(&mut self, most: usize, too_many: &'static str) -> Result<(), &'static str> {
        self.length += 1;
        if self.length > most { Err(too_many) } else { Ok(()) }
    }
}

impl Default for Chunks {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::framing::{Body, Rest};

    /// How much of it is body, if it is whole.
    fn follow(bytes: &[u8]) -> Result<Option<usize>, &'static str> {
        followed(Rest::new(Body::Chunked), bytes)
    }

    fn followed(mut rest: Rest, bytes: &[u8]) -> Result<Option<usize>, &'static str> {
        let (length, _) = rest.follow(bytes)?;
        Ok(rest.is_over().then_some(length))
    }

    #[test]
    fn a_request_is_read_strictly() {
        for body in [
            "5 \r\nhello\r\n0\r\n\r\n",
            "5\t\r\nhello\r\n0\r\n\r\n",
            "5;a=b \r\nhello\r\n0\r\n\r\n",
            "5; \r\nhello\r\n0\r\n\r\n",
            "5\r\nhello\r\n0 \r\n\r\n",
            "0\r\nX\r\n\r\n",
            "0\r\n: x\r\n\r\n",
            "0\r\n X: y\r\n\r\n",
            "0\r\nX : y\r\n\r\n",
            "0\r\nX: y\r\n z\r\n\r\n",
            "0\r\nX(: y\r\n\r\n",
        ] {
            assert!(followed(Rest::of_request(Body::Chunked), body.as_bytes()).is_err(), "{body:?}");
            assert_eq!(follow(body.as_bytes()), Ok(Some(body.len())), "{body:?}");
        }
        for body in ["5 ; a=\"b \"\r\nhello\r\n000\r\nX:y\r\nZ: \t\r\nA-b: c : d \r\n\r\n", "0\r\n\r\n"] {
            let read = followed(Rest::of_request(Body::Chunked), body.as_bytes());
            assert_eq!(read, Ok(Some(body.len())), "{body:?}");
        }
    }

    #[test]
    fn a_body_ends_after_its_last_chunk_and_trailers() {
        for body in [
            "0\r\n\r\n",
            "5\r\nhello\r\n0\r\n\r\n",
            "5;a=b\r\nhello\r\n0\r\n\r\n",
            "5 ; a=\"b\"\r\nhello\r\n000\r\nX: y\r\nZ: \t\r\n\r\n",
            "A\r\n0123456789\r\n0\r\n\r\n",
        ] {
            assert_eq!(follow(body.as_bytes()), Ok(Some(body.len())), "{body:?}");
            assert_eq!(follow(format!("{body}GET / HTTP/1.1").as_bytes()), Ok(Some(body.len())), "{body:?}");
            assert_eq!(follow(&body.as_bytes()[..body.len() - 1]), Ok(None), "{body:?}");
        }
    }

    #[test]
    fn what_is_malformed_is_found() {
        for body in [
            "\r\n",
            "ZZ\r\n",
            "-1\r\n",
            "+1\r\n",
            "0x1\r\n",
            "1\nx\r\n",
            "1;a\nx\r\n",
            "1\r\nxx\r\n",
            "1\r\nx\n0\r\n\r\n",
            "1\r\nx\r\n\r\n",
            "0\r\n\n",
            "0\r\nX\0: y\r\n\r\n",
            "0\r\nX: y\n\r\n",
            "11111111111111111\r\n",
            " 1\r\nx\r\n",
            "1 1\r\nx\r\n0\r\n\r\n",
            "0 :\r\n\r\n",
        ] {
            assert!(follow(body.as_bytes()).is_err(), "{body:?}");
        }
        assert!(follow(format!("1;{}\r\n", "x".repeat(300)).as_bytes()).is_err());
        assert!(follow(format!("0\r\n{}\r\n\r\n", "x".repeat(9000)).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn the_end_is_found_however_the_bytes_come(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..6),
            after in proptest::collection::vec(any::<u8>(), 0..20),
            pieces in proptest::collection::vec(1..20_usize, 1..20),
        ) {
            let mut body = Vec::new();
            for chunk in &chunks {
                body.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
                body.extend_from_slice(chunk);
                body.extend_from_slice(b"\r\n");
            }
            body.extend_from_slice(b"0\r\n\r\n");
            let all = [&body[..], &after].concat();
            let (mut state, mut at, mut pieces) = (Chunks::new(), 0, pieces.into_iter().cycle());
            let mut data = Vec::new();
            while !state.is_done() {
                let end = (at + pieces.next().unwrap()).min(all.len());
                let (used, of_data) = state.next(&all[at..end]).unwrap();
                at += used;
                data.extend_from_slice(&all[at - of_data..at]);
            }
            prop_assert_eq!((at, data), (body.len(), chunks.concat()));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _verdict = follow(&bytes);
        }
    }
}
