//! A server's bytes on their way through an edge: what they are to a second reader, what the client gets, and what it
//! gets when it asks again.

use std::{
    fmt::Write,
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::support::{
    corpus::{AnswerEntry, Asker},
    expected::{Expected, Got},
    recorder::{Recorder, Script},
    strict::{self, AnswerHead, End, Reading, RequestHead, Side},
    trial::shown,
    wire::{ByteStream, Wire, is_enough},
};

/// How long the edge may wait for the end of an answer before its server closes the connection. It changes nothing
/// for an answer that is whole.
const GRACE: Duration = Duration::from_millis(150);

/// What became of an entry.
pub struct Seen {
    expected: Expected,
    first: Vec<u8>,
    answers: Vec<Reading<AnswerHead>>,
    is_over: bool,
    /// To the request that followed, of the same client.
    second: Vec<u8>,
    received: Vec<Reading<RequestHead>>,
}

/// A server whose next answer is set before it is asked for.
pub struct Stage {
    pub recorder: Recorder,
    next: Arc<Mutex<Option<Script>>>,
}

impl Stage {
    /// Starts it on a free port.
    pub async fn start() -> Self {
        let Stage { recorder, next } = Self::in_memory();
        Stage { recorder: recorder.listening().await, next }
    }

    /// Makes one that listens nowhere.
    pub fn in_memory() -> Self {
        let next: Arc<Mutex<Option<Script>>> = Arc::default();
        let scripts = Arc::clone(&next);
        let recorder = Recorder::in_memory(move |head| {
            let script = if head.target.starts_with(b"/next") { None } else { scripts.lock().unwrap().clone() };
            script.unwrap_or_else(|| Script { bytes: sane(&head.target).1, cuts: Vec::new(), stays: true })
        });
        Stage { recorder, next }
    }

    pub fn set(&self, script: Script) {
        *self.next.lock().unwrap() = Some(script);
    }
}

/// The body that a later request gets, which is its own, and the answer.
pub fn sane(target: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let body = [b"this is ", target].concat();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    (body.clone(), [head.as_bytes(), &body].concat())
}

/// Whether the server has got the two requests and nothing else. A request that may be repeated is, when its
/// connection was closed before it.
pub fn are_asked(received: &[Reading<RequestHead>], entry: &AnswerEntry) -> Result<(), String> {
    let case = format!("/case{}", entry.number).into_bytes();
    let next = format!("/next{}", entry.number).into_bytes();
    let mut targets = Vec::new();
    for request in received {
        let head = request.head.as_ref().filter(|_| request.is_whole()).ok_or("the server got what is no request")?;
        targets.push(&head.target);
    }
    if entry.method != "POST" {
        targets.dedup();
    }
    if targets == [&case, &next] { Ok(()) } else { Err(format!("the server got {} requests", received.len())) }
}

/// Asks for the answer of an entry, and then for another one.
pub async fn exchange<S: ByteStream>(
    entry: &AnswerEntry,
    connect: impl AsyncFn() -> Wire<S>,
    stage: &Stage,
) -> Result<Seen, String> {
    let expected = Expected::of(entry);
    let script = expected.script(entry);
    let stays = script.stays;
    stage.set(script);
    let mut client = connect().await;
    client.send(request(entry).as_bytes(), &[]).await;
    let methods = [entry.method];
    let is_one = |got: &[u8]| is_enough(got, &methods, 1);
    // The edge may ask once more on another connection.
    while stays && !client.read_for(GRACE, is_one).await? {
        stage.recorder.hang_up();
    }
    client.read_until(is_one).await?;
    let (first, is_over, answers) = (client.got.clone(), client.is_over, client.answers(&methods));
    let keeps =
        answers.last().is_some_and(|last| last.is_whole() && last.head.as_ref().is_some_and(|head| !head.closes));
    if !keeps {
        client = connect().await;
    }
    // What a server says when it was not asked is nobody's as long as it says it before it is asked again.
    stage.recorder.settle().await?;
    client.got.clear();
    client.send(format!("GET /next{} HTTP/1.1\r\nHost: x\r\n\r\n", entry.number).as_bytes(), &[]).await;
    client.read_until(|got| is_enough(got, &["GET"], 1)).await?;
    client.half_close().await;
    client.read_until(|_| false).await?;
    let received = stage.recorder.take().await?;
    Ok(Seen { expected, first, answers, is_over, second: client.got, received })
}

fn request(entry: &AnswerEntry) -> String {
    let version = match entry.asker {
        Asker::Http11 => "HTTP/1.1\r\n",
        Asker::Http10 => "HTTP/1.0\r\n",
        Asker::Http10Kept => "HTTP/1.0\r\nConnection: keep-alive\r\n",
    };
    let body = if entry.method == "POST" { "Content-Length: 2\r\n\r\nhi" } else { "\r\n" };
    format!("{} /case{} {version}Host: x\r\n{body}", entry.method, entry.number)
}

impl Seen {
    /// Judges it.
    pub fn verdict(&self, entry: &AnswerEntry) -> Result<(), String> {
        let next = format!("/next{}", entry.number);
        let second = strict::answers(&self.second, &["GET"], Side::Edge);
        let is_own = |answer: &Reading<AnswerHead>| answer.is_whole() && answer.body == sane(next.as_bytes()).0;
        if !matches!(&second[..], [answer] if is_own(answer)) {
            return Err("the next request got something else than its answer".to_owned());
        }
        are_asked(&self.received, entry)?;
        let may_break_off = match &self.expected {
            Expected::Broken(_) => true,
            Expected::Mended(answer) => answer.is_body_doubtful,
            Expected::Same(_) | Expected::Refused => false,
        };
        if may_break_off && self.is_cut_within_its_head() {
            return Ok(());
        }
        let got = self.got(entry)?;
        self.expected.check(&got).map_err(|why| format!("the client got {why}"))
    }

    /// Whether the client sees that the answer broke off before it has a whole head: one that reads slowly.
    fn is_cut_within_its_head(&self) -> bool {
        self.is_over && self.answers.last().is_none_or(|last| last.head.is_none() && last.end == End::Missing)
    }

    /// The one final answer.
    fn got(&self, entry: &AnswerEntry) -> Result<Got, String> {
        let (last, interim) = self.answers.split_last().ok_or("the client got nothing")?;
        if let Some(End::Fault(why)) =
            self.answers.iter().map(|answer| answer.end).find(|end| matches!(end, End::Fault(_)))
        {
            return Err(format!("the client got {why}"));
        }
        if !interim.is_empty() && entry.asker != Asker::Http11 {
            return Err("a client of HTTP/1.0 got an interim answer".to_owned());
        }
        let head = last.head.as_ref().filter(|head| !head.is_interim()).ok_or("the client got no final answer")?;
        let is_old = entry.asker != Asker::Http11;
        if is_old && head.fields.has("transfer-encoding") {
            return Err("a client of HTTP/1.0 got chunks".to_owned());
        }
        Ok(Got {
            status: head.status,
            fields: head.fields.clone(),
            body: last.body.clone(),
            is_whole: last.is_whole() || last.end == End::Closing && self.is_over,
            shows_end: !is_old,
        })
    }

    /// Shows it.
    pub fn report(&self, entry: &AnswerEntry) -> String {
        let expected = match &self.expected {
            Expected::Same(_) => "beyond doubt",
            Expected::Mended(_) => "to be mended or refused",
            Expected::Broken(_) => "broken off",
            Expected::Refused => "none",
        };
        let mut report = format!(
            "answer {} to {} of {:?}\n  is {expected}: {}\n",
            entry.number,
            entry.method,
            entry.asker,
            shown(&entry.bytes)
        );
        let _ = writeln!(report, "  the client got {}", shown(&self.first));
        let _ = writeln!(report, "  and then {}", shown(&self.second));
        report
    }
}
