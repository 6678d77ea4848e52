//! The programs that some tests need besides Rust, and what becomes of these tests where one is missing.

use std::{
    env,
    io::{self, Write},
    path::{Path, PathBuf},
    thread,
};

use super::interop;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// What `tests/interop/setup.sh` installs.
const INTEROP: [&str; 8] =
    ["python-v1", "python-v2", "node-v1", "node-v2", "rust-rmcp", "java", "tls-scanner", "packaging"];

/// Whether something is missing that a test needs. Then the test ends here, and says so on the terminal; with
/// `EVERY_TEST` in the environment, as in continuous integration, it fails instead.
///
/// A name is that of a program, of one of the clients in `tests/interop`, `root` for the rights to install, or `examples`
/// for what `cargo test` builds and `cargo test --test edge` does not.
pub fn lacks(needed: &[&str]) -> bool {
    let missing: Vec<_> = needed.iter().copied().filter(|name| !is_there(name)).collect();
    if missing.is_empty() {
        return false;
    }
    let test = thread::current().name().unwrap_or("a test").to_owned();
    let said = format!("skipped: {test} needs {} (`make test` installs what it needs)\n", missing.join(", "));
    assert!(env::var_os("EVERY_TEST").is_none_or(|value| value.is_empty()), "{said}");
    // Past the harness, which shows only what tests that failed have printed.
    io::stderr().write_all(said.as_bytes()).unwrap();
    true
}

fn is_there(name: &str) -> bool {
    match name {
        "root" => rustix::process::geteuid().is_root(),
        "examples" => example("edge_service").exists(),
        client if INTEROP.contains(&client) => interop::folder().join(format!("{client}.stamp")).exists(),
        program => path_of(program).is_some(),
    }
}

/// Where a program is: among those that were built or fetched for the tests, or where the system has it.
pub fn path_of(program: &str) -> Option<PathBuf> {
    let fetched = ["target/tools/bin", "target/promtool/usr/bin"].map(|folder| Path::new(ROOT).join(folder));
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = fetched.into_iter().chain(env::split_paths(&path));
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Where an example is: beside the tests' own program.
pub fn example(name: &str) -> PathBuf {
    let program = env::current_exe().unwrap();
    program.ancestors().nth(2).unwrap().join("examples").join(name)
}
