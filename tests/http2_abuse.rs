//! What a client of HTTP/2 may not do, made of frames by hand.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Instant,
};

use crate::support::{
    PATIENCE,
    bifrost::Bifrost,
    edge::{Edge, servers_yaml},
    frames::{
        CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, Frames, HEADERS, PING, PROTOCOL_ERROR,
        REFUSED_STREAM, RST_STREAM, SETTINGS, WINDOW_UPDATE, literal,
    },
    until,
};

fn edge(bifrost: &Bifrost, limits: &str) -> Edge {
    edge_with(bifrost, &format!("limits: {{{limits}}}\n"))
}

fn edge_with(bifrost: &Bifrost, yaml: &str) -> Edge {
    Edge::listening("http2: true", &(servers_yaml(&[bifrost.address()]) + yaml))
}

fn setup() -> (Bifrost, Edge) {
    let bifrost = Bifrost::start();
    let edge = edge(&bifrost, "");
    (bifrost, edge)
}

const GET: [(&str, &str); 4] = [(":method", "GET"), (":scheme", "http"), (":authority", "x"), (":path", "/echo")];

fn with<'a>(headers: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&GET[..], headers].concat()
}

fn ask_after_forty_resets(edge: &Edge) {
    let mut client = Frames::connect(edge);
    for stream in (1..81).step_by(2) {
        client.request(stream, &with(&[]));
        client.send(RST_STREAM, 0, stream, &CANCEL.to_be_bytes());
    }
    client.request(101, &with(&[]));
    assert_eq!(client.answer(101), Ok(200));
}

fn closed(edge: &Edge, reason: &str) -> u64 {
    edge.metric(&format!("bridgehead_connections_closed_total{{reason=\"{reason}\"}}"))
}

/// CVE-2023-44487.
#[test]
fn a_client_that_resets_one_stream_after_the_other_is_cut_off() {
    let bifrost = Bifrost::start();
    let edge = edge(&bifrost, "http2_resets: 50");
    let mut client = Frames::connect(&edge);
    let hang = literal(&[(":method", "GET"), (":scheme", "http"), (":authority", "x"), (":path", "/hang")]);
    for stream in (1..20_001).step_by(2) {
        let is_sent = client.send(HEADERS, END_HEADERS | END_STREAM, stream, &hang)
            && client.send(RST_STREAM, 0, stream, &CANCEL.to_be_bytes());
        if !is_sent {
            break;
        }
    }
    // It is told in good order that there will be no more requests, and cut off when it does not stop. The last word may
    // be lost with a connection that is still written to.
    let mut last = None;
    while let Some(code) = client.goes_away() {
        last = Some(code);
    }
    assert!(last.is_none_or(|code| [0, ENHANCE_YOUR_CALM].contains(&code)), "{last:?}");
    until("it is counted", || closed(&edge, "http2_resets") == 1);
    assert!(bifrost.recorded().len() <= 200, "{}", bifrost.recorded().len());
    until("all its requests are over", || edge.report().servers[0].in_flight == 0);
}

/// CVE-2025-8671: it is the server that is made to reset.
#[test]
fn a_client_that_has_its_streams_reset_is_cut_off() {
    let bifrost = Bifrost::start();
    let edge = edge(&bifrost, "http2_resets: 50");
    let mut client = Frames::connect(&edge);
    let hang = literal(&[(":method", "POST"), (":scheme", "http"), (":authority", "x"), (":path", "/hang")]);
    for stream in (1..20_001).step_by(2) {
        // A window that grows by nothing is a mistake of its stream (RFC 9113 section 6.9).
        let is_sent =
            client.send(HEADERS, END_HEADERS, stream, &hang) && client.send(WINDOW_UPDATE, 0, stream, &[0; 4]);
        if !is_sent {
            break;
        }
    }
    while client.next().is_some() {}
    assert!(bifrost.recorded().len() <= 300, "{}", bifrost.recorded().len());
    until("all its requests are over", || edge.report().servers[0].in_flight == 0);
    until("its connection is closed", || edge.metric("bridgehead_connections") == 0);
}

#[test]
fn resets_that_a_client_may_have_harm_nothing() {
    let bifrost = Bifrost::start();
    let edge = edge(&bifrost, "http2_resets: 50");
    ask_after_forty_resets(&edge);
    assert_eq!(closed(&edge, "http2_resets"), 0);
}

/// It may send the requests of many clients on one connection.
#[test]
fn a_trusted_proxy_may_reset_any_number_of_streams() {
    let bifrost = Bifrost::start();
    let edge = edge_with(&bifrost, "limits: {http2_resets: 1}\ntrusted_proxies: [\"127.0.0.1\"]\n");
    ask_after_forty_resets(&edge);
}

#[test]
fn no_more_requests_at_a_time_than_allowed() {
    let bifrost = Bifrost::start();
    let edge = edge(&bifrost, "http2_streams: 3");
    let mut client = Frames::connect(&edge);
    for stream in [1, 3, 5] {
        client.request(stream, &[GET[0], GET[1], GET[2], (":path", "/hang")]);
    }
    until("they have arrived", || bifrost.recorded().len() == 3);
    client.request(7, &with(&[]));
    assert_eq!(client.answer(7), Err(REFUSED_STREAM));
    until("it is counted", || edge.metric("bridgehead_http2_streams_refused_total") == 1);
    assert_eq!(bifrost.recorded().len(), 3);
}

/// CVE-2024-27316 and its like.
#[test]
fn a_head_without_an_end_is_cut_off() {
    let (bifrost, edge) = setup();
    let mut client = Frames::connect(&edge);
    assert!(client.send(HEADERS, END_STREAM, 1, &literal(&GET)));
    let piece = literal(&[("x", &"a".repeat(8000))]);
    let sent = (0..10_000).take_while(|_| client.send(CONTINUATION, 0, 1, &piece)).count();
    assert!(sent < 10_000, "80 MB of one head were taken");
    assert!(bifrost.recorded().is_empty());
    until("its connection is closed", || edge.metric("bridgehead_connections") == 0);
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let bifrost = Bifrost::start();
    let edge = edge(&bifrost, "head: 8KiB, headers: 20");
    let mut client = Frames::connect(&edge);
    client.request(1, &with(&[("x", &"a".repeat(9000))]));
    assert_eq!(client.answer(1), Ok(431));
    client.request(3, &with(&[("x", "a"); 21]));
    assert_eq!(client.answer(3), Ok(431));
    client.request(5, &with(&[("x", "a"); 10]));
    assert_eq!(client.answer(5), Ok(200));
    assert_eq!(bifrost.recorded().len(), 1);
    assert_eq!(edge.metric("bridgehead_requests_failed_total{reason=\"head_too_large\"}"), 2);
}

#[test]
fn requests_that_could_be_read_in_two_ways_in_http_1_reach_nobody() {
    let (bifrost, edge) = setup();
    let path = |path| [GET[0], GET[1], GET[2], (":path", path)].to_vec();
    let requests = [
        with(&[("x", "a\r\nb: c")]),
        with(&[("x", "a\nb")]),
        with(&[("x", "a\0b")]),
        with(&[("X-Upper", "a")]),
        with(&[("a b", "c")]),
        with(&[("connection", "keep-alive")]),
        with(&[("transfer-encoding", "chunked")]),
        with(&[("upgrade", "h2c")]),
        with(&[("content-length", "2"), ("content-length", "3")]),
        with(&[("content-length", "+2")]),
        with(&[("host", "y")]),
        with(&[("host", "x"), ("host", "x")]),
        with(&[(":path", "/twice")]),
        path("/a\r\nHost: y"),
        path("/a b"),
        path("/a#b"),
        path("/a?b#c"),
        path("/#"),
        path("/a\tb"),
        path("http://y/"),
        path("?x"),
        path("*"),
        path("x"),
        path(""),
        vec![GET[0], GET[1], (":path", "/echo")],
        vec![GET[0], GET[1], (":authority", "user@x"), (":path", "/echo")],
        vec![(":method", "G T"), GET[1], GET[2], GET[3]],
        vec![GET[0], GET[2], GET[3]],
    ];
    let counted = || {
        let of_requests = edge.metric("bridgehead_requests_failed_total{reason=\"malformed\"}");
        let of_streams = edge.metric("bridgehead_http2_streams_refused_total");
        of_requests + of_streams + closed(&edge, "http2_malformed")
    };
    for request in &requests {
        let before = counted();
        // Some of them are mistakes of the whole connection.
        let mut client = Frames::connect(&edge);
        client.request(1, request);
        let answer = client.answer(1);
        assert!(matches!(answer, Err(PROTOCOL_ERROR) | Ok(400)), "{request:?} gave {answer:?}");
        drop(client);
        until("its connection is closed", || edge.metric("bridgehead_connections") == 0);
        assert_eq!(counted(), before + 1, "{request:?}");
    }
    assert!(bifrost.recorded().is_empty(), "{:?}", bifrost.recorded());
}

#[test]
fn a_body_of_another_length_than_it_says_is_never_whole() {
    let (bifrost, edge) = setup();
    let mut client = Frames::connect(&edge);
    for (stream, length) in [(1, "4"), (3, "6")] {
        let head = [(":method", "POST"), GET[1], GET[2], GET[3], ("content-length", length)];
        client.send(HEADERS, END_HEADERS, stream, &literal(&head));
        client.send(DATA, END_STREAM, stream, b"hello");
        assert_ne!(client.answer(stream), Ok(200));
    }
    assert!(bifrost.recorded().iter().all(|request| !request.body_complete), "{:?}", bifrost.recorded());
}

#[test]
fn methods_that_tunnel_or_show_are_405() {
    let (bifrost, edge) = setup();
    let mut client = Frames::connect(&edge);
    client.request(1, &[(":method", "CONNECT"), (":authority", "x:443")]);
    assert_eq!(client.answer(1), Ok(405));
    client.request(3, &[(":method", "TRACE"), GET[1], GET[2], GET[3]]);
    assert_eq!(client.answer(3), Ok(405));
    assert!(bifrost.recorded().is_empty());
    assert_eq!(edge.metric("bridgehead_requests_failed_total{reason=\"method_not_allowed\"}"), 2);
}

/// Says so when it is dropped, also by a test that fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Others are served for as long as the flood lasts, which is for as long as they are served: both have a least.
#[test]
fn floods_of_control_frames_harm_nobody_else() {
    const SERVED: usize = 200;
    const FLOOD: usize = 20_000;
    let (_bifrost, edge) = setup();
    let (is_over, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            // One that is cut off comes again.
            while !is_over.load(Ordering::Relaxed) {
                let mut client = Frames::connect(&edge);
                let mut flood = |number| {
                    client.send(PING, 0, 0, &[1; 8])
                        && client.send(SETTINGS, 0, 0, &[])
                        && (number % 400 > 0 || client.send(DATA, 0, 1, &[]))
                };
                for number in 1..20_000 {
                    if is_over.load(Ordering::Relaxed) || !flood(number) {
                        break;
                    }
                    sent.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        let _over = Over(&is_over);
        let (mut served, patience) = (0, Instant::now() + 3 * PATIENCE);
        while served < SERVED || sent.load(Ordering::Relaxed) < FLOOD {
            assert_eq!(edge.connect().ask("GET", "/health", "x", "").status, 200);
            served += 1;
            assert!(Instant::now() < patience, "the flood is held up");
        }
    });
}

#[test]
fn a_connection_that_does_not_begin_is_closed() {
    let bifrost = Bifrost::start();
    let edge = edge(&bifrost, "head_time: 300ms");
    let mut client = Frames::without_preface(&edge);
    client.write(b"PRI * HTTP/2.0\r\n\r\n");
    while client.next().is_some() {}
    until("it is counted", || closed(&edge, "http2_handshake") == 1);
}

#[test]
fn an_idle_connection_is_closed_in_good_order_and_a_busy_one_is_not() {
    let bifrost = Bifrost::start();
    let gate = bifrost.gate();
    let edge = edge(&bifrost, "idle: 300ms");
    let mut idle = Frames::connect(&edge);
    idle.request(1, &with(&[]));
    assert_eq!(idle.answer(1), Ok(200));
    let mut busy = Frames::connect(&edge);
    let chat = literal(&[(":method", "POST"), GET[1], GET[2], (":path", "/v1/chat/completions")]);
    busy.send(HEADERS, END_HEADERS, 1, &chat);
    busy.send(DATA, END_STREAM, 1, br#"{"stream":true}"#);
    assert_eq!(idle.goes_away(), Some(0));
    assert!(idle.wait_for(HEADERS).is_none(), "the connection ends");
    gate.release_all();
    assert_eq!(busy.answer(1), Ok(200));
}

#[test]
fn a_connection_ends_in_good_order_after_its_last_request() {
    let bifrost = Bifrost::start();
    let edge = edge(&bifrost, "requests_per_connection: 3");
    let mut client = Frames::connect(&edge);
    for stream in [1, 3, 5] {
        client.request(stream, &with(&[]));
        if stream < 5 {
            assert_eq!(client.answer(stream), Ok(200));
        }
    }
    assert_eq!(client.goes_away(), Some(0));
    assert_eq!(client.answer(5), Ok(200));
}

#[test]
fn a_body_that_falls_silent_is_408() {
    let bifrost = Bifrost::start();
    let edge = edge(&bifrost, "client_silence: 300ms, body_rate: unlimited");
    let mut client = Frames::connect(&edge);
    let head = [(":method", "POST"), GET[1], GET[2], GET[3]];
    client.send(HEADERS, END_HEADERS, 1, &literal(&head));
    client.send(DATA, 0, 1, b"he");
    assert_eq!(client.answer(1), Ok(408));
    assert_eq!(edge.report().servers[0].broken, 0, "it is not the server's fault");
}
