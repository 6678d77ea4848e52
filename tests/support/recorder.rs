//! A server that records every byte which reaches it, as a second reader understands it, and answers with the bytes
//! that it is told.

use std::{
    collections::HashSet,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    select,
    sync::{Notify, watch},
    task::yield_now,
    time::timeout,
};

use super::{
    PATIENCE,
    strict::{self, End, Reading, RequestHead, Side},
    wire::ByteStream,
};

/// A running server: it runs as tasks of the runtime that has started it. Clones are the same one.
#[derive(Clone)]
pub struct Recorder {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

/// What it does once it has been asked.
#[derive(Debug, Clone)]
pub struct Script {
    pub bytes: Vec<u8>,
    pub cuts: Vec<usize>,
    /// Whether it keeps the connection.
    pub stays: bool,
}

struct Shared {
    state: Mutex<State>,
    /// Something of the state has changed.
    changed: Notify,
    /// Connections whose script has been played are closed.
    hang_up: watch::Sender<u64>,
    script: Box<dyn Fn(&RequestHead) -> Script + Send + Sync>,
}

#[derive(Default)]
struct State {
    /// Everything that has come, on any connection, in the order in which it ended.
    received: Vec<Reading<RequestHead>>,
    /// Connections on which something has come that has not ended yet, or been answered.
    pending: HashSet<u64>,
    /// How many there were.
    connections: u64,
}

impl Recorder {
    /// Starts it: this is what it says to a request.
    pub async fn start(script: impl Fn(&RequestHead) -> Script + Send + Sync + 'static) -> Self {
        Self::in_memory(script).listening().await
    }

    /// Makes one that listens nowhere.
    pub fn in_memory(script: impl Fn(&RequestHead) -> Script + Send + Sync + 'static) -> Self {
        let shared = Shared {
            state: Mutex::default(),
            changed: Notify::new(),
            hang_up: watch::channel(0).0,
            script: Box::new(script),
        };
        Recorder { address: ([0, 0, 0, 0], 0).into(), shared: Arc::new(shared) }
    }

    /// Listens on a free port.
    pub async fn listening(self) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let recorder = Recorder { address: listener.local_addr().unwrap(), ..self };
        let accepting = recorder.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _as_it_is = stream.set_nodelay(true);
                accepting.attach(stream);
            }
        });
        recorder
    }

    /// Serves a connection, as a task.
    pub fn attach(&self, stream: impl ByteStream) {
        let shared = Arc::clone(&self.shared);
        let connection = {
            let mut state = shared.state();
            state.connections += 1;
            state.connections
        };
        tokio::spawn(async move {
            let _broken = shared.serve(stream, connection).await;
            shared.pending(connection, false);
        });
    }

    /// Takes all that has come since it was last asked, once nothing is on its way any more: what a peer of the edge
    /// has heard from it, it has sent after what it sent here, and this runtime learns of both at once.
    pub async fn take(&self) -> Result<Vec<Reading<RequestHead>>, String> {
        let settled = self.settle().await;
        let received = std::mem::take(&mut self.shared.state().received);
        settled.map(|()| received)
    }

    /// Waits until nothing is on its way to it, and it has said all that it says.
    pub async fn settle(&self) -> Result<(), String> {
        let settled = async {
            loop {
                for _ in 0..4 {
                    yield_now().await;
                }
                let changed = self.shared.changed.notified();
                if self.shared.state().pending.is_empty() {
                    return;
                }
                changed.await;
            }
        };
        let settled = timeout(PATIENCE, settled).await;
        settled.map_err(|_| "a request to the server neither ended nor broke off".to_owned())
    }

    /// Closes the connections whose script has been played, and that have not been used since.
    pub fn hang_up(&self) {
        self.shared.hang_up.send_modify(|times| *times += 1);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, reading: Reading<RequestHead>) {
        self.state().received.push(reading);
        self.changed.notify_waiters();
    }

    fn pending(&self, connection: u64, is_pending: bool) {
        let mut state = self.state();
        if is_pending {
            state.pending.insert(connection)
        } else {
            state.pending.remove(&connection)
        };
        drop(state);
        self.changed.notify_waiters();
    }

    async fn serve(&self, mut stream: impl ByteStream, connection: u64) -> io::Result<()> {
        let mut unread = Vec::new();
        let (mut has_continued, mut has_played) = (false, false);
        let mut hang_up = self.hang_up.subscribe();
        loop {
            let reading = strict::request(&unread, Side::Edge);
            let expects = reading.head.as_ref().is_some_and(|head| head.fields.lists("expect", "100-continue"));
            match reading.end {
                End::Whole => {
                    unread.drain(..reading.length);
                    has_continued = false;
                    self.pending(connection, true);
                    let head = reading.head.clone();
                    self.record(reading);
                    let Some(head) = head else { return Ok(()) };
                    hang_up.mark_unchanged();
                    has_played = true;
                    let script = (self.script)(&head);
                    write(&mut stream, &script.bytes, &script.cuts).await?;
                    if !script.stays {
                        return stream.shutdown().await;
                    }
                }
                End::Missing if expects && !has_continued => {
                    has_continued = true;
                    stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
                }
                End::Missing => {
                    self.pending(connection, !unread.is_empty());
                    let is_over = select! {
                        read = stream.read_buf(&mut unread) => !read.is_ok_and(|read| read > 0),
                        _ = hang_up.changed(), if has_played && unread.is_empty() => return Ok(()),
                    };
                    if is_over {
                        if !unread.is_empty() {
                            self.record(strict::request(&unread, Side::Edge));
                        }
                        return Ok(());
                    }
                }
                End::Fault(_) | End::Closing => {
                    self.record(reading);
                    return Ok(());
                }
            }
        }
    }
}

/// Writes bytes, cut into pieces.
pub async fn write(stream: &mut impl ByteStream, bytes: &[u8], cuts: &[usize]) -> io::Result<()> {
    let mut start = 0;
    for end in cuts.iter().copied().chain([bytes.len()]) {
        stream.write_all(&bytes[start..end]).await?;
        start = end;
        // What comes in one piece anyway is no other case.
        yield_now().await;
    }
    Ok(())
}
