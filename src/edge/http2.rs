//! The life of a client's connection of HTTP/2: its requests share it.

use std::{future::poll_fn, sync::Arc, time::Duration};

use log::{debug, info};
use parking_lot::Mutex;
use pingora::{
    apps::HttpServerApp,
    protocols::http::{
        ServerSession,
        v2::server::{H2Accept, H2Options, HttpSession, handshake},
    },
};
use tokio::{
    pin, select,
    sync::Notify,
    time::{Instant, sleep, timeout},
};
use tokio_util::task::TaskTracker;

use super::{client_stream::ClientStream, connection::Connection, door::Door};
use crate::{config::Limits, reason::Reason, telemetry::Closed};

/// The streams of a connection that have been reset.
pub(super) struct Resets {
    most: usize,
    /// When the minute began, and how many there were in it.
    minute: Mutex<(Instant, usize)>,
    /// There were too many.
    exceeded: Notify,
}

const MINUTE: Duration = Duration::from_mins(1);

impl Resets {
    fn new(most: usize) -> Self {
        Resets { most, minute: Mutex::new((Instant::now(), 0)), exceeded: Notify::new() }
    }

    /// Takes note of streams that were reset, by whichever side.
    pub fn count(&self, resets: usize) {
        if resets == 0 {
            return;
        }
        let mut minute = self.minute.lock();
        if minute.0.elapsed() >= MINUTE {
            *minute = (Instant::now(), 0);
        }
        minute.1 += resets;
        if minute.1 > self.most {
            self.exceeded.notify_one();
        }
    }
}

/// So much of the bodies of one stream, and of all of a connection, is taken before it is passed on.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Requests that Pingora refuses by itself are mistakes; so many end the connection.
const MOST_REJECTED: usize = 32;

fn options(limits: &Limits) -> H2Options {
    let mut options = H2Options::default();
    options
        .max_header_list_size(u32::try_from(limits.head.most()).unwrap_or(u32::MAX))
        .max_concurrent_streams(limits.http2_streams)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    options
}

/// Serves a connection to its end.
pub(super) async fn serve(door: &Door, mut client: Box<ClientStream>, connection: &Connection) {
    let snapshot = door.snapshot.load_full();
    let limits = snapshot.limits.clone();
    drop(snapshot);
    let resets = Arc::new(Resets::new(limits.http2_resets.most()));
    client.begin_http2(Arc::clone(&resets));
    let digest = Arc::new(client.digest());
    let mut http2 = match timeout(limits.head_time, handshake(client, Some(options(&limits)))).await {
        Ok(Ok(http2)) => http2,
        Ok(Err(error)) => {
            door.counters.closed(Closed::Http2Handshake);
            debug!("{}: no HTTP/2: {error}", connection.peer());
            return;
        }
        Err(_) => {
            door.counters.closed(Closed::Http2Handshake);
            debug!("{}: no preface of HTTP/2 in time", connection.peer());
            return;
        }
    };
    let requests = TaskTracker::new();
    // It may be waited for again and again; what comes later is tracked too.
    requests.close();
    let (mut served, mut rejected, mut is_ending) = (0, 0, false);
    loop {
        let idle = async {
            requests.wait().await;
            select! {
                () = sleep(limits.idle) => {}
                () = door.is_crowded.notified() => {}
            }
        };
        pin!(idle);
        let accepted = select! {
            biased;
            () = resets.exceeded.notified() => {
                door.counters.closed(Closed::Http2Resets);
                info!("{}: closed, more streams reset within a minute than limits.http2_resets", connection.peer());
                http2.abrupt_shutdown(h2::Reason::ENHANCE_YOUR_CALM);
                let _told = timeout(FAREWELL, poll_fn(|context| http2.poll_closed(context))).await;
                return;
            }
            () = door.stopping(), if !is_ending => {
                http2.graceful_shutdown();
                is_ending = true;
                continue;
            }
            accepted = HttpSession::from_h2_conn(&mut http2, Arc::clone(&digest)) => accepted,
            () = &mut idle, if !is_ending => {
                http2.graceful_shutdown();
                is_ending = true;
                continue;
            }
        };
        match accepted {
            Ok(Some(H2Accept::Session(session))) => {
                served += 1;
                if served >= limits.requests_per_connection.most() && !is_ending {
                    http2.graceful_shutdown();
                    is_ending = true;
                }
                let (proxy, stop) = (Arc::clone(&door.proxy), door.stop.clone());
                requests.spawn(async move { proxy.process_new_http(ServerSession::new_http2(session), &stop).await });
            }
            Ok(Some(H2Accept::Rejected)) => {
                door.counters.failed(Reason::Malformed);
                info!("{}: a malformed request of HTTP/2", connection.peer());
                rejected += 1;
                if rejected >= MOST_REJECTED {
                    door.counters.closed(Closed::Http2Malformed);
                    return;
                }
            }
            Ok(None) => return,
            Err(error) => {
                debug!("{}: HTTP/2 broke off: {error}", connection.peer());
                return;
            }
        }
    }
}

/// How long a client has to read why its connection is closed.
const FAREWELL: Duration = Duration::from_secs(1);
