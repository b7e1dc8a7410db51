//! The bearer token of a request (RFC 6750 section 2.1): in the `Authorization` header, once, and nowhere else.

use http::{HeaderMap, header};
use percent_encoding::percent_decode;

use super::Denial;

/// The text of the bearer token; nothing if there is no `Authorization` of that scheme.
///
/// # Errors
/// [`Denial::Credentials`] for more than one credential or one in the query (RFC 6750 section 3.1,
/// `invalid_request`); [`Denial::InvalidToken`] for one that is not even text.
pub fn bearer<'a>(headers: &'a HeaderMap, query: Option<&str>) -> Result<Option<&'a str>, Denial> {
    if query.is_some_and(holds_token) {
        return Err(Denial::Credentials("An access token in the query is refused: it would be logged on its way."));
    }
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Denial::Credentials("More than one Authorization header."));
    }
    let Some((scheme, rest)) = value.as_bytes().split_at_checked(6) else { return Ok(None) };
    if !scheme.eq_ignore_ascii_case(b"bearer") || rest.first().is_some_and(|next| !matches!(next, b' ' | b'\t')) {
        return Ok(None);
    }
    let token = std::str::from_utf8(rest).map_err(|_| Denial::InvalidToken)?;
    Ok(Some(token.trim_matches([' ', '\t'])))
}

/// Whether a query has a parameter `access_token`, with or without a value, however it is spelt.
fn holds_token(query: &str) -> bool {
    if !query.contains('%') && !query.contains("access_token") {
        return false;
    }
    // `;` separates too for some servers; and some decode twice.
    query.split(['&', ';']).any(|parameter| {
        let name = parameter.split('=').next().unwrap_or_default();
        let once: Vec<u8> = percent_decode(name.as_bytes()).collect();
        let twice: Vec<u8> = percent_decode(&once).collect();
        [name.as_bytes(), &once, &twice].iter().any(|name| is_token_name(name))
    })
}

/// Blanks around a name are dropped by some servers.
fn is_token_name(name: &[u8]) -> bool {
    let blank = |b: &u8| matches!(b, b' ' | b'+');
    let start = name.iter().position(|b| !blank(b)).unwrap_or(name.len());
    let end = name.iter().rposition(|b| !blank(b)).map_or(start, |last| last + 1);
    // What a second decoding may still add after the name (`=` or `&` in disguise) ends it.
    let name = name.get(start..end).unwrap_or_default();
    let name = name.split(|b| matches!(b, b'=' | b'&' | b'[')).next().unwrap_or_default();
    name == b"access_token"
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn headers(values: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    #[test]
    fn the_scheme_is_read_in_any_case_and_the_token_as_it_is() {
        for (value, token) in [
            ("Bearer abc", Some("abc")),
            ("bEARER   abc ", Some("abc")),
            ("Bearer", Some("")),
            ("Bearerabc", None),
            ("Basic abc", None),
            ("", None),
            ("Bea", None),
        ] {
            assert_eq!(bearer(&headers(&[value.as_bytes()]), None), Ok(token), "{value}");
        }
        assert_eq!(bearer(&HeaderMap::new(), None), Ok(None));
    }

    #[test]
    fn two_credentials_are_refused() {
        for two in [["Bearer a", "Bearer a"], ["Basic a", "Bearer b"]] {
            let headers = headers(&two.map(str::as_bytes));
            assert!(matches!(bearer(&headers, None), Err(Denial::Credentials(_))), "{two:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_no_token() {
        assert_eq!(bearer(&headers(&[b"Bearer \xff\xfe"]), None), Err(Denial::InvalidToken));
    }

    #[test]
    fn a_token_in_the_query_is_found_however_it_is_spelt() {
        for query in [
            "access_token=x",
            "a=b&access_token",
            "access%5Ftoken=x",
            "%61ccess_token",
            "a;access_token=1",
            "%2561ccess_token=x",
            "+access_token=x",
            "access_token%3Dx",
        ] {
            assert!(matches!(bearer(&HeaderMap::new(), Some(query)), Err(Denial::Credentials(_))), "{query}");
        }
        for query in ["", "a=access_token", "my_access_token=1", "access_tokens=1", "x=%61ccess_token"] {
            assert_eq!(bearer(&HeaderMap::new(), Some(query)), Ok(None), "{query}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(value in prop::collection::vec(32_u8.., 0..40), query in "\\PC{0,40}") {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                let mut map = HeaderMap::new();
                map.insert(header::AUTHORIZATION, value);
                let _ = bearer(&map, Some(&query));
            }
        }
    }
}
