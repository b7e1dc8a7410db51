//! Identifiers: short, random, prefixed by what they name (`org_…`, `cl_…`, `sec_…`, `tok_…`).
//!
//! In memory an identifier is a small `Copy` array; its text is lower-case base32 without padding, one text per value,
//! so comparing values is comparing texts.

use std::{fmt, str::FromStr};

use data_encoding::{Encoding, Specification};
use http::HeaderValue;
use ring::rand::{SecureRandom, SystemRandom};
use std::sync::LazyLock;

use super::holds_secret;

/// Lower-case RFC 4648 base32 without padding; upper case is refused, so that an identifier has one spelling.
static BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification = Specification::new();
    specification.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
    specification.encoding().unwrap_or(data_encoding::BASE32_NOPAD)
});

/// The operating system gave no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system's random generator failed")]
pub struct RandomError;

/// `N` bytes of the operating system's cryptographic randomness.
///
/// # Errors
/// [`RandomError`] if the system has none to give.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], RandomError> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| RandomError)?;
    Ok(bytes)
}

/// A text that is not an identifier of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not {article} id: expected `{prefix}` and {length} characters of a-z and 2-7")]
pub struct IdError {
    article: &'static str,
    prefix: &'static str,
    length: usize,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $article:literal, $bytes:literal, $chars:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// What every text of this kind starts with.
            pub const PREFIX: &'static str = $prefix;

            /// A new random identifier.
            ///
            /// # Errors
            /// [`RandomError`] if the system has no randomness to give.
            pub fn random() -> Result<Self, RandomError> {
                random_bytes().map(Self)
            }

            /// The identifier made of exactly these bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; $bytes]) -> Self {
                Self(bytes)
            }

            /// The bytes, as the store keeps them.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $bytes] {
                &self.0
            }

            /// The text as a header has it.
            #[must_use]
            pub fn to_header(self) -> HeaderValue {
                let mut text = [0; $prefix.len() + $chars];
                let (prefix, rest) = text.split_at_mut($prefix.len());
                prefix.copy_from_slice($prefix.as_bytes());
                BASE32.encode_mut(&self.0, rest);
                // Letters, digits and `_` are always a header's value.
                HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut text = [0_u8; $chars];
                BASE32.encode_mut(&self.0, &mut text);
                f.write_str($prefix)?;
                f.write_str(std::str::from_utf8(&text).unwrap_or_default())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let error = IdError { article: $article, prefix: $prefix, length: $chars };
                let Some(rest) = text.strip_prefix($prefix) else { return Err(error) };
                if rest.len() != $chars {
                    return Err(error);
                }
                let mut bytes = [0_u8; $bytes];
                match BASE32.decode_mut(rest.as_bytes(), &mut bytes) {
                    Ok($bytes) => Ok(Self(bytes)),
                    _ => Err(error),
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

id!(
    /// An organisation: the owner of clients and of their tokens, and the `sub` of those tokens.
    OrganizationId, "org_", "an organisation", 8, 13
);
id!(
    /// A client in the sense of RFC 6749 section 2. Short, because `client_id:client_secret` stays within 57 bytes.
    ClientId, "cl_", "a client", 8, 13
);
id!(
    /// One of the secrets of a client.
    SecretId, "sec_", "a secret", 8, 13
);
id!(
    /// A token's record and its `jti`: taken from a keyed hash of the token's text, so who holds the token can name
    /// the record, and who holds the record cannot name the token.
    TokenId, "tok_", "a token", 20, 32
);

/// The name of one request in logs, bodies and the upstream's headers (`X-Request-Id`).
///
/// Kept as the header's value, which is most of what becomes of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// A new one. It is unlike others, not hard to guess: nothing is opened by it.
    #[must_use]
    pub fn random() -> Self {
        let mut random = [0; 10];
        fastrand::fill(&mut random);
        let mut text = [0; 16];
        BASE32.encode_mut(&random, &mut text);
        // Letters and digits are always a header's value.
        Self(HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static("unnamed")))
    }

    /// A caller's own, if it is 1 to 128 characters of `[A-Za-z0-9._-]` and holds nothing that looks like a secret.
    #[must_use]
    pub fn from_caller(text: &str) -> Option<Self> {
        let fits = (1..=128).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
            && !holds_secret(text.as_bytes());
        HeaderValue::from_str(text).ok().filter(|_| fits).map(Self)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// The header's value.
    #[must_use]
    pub const fn as_header(&self) -> &HeaderValue {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl serde::Serialize for RequestId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn client_id_and_secret_fit_one_line_of_base64() {
        let id = ClientId::random().unwrap().to_string();
        assert_eq!(id.len(), 16);
    }

    proptest! {
        #[test]
        fn text_and_value_are_one_to_one(bytes: [u8; 8]) {
            let id = ClientId::from_bytes(bytes);
            prop_assert_eq!(id.to_string().parse::<ClientId>().unwrap(), id);
            prop_assert_eq!(id.to_header(), id.to_string());
        }

        #[test]
        fn whatever_parses_prints_as_it_was(text in "cl_[a-z2-7]{13}|\\PC{0,20}") {
            if let Ok(id) = text.parse::<ClientId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }

    #[test]
    fn a_wrong_text_is_told_what_is_expected() {
        let error = "cl_UPPER".parse::<ClientId>().unwrap_err();
        assert_eq!(error.to_string(), "not a client id: expected `cl_` and 13 characters of a-z and 2-7");
    }

    #[test]
    fn a_callers_request_id_is_taken_only_when_harmless() {
        assert!(RequestId::from_caller("abc-1.2_3").is_some());
        for bad in ["", "a b", "ä", "x-prt_at_abc", &"a".repeat(129)] {
            assert!(RequestId::from_caller(bad).is_none(), "{bad}");
        }
    }
}
