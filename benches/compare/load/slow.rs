//! Slow clients, beside which others are measured.
//!
//! `slow PORT COUNT readers|senders` opens so many connections to 127.0.0.1:PORT that take the answer of
//! `/v1/download`, or send a body to `/v1/upload`, at 10 KB a second each. It prints `open` once all are under way,
//! runs until its standard input ends, and fails when one of them is ended.

use std::{env, io, io::ErrorKind, net::SocketAddr, process, thread, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    sync::mpsc,
    time::{self, MissedTickBehavior},
};

const READ: &[u8] = b"GET /v1/download HTTP/1.1\r\nHost: gateway.test\r\n\r\n";
const SEND: &[u8] = b"POST /v1/upload HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: 100000000\r\n\r\n";
const PIECE: [u8; 1000] = [b'x'; 1000];
const PERIOD: Duration = Duration::from_millis(100);
/// What the system takes for a reader ahead of it is little, so that the proxy meets its pace.
const AHEAD: u32 = 16 * 1024;
const LONGEST_OPENING: Duration = Duration::from_secs(20);

#[derive(Clone, Copy)]
enum Kind {
    Readers,
    Senders,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let Some((port, count, kind)) = parse(&arguments) else {
        println!("slow PORT COUNT readers|senders: the slow clients of make bench-scaling");
        return Ok(());
    };
    // Whoever started it holds the other end, and is gone when it is.
    thread::spawn(|| {
        drop(io::copy(&mut io::stdin(), &mut io::sink()));
        process::exit(0);
    });
    let (opened, mut openings) = mpsc::unbounded_channel();
    for number in 0..count {
        let opened = opened.clone();
        tokio::spawn(async move {
            let Err(error) = client(port, number, kind, &opened).await;
            drop(opened.send(Err(error)));
        });
    }
    for _ in 0..count {
        let opening = time::timeout(LONGEST_OPENING, openings.recv()).await?;
        opening.ok_or(ErrorKind::BrokenPipe)??;
    }
    println!("open");
    openings.recv().await.ok_or(ErrorKind::BrokenPipe)?
}

fn parse(arguments: &[String]) -> Option<(u16, u32, Kind)> {
    let [port, count, kind] = arguments else { return None };
    let kind = match kind.as_str() {
        "readers" => Kind::Readers,
        "senders" => Kind::Senders,
        _ => return None,
    };
    Some((port.parse().ok()?, count.parse().ok()?, kind))
}

/// One client, for as long as it is there; that it ends is always an error.
async fn client(
    port: u16,
    number: u32,
    kind: Kind,
    opened: &mpsc::UnboundedSender<io::Result<()>>,
) -> io::Result<std::convert::Infallible> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(AHEAD)?;
    let mut stream = socket.connect(SocketAddr::from(([127, 0, 0, 1], port))).await?;
    stream.set_nodelay(true)?;
    stream.write_all(if matches!(kind, Kind::Readers) { READ } else { SEND }).await?;
    // Clients do not tick together: 37 is prime to the 100 milliseconds of a period.
    time::sleep(Duration::from_millis(u64::from(number) * 37 % 100)).await;
    let mut ticks = time::interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut first = true;
    loop {
        ticks.tick().await;
        match kind {
            Kind::Readers => take(&mut stream, first).await?,
            Kind::Senders => send(&mut stream).await?,
        }
        if std::mem::take(&mut first) {
            drop(opened.send(Ok(())));
        }
    }
}

async fn take(stream: &mut TcpStream, first: bool) -> io::Result<()> {
    let mut piece = PIECE;
    match stream.read(&mut piece).await? {
        0 => Err(ErrorKind::UnexpectedEof.into()),
        _ if first && !piece.starts_with(b"HTTP/1.1 200 ") => Err(ErrorKind::InvalidData.into()),
        _ => Ok(()),
    }
}

async fn send(stream: &mut TcpStream) -> io::Result<()> {
    // An answer before the end of the body refuses it.
    match stream.try_read(&mut [0; 1]) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => stream.write_all(&PIECE).await,
        Err(error) => Err(error),
        Ok(_) => Err(ErrorKind::UnexpectedEof.into()),
    }
}
