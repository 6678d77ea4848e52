//! What is asked of the real Bifrost, and of the edge in front of it, and why their answers may differ.

/// The host of every question, which is in redirects.
pub const HOST: &str = "gateway.example";

/// A request.
#[derive(Debug, Clone)]
pub struct Question {
    pub method: &'static str,
    pub target: String,
    /// Each with its line end.
    pub headers: &'static str,
    pub body: &'static str,
    pub edge: Answer,
}

/// What the edge answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// What the server answers.
    Forwarded,
    /// Something of its own with this status, for this reason.
    Own(u16, &'static str),
}

use Answer::{Forwarded, Own};

const ORIGIN: &str = "Origin: https://app.example\r\n";
const LOCAL_ORIGIN: &str = "Origin: http://localhost:6274\r\n";
const PREFLIGHT: &str = "Origin: https://app.example\r\nAccess-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: mcp-protocol-version\r\n";
const KEY: &str = "x-bf-vk: sk-bf-planted-virtual-key\r\n";
const BEARER_KEY: &str = "Authorization: Bearer sk-bf-planted-virtual-key\r\n";
const WRONG_KEY: &str = "Authorization: Bearer sk-bf-wrong\r\n";
const TOKEN: &str = "Authorization: Bearer planted-token\r\n";
/// `admin:planted-password`
const BASIC: &str = "Authorization: Basic YWRtaW46cGxhbnRlZC1wYXNzd29yZA==\r\n";
const OVER_TLS: &str = "X-Forwarded-Proto: https\r\n";

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
const UNKNOWN_TOOL: &str = r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"no_such_tool"}}"#;
const NO_MODEL: &str = r#"{"messages":[{"role":"user","content":"hello"}]}"#;

const METHODS: [&str; 5] = ["GET", "HEAD", "POST", "PUT", "DELETE"];

const SERVES: &str = "the edge serves the document for the whole fleet, whichever server has it or not";
const NOT_THERE: &str = "no document of the contract: the edge's own 404, never a page or a redirect of a server";
const METHOD: &str = "a document can be read, and nothing else: the edge's own 405";
const ANY_ORIGIN: &str = "browsers of any origin may read the documents, without credentials";
const FROM_TRUSTED: &str = "the edge says itself how a client came; of a peer that is not trusted it takes no word";

/// Where a document is, or a client looks for one: the path, and what a GET is answered there.
const DISCOVERY: [(&str, Answer); 11] = [
    ("/.well-known/oauth-authorization-server", Own(200, SERVES)),
    ("/.well-known/oauth-authorization-server/", Own(404, NOT_THERE)),
    ("/.well-known/oauth-authorization-server/mcp", Own(404, NOT_THERE)),
    ("/.well-known/oauth-authorization-server?x=y", Own(200, SERVES)),
    ("/.well-known/oauth-protected-resource", Own(200, SERVES)),
    ("/.well-known/oauth-protected-resource/", Own(404, NOT_THERE)),
    ("/.well-known/oauth-protected-resource/mcp", Own(200, SERVES)),
    ("/.well-known/oauth-protected-resource/mcp/", Own(404, NOT_THERE)),
    ("/.well-known/openid-configuration", Own(404, NOT_THERE)),
    ("/.well-known/openid-configuration/mcp", Own(404, NOT_THERE)),
    ("/.well-known/jwks.json", Own(404, NOT_THERE)),
];

/// What is asked of a server that everybody may use.
pub fn open() -> Vec<Question> {
    let mut questions = Vec::new();
    for (path, get) in DISCOVERY {
        for method in METHODS {
            let edge = match (get, method) {
                (Own(200, _), "POST" | "PUT" | "DELETE") => Own(405, METHOD),
                (get, _) => get,
            };
            questions.push(question(method, path, "", edge));
        }
        questions.push(question("OPTIONS", path, "", Own(204, ANY_ORIGIN)));
        questions.push(question("OPTIONS", path, PREFLIGHT, Own(204, ANY_ORIGIN)));
    }
    let forwarded = [
        ("GET", "/", ""),
        ("HEAD", "/", ""),
        ("POST", "/", ""),
        ("GET", "/", ORIGIN),
        ("GET", "/", LOCAL_ORIGIN),
        ("GET", "/workspace/logs", ""),
        ("GET", "/assets/none.js", ""),
        ("GET", "/no/such", ""),
        ("POST", "/no/such", ""),
        ("DELETE", "/no/such", ""),
        ("GET", "/no/such/", ""),
        ("OPTIONS", "/no/such", ""),
        ("OPTIONS", "/no/such", PREFLIGHT),
        ("GET", "/health", ""),
        ("HEAD", "/health", ""),
        ("POST", "/health", ""),
        ("GET", "/health/", ""),
        ("GET", "/health/?a=b&c=%20d", ""),
        ("GET", "/Health", ""),
        ("GET", "/mcp", ""),
        ("HEAD", "/mcp", ""),
        ("PUT", "/mcp", ""),
        ("DELETE", "/mcp", ""),
        ("GET", "/mcp/", ""),
        ("POST", "/mcp/", ""),
        ("GET", "/mcp/tools", ""),
        ("OPTIONS", "/mcp", ""),
        ("OPTIONS", "/mcp", PREFLIGHT),
        ("GET", "/api/mcp/clients", ""),
        ("GET", "/api/mcp/clients", ORIGIN),
        ("GET", "/api/mcp/clients?limit=1&offset=1", ""),
        ("GET", "/api/mcp/clients/", ""),
        ("DELETE", "/api/mcp/clients", ""),
        ("GET", "/api/oauth/per-user/authorize", ""),
        ("POST", "/api/oauth/per-user/register", ""),
        ("POST", "/api/oauth/per-user/token", ""),
        ("GET", "/oauth/consent", ""),
        ("GET", "/oauth2/authorize", ""),
        ("POST", "/oauth2/token", ""),
        ("GET", "/v1/chat/completions", ""),
        ("GET", "/ws", ""),
        ("GET", "/robots.txt", ""),
    ];
    questions.extend(forwarded.map(|(method, target, headers)| question(method, target, headers, Forwarded)));
    questions.push(question("GET", "/health", OVER_TLS, Own(200, FROM_TRUSTED)));
    for body in [INITIALIZE, INITIALIZED, UNKNOWN_TOOL, "{}", "not JSON", ""] {
        questions.push(Question { body, ..question("POST", "/mcp", "", Forwarded) });
    }
    for body in [NO_MODEL, "not JSON", ""] {
        questions.push(Question { body, ..question("POST", "/v1/chat/completions", "", Forwarded) });
    }
    questions.push(Question { body: INITIALIZE, ..question("POST", "/mcp", WRONG_KEY, Forwarded) });
    questions
}

/// What is asked of a server that wants credentials.
pub fn closed() -> Vec<Question> {
    let mut questions = Vec::new();
    for headers in ["", ORIGIN, WRONG_KEY, TOKEN, KEY, BEARER_KEY] {
        questions.push(Question { body: INITIALIZE, ..question("POST", "/mcp", headers, Forwarded) });
    }
    for headers in ["", TOKEN, KEY] {
        questions.push(question("GET", "/mcp", headers, Forwarded));
    }
    for headers in ["", TOKEN, BASIC] {
        questions.push(question("GET", "/api/mcp/clients", headers, Forwarded));
    }
    questions.push(question("GET", "/health", "", Forwarded));
    questions.push(question("GET", "/ws", "", Forwarded));
    questions.push(Question { body: NO_MODEL, ..question("POST", "/v1/chat/completions", "", Forwarded) });
    questions
}

fn question(method: &'static str, target: &str, headers: &'static str, edge: Answer) -> Question {
    Question { method, target: target.to_owned(), headers, body: "", edge }
}

impl Question {
    /// What the golden answers call it.
    pub fn name(&self) -> String {
        let mut name = format!("{} {}", self.method, self.target);
        for part in self.headers.split_terminator("\r\n").chain((!self.body.is_empty()).then_some(self.body)) {
            name = format!("{name} | {part}");
        }
        name
    }

    /// The bytes of it.
    pub fn text(&self) -> String {
        let Question { method, target, headers, body, .. } = self;
        let length = match *method {
            "POST" | "PUT" => format!("Content-Length: {}\r\n", body.len()),
            _ => String::new(),
        };
        format!("{method} {target} HTTP/1.1\r\nHost: {HOST}\r\n{headers}{length}\r\n{body}")
    }
}
