//! One thing in which a server and the edge do not agree.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

/// One thing in which a server and the edge do not agree. It holds no secret.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Difference {
    /// One of them serves a document, the other does not.
    Discovery {
        /// The document.
        url: String,
        /// Whether the edge serves it.
        edge: bool,
        /// Whether the server does.
        server: bool,
    },
    /// A member of a document; `None` where it is missing.
    Member {
        /// The document.
        url: String,
        /// The member's name.
        member: String,
        /// Its value in the edge's document.
        edge: Option<Value>,
        /// Its value in the server's.
        server: Option<Value>,
    },
    /// The server's answer for a document is neither one nor that there is none.
    Unexpected {
        /// The document.
        url: String,
        /// The answer.
        answer: String,
    },
    /// The edge's table has an MCP client that the server does not have.
    MissingOnServer {
        /// The client's name.
        client: String,
        /// Its `auth_type` in the table.
        auth_type: String,
        /// Where the server does not have it.
        lists: Lists,
    },
    /// The server has an MCP client that the edge's table does not have.
    MissingOnEdge {
        /// The client's name.
        client: String,
        /// Its `auth_type` on the server.
        auth_type: String,
        /// Where the server has it.
        lists: Lists,
    },
    /// Both have an MCP client, with different `auth_type`.
    AuthType {
        /// The client's name.
        client: String,
        /// Its `auth_type` in the table.
        edge: String,
        /// Its `auth_type` on the server.
        server: String,
        /// Where the server has it so.
        lists: Lists,
    },
}

/// Which of a server's lists of MCP clients it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lists {
    /// What the process serves.
    Memory,
    /// What is stored.
    Database,
    /// Both of them.
    Both,
}

impl Lists {
    fn on_the_server(self) -> &'static str {
        match self {
            Lists::Memory => "the server's memory",
            Lists::Database => "the server's database",
            Lists::Both => "the server",
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let served = |is_served: &bool| if *is_served { "serves it" } else { "does not" };
        let value = |value: &Option<Value>| match value {
            // Control characters are escaped in JSON, but for a few.
            Some(value) => value.to_string().replace(char::is_control, " "),
            None => "missing".to_owned(),
        };
        match self {
            Difference::Discovery { url, edge, server } => {
                write!(f, "{url}: the edge {}, the server {}", served(edge), served(server))
            }
            Difference::Member { url, member, edge, server } => {
                let member = member.replace(char::is_control, " ");
                write!(f, "{url}: {member}: edge {}, server {}", value(edge), value(server))
            }
            Difference::Unexpected { url, answer } => write!(f, "{url}: the server answers {answer}"),
            Difference::MissingOnServer { client, auth_type, lists } => {
                let place = lists.on_the_server();
                write!(f, "MCP client {client:?} (auth_type {auth_type}): missing on {place}, the edge has it")
            }
            Difference::MissingOnEdge { client, auth_type, lists } => {
                let place = lists.on_the_server();
                write!(f, "MCP client {client:?} (auth_type {}): missing on the edge, {place} has it", plain(auth_type))
            }
            Difference::AuthType { client, edge, server, lists } => {
                let place = lists.on_the_server();
                write!(f, "MCP client {client:?}: auth_type {edge} on the edge, {} on {place}", plain(server))
            }
        }
    }
}

/// A text of a server's, as a terminal may see it.
fn plain(text: &str) -> String {
    text.replace(char::is_control, " ")
}
