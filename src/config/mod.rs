//! What the operator wrote: the schema of `conf/proxy.yaml`, the checks on it, and every problem
//! with its file, line, key path and remedy.

#[cfg(feature = "edge")]
mod checks;
#[cfg(feature = "edge")]
mod difference;
mod discovery;
#[cfg(feature = "edge")]
mod files;
#[cfg(feature = "edge")]
mod keys;
#[cfg(feature = "edge")]
mod load;
mod problem;
#[cfg(feature = "edge")]
mod understood;
mod values;
mod yaml;

pub(crate) use self::values::public_url::split_port;
#[cfg(feature = "edge")]
#[doc(hidden)]
pub use self::{
    checks::fixed::Fixed,
    difference::{Difference, differences},
    files::{contents::Contents, life::CertificateLife, listener_tls::FileFault},
    keys::{
        admin::{Admin, AdminAddress, AdminHost, ReadinessPath},
        config::{EdgeKeys, TlsOptions},
        cors::Cors,
        dns::Dns,
        fleet::{Addresses, Balance, BreakerOptions, HashKey, HealthChecks, HealthyStatus, Policy, Retries, Server},
        limits::{ClientRate, Count, Limits, RateLimit, Size},
        listener::{CertificateFiles, ClientCertificates, ListenAddress, Listener, ListenerTls, Mode, TlsVersion},
        server_tls::{ServerName, ServerTls, TlsFiles},
        site::{AccessRule, Site, SiteLimits},
        stop::StopOptions,
        telemetry::{
            logs::{AccessLog, AccessLogTarget, LogFormat, LogOptions},
            tracing::{Endpoint, Headers, OtlpProtocol, Share, TraceTrust, Tracing},
        },
        timeouts::{HalfClose, PathTimeouts, Timeouts},
        verify::Verify,
    },
    load::{json_schema::json_schema, spots::Spot},
    values::{
        origin_pattern::{AllowedHeader, OriginPattern},
        path_prefix::{PathPrefix, below_bases},
        server_address::ServerAddress,
    },
    yaml::text::{MOST_BYTES, read},
};
#[cfg(feature = "edge")]
pub(crate) use self::{
    discovery::mcp_client::fields::{FIELDS, Field, Form, field},
    values::nearest::suggestion,
    yaml::text::read_text,
};
pub use self::{
    discovery::{
        keys::DiscoveryKeys,
        mcp_client::{AuthType, McpClient},
        options::Options,
        profile::{McpServerAuthMode, Profile},
    },
    problem::{KeyPath, Place, Problem, Problems, Step},
    values::{
        invalid::InvalidValue,
        network::Network,
        public_url::{PublicUrl, Scheme},
    },
};
#[doc(hidden)]
pub use self::{
    discovery::{
        keys::{DiscoveryOptions, UnknownHosts},
        mcp_client::McpClients,
    },
    values::site_name::SiteName,
};
#[cfg(feature = "edge")]
pub use self::{keys::config::Config, load::Loaded};
