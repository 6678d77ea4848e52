//! A client that waits for `100 Continue`, or for a refusal, gets it; one that knows of no such answer gets none.

use std::{io::Write, sync::mpsc};

use crate::support::{
    bifrost::Bifrost,
    edge::{Edge, servers_yaml},
    http::Connection,
    raw,
    stock::Stock,
};

#[test]
fn a_client_that_expects_100_gets_it_before_it_sends_the_body_and_keeps_its_connection() {
    let edge = Edge::in_front_of_one(|mut stream| {
        raw::answer_who_expects_100(&mut stream);
        raw::answer_the_next(&mut stream);
    });
    let mut client = edge.connect();
    client.send(edge.head("POST", "/", "Expect: 100-continue\r\nContent-Length: 5\r\n"));
    assert_eq!(client.read_head().status, 100);
    client.send("hello");
    let response = client.read_response("POST");
    assert_eq!((response.text(), response.header("connection")), ("ok", Some("keep-alive")));
    assert_eq!(client.ask("GET", "/", &edge.host(), "").text(), "ok");
}

#[test]
fn a_server_that_refuses_instead_of_100_is_heard() {
    for (closes, status) in [(true, 413), (false, 413), (true, 401), (false, 401)] {
        let (done, is_done) = mpsc::channel::<()>();
        let edge = Edge::in_front_of_one(move |mut stream| {
            raw::read_head(&mut stream);
            let connection = if closes { "Connection: close\r\n" } else { "" };
            let answer = format!("HTTP/1.1 {status} No\r\nContent-Length: 3\r\n{connection}\r\nbig");
            stream.write_all(answer.as_bytes()).unwrap();
            if !closes {
                // Until the client has heard it.
                let _ended = is_done.recv();
            }
        });
        let mut client = edge.connect();
        client.send(edge.head("POST", "/", "Expect: 100-continue\r\nContent-Length: 5\r\n"));
        let response = client.read_response("POST");
        assert_eq!((response.status, response.text()), (status, "big"), "closes: {closes}");
        drop(done);
    }
}

/// Such a client may send the body all the same (RFC 9110 section 10.1.1).
#[test]
fn a_body_sent_after_a_refusal_is_not_taken_for_a_request() {
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    let bifrost = Bifrost::start();
    let refusing = raw::answers([raw::TOO_LARGE]);
    let edge = Edge::with(&[refusing, bifrost.address()], "balance: {policy: round_robin}\n");
    let mut client = edge.connect();
    let length = format!("Expect: 100-continue\r\nContent-Length: {}\r\n", smuggled.len());
    client.send(edge.head("POST", "/", &length));
    assert_eq!(client.read_response("POST").status, 413);
    // The edge may have closed the connection, or reads on and finds the next request where it is.
    let mut sender = client.sender();
    let next = edge.head("GET", "/echo?next", "");
    if sender.write_all(smuggled.as_bytes()).and_then(|()| sender.write_all(next.as_bytes())).is_ok()
        && !client.is_closed()
    {
        assert_eq!(client.read_response("GET").json()["target"], "/echo?next");
    }
    assert!(bifrost.recorded().iter().all(|request| request.target != "/smuggled"));
}

#[test]
fn a_client_of_http_1_0_gets_no_interim_answer() {
    let edge = Edge::in_front_of_one(|mut stream| {
        let head = raw::read_head(&mut stream).to_ascii_lowercase();
        if head.contains("\r\nexpect: 100-continue\r\n") {
            stream.write_all(raw::CONTINUE).unwrap();
        }
        stream.write_all(raw::EARLY_HINTS).unwrap();
        assert_eq!(raw::read_exactly(&mut stream, 5), b"hello");
        stream.write_all(raw::OK).unwrap();
    });
    let mut client = edge.connect();
    let headers = "Expect: 100-continue\r\nContent-Length: 5\r\n";
    client.send(format!("POST / HTTP/1.0\r\nHost: {}\r\n{headers}\r\nhello", edge.host()));
    let response = client.read_response("POST");
    assert_eq!((response.status, response.body), (200, b"ok".to_vec()));
}

/// A `Connection: close` among them would make clients drop the connection, a length what is in front of the edge lose
/// its place.
#[test]
fn interim_answers_carry_nothing_that_is_for_one_hop_or_says_where_a_body_ends() {
    const HOPS: &str = "Connection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=1\r\nContent-Length: 5\r\nTrailer: a\r\n\
                        Upgrade: h2c\r\nProxy-Connection: close\r\nTE: trailers\r\n";
    for status in [102, 103, 104, 199] {
        let interim = |framing: &str| format!("HTTP/1.1 {status} Early\r\nLink: </a.css>\r\n{HOPS}{framing}\r\n");
        let interims = [interim(""), interim("").replace("Content-Length: 5", "Transfer-Encoding: chunked")];
        let serve = move |interims: [String; 2]| {
            raw::serve_one(move |mut stream| {
                for interim in interims {
                    raw::read_head(&mut stream);
                    stream.write_all(&[interim.as_bytes(), raw::OK].concat()).unwrap();
                }
            })
        };
        let edge = Edge::in_front_of(&[serve(interims.clone())]);
        let stock = Stock::start(&servers_yaml(&[serve(interims)]));
        for address in [edge.address, stock.address] {
            let mut client = Connection::to(address);
            for _ in 0..2 {
                client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
                let early = client.read_head();
                assert_eq!(early.status, status);
                let told = |name: &str| !["date", "connection"].contains(&name) || address == edge.address;
                let fields: Vec<_> =
                    early.headers.iter().filter(|(name, _)| told(&name.to_ascii_lowercase())).collect();
                assert_eq!(fields.len(), 1, "{fields:?}");
                assert_eq!(early.header("link"), Some("</a.css>"));
                assert_eq!(client.read_response("GET").text(), "ok");
            }
        }
    }
}
