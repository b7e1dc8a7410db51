//! The files that a configuration names, for TLS and for secrets: read with it. Those for TLS are read anew when they
//! change.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use super::reader::{Reported, Value};

/// More bytes than this no secrets, certificates or keys have.
const MOST: u64 = 16 * 1024 * 1024;

/// What tells one state of a file from another; nothing for a file that is not there. Its last time is that of its
/// status: a key that could not be read, and then can, has changed, too.
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
            fs::metadata(&path).ok().map(|file| (file.dev(), file.ino(), file.len(), file.ctime(), file.ctime_nsec()));
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

/// Neither waits for a pipe nor reads without end, whatever the file becomes meanwhile.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let status = file.metadata()?;
    let refused = |reason| Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    // What is wrong with a folder the system says best.
    if !status.is_file() && !status.is_dir() {
        return refused("it is no regular file");
    }
    // One piece of memory: a longer one would leave a part of a secret behind.
    let mut content = Vec::with_capacity(usize::try_from(status.len().min(MOST)).unwrap_or_default() + 1);
    file.take(MOST + 1).read_to_end(&mut content)?;
    if content.len() as u64 > MOST { refused("it is larger than 16 MiB") } else { Ok(content) }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::Permissions,
        os::unix::{fs::PermissionsExt, net::UnixListener},
        process::Command,
        thread,
        time::Duration,
    };

    use super::*;

    #[test]
    fn only_a_regular_file_of_a_sensible_size_is_read_and_nothing_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "text").unwrap();
        assert_eq!(read(&at("file")).unwrap(), b"text");
        fs::File::create(at("largest")).unwrap().set_len(MOST).unwrap();
        assert_eq!(read(&at("largest")).unwrap().len() as u64, MOST);
        fs::File::create(at("larger")).unwrap().set_len(MOST + 1).unwrap();
        assert!(Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
        let _socket = UnixListener::bind(at("socket")).unwrap();
        for path in [at("larger"), at("pipe"), at("socket"), at(""), at("none"), "/dev/zero".into()] {
            assert!(read(&path).is_err(), "{}", path.display());
        }
        // Says that it has no length.
        assert!(!read(Path::new("/proc/self/status")).unwrap().is_empty());
    }

    #[test]
    fn a_file_that_other_users_may_read_has_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        fs::write(&path, "key").unwrap();
        let before = WatchedFile::new(path.clone());
        assert_eq!(before.now(), before);
        // The system's clock for files moves on every few milliseconds.
        let changed = (0..1000).any(|_| {
            thread::sleep(Duration::from_millis(1));
            fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
            before.now() != before
        });
        assert!(changed);
    }
}
