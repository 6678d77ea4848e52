//! What the real Bifrost answers, word for word, in `golden/`.

use std::{collections::BTreeMap, fs, net::SocketAddr, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::{questions::Question, support::http::Connection};

/// Answers to questions, by their names.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Golden {
    /// The version of Bifrost.
    pub version: String,
    /// The headers that every answer has whose `bare` is not set.
    pub wrapper: BTreeMap<String, String>,
    pub answers: BTreeMap<String, Reply>,
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
    pub bare: bool,
}

/// What a server or the edge answers to a question, on a connection of its own.
pub fn ask(address: SocketAddr, question: &Question) -> Reply {
    let mut connection = Connection::to(address);
    connection.send(question.text());
    let head = connection.read_head();
    let length = head.header("content-length").map(|length| length.parse().unwrap());
    let body = match (head.header("content-type"), length) {
        _ if question.method == "HEAD" || head.status == 204 => Vec::new(),
        (Some("text/event-stream"), _) => sorted(&connection.read_chunk().unwrap()),
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

/// An event with the members of its object in order: the original writes them in another one each time.
fn sorted(event: &[u8]) -> Vec<u8> {
    let data = event.strip_prefix(b"data: ").and_then(|rest| rest.strip_suffix(b"\n\n")).unwrap();
    let members: BTreeMap<String, serde_json::Value> = serde_json::from_slice(data).unwrap();
    format!("data: {}\n\n", serde_json::to_string(&members).unwrap()).into_bytes()
}

impl Golden {
    /// That of a kind of server.
    pub fn read(name: &str) -> Self {
        serde_json::from_str(&fs::read_to_string(file(name)).unwrap()).unwrap()
    }

    /// The whole answer to a question, if it was asked.
    pub fn answer(&self, question: &Question) -> Option<Reply> {
        let mut answer = self.answers.get(&question.name())?.clone();
        if !answer.bare {
            answer.headers.extend(self.wrapper.clone());
        }
        Some(answer)
    }
}

/// Where that of a kind of server is.
pub fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/bifrost/golden/{name}.json"))
}
