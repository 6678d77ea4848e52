//! The faulty server has the faults that it is asked for, and no others.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
};

use super::{Mood, Stage, Troubled, event_text};
use crate::support::{PATIENCE, http::Connection};

const POST: &[u8] = b"POST /x HTTP/1.1\r\nHost: x\r\nX-Test-Id: 7\r\nContent-Length: 10\r\n\r\n0123456789";

/// What arrives, and how the connection ended.
fn sent(server: &Troubled, request: &[u8]) -> (String, Option<ErrorKind>) {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut received = Vec::new();
    let written = stream.write_all(request);
    let ended = written.and_then(|()| stream.read_to_end(&mut received)).err();
    (String::from_utf8(received).unwrap(), ended.map(|error| error.kind()))
}

#[test]
fn each_stage_ends_in_a_reset_where_it_says() {
    let server = Troubled::start();
    for stage in Stage::ALL {
        let before = server.recorded().len();
        server.set(Mood::Resets(stage));
        let (received, ended) = sent(&server, POST);
        // A client that writes to a connection that was reset may be told so by either name.
        assert!(matches!(ended, Some(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)), "{stage:?} {ended:?}");
        let new = &server.recorded()[before..];
        assert_eq!(new.len(), usize::from(stage.is_recorded()), "{stage:?}");
        assert_eq!(!received.is_empty(), stage.is_answering(), "{stage:?}");
        let body = received.split_once("\r\n\r\n").map(|(_, body)| body.len());
        match stage {
            Stage::AfterResponseHead => assert_eq!(body, Some(0)),
            Stage::MidResponseBody => assert!(body > Some(0)),
            _ => assert_eq!(body, None),
        }
        if let [record] = new {
            let bytes = match stage {
                Stage::AfterRequestHead => 0,
                Stage::MidRequestBody => 5,
                _ => 10,
            };
            assert_eq!((record.id.as_str(), record.body_bytes), ("7", bytes), "{stage:?}");
            assert_eq!((record.body_complete, record.answered), (bytes == 10, false), "{stage:?}");
            assert_eq!(record.begun.is_some(), stage.is_answering(), "{stage:?}");
        }
    }
    assert_eq!(server.connections(), Stage::ALL.len());
}

#[test]
fn it_answers_counts_and_records() {
    let server = Troubled::start();
    let mut client = Connection::to(server.address());
    let answer = client.send(POST).read_response("POST").json();
    assert_eq!((&answer["test_id"], &answer["body_bytes"]), (&"7".into(), &10.into()));
    assert_eq!(answer["server"], server.address().port());
    client.send("PUT /y HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    assert_eq!(client.read_response("PUT").json()["body_bytes"], 5);
    assert_eq!(client.ask("GET", "/stream/3", "x", "").text(), "data: 0\n\ndata: 1\n\ndata: 2\n\n");
    let recorded = server.recorded();
    assert_eq!(recorded.iter().map(|record| record.body_bytes).collect::<Vec<_>>(), [10, 5, 0]);
    assert!(recorded.iter().all(|record| record.body_complete && record.answered && record.begun == Some(200)));
    server.set(Mood::HealthRed);
    assert_eq!(["/health", "/"].map(|target| client.ask("GET", target, "x", "").status), [503, 200]);
    server.set(Mood::Errors);
    assert_eq!(["/health", "/"].map(|target| client.ask("GET", target, "x", "").status), [200, 500]);
    server.set(Mood::Drips);
    assert_eq!(client.ask("GET", "/drips", "x", "").json()["body_bytes"], 0);
    assert_eq!((server.recorded().len(), server.health_checks(), server.connections()), (6, 2, 1));
}

#[test]
fn it_holds_streams_and_echoes() {
    let server = Troubled::start();
    let mut client = Connection::to(server.address());
    client.send("GET /stream/2?held HTTP/1.1\r\n\r\n").read_head();
    for event in 0..2 {
        server.release(1);
        assert_eq!(client.read_chunk().unwrap(), event_text(event).into_bytes());
    }
    assert_eq!(client.read_chunk(), None);
    client.send("GET /ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello");
    assert_eq!(client.read_head().status, 101);
    assert_eq!(client.send(" you").read_exactly(9), b"hello you");
    assert_eq!(server.recorded().iter().filter(|record| record.answered).count(), 2);
}

#[test]
fn it_leaves_as_it_is_told_and_comes_back() {
    let mut server = Troubled::start();
    let address = server.address();
    let refuses = || TcpStream::connect(address).is_err();
    let mut client = Connection::to(address);
    assert_eq!(client.ask("GET", "/", "x", "").header("connection"), None);
    server.set(Mood::RefusesNew);
    assert!(refuses());
    assert_eq!(client.ask("GET", "/", "x", "").header("connection"), Some("close"));
    assert!(client.is_closed());
    server.set(Mood::Well);

    let [mut idle, mut busy] = [Connection::to(address), Connection::to(address)];
    assert_eq!(idle.ask("GET", "/", "x", "").status, 200);
    busy.send("GET /stream/1?held HTTP/1.1\r\n\r\n").read_head();
    server.set(Mood::ShutsDown);
    assert!(refuses() && idle.is_closed());
    server.release(1);
    assert_eq!(busy.read_chunk(), Some(event_text(0).into_bytes()));
    assert_eq!(busy.read_chunk(), None);
    assert!(busy.is_closed());
    server.set(Mood::Well);

    let mut frozen = Connection::to(address);
    server.set(Mood::Frozen);
    frozen.send("GET /frozen HTTP/1.1\r\n\r\n");
    server.wait_for(5);
    server.stop();
    assert!(refuses() && frozen.is_closed());
    assert_eq!(server.recorded().iter().filter(|record| record.answered).count(), 4);
    let again = Troubled::start_on(address).unwrap();
    assert_eq!(Connection::to(again.address()).ask("GET", "/", "x", "").status, 200);
}
