//! Credentials that are not ours: an API behind an upstream that only observes goes on getting those that it has been
//! getting all along, and never one of ours.

use http::HeaderValue;

use crate::model::holds_secret;

/// What every secret of ours starts with, in base64, as Basic has it: by its place in a group of three bytes, the
/// characters that it alone settles.
const ENCODED_SECRET: [&[u8]; 3] = [b"cHJ0X", b"BydF", b"wcnRf"];

/// Whether an `Authorization` holds no secret of ours, neither as it is nor in base64.
pub(super) fn is_foreign(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    let encoded = ENCODED_SECRET.into_iter().any(|form| bytes.windows(form.len()).any(|window| window == form));
    !encoded && !holds_secret(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::testing::basic;

    #[test]
    fn a_secret_of_ours_is_found_wherever_it_stands() {
        for user in ["", "a", "ab", "cl_aaaaaaaaaaaaa", "org_aaaaaaaaaaaaa"] {
            for secret in ["prt_cs_x", "prt_at_x", "prt_ak_x"] {
                let value = basic(user, secret).parse().unwrap();
                assert!(!is_foreign(&value), "{user}:{secret}");
            }
            assert!(is_foreign(&basic(user, "their own password").parse().unwrap()), "{user}");
        }
        assert!(!is_foreign(&HeaderValue::from_static("Bearer PRT_at_x")));
        assert!(is_foreign(&HeaderValue::from_static("Bearer eyJhbGciOiJSUzI1NiJ9.e30.x")));
    }
}
