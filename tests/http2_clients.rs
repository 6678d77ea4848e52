//! Clients of HTTP/2 are served as those of HTTP/1.1 are, by servers that know only the latter.

use std::{
    io::Write,
    net::{SocketAddr, TcpStream},
    sync::mpsc::{self, Receiver},
};

use http::{HeaderMap, HeaderValue};

use crate::support::{bifrost::Bifrost, h2c::H2cEdge, in_time::Heard, raw};

fn setup() -> (Bifrost, H2cEdge) {
    let bifrost = Bifrost::start();
    let edge = H2cEdge::in_front_of(&[bifrost.address()]);
    (bifrost, edge)
}

/// How a client may frame a request body: whether it declares the length, and the data it sends before an
/// empty frame that ends the body.
const BODIES: [(bool, &[&str]); 5] =
    [(false, &["he", "llo"]), (true, &["he", "llo"]), (false, &["hello"]), (false, &[]), (true, &[])];

/// Sends such a body and returns the body of the answer, which must be a 200.
fn post(edge: &H2cEdge, path: &str, declares: bool, frames: &[&'static str]) -> Vec<u8> {
    let client = edge.connect();
    let mut request = edge.request("POST", path);
    if declares {
        request = request.header("content-length", frames.concat().len());
    }
    let mut upload = client.open(request);
    for frame in frames {
        upload.send(*frame);
    }
    let mut answer = upload.end("");
    assert_eq!(answer.status(), 200);
    answer.body()
}

/// A server that hands on the head of a first request, the body as it was framed, and all that follows
/// it up to the end of the next head; it answers both.
fn records_two_requests() -> (SocketAddr, Receiver<String>) {
    let (parts, received) = mpsc::channel();
    let more = parts.clone();
    let first = move |mut stream: TcpStream| {
        let head = raw::read_head(&mut stream);
        let chunked = head.to_ascii_lowercase().contains("\r\ntransfer-encoding: chunked\r\n");
        let body = if chunked { raw::read_chunked(&mut stream) } else { read_declared(&mut stream, &head) };
        stream.write_all(raw::OK).unwrap();
        parts.send(head).unwrap();
        parts.send(body).unwrap();
        // When the answer overtakes the end of the body, the edge uses a new connection.
        if let Some(next) = raw::read_next_head(&mut stream) {
            parts.send(next).unwrap();
            stream.write_all(raw::OK).unwrap();
        }
    };
    let second = move |mut stream: TcpStream| {
        more.send(raw::read_head(&mut stream)).unwrap();
        stream.write_all(raw::OK).unwrap();
    };
    (raw::serve(vec![Box::new(first), Box::new(second)]), received)
}

fn read_declared(stream: &mut TcpStream, head: &str) -> String {
    let head = head.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
    String::from_utf8(raw::read_exactly(stream, length)).unwrap()
}

#[test]
fn an_empty_frame_that_ends_a_body_leaves_nothing_on_the_connection_to_the_server() {
    for (declares, frames) in BODIES {
        let (address, received) = records_two_requests();
        let edge = H2cEdge::in_front_of(&[address]);
        post(&edge, "/first", declares, frames);
        let client = edge.connect();
        let answer = client.ask(edge.request("GET", "/second"));
        let what = format!("a body {frames:?}, its length declared: {declares}");
        let [head, body, next] = std::array::from_fn(|_| received.heard());
        assert!(head.starts_with("POST /first HTTP/1.1\r\n"), "{what}: {head:?}");
        let chunk = |frame: &&str| format!("{:X}\r\n{frame}\r\n", frame.len());
        let chunks: Vec<_> = frames.iter().map(chunk).collect();
        let expected = if declares { frames.concat() } else { chunks.concat() + "0\r\n\r\n" };
        assert_eq!(body, expected, "{what}");
        assert!(next.starts_with("GET /second HTTP/1.1\r\n"), "{what}: after the body came {next:?}");
        assert_eq!(answer.status(), 200, "{what}");
    }
}

#[test]
fn a_request_after_a_body_that_an_empty_frame_ended_is_answered() {
    for (declares, frames) in BODIES {
        let (bifrost, edge) = setup();
        let body = post(&edge, "/echo", declares, frames);
        let echo: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(echo["body_length"], frames.concat().len());
        let client = edge.connect();
        let what = format!("after a body {frames:?}, its length declared: {declares}");
        let mut answer = client.ask(edge.request("GET", "/echo?second"));
        assert_eq!(answer.status(), 200, "{what}");
        assert_eq!(answer.json()["target"], "/echo?second", "{what}");
        assert_eq!(bifrost.recorded().len(), 2, "{what}");
    }
}

#[test]
fn cookies_that_came_apart_reach_the_server_as_one() {
    let (bifrost, edge) = setup();
    let request = edge.request("GET", "/echo").header("cookie", "a=b").header("cookie", "c=d").header("cookie", "e=f");
    assert_eq!(edge.connect().ask(request).status(), 200);
    assert_eq!(bifrost.recorded()[0].headers_all("cookie"), ["a=b; c=d; e=f"]);
}

#[test]
fn one_cookie_reaches_the_server_as_it_is() {
    let (bifrost, edge) = setup();
    assert_eq!(edge.connect().ask(edge.request("GET", "/echo").header("cookie", "a=b; c=\"d\"")).status(), 200);
    assert_eq!(bifrost.recorded()[0].headers_all("cookie"), ["a=b; c=\"d\""]);
}

#[test]
fn the_host_is_the_authority() {
    let (bifrost, edge) = setup();
    let client = edge.connect();
    let authority = edge.authority();
    for request in [edge.request("GET", "/echo?x=1"), edge.request("GET", "/echo?x=1").header("host", &authority)] {
        assert_eq!(client.ask(request).status(), 200);
    }
    for request in bifrost.recorded() {
        assert_eq!(request.headers_all("host"), [authority.as_str()]);
        assert_eq!(request.headers_all("x-forwarded-host"), [authority.as_str()]);
        assert_eq!((request.target.as_str(), request.version.as_str()), ("/echo?x=1", "HTTP/1.1"));
    }
    assert_eq!(bifrost.recorded().len(), 2);
}

#[test]
fn discovery_is_answered() {
    let (bifrost, edge) = setup();
    let client = edge.connect();
    let origin = format!("http://{}", edge.authority());
    let mut document = client.ask(edge.request("GET", "/.well-known/oauth-authorization-server"));
    assert_eq!((document.status(), &document.json()["issuer"]), (200, &origin.clone().into()));
    let mut document = client.ask(edge.request("GET", "/.well-known/oauth-protected-resource/mcp"));
    assert_eq!(document.json()["authorization_servers"][0], origin);
    let mut head = client.ask(edge.request("HEAD", "/.well-known/oauth-authorization-server"));
    assert_eq!((head.status(), head.body().len()), (200, 0));
    assert_eq!(client.ask(edge.request("GET", "/.well-known/openid-configuration")).status(), 404);
    assert!(bifrost.recorded().is_empty());
}

#[test]
fn each_event_of_a_stream_passes_before_the_next_is_sent() {
    let (bifrost, edge) = setup();
    let gate = bifrost.gate();
    let client = edge.connect();
    let mut answer = client.open(edge.request("POST", "/v1/chat/completions")).end(r#"{"model":"m","stream":true}"#);
    assert_eq!((answer.status(), &answer.head.headers()["content-type"]), (200, &"text/event-stream".parse().unwrap()));
    let mut seen = String::new();
    for number in 1..=5 {
        // The server sends this event only now; had the edge held it back, nothing would arrive.
        gate.release_one();
        while !seen.contains(&format!("word{number} ")) {
            seen += std::str::from_utf8(&answer.data().unwrap()).unwrap();
        }
        assert!(!seen.contains(&format!("word{} ", number + 1)), "{seen}");
    }
    seen += std::str::from_utf8(&answer.body()).unwrap();
    assert!(seen.ends_with("data: [DONE]\n\n"), "{seen}");
}

#[test]
fn requests_of_one_connection_do_not_wait_for_each_other() {
    let (bifrost, edge) = setup();
    let gate = bifrost.gate();
    let client = edge.connect();
    let mut stream = client.open(edge.request("POST", "/v1/chat/completions")).end(r#"{"stream":true}"#);
    for _ in 0..3 {
        assert_eq!(client.ask(edge.request("GET", "/health")).status(), 200);
    }
    gate.release_all();
    assert!(stream.body().ends_with(b"data: [DONE]\n\n"));
}

fn trailers() -> HeaderMap {
    HeaderMap::from_iter([("x-checksum".parse().unwrap(), HeaderValue::from_static("1"))])
}

#[test]
fn trailers_of_a_request_harm_nothing() {
    let (bifrost, edge) = setup();
    let client = edge.connect();
    for length in [None, Some("5")] {
        let mut request = edge.request("POST", "/echo").header("trailer", "x-checksum");
        if let Some(length) = length {
            request = request.header("content-length", length);
        }
        let mut upload = client.open(request);
        upload.send("hello");
        assert_eq!(upload.end_with_trailers(trailers()).json()["body_length"], 5);
        assert_eq!(client.ask(edge.request("GET", "/echo")).status(), 200);
    }
    let recorded = bifrost.recorded();
    assert_eq!(recorded.iter().map(|request| request.connection).collect::<Vec<_>>(), [0; 4]);
}

#[test]
fn trailers_of_an_answer_harm_nothing() {
    const TRAILED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Checksum\r\n\r\n\
                             5\r\nhello\r\n0\r\nX-Checksum: 1\r\n\r\n";
    let edge = H2cEdge::in_front_of(&[raw::answers([TRAILED, raw::OK])]);
    let client = edge.connect();
    let mut answer = client.ask(edge.request("GET", "/"));
    assert_eq!((answer.status(), answer.body()), (200, b"hello".to_vec()));
    assert!(answer.ends_well());
    // On the same connection to the server, for it accepts no other.
    assert_eq!(client.ask(edge.request("GET", "/")).body(), b"ok");
}

#[test]
fn a_request_that_the_client_takes_back_is_taken_back_from_the_server() {
    let (news, heard) = mpsc::channel();
    let edge = H2cEdge::in_front_of(&[raw::serve_one(move |mut stream| {
        raw::read_head(&mut stream);
        stream.write_all(raw::CHUNKED).unwrap();
        news.send(raw::is_closed(&mut stream)).unwrap();
    })]);
    let client = edge.connect();
    // Dropping an answer that has not ended resets its stream, and leaves the connection alone.
    drop(client.ask(edge.request("GET", "/")));
    assert!(heard.heard());
}
