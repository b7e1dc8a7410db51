//! The files that a configuration names for TLS: read with it, and read anew when they change.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::reader::{Reported, Value};

/// More bytes than this no certificates and keys have.
const MOST: u64 = 16 * 1024 * 1024;

/// What tells one state of a file from another; nothing for a file that is not there.
type Stamp = Option<(u64, u64, u64, i64, i64)>;

/// A file as it was when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedFile {
    path: PathBuf,
    stamp: Stamp,
}

impl WatchedFile {
    fn new(path: PathBuf) -> Self {
        let stamp =
            fs::metadata(&path).ok().map(|file| (file.dev(), file.ino(), file.len(), file.mtime(), file.mtime_nsec()));
        Self { path, stamp }
    }

    /// The same file as it is now. Asks the system.
    #[must_use]
    pub fn now(&self) -> Self {
        Self::new(self.path.clone())
    }
}

/// The content of the file that a value names, which is watched from then on.
pub(super) fn content(value: &Value<'_>) -> Result<Vec<u8>, Reported> {
    let path = value.reading().folder.join(value.text()?);
    // What changes while it is read has changed afterwards.
    value.reading().watch(WatchedFile::new(path.clone()));
    read(&path).map_err(|error| {
        let help = match error.kind() {
            io::ErrorKind::NotFound => "name a file that is there; relative paths start at the configuration's folder",
            io::ErrorKind::IsADirectory => "name the file in it",
            io::ErrorKind::InvalidInput => "name a PEM file",
            _ => "see that the user that runs Portcullis can read it",
        };
        value.refuse(format!("the file {} cannot be read: {error}", path.display()), help)
    })
}

/// Neither waits for a pipe nor reads without end.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = fs::metadata(path)?;
    // What is wrong with a folder the system says best.
    let readable = file.is_dir() || (file.is_file() && file.len() <= MOST);
    if !readable {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file of certificates or keys"));
    }
    fs::read(path)
}
