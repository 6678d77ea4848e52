//! The file that a table is merged into: read once, and replaced whole.

use std::{
    fs::{self, Metadata},
    io::{self, Write},
    os::unix::fs::{MetadataExt, fchown},
    path::{Path, PathBuf},
};

use tempfile::Builder;

use crate::config;

/// A file as it was read.
#[derive(Debug)]
pub struct Original {
    /// Where it is, behind symbolic links.
    place: PathBuf,
    text: String,
}

/// Why a file was not replaced. It is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum WriteFault {
    /// Somebody else has written to it.
    #[error("it has changed since it was read; look at the diff again")]
    Changed,
    /// The system says no.
    #[error("cannot be written: {0}")]
    Io(#[from] io::Error),
}

impl Original {
    /// Reads a file.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn read(file: &Path) -> Result<Self, String> {
        let place = fs::canonicalize(file).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => "there is no such file to merge into; name one that is there".to_owned(),
            _ => format!("cannot be read: {error}"),
        })?;
        let text = config::read_text(&place)?;
        Ok(Original { place, text })
    }

    /// What it says.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Replaces it at once by another one with the same permissions: whoever reads it sees the one or the other. A
    /// symbolic link stays one.
    ///
    /// # Errors
    /// Why it was not.
    pub fn replace(&self, text: &str) -> Result<(), WriteFault> {
        let before = fs::metadata(&self.place)?;
        let folder = self.place.parent().unwrap_or(Path::new("/"));
        let mut file = Builder::new().prefix(".bridgehead-import-").tempfile_in(folder)?;
        file.write_all(text.as_bytes())?;
        like(&before, file.as_file())?;
        file.as_file().sync_all()?;
        if fs::read(&self.place)? != self.text.as_bytes() {
            return Err(WriteFault::Changed);
        }
        file.persist(&self.place).map_err(|error| error.error)?;
        // The new name is on the disk, too.
        fs::File::open(folder)?.sync_all()?;
        Ok(())
    }
}

/// Gives a file the owner and the permissions of another one.
fn like(before: &Metadata, file: &fs::File) -> io::Result<()> {
    let now = file.metadata()?;
    if (now.uid(), now.gid()) != (before.uid(), before.gid()) {
        let kept = |error| io::Error::other(format!("its owner and group cannot be kept: {error}"));
        fchown(file, Some(before.uid()), Some(before.gid())).map_err(kept)?;
    }
    file.set_permissions(before.permissions())
}
