//! Chunked bodies: the first byte says in which pieces they come.

#![no_main]

use bridgehead::framing::Chunks;
use httparse::{Status, parse_chunk_size};
use libfuzzer_sys::fuzz_target;

/// What comes of it: how many bytes belong to the body, its data, and whether it is over; or what is wrong.
type End = Result<(usize, Vec<u8>, bool), &'static str>;

fuzz_target!(|input: &[u8]| {
    let Some((piece, body)) = input.split_first() else { return };
    a_plain_one_ends(body, usize::from(*piece) + 1);
    let (end, strictly) =
        (follow(Chunks::new(), body, body.len().max(1)), follow(Chunks::of_request(), body, body.len().max(1)));
    for piece in [1, usize::from(*piece % 16) + 2, usize::from(*piece) + 1] {
        assert_eq!(follow(Chunks::new(), body, piece), end, "in pieces of {piece} bytes");
        assert_eq!(follow(Chunks::of_request(), body, piece), strictly, "in pieces of {piece} bytes");
    }
    assert!(strictly.is_err() || strictly == end, "what is read strictly is read in another way");
    let Ok((length, data, is_done)) = end else { return };
    if !is_done {
        assert_eq!(length, body.len(), "bytes of nobody");
        return;
    }
    assert_eq!(end_for_pingora(body), (length, data), "Pingora sees another body");
});

/// A well-formed one passes: these data, in chunks of so many bytes, and what follows them.
fn a_plain_one_ends(data: &[u8], size: usize) {
    let mut body: Vec<u8> = Vec::new();
    for chunk in data.chunks(size) {
        body.extend(format!("{:x};a=\"b\"\r\n", chunk.len()).bytes().chain(chunk.iter().copied()).chain(*b"\r\n"));
    }
    body.extend(b"0\r\nX: y\r\n\r\n");
    let end = body.len();
    body.extend(data);
    for chunks in [Chunks::new(), Chunks::of_request()] {
        assert_eq!(follow(chunks, &body, body.len()), Ok((end, data.to_vec(), true)));
    }
}

fn follow(mut chunks: Chunks, body: &[u8], piece: usize) -> End {
    let (mut length, mut data) = (0, Vec::new());
    for mut part in body.chunks(piece) {
        while !part.is_empty() {
            let had_data = !chunks.is_in_trailers();
            let (used, of_data) = chunks.next(part)?;
            assert!((1..=part.len()).contains(&used) && of_data <= used);
            assert!(of_data == 0 || had_data, "data behind the last chunk");
            data.extend_from_slice(&part[used - of_data..used]);
            length += used;
            part = &part[used..];
            if chunks.is_done() {
                assert_eq!(chunks.next(b"GET / HTTP/1.1"), Ok((0, 0)), "what comes after the end is taken");
                return Ok((length, data, true));
            }
        }
    }
    Ok((length, data, false))
}

/// Where the body ends, and its data, with the parser that Pingora has for sizes.
fn end_for_pingora(body: &[u8]) -> (usize, Vec<u8>) {
    let (mut at, mut data) = (0, Vec::new());
    loop {
        let Ok(Status::Complete((line, size))) = parse_chunk_size(&body[at..]) else { panic!("Pingora refuses it") };
        at += line;
        if size == 0 {
            break;
        }
        let end = at + usize::try_from(size).unwrap();
        data.extend_from_slice(&body[at..end]);
        at = end;
        assert_eq!(&body[at..at + 2], b"\r\n");
        at += 2;
    }
    // Trailers, up to the empty line.
    loop {
        let line = body[at..].windows(2).position(|two| two == b"\r\n").unwrap();
        at += line + 2;
        if line == 0 {
            return (at, data);
        }
    }
}
