//! The edge and the server behind it see the same requests: as many, with the same bodies, whatever a client
//! sends.

use proptest::{prelude::*, test_runner::TestRunner};

use crate::support::{
    bifrost::Bifrost,
    edge::{Edge, bifrost_and_edge},
};

/// A request of a client, well formed or not.
#[derive(Debug, Clone)]
struct Sent {
    bytes: Vec<u8>,
    /// The body that it says it has; `None` when it is malformed.
    body: Option<Vec<u8>>,
}

/// How a body may be framed, well or badly.
#[derive(Debug, Clone, Copy)]
enum Framing {
    None,
    Length,
    Chunks,
    /// A fault in the headers.
    Fault(&'static str),
}

const FAULTS: [&str; 12] = [
    "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
    "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
    "Content-Length: 3\r\nContent-Length: 3\r\n",
    "Content-Length: 3\r\nContent-Length: 4\r\n",
    "Content-Length: 3 \r\nTransfer-Encoding:\x0bchunked\r\n",
    "Transfer-Encoding: chunked, identity\r\n",
    "Transfer-Encoding : chunked\r\n",
    "Transfer-Encoding\r\n: chunked\r\n",
    "Content-Length: 0x3\r\n",
    "X: y\nTransfer-Encoding: chunked\r\n",
    "X: y\r\n Transfer-Encoding: chunked\r\n",
    "X: \0\r\n",
];

fn framings() -> impl Strategy<Value = Framing> {
    prop_oneof![
        3 => Just(Framing::None),
        3 => Just(Framing::Length),
        3 => Just(Framing::Chunks),
        1 => proptest::sample::select(&FAULTS[..]).prop_map(Framing::Fault),
    ]
}

/// Headers that mean nothing to where a request ends, in many spellings.
fn headers() -> impl Strategy<Value = String> {
    let name = "[A-Za-z][A-Za-z0-9-]{0,10}";
    let value = "[ -~\t]{0,20}";
    proptest::collection::vec((name, value).prop_map(|(name, value)| format!("X-{name}:{value}\r\n")), 0..6)
        .prop_map(|headers| headers.concat())
}

fn requests() -> impl Strategy<Value = Sent> {
    let body = proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'\r'), Just(b'\n'), Just(b'0')], 0..40);
    (framings(), headers(), body, 1..10_usize, "[a-z0-9/%.~-]{0,20}").prop_map(
        |(framing, headers, body, piece, path)| {
            let (framing, framed, body) = match framing {
                Framing::None => (String::new(), vec![], Some(vec![])),
                Framing::Length => (format!("Content-Length: {}\r\n", body.len()), body.clone(), Some(body)),
                Framing::Chunks => {
                    let chunk = |data: &[u8]| [format!("{:x}\r\n", data.len()).as_bytes(), data, b"\r\n"].concat();
                    let chunks: Vec<_> = body.chunks(piece).flat_map(chunk).collect();
                    ("Transfer-Encoding: chunked\r\n".into(), [&chunks[..], b"0\r\n\r\n"].concat(), Some(body))
                }
                Framing::Fault(fault) => (fault.to_owned(), b"3\r\nabc\r\n0\r\n\r\n".to_vec(), None),
            };
            let head = format!("POST /echo/{path} HTTP/1.1\r\nHost: x\r\n{headers}{framing}\r\n");
            Sent { bytes: [head.as_bytes(), &framed].concat(), body }
        },
    )
}

/// Sends all of them at once, in pieces of this size, and asserts that those before the first malformed one
/// reach the server, each with its body, and nothing else does.
fn agree(bifrost: &Bifrost, edge: &Edge, sent: &[Sent], piece: usize) -> Result<(), TestCaseError> {
    let before = bifrost.recorded().len();
    let mut client = edge.connect();
    let mut sender = client.sender();
    sender.set_nodelay(true).unwrap();
    let all: Vec<u8> = sent.iter().flat_map(|request| request.bytes.clone()).collect();
    for bytes in all.chunks(piece) {
        // The edge may have closed the connection after a malformed request.
        if std::io::Write::write_all(&mut sender, bytes).is_err() {
            break;
        }
    }
    let good: Vec<_> = sent.iter().map_while(|request| request.body.as_ref()).collect();
    for _ in &good {
        let response = client.read_response("POST");
        prop_assert_eq!(response.status, 200);
    }
    if good.len() < sent.len() {
        prop_assert_eq!(client.read_response("POST").status, 400);
        prop_assert!(client.is_closed());
    }
    let recorded = &bifrost.recorded()[before..];
    let bodies: Vec<_> = recorded.iter().map(|request| &request.body).collect();
    prop_assert_eq!(bodies, good);
    prop_assert!(recorded.iter().all(|request| request.body_complete));
    Ok(())
}

#[test]
fn the_edge_and_the_server_agree_on_requests_and_their_bodies() {
    let (bifrost, edge) = bifrost_and_edge();
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() });
    let sent = proptest::collection::vec(requests(), 1..5);
    let ran = runner.run(&(sent, 1..2000_usize), |(sent, piece)| agree(&bifrost, &edge, &sent, piece.max(7)));
    ran.unwrap_or_else(|failure| panic!("{failure}"));
}
