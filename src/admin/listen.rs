//! The life of the admin listener and of its connections.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use bytes::BytesMut;
use http::StatusCode;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    select,
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use super::{
    Admin,
    answer::Answer,
    crowd::{Crowd, Progress},
    request::Request,
};
use crate::{
    accept::{Spares, recover},
    background::keep_going,
    framing::end_of_head,
    telemetry::Background,
};

/// A head is there whole so long after its connection was opened.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// And so long after the last answer, on a connection that is kept: longer than Prometheus pauses, as a rule.
const IDLE: Duration = Duration::from_secs(75);
/// An answer is taken within this time.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// How long a client that still sends is listened to after its last answer, so that it can read it.
const LINGER: Duration = Duration::from_secs(1);
/// No probe, no Prometheus and no browser sends a larger head.
const LARGEST_HEAD: usize = 16 * 1024;

/// Answers on the admin listener, and keeps its history, for as long as it is polled. Its connections end with it.
pub async fn serve(listener: TcpListener, admin: Arc<Admin>) {
    let counters = admin.control.counters();
    keep_going(Background::Admin, counters, || async {
        tokio::select! {
            never = accept(&listener, &admin) => never,
            () = admin.history.keep(counters) => Err(io::Error::other("its history ended")),
        }
    })
    .await;
}

async fn accept(listener: &TcpListener, admin: &Arc<Admin>) -> io::Result<Infallible> {
    let crowd = Arc::new(Crowd::default());
    let mut connections = JoinSet::new();
    let mut spares = Spares::open();
    loop {
        let accepted = select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => {
                spares.refill();
                continue;
            }
        };
        let socket = match accepted {
            Ok((socket, _)) => socket,
            Err(error) if spares.give_for(&error) => continue,
            Err(error) => {
                recover("the admin listener", &error).await;
                continue;
            }
        };
        spares.refill();
        crowd.make_room();
        let (admin, whole, progress) = (Arc::clone(admin), Arc::clone(&crowd), Progress::default());
        let seen = progress.clone();
        let connection = connections.spawn(async move {
            // One that breaks is nobody's business.
            let _broken = requests(socket, &admin, &whole, &progress).await;
        });
        crowd.enter(connection, seen);
    }
}

/// Takes one request after the other, until there is no next one.
async fn requests(mut socket: TcpStream, admin: &Admin, crowd: &Crowd, progress: &Progress) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut unread = BytesMut::new();
    let mut wait = HEAD_TIME;
    loop {
        let deadline = Instant::now() + wait;
        let end = select! {
            biased;
            end = head(&mut socket, &mut unread) => end?,
            () = sleep_until(deadline) => return Ok(()),
        };
        progress.made();
        let Some(end) = end else {
            let answer = Answer::text(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "Request Header Fields Too Large");
            return last(socket, &answer.into_bytes(false, true)).await;
        };
        let head = unread.split_to(end);
        let (bytes, is_last) = match Request::read(&head) {
            Ok(request) => {
                // Others want to come in, perhaps.
                let is_last = request.is_last || crowd.is_full();
                (admin.answer(&request).into_bytes(request.method == b"HEAD", is_last), is_last)
            }
            Err(why) => {
                let answer = Answer::text(StatusCode::BAD_REQUEST, &format!("Bad Request: {why}."));
                (answer.into_bytes(head.starts_with(b"HEAD "), true), true)
            }
        };
        if is_last {
            return last(socket, &bytes).await;
        }
        timeout(ANSWER_TIME, socket.write_all(&bytes)).await??;
        progress.made();
        wait = IDLE;
    }
}

/// Reads until a head is there, and says where it ends; `None` when it is too large. A client that is gone is an
/// error. What has been read is kept when it is dropped.
async fn head(socket: &mut TcpStream, unread: &mut BytesMut) -> io::Result<Option<usize>> {
    let mut searched = 0;
    loop {
        // Empty lines before a request mean nothing (RFC 9112 section 2.2).
        while unread.starts_with(b"\r\n") {
            let _nothing = unread.split_to(2);
        }
        if let Some(end) = end_of_head(unread, &mut searched) {
            return Ok((end <= LARGEST_HEAD).then_some(end));
        }
        if unread.len() > LARGEST_HEAD {
            return Ok(None);
        }
        unread.reserve(1024);
        if socket.read_buf(unread).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Sends the last answer, and sees to it that it arrives: closing a socket with unread bytes would reset it.
async fn last(mut socket: TcpStream, bytes: &[u8]) -> io::Result<()> {
    timeout(ANSWER_TIME, socket.write_all(bytes)).await??;
    socket.shutdown().await?;
    let read_on = async {
        let mut unwanted = [0; 4096];
        while socket.read(&mut unwanted).await.is_ok_and(|read| read > 0) {}
    };
    let _enough = timeout(LINGER, read_on).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;
    use crate::{admin::crowd::MOST_CONNECTIONS, config::Loaded, state::Control};

    /// A client of a listener whose time passes at once. The listener ends with the test.
    async fn connect() -> (TcpStream, String) {
        let text = "listeners: [{address: \"127.0.0.1:0\"}]\nservers: []\n";
        let config = Loaded::from_text("test.yaml".as_ref(), text).unwrap().config;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, Arc::new(Admin::new(Control::new(&config), address))));
        (TcpStream::connect(address).await.unwrap(), format!("GET /status HTTP/1.1\r\nHost: {address}\r\n\r\n"))
    }

    /// How long it takes until the connection is closed, and whether anything was said before.
    async fn closed(client: &mut TcpStream) -> (Duration, usize) {
        let (began, mut said) = (Instant::now(), Vec::new());
        let _or_reset = client.read_to_end(&mut said).await;
        (began.elapsed(), said.len())
    }

    fn is_about(took: Duration, expected: Duration) -> bool {
        took + Duration::from_millis(50) >= expected && took < expected + Duration::from_secs(1)
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_does_not_end_is_not_waited_for() {
        for begun in ["", "\r\n", "GET /status HT"] {
            let (mut client, _) = connect().await;
            client.write_all(begun.as_bytes()).await.unwrap();
            let (took, said) = closed(&mut client).await;
            assert!(is_about(took, HEAD_TIME) && said == 0, "{begun:?} {took:?} {said}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_of_single_bytes_gets_no_more_time() {
        let (mut client, _) = connect().await;
        let (mut reader, mut writer) = client.split();
        let drip = async {
            while writer.write_all(b"x").await.is_ok() {
                sleep(Duration::from_secs(1)).await;
            }
        };
        let began = Instant::now();
        select! {
            () = drip => {}
            _closed = reader.read_u8() => {}
        }
        assert!(began.elapsed() < HEAD_TIME + Duration::from_secs(3), "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_kept_for_a_while_after_an_answer() {
        let (mut client, request) = connect().await;
        client.write_all(request.as_bytes()).await.unwrap();
        let (took, said) = closed(&mut client).await;
        assert!(is_about(took, IDLE) && said > 0, "{took:?} {said}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_no_answer_is_not_waited_for() {
        let (client, request) = connect().await;
        let (mut reader, mut writer) = client.into_split();
        // Nothing is read, so the answers fill what is between the two.
        let began = Instant::now();
        while writer.write_all(request.as_bytes()).await.is_ok() {
            assert!(began.elapsed() < 2 * ANSWER_TIME);
        }
        assert!(began.elapsed() >= ANSWER_TIME / 2, "{:?}", began.elapsed());
        let _rest = reader.read_u8().await;
    }

    /// Whoever is waited for longest makes room, and nobody is refused.
    #[tokio::test(start_paused = true)]
    async fn the_connection_that_waits_for_longest_makes_room() {
        let (first, request) = connect().await;
        let address = first.peer_addr().unwrap();
        let mut held = vec![first];
        while held.len() < 2 * MOST_CONNECTIONS {
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(request.as_bytes()).await.unwrap();
            let mut byte = [0];
            assert_eq!(client.read(&mut byte).await.unwrap(), 1, "the answer begins");
            held.push(client);
        }
        let began = Instant::now();
        assert_eq!(closed(&mut held[0]).await.1, 0);
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_while_there_is_no_room_is_the_last() {
        let (mut first, request) = connect().await;
        let address = first.peer_addr().unwrap();
        first.write_all(request.as_bytes()).await.unwrap();
        let mut said = vec![0; 4096];
        let read = first.read(&mut said).await.unwrap();
        assert!(said[..read].windows(22).any(|part| part == b"Connection: keep-alive"));
        let mut others = Vec::new();
        while others.len() < MOST_CONNECTIONS - 1 {
            others.push(TcpStream::connect(address).await.unwrap());
        }
        // All have been accepted when the last one is answered.
        let mut last = others.pop().unwrap();
        last.write_all(request.repeat(3).as_bytes()).await.unwrap();
        let mut said = String::new();
        let _or_reset = last.read_to_string(&mut said).await;
        assert_eq!(said.matches("HTTP/1.1 200 OK").count(), 1, "{said}");
        assert!(said.contains("Connection: close"), "{said}");
    }
}
