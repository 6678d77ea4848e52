//! An entry as a line.

use std::{
    net::{IpAddr, SocketAddr},
    time::SystemTime,
};

use http::{Method, Version};
use serde::{Serialize, Serializer};

use super::{
    append::{Append, Milliseconds, append_display},
    entry::Entry,
};
use crate::{
    config::{LogFormat, Profile, SiteName},
    fleet::Server,
    reason::Reason,
};

/// The fields of a line; what a request does not have is left out. Times are in milliseconds.
#[derive(Debug, Serialize)]
struct Line<'a> {
    time: Time,
    id: Escaped<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Escaped::is_empty")]
    host: Escaped<'a>,
    #[serde(skip_serializing_if = "Escaped::is_empty")]
    path: Escaped<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
    tls: bool,
    class: &'static str,
    status: u16,
    bytes_in: u64,
    bytes_out: u64,
    answered_by: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_address: Option<SocketAddr>,
    #[serde(skip)]
    is_server_named_by_address: bool,
    attempts: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_ms: Option<Milliseconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_byte_ms: Option<Milliseconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connect_ms: Option<Milliseconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    site: Option<&'a str>,
    #[serde(skip_serializing_if = "Escaped::is_empty")]
    agent: Escaped<'a>,
    #[serde(skip_serializing_if = "Escaped::is_empty")]
    server_id: Escaped<'a>,
    #[serde(skip_serializing_if = "Escaped::is_empty")]
    trace: Escaped<'a>,
}

/// When a request was over, to the millisecond.
#[derive(Debug)]
struct Time(SystemTime);

/// What a client sent, as printable ASCII without spaces, quotes and backslashes: every other byte as in a URL, so
/// that none can end a line or command a terminal.
#[derive(Debug)]
struct Escaped<'a> {
    bytes: &'a [u8],
    is_cut: bool,
}

/// Appends the line of an entry, its end included.
pub fn append(entry: &Entry, format: LogFormat, to: &mut Vec<u8>) {
    let line = Line::of(entry);
    match format {
        LogFormat::Text => line.text(to),
        LogFormat::Json => {
            let before = to.len();
            // A vector takes everything, and numbers and text are JSON.
            if serde_json::to_writer(&mut *to, &line).is_err() {
                to.truncate(before);
            }
        }
    }
    to.push(b'\n');
}

impl<'a> Line<'a> {
    fn of(entry: &'a Entry) -> Self {
        let request = &entry.request;
        let server = entry.server.as_deref();
        Line {
            time: Time(entry.at),
            id: Escaped { bytes: request.id(), is_cut: false },
            client: entry.client,
            method: entry.method.as_ref().map(Method::as_str),
            host: Escaped { bytes: request.host(), is_cut: false },
            path: Escaped { bytes: request.path(), is_cut: request.is_cut() },
            version: entry.version.map(version),
            tls: entry.is_tls,
            class: entry.finished.class.name(),
            status: entry.finished.status,
            bytes_in: entry.bytes_in,
            bytes_out: entry.bytes_out,
            answered_by: entry.finished.by.name(),
            server: server.map(|server| server.name().as_str()),
            server_address: server.map(Server::address),
            is_server_named_by_address: server.is_some_and(Server::is_named_by_address),
            attempts: entry.attempts as u64,
            total_ms: entry.finished.took.map(Milliseconds),
            first_byte_ms: entry.finished.first_byte.map(Milliseconds),
            connect_ms: entry.connecting.map(Milliseconds),
            reason: entry.reason.map(Reason::name),
            document: entry.discovery.map(|(answer, _)| answer.document.name()),
            profile: entry.discovery.and_then(|(_, profile)| profile).map(Profile::name),
            generation: entry.generation,
            site: entry.site.as_ref().map(SiteName::as_str),
            agent: Escaped { bytes: request.agent(), is_cut: request.is_agent_cut() },
            server_id: Escaped { bytes: request.server_id(), is_cut: false },
            trace: Escaped { bytes: entry.trace.as_ref().map_or(&[], |id| id), is_cut: false },
        }
    }

    /// Time, client, request and status, then what there is to say besides. Nothing in it has a space of its own.
    fn text(&self, to: &mut Vec<u8>) {
        fn pair(to: &mut Vec<u8>, name: &str, value: Option<impl Append>) {
            if let Some(value) = value {
                name.append(to);
                value.append(to);
            }
        }
        let or_none = |text: Option<&'a str>| text.filter(|text| !text.is_empty()).unwrap_or("-");
        self.time.append(to);
        match self.client {
            Some(client) => pair(to, " ", Some(client)),
            None => " unix".append(to),
        }
        pair(to, " ", Some(or_none(self.method)));
        pair(to, if self.path.is_empty() { " -" } else { " " }, Some(&self.path));
        pair(to, " ", Some(or_none(self.version)));
        pair(to, " ", Some(u64::from(self.status)));
        pair(to, " by=", Some(self.answered_by));
        pair(to, " server=", self.server);
        pair(to, " address=", self.server_address.filter(|_| !self.is_server_named_by_address));
        pair(to, " reason=", self.reason);
        pair(to, " total_ms=", self.total_ms);
        pair(to, " first_byte_ms=", self.first_byte_ms);
        pair(to, " connect_ms=", self.connect_ms);
        pair(to, " in=", Some(self.bytes_in));
        pair(to, " out=", Some(self.bytes_out));
        pair(to, " attempts=", Some(self.attempts).filter(|attempts| *attempts > 0));
        pair(to, " host=", Some(&self.host).filter(|host| !host.is_empty()));
        pair(to, " tls=", Some(if self.tls { "true" } else { "false" }));
        pair(to, " class=", Some(self.class));
        pair(to, " document=", self.document);
        pair(to, " profile=", self.profile);
        pair(to, " generation=", self.generation);
        pair(to, " site=", self.site);
        pair(to, " agent=", Some(&self.agent).filter(|agent| !agent.is_empty()));
        pair(to, " server_id=", Some(&self.server_id).filter(|id| !id.is_empty()));
        pair(to, " trace=", Some(&self.trace).filter(|id| !id.is_empty()));
        pair(to, " id=", Some(&self.id));
    }
}

impl Escaped<'_> {
    fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

impl Append for Time {
    fn append(&self, to: &mut Vec<u8>) {
        append_display(humantime::format_rfc3339_millis(self.0), to);
    }
}

impl Append for &Escaped<'_> {
    fn append(&self, to: &mut Vec<u8>) {
        let mut left = self.bytes;
        while !left.is_empty() {
            let plain = left.iter().position(|byte| !is_plain(*byte)).unwrap_or(left.len());
            to.extend_from_slice(&left[..plain]);
            if let Some(other) = left.get(plain) {
                append_display(format_args!("%{other:02X}"), to);
            }
            left = left.get(plain + 1..).unwrap_or_default();
        }
        if self.is_cut {
            to.extend_from_slice(b"...");
        }
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\')
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_appended(self, serializer)
    }
}

impl Serialize for Escaped<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_appended(&self, serializer)
    }
}

/// The same text in both forms.
fn serialize_appended<S: Serializer>(value: &impl Append, serializer: S) -> Result<S::Ok, S::Error> {
    let mut text = Vec::new();
    value.append(&mut text);
    serializer.serialize_str(std::str::from_utf8(&text).map_err(serde::ser::Error::custom)?)
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_11 => "HTTP/1.1",
        Version::HTTP_2 => "HTTP/2",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use http::{HeaderValue, Method};
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::telemetry::{
        AnsweredBy, Class, Finished, ResponseKind,
        access_log::{Entry, RequestText, Said},
    };

    fn entry(host: &[u8], target: &[u8]) -> Entry {
        of_agent(host, target, b"curl/8.5")
    }

    fn of_agent(host: &[u8], target: &[u8], agent: &[u8]) -> Entry {
        let took = Some(Duration::from_nanos(1_234_567));
        let id = &HeaderValue::from_static("1a2b");
        let request = RequestText::new(&Said { id, host, target, agent, server_id: b"req_9" });
        Entry {
            at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_764_000_000_007),
            finished: Finished {
                class: Class::Mcp,
                by: AnsweredBy::Server,
                status: 200,
                took,
                first_byte: None,
                kind: ResponseKind::Whole,
            },
            request,
            method: Some(Method::GET),
            version: Some(Version::HTTP_11),
            client: Some([192, 0, 2, 7].into()),
            is_tls: true,
            bytes_in: 3,
            bytes_out: 4,
            server: None,
            attempts: 1,
            connecting: None,
            reason: None,
            discovery: None,
            generation: Some(9),
            site: None,
            trace: Some(*b"4bf92f3577b34da6a3ce929d0e0e4736"),
        }
    }

    fn line(entry: &Entry, format: LogFormat) -> String {
        let mut line = Vec::new();
        append(entry, format, &mut line);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn the_two_forms() {
        let entry = entry(b"a.example", b"/mcp?code=secret");
        assert_eq!(
            line(&entry, LogFormat::Text),
            "2025-11-24T16:00:00.007Z 192.0.2.7 GET /mcp HTTP/1.1 200 by=server total_ms=1.235 in=3 out=4 attempts=1 \
             host=a.example tls=true class=mcp generation=9 agent=curl/8.5 server_id=req_9 \
             trace=4bf92f3577b34da6a3ce929d0e0e4736 id=1a2b\n"
        );
        assert_eq!(
            line(&entry, LogFormat::Json),
            "{\"time\":\"2025-11-24T16:00:00.007Z\",\"id\":\"1a2b\",\"client\":\"192.0.2.7\",\"method\":\"GET\",\
             \"host\":\"a.example\",\"path\":\"/mcp\",\"version\":\"HTTP/1.1\",\"tls\":true,\"class\":\"mcp\",\
             \"status\":200,\"bytes_in\":3,\"bytes_out\":4,\"answered_by\":\"server\",\"attempts\":1,\
             \"total_ms\":1.235,\"generation\":9,\"agent\":\"curl/8.5\",\"server_id\":\"req_9\",\
             \"trace\":\"4bf92f3577b34da6a3ce929d0e0e4736\"}\n"
        );
    }

    #[test]
    fn what_is_too_long_is_cut() {
        let path = [&b"/"[..], &[b'x'; 5000]].concat();
        let line = line(&of_agent(&[b'h'; 5000], &path, &[b'a'; 5000]), LogFormat::Text);
        assert!(line.contains("xxx... HTTP/1.1") && line.len() < 2000, "{line}");
        assert!(line.contains(&format!(" agent={}... server_id=", "a".repeat(256))), "{line}");
    }

    #[test]
    fn neither_a_query_nor_credentials_in_a_host_are_kept() {
        for target in [&b"/x?s3cr3t"[..], b"?s3cr3t", b"/x#s3cr3t", b"/x?a#s3cr3t"] {
            let entry = entry(b"user:s3cr3t@host", target);
            assert!(!format!("{entry:?}").contains("s3cr3t"), "{entry:?}");
            assert!(!line(&entry, LogFormat::Json).contains("s3cr3t"));
        }
    }

    proptest! {
        /// Whatever a client sends, a request is one line of printable ASCII with the same fields.
        #[test]
        fn a_request_is_one_line(
            host in prop::collection::vec(any::<u8>(), 0..300),
            path in prop::collection::vec(any::<u8>(), 0..1200),
            agent in prop::collection::vec(any::<u8>(), 1..300),
        ) {
            let path = [&b"/"[..], &path].concat();
            let entry = of_agent(&host, &path, &agent);
            let text = line(&entry, LogFormat::Text);
            let is_plain = |line: &str| line.strip_suffix('\n').unwrap().bytes().all(|byte| (b' '..=b'~').contains(&byte));
            prop_assert!(is_plain(&text), "{:?}", text);
            let columns: Vec<_> = text.trim_end().split(' ').collect();
            prop_assert_eq!((columns[2], columns[4], columns[5]), ("GET", "HTTP/1.1", "200"));
            let pairs = if columns.iter().any(|column| column.starts_with("host=")) { 13 } else { 12 };
            prop_assert_eq!(columns.len(), 6 + pairs, "{}", text);
            let json = line(&entry, LogFormat::Json);
            prop_assert!(is_plain(&json), "{:?}", json);
            let json: Value = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(&json["status"], 200);
            prop_assert_eq!(json["path"].as_str(), Some(columns[3]));
        }
    }
}
