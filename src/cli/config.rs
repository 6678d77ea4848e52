//! The command `config`: the configuration as it is understood.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use serde_yaml::Value;

use super::outcome::{Format, load, written};
use crate::config::{Difference, Loaded, differences};

#[derive(Debug, Clone, Args)]
#[command(after_help = HELP)]
pub(super) struct Arguments {
    /// Compare it with another configuration, by meaning
    #[arg(long, value_name = "OTHER")]
    diff: Option<PathBuf>,

    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

const HELP: &str = "\
Prints the configuration with every default filled in and all files that it includes merged. What comes from the
environment is named, not shown. Of mcp_clients there is what the edge keeps of them: name and auth_type, which is all
that decides. Files have absolute paths. Loaded again, it is the same configuration.

With --diff, what the configuration of OTHER says differently: - is this one, + is OTHER. How it is written does not count.

Exit codes:
  0  done; with --diff: both say the same
  1  a configuration has problems; with --diff: they differ
  2  the command line is wrong";

pub(super) fn run(loaded: &Loaded, arguments: &Arguments) -> ExitCode {
    let Some(other) = &arguments.diff else {
        return written(print(loaded, arguments.format), ExitCode::SUCCESS);
    };
    let Ok(new) = load(other) else { return ExitCode::FAILURE };
    let found = differences(loaded, &new);
    let code = if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    written(print_differences(&loaded.file, other, &found, arguments.format), code)
}

fn print(loaded: &Loaded, format: Format) -> io::Result<()> {
    let understood = loaded.with_references();
    let mut out = io::stdout().lock();
    match format {
        Format::Table => {
            writeln!(out, "# {} as it is understood, with every default.", loaded.file.display())?;
            if !loaded.environment.is_empty() {
                writeln!(out, "# From the environment: {}", loaded.environment.join(", "))?;
            }
            if loaded.config.sites.iter().any(|site| !site.mcp_clients.is_empty()) {
                writeln!(out, "# Of mcp_clients only what decides is kept: name and auth_type.")?;
            }
            let text = serde_yaml::to_string(&understood).map_err(io::Error::other)?;
            out.write_all(text.as_bytes())?;
        }
        Format::Json => {
            serde_json::to_writer_pretty(&mut out, &understood)?;
            writeln!(out)?;
        }
    }
    out.flush()
}

fn print_differences(old: &Path, new: &Path, found: &[Difference], format: Format) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if format == Format::Json {
        serde_json::to_writer_pretty(&mut out, found)?;
        writeln!(out)?;
        return out.flush();
    }
    if !found.is_empty() {
        writeln!(out, "--- {}\n+++ {}", old.display(), new.display())?;
    }
    for Difference { key, old, new } in found {
        for (sign, value) in [('-', old), ('+', new)] {
            if let Some(value) = value {
                writeln!(out, "{sign} {key}: {}", shown(value))?;
            }
        }
    }
    out.flush()
}

/// A value on one line.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.replace(char::is_control, " "),
        value => serde_json::to_string(value).unwrap_or_default(),
    }
}
