//! The two headers by which an organisation shows who it is, in both families of names.

use http::{HeaderMap, HeaderValue};

use crate::model::SecretText;

const ID_NAMES: [&str; 2] = ["x-org-id", "slashid-orgid"];
const KEY_NAMES: [&str; 2] = ["x-api-key", "slashid-api-key"];

/// What an organisation's headers say, not yet checked. A header that is missing, or is no text, is the empty text,
/// which is nobody's.
#[derive(Debug)]
pub struct OrganizationCredentials {
    /// The organisation's id.
    pub id: String,
    /// Its API key.
    pub key: SecretText,
}

/// One header was sent with two values, under one name or in both families.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("X-Org-Id and X-API-Key (or SlashID-OrgID and SlashID-API-Key) must each have one value; two different came.")]
pub struct ConflictingHeaders;

/// The credentials in an organisation's headers; nothing if there is none of these headers.
///
/// # Errors
/// [`ConflictingHeaders`] if it is not clear who is meant.
pub fn organization_credentials(headers: &HeaderMap) -> Result<Option<OrganizationCredentials>, ConflictingHeaders> {
    let (id, key) = (single(headers, ID_NAMES)?, single(headers, KEY_NAMES)?);
    if id.is_none() && key.is_none() {
        return Ok(None);
    }
    let text = |value: Option<&HeaderValue>| value.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    Ok(Some(OrganizationCredentials { id: text(id), key: SecretText::new(text(key)) }))
}

fn single<'a>(headers: &'a HeaderMap, names: [&str; 2]) -> Result<Option<&'a HeaderValue>, ConflictingHeaders> {
    let mut values = names.into_iter().flat_map(|name| headers.get_all(name));
    let first = values.next();
    if values.all(|other| Some(other) == first) { Ok(first) } else { Err(ConflictingHeaders) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `Err` if they conflict, else id and key.
    fn read(pairs: &[(&'static str, &'static str)]) -> Result<Option<(String, String)>, ConflictingHeaders> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let found = organization_credentials(&headers)?;
        Ok(found.map(|found| (found.id, found.key.expose().to_owned())))
    }

    #[test]
    fn both_families_are_read_and_may_be_mixed() {
        let both = Ok(Some(("o".to_owned(), "k".to_owned())));
        assert_eq!(read(&[("x-org-id", "o"), ("x-api-key", "k")]), both);
        assert_eq!(read(&[("slashid-orgid", "o"), ("slashid-api-key", "k")]), both);
        assert_eq!(read(&[("x-org-id", "o"), ("slashid-api-key", "k"), ("slashid-orgid", "o")]), both);
        assert_eq!(read(&[]), Ok(None));
    }

    #[test]
    fn half_of_the_credentials_is_an_attempt() {
        assert_eq!(read(&[("x-org-id", "o")]), Ok(Some(("o".to_owned(), String::new()))));
        assert_eq!(read(&[("x-api-key", "k")]), Ok(Some((String::new(), "k".to_owned()))));
    }

    #[test]
    fn two_values_are_refused_in_any_combination() {
        for (one, other) in [
            ("x-org-id", "x-org-id"),
            ("x-org-id", "slashid-orgid"),
            ("slashid-orgid", "slashid-orgid"),
            ("x-api-key", "slashid-api-key"),
            ("x-api-key", "x-api-key"),
        ] {
            assert_eq!(read(&[(one, "a"), (other, "b")]), Err(ConflictingHeaders), "{one} {other}");
            assert!(read(&[(one, "a"), (other, "a")]).is_ok(), "{one} {other}");
        }
    }
}
