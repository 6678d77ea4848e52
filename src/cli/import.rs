//! The command `import`.
use clap::Args;
use std::process::ExitCode;
#[derive(Debug, Clone, Args)]
pub(super) struct Arguments {
    source: String,
}
pub(super) fn run(_arguments: &Arguments) -> ExitCode {
    ExitCode::FAILURE
}
