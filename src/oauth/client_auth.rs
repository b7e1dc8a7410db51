//! Client authentication: exactly one of `client_secret_basic` and `client_secret_post` (RFC 6749 section 2.3.1).

use std::net::IpAddr;

use axum::Extension;
use data_encoding::BASE64;
use http::{HeaderMap, HeaderValue, header};

use super::{
    error::OauthError,
    form::{Form, decode},
};
use crate::{
    model::SecretText,
    registry::{AuthenticatedClient, ClientCredentials, Registry},
};

/// The address of who calls, where the listener names it.
pub(super) type From = Option<Extension<IpAddr>>;

/// Recognises the client that calls.
///
/// # Errors
/// `invalid_client` without credentials or with wrong ones, `invalid_request` with more than one.
pub(super) async fn authenticate(
    registry: &Registry,
    from: &From,
    headers: &HeaderMap,
    form: &Form,
) -> Result<AuthenticatedClient, OauthError> {
    Ok(registry.authenticate_client(&credentials(headers, form)?, address(from)).await?)
}

/// The address itself.
pub(super) fn address(from: &From) -> Option<IpAddr> {
    from.as_ref().map(|Extension(address)| *address)
}

/// Whether the caller sent credentials of a client, right or wrong.
pub(super) fn are_present(headers: &HeaderMap, form: &Form) -> bool {
    headers.contains_key(header::AUTHORIZATION) || form.get("client_secret").is_some()
}

/// The readings to try, in order.
fn credentials(headers: &HeaderMap, form: &Form) -> Result<Vec<ClientCredentials>, OauthError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let authorization = values.next();
    if values.next().is_some() {
        return Err(OauthError::invalid("More than one Authorization header."));
    }
    match (authorization, form.get("client_id"), form.get("client_secret")) {
        (Some(_), _, Some(_)) => {
            Err(OauthError::invalid("Two ways of client authentication at once; send Authorization or client_secret."))
        }
        (Some(value), id, None) => {
            let mut readings = basic(value)?;
            if let Some(id) = id {
                readings.retain(|reading| reading.id == id);
                if readings.is_empty() {
                    return Err(OauthError::invalid("client_id is another than in the Authorization header."));
                }
            }
            Ok(readings)
        }
        (None, Some(id), Some(secret)) => {
            Ok(vec![ClientCredentials { id: id.to_owned(), secret: SecretText::new(secret.to_owned()) }])
        }
        (None, None, Some(_)) => Err(OauthError::invalid("client_secret came without client_id.")),
        (None, _, None) => Err(OauthError::InvalidClient(
            "Client authentication is needed: HTTP Basic with client_id and client_secret, or both in the form.",
        )),
    }
}

/// What a value of `Authorization` says of a client: `Basic` and base64 of `id:secret` (RFC 7617 section 2).
///
/// RFC 6749 section 2.3.1 wants both halves form-encoded; many programs send them as they are. So the decoded reading
/// comes first, and the raw one after it if it is another.
///
/// # Errors
/// [`OauthError::InvalidClient`] for any other value.
pub fn basic(value: &HeaderValue) -> Result<Vec<ClientCredentials>, OauthError> {
    let malformed = OauthError::InvalidClient("The Authorization header must be Basic and base64 of id:secret.");
    let (scheme, encoded) = value.as_bytes().split_at_checked(5).ok_or_else(|| malformed.clone())?;
    if !scheme.eq_ignore_ascii_case(b"basic") || encoded.first() != Some(&b' ') {
        return Err(malformed);
    }
    let encoded = encoded.trim_ascii();
    // The decoder takes several texts in a row, each with its padding.
    let once = encoded.iter().skip_while(|byte| **byte != b'=').all(|byte| *byte == b'=');
    let bytes = BASE64.decode(encoded).ok().filter(|_| once);
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    let text = SecretText::new(text.ok_or_else(|| malformed.clone())?);
    let (id, secret) = text.expose().split_once(':').ok_or(malformed)?;
    let raw = ClientCredentials { id: id.to_owned(), secret: SecretText::new(secret.to_owned()) };
    let decoded = decode(id.as_bytes()).zip(decode(secret.as_bytes()));
    let decoded = decoded.map(|(id, secret)| ClientCredentials { id, secret: SecretText::new(secret) });
    match decoded {
        Some(decoded) if decoded.id == raw.id && decoded.secret == raw.secret => Ok(vec![raw]),
        Some(decoded) => Ok(vec![decoded, raw]),
        None => Ok(vec![raw]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Result<Vec<(String, String)>, OauthError> {
        let readings = basic(&HeaderValue::from_str(value).unwrap())?;
        Ok(readings.into_iter().map(|one| (one.id, one.secret.expose().to_owned())).collect())
    }

    fn encoded(text: &str) -> String {
        format!("Basic {}", BASE64.encode(text.as_bytes()))
    }

    #[test]
    fn basic_is_read_decoded_first_and_then_raw() {
        let pair = |id: &str, secret: &str| (id.to_owned(), secret.to_owned());
        for (text, readings) in [
            ("id:secret", vec![pair("id", "secret")]),
            ("id:a:b", vec![pair("id", "a:b")]),
            ("id:", vec![pair("id", "")]),
            ("i%64:a%2Bb", vec![pair("id", "a+b"), pair("i%64", "a%2Bb")]),
            ("id:a+b", vec![pair("id", "a b"), pair("id", "a+b")]),
            ("id:50%", vec![pair("id", "50%")]),
            ("id: s ", vec![pair("id", " s ")]),
        ] {
            assert_eq!(read(&encoded(text)), Ok(readings), "{text}");
        }
    }

    #[test]
    fn the_scheme_is_read_in_any_case() {
        assert!(read("bAsIc aWQ6cw==").is_ok());
        assert!(read("Basic   aWQ6cw== ").is_ok());
    }

    #[test]
    fn anything_else_is_no_client() {
        for bad in [
            "",
            "Basic",
            "Basic ",
            "BasicaWQ6cw==",
            "Bearer aWQ6cw==",
            "Basic aWQ6cw",
            "Basic ???",
            "Basic aWQ=",
            "Basic aWQ6cw==aWQ6cw==",
            "Basic /zo=",
            "Bas",
        ] {
            assert!(matches!(read(bad), Err(OauthError::InvalidClient(_))), "{bad}");
        }
    }
}
