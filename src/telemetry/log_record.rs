//! The form of a record of the program's log where no person reads it from a terminal: one line.

use std::{
    fmt::Display,
    io::{self, Write},
    time::SystemTime,
};

use log::Level;
use serde::Serialize;

use crate::config::LogFormat;

/// How records are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    pub format: LogFormat,
    /// With the priority before each, which the journal takes off.
    pub is_journal: bool,
}

#[derive(Serialize)]
struct Json<'a> {
    time: String,
    level: &'static str,
    target: &'a str,
    message: String,
}

impl Form {
    /// Writes a record.
    ///
    /// # Errors
    /// Those of what it is written to.
    pub fn write(
        self,
        level: Level,
        target: &str,
        time: SystemTime,
        message: &impl Display,
        to: &mut impl Write,
    ) -> io::Result<()> {
        if self.is_journal {
            write!(to, "<{}>", priority(level))?;
        }
        match self.format {
            LogFormat::Text => {
                let (time, message) = (humantime::format_rfc3339_seconds(time), message.to_string());
                writeln!(to, "[{time} {level:<5}] {}", message.replace('\n', "; "))
            }
            LogFormat::Json => {
                let time = humantime::format_rfc3339_millis(time).to_string();
                let record = Json { time, level: name(level), target, message: message.to_string() };
                serde_json::to_writer(&mut *to, &record)?;
                writeln!(to)
            }
        }
    }
}

/// The priority as syslog has it (RFC 5424 section 6.2.1).
fn priority(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

fn name(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(form: Form, level: Level, message: &str) -> String {
        let mut line = Vec::new();
        form.write(level, "bridgehead::state", SystemTime::UNIX_EPOCH, &message, &mut line).unwrap();
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn a_record_is_one_line_whatever_its_message() {
        let text = Form { format: LogFormat::Text, is_journal: false };
        assert_eq!(written(text, Level::Warn, "a\nb"), "[1970-01-01T00:00:00Z WARN ] a; b\n");
        let json = Form { format: LogFormat::Json, is_journal: false };
        let expected =
            r#"{"time":"1970-01-01T00:00:00.000Z","level":"error","target":"bridgehead::state","message":"a\n\"b\""}"#;
        assert_eq!(written(json, Level::Error, "a\n\"b\""), format!("{expected}\n"));
    }

    #[test]
    fn the_journal_reads_a_priority_before_it() {
        for (level, priority) in
            [(Level::Error, "<3>"), (Level::Warn, "<4>"), (Level::Info, "<6>"), (Level::Debug, "<7>")]
        {
            for format in [LogFormat::Text, LogFormat::Json] {
                assert!(written(Form { format, is_journal: true }, level, "x").starts_with(priority));
            }
        }
    }
}
