//! What a client sends on one connection.

use super::{
    SEED,
    dice::Dice,
    fields::{FRAMINGS, LINES, badly_chunked, body, chunked, lines},
    mutate::mutate,
};

/// One connection of a client.
#[derive(Debug, Clone)]
pub struct RequestEntry {
    pub number: u64,
    pub bytes: Vec<u8>,
    /// Where the bytes are cut.
    pub cuts: Vec<usize>,
}

const SMUGGLED: &[u8] = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";

impl RequestEntry {
    /// Makes the one of this number.
    pub fn of(number: u64) -> Self {
        let mut dice = Dice::of(SEED, number);
        let mut bytes = Vec::new();
        for place in 0..[1, 1, 1, 2, 2, 3, 4][dice.below(7)] {
            bytes.extend(request(&mut dice, number, place));
        }
        if dice.chance(10) {
            bytes.extend(dice.pick::<[u8]>(&[b"\r\n", b"\r\n\r\n", b"\n", b"\0", b"x", b"GET", SMUGGLED]));
        }
        if dice.chance(45) {
            mutate(&mut bytes, &mut dice);
        }
        let cuts = dice.cuts(bytes.len());
        RequestEntry { number, bytes, cuts }
    }
}

fn request(dice: &mut Dice, number: u64, place: usize) -> Vec<u8> {
    let method =
        dice.pick(&["GET", "GET", "HEAD", "POST", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE", "X-!#9"]);
    let is_1_0 = dice.chance(10);
    let mut all = vec![first_line(dice, method, is_1_0, number, place)];
    if !is_1_0 || dice.chance(80) {
        all.push(dice.pick(&["Host: x", "Host: x", "host:x", "HOST:\tx "]).as_bytes().to_vec());
    }
    all.extend(lines(dice));
    connection(dice, is_1_0, &mut all);
    if dice.chance(4) {
        all.push(dice.pick(LINES).as_bytes().to_vec());
    }
    let framed = frame(dice, is_1_0, &mut all);
    if dice.chance(20) {
        // The host may come last, and so may what frames the body.
        all[1..].reverse();
    }
    let end: &[u8] = if dice.chance(1) { b"\n" } else { b"\r\n" };
    let mut bytes = all.join(end);
    bytes.extend([end, end, &framed].concat());
    bytes
}

fn first_line(dice: &mut Dice, method: &str, is_1_0: bool, number: u64, place: usize) -> Vec<u8> {
    let version = if is_1_0 { "HTTP/1.0" } else { "HTTP/1.1" };
    let case = format!("c{number}-{place}");
    let target = match dice.below(24) {
        0 => format!("http://x/{case}?a=b"),
        1 => format!("HTTP://x/{case}"),
        2 if method == "OPTIONS" => "*".to_owned(),
        3 => format!("/{case}?a=/../;b&c=%20%E9"),
        4 => format!("//{case}/./a/../%2e%2F;p=q"),
        5 => format!("/{case}:@!$&'()*+,;=-._~"),
        6 => format!("/{case}\"{{|}}\\^"),
        7 => "/".to_owned(),
        8 => format!("/{case}?"),
        _ => format!("/{case}"),
    };
    if dice.chance(2) {
        let line = dice.pick(&[
            "GET",
            "GET /",
            "GET  / HTTP/1.1",
            "GET / HTTP/1.1 ",
            "GET / HTTP/1.2",
            "GET / HTTP/2.0",
            "GET /a b HTTP/1.1",
            "GET /#a HTTP/1.1",
            "get http://y/ HTTP/1.1",
            "GET x HTTP/1.1",
            "GET /\tHTTP/1.1",
        ]);
        return line.as_bytes().to_vec();
    }
    format!("{method} {target} {version}").into_bytes()
}

/// Fields that are for the next hop alone.
fn connection(dice: &mut Dice, is_1_0: bool, lines: &mut Vec<Vec<u8>>) {
    let choice: &[&str] = match dice.below(if is_1_0 { 8 } else { 16 }) {
        0 => &["Connection: close"],
        1 | 2 => &["Connection: keep-alive", "Keep-Alive: timeout=5, max=100"],
        3 => &["Connection: X-H-One, keep-alive", "X-H-One: hop"],
        4 => &["connection: x-h-two", "X-H-Two: hop", "X-H-Two: hop", "Connection: Keep-Alive"],
        5 => &["TE: trailers", "Connection: TE"],
        6 => &["Proxy-Connection: keep-alive"],
        7 => &["Expect: 100-continue"],
        8 => &["Cookie: a=b; c=d"],
        9 => &["Connection:", "Trailer: X-Sum"],
        _ => &[],
    };
    lines.extend(choice.iter().map(|line| line.as_bytes().to_vec()));
}

/// Says how long the body is, and makes it.
fn frame(dice: &mut Dice, is_1_0: bool, lines: &mut Vec<Vec<u8>>) -> Vec<u8> {
    let mut say = |line: &str| lines.push(line.as_bytes().to_vec());
    match dice.below(20) {
        0..5 => {
            let body = body(dice, SMUGGLED);
            say(&format!("Content-Length: {}", body.len()));
            body
        }
        5..10 if !is_1_0 => {
            let body = body(dice, SMUGGLED);
            say(dice.pick(&["Transfer-Encoding: chunked", "transfer-encoding:Chunked"]));
            chunked(dice, &body)
        }
        10 => {
            say("Transfer-Encoding: chunked");
            badly_chunked(dice)
        }
        11 => {
            say(dice.pick(FRAMINGS));
            if dice.chance(50) { b"abc".to_vec() } else { b"3\r\nabc\r\n0\r\n\r\n".to_vec() }
        }
        _ => Vec::new(),
    }
}
