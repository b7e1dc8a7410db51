//! The form of a call: `application/x-www-form-urlencoded` in UTF-8 (RFC 6749 section 3.2 and appendix B).

use std::collections::HashMap;

use axum::extract::{FromRequest, Request};
use http::{HeaderMap, header};
use percent_encoding::percent_decode;

use super::error::OauthError;
use crate::web::read_body;

/// The parameters that may be repeated: RFC 8707 section 2, RFC 8693 section 2.1.
const REPEATABLE: [&str; 2] = ["resource", "audience"];
const MEDIA_TYPE: &str = "application/x-www-form-urlencoded";

/// The parameters of a call; those without a value are not there.
pub struct Form(HashMap<String, Vec<String>>);

impl Form {
    /// Reads a body.
    ///
    /// # Errors
    /// [`OauthError::InvalidRequest`] for an escape that is malformed or spells no UTF-8, and for a parameter that is
    /// repeated and may not be.
    pub fn parse(body: &[u8]) -> Result<Self, OauthError> {
        let mut parameters: HashMap<String, Vec<String>> = HashMap::new();
        for pair in body.split(|b| *b == b'&').filter(|pair| !pair.is_empty()) {
            let mut halves = pair.splitn(2, |b| *b == b'=');
            let mut half = || decode(halves.next().unwrap_or_default());
            let (Some(name), Some(value)) = (half(), half()) else {
                return Err(OauthError::invalid("The form holds a percent-escape that is malformed or not UTF-8."));
            };
            // RFC 6749 section 3.2: a parameter without a value counts as left out.
            if value.is_empty() {
                continue;
            }
            let repeatable = REPEATABLE.contains(&name.as_str());
            let values = parameters.entry(name).or_default();
            if !values.is_empty() && !repeatable {
                return Err(OauthError::invalid("A parameter is repeated; each may stand once."));
            }
            values.push(value);
        }
        Ok(Self(parameters))
    }

    /// The value of a parameter that stands once.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).first().map(String::as_str)
    }

    /// All values of a parameter.
    #[must_use]
    pub fn all(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// The value of a parameter that must be there.
    pub(super) fn require(&self, name: &str) -> Result<&str, OauthError> {
        self.get(name).ok_or_else(|| OauthError::invalid(format!("The parameter {name} is missing.")))
    }
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = OauthError;

    async fn from_request(request: Request, _: &S) -> Result<Self, OauthError> {
        if !is_form(request.headers()) {
            return Err(OauthError::invalid(format!("Send the parameters as a body with Content-Type: {MEDIA_TYPE}.")));
        }
        Self::parse(&read_body(request.into_body()).await?)
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(only), None) = (types.next(), types.next()) else { return false };
    let media_type = only.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case(MEDIA_TYPE)
}

/// The text behind form-encoding; nothing if an escape is malformed or the text is not UTF-8.
pub(super) fn decode(encoded: &[u8]) -> Option<String> {
    let escape = |(index, byte): (usize, &u8)| (*byte == b'%').then_some(index);
    let whole =
        |index: usize| encoded.get(index + 1..index + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
    if !encoded.iter().enumerate().filter_map(escape).all(whole) {
        return None;
    }
    let blanks: Vec<u8> = encoded.iter().map(|b| if *b == b'+' { b' ' } else { *b }).collect();
    String::from_utf8(percent_decode(&blanks).collect()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    #[test]
    fn values_are_decoded_once_and_empty_ones_left_out() {
        let form = Form::parse(b"a=b+c%2B%25&&d=&e&=x&f=1=2&%67=%C3%A4").unwrap_or_else(|_| panic!());
        assert_eq!(form.get("a"), Some("b c+%"));
        assert_eq!((form.get("d"), form.get("e")), (None, None));
        assert_eq!((form.get("f"), form.get("g")), (Some("1=2"), Some("\u{e4}")));
    }

    #[test]
    fn only_resource_and_audience_may_be_repeated() {
        for repeated in ["a=1&a=1", "scope=a&x=1&scope=b", "%61=1&a=2"] {
            assert!(matches!(Form::parse(repeated.as_bytes()), Err(OauthError::InvalidRequest(_))), "{repeated}");
        }
        let form = Form::parse(b"resource=a&audience=b&resource=c&scope=&scope=x").unwrap_or_else(|_| panic!());
        assert_eq!(form.all("resource"), ["a", "c"]);
        assert_eq!(form.get("scope"), Some("x"));
    }

    #[test]
    fn malformed_escapes_and_bytes_are_refused() {
        for bad in [&b"a=%"[..], b"a=%4", b"a=%zz", b"%=a", b"a=%ff", b"a=\xff", b"a=%25%"] {
            assert!(matches!(Form::parse(bad), Err(OauthError::InvalidRequest(_))), "{bad:?}");
        }
    }

    #[test]
    fn the_content_type_is_the_forms_and_stands_once() {
        let check = |types: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in types {
                headers.append(header::CONTENT_TYPE, HeaderValue::from_static(value));
            }
            is_form(&headers)
        };
        assert!(check(&["application/x-www-form-urlencoded"]));
        assert!(check(&["Application/X-WWW-Form-Urlencoded ; charset=UTF-8"]));
        assert!(!check(&[]));
        assert!(!check(&["application/json"]));
        assert!(!check(&["application/x-www-form-urlencoded", "application/x-www-form-urlencoded"]));
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(text in "\\PC{0,40}") {
            let encoded: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
            prop_assert_eq!(decode(encoded.as_bytes()), Some(text));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Form::parse(&bytes);
        }
    }
}
