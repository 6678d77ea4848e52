//! The way to a collector: what the configuration says of it, or else the environment, and the exporter made of that.

use std::{collections::BTreeMap, fmt, time::Duration};

use http::{HeaderName, HeaderValue, Request, Response, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use opentelemetry::KeyValue;
use opentelemetry_http::{Bytes, HttpClient, HttpError, hyper::HyperClient};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig, WithTonicConfig};
use opentelemetry_sdk::{Resource, trace::SpanExporter as _};
use rustls::{ClientConfig, RootCertStore};
use tonic::{
    Request as GrpcRequest, Status,
    metadata::{MetadataKey, MetadataValue},
    transport::Endpoint,
};

use super::environment::variable;
use crate::config::{self, OtlpProtocol};

/// How long an export may take, unless `OTEL_EXPORTER_OTLP_TIMEOUT` says otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Where spans go.
pub(super) struct Collector {
    protocol: OtlpProtocol,
    endpoint: Uri,
    headers: BTreeMap<String, String>,
    timeout: Duration,
    resource: Resource,
}

/// Why there is no way to a collector.
#[derive(Debug, thiserror::Error)]
pub enum TracingError {
    /// A variable of the environment has a value that is no use.
    #[error("{name}: {fault}")]
    Variable {
        /// Its name.
        name: &'static str,
        /// What is wrong, and how to mend it.
        fault: &'static str,
    },
    /// The crates of OpenTelemetry refuse.
    #[error("tracing: the exporter cannot be made: {0}")]
    Exporter(String),
    /// There is no thread to be had.
    #[error("tracing: no thread for the spans: {0}")]
    Thread(std::io::Error),
}

impl Collector {
    /// Takes what the configuration says, and what it leaves out from the environment.
    pub fn of(config: &config::Tracing) -> Result<Self, TracingError> {
        let protocol = match config.protocol {
            Some(protocol) => protocol,
            None => protocol_of_environment()?,
        };
        let timeout = variable(&["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"]);
        let timeout = match timeout.map(|timeout| timeout.parse()) {
            None => TIMEOUT,
            Some(Ok(milliseconds @ 1..)) => Duration::from_millis(milliseconds),
            Some(_) => {
                let fault = "no number of milliseconds; write for example 10000, or leave it out";
                return Err(TracingError::Variable { name: "OTEL_EXPORTER_OTLP_TIMEOUT", fault });
            }
        };
        Ok(Collector {
            protocol,
            endpoint: endpoint(config, protocol)?,
            headers: config.headers.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            timeout,
            resource: resource(&config.resource),
        })
    }

    /// Makes the exporter. Within a Tokio runtime; nobody is connected to yet.
    pub fn exporter(self) -> Result<SpanExporter, TracingError> {
        let refused = |error: &dyn fmt::Display| TracingError::Exporter(error.to_string());
        let connector = connector(self.protocol)?;
        let mut exporter = match self.protocol {
            OtlpProtocol::Grpc => {
                let endpoint = Endpoint::from(self.endpoint).connect_timeout(CONNECT_TIMEOUT).timeout(self.timeout);
                SpanExporter::builder()
                    .with_tonic()
                    .with_channel(endpoint.connect_with_connector_lazy(connector))
                    .with_timeout(self.timeout)
                    .with_interceptor(metadata(&self.headers))
                    .build()
                    .map_err(|error| refused(&error))?
            }
            OtlpProtocol::Http => {
                let client = HyperClient::new(connector, self.timeout, None);
                SpanExporter::builder()
                    .with_http()
                    .with_http_client(Client { client, headers: fields(&self.headers) })
                    .with_protocol(Protocol::HttpBinary)
                    .with_timeout(self.timeout)
                    .with_endpoint(self.endpoint.to_string())
                    .build()
                    .map_err(|error| refused(&error))?
            }
        };
        exporter.set_resource(&self.resource);
        Ok(exporter)
    }

    /// Names it for the log.
    pub fn shown(&self) -> String {
        self.endpoint.to_string()
    }
}

fn protocol_of_environment() -> Result<OtlpProtocol, TracingError> {
    match variable(&["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"]).as_deref() {
        None | Some("grpc") => Ok(OtlpProtocol::Grpc),
        Some("http/protobuf") => Ok(OtlpProtocol::Http),
        Some(_) => Err(TracingError::Variable {
            name: "OTEL_EXPORTER_OTLP_PROTOCOL",
            fault: "no protocol that is spoken here; write grpc or http/protobuf, or the key tracing.protocol",
        }),
    }
}

/// The URL that spans are sent to. By HTTP, what is for all signals is what is in front of the path of this one (OTLP
/// specification, "Endpoint URLs for OTLP/HTTP").
fn endpoint(config: &config::Tracing, protocol: OtlpProtocol) -> Result<Uri, TracingError> {
    const PATH: &str = "/v1/traces";
    let default = if protocol == OtlpProtocol::Grpc { "http://localhost:4317" } else { "http://localhost:4318" };
    let written = config.endpoint.as_ref().map(|endpoint| endpoint.as_str().to_owned());
    let of_traces = || variable(&["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"]);
    let (url, is_whole) = match (written, of_traces()) {
        (Some(url), _) => (url, false),
        (None, Some(url)) => (url, true),
        (None, None) => (variable(&["OTEL_EXPORTER_OTLP_ENDPOINT"]).unwrap_or_else(|| default.into()), false),
    };
    let url = match protocol {
        OtlpProtocol::Http if !is_whole && !url.ends_with(PATH) => format!("{}{PATH}", url.trim_end_matches('/')),
        _ => url,
    };
    let checked = config::Endpoint::try_from(url).ok().and_then(|url| url.as_str().parse().ok());
    checked.ok_or(TracingError::Variable {
        name: "OTEL_EXPORTER_OTLP_ENDPOINT",
        fault: "no URL of http or https; write for example http://collector:4317, or the key tracing.endpoint",
    })
}

/// What the edge says of itself: the file first, then the environment.
fn resource(written: &BTreeMap<String, String>) -> Resource {
    let said = Resource::builder().build();
    let name = said.get(&"service.name".into()).map(|name| name.to_string());
    let is_said = name.is_some_and(|name| !name.starts_with("unknown_service"));
    let mut builder = Resource::builder();
    if said.get(&"service.version".into()).is_none() {
        builder = builder.with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    }
    if !is_said {
        builder = builder.with_service_name("bridgehead");
    }
    builder.with_attributes(written.iter().map(|(name, value)| KeyValue::new(name.clone(), value.clone()))).build()
}

/// Connects with the authorities that the system trusts, as `SSL_CERT_FILE` and `SSL_CERT_DIR` have them.
fn connector(
    protocol: OtlpProtocol,
) -> Result<HttpsConnector<hyper_util::client::legacy::connect::HttpConnector>, TracingError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let found = found.map_err(|error| TracingError::Exporter(format!("the system's authorities: {error}")))?;
    roots.add_parsable_certificates(found);
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let tls = tls.map_err(|error| TracingError::Exporter(error.to_string()))?;
    let tls = tls.with_root_certificates(roots).with_no_client_auth();
    let builder = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
    Ok(match protocol {
        OtlpProtocol::Grpc => builder.enable_http2().build(),
        OtlpProtocol::Http => builder.enable_http1().build(),
    })
}

/// The headers of the file, for HTTP. They were checked when it was read.
fn fields(headers: &BTreeMap<String, String>) -> Vec<(HeaderName, HeaderValue)> {
    let fields = headers.iter().filter_map(|(name, value)| {
        let mut value: HeaderValue = value.parse().ok()?;
        value.set_sensitive(true);
        Some((name.parse().ok()?, value))
    });
    fields.collect()
}

/// The same for gRPC: they take the place of those that the environment has by the same names.
fn metadata(
    headers: &BTreeMap<String, String>,
) -> impl FnMut(GrpcRequest<()>) -> Result<GrpcRequest<()>, Status> + Clone + Send + Sync + 'static {
    let pairs: Vec<(MetadataKey<_>, MetadataValue<_>)> =
        headers.iter().filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?))).collect();
    move |mut request| {
        for (name, value) in &pairs {
            request.metadata_mut().insert(name.clone(), value.clone());
        }
        Ok(request)
    }
}

/// Sends what the exporter hands over, with the headers of the file.
struct Client<C> {
    client: C,
    headers: Vec<(HeaderName, HeaderValue)>,
}

#[async_trait::async_trait]
impl<C: HttpClient> HttpClient for Client<C> {
    async fn send_bytes(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        for (name, value) in &self.headers {
            request.headers_mut().insert(name, value.clone());
        }
        self.client.send_bytes(request).await
    }
}

impl<C> fmt::Debug for Client<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}
