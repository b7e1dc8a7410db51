//! What the engine's errors mean to the rest of the program. Their texts hold no bound values, so no secrets.

use std::path::Path;

use rusqlite::{Error, ErrorCode};

use crate::store::{OpenError, StoreError};

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Corrupt(error.to_string()),
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

/// Why the file could not be opened.
pub(super) fn refusal(path: &Path, error: &Error) -> OpenError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenError::Locked(path.to_owned()),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => corrupt(path, error.to_string()),
        _ => unreadable(path, error.to_string()),
    }
}

pub(super) fn unreadable(path: &Path, reason: impl Into<String>) -> OpenError {
    OpenError::Unreadable { path: path.to_owned(), reason: reason.into() }
}

pub(super) fn corrupt(path: &Path, reason: impl Into<String>) -> OpenError {
    OpenError::Corrupt { path: path.to_owned(), reason: reason.into() }
}
