//! What the operator wrote: the schema of `conf/proxy.yaml`, the checks on it, and every problem
//! with its file, line, key path and remedy.
//!
//! ```
//! let config = bridgehead::config::Loaded::from_text(
//!     "conf/proxy.yaml".as_ref(),
//!     "listeners: [{address: \"127.0.0.1:8000\"}]\nservers: [{adress: \"127.0.0.1:8080\"}]\n",
//! );
//! let problems = config.unwrap_err().to_string();
//! assert!(problems.contains("conf/proxy.yaml:2: servers[0].adress: unknown key; did you mean \"address\"?"));
//! ```

mod checks;
mod difference;
mod files;
mod keys;
mod load;
mod problem;
mod understood;
mod values;

pub use self::{
    checks::fixed::Fixed,
    difference::{Difference, differences},
    files::{contents::Contents, life::CertificateLife, listener_tls::FileFault},
    keys::{
        admin::{Admin, AdminAddress, AdminHost, ReadinessPath},
        config::{Config, EdgeKeys, TlsOptions},
        cors::Cors,
        dns::Dns,
        fleet::{Addresses, Balance, BreakerOptions, HashKey, HealthChecks, HealthyStatus, Policy, Retries, Server},
        limits::{ClientRate, Count, Limits, RateLimit, Size},
        listener::{CertificateFiles, ClientCertificates, ListenAddress, Listener, ListenerTls, Mode, TlsVersion},
        logs::{AccessLog, AccessLogTarget, LogFormat, LogOptions},
        mcp_client::{AuthType, McpClient, McpClients},
        profile::{McpServerAuthMode, Profile},
        server_tls::{ServerName, ServerTls, TlsFiles},
        site::{AccessRule, DiscoveryOptions, Site, SiteLimits, UnknownHosts},
        stop::StopOptions,
        timeouts::{HalfClose, PathTimeouts, Timeouts},
        verify::Verify,
    },
    load::{
        Loaded,
        json_schema::json_schema,
        spots::Spot,
        text::{MOST_BYTES, read},
    },
    problem::{KeyPath, Place, Problem, Problems, Step},
    values::{
        network::Network,
        origin_pattern::{AllowedHeader, OriginPattern},
        path_prefix::{PathPrefix, below_bases},
        public_url::{PublicUrl, Scheme},
        server_address::ServerAddress,
        site_name::SiteName,
    },
};
pub(crate) use self::{
    keys::mcp_client::fields::{FIELDS, Field, Form, field},
    load::text::read_text,
    values::{nearest::suggestion, public_url::split_port},
};
