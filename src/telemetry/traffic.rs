//! The requests that are over: how many, of what kind, with which answer, after how long. Counted without a lock
//! and without an allocation.

use std::{
    array,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use once_cell::sync::OnceCell;

use crate::{
    generation::is_oauth,
    latency::{Latency, LatencyReading},
    reason::Reason,
};

/// What a request is for. Few, so that they can be a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// MCP OAuth discovery, answered by the edge.
    Discovery,
    /// `/mcp`, and Bifrost's own MCP server at `/v1/mcp`.
    Mcp,
    /// The OAuth endpoints.
    Oauth,
    /// The models: `/v1` and the other providers' APIs that Bifrost speaks.
    Inference,
    /// Bifrost's management API.
    Api,
    /// A WebSocket, whatever it is for.
    Websocket,
    /// Anything else: the dashboard, health checks, and what was refused before its path could be believed.
    Other,
}

/// Who has answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnsweredBy {
    /// The edge itself.
    Edge,
    /// A Bifrost server.
    Server,
}

/// How a response comes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ResponseKind {
    /// As fast as it can.
    #[default]
    Whole,
    /// Bit by bit, as a stream of events or a WebSocket: how long that takes says nothing of the server.
    Stream,
}

/// A request that is over.
#[derive(Debug, Clone, Copy)]
pub struct Finished {
    /// What it was for.
    pub class: Class,
    /// Who has answered it.
    pub by: AnsweredBy,
    /// The status of its response; [`CLIENT_GONE`] when the client did not wait for one.
    pub status: u16,
    /// From the end of its head to the end of its response; `None` when it was refused before its head was read.
    pub took: Option<Duration>,
    /// From the end of its head to the head of a server's response.
    pub first_byte: Option<Duration>,
    /// How its response came.
    pub kind: ResponseKind,
}

/// All that are over.
pub struct TrafficCounters {
    classes: [ClassCounters; Class::ALL.len()],
    /// To the first bytes of streams, which are among those of their classes as well.
    streams: OnceCell<Box<Latency>>,
}

/// Those of one class, by who has answered. Nothing is kept of what there was none of: there may be many sites.
#[derive(Default)]
struct ClassCounters {
    answered: [OnceCell<Box<AnswerCounters>>; AnsweredBy::ALL.len()],
    first_byte: OnceCell<Box<Latency>>,
}

struct AnswerCounters {
    /// From 100 on; the last one is for what is no status.
    statuses: [AtomicU64; STATUSES + 1],
    took: Latency,
}

/// All requests together, so far. The difference of two readings is what came in between.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests that are over.
    pub requests: u64,
    /// Those with a status from 500.
    pub server_errors: u64,
    /// How long it was to the first byte of an answer, streams aside. The edge's own answers come whole.
    pub first_byte: LatencyReading,
    /// The same of streams.
    pub streams: LatencyReading,
}

/// The status of a request whose client went away before it had a response. It is sent to nobody; the number is a
/// custom of web servers' logs.
pub const CLIENT_GONE: u16 = 499;

const FIRST_STATUS: u16 = 100;
const LAST_STATUS: u16 = 599;
const STATUSES: usize = (LAST_STATUS - FIRST_STATUS + 1) as usize;

impl Class {
    /// All of them.
    pub const ALL: [Class; 7] =
        [Class::Discovery, Class::Mcp, Class::Oauth, Class::Inference, Class::Api, Class::Websocket, Class::Other];

    /// The class of a forwarded request by its path as Bifrost has it, with or without a query.
    pub fn of_path(path: &[u8]) -> Self {
        let (first, rest) = first_segment(path);
        match first {
            b"mcp" => Class::Mcp,
            b"v1" if first_segment(rest).0 == b"mcp" => Class::Mcp,
            b"claude-code" if is_inference_of_claude_code(rest) => Class::Inference,
            b"v1" | b"openai" | b"anthropic" | b"genai" | b"bedrock" | b"cohere" | b"litellm" | b"langchain"
            | b"pydanticai" | b"responses" => Class::Inference,
            _ if first.ends_with(b"_passthrough") => Class::Inference,
            _ if is_oauth(path) => Class::Oauth,
            b"api" => Class::Api,
            _ => Class::Other,
        }
    }

    /// The name in metrics and in the access log.
    pub fn name(self) -> &'static str {
        match self {
            Class::Discovery => "discovery",
            Class::Mcp => "mcp",
            Class::Oauth => "oauth",
            Class::Inference => "inference",
            Class::Api => "api",
            Class::Websocket => "websocket",
            Class::Other => "other",
        }
    }
}

/// The first segment of a path, and what follows it.
fn first_segment(path: &[u8]) -> (&[u8], &[u8]) {
    let below = path.strip_prefix(b"/").unwrap_or(path);
    let end = below.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(below.len());
    below.split_at(end)
}

/// Whether this, below the Claude Code gateway's path, is for a model: what takes its metrics, logs and traces is not.
fn is_inference_of_claude_code(path: &[u8]) -> bool {
    let (version, rest) = first_segment(path);
    version == b"v1" && matches!(first_segment(rest).0, b"messages" | b"models")
}

impl Finished {
    /// A request that was refused before anything of it could be believed.
    pub fn refused(reason: Reason) -> Self {
        let status = reason.status().map_or(CLIENT_GONE, |status| status.as_u16());
        Finished {
            class: Class::Other,
            by: AnsweredBy::Edge,
            status,
            took: None,
            first_byte: None,
            kind: ResponseKind::Whole,
        }
    }
}

impl AnsweredBy {
    /// Both.
    pub const ALL: [AnsweredBy; 2] = [AnsweredBy::Edge, AnsweredBy::Server];

    /// The name in metrics and in the access log.
    pub fn name(self) -> &'static str {
        match self {
            AnsweredBy::Edge => "edge",
            AnsweredBy::Server => "server",
        }
    }
}

impl Default for AnswerCounters {
    fn default() -> Self {
        AnswerCounters { statuses: array::from_fn(|_| AtomicU64::new(0)), took: Latency::default() }
    }
}

impl Default for TrafficCounters {
    fn default() -> Self {
        TrafficCounters { classes: array::from_fn(|_| ClassCounters::default()), streams: OnceCell::new() }
    }
}

impl TrafficCounters {
    /// One more is over.
    pub fn add(&self, finished: &Finished) {
        let class = &self.classes[finished.class as usize];
        let answered = class.answered[finished.by as usize].get_or_init(Box::default);
        let place = usize::from(finished.status.wrapping_sub(FIRST_STATUS)).min(STATUSES);
        answered.statuses[place].fetch_add(1, Ordering::Relaxed);
        if let Some(took) = finished.took {
            answered.took.add(took);
        }
        if let Some(first_byte) = finished.first_byte {
            class.first_byte.get_or_init(Box::default).add(first_byte);
            if finished.kind == ResponseKind::Stream {
                self.streams.get_or_init(Box::default).add(first_byte);
            }
        }
    }

    /// How many there are of each status that there was; `None` is for numbers that are no status.
    pub fn statuses(&self, class: Class, by: AnsweredBy) -> impl Iterator<Item = (Option<u16>, u64)> + '_ {
        let answered = self.classes[class as usize].answered[by as usize].get();
        let counts = answered.into_iter().flat_map(|answered| &answered.statuses);
        let counts = (FIRST_STATUS..).zip(counts.map(|count| count.load(Ordering::Relaxed)));
        counts.filter(|(_, count)| *count > 0).map(|(status, count)| ((status <= LAST_STATUS).then_some(status), count))
    }

    /// How long they took.
    pub fn took(&self, class: Class, by: AnsweredBy) -> LatencyReading {
        let answered = self.classes[class as usize].answered[by as usize].get();
        answered.map(|answered| answered.took.read()).unwrap_or_default()
    }

    /// How long it was to the head of a server's response.
    pub fn first_byte(&self, class: Class) -> LatencyReading {
        self.classes[class as usize].first_byte.get().map(|first_byte| first_byte.read()).unwrap_or_default()
    }

    /// All together.
    pub fn all(&self) -> Traffic {
        let mut traffic = Traffic::default();
        self.add_to(&mut traffic);
        traffic
    }

    /// Adds all to those of others.
    pub fn add_to(&self, traffic: &mut Traffic) {
        for class in Class::ALL {
            for by in AnsweredBy::ALL {
                for (status, count) in self.statuses(class, by) {
                    traffic.requests += count;
                    if status.is_some_and(|status| status >= 500) {
                        traffic.server_errors += count;
                    }
                }
            }
            traffic.first_byte.merge(&self.first_byte(class));
            traffic.first_byte.merge(&self.took(class, AnsweredBy::Edge));
        }
        let streams = self.streams.get().map(|streams| streams.read()).unwrap_or_default();
        traffic.first_byte.remove(&streams);
        traffic.streams.merge(&streams);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_their_class() {
        for (path, class) in [
            ("/mcp", Class::Mcp),
            ("/mcp?session=1", Class::Mcp),
            ("/mcp/", Class::Mcp),
            ("/mcpx", Class::Other),
            ("/v1/chat/completions", Class::Inference),
            ("/v1", Class::Inference),
            ("/v1/mcp", Class::Mcp),
            ("/v1/mcp?x", Class::Mcp),
            ("/v1/mcp/tool/execute", Class::Mcp),
            ("/v1/mcps", Class::Inference),
            ("/v1?/mcp", Class::Inference),
            ("/claude-code/v1/messages", Class::Inference),
            ("/claude-code/v1/messages/count_tokens", Class::Inference),
            ("/claude-code/v1/models?x", Class::Inference),
            ("/claude-code/v1/metrics", Class::Other),
            ("/claude-code/managed/settings", Class::Other),
            ("/claude-code/oauth/token", Class::Oauth),
            ("/claude-code/device/verify", Class::Oauth),
            ("/claude-code/.well-known/oauth-authorization-server", Class::Oauth),
            ("/oauth/device?user_code=x", Class::Oauth),
            ("/openai/v1/responses", Class::Inference),
            ("/openai_passthrough/v1/x", Class::Inference),
            ("/api/oauth/per-user/token", Class::Oauth),
            ("/oauth2/token", Class::Oauth),
            ("/.well-known/jwks.json", Class::Oauth),
            ("/.well-known/security.txt", Class::Other),
            ("/api/mcp/clients", Class::Api),
            ("/", Class::Other),
            ("", Class::Other),
            ("*", Class::Other),
            ("/?/v1/", Class::Other),
        ] {
            assert_eq!(Class::of_path(path.as_bytes()), class, "{path}");
        }
    }

    #[test]
    fn each_class_and_answerer_is_counted_in_its_place() {
        for (place, class) in Class::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, place);
        }
        for (place, by) in AnsweredBy::ALL.into_iter().enumerate() {
            assert_eq!(by as usize, place);
        }
    }

    #[test]
    fn a_reading_is_the_sum_of_all() {
        let counters = TrafficCounters::default();
        let took = Some(Duration::from_millis(3));
        let finished = Finished {
            class: Class::Mcp,
            by: AnsweredBy::Server,
            status: 200,
            took,
            first_byte: took,
            kind: ResponseKind::Whole,
        };
        counters.add(&finished);
        counters.add(&Finished { status: 599, ..finished });
        counters.add(&Finished { class: Class::Discovery, by: AnsweredBy::Edge, first_byte: None, ..finished });
        counters.add(&Finished {
            class: Class::Other,
            by: AnsweredBy::Edge,
            status: 400,
            took: None,
            first_byte: None,
            kind: ResponseKind::Whole,
        });
        counters.add(&Finished { took: Some(Duration::from_mins(9)), kind: ResponseKind::Stream, ..finished });
        let all = counters.all();
        assert_eq!((all.requests, all.server_errors, all.first_byte.count(), all.streams.count()), (5, 1, 3, 1));
        assert_eq!((all.first_byte.sum, all.streams.sum), (Duration::from_millis(9), Duration::from_millis(3)));
        let mcp: Vec<_> = counters.statuses(Class::Mcp, AnsweredBy::Server).collect();
        assert_eq!(mcp, [(Some(200), 2), (Some(599), 1)]);
        assert_eq!(counters.first_byte(Class::Mcp).count(), 3);
    }

    #[test]
    fn a_number_that_is_no_status_is_one_label() {
        let counters = TrafficCounters::default();
        for status in [0, 99, 600, 999, u16::MAX] {
            let by = AnsweredBy::Server;
            counters.add(&Finished {
                class: Class::Other,
                by,
                status,
                took: None,
                first_byte: None,
                kind: ResponseKind::Whole,
            });
        }
        let statuses: Vec<_> = counters.statuses(Class::Other, AnsweredBy::Server).collect();
        assert_eq!(statuses, [(None, 5)]);
        assert_eq!(counters.all().server_errors, 0);
    }
}
