//! An upload passes as it comes, whenever the server answers, and a server that refuses it is heard.

use std::{io::Write, net::TcpStream, sync::mpsc, thread};

use crate::support::{
    edge::{Edge, servers_yaml},
    frames::{DATA, END_HEADERS, END_STREAM, Frames, HEADERS, PING, RST_STREAM, literal},
    http::{Connection, Head},
    in_time::{Heard, Joined},
    raw,
    stages::client_gone,
    stock::Stock,
};

/// Asks for one more answer, unless the last one said that the connection ends with it.
fn is_in_step(client: &mut Connection, edge: &Edge, last: &Head) {
    if last.header("connection") == Some("close") {
        assert!(client.is_closed());
    } else {
        assert_eq!(client.ask("GET", "/", &edge.host(), "").text(), "ok");
    }
}

#[test]
fn the_pieces_of_an_upload_pass_as_they_come() {
    for framing in ["Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n"] {
        let is_chunked = framing.starts_with('T');
        let (news, heard) = mpsc::channel();
        let edge = Edge::in_front_of_one(move |mut stream| {
            raw::read_head(&mut stream);
            news.send(b"head".to_vec()).unwrap();
            for _ in b"abc" {
                news.send(raw::read_exactly(&mut stream, if is_chunked { 6 } else { 1 })).unwrap();
            }
            if is_chunked {
                assert_eq!(raw::read_chunked(&mut stream), "0\r\n\r\n");
            }
            stream.write_all(raw::OK).unwrap();
        });
        let mut client = edge.connect();
        client.send(edge.head("POST", "/", framing));
        assert_eq!(heard.heard(), b"head");
        for letter in ["a", "b", "c"] {
            let piece = if is_chunked { format!("1\r\n{letter}\r\n") } else { letter.to_owned() };
            client.send(&piece);
            assert_eq!(heard.heard(), piece.as_bytes());
        }
        client.send(if is_chunked { "0\r\n\r\n" } else { "" });
        assert_eq!(client.read_response("POST").text(), "ok");
    }
}

#[test]
fn an_answer_may_begin_before_the_upload_ends() {
    for framing in ["Content-Length: 9\r\n", "Transfer-Encoding: chunked\r\n"] {
        let edge = Edge::in_front_of_one(|mut stream| {
            let head = raw::read_head(&mut stream).to_ascii_lowercase();
            stream.write_all(raw::CHUNKED).unwrap();
            stream.write_all(b"6\r\nbefore\r\n").unwrap();
            if head.contains("\r\ncontent-length: 9\r\n") {
                assert_eq!(raw::read_exactly(&mut stream, 9), b"firstlast");
            } else {
                assert_eq!(raw::read_chunked(&mut stream), "5\r\nfirst\r\n4\r\nlast\r\n0\r\n\r\n");
            }
            stream.write_all(b"5\r\nafter\r\n0\r\n\r\n").unwrap();
            raw::answer_the_next(&mut stream);
        });
        let mut client = edge.connect();
        let chunked = framing.starts_with('T');
        client.send(edge.head("POST", "/", framing)).send(if chunked { "5\r\nfirst\r\n" } else { "first" });
        let answer = client.read_head();
        assert_eq!((answer.status, client.read_chunk().unwrap()), (200, b"before".to_vec()));
        client.send(if chunked { "4\r\nlast\r\n0\r\n\r\n" } else { "last" });
        assert_eq!((client.read_chunk().unwrap(), client.read_chunk()), (b"after".to_vec(), None));
        is_in_step(&mut client, &edge, &answer);
    }
}

#[test]
fn an_upload_goes_on_after_the_whole_answer() {
    for framing in ["Content-Length: 9\r\n", "Transfer-Encoding: chunked\r\n"] {
        let (uploads, uploaded) = mpsc::channel();
        let edge = Edge::in_front_of_one(move |mut stream| {
            let head = raw::read_head(&mut stream).to_ascii_lowercase();
            stream.write_all(raw::OK).unwrap();
            uploads
                .send(if head.contains("\r\ncontent-length: 9\r\n") {
                    raw::read_exactly(&mut stream, 9)
                } else {
                    raw::read_chunked(&mut stream).into_bytes()
                })
                .unwrap();
            raw::answer_the_next(&mut stream);
        });
        let mut client = edge.connect();
        let chunked = framing.starts_with('T');
        client.send(edge.head("POST", "/", framing)).send(if chunked { "5\r\nfirst\r\n" } else { "first" });
        let answer = client.read_head();
        assert_eq!(client.read_exactly(2), b"ok");
        client.send(if chunked { "4\r\nlast\r\n0\r\n\r\n" } else { "last" });
        let body = if chunked { &b"5\r\nfirst\r\n4\r\nlast\r\n0\r\n\r\n"[..] } else { b"firstlast" };
        assert_eq!(uploaded.heard(), body);
        is_in_step(&mut client, &edge, &answer);
    }
}

/// Refuses an upload without reading the rest of it, so that its close breaks the connection.
fn refuses(mut stream: TcpStream) {
    raw::read_head(&mut stream);
    raw::read_exactly(&mut stream, 1000);
    stream.write_all(raw::TOO_LARGE).unwrap();
}

/// A client whose upload is refused hears it, when it reads at the same time or when it has sent what it could.
fn hears_the_refusal(reads_at_once: bool) {
    for round in 0..20 {
        let edge = Edge::in_front_of_one(refuses);
        let mut client = edge.connect();
        client.send(edge.head("POST", "/", "Content-Length: 50000000\r\n"));
        let mut sender = client.sender();
        let sending = thread::spawn(move || {
            let block = vec![b'x'; 100_000];
            // It ends when the edge closes the connection, as it may.
            let _broken = (0..500).try_for_each(|_| sender.write_all(&block));
        });
        let sending = if reads_at_once { Some(sending) } else { sending.join().map(|()| None).unwrap() };
        let response = client.read_response("POST");
        assert_eq!((response.status, response.text()), (413, "big"), "round {round}");
        drop(client);
        if let Some(sending) = sending {
            sending.joined();
        }
    }
}

#[test]
fn a_server_that_refuses_an_upload_and_closes_is_heard_by_a_client_that_is_still_sending() {
    hears_the_refusal(true);
}

/// Some clients look for an answer only when they can send no more.
#[test]
fn a_refusal_is_still_there_when_the_client_has_sent_what_it_could() {
    hears_the_refusal(false);
}

/// A server that refuses an upload when a part of it has come, and closes its connection once it is told.
fn closes() -> (String, mpsc::Sender<()>) {
    let (tell, told) = mpsc::channel();
    let server = raw::serve_one(move |mut stream| {
        raw::read_head(&mut stream);
        raw::read_exactly(&mut stream, 5);
        stream.write_all(raw::TOO_LARGE).unwrap();
        told.heard();
    });
    (servers_yaml(&[server]) + "limits: {client_silence: 1h, body_rate: unlimited}\n", tell)
}

/// Its word is the last one, whatever is still to come of the upload.
#[test]
fn a_server_that_refuses_an_upload_and_closes_is_not_waited_for() {
    for closes_at_once in [true, false] {
        let ((own, tell_own), (by_stock, tell_by_stock)) = (closes(), closes());
        let (edge, stock) = (Edge::start(&own), Stock::start(&by_stock));
        for (address, tell) in [(edge.address, tell_own), (stock.address, tell_by_stock)] {
            let mut client = Connection::to(address);
            let close = || tell.send(()).unwrap();
            if closes_at_once {
                close();
            }
            client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nfirst");
            let answer = client.read_response("POST");
            assert_eq!((answer.status, answer.header("connection")), (413, Some("close")));
            if !closes_at_once {
                close();
            }
            assert!(client.is_closed());
        }
        client_gone(&edge, 0, "a refused upload");
    }
}

/// Some clients take a stream that is reset, also without an error, for one that had no response.
#[test]
fn an_upload_over_http2_that_is_refused_is_not_reset_while_its_client_ends_it() {
    const ACK: u8 = 1;
    let (yaml, tell) = closes();
    let edge = Edge::listening("http2: true", &yaml);
    let mut client = Frames::connect(&edge);
    let head =
        [(":method", "POST"), (":scheme", "http"), (":authority", "x"), (":path", "/"), ("content-length", "10")];
    client.send(HEADERS, END_HEADERS, 1, &literal(&head));
    client.send(DATA, 0, 1, b"first");
    tell.send(()).unwrap();
    assert_eq!(client.answer(1), Ok(413));
    while client.wait_for(DATA).unwrap().flags & END_STREAM == 0 {}
    client.send(DATA, END_STREAM, 1, b"after");
    client.send(PING, 0, 0, &[1; 8]);
    let mut frames = std::iter::from_fn(|| client.next());
    let next = frames.find(|frame| frame.kind == RST_STREAM || frame.kind == PING && frame.flags & ACK > 0).unwrap();
    assert_eq!(next.kind, PING, "the stream is reset");
    client_gone(&edge, 0, "a refused upload");
}
