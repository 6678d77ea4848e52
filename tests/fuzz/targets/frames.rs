//! Frames of HTTP/2: the first byte says who sends them and in which pieces they come.

#![no_main]

use bridgehead::framing::{Frames, PREFACE, Told};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((choice, bytes)) = input.split_first() else { return };
    let is_client = choice % 2 > 0;
    let expected = if is_client { resets(bytes.get(PREFACE.len()..).unwrap_or_default()) } else { resets(bytes) };
    for piece in [bytes.len().max(1), 1, usize::from(choice / 2) + 2] {
        let mut frames = if is_client { Frames::of_client() } else { Frames::of_server() };
        let mut found = Vec::new();
        for part in bytes.chunks(piece) {
            frames.follow(part, |stream, told| {
                if let Told::Reset(code) = told {
                    found.push((stream, code));
                }
            });
        }
        assert_eq!(found, expected, "in pieces of {piece} bytes");
    }
});

/// The streams and the codes of the resets, frame by frame.
fn resets(mut bytes: &[u8]) -> Vec<(u32, u32)> {
    let mut resets = Vec::new();
    while let [a, b, c, kind, _flags, s, t, u, v, rest @ ..] = bytes {
        let length = usize::try_from(u32::from_be_bytes([0, *a, *b, *c])).unwrap();
        let is_reset = *kind == 3 && length == 4;
        // A reset is told as soon as its code is there.
        let Some((payload, after)) = rest.split_at_checked(length) else { break };
        if is_reset {
            let stream = u32::from_be_bytes([*s, *t, *u, *v]) & 0x7fff_ffff;
            resets.push((stream, u32::from_be_bytes(payload.try_into().unwrap())));
        }
        bytes = after;
    }
    resets
}
