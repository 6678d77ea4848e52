//! The client of event streams: how long after it was sent an event is here.
//!
//! `streams PORT COUNT SECONDS` opens so many streams of `/v1/stream` at 127.0.0.1:PORT, prints `open` a second
//! after each has had its first event, then measures for so long and prints one line of JSON. Times are in microseconds.

use std::{
    cell::RefCell,
    env, io,
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::{Buf, BytesMut};
use rustix::{
    process::{Resource, Rlimit, getrlimit, setrlimit},
    time::{ClockId, clock_gettime},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{Semaphore, mpsc},
    task::LocalSet,
    time,
};

const REQUEST: &[u8] = b"GET /v1/stream HTTP/1.1\r\nHost: gateway.test\r\nAccept: text/event-stream\r\n\r\n";
/// Stands in each event before the time at which it was sent, in nanoseconds, of so many digits.
const MARK: &[u8] = b"\"sent\":";
const DIGITS: usize = 20;
const OPENED_AT_A_TIME: usize = 64;
/// What opening so many at once has held up is over by then.
const SETTLING: Duration = Duration::from_secs(1);
const LONGEST_OPENING: Duration = Duration::from_mins(1);

/// What all streams write into.
#[derive(Default)]
struct Measured {
    counts: bool,
    micros: Vec<u32>,
    broken: usize,
}

fn main() -> io::Result<()> {
    let arguments: Vec<u64> = env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let &[port, count, seconds] = arguments.as_slice() else {
        println!("streams PORT COUNT SECONDS: the client of event streams of make bench-compare");
        return Ok(());
    };
    let port = u16::try_from(port).map_err(io::Error::other)?;
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, measure(port, count, Duration::from_secs(seconds)))
}

async fn measure(port: u16, count: u64, length: Duration) -> io::Result<()> {
    let measured = Rc::new(RefCell::new(Measured::default()));
    let turns = Rc::new(Semaphore::new(OPENED_AT_A_TIME));
    let (opened, mut openings) = mpsc::unbounded_channel();
    for _ in 0..count {
        let (measured, turns, opened) = (measured.clone(), turns.clone(), opened.clone());
        tokio::task::spawn_local(async move {
            let Err(error) = stream(port, &measured, &turns, &opened).await;
            measured.borrow_mut().broken += 1;
            drop(opened.send(Err(error)));
        });
    }
    for _ in 0..count {
        let opening = time::timeout(LONGEST_OPENING, openings.recv()).await?;
        opening.ok_or(io::ErrorKind::BrokenPipe)??;
    }
    time::sleep(SETTLING).await;
    println!("open");
    measured.borrow_mut().counts = true;
    let start = Instant::now();
    time::sleep(length).await;
    measured.borrow_mut().counts = false;
    print(&mut measured.borrow_mut(), start.elapsed());
    Ok(())
}

/// Reads one stream for as long as it is there; that it ends is always an error.
async fn stream(
    port: u16,
    measured: &RefCell<Measured>,
    turns: &Semaphore,
    opened: &mpsc::UnboundedSender<io::Result<()>>,
) -> io::Result<std::convert::Infallible> {
    let turn = turns.acquire().await.map_err(io::Error::other)?;
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    // Otherwise the port of each stream would be taken for a minute after it, and there are only so many.
    stream.set_zero_linger()?;
    stream.write_all(REQUEST).await?;
    let mut turn = Some(turn);
    let mut buffer = BytesMut::with_capacity(4096);
    loop {
        if stream.read_buf(&mut buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let now = nanoseconds();
        while let Some(sent) = next_event(&mut buffer) {
            if turn.take().is_some() {
                drop(opened.send(Ok(())));
            }
            let mut measured = measured.borrow_mut();
            if measured.counts {
                let micros = now.saturating_sub(sent) / 1000;
                measured.micros.push(u32::try_from(micros).unwrap_or(u32::MAX));
            }
        }
    }
}

/// When the next event in the buffer was sent; nothing is taken out of a part of one.
fn next_event(buffer: &mut BytesMut) -> Option<u64> {
    let start = memchr::memmem::find(buffer, MARK)? + MARK.len();
    let digits = std::str::from_utf8(buffer.get(start..start + DIGITS)?).ok()?.parse().ok();
    buffer.advance(start + DIGITS);
    digits
}

fn nanoseconds() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec * 1_000_000_000 + now.tv_nsec).unwrap_or_default()
}

fn print(measured: &mut Measured, length: Duration) {
    measured.micros.sort_unstable();
    let micros = &measured.micros;
    let at = |share: usize| micros.get(micros.len() * share / 1000).copied().unwrap_or_default();
    println!(
        "{{\"seconds\":{},\"events\":{},\"broken\":{},\"p50_us\":{},\"p99_us\":{},\"p999_us\":{}}}",
        length.as_secs_f64(),
        micros.len(),
        measured.broken,
        at(500),
        at(990),
        at(999),
    );
}
