//! The real Bifrost answers what the golden files say. `UPDATE_GOLDEN=1` writes them anew.

use std::{collections::BTreeMap, env, fs};

use crate::{
    golden::{Golden, ask, file},
    questions::{self, Question},
    server::{RealBifrost, provider},
};

/// What a server answers to these questions.
fn of(server: &RealBifrost, questions: &[Question]) -> Golden {
    let mut answers: BTreeMap<_, _> =
        questions.iter().map(|question| (question.name(), ask(server.address, question))).collect();
    assert_eq!(answers.len(), questions.len(), "two questions have one name");
    let mut others = answers.values().filter(|answer| !answer.bare);
    let mut wrapper = others.next().map(|answer| answer.headers.clone()).unwrap_or_default();
    for answer in others {
        wrapper.retain(|name, value| answer.headers.get(name) == Some(value));
    }
    for answer in answers.values_mut().filter(|answer| !answer.bare) {
        answer.headers.retain(|name, _| !wrapper.contains_key(name));
    }
    Golden { version: "v1.6.0".into(), wrapper, answers }
}

/// Compares with a file, or writes it.
fn compare(name: &str, server: &RealBifrost, questions: &[Question]) {
    let now = of(server, questions);
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(file(name), serde_json::to_string_pretty(&now).unwrap() + "\n").unwrap();
        return;
    }
    let mut before = Golden::read(name);
    assert_eq!(before.version, now.version);
    assert_eq!(before.wrapper, now.wrapper, "the headers of every answer");
    for (question, answer) in &now.answers {
        assert_eq!(before.answers.remove(question).as_ref(), Some(answer), "{question}");
    }
    assert!(before.answers.is_empty(), "not asked any more: {:?}", before.answers.keys());
}

#[test]
fn an_open_server_answers_as_it_did() {
    let provider = provider();
    compare("open", &RealBifrost::start(&provider), &questions::open());
}

#[test]
fn a_closed_server_answers_as_it_did() {
    let provider = provider();
    compare("closed", &RealBifrost::start_closed(&provider), &questions::closed());
}
