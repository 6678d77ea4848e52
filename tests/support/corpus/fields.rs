//! What requests and answers have in common: fields, bodies and their frames.

use super::dice::Dice;

/// Lines that mean nothing to where a message ends.
pub fn lines(dice: &mut Dice) -> Vec<Vec<u8>> {
    (0..dice.below(5)).map(|_| line(dice)).collect()
}

fn line(dice: &mut Dice) -> Vec<u8> {
    // Those of `x-c-` are for the other end, those of `x-h-` for the next hop.
    let name = dice.pick(&["X-C-One", "x-c-two", "X-C-tHREE", "X-C-!#$%&'*+.^_`|~9", "X-C-One"]);
    let blank = dice.pick(&["", " ", "  ", "\t", " \t "]);
    let value = dice.pick::<[u8]>(&[
        b"",
        b"a",
        b"a b",
        b"a\tb",
        b"chunked",
        b"0",
        b"caf\xe9 \xff\x80",
        b"\"quoted, \\\" string\"",
        b"a, b,, c",
        b"Content-Length: 5",
        b"()<>@,;:\\\"/[]?={}",
    ]);
    [name.as_bytes(), b":", blank.as_bytes(), value, dice.pick(&["", "", " ", "\t"]).as_bytes()].concat()
}

/// A body of some bytes, perhaps one that looks like a message.
pub fn body(dice: &mut Dice, lookalike: &[u8]) -> Vec<u8> {
    match dice.below(10) {
        0 => Vec::new(),
        1 | 2 => lookalike.to_vec(),
        3 => [b"0\r\n\r\n", lookalike].concat(),
        4 => {
            let length = 3000 + dice.below(3000);
            dice.bytes(length)
        }
        _ => {
            let length = dice.below(60);
            dice.bytes(length)
        }
    }
}

/// The body in chunks, with extensions and trailers.
pub fn chunked(dice: &mut Dice, body: &[u8]) -> Vec<u8> {
    let mut chunks = Vec::new();
    let piece = 1 + dice.below(body.len().max(1));
    let piece = piece.max(body.len() / 8);
    for data in body.chunks(piece.max(1)) {
        let zeros = dice.pick(&["", "", "", "0", "0000"]);
        let size =
            if dice.chance(50) { format!("{zeros}{:x}", data.len()) } else { format!("{zeros}{:X}", data.len()) };
        let extension = extension(dice);
        chunks.extend([size.as_bytes(), extension, b"\r\n", data, b"\r\n"].concat());
    }
    chunks.extend([dice.pick(&["0", "0", "000"]).as_bytes(), extension(dice), b"\r\n"].concat());
    if dice.chance(20) {
        chunks.extend(dice.pick(&["X-Sum: 1\r\n", "X-Sum:\r\nX-More: 2\r\n", "X-Caf\u{60}: a b\r\n"]).as_bytes());
    }
    chunks.extend(b"\r\n");
    chunks
}

fn extension(dice: &mut Dice) -> &'static [u8] {
    if dice.chance(80) {
        return b"";
    }
    dice.pick::<[u8]>(&[b";a", b";a=b", b";a=\"b;\\\"c\"", b" ; a = b", b";a;b=c", b"\t;\ta=\"\xe9\""])
}

/// The same with a fault.
pub fn badly_chunked(dice: &mut Dice) -> Vec<u8> {
    let body = dice.pick(&[
        "ZZ\r\n",
        "3\r\nabcXX0\r\n\r\n",
        "3\nabc\r\n0\r\n\r\n",
        "3\r\nabc\n0\r\n\r\n",
        "3;a\nabc\r\n0\r\n\r\n",
        "-1\r\n\r\n",
        "+3\r\nabc\r\n0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "3 \r\nabc\r\n0\r\n\r\n",
        " 3\r\nabc\r\n0\r\n\r\n",
        "3 3\r\nabc\r\n0\r\n\r\n",
        "3,3\r\nabc\r\n0\r\n\r\n",
        "\r\n3\r\nabc\r\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "4\r\nabc\r\n0\r\n\r\n",
        "3\r\nabc\r\n0\r\n",
        "3\r\nabc\r\n",
        "3\r\nab",
        "3\r\nabc\r\n0\n\n",
        "3\r\nabc\r\n0\r\n\n",
        "3\r\nabc\r\n0\r\nX: y\n\r\n",
        "3\r\nabc\r\n0\r\nX: y\rZ: z\r\n\r\n",
        "3\r\nabc\r\n0\r\nX y\r\n\r\n",
        "3\r\nabc\r\n0\r\n folded: x\r\n\r\n",
        "3\r\nabc\r\n0\r\nContent-Length: 5\r\n\r\n",
        "3\r\nabc\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "3\r\nabc\r\n0\r\nX: \0\r\n\r\n",
        "3\r\nabc\r\n0;\0\r\n\r\n",
        "3;a=\"b\r\nabc\r\n0\r\n\r\n",
        "3;\r\nabc\r\n0\r\n\r\n",
        "3\r\r\nabc\r\n0\r\n\r\n",
        "10000000000000003\r\nabc\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        "ffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        "3\r\nabc\r\n0\r\n\r\n0\r\n\r\n",
    ]);
    body.as_bytes().to_vec()
}

/// Ways to say where a body of three bytes or a chunk of them ends, each of which somebody gets wrong.
pub const FRAMINGS: &[&str] = &[
    "Content-Length: 3\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nContent-Length: 3",
    "Transfer-Encoding: chunked\r\nContent-Length: 0",
    "Transfer-Encoding: chunked\r\nContent-Length: x",
    "Content-Length: 3\r\nContent-Length: 3",
    "Content-Length: 3\r\nContent-Length: 4",
    "Content-Length: 3\r\nX-C-One: a\r\nContent-Length: 0",
    "Content-Length: 3, 3",
    "Content-Length: 3, 4",
    "Content-Length: 3,",
    "Content-Length:",
    "Content-Length: +3",
    "Content-Length: -3",
    "Content-Length: 0x3",
    "Content-Length: 3.0",
    "Content-Length: 3 3",
    "Content-Length: \"3\"",
    "Content-Length: 003",
    "Content-Length: 18446744073709551616",
    "Content-Length: 18446744073709551619",
    "Content-Length: 3\x0b",
    "Content-Length: 3\0",
    "Content-Length : 3",
    "Content-Length\t: 3",
    "Content-Length:\r\n 3",
    "Content-Length: 3\r\n 0",
    "Content_Length: 3",
    "X: y\r\n Content-Length: 3",
    "X: y\nContent-Length: 3",
    "X: y\rContent-Length: 3",
    "Transfer-Encoding: chunked, identity",
    "Transfer-Encoding: identity",
    "Transfer-Encoding: identity, chunked",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: chunked, gzip",
    "Transfer-Encoding: gzip",
    "Transfer-Encoding: chunked, chunked",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    "Transfer-Encoding: , chunked",
    "Transfer-Encoding: chunked,",
    "Transfer-Encoding:",
    "Transfer-Encoding: chunked;q=1",
    "Transfer-Encoding: \"chunked\"",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding: chunked-x",
    "Transfer-Encoding: \x0bchunked",
    "Transfer-Encoding: chunked\0",
    "Transfer-Encoding: CHUNKED",
    "Transfer-Encoding:\tchunked \t",
    "Transfer-Encoding : chunked",
    "Transfer-Encoding\r\n: chunked",
    "Transfer-Encoding:\r\n chunked",
    "Transfer_Encoding: chunked",
    "X: y\nTransfer-Encoding: chunked",
    "X: y\r\n Transfer-Encoding: chunked",
    " Transfer-Encoding: chunked",
];

/// Lines that are no fields.
pub const LINES: &[&str] =
    &["X", ": y", "X y: z", "X: \0", "X: a\r b", "X: a\x01b", "X\x0b: y", "X\u{e9}: y", "X : y", "X: y\r\n z", "=: y"];
