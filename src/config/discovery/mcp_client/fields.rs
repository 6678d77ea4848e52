//! The fields of an MCP client that the edge knows, and what each of them holds: the one place that changes when
//! Bifrost's `MCPClientConfig` does. Here they are judged, `import` keeps what is no secret of them, and the JSON Schema
//! describes them. Source: that type from version 1.5.0 to 2.7.0, and the Helm chart's values of 2.1.50.

/// What a field holds. None of it decides about discovery, so none of it is demanded.
#[derive(Debug, Clone, Copy)]
pub enum Form {
    /// The name of one of a few values, of which Bifrost may have more than the edge knows.
    Word,
    /// Text that is no secret.
    Text,
    /// A list of such texts.
    Texts,
    /// Names of headers.
    HeaderNames,
    /// True or false.
    Flag,
    /// A number.
    Number,
    /// A duration as Go writes it, or a number.
    Duration,
    /// A number for each name.
    Prices,
    /// A URL that Bifrost connects to.
    Connection,
    /// Another URL.
    Url,
    /// A secret.
    Secret,
    /// A list of secrets.
    Secrets,
    /// A secret for each name.
    NamedSecrets,
    /// Environment variables.
    Variables,
    /// A command.
    Command,
    /// A document of a format of its own.
    Document,
    /// Fields of its own.
    Fields(&'static [Field]),
    /// Fields of its own for each name.
    NamedFields(&'static [Field]),
    /// What Bifrost says of itself.
    Status,
}

/// A field of an MCP client.
#[derive(Debug)]
pub struct Field {
    /// Its name in Bifrost's newest version.
    pub name: &'static str,
    /// What it holds.
    pub form: Form,
    /// What it is for.
    pub about: &'static str,
    /// Its other names.
    pub also: &'static [&'static str],
    /// Names that newer versions of Bifrost do not read.
    pub once: &'static [&'static str],
    /// Newer versions of Bifrost do not read it: what they have in its place.
    pub instead: Option<&'static str>,
}

impl Field {
    const fn new(name: &'static str, form: Form, about: &'static str) -> Self {
        Field { name, form, about, also: &[], once: &[], instead: None }
    }

    const fn also(self, also: &'static [&'static str]) -> Self {
        Field { also, ..self }
    }

    const fn once(self, once: &'static [&'static str]) -> Self {
        Field { once, ..self }
    }

    const fn instead(self, instead: &'static str) -> Self {
        Field { instead: Some(instead), ..self }
    }

    /// Whether it is called so.
    pub fn is_named(&self, name: &str) -> bool {
        self.name == name || self.also.contains(&name) || self.once.contains(&name)
    }
}

/// The fields of an entry, in the order in which `import` writes them.
pub const FIELDS: &[Field] = &[
    Field::new("name", Form::Text, "The name operators know it by; unique in the table."),
    Field::new("client_id", Form::Text, "Bifrost's identifier of the client.").once(&["id"]),
    Field::new("auth_type", Form::Word, AUTH_TYPE),
    Field::new("connection_type", Form::Word, "How Bifrost connects to it."),
    Field::new("connection_string", Form::Connection, "The URL for `http` and `sse`.").once(&["http_url"]),
    Field::new("stdio_config", Form::Fields(STDIO), "The command for `stdio`."),
    Field::new("openapi_config", Form::Fields(OPENAPI), "The API for `openapi`."),
    Field::new("tls_config", Form::Fields(TLS), "TLS towards the MCP server.").also(&["tls"]),
    Field::new("headers", Form::NamedSecrets, "Headers that Bifrost sends to it."),
    Field::new(
        "per_user_header_keys",
        Form::HeaderNames,
        "Names of the headers that each user supplies, for `per_user_headers`.",
    ),
    Field::new("allowed_extra_headers", Form::HeaderNames, "Names of request headers that callers may pass on."),
    Field::new("oauth_config_id", Form::Text, "Reference to a stored OAuth configuration."),
    Field::new("oauth_config", Form::Fields(OAUTH), "An OAuth configuration in place."),
    Field::new("token_exchange", Form::Fields(TOKEN_EXCHANGE), "Delegated token exchange, for `token_exchange`."),
    Field::new("client_credentials", Form::Fields(CLIENT_CREDENTIALS), "The client, for `client_credentials`."),
    Field::new("aws_sigv4", Form::Fields(AWS_SIGV4), "What requests are signed for, for `aws_sigv4`."),
    Field::new("per_user_discovery", Form::Flag, "Whether its tools are listed for each user."),
    Field::new("max_protocol_version", Form::Text, "The newest version of MCP that Bifrost speaks to it."),
    Field::new("tools_to_execute", Form::Texts, "Tools that may be executed: `[\"*\"]` all, `[]` none."),
    Field::new("tools_to_auto_execute", Form::Texts, "Tools that run without asking."),
    Field::new("tool_pricing", Form::Prices, "Cost of each tool's execution."),
    Field::new("tool_sync_interval", Form::Duration, "A Go duration, or nanoseconds."),
    Field::new("tool_execution_timeout", Form::Duration, "A Go duration, or seconds."),
    Field::new("is_ping_available", Form::Flag, "Whether Bifrost pings it. Bifrost's default: true."),
    Field::new("is_code_mode_client", Form::Flag, "Whether its tools are offered through code mode."),
    Field::new("needs_session_stickiness", Form::Flag, "Whether Bifrost keeps one connection for all callers."),
    Field::new("allow_by_default", Form::Flag, "Whether every virtual key may use it.")
        .also(&["allow_on_all_virtual_keys"]),
    Field::new("disabled", Form::Flag, DISABLED),
    Field::new("endpoint_slug", Form::Text, "The path segment under `/mcp/`."),
    Field::new("is_enabled", Form::Flag, "Whether it is switched on, in old files.").instead("disabled"),
    Field::new("tools_to_skip", Form::Texts, "Tools that may not be executed, in old files.")
        .instead("tools_to_execute"),
    Field::new("state", Form::Status, "Read-only in Bifrost's API: the connection's state."),
    Field::new("oauth_client_id", Form::Secret, READ_ONLY),
    Field::new("oauth_client_secret", Form::Secret, READ_ONLY),
    Field::new("oauth_authorize_url", Form::Url, READ_ONLY),
    Field::new("oauth_token_url", Form::Url, READ_ONLY),
    Field::new("oauth_registration_url", Form::Url, READ_ONLY),
    Field::new("oauth_scopes", Form::Texts, READ_ONLY),
    Field::new("oauth_resource", Form::Url, READ_ONLY),
];

const AUTH_TYPE: &str = "How Bifrost's users authenticate to it. The only field that decides about discovery. \
                         Bifrost's default: `headers`.";

const DISABLED: &str = "Whether it is switched off. A disabled `per_user_oauth` client still counts for discovery, as \
                        in Bifrost.";

const READ_ONLY: &str = "Read-only in Bifrost's API.";

const STDIO: &[Field] = &[
    Field::new("command", Form::Command, "The program."),
    Field::new("args", Form::Secrets, "Its arguments."),
    Field::new("envs", Form::Variables, "Its environment: `NAME`, or `NAME=value`."),
];

const OPENAPI: &[Field] = &[
    Field::new("spec", Form::Document, "The specification itself."),
    Field::new("spec_file", Form::Text, "The path of its file."),
    Field::new("spec_url", Form::Url, "Its URL."),
    Field::new("base_url", Form::Url, "The URL of the API."),
    Field::new("include_deprecated", Form::Flag, "Whether deprecated operations become tools."),
    Field::new("max_response_bytes", Form::Number, "The longest response of the API."),
    Field::new("security_credentials", Form::NamedFields(CREDENTIAL), "Credentials by the name of the scheme."),
];

const CREDENTIAL: &[Field] = &[
    Field::new("value", Form::Secret, "A key or a token."),
    Field::new("username", Form::Secret, "The user name for `basic`."),
    Field::new("password", Form::Secret, "The password for `basic`."),
];

const TLS: &[Field] = &[
    Field::new("insecure_skip_verify", Form::Flag, "Whether any certificate is taken."),
    Field::new("ca_cert_pem", Form::Secret, "The authorities, as PEM."),
];

const OAUTH: &[Field] = &[
    Field::new("client_id", Form::Secret, "The client."),
    Field::new("client_secret", Form::Secret, "Its secret."),
    Field::new("authorize_url", Form::Url, "The authorization endpoint."),
    Field::new("token_url", Form::Url, "The token endpoint."),
    Field::new("registration_url", Form::Url, "The registration endpoint."),
    Field::new("redirect_uri", Form::Url, "Where the browser comes back."),
    Field::new("server_url", Form::Url, "The server whose metadata is asked for."),
    Field::new("scopes", Form::Texts, "The scopes."),
    Field::new("resource", Form::Url, "The resource (RFC 8707)."),
    Field::new("use_client_metadata_document", Form::Flag, "Whether the client is a URL with its metadata."),
];

const TOKEN_EXCHANGE: &[Field] = &[
    Field::new("profile", Form::Word, "Which exchange it is."),
    Field::new("audience", Form::Text, "The audience."),
    Field::new("client_id", Form::Secret, "The client."),
    Field::new("client_secret", Form::Secret, "Its secret."),
    Field::new("use_idp_credentials", Form::Flag, "Whether the identity provider's client is used."),
    Field::new("scopes", Form::Texts, "The scopes."),
    Field::new("authorization_server_url", Form::Url, "The authorization server."),
];

const CLIENT_CREDENTIALS: &[Field] = &[
    Field::new("client_id", Form::Secret, "The client."),
    Field::new("client_secret", Form::Secret, "Its secret."),
    Field::new("token_url", Form::Url, "The token endpoint."),
    Field::new("scopes", Form::Texts, "The scopes."),
    Field::new("audience", Form::Text, "The audience."),
    Field::new("resource", Form::Url, "The resource (RFC 8707)."),
    Field::new("token_endpoint_auth_method", Form::Word, "How the client authenticates (RFC 7591 section 2)."),
];

const AWS_SIGV4: &[Field] = &[
    Field::new("region", Form::Text, "The region."),
    Field::new("service", Form::Text, "The service."),
    Field::new("role_arn", Form::Text, "The role that is assumed."),
    Field::new("external_id", Form::Secret, "The external identifier for it."),
    Field::new("session_name", Form::Text, "The name of the session."),
];

/// The values of `connection_type`. `websocket` is in the Helm chart alone.
pub(super) const CONNECTION_TYPES: [&str; 6] = ["http", "sse", "stdio", "inprocess", "openapi", "websocket"];

/// The field of this name.
pub fn field(fields: &'static [Field], name: &str) -> Option<&'static Field> {
    fields.iter().find(|field| field.is_named(name))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn is_one_field_a_name(fields: &'static [Field]) {
        let mut seen = HashSet::new();
        for Field { name, also, once, form, about, .. } in fields {
            for name in [name].into_iter().chain(*also).chain(*once) {
                assert!(seen.insert(name), "{name}");
            }
            assert!(about.ends_with('.'), "{name}");
            if let Form::Fields(below) | Form::NamedFields(below) = form {
                is_one_field_a_name(below);
            }
        }
    }

    #[test]
    fn a_name_is_that_of_one_field() {
        is_one_field_a_name(FIELDS);
    }
}
