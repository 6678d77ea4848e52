//! The answers of the corpus reach a client of HTTP/2 as they do one of HTTP/1: the same, a refusal, or one that is
//! seen to break off.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use h2::client::{self, SendRequest};
use http::Request;
use tokio::{net::TcpStream, runtime, time::timeout};

use crate::{
    differential_answers::EDGE,
    support::{
        PATIENCE,
        corpus::AnswerEntry,
        edge::{Edge, servers_yaml},
        expected::{Expected, Got},
        passage::answers::{Stage, are_asked, sane},
        strict::Fields,
        trial::{self, Wrong, shown},
    },
};

const GRACE: Duration = Duration::from_millis(150);

#[test]
fn a_client_of_http_2_gets_the_servers_answer_or_sees_that_there_is_none() {
    trial::run(10, |numbers| {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let stage = Stage::start().await;
            let yaml = format!("{}{EDGE}", servers_yaml(&[stage.recorder.address]));
            let edge = Edge::listening("http2: true", &yaml);
            let mut wrong = Vec::new();
            for number in numbers {
                let entry = AnswerEntry::of(*number);
                let verdict = exchange(&entry, edge.address, &stage).await;
                // Of one that has ended before its end.
                let _rest = stage.recorder.take().await;
                let report = format!("answer {number} to {}\n  {}\n", entry.method, shown(&entry.bytes));
                wrong.extend(verdict.err().map(|why| Wrong { why, report }));
            }
            wrong
        })
    });
}

async fn exchange(entry: &AnswerEntry, edge: SocketAddr, stage: &Stage) -> Result<(), String> {
    let expected = Expected::of(entry);
    stage.set(expected.script(entry));
    let stream = TcpStream::connect(edge).await.unwrap();
    let (requests, connection) = client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let first = ask(requests.clone(), entry.method, format!("/case{}", entry.number));
    tokio::pin!(first);
    let first = loop {
        match timeout(GRACE, &mut first).await {
            Ok(first) => break first?,
            // The edge may ask once more on another connection.
            Err(_) => stage.recorder.hang_up(),
        }
    };
    // A stream that is reset before its head is an answer that has visibly broken off.
    if let Some(got) = first {
        expected.check(&got).map_err(|why| format!("the client got {why}"))?;
    } else if !matches!(expected, Expected::Broken(_)) {
        return Err("the client got no answer".to_owned());
    }
    let next = format!("/next{}", entry.number);
    let second = ask(requests, "GET", next.clone()).await?.ok_or("the next request got no answer")?;
    connection.abort();
    if (second.status, &second.body) != (200, &sane(next.as_bytes()).0) {
        return Err("the next request got something else than its answer".to_owned());
    }
    are_asked(&stage.recorder.take().await?, entry)
}

/// Asks, and reads the answer. None: the stream was reset before it.
async fn ask(requests: SendRequest<Bytes>, method: &str, path: String) -> Result<Option<Got>, String> {
    let answer = async {
        let request = Request::builder().method(method).uri(format!("http://x{path}")).body(()).unwrap();
        let mut requests = requests.ready().await.map_err(|error| error.to_string())?;
        let (answer, mut body) = requests.send_request(request, method != "POST").map_err(|error| error.to_string())?;
        if method == "POST" {
            body.send_data("hi".into(), true).map_err(|error| error.to_string())?;
        }
        let answer = match answer.await {
            Ok(answer) => answer,
            Err(error) if error.is_reset() => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        let (head, mut body) = answer.into_parts();
        let fields = head.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
        let (mut content, mut is_whole) = (Vec::new(), true);
        while let Some(data) = body.data().await {
            let Ok(data) = data else {
                is_whole = false;
                break;
            };
            let _given = body.flow_control().release_capacity(data.len());
            content.extend_from_slice(&data);
        }
        is_whole = is_whole && body.trailers().await.is_ok();
        let (status, fields) = (head.status.as_u16(), Fields(fields));
        Ok(Some(Got { status, fields, body: content, is_whole, shows_end: true }))
    };
    timeout(PATIENCE, answer).await.map_err(|_| "it hangs".to_owned())?
}
