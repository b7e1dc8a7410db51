//! The folder that new secrets are written to: one file for each client, which holds the secret and nothing else.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use crate::model::{ClientId, SecretText};

/// A folder that can be written to.
#[derive(Debug)]
pub(super) struct SecretsDir(PathBuf);

impl SecretsDir {
    /// Makes the folder, for its user alone, if it is not there, and sees that it takes files.
    ///
    /// # Errors
    /// Why it does not, in words.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        // The file is gone when it is closed: it shows that the folder takes one.
        let usable = made.and_then(|()| tempfile::tempfile_in(path));
        usable.map_err(|error| format!("no secrets can be written to {}: {error}", path.display()))?;
        Ok(Self(path.to_owned()))
    }

    /// Where the secret of a client belongs.
    pub(super) fn place(&self, id: ClientId) -> PathBuf {
        self.0.join(id.to_string())
    }

    /// Writes the secret of a client, durably, into a new file that its user alone may read.
    ///
    /// # Errors
    /// What the system says, also if there is something of that name already; then no file of ours is left.
    pub(super) fn keep(&self, id: ClientId, secret: &SecretText) -> io::Result<()> {
        let place = self.place(id);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&place)?;
        let written = file
            .write_all(secret.expose().as_bytes())
            .and_then(|()| file.sync_all())
            .and_then(|()| File::open(&self.0)?.sync_all());
        if written.is_err() {
            // A part of a secret would be taken for one.
            let _ = fs::remove_file(&place);
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_secret_is_its_users_alone_and_nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        let secrets = SecretsDir::open(&path).unwrap();
        let id = ClientId::random().unwrap();
        secrets.keep(id, &SecretText::new("first".to_owned())).unwrap();
        assert_eq!((mode(&path), mode(&secrets.place(id))), (0o700, 0o600));
        let again = secrets.keep(id, &SecretText::new("second".to_owned()));
        assert_eq!(again.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(secrets.place(id)).unwrap(), "first");
        assert_eq!(fs::read_dir(&path).unwrap().count(), 1);
    }

    #[test]
    fn no_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = SecretsDir::open(folder.path()).unwrap();
        let id = ClientId::random().unwrap();
        let elsewhere = folder.path().join("elsewhere");
        symlink(&elsewhere, secrets.place(id)).unwrap();
        assert!(secrets.keep(id, &SecretText::new("secret".to_owned())).is_err());
        assert!(!elsewhere.exists());
    }

    #[test]
    fn a_folder_that_is_there_keeps_its_mode_and_a_file_is_no_folder() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o750)).unwrap();
        SecretsDir::open(folder.path()).unwrap();
        assert_eq!(mode(folder.path()), 0o750);
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let refused = SecretsDir::open(&file).unwrap_err();
        assert!(refused.contains("no secrets can be written"), "{refused}");
    }
}
