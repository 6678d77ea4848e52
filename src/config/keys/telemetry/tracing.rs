//! The key `tracing`.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use crate::config::values::{invalid::InvalidValue, null::default_when_null};

/// Spans of requests, by OTLP to a collector of OpenTelemetry. What is left out is what the standard variables of the
/// environment say (`OTEL_EXPORTER_OTLP_ENDPOINT` and others), and their defaults.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Tracing {
    /// Where the collector listens: `http://` or `https://`, host and port. By HTTP, `/v1/traces` is added unless the
    /// path ends so. Default: `OTEL_EXPORTER_OTLP_ENDPOINT`, or port 4317 (gRPC) or 4318 (HTTP) of this machine.
    pub endpoint: Option<Endpoint>,
    /// How spans are sent. Default: `OTEL_EXPORTER_OTLP_PROTOCOL`, or `grpc`.
    pub protocol: Option<OtlpProtocol>,
    /// Sent with every export, for example `authorization: "${OTLP_AUTHORIZATION}"`. Never shown. Those of
    /// `OTEL_EXPORTER_OTLP_HEADERS` by other names are sent, too. Default: none.
    #[serde(deserialize_with = "default_when_null")]
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    pub headers: Headers,
    /// The share of the traces begun here that is recorded, 0 to 1; of a trace that came with a request, its flag
    /// decides. A reload takes it. Default: what `OTEL_TRACES_SAMPLER` says, or 1.
    pub sample: Option<Share>,
    /// What the edge says of itself, `service.name` for example. Default: `OTEL_SERVICE_NAME` and
    /// `OTEL_RESOURCE_ATTRIBUTES`, and `bridgehead` as the name.
    #[serde(deserialize_with = "default_when_null")]
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    pub resource: BTreeMap<String, String>,
    /// Whose `traceparent` is taken over. A reload takes it.
    pub trust: TraceTrust,
}

/// How spans are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[non_exhaustive]
pub enum OtlpProtocol {
    /// OTLP/gRPC.
    #[serde(rename = "grpc")]
    Grpc,
    /// OTLP/HTTP in protobuf.
    #[serde(rename = "http/protobuf")]
    Http,
}

/// Whose `traceparent` is taken over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TraceTrust {
    /// Anybody's.
    #[default]
    Anybody,
    /// That of `trusted_proxies` alone; for everybody else a trace is begun.
    TrustedProxies,
}

/// The URL of a collector.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("examples" = ["http://collector:4317"], "pattern" = "^https?://"))]
pub struct Endpoint(String);

/// A share, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "f64")]
#[schemars(extend("minimum" = 0, "maximum" = 1))]
pub struct Share(f64);

/// Header fields whose values are secret.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>")]
pub struct Headers(BTreeMap<String, String>);

impl Endpoint {
    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Endpoint {
    type Error = InvalidValue;

    /// The text is not repeated in what is wrong with it: it may hold a password.
    fn try_from(text: String) -> Result<Self, InvalidValue> {
        let uri: http::Uri =
            text.trim().parse().map_err(|_| InvalidValue::new("no URL; write for example http://collector:4317"))?;
        let authority = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
        match uri.scheme_str() {
            Some("http" | "https") if authority.contains('@') => {
                Err(InvalidValue::new("a user in a URL is not sent; write the header authorization in tracing.headers"))
            }
            Some("http" | "https") if uri.query().is_some() => {
                Err(InvalidValue::new("a query has no meaning; leave it out"))
            }
            Some("http" | "https") if !authority.is_empty() => Ok(Endpoint(text.trim().to_owned())),
            _ => Err(InvalidValue::new("no URL of http or https; write for example http://collector:4317")),
        }
    }
}

impl Share {
    /// The share.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Share {
    type Error = InvalidValue;

    fn try_from(share: f64) -> Result<Self, InvalidValue> {
        match share {
            0.0..=1.0 => Ok(Share(share)),
            _ => Err(InvalidValue::new(format!("{share} is no share; write a number from 0 (none) to 1 (all)"))),
        }
    }
}

impl Headers {
    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl TryFrom<BTreeMap<String, String>> for Headers {
    type Error = InvalidValue;

    /// No value is repeated in what is wrong with it.
    fn try_from(headers: BTreeMap<String, String>) -> Result<Self, InvalidValue> {
        let headers: BTreeMap<_, _> =
            headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
        for (name, value) in &headers {
            if http::HeaderName::try_from(name).is_err() {
                return Err(InvalidValue::new("a name that no header can have; write letters, digits and -"));
            }
            if name.ends_with("-bin") {
                return Err(InvalidValue::new(format!("{name} would be binary in gRPC; write another name")));
            }
            if http::HeaderValue::try_from(value).map_or(true, |value| value.to_str().is_err()) {
                return Err(InvalidValue::new(format!("the value of {name} has a sign that no header can have")));
            }
        }
        Ok(Headers(headers))
    }
}

/// What stands for a value that is not shown.
const HIDDEN: &str = "(not shown)";

impl Serialize for Headers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.keys().map(|name| (name, HIDDEN)))
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
