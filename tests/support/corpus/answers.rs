//! What a server sends on one connection when it is asked.

use super::{
    SEED,
    dice::Dice,
    fields::{FRAMINGS, LINES, badly_chunked, body, chunked, lines},
    mutate::mutate,
};

/// One answer, and who asks for it.
#[derive(Debug, Clone)]
pub struct AnswerEntry {
    pub number: u64,
    pub method: &'static str,
    pub asker: Asker,
    pub bytes: Vec<u8>,
    /// Where the bytes are cut.
    pub cuts: Vec<usize>,
    /// Whether the server would keep its connection.
    pub stays: bool,
}

/// The client that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    Http11,
    Http10,
    /// Of HTTP/1.0, and asks to keep its connection.
    Http10Kept,
}

/// What must never be taken for an answer.
const EVIL: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";

impl AnswerEntry {
    /// Makes the one of this number.
    pub fn of(number: u64) -> Self {
        let mut dice = Dice::of(SEED.rotate_left(32), number);
        let method = dice.pick(&["GET", "GET", "GET", "HEAD", "POST"]);
        let asker = match dice.below(10) {
            0 => Asker::Http10,
            1 => Asker::Http10Kept,
            _ => Asker::Http11,
        };
        let mut bytes = Vec::new();
        for _ in 0..[0, 0, 0, 0, 0, 0, 1, 2][dice.below(8)] {
            bytes.extend(interim(&mut dice).as_bytes());
        }
        bytes.extend(answer(&mut dice, method));
        if dice.chance(15) {
            bytes.extend(dice.pick::<[u8]>(&[EVIL, EVIL, EVIL, b"\r\n", b"x", b"0\r\n\r\n", b"\0"]));
        }
        if dice.chance(40) {
            mutate(&mut bytes, &mut dice);
        }
        let cuts = dice.cuts(bytes.len());
        let stays = dice.chance(60);
        AnswerEntry { number, method, asker, bytes, cuts, stays }
    }
}

fn interim(dice: &mut Dice) -> &'static str {
    dice.pick(&[
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 102 Processing\r\nX-C-One: a\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n",
        "HTTP/1.1 199 \r\nConnection: X-H-One\r\nX-H-One: hop\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.0 100 Continue\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    ])
}

fn answer(dice: &mut Dice, method: &str) -> Vec<u8> {
    let status: u16 =
        [200, 200, 200, 200, 200, 201, 202, 204, 205, 206, 299, 301, 304, 400, 404, 410, 422, 429, 500, 503]
            [dice.below(20)];
    let is_1_0 = dice.chance(10);
    let mut all = vec![status_line(dice, status, is_1_0)];
    all.extend(lines(dice));
    connection(dice, is_1_0, &mut all);
    if dice.chance(4) {
        all.push(dice.pick(LINES).as_bytes().to_vec());
    }
    let framed = frame(dice, is_1_0, status, method, &mut all);
    if dice.chance(20) {
        all[1..].reverse();
    }
    let end: &[u8] = if dice.chance(3) { b"\n" } else { b"\r\n" };
    let mut bytes = all.join(end);
    bytes.extend([end, end, &framed].concat());
    bytes
}

fn status_line(dice: &mut Dice, status: u16, is_1_0: bool) -> Vec<u8> {
    let version = if is_1_0 { "HTTP/1.0" } else { "HTTP/1.1" };
    if dice.chance(3) {
        let line = dice.pick::<[u8]>(&[
            b"HTTP/1.1 200",
            b"HTTP/1.1  200 OK",
            b"HTTP/1.1 20 OK",
            b"HTTP/1.1 2000 OK",
            b"HTTP/1.1 099 OK",
            b"HTTP/1.1 600 OK",
            b"HTTP/1.1 999 OK",
            b"HTTP/1.2 200 OK",
            b"HTTP/2.0 200 OK",
            b"HTTP/0.9 200 OK",
            b"http/1.1 200 OK",
            b"ICY 200 OK",
            b"HTTP/1.1 200 O\x00K",
            b"HTTP/1.1 200 O\rK",
            b"HTTP/1.1\t200\tOK",
            b"HTTP/1.1 -20 OK",
            b"200 OK",
            b"<html>",
        ]);
        return line.to_vec();
    }
    let reason = dice.pick::<[u8]>(&[b"OK", b"Fine, thank you", b"", b"caf\xe9", b"200 OK"]);
    [format!("{version} {status} ").as_bytes(), reason].concat()
}

/// Fields that are for the edge alone.
fn connection(dice: &mut Dice, is_1_0: bool, lines: &mut Vec<Vec<u8>>) {
    let choice: &[&str] = match dice.below(if is_1_0 { 8 } else { 18 }) {
        0 | 1 => &["Connection: close"],
        2 => &["Connection: keep-alive", "Keep-Alive: timeout=5, max=100"],
        3 => &["Connection: X-H-One, keep-alive", "X-H-One: hop"],
        4 => &["connection: x-h-two", "X-H-Two: hop", "X-H-Two: hop", "Connection: close"],
        5 => &["Proxy-Connection: keep-alive", "TE: trailers"],
        6 => &["Connection: Upgrade", "Upgrade: h2c"],
        7 => &["Trailer: X-Sum", "Date: Tue, 15 Nov 1994 08:12:31 GMT"],
        8 => &["Connection:", "Set-Cookie: a=b", "Set-Cookie: c=d"],
        9 => &["Connection: close, X-H-One", "X-H-One: hop", "Content-Type: text/plain"],
        _ => &[],
    };
    lines.extend(choice.iter().map(|line| line.as_bytes().to_vec()));
}

/// Says how long the body is, and makes it.
fn frame(dice: &mut Dice, is_1_0: bool, status: u16, method: &str, lines: &mut Vec<Vec<u8>>) -> Vec<u8> {
    let mut say = |line: &str| lines.push(line.as_bytes().to_vec());
    let mut has_body = method != "HEAD" && !matches!(status, 204 | 304);
    if status == 204 && dice.chance(80) {
        return Vec::new();
    }
    // Some servers do not know better.
    has_body |= dice.chance(3);
    let framed = match dice.below(20) {
        0..7 => {
            let body = body(dice, EVIL);
            say(&format!("Content-Length: {}", body.len()));
            body
        }
        7..12 if !is_1_0 => {
            let body = body(dice, EVIL);
            say(dice.pick(&["Transfer-Encoding: chunked", "transfer-encoding:Chunked"]));
            chunked(dice, &body)
        }
        12..15 => body(dice, EVIL),
        15 | 16 => {
            say("Transfer-Encoding: chunked");
            badly_chunked(dice)
        }
        17 | 18 => {
            say(dice.pick(FRAMINGS));
            if dice.chance(50) { b"abc".to_vec() } else { b"3\r\nabc\r\n0\r\n\r\n".to_vec() }
        }
        _ => {
            say("Content-Length: 9");
            b"short".to_vec()
        }
    };
    if has_body { framed } else { Vec::new() }
}
