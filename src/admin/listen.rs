//! The life of the admin listener and of its connections.

use std::{io, sync::Arc, time::Duration};

use bytes::BytesMut;
use http::StatusCode;
use log::error;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    select,
    sync::{Notify, Semaphore},
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{Admin, answer::Answer, request::Request};

/// Connections at a time. When there are more, the one that has been without a request for longest is closed.
const MOST_CONNECTIONS: usize = 64;
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
    tokio::join!(accept(listener, &admin), admin.keep_history());
}

async fn accept(listener: TcpListener, admin: &Arc<Admin>) {
    let slots = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let crowded = Arc::new(Notify::new());
    let mut connections = JoinSet::new();
    loop {
        let socket = match listener.accept().await {
            Ok((socket, _)) => socket,
            Err(error) => {
                recover(&error).await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
        if slots.available_permits() == 0 {
            // Whoever waits for longest hears it first. Those that are being answered have done in a moment.
            crowded.notify_one();
        }
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        let (admin, crowded) = (Arc::clone(admin), Arc::clone(&crowded));
        connections.spawn(async move {
            // One that breaks is nobody's business.
            let _broken = requests(socket, &admin, &crowded).await;
            drop(slot);
        });
    }
}

/// Waits when the cause is one that lasts.
async fn recover(error: &io::Error) {
    if !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
        error!(
            "the admin listener cannot accept a connection: {error}; if there are too many open files, raise ulimit -n"
        );
        sleep(Duration::from_millis(200)).await;
    }
}

/// Takes one request after the other, until there is no next one.
async fn requests(mut socket: TcpStream, admin: &Admin, crowded: &Notify) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut unread = BytesMut::new();
    let mut wait = HEAD_TIME;
    loop {
        let deadline = Instant::now() + wait;
        let end = select! {
            biased;
            end = head(&mut socket, &mut unread) => end?,
            () = crowded.notified() => return Ok(()),
            () = sleep_until(deadline) => return Ok(()),
        };
        let Some(end) = end else {
            let answer = Answer::text(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "Request Header Fields Too Large");
            return last(socket, &answer.into_bytes(false, true)).await;
        };
        let head = unread.split_to(end);
        let (bytes, is_last) = match Request::read(&head) {
            Ok(request) => {
                let is_head = request.method == b"HEAD";
                (admin.answer(&request).into_bytes(is_head, request.is_last), request.is_last)
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
        wait = IDLE;
    }
}

/// Reads until a head is there, and says where it ends; `None` when it is too large. A client that is gone is an
/// error. What has been read is kept when it is dropped.
async fn head(socket: &mut TcpStream, unread: &mut BytesMut) -> io::Result<Option<usize>> {
    loop {
        // Empty lines before a request mean nothing (RFC 9112 section 2.2).
        while unread.starts_with(b"\r\n") {
            let _nothing = unread.split_to(2);
        }
        if let Some(end) = memchr::memmem::find(unread, b"\r\n\r\n") {
            return Ok(if end < LARGEST_HEAD { Some(end + 4) } else { None });
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
