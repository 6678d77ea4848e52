//! The text of a configuration file.

use std::{
    fs::File,
    io::{ErrorKind, Read},
    path::Path,
};

use crate::config::problem::Problems;

/// A larger file is refused: 64 MiB is room for more than 200,000 MCP clients.
pub const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// The text of a configuration file.
///
/// # Errors
/// When it cannot be read, or is too large or not UTF-8.
pub fn read(file: &Path) -> Result<String, Problems> {
    read_text(file).map_err(|message| Problems::of_file(file, &message))
}

/// A text without the mark that some editors put in front (RFC 3629 section 6): lines and keys are counted behind it.
pub(in crate::config) fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

pub(crate) fn read_text(file: &Path) -> Result<String, String> {
    const WHEN_MISSING: &str =
        "name one with --config or BRIDGEHEAD_CONFIG, or start from the conf/proxy.yaml that is shipped";
    read_text_or(file, WHEN_MISSING)
}

/// The same, with what to do where there is no such file.
pub(in crate::config) fn read_text_or(file: &Path, when_missing: &str) -> Result<String, String> {
    let open = File::open(file).and_then(|open| {
        if open.metadata()?.is_dir() {
            return Err(ErrorKind::IsADirectory.into());
        }
        Ok(open)
    });
    let mut bytes = Vec::new();
    let read = open.and_then(|open| {
        let size = open.metadata()?.len();
        if size > MOST_BYTES {
            return Ok(size);
        }
        open.take(MOST_BYTES + 1).read_to_end(&mut bytes).map(|read| read as u64)
    });
    match read {
        Err(error) if error.kind() == ErrorKind::NotFound => Err(format!("there is no such file; {when_missing}")),
        Err(error) if error.kind() == ErrorKind::IsADirectory => Err("this is a directory; name the file in it".into()),
        Err(error) => Err(format!("cannot be read: {error}")),
        Ok(size) if size > MOST_BYTES => Err(format!(
            "larger than {} MiB, which is no configuration of this program; name another file",
            MOST_BYTES / (1024 * 1024)
        )),
        Ok(_) => String::from_utf8(bytes).map_err(|error| {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = valid.split(|byte| *byte == b'\n').count();
            format!("line {line} is not UTF-8; save the file as UTF-8")
        }),
    }
}
