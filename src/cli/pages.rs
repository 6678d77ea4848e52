//! What packages hold besides the program, made of its own command line: manual pages, and what shells complete.

use std::{
    fs,
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use clap::{Command, CommandFactory};
use clap_complete::Shell;

use super::outcome::written;

/// Prints what a shell completes the program's command line with.
pub(super) fn completions(shell: Shell) -> ExitCode {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut super::Arguments::command(), "bridgehead", &mut text);
    written(io::stdout().write_all(&text), ExitCode::SUCCESS)
}

/// Writes the manual pages of the program and of each of its commands into a folder, which is made.
pub(super) fn manual(folder: &Path) -> ExitCode {
    match write_manual(folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: the manual cannot be written: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}

fn write_manual(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    // Built, commands know the options that all have, and what they are called after the program's name.
    let mut program = super::Arguments::command().disable_help_subcommand(true);
    program.build();
    write_page(&program, folder)?;
    program
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .try_for_each(|command| write_page(command, folder))
}

fn write_page(command: &Command, folder: &Path) -> io::Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let mut page = Vec::new();
    let source = concat!("bridgehead ", env!("CARGO_PKG_VERSION"));
    clap_mangen::Man::new(command.clone()).title(name.to_uppercase()).source(source).render(&mut page)?;
    fs::write(folder.join(format!("{name}.1")), page)
}
