//! The keys `access_log` and `log`.

use std::{fmt, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use crate::config::values::{invalid::InvalidValue, null};

/// One line for each request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AccessLog {
    /// The form of a line.
    pub format: LogFormat,
    /// Where the lines go.
    #[serde(deserialize_with = "null::of_text")]
    pub to: AccessLogTarget,
}

/// The program's own log, on standard error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct LogOptions {
    /// The form of a record.
    pub format: LogFormat,
}

/// The form of a line of a log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// A JSON object.
    Json,
}

/// Where the access log goes.
#[derive(Debug, Clone, Default, PartialEq, Eq, JsonSchema)]
#[schemars(with = "String", extend("pattern" = r"^(?!\s*(stderr\s*)?$)", "examples" = ["stdout", "/var/log/bridgehead/access.log"]))]
#[non_exhaustive]
pub enum AccessLogTarget {
    /// To standard output, written `stdout`.
    #[default]
    Stdout,
    /// To the end of a file, which is created if it is not there. A relative path starts at the folder of the
    /// configuration.
    File(PathBuf),
}

impl Serialize for AccessLogTarget {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            AccessLogTarget::Stdout => "stdout".serialize(serializer),
            AccessLogTarget::File(file) => file.serialize(serializer),
        }
    }
}

impl LogFormat {
    /// The name as it is written in the file.
    pub fn name(self) -> &'static str {
        match self {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        }
    }
}

impl TryFrom<String> for AccessLogTarget {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        match text.trim() {
            "" => Err(InvalidValue::new("empty; write stdout, or the path of a file")),
            "stdout" => Ok(AccessLogTarget::Stdout),
            "stderr" => {
                Err(InvalidValue::new("standard error is the program's own log; write stdout, or the path of a file"))
            }
            _ => Ok(AccessLogTarget::File(text.into())),
        }
    }
}

impl fmt::Display for AccessLogTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AccessLogTarget::Stdout => f.write_str("standard output"),
            AccessLogTarget::File(file) => write!(f, "{}", file.display()),
        }
    }
}
