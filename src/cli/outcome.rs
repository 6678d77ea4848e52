//! How a command begins and ends: with a configuration, and with an exit code.

use std::{io, path::Path, process::ExitCode};

use clap::ValueEnum;

use crate::config::Loaded;

/// How a result is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For a person
    #[default]
    Table,
    /// For a program
    Json,
}

/// The exit code of a command that has written to standard output.
pub(super) fn written(done: io::Result<()>, code: ExitCode) -> ExitCode {
    match done {
        Ok(()) => code,
        // The reader of a pipe has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => code,
        Err(error) => {
            eprintln!("cannot write to standard output: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The configuration; its problems are shown, and returned.
pub(super) fn load(file: &Path) -> Result<Loaded, String> {
    Loaded::from_file(file).map_err(|problems| {
        let problems = problems.to_string();
        eprintln!("{problems}");
        problems
    })
}
