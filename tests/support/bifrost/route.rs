//! From a request to the handler that answers it, as Bifrost's router would choose.

use std::sync::{Arc, atomic::Ordering};

use hyper::{
    HeaderMap, Method, Request, StatusCode,
    body::Incoming,
    header::{self, HeaderName},
};

use super::{
    Caller, State, claude_code,
    clients::{self, Generation},
    consent, mcp, oauth, oauth2, plain,
    record::{Upload, record},
    reply::{self, Abort, Reply},
    said, setup,
};

/// Bodies above this size are read and counted, but not kept for a handler.
const HELD_BODY: usize = 16 << 20;

/// The fixed routes of every version that this server has, each with its methods.
const ROUTES: [(&str, &[&str]); 4] =
    [(clients::PATH, &["GET"]), ("/mcp", &["GET", "POST"]), ("/health", &["GET"]), ("/v1/chat/completions", &["POST"])];

/// Those of 1.5.0 to 1.5.2 besides.
const PER_USER_ROUTES: [(&str, &[&str]); 7] = [
    (oauth::SERVER_METADATA, &["GET"]),
    (oauth::RESOURCE_METADATA, &["GET"]),
    (oauth::REGISTER, &["POST"]),
    (oauth::AUTHORIZE, &["GET"]),
    (oauth::TOKEN, &["POST"]),
    (oauth::CONSENT, &["GET"]),
    (oauth::SUBMIT, &["POST"]),
];

/// A request whose body has been read.
pub(super) struct Ask {
    pub(super) state: Arc<State>,
    pub(super) caller: Caller,
    pub(super) method: Method,
    /// Without the base path.
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    /// Nothing when it was too large to hold.
    pub(super) body: Option<Vec<u8>>,
}

impl Ask {
    /// The first value of a query parameter, decoded.
    pub(super) fn param(&self, name: &str) -> Option<String> {
        field(self.query.as_bytes(), name)
    }

    /// A field of a form body, decoded.
    pub(super) fn form(&self, name: &str) -> Option<String> {
        field(self.body.as_deref()?, name)
    }

    /// The `Host` header as the original sees it, that is in lower case.
    pub(super) fn host(&self) -> String {
        let host = self.headers.get(header::HOST);
        let host = host.map(|value| String::from_utf8_lossy(value.as_bytes()));
        host.unwrap_or_default().to_ascii_lowercase()
    }

    /// The URL the original believes it has. Generation A trusts the request for it.
    pub(super) fn base(&self) -> String {
        let tls = reply::behind_tls(&self.headers);
        format!("{}://{}{}", if tls { "https" } else { "http" }, self.host(), self.state.base_path())
    }

    /// Every value of a header that is text.
    pub(super) fn texts(&self, name: HeaderName) -> impl Iterator<Item = &str> {
        let values = self.headers.get_all(name).iter();
        values.filter_map(|value| value.to_str().ok())
    }
}

fn field(form: &[u8], name: &str) -> Option<String> {
    form_urlencoded::parse(form).find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

/// Records and answers one request. Below its base path the original has everything, and above it, too.
pub(super) async fn answer(state: Arc<State>, request: Request<Incoming>, caller: Caller) -> Result<Reply, Abort> {
    let agent = request.headers().get(header::USER_AGENT);
    let path = state.without_base_path(request.uri().path()).to_owned();
    let is_verified = ["/.well-known/", "/api/", "/claude-code/"].iter().any(|prefix| path.starts_with(prefix));
    if !is_verified && agent.is_some_and(|agent| agent.as_bytes().starts_with(b"bridgehead/")) {
        return check(&state, &request, path, caller).await;
    }
    let place = record(&state, &request, caller.connection);
    let (head, incoming) = request.into_parts();
    let upload = Upload::new(Arc::clone(&state), place, incoming);

    let is_echo = path == "/echo" || path.starts_with("/echo/");
    let mut reply = if is_echo && head.method != Method::OPTIONS {
        plain::echo(&head, upload).await?
    } else {
        let ask = Ask {
            state,
            caller,
            method: head.method.clone(),
            path,
            query: head.uri.query().unwrap_or_default().to_owned(),
            headers: head.headers.clone(),
            // The original reads every body whole before it looks at the request.
            body: upload.collect(HELD_BODY).await?,
        };
        dispatch(&ask).await?
    };
    reply::wrap(&mut reply, &head.headers);
    Ok(reply)
}

/// Answers a health check of the edge, which is counted, not recorded.
async fn check(state: &Arc<State>, request: &Request<Incoming>, path: String, caller: Caller) -> Result<Reply, Abort> {
    state.checks.fetch_add(1, Ordering::SeqCst);
    dispatch(&Ask {
        state: Arc::clone(state),
        caller,
        method: request.method().clone(),
        path,
        query: String::new(),
        headers: request.headers().clone(),
        body: Some(Vec::new()),
    })
    .await
}

async fn dispatch(ask: &Ask) -> Result<Reply, Abort> {
    if ask.method == Method::OPTIONS {
        return Ok(reply::empty(StatusCode::OK));
    }
    if let Some(refusal) = setup::refusal(ask) {
        return Ok(refusal);
    }
    if let Some(reply) = oauth2::answer(ask).await {
        return Ok(reply);
    }
    if let Some(reply) = claude_code::answer(ask) {
        return Ok(reply);
    }
    if let Some(reply) = said::answer(ask) {
        return Ok(reply);
    }
    if let Some(reply) = plain::aid(ask).await? {
        return Ok(reply);
    }
    let is_per_user = matches!(ask.generation(), Generation::PerUser { .. });
    Ok(match (ask.method.as_str(), ask.path.as_str()) {
        ("GET", oauth::SERVER_METADATA | oauth::RESOURCE_METADATA) if is_per_user => clients::document(ask).await,
        ("POST", oauth::REGISTER) if is_per_user => oauth::register(ask),
        ("GET", oauth::AUTHORIZE) if is_per_user => consent::authorize(ask),
        ("GET", oauth::CONSENT) if is_per_user => consent::consent(ask),
        ("POST", oauth::SUBMIT) if is_per_user => consent::submit(ask),
        ("POST", oauth::TOKEN) if is_per_user => consent::token(ask),
        ("GET", clients::PATH) => clients::list(ask),
        ("GET" | "POST", "/mcp") => mcp::handle(ask).await,
        ("GET", "/health") => plain::health(ask),
        ("POST", "/v1/chat/completions") => plain::chat(ask),
        _ => unmatched(ask),
    })
}

fn unmatched(ask: &Ask) -> Reply {
    let method = ask.method.as_str();
    let shorter = ask.path.strip_suffix('/').and_then(|path| methods_of(ask, path));
    if shorter.is_some_and(|methods| methods.contains(&method)) {
        return without_slash(ask);
    }
    // The catch-all of the dashboard takes every GET that no other route took, so that no path is unknown.
    if ask.method == Method::GET { plain::dashboard_at(&ask.path) } else { not_allowed(ask) }
}

fn methods_of(ask: &Ask, path: &str) -> Option<&'static [&'static str]> {
    let per_user = matches!(ask.generation(), Generation::PerUser { .. }).then_some(PER_USER_ROUTES);
    let mut routes = ROUTES.into_iter().chain(per_user.into_iter().flatten());
    routes.find(|(known, _)| *known == path).map(|(_, methods)| methods)
}

/// The answer to a method that a path does not have.
fn not_allowed(ask: &Ask) -> Reply {
    let mut methods = [methods_of(ask, &ask.path).unwrap_or_default(), &["GET", "OPTIONS"]].concat();
    methods.sort_unstable();
    methods.dedup();
    let reply = reply::whole(StatusCode::METHOD_NOT_ALLOWED, reply::PLAIN, "Method Not Allowed");
    reply::with_header(reply, header::ALLOW, &methods.join(", "))
}

/// The redirect away from a trailing slash: absolute, and with the scheme always `http`.
fn without_slash(ask: &Ask) -> Reply {
    let path = ask.path.trim_end_matches('/');
    let mut location = format!("http://{}{}{path}", ask.host(), ask.state.base_path());
    if !ask.query.is_empty() {
        location = format!("{location}?{}", ask.query);
    }
    let mut reply = reply::found(&location);
    if reply.status() == StatusCode::FOUND {
        *reply.status_mut() = match ask.method {
            Method::GET => StatusCode::MOVED_PERMANENTLY,
            _ => StatusCode::PERMANENT_REDIRECT,
        };
    }
    reply
}
