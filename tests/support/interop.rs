//! Programs of others in `tests/interop`, which `make test` installs.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use super::in_time::Printed;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop");

/// Where they are installed.
pub fn folder() -> PathBuf {
    env::var_os("INTEROP_ENV_DIR").map_or_else(|| Path::new(FOLDER).join(".env"), PathBuf::from)
}

/// The same, one of this name among them.
pub fn installed(name: &str) -> PathBuf {
    assert!(folder().join(format!("{name}.stamp")).exists(), "{name} is not installed: run `make test` first");
    folder()
}

/// What one prints that trusts this authority, or those of the system.
pub fn printed(name: &str, command: &mut Command, ca: Option<&Path>) -> String {
    for variable in ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"] {
        match ca {
            Some(ca) => command.env(variable, ca),
            None => command.env_remove(variable),
        };
    }
    let output = command.current_dir(FOLDER).printed().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{name}: {}{printed}", String::from_utf8_lossy(&output.stderr));
    printed
}
