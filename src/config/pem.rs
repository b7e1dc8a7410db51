//! Certificates and keys that the configuration names: the same words for the same mistake, wherever they are named.

use zeroize::Zeroizing;

use super::{
    files,
    reader::{Reported, Value},
};
use crate::edge::TlsError;

/// What to do about a certificate.
pub(super) const CERTIFICATE: &str =
    "name a PEM file with the certificate, and behind it those that lead to its authority";
/// What to do about a key.
pub(super) const KEY: &str = "name the PEM file with this certificate's own private key";
const AUTHORITIES: &str = "name a PEM file with the certificates of authorities";

/// The certificates of authorities in the file that a value names.
pub(super) fn authorities<T>(
    value: &Value<'_>,
    read: impl FnOnce(&[u8]) -> Result<T, TlsError>,
) -> Result<T, Reported> {
    read(&files::content(value)?).map_err(|error| refuse(value, &error, AUTHORITIES))
}

/// A certificate with its chain, and its key, in the files that two values name.
pub(super) fn pair<T>(
    chain: &Value<'_>,
    key: &Value<'_>,
    read: impl FnOnce(&[u8], &[u8]) -> Result<T, TlsError>,
) -> Result<T, Reported> {
    let (chain_text, key_text) = (files::content(chain), files::content(key).map(Zeroizing::new));
    read(&chain_text?, &key_text?)
        .map_err(|error| if error.is_of_key() { refuse(key, &error, KEY) } else { refuse(chain, &error, CERTIFICATE) })
}

fn refuse(value: &Value<'_>, error: &TlsError, help: &str) -> Reported {
    value.refuse(format!("{}: {error}", value.text().unwrap_or_default()), help)
}
