//! What the real Bifrost answers, word for word, in `golden/`. `UPDATE_GOLDEN=1` writes the files anew.

use std::{collections::BTreeMap, env, fs, net::SocketAddr, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    questions::{self, Question},
    server::{RealBifrost, provider},
    support::http::Connection,
};

/// Answers to questions, by their names.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Golden {
    /// The version of Bifrost.
    version: String,
    /// The headers that every answer has whose `bare` is not set.
    wrapper: BTreeMap<String, String>,
    answers: BTreeMap<String, Reply>,
}

/// An answer, without what is another one each time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    pub status: u16,
    /// Those of the wrapper have no place here in a file.
    pub headers: BTreeMap<String, String>,
    /// Of a stream of events the first one.
    pub body: String,
    /// Whether it lacks the headers that the server's outer layers set.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    bare: bool,
}

/// What a server or the edge answers to a question, on a connection of its own.
pub fn ask(address: SocketAddr, question: &Question) -> Reply {
    let mut connection = Connection::to(address);
    connection.send(question.text());
    let head = connection.read_head();
    let length = head.header("content-length").map(|length| length.parse().unwrap());
    let body = match (head.header("content-type"), length) {
        _ if question.method == "HEAD" || head.status == 204 => Vec::new(),
        (Some("text/event-stream"), _) => connection.read_chunk().unwrap(),
        (_, Some(length)) => connection.read_exactly(length),
        (_, None) if head.header("transfer-encoding").is_some() => connection.read_chunks(),
        (_, None) => connection.read_to_end(),
    };
    let mut headers = BTreeMap::new();
    for (name, value) in head.headers {
        let value = if name == "date" { "(now)".to_owned() } else { value };
        assert!(headers.insert(name.clone(), value).is_none(), "{name} is repeated");
    }
    let bare = !headers.contains_key("x-frame-options");
    Reply { status: head.status, headers, body: String::from_utf8(body).unwrap(), bare }
}

impl Golden {
    fn of(server: &RealBifrost, questions: &[Question]) -> Self {
        let mut answers: BTreeMap<_, _> =
            questions.iter().map(|question| (question.name(), ask(server.address, question))).collect();
        assert_eq!(answers.len(), questions.len(), "two questions have one name");
        let mut wrapped = answers.values().filter(|answer| !answer.bare);
        let mut wrapper = wrapped.next().map(|answer| answer.headers.clone()).unwrap_or_default();
        for answer in wrapped {
            wrapper.retain(|name, value| answer.headers.get(name) == Some(value));
        }
        for answer in answers.values_mut().filter(|answer| !answer.bare) {
            answer.headers.retain(|name, _| !wrapper.contains_key(name));
        }
        Golden { version: "v1.6.0".into(), wrapper, answers }
    }
}

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/bifrost/golden/{name}.json"))
}

/// Compares with a file, or writes it.
fn compare(name: &str, server: &RealBifrost, questions: &[Question]) {
    let now = Golden::of(server, questions);
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(file(name), serde_json::to_string_pretty(&now).unwrap() + "\n").unwrap();
        return;
    }
    let text = fs::read_to_string(file(name)).unwrap();
    let mut before: Golden = serde_json::from_str(&text).unwrap();
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
