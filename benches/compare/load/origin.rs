//! The server behind every proxy of the comparison: it reads each request whole and answers at once, on one thread.
//!
//! `origin PORT...` listens on these ports of 127.0.0.1, then prints `ready`, and runs until its standard input ends.
//! It knows `/v1/small` (1.4 KB), `/v1/large` (10 KB), `/v1/stream` (20 events a second, without end), `/v1/download`
//! (100 MB) and `/v1/seen` (the head that came); a body of any length is read before the answer.

use std::{env, io, net::SocketAddr, time::Duration};

use bytes::{Buf, BytesMut};
use rustix::{
    process::{Resource, Rlimit, getrlimit, setrlimit},
    time::{ClockId, clock_gettime},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    task,
    time::{self, MissedTickBehavior},
};

const SMALL: usize = 1400;
const LARGE: usize = 10_000;
const DOWNLOAD: usize = 100_000_000;
const BLOCK: usize = 64 * 1024;
const EVENTS_PER_SECOND: u32 = 20;
/// So many connections may wait to be accepted, as far as the system allows.
const WAITING: u32 = 65_535;
const LONGEST_HEAD: usize = 64 * 1024;

/// What of a request decides its answer.
struct Request {
    path: String,
    head: BytesMut,
    body: usize,
}

/// The answers that never change, made once.
struct Answers {
    small: Vec<u8>,
    large: Vec<u8>,
    block: Vec<u8>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let ports: Vec<u16> = env::args().skip(1).filter_map(|port| port.parse().ok()).collect();
    if ports.is_empty() {
        println!("origin PORT...: what make bench-compare starts behind the proxies");
        return Ok(());
    }
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;

    let answers: &'static Answers = Box::leak(Box::new(Answers::new()));
    for port in ports {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from(([127, 0, 0, 1], port)))?;
        tokio::spawn(accept(socket.listen(WAITING)?, answers));
    }
    println!("ready");
    // Whoever started it holds the other end, and is gone when it is.
    task::spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink())).await?.map(drop)
}

async fn accept(listener: TcpListener, answers: &'static Answers) {
    let mut number = 0;
    while let Ok((stream, _)) = listener.accept().await {
        number += 1;
        // A client that has gone is no news here.
        tokio::spawn(async move { drop(serve(stream, answers, number).await) });
    }
}

async fn serve(mut stream: TcpStream, answers: &Answers, number: u32) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = BytesMut::with_capacity(BLOCK);
    while let Some(request) = read_head(&mut stream, &mut buffer).await? {
        read_body(&mut stream, &mut buffer, request.body).await?;
        match request.path.as_str() {
            "/v1/large" => stream.write_all(&answers.large).await?,
            "/v1/seen" => stream.write_all(&answer(&request.head)).await?,
            "/v1/download" => download(&mut stream, answers).await?,
            "/v1/stream" => return events(&mut stream, number).await,
            _ => stream.write_all(&answers.small).await?,
        }
    }
    Ok(())
}

/// The next request, or nothing when the client has closed.
async fn read_head(stream: &mut TcpStream, buffer: &mut BytesMut) -> io::Result<Option<Request>> {
    loop {
        if let Some(end) = memchr::memmem::find(buffer, b"\r\n\r\n") {
            return parse(buffer.split_to(end + 4)).map(Some);
        }
        if buffer.len() > LONGEST_HEAD {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

fn parse(head: BytesMut) -> io::Result<Request> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    request.parse(&head).map_err(io::Error::other)?;
    let path = request.path.unwrap_or_default().to_owned();
    let length = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let body = match length {
        Some(length) => String::from_utf8_lossy(length.value).parse().map_err(io::Error::other)?,
        None => 0,
    };
    Ok(Request { path, head, body })
}

async fn read_body(stream: &mut TcpStream, buffer: &mut BytesMut, mut left: usize) -> io::Result<()> {
    loop {
        let here = left.min(buffer.len());
        buffer.advance(here);
        left -= here;
        if left == 0 {
            return Ok(());
        }
        buffer.reserve(BLOCK);
        if stream.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

async fn download(stream: &mut TcpStream, answers: &Answers) -> io::Result<()> {
    stream.write_all(&head(DOWNLOAD)).await?;
    let mut left = DOWNLOAD;
    while left > 0 {
        let here = left.min(BLOCK);
        stream.write_all(&answers.block[..here]).await?;
        left -= here;
    }
    Ok(())
}

/// Events as a provider sends tokens: each is a chunk and a write of its own, and says when it was sent.
async fn events(stream: &mut TcpStream, number: u32) -> io::Result<()> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await?;
    let period = Duration::from_secs(1) / EVENTS_PER_SECOND;
    // Streams do not tick together: 7919 is prime to the 50,000 microseconds of a period.
    time::sleep(Duration::from_micros(u64::from(number) * 7919 % 50_000)).await;
    let mut ticks = time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        stream.write_all(event().as_bytes()).await?;
    }
}

fn event() -> String {
    let now = clock_gettime(ClockId::Monotonic);
    let sent = now.tv_sec * 1_000_000_000 + now.tv_nsec;
    let data = format!(
        "data: {{\"id\":\"chatcmpl-123\",\"object\":\"chat.completion.chunk\",\"created\":1735689600,\
         \"model\":\"gpt-4o\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\" token\"}},\
         \"finish_reason\":null}}],\"sent\":{sent:020}}}\n\n"
    );
    format!("{:x}\r\n{data}\r\n", data.len())
}

impl Answers {
    fn new() -> Self {
        Self { small: answer(&[b'x'; SMALL]), large: answer(&[b'x'; LARGE]), block: vec![b'x'; BLOCK] }
    }
}

fn answer(body: &[u8]) -> Vec<u8> {
    [&head(body.len()), body].concat()
}

fn head(length: usize) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n").into_bytes()
}
