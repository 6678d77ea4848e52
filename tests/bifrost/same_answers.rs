//! The edge answers what the real Bifrost answers, word for word, but where the design says otherwise.

use std::collections::BTreeSet;

use crate::{
    golden::{Reply, ask},
    questions::{self, Answer, HOST, Question},
    server::{RealBifrost, provider},
    support::edge::{CLIENTS, Edge, servers_yaml},
};

/// Headers of a forwarded answer that are not the server's, each with the reason.
const HEADERS: [(&str, &str); 2] = [
    ("access-control-expose-headers", "on 401, so that a page in a browser may read the challenge"),
    ("x-request-id", "the server names none, and the one of the edge is in its log"),
];

/// Headers that belong to one connection, and are written anew for the next.
const HOP_BY_HOP: [&str; 2] = ["connection", "keep-alive"];

fn edge(server: &RealBifrost) -> Edge {
    Edge::start(&format!("public_urls: [\"http://{HOST}\"]\n{}{CLIENTS}", servers_yaml(&[server.address])))
}

fn compare(server: &RealBifrost, questions: &[Question]) {
    let edge = edge(server);
    let mut differences = Vec::new();
    for question in questions {
        let (original, answer) = (ask(server.address, question), ask(edge.address, question));
        let difference = match question.edge {
            Answer::Forwarded => difference(&original, &answer),
            Answer::Own(status, _) if answer.status != status => Some(format!("{answer:?}, not {status}")),
            Answer::Own(_, reason) if answer == original => Some(format!("no difference, and yet: {reason}")),
            Answer::Own(..) => None,
        };
        differences.extend(difference.map(|difference| format!("{}: {difference}", question.name())));
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// What a forwarded answer has that the server's has not, or the other way round.
fn difference(original: &Reply, answer: &Reply) -> Option<String> {
    let of_server = |answer: &Reply| -> BTreeSet<(String, String)> {
        let is_own = |name: &str| HEADERS.iter().any(|(own, _)| *own == name) || HOP_BY_HOP.contains(&name);
        answer.headers.clone().into_iter().filter(|(name, _)| !is_own(name)).collect()
    };
    let (before, after) = (of_server(original), of_server(answer));
    if original.status == answer.status && original.body == answer.body && before == after {
        return None;
    }
    let headers: Vec<_> = before.symmetric_difference(&after).collect();
    let (first, second) = ((original.status, &original.body), (answer.status, &answer.body));
    Some(format!("{first:?} became {second:?}; headers on one side only: {headers:?}"))
}

#[test]
fn the_edge_in_front_of_an_open_server_answers_as_it_does() {
    let provider = provider();
    compare(&RealBifrost::start(&provider), &questions::open());
}

#[test]
fn the_edge_in_front_of_a_closed_server_answers_as_it_does() {
    let provider = provider();
    compare(&RealBifrost::start_closed(&provider), &questions::closed());
}

/// A page in a browser may read the challenge of a 401, and nothing else is added to an answer.
#[test]
fn a_401_shows_its_challenge_to_pages() {
    let provider = provider();
    let server = RealBifrost::start_closed(&provider);
    let edge = edge(&server);
    let refused: Vec<_> = questions::closed()
        .into_iter()
        .map(|question| ask(edge.address, &question))
        .filter(|answer| answer.status == 401)
        .collect();
    assert!(!refused.is_empty());
    for answer in refused {
        assert!(answer.headers["access-control-expose-headers"].contains("WWW-Authenticate"), "{answer:?}");
    }
}
