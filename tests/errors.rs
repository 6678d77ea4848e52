//! What goes wrong is said in one shape, with the status that fits.

use crate::support::{
    bifrost::Bifrost,
    edge::{BROKEN_OFF, Edge, NO_ANSWER, NO_SERVER, UNREACHABLE, bifrost_and_edge, is_error},
    nobody, raw,
};

#[test]
fn a_server_that_cannot_be_reached_is_502() {
    let edge = Edge::in_front_of(&[nobody()]);
    let response = edge.get("/v1/models");
    is_error(&response, 502, UNREACHABLE);
    let edge = Edge::start("servers: [{address: \"no-such-name.invalid:1\"}]\n");
    is_error(&edge.connect().ask("GET", "/", "x", ""), 503, NO_SERVER);
}

#[test]
fn a_server_that_breaks_off_is_502_and_a_post_is_not_sent_twice() {
    let (bifrost, edge) = bifrost_and_edge();
    is_error(&edge.post("/reset"), 502, BROKEN_OFF);
    assert_eq!(bifrost.recorded().len(), 1);
}

/// A 103 is no answer: what comes of the request is still told.
#[test]
fn a_server_that_dies_after_an_interim_answer_is_502() {
    let edge = Edge::in_front_of(&[raw::answers([raw::EARLY_HINTS])]);
    let mut client = edge.connect();
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(client.read_head().status, 103);
    is_error(&client.read_response("GET"), 502, BROKEN_OFF);
}

#[test]
fn a_server_that_does_not_answer_is_504() {
    let bifrost = Bifrost::start();
    let edge = Edge::with(&[bifrost.address()], "timeouts: {first_byte: 200ms}\n");
    let response = edge.get("/hang");
    is_error(&response, 504, NO_ANSWER);
}

#[test]
fn no_server_is_503() {
    let edge = Edge::in_front_of(&[]);
    let response = edge.get("/v1/models");
    is_error(&response, 503, NO_SERVER);
    let head = edge.connect().ask("HEAD", "/v1/models", &edge.host(), "");
    assert_eq!((head.status, head.body.len()), (503, 0));
}
