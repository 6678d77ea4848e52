//! The answers of the server, and the faults within them.

use std::{io, time::Duration};

use tokio::{io::AsyncWriteExt, time::sleep};

use super::{
    Mood, Stage,
    serve::{Connection, Next, Request},
};
use crate::support::websocket::ACCEPT;

/// Between the bytes of a dripping answer, and between the events of a stream.
const PAUSE: Duration = Duration::from_millis(1);

/// One event of a stream.
pub fn event_text(event: usize) -> String {
    format!("data: {event}\n\n")
}

impl Connection {
    pub(super) async fn answer(&mut self, mood: Mood, request: &Request) -> io::Result<Next> {
        match mood {
            Mood::Resets(Stage::AfterRequestHead) => return self.reset(),
            Mood::Resets(Stage::MidRequestBody) => {
                self.read_body(request, true).await?;
                return self.reset();
            }
            _ => self.read_body(request, false).await?,
        }
        let is_health = request.target == "/health";
        let status = match mood {
            Mood::Resets(Stage::AfterRequest) => return self.reset(),
            Mood::Frozen => return self.freeze().await,
            Mood::HealthRed if is_health && request.method == "GET" => 503,
            Mood::Errors if !is_health => 500,
            _ if request.is_websocket && request.method == "GET" => return self.echo(request).await,
            _ => 200,
        };
        let path = request.target.split('?').next().unwrap_or_default();
        match path.strip_prefix("/stream/").and_then(|events| events.parse().ok()) {
            Some(events) if status == 200 && request.method == "GET" => self.stream(mood, request, events).await,
            _ => self.report(mood, request, status).await,
        }
    }

    /// Answers with what arrived.
    async fn report(&mut self, mood: Mood, request: &Request, status: u16) -> io::Result<Next> {
        let body_bytes = request.place.map_or(0, |place| self.shared.tally().records[place].body_bytes);
        let body = serde_json::json!({
            "server": self.shared.address.port(),
            "test_id": request.id,
            "body_bytes": body_bytes,
        });
        let body = body.to_string();
        let (head, next) =
            self.head(status, &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
        let body = if request.method == "HEAD" { "" } else { &body };
        match mood {
            Mood::Resets(stage) => {
                let sent = match stage {
                    Stage::MidResponseHead => head[..head.len() / 2].to_owned(),
                    Stage::AfterResponseHead => head,
                    _ => head + &body[..body.len() / 2],
                };
                self.send(request, status, sent.as_bytes()).await?;
                return self.reset();
            }
            Mood::Drips => {
                self.send(request, status, head.as_bytes()).await?;
                self.drip(request, status, body.as_bytes()).await?;
            }
            _ => self.send(request, status, (head + body).as_bytes()).await?,
        }
        self.is_answered(request);
        Ok(next)
    }

    /// Answers with a stream of numbered events.
    async fn stream(&mut self, mood: Mood, request: &Request, events: usize) -> io::Result<Next> {
        let is_held = request.target.ends_with("?held");
        let (head, next) = self.head(200, "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n");
        let cut = match mood {
            Mood::Resets(Stage::MidResponseHead) => head.len() / 2,
            _ => head.len(),
        };
        self.send(request, 200, &head.as_bytes()[..cut]).await?;
        let last = match mood {
            Mood::Resets(Stage::MidResponseBody) => events / 2,
            Mood::Resets(_) => 0,
            _ => events,
        };
        for event in 0..last {
            if is_held {
                self.shared.released.acquire().await.map_err(io::Error::other)?.forget();
            } else {
                sleep(PAUSE).await;
            }
            let data = event_text(event);
            let chunk = format!("{:x}\r\n{data}\r\n", data.len());
            if mood == Mood::Drips {
                self.drip(request, 200, chunk.as_bytes()).await?;
            } else {
                self.send(request, 200, chunk.as_bytes()).await?;
            }
        }
        if let Mood::Resets(stage) = mood {
            if stage == Stage::MidResponseBody {
                self.send(request, 200, b"9\r\ndat").await?;
            }
            return self.reset();
        }
        self.send(request, 200, b"0\r\n\r\n").await?;
        self.is_answered(request);
        Ok(if self.shared.mood() == Mood::ShutsDown { Next::Close } else { next })
    }

    /// Answers like a WebSocket and sends back whatever arrives.
    async fn echo(&mut self, request: &Request) -> io::Result<Next> {
        let (head, _) =
            self.head(101, &format!("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {ACCEPT}\r\n"));
        self.send(request, 101, head.as_bytes()).await?;
        self.is_answered(request);
        loop {
            if !self.unread.is_empty() {
                self.stream.write_all(&self.unread).await?;
                self.unread.clear();
            }
            self.fill().await?;
        }
    }

    async fn freeze(&mut self) -> io::Result<Next> {
        loop {
            self.fill().await?;
            self.unread.clear();
        }
    }

    /// The head of an answer, and what becomes of the connection after it.
    fn head(&self, status: u16, headers: &str) -> (String, Next) {
        let (close, next) = match self.shared.mood() {
            Mood::RefusesNew if status != 101 => ("Connection: close\r\n", Next::Close),
            Mood::ShutsDown => ("", Next::Close),
            _ => ("", Next::Keep),
        };
        let port = self.shared.address.port();
        (format!("HTTP/1.1 {status} Troubled\r\nX-Server: {port}\r\n{headers}{close}\r\n"), next)
    }

    async fn send(&mut self, request: &Request, status: u16, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.note(request, |record| record.begun = Some(status));
        Ok(())
    }

    async fn drip(&mut self, request: &Request, status: u16, bytes: &[u8]) -> io::Result<()> {
        for byte in bytes {
            sleep(PAUSE).await;
            self.send(request, status, &[*byte]).await?;
        }
        Ok(())
    }

    fn is_answered(&self, request: &Request) {
        self.note(request, |record| record.answered = true);
    }

    /// The connection ends with a reset as soon as it is dropped.
    pub(super) fn reset(&self) -> io::Result<Next> {
        self.stream.set_zero_linger()?;
        Ok(Next::Close)
    }
}
