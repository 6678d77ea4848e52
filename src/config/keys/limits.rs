//! What the edge takes from clients.

use std::{fmt, time::Duration};

use bytesize::ByteSize;
use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, Unexpected, Visitor, value::MapAccessDeserializer},
};

use crate::config::values::{
    invalid::InvalidValue,
    patterns::{self, Wait},
    text::parsed_from_text,
};

/// What the edge takes from clients, and how long it waits for them.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Limits {
    /// Open connections on all listeners together. Default 10,000. What is above is closed at once, and
    /// idle connections are closed early when it is near.
    pub connections: Count,
    /// Open connections of one client address, or of one IPv6 network of 64 bits. Default 1,000. Trusted
    /// proxies may open any number.
    pub connections_per_client: Count,
    /// Requests at a time, WebSockets and streams included, discovery aside; what is above is answered 503. Default:
    /// three eighths of the files that the process may have open, of which each takes one.
    pub requests_in_flight: Option<Count>,
    /// The same of one client address, or of one IPv6 network of 64 bits. Default 1,000, or half of
    /// `requests_in_flight` where that is less. Trusted proxies that do not say who asks may have any number.
    pub requests_in_flight_per_client: Option<Count>,
    /// The head of a request, in bytes. Default 64 KiB, at most 512 KiB.
    #[schemars(extend("allOf" = [{
        "minimum": 1024, "maximum": Limits::LARGEST_HEAD, "pattern": patterns::head_size()
    }]))]
    pub head: Size,
    /// The headers of a request. Default 100, at most 256. All `cookie` fields of HTTP/2 count as one.
    #[schemars(range(min = 1, max = Limits::MOST_HEADERS))]
    pub headers: usize,
    /// From the first byte of a request to the last one of its head; and for all that comes before the first
    /// request: the header of the PROXY protocol and the TLS handshake. Default 10 s.
    #[serde(with = "crate::config::values::wait")]
    #[schemars(with = "Wait")]
    pub head_time: Duration,
    /// How long a connection is kept without a request on it. Default 75 s: a little more than the minute that
    /// load balancers keep theirs, so that the edge is not the first to close.
    #[serde(with = "crate::config::values::wait")]
    #[schemars(with = "Wait")]
    pub idle: Duration,
    /// Requests on one connection, which then is closed in good order. Default 10,000.
    pub requests_per_connection: Count,
    /// Requests at a time on one connection of HTTP/2. Default 100.
    #[schemars(range(min = 1, max = 10_000))]
    pub http2_streams: u32,
    /// Streams that one connection of HTTP/2 may have reset within a minute, by the client before their response has
    /// begun, or because of its mistakes, malformed requests among them. Default 200. Above that it gets no more
    /// streams, and those there are go on to their end. Trusted proxies may have any number.
    pub http2_resets: Count,
    /// Bytes of request bodies that all connections of HTTP/2 together may have taken and not passed on. Default
    /// 256 MiB. A request is counted with what it may still send before it is read, at most 256 KiB; one too many is
    /// refused so that its client may send it again (`REFUSED_STREAM`, RFC 9113 section 8.7).
    pub http2_uploads: Size,
    /// The largest body of a request. Default 100 MiB, as in Bifrost.
    pub request_body: Size,
    /// Bytes a second that a body must bring on average, after its first 20 s. Default 500.
    pub body_rate: Size,
    /// How long a client may be silent within a body, or read nothing of what there is for it. Default 60 s.
    #[serde(with = "crate::config::values::wait")]
    #[schemars(with = "Wait")]
    pub client_silence: Duration,
    /// Requests of one client address, or of one IPv6 network of 64 bits, discovery aside. Default 1,000 a
    /// second, and 2,000 at once.
    pub requests: ClientRate,
    /// The same for a `POST` to the token or the registration endpoint, and for the steps of a login at the Claude Code
    /// gateway. Default 100 a second, and 400 at once: the users of a hosted client, or of one office, come from few
    /// addresses, and each Claude Code that waits for its user asks every 5 s.
    pub logins: ClientRate,
}

/// A number, or `unlimited`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend(
    "type" = ["integer", "string"], "minimum" = 1, "maximum" = u64::MAX, "pattern" = patterns::COUNT,
    "examples" = [1000, "unlimited"]
))]
pub struct Count(Option<usize>);

/// A number of bytes such as `100MiB`, or `unlimited`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend(
    "type" = ["integer", "string"], "minimum" = 1, "maximum" = u64::MAX, "pattern" = patterns::SIZE,
    "examples" = ["100MiB", "unlimited"]
))]
pub struct Size(Option<u64>);

/// How often.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// On average; above 0, a fraction is fine.
    #[schemars(range(min = 0.001, max = 1e9))]
    pub per_second: f64,
    /// So many at once; at least 1.
    #[schemars(range(min = 1))]
    pub burst: u32,
}

/// How often, or `unlimited`.
#[derive(Debug, Clone, Copy, PartialEq, JsonSchema)]
#[schemars(with = "RateOrUnlimited")]
pub struct ClientRate(pub Option<RateLimit>);

/// The two forms of a [`ClientRate`], for the schema alone.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[allow(dead_code, reason = "only its schema is used")]
enum RateOrUnlimited {
    Rate(RateLimit),
    Unlimited(Unlimited),
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case", inline)]
#[allow(dead_code, reason = "only its schema is used")]
enum Unlimited {
    Unlimited,
}

// === impl ===

impl Limits {
    /// Pingora takes no more headers.
    pub(in crate::config) const MOST_HEADERS: usize = 256;
    /// Pingora takes no larger head than 1 MiB.
    pub(in crate::config) const LARGEST_HEAD: usize = 512 * 1024;
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: Count(Some(10_000)),
            connections_per_client: Count(Some(1_000)),
            requests_in_flight: None,
            requests_in_flight_per_client: None,
            head: Size(Some(ByteSize::kib(64).as_u64())),
            headers: 100,
            head_time: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            requests_per_connection: Count(Some(10_000)),
            http2_streams: 100,
            http2_resets: Count(Some(200)),
            http2_uploads: Size(Some(ByteSize::mib(256).as_u64())),
            request_body: Size(Some(ByteSize::mib(100).as_u64())),
            body_rate: Size(Some(500)),
            client_silence: Duration::from_mins(1),
            requests: ClientRate(Some(RateLimit { per_second: 1_000.0, burst: 2_000 })),
            logins: ClientRate(Some(RateLimit { per_second: 100.0, burst: 400 })),
        }
    }
}

impl<'de> Deserialize<'de> for ClientRate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Rate;

        impl<'de> Visitor<'de> for Rate {
            type Value = ClientRate;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("{per_second: 100, burst: 200}, or \"unlimited\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<ClientRate, E> {
                if text == "unlimited" {
                    Ok(ClientRate(None))
                } else {
                    Err(E::invalid_value(Unexpected::Str(text), &self))
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ClientRate, A::Error> {
                RateLimit::deserialize(MapAccessDeserializer::new(map)).map(Some).map(ClientRate)
            }
        }

        deserializer.deserialize_any(Rate)
    }
}

impl Size {
    /// The bytes; `None` when it is unlimited.
    pub fn limit(self) -> Option<u64> {
        self.0
    }

    /// As a number, which nothing reaches when it is unlimited.
    pub fn most(self) -> usize {
        self.0.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX))
    }
}

impl Count {
    /// The number; `None` when it is unlimited.
    pub fn limit(self) -> Option<usize> {
        self.0
    }

    /// As a number, which nothing reaches when it is unlimited.
    pub fn most(self) -> usize {
        self.0.unwrap_or(usize::MAX)
    }
}

impl TryFrom<String> for Count {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        if text == "unlimited" {
            return Ok(Count(None));
        }
        match text.parse() {
            Ok(count) if count > 0 => Ok(Count(Some(count))),
            _ => {
                let how = "write for example 1000, or \"unlimited\"";
                Err(InvalidValue::new(format!("{text:?} is no whole number above 0; {how}")))
            }
        }
    }
}

impl TryFrom<String> for Size {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        if text == "unlimited" {
            return Ok(Size(None));
        }
        if text.trim_start_matches(|sign: char| sign.is_ascii_digit() || " .".contains(sign)).len() == 1
            && let Some(unit) = text.chars().last().filter(|unit| "kKmMgGtTpPeE".contains(*unit))
        {
            let unit = unit.to_ascii_uppercase();
            return Err(InvalidValue::new(format!(
                "{text:?} could be decimal or binary; write for example \"5{unit}iB\" (1 KiB is 1024 bytes), or \
                 \"5{unit}B\" (1 KB is 1000)"
            )));
        }
        match text.parse::<ByteSize>() {
            Ok(size) if size.as_u64() > 0 => Ok(Size(Some(size.as_u64()))),
            parsed => {
                let what = if parsed.is_ok() { "less than a byte" } else { "no size" };
                let how = "write for example \"100MiB\", or \"unlimited\"";
                Err(InvalidValue::new(format!("{text:?} is {what}; {how}")))
            }
        }
    }
}

parsed_from_text!(Count, Size);

// === impl Serialize: the defaults, as the schema shows them ===

/// The text for no limit.
const UNLIMITED: &str = "unlimited";

impl Serialize for Count {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(count) => count.serialize(serializer),
            None => UNLIMITED.serialize(serializer),
        }
    }
}

impl Serialize for Size {
    /// In the largest unit of which it is a whole number.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(bytes) = self.0 else { return UNLIMITED.serialize(serializer) };
        let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"), (1, "B")];
        let (unit, name) = units.into_iter().find(|(unit, _)| bytes % unit == 0).unwrap_or((1, "B"));
        serializer.collect_str(&format_args!("{}{name}", bytes / unit))
    }
}

impl Serialize for ClientRate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(rate) => rate.serialize(serializer),
            None => UNLIMITED.serialize(serializer),
        }
    }
}
