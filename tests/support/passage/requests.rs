//! A client's bytes on their way through an edge: what they are to a second reader, what of them reaches the server,
//! and what the client gets.

use std::{fmt::Write, time::Duration};

use crate::support::{
    corpus::RequestEntry,
    recorder::{Recorder, Script},
    strict::{self, AnswerHead, End, Reading, RequestHead, Side},
    trial::shown,
    wire::{ByteStream, Wire, is_enough},
};

/// What the server says to every request.
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const OK_WITHOUT: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
/// How long the edge may think about what is not beyond doubt before the client leaves. It may take longer: then less
/// is seen of it, and nothing else is expected.
const GRACE: Duration = Duration::from_millis(150);

/// What became of an entry.
pub struct Seen {
    /// The client's bytes, as the second reader has them.
    sent: Vec<Reading<RequestHead>>,
    received: Vec<Reading<RequestHead>>,
    answers: Vec<Reading<AnswerHead>>,
    got: Vec<u8>,
}

/// Says it.
pub fn script(head: &RequestHead) -> Script {
    let bytes = if head.method == "HEAD" { OK_WITHOUT } else { OK };
    Script { bytes: bytes.to_vec(), cuts: Vec::new(), stays: true }
}

/// Sends the bytes of an entry.
pub async fn exchange(
    entry: &RequestEntry,
    mut client: Wire<impl ByteStream>,
    recorder: &Recorder,
) -> Result<Seen, String> {
    let sent = strict::requests(&entry.bytes, Side::Client);
    let sure = sent.iter().take_while(|request| is_sure(request)).count();
    let methods = methods(&sent, &entry.bytes);
    let methods: Vec<_> = methods.iter().map(String::as_str).collect();
    client.send(&entry.bytes, &entry.cuts).await;
    client.read_until(|got| is_enough(got, &methods, sure)).await?;
    if sent.get(sure).is_some_and(|next| next.is_doubtful || next.end != End::Missing) {
        client.read_for(GRACE, |got| is_enough(got, &methods, methods.len())).await?;
    }
    client.half_close().await;
    client.read_until(|_| false).await?;
    let received = recorder.take().await?;
    let answers = client.answers(&methods);
    Ok(Seen { sent, received, answers, got: client.got })
}

fn is_sure(request: &Reading<RequestHead>) -> bool {
    request.is_whole() && !request.is_doubtful
}

/// The methods of all requests, also of a last one that is none.
fn methods(sent: &[Reading<RequestHead>], bytes: &[u8]) -> Vec<String> {
    let mut place = 0;
    let mut methods = Vec::new();
    for request in sent {
        let mut begins = &bytes[place..];
        while let Some(after) = begins.strip_prefix(b"\r\n") {
            begins = after;
        }
        let method = if begins.starts_with(b"HEAD ") { "HEAD" } else { "GET" };
        methods.push(request.head.as_ref().map_or(method.to_owned(), |head| head.method.clone()));
        place += request.length;
    }
    methods
}

impl Seen {
    /// Judges it.
    pub fn verdict(&self) -> Result<(), String> {
        self.is_received()?;
        self.is_answered()
    }

    /// Everything that reached the server, not just what can be recognised, is something that was sent.
    fn is_received(&self) -> Result<(), String> {
        let mut received = self.received.iter().peekable();
        // A refusal may have ended the connection.
        let mut is_open = true;
        for sent in &self.sent {
            let next = received.peek().map(|received| is_received_as(sent, received));
            match next {
                // One that was refused within its body ends the connection as well.
                Some(Ok(())) => is_open &= received.next().is_some_and(|received| is_sure(sent) || received.is_whole()),
                Some(Err(why)) if is_sure(sent) && is_open => return Err(why),
                None if is_sure(sent) && is_open => return Err("a request did not arrive".to_owned()),
                _ => is_open = false,
            }
        }
        match received.next().map(|more| more.end) {
            None => Ok(()),
            Some(End::Fault(why)) => Err(format!("the server got {why}")),
            Some(_) => Err("the server got more than was sent".to_owned()),
        }
    }

    /// The client gets an answer to each, and perhaps a refusal at last.
    fn is_answered(&self) -> Result<(), String> {
        let sure = self.sent.iter().take_while(|sent| is_sure(sent)).count();
        let whole = self.received.iter().filter(|received| received.is_whole()).count();
        let mut oks = 0;
        let mut is_over = false;
        for answer in &self.answers {
            let head = match (&answer.head, answer.end) {
                (_, End::Fault(why)) => return Err(format!("the client got {why}")),
                (Some(head), End::Whole) => head,
                _ => return Err("the client got an answer that broke off".to_owned()),
            };
            if is_over {
                return Err("the client got an answer after the last one".to_owned());
            }
            is_over = head.closes;
            match head.status {
                100 if self.sent.iter().any(|sent| sent.head.as_ref().is_none_or(|head| !head.is_1_0)) => {}
                200 => oks += 1,
                400..=505 if sure < self.sent.len() => {}
                status => return Err(format!("the client got {status}")),
            }
        }
        if (sure..=whole).contains(&oks) { Ok(()) } else { Err(format!("{sure} to {whole} answers, {oks} came")) }
    }

    /// Shows it.
    pub fn report(&self, entry: &RequestEntry) -> String {
        let mut report = format!("request {}\n  sent {}\n", entry.number, shown(&entry.bytes));
        let last = self.sent.last().map(|last| (last.end, last.is_doubtful));
        let _ = writeln!(report, "  which are {} requests, the last {last:?}", self.sent.len());
        for received in &self.received {
            let head = received.head.as_ref().map(|head| (&head.method, shown(&head.target)));
            let _ = writeln!(report, "  arrived {head:?}, {:?}, with {}", received.end, shown(&received.body));
        }
        report + "  answered " + &shown(&self.got) + "\n"
    }
}

/// Compares what was sent with what arrived.
fn is_received_as(sent: &Reading<RequestHead>, received: &Reading<RequestHead>) -> Result<(), String> {
    if let End::Fault(why) = received.end {
        return Err(format!("the server got {why}"));
    }
    let (Some(from), Some(to)) = (&sent.head, &received.head) else {
        return Err("the server got a head that is not whole, or was none".to_owned());
    };
    if received.is_whole() && !sent.is_whole() {
        return Err("the server got a whole request that was none".to_owned());
    }
    if sent.is_whole() && is_sure(sent) && !received.is_whole() {
        return Err("the server got a part of a request".to_owned());
    }
    if (&from.method, &from.target) != (&to.method, &to.target) {
        return Err("the server got another method or target".to_owned());
    }
    if from.host != to.host {
        return Err("the server got another host".to_owned());
    }
    let is_body = if received.is_whole() { sent.body == received.body } else { sent.body.starts_with(&received.body) };
    if !is_body {
        return Err("the server got another body".to_owned());
    }
    if from.fields.of_the_ends() != to.fields.of_the_ends() {
        return Err("the server got other fields".to_owned());
    }
    if to.fields.0.iter().any(|(name, _)| name.starts_with("x-h-") && from.fields.lists("connection", name)) {
        return Err("the server got a field that Connection names".to_owned());
    }
    Ok(())
}
