//! A connection to the server: its requests, one after the other.

use std::{io, sync::Arc};

use tokio::{io::AsyncReadExt, net::TcpStream};

use super::{Mood, Recorded, Stage, record::Shared};

/// Serves a connection until it ends.
pub(super) fn serve(stream: TcpStream, shared: &Arc<Shared>) {
    shared.change(|tally| tally.connections += 1);
    if shared.mood() == Mood::Resets(Stage::OnAccept) {
        let _reset = stream.set_zero_linger();
        return;
    }
    let _ = stream.set_nodelay(true);
    let mut connection = Connection { stream, unread: Vec::new(), shared: Arc::clone(shared) };
    tokio::spawn(async move {
        // An error is a client that went away.
        let _ended = connection.serve().await;
    });
}

pub(super) struct Connection {
    pub(super) stream: TcpStream,
    pub(super) unread: Vec<u8>,
    pub(super) shared: Arc<Shared>,
}

/// What of a request's head matters here.
pub(super) struct Request {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) id: String,
    pub(super) body: Framing,
    pub(super) is_websocket: bool,
    pub(super) wants_close: bool,
    /// Where it is recorded; a health check is not.
    pub(super) place: Option<usize>,
}

#[derive(Clone, Copy)]
pub(super) enum Framing {
    Length(usize),
    Chunked,
}

/// What becomes of the connection.
#[derive(PartialEq, Eq)]
pub(super) enum Next {
    Keep,
    Close,
}

impl Connection {
    async fn serve(&mut self) -> io::Result<()> {
        let mut is_new = true;
        while self.begins(is_new).await? {
            is_new = false;
            let mood = self.shared.mood();
            if mood == Mood::Resets(Stage::MidRequestHead) {
                self.reset()?;
                return Ok(());
            }
            let request = self.read_head().await?;
            if self.answer(mood, &request).await? == Next::Close || request.wants_close {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Waits for the first bytes of a request; false when there will be none.
    async fn begins(&mut self, is_new: bool) -> io::Result<bool> {
        let mut moods = self.shared.mood.subscribe();
        while self.unread.is_empty() {
            let is_over = tokio::select! {
                biased;
                ready = self.stream.readable() => ready.map(|()| false)?,
                _ = moods.wait_for(|mood| *mood == Mood::ShutsDown), if !is_new => true,
            };
            let mut first = [0; 16];
            match self.stream.try_read(&mut first) {
                Ok(0) => return Ok(false),
                Ok(read) => self.unread.extend_from_slice(&first[..read]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if is_over {
                        return Ok(false);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    async fn read_head(&mut self) -> io::Result<Request> {
        loop {
            if let Some(mut request) = self.parse_head()? {
                let is_health_check = request.method == "GET" && request.target == "/health";
                let record = Recorded {
                    method: request.method.clone(),
                    target: request.target.clone(),
                    id: request.id.clone(),
                    body_bytes: 0,
                    body_complete: matches!(request.body, Framing::Length(0)),
                    begun: None,
                    answered: false,
                };
                request.place = self.shared.change(|tally| {
                    if is_health_check {
                        tally.health_checks += 1;
                        return None;
                    }
                    tally.records.push(record);
                    Some(tally.records.len() - 1)
                });
                return Ok(request);
            }
            self.fill().await?;
        }
    }

    /// Takes a whole head off what has been read.
    fn parse_head(&mut self) -> io::Result<Option<Request>> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Request::new(&mut headers);
        let httparse::Status::Complete(length) = parsed.parse(&self.unread).map_err(io::Error::other)? else {
            return Ok(None);
        };
        let header = |name: &str| {
            let found = parsed.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
            found.map_or(String::new(), |header| String::from_utf8_lossy(header.value).into_owned())
        };
        let is_chunked = header("transfer-encoding").eq_ignore_ascii_case("chunked");
        let request = Request {
            method: parsed.method.unwrap_or_default().to_owned(),
            target: parsed.path.unwrap_or_default().to_owned(),
            id: header("x-test-id"),
            body: if is_chunked {
                Framing::Chunked
            } else {
                Framing::Length(header("content-length").parse().unwrap_or_default())
            },
            is_websocket: header("upgrade").eq_ignore_ascii_case("websocket"),
            wants_close: header("connection").eq_ignore_ascii_case("close"),
            place: None,
        };
        self.unread.drain(..length);
        Ok(Some(request))
    }

    /// Reads the body, or about the first half of it.
    pub(super) async fn read_body(&mut self, request: &Request, half: bool) -> io::Result<()> {
        match request.body {
            Framing::Length(length) => self.take(request, if half { length / 2 } else { length }).await?,
            Framing::Chunked => loop {
                let size = usize::from_str_radix(&self.read_line().await?, 16).map_err(io::Error::other)?;
                if size == 0 {
                    while !self.read_line().await?.is_empty() {}
                    break;
                }
                self.take(request, if half { size.div_ceil(2) } else { size }).await?;
                if half {
                    break;
                }
                self.read_line().await?;
            },
        }
        if !half {
            self.note(request, |record| record.body_complete = true);
        }
        Ok(())
    }

    /// Takes so many bytes of a body.
    async fn take(&mut self, request: &Request, mut left: usize) -> io::Result<()> {
        while left > 0 {
            if self.unread.is_empty() {
                self.fill().await?;
            }
            let taken = left.min(self.unread.len());
            self.unread.drain(..taken);
            self.note(request, |record| record.body_bytes += taken);
            left -= taken;
        }
        Ok(())
    }

    async fn read_line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|two| two == b"\r\n") {
                let line = String::from_utf8_lossy(&self.unread[..end]).into_owned();
                self.unread.drain(..end + 2);
                return Ok(line);
            }
            self.fill().await?;
        }
    }

    /// Reads what there is; an error at the end of the connection.
    pub(super) async fn fill(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.unread).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    pub(super) fn note(&self, request: &Request, note: impl FnOnce(&mut Recorded)) {
        if let Some(place) = request.place {
            self.shared.change(|tally| note(&mut tally.records[place]));
        }
    }
}
