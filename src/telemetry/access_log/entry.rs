//! What a request hands over for its line.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::{HeaderValue, Method, Version};

use crate::{
    config::{Profile, SiteName},
    discovery::DiscoveryAnswer,
    fleet::Server,
    reason::Reason,
    telemetry::Finished,
};

/// Longer paths are cut: nobody may fill the disk with one request.
pub const LONGEST_PATH: usize = 1024;
/// And longer methods.
pub const LONGEST_METHOD: usize = 32;
const LONGEST_HOST: usize = 255;
const LONGEST_AGENT: usize = 256;

/// A request that is over, as the access log needs it.
#[derive(Debug)]
pub struct Entry {
    /// When it was over.
    pub at: SystemTime,
    /// How it went.
    pub finished: Finished,
    /// Which one it was.
    pub request: RequestText,
    /// Cut with [`cut_method`]; `None` when there was none that could be believed.
    pub method: Option<Method>,
    /// The same.
    pub version: Option<Version>,
    /// The client; `None` for one that came by a Unix socket.
    pub client: Option<IpAddr>,
    /// Whether it came by TLS.
    pub is_tls: bool,
    /// Bytes of the request's body, or from the client of a WebSocket.
    pub bytes_in: u64,
    /// Bytes of the response's body, or to the client of a WebSocket.
    pub bytes_out: u64,
    /// The server of the last attempt.
    pub server: Option<Arc<Server>>,
    /// How many attempts there were.
    pub attempts: usize,
    /// What all of them have spent on connecting.
    pub connecting: Option<Duration>,
    /// What went wrong.
    pub reason: Option<Reason>,
    /// The answer, and the profile behind it, if it was for discovery; that of no site has none.
    pub discovery: Option<(DiscoveryAnswer, Option<Profile>)>,
    /// The generation of the configuration; `None` when it was refused before it had one.
    pub generation: Option<u64>,
    /// The site, where there are several.
    pub site: Option<SiteName>,
    /// The id of the trace that it belongs to, in hexadecimal digits, where the edge traces.
    pub trace: Option<[u8; 32]>,
}

/// What a request says of itself, and what it is called. What the client sent may be any bytes.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    /// The request id.
    pub id: &'a HeaderValue,
    /// The `Host`.
    pub host: &'a [u8],
    /// The target, of which only the path is kept.
    pub target: &'a [u8],
    /// The `User-Agent`.
    pub agent: &'a [u8],
    /// The server's own id, already cut.
    pub server_id: &'a [u8],
}

/// The texts of a request. Keeps copies, and not the buffer that the whole head came in; what is too long is cut.
#[derive(Debug, Default)]
pub struct RequestText {
    /// One after the other, the path last.
    text: Box<[u8]>,
    id: usize,
    host: usize,
    agent: usize,
    server_id: usize,
    is_cut: bool,
    is_agent_cut: bool,
}

/// A method of which not more is kept than may be written: thousands may wait.
pub fn cut_method(method: &Method) -> Method {
    let text = method.as_str();
    if text.len() <= LONGEST_METHOD {
        return method.clone();
    }
    // The beginning of a method is one.
    Method::from_bytes(&text.as_bytes()[..LONGEST_METHOD]).unwrap_or_default()
}

impl RequestText {
    /// The texts of a request: of the target only the path, and of the host nothing before an `@`.
    pub fn new(said: &Said<'_>) -> Self {
        let Said { id, host, target, agent, server_id } = *said;
        let end = target.iter().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(target.len());
        let path = &target[..end.min(LONGEST_PATH)];
        let host = host.rsplit(|byte| *byte == b'@').next().unwrap_or_default();
        let host = &host[..host.len().min(LONGEST_HOST)];
        let kept = &agent[..agent.len().min(LONGEST_AGENT)];
        RequestText {
            id: id.len(),
            host: host.len(),
            agent: kept.len(),
            server_id: server_id.len(),
            is_cut: end > LONGEST_PATH,
            is_agent_cut: agent.len() > LONGEST_AGENT,
            text: [id.as_bytes(), host, kept, server_id, path].concat().into(),
        }
    }

    /// The request id.
    pub fn id(&self) -> &[u8] {
        &self.text[..self.id]
    }

    /// The host, as the client sent it.
    pub fn host(&self) -> &[u8] {
        &self.text[self.id..][..self.host]
    }

    /// What the client says it is.
    pub fn agent(&self) -> &[u8] {
        &self.text[self.id + self.host..][..self.agent]
    }

    /// What the server calls the request.
    pub fn server_id(&self) -> &[u8] {
        &self.text[self.id + self.host + self.agent..][..self.server_id]
    }

    /// The path, as the client sent it, without a query.
    pub fn path(&self) -> &[u8] {
        &self.text[self.id + self.host + self.agent + self.server_id..]
    }

    /// Whether what the client says it is was longer.
    pub fn is_agent_cut(&self) -> bool {
        self.is_agent_cut
    }

    /// Whether the path was longer.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }
}
