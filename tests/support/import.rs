//! The command `import`.

use std::process::{Command, Output};

use super::{
    in_time::Printed,
    program::{bridgehead, without_credentials},
    tls_server::Folder,
};

/// The command, without credentials.
pub fn import(arguments: &[&str]) -> Command {
    let mut command = bridgehead();
    without_credentials(&mut command);
    command.arg("import").args(arguments);
    command
}

/// Its standard output, standard error and exit code. Whatever it says has no secret in it.
pub fn run(command: &mut Command) -> (String, String, i32) {
    told(&command.printed().unwrap())
}

/// The same of one that has ended.
pub fn told(output: &Output) -> (String, String, i32) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (out, errors) = (text(&output.stdout), text(&output.stderr));
    assert!(!out.contains("planted") && !errors.contains("planted"), "{out}\n{errors}");
    (out, errors, output.status.code().unwrap())
}

/// A file of this name with these contents.
pub fn file(folder: &Folder, name: &str, contents: impl AsRef<[u8]>) -> String {
    folder.write(name, contents).display().to_string()
}
