//! The fields of an MCP client, and what each may hold: the one place that decides what is imported.

use serde_yaml::Value;

use super::{duration::nanoseconds, secrets};

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub(in crate::import) enum Kind {
    /// The name of one of a few values.
    Word,
    /// Text that is no secret.
    Text,
    /// A list of such texts.
    Texts,
    /// Names of headers.
    HeaderNames,
    /// True or false.
    Flag,
    /// A duration, as text or a number.
    Duration,
    /// A number for each name.
    Prices,
    /// A URL that Bifrost connects to, and that an entry needs.
    Connection,
    /// Another URL.
    Url,
    /// A secret: only a reference is kept.
    Secret,
    /// A list of secrets.
    Secrets,
    /// A secret for each name.
    NamedSecrets,
    /// Environment variables: their names are kept.
    Variables,
    /// A command: its program is kept.
    Command,
    /// Fields of its own.
    Fields(&'static [Field]),
    /// What Bifrost says of itself. Not imported, and not missed.
    Status,
}

/// A field of an MCP client.
pub(in crate::import) type Field = (&'static str, Kind);

/// Of an entry, in the order in which they are written.
pub(in crate::import) const FIELDS: &[Field] = &[
    ("name", Kind::Text),
    ("client_id", Kind::Text),
    ("auth_type", Kind::Word),
    ("connection_type", Kind::Word),
    ("connection_string", Kind::Connection),
    ("stdio_config", Kind::Fields(STDIO)),
    ("tls_config", Kind::Fields(TLS)),
    ("headers", Kind::NamedSecrets),
    ("per_user_header_keys", Kind::HeaderNames),
    ("allowed_extra_headers", Kind::HeaderNames),
    ("oauth_config_id", Kind::Text),
    ("oauth_config", Kind::Fields(OAUTH)),
    ("token_exchange", Kind::Fields(TOKEN_EXCHANGE)),
    ("tools_to_execute", Kind::Texts),
    ("tools_to_auto_execute", Kind::Texts),
    ("tool_pricing", Kind::Prices),
    ("tool_sync_interval", Kind::Duration),
    ("tool_execution_timeout", Kind::Duration),
    ("is_ping_available", Kind::Flag),
    ("is_code_mode_client", Kind::Flag),
    ("needs_session_stickiness", Kind::Flag),
    ("allow_on_all_virtual_keys", Kind::Flag),
    ("disabled", Kind::Flag),
    ("slug", Kind::Text),
    ("state", Kind::Status),
    ("oauth_client_id", Kind::Secret),
    ("oauth_client_secret", Kind::Secret),
    ("oauth_authorize_url", Kind::Url),
    ("oauth_token_url", Kind::Url),
    ("oauth_registration_url", Kind::Url),
    ("oauth_scopes", Kind::Texts),
    ("oauth_resource", Kind::Url),
];

const STDIO: &[Field] = &[("command", Kind::Command), ("args", Kind::Secrets), ("envs", Kind::Variables)];

const TLS: &[Field] = &[("insecure_skip_verify", Kind::Flag), ("ca_cert_pem", Kind::Secret)];

const OAUTH: &[Field] = &[
    ("client_id", Kind::Secret),
    ("client_secret", Kind::Secret),
    ("authorize_url", Kind::Url),
    ("token_url", Kind::Url),
    ("registration_url", Kind::Url),
    ("redirect_uri", Kind::Url),
    ("server_url", Kind::Url),
    ("scopes", Kind::Texts),
    ("resource", Kind::Url),
];

const TOKEN_EXCHANGE: &[Field] = &[
    ("audience", Kind::Text),
    ("client_id", Kind::Secret),
    ("client_secret", Kind::Secret),
    ("use_idp_credentials", Kind::Flag),
    ("scopes", Kind::Texts),
    ("authorization_server_url", Kind::Url),
];

/// In place of a connection string of which nothing can be kept: an entry needs one.
pub(in crate::import) const PLACEHOLDER: &str = "(dropped by import)";

/// The field of this name. Bifrost calls `tls_config` also `tls`.
pub(in crate::import) fn field(fields: &'static [Field], name: &str) -> Option<Field> {
    let name = if name == "tls" { "tls_config" } else { name };
    fields.iter().find(|(known, _)| *known == name).copied()
}

/// What is left of a value.
pub(in crate::import) enum Kept {
    /// It is there as it was.
    Whole(Value),
    /// A part of it was left out.
    Part(Value),
    /// It may hold a secret, and nothing of it is there.
    Nothing,
    /// There was nothing in it.
    Empty,
}

impl Kind {
    /// What is left of one value of this kind that is no list and has no fields of its own.
    ///
    /// # Errors
    /// What it should be.
    pub fn keep(self, value: &Value) -> Result<Kept, &'static str> {
        match (self, value) {
            (_, Value::Null) => Ok(Kept::Empty),
            (Kind::Flag, Value::Bool(_)) | (Kind::Duration | Kind::Prices, Value::Number(_)) => {
                Ok(Kept::Whole(value.clone()))
            }
            (Kind::Flag, _) => Err("is neither true nor false"),
            (Kind::Prices, _) => Err("is not a number for each tool"),
            (_, Value::Mapping(object)) if self.may_be_object() => {
                let member = |name: &str| object.get(name).and_then(Value::as_str).map(str::trim).unwrap_or_default();
                let (variable, literal) = (member("env_var"), member("value"));
                // Another kind of reference, or anything else. A type says nothing.
                let is_other = || {
                    object.iter().any(|(name, value)| {
                        name.as_str() != Some("type") && !matches!(value, Value::Bool(_)) && !is_nothing(value)
                    })
                };
                match (member("ref"), variable) {
                    ("", "") if literal.is_empty() && is_other() => Ok(self.dropped()),
                    ("", "") => self.keep(&Value::from(literal)),
                    ("", name) if name.starts_with("env.") => self.keep(&Value::from(name)),
                    ("", name) => self.keep(&Value::from(format!("env.{name}"))),
                    (reference, _) if secrets::reference(reference).is_some() => self.keep(&Value::from(reference)),
                    _ => Ok(self.dropped()),
                }
            }
            // A name that looks like a number in YAML.
            (Kind::Text, Value::Number(number)) => Ok(Kept::Whole(number.to_string().into())),
            (_, Value::String(text)) if text.trim().is_empty() => Ok(Kept::Empty),
            (_, Value::String(text)) => self.keep_text(text),
            _ => Err("is not text"),
        }
    }

    /// Whether Bifrost's API shows it as an object: `value`, and `env_var` or, from 1.6 on, `ref` and `type`.
    fn may_be_object(self) -> bool {
        matches!(self, Kind::Connection | Kind::Secret | Kind::Secrets | Kind::NamedSecrets | Kind::Variables)
    }

    /// What is left of a value that is nothing but a secret.
    fn dropped(self) -> Kept {
        if matches!(self, Kind::Connection) { Kept::Part(PLACEHOLDER.into()) } else { Kept::Nothing }
    }

    fn keep_text(self, text: &str) -> Result<Kept, &'static str> {
        let whole = || Kept::Whole(text.into());
        let if_open = |is_open: bool| if is_open { whole() } else { Kept::Nothing };
        if self.may_be_object()
            && let Some(reference) = secrets::reference(text)
        {
            return Ok(Kept::Whole(reference.into()));
        }
        Ok(match self {
            Kind::Word
                if !secrets::is_known_secret(text)
                    && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') =>
            {
                whole()
            }
            Kind::Word => return Err("is none of the values that it can have"),
            Kind::Text | Kind::Texts => if_open(secrets::is_open_text(text)),
            Kind::Duration => if_open(nanoseconds(text).is_some()),
            Kind::HeaderNames => if_open(secrets::is_header_name(text)),
            Kind::Url => if_open(secrets::reference(text).is_some() || secrets::is_open_url(text)),
            Kind::Connection if secrets::is_open_url(text) || text == PLACEHOLDER => whole(),
            Kind::Connection => Kept::Part(secrets::open_part(text).unwrap_or(PLACEHOLDER.to_owned()).into()),
            Kind::Command => match secrets::program_in(text) {
                Some(program) if program == text => whole(),
                Some(program) => Kept::Part(program.into()),
                None => Kept::Part(PLACEHOLDER.into()),
            },
            Kind::Variables => match secrets::variable_in(text) {
                Some(name) if name == text => whole(),
                Some(name) => Kept::Part(name.into()),
                None => Kept::Nothing,
            },
            Kind::Secret | Kind::Secrets | Kind::NamedSecrets => Kept::Nothing,
            Kind::Flag | Kind::Prices | Kind::Fields(_) | Kind::Status => return Err("is not what it should be"),
        })
    }
}

/// What nobody misses.
pub(in crate::import) fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Sequence(list) => list.is_empty(),
        Value::Mapping(mapping) => mapping.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::Loaded;

    /// The keys that the schema knows under a key of an entry, as its own message lists them.
    fn known(entry: &str) -> BTreeSet<String> {
        let text = format!(
            "listeners: [{{address: \"127.0.0.1:1\"}}]\nservers: []\nmcp_clients: [{{name: a, connection_type: \
             inprocess, {entry}}}]\n"
        );
        let problems = Loaded::from_text("f.yaml".as_ref(), &text).unwrap_err().to_string();
        let (_, list) = problems.split_once("known here: ").unwrap();
        let list = list.lines().next().unwrap().split(", ");
        list.filter(|key| *key != "tls").map(str::to_owned).collect()
    }

    fn names(fields: &[Field]) -> BTreeSet<String> {
        fields.iter().map(|(name, _)| (*name).to_owned()).collect()
    }

    #[test]
    fn every_field_of_the_schema_is_decided_about() {
        let unknown = "zzzzzzzzzzzzzzzzzzzz: 1";
        assert_eq!(names(FIELDS), known(unknown));
        for (name, kind) in FIELDS {
            if let Kind::Fields(fields) = kind {
                let needed = if *name == "stdio_config" { "command: x, " } else { "" };
                assert_eq!(names(fields), known(&format!("{name}: {{{needed}{unknown}}}")), "{name}");
            }
        }
    }
}
