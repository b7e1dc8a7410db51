//! The values that bodies and queries hold, each read once into a type that is right.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Number;

use crate::{
    model::{AudienceError, AudienceSet, Name, ScopeError, ScopeSet, parse_duration},
    store::OBSERVED_KEPT,
};

/// The longest duration that is kept without being checked against a setting: a year.
pub(super) const MOST: Duration = Duration::from_hours(24 * 366);
/// The most redirect URIs of a client.
pub(super) const MOST_URIS: usize = 32;
/// The longest of them in bytes.
pub(super) const LONGEST_URI: usize = 2048;

/// A member that may be left out but not be `null`: for `#[serde(default, deserialize_with = "given")]`.
pub(super) fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// A name.
pub(super) fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Name, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

/// A list of scopes.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub(super) struct Scopes(pub(super) ScopeSet);

impl TryFrom<Vec<String>> for Scopes {
    type Error = ScopeError;

    fn try_from(texts: Vec<String>) -> Result<Self, ScopeError> {
        ScopeSet::from_texts(texts).map(Self)
    }
}

/// A list of audiences.
#[derive(Debug, Default, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub(super) struct Audiences(pub(super) AudienceSet);

impl TryFrom<Vec<String>> for Audiences {
    type Error = AudienceError;

    fn try_from(texts: Vec<String>) -> Result<Self, AudienceError> {
        AudienceSet::from_texts(texts).map(Self)
    }
}

/// The grants of a machine client: this one and no other.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub(super) struct Grants;

impl TryFrom<Vec<String>> for Grants {
    type Error = &'static str;

    fn try_from(texts: Vec<String>) -> Result<Self, &'static str> {
        let only = texts.iter().map(String::as_str).eq(["client_credentials"]);
        only.then_some(Self).ok_or(r#"machine clients have ["client_credentials"] and no other grant"#)
    }
}

/// That a client is confidential.
#[derive(Debug, Deserialize)]
#[serde(try_from = "bool")]
pub(super) struct Confidential;

impl TryFrom<bool> for Confidential {
    type Error = &'static str;

    fn try_from(public: bool) -> Result<Self, &'static str> {
        if public { Err("client_credentials is for confidential clients; leave it out or say false") } else { Ok(Self) }
    }
}

/// Whole seconds, for [`crate::registry`] to judge. `60.0` is the same number as `60` (RFC 8259 section 6).
#[derive(Debug, Deserialize)]
#[serde(try_from = "Number")]
pub(super) struct Seconds(u64);

impl TryFrom<Number> for Seconds {
    type Error = &'static str;

    fn try_from(number: Number) -> Result<Self, &'static str> {
        // A float without a fraction is written like an integer.
        let whole = || number.as_f64().and_then(|float| float.to_string().parse().ok());
        number.as_u64().or_else(whole).map(Self).ok_or("must be a whole number of seconds")
    }
}

impl From<Seconds> for Duration {
    fn from(seconds: Seconds) -> Self {
        Self::from_secs(seconds.0)
    }
}

/// Whole seconds, from one to a year.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Seconds")]
pub(super) struct UpToAYear(pub(super) Duration);

impl TryFrom<Seconds> for UpToAYear {
    type Error = &'static str;

    fn try_from(seconds: Seconds) -> Result<Self, &'static str> {
        let duration = Duration::from(seconds);
        let fits = (Duration::from_secs(1)..=MOST).contains(&duration);
        fits.then_some(Self(duration)).ok_or("must be 1 to 31622400 seconds (366 days)")
    }
}

/// How far back a report goes, such as `12h` or `7d`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Since(Duration);

impl Since {
    /// The duration.
    pub(super) const fn get(self) -> Duration {
        self.0
    }
}

impl Default for Since {
    fn default() -> Self {
        Self(Duration::from_hours(7 * 24))
    }
}

impl TryFrom<String> for Since {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        let kept = |duration: &Duration| *duration <= OBSERVED_KEPT && !text.ends_with("ms");
        parse_duration(&text).ok().filter(kept).map(Self).ok_or("must be a duration such as 12h or 7d, up to 90d")
    }
}

/// How long old secrets live on, such as `30s`, `24h` or `7d`.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Overlap(pub(super) Duration);

impl TryFrom<String> for Overlap {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        let whole = |duration: &Duration| *duration <= MOST && !text.ends_with("ms");
        let duration = parse_duration(&text).ok().filter(whole);
        duration.map(Self).ok_or("must be a duration such as 30s, 24h or 7d, up to 366d")
    }
}

/// Absolute URIs without a fragment (RFC 6749 section 3.1.2). Machine clients are never redirected; the list is kept
/// for programs that set it.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub(super) struct RedirectUris(pub(super) Vec<String>);

impl TryFrom<Vec<String>> for RedirectUris {
    type Error = &'static str;

    fn try_from(texts: Vec<String>) -> Result<Self, &'static str> {
        if texts.len() > MOST_URIS {
            return Err("at most 32 URIs");
        }
        let right = texts.iter().all(|text| is_absolute_uri(text));
        right.then_some(Self(texts)).ok_or("each must be an absolute URI without a fragment, up to 2048 characters")
    }
}

fn is_absolute_uri(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_graphic() && !b"\"#<>\\^`{|}".contains(&b);
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let scheme_fits = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    if text.len() > LONGEST_URI || !scheme_fits || rest.is_empty() || !text.bytes().all(allowed) {
        return false;
    }
    let web = scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
    // A web address needs a host; a program's own scheme may go without.
    !web || rest.strip_prefix("//").is_some_and(begins_with_host)
}

/// Whether this is a name or an address, a port or none, and then the end, a path or a query.
fn begins_with_host(rest: &str) -> bool {
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let consists = |text: &str, of: fn(u8) -> bool| !text.is_empty() && text.bytes().all(of);
    let host_fits = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => consists(address, |b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.')),
        None => consists(host, |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')),
    };
    host_fits && port.is_none_or(|port| port.len() <= 5 && consists(port, |b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_days_of_24_hours() {
        for (text, hours) in [("7d", 7 * 24), ("24h", 24), ("0s", 0), ("366d", 366 * 24)] {
            let read = Overlap::try_from(text.to_owned()).map(|overlap| overlap.0);
            assert_eq!(read, Ok(Duration::from_hours(hours)), "{text}");
        }
        for bad in ["", "7", "-7d", "1month", "367d", "7 dogs", "2000ms"] {
            assert!(Overlap::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_report_goes_back_as_far_as_counts_are_kept() {
        let read = |text: &str| Since::try_from(text.to_owned()).ok().map(Since::get);
        assert_eq!((read("90d"), read("12h")), (Some(OBSERVED_KEPT), Some(Duration::from_hours(12))));
        for bad in ["91d", "7", "", "100ms", "-1d"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn redirect_uris_are_absolute() {
        let check = |text: &str| RedirectUris::try_from(vec![text.to_owned()]).is_ok();
        for good in [
            "https://a.example/cb?x=1",
            "http://127.0.0.1:80/",
            "http://[::1]:80",
            "HTTPS://a?x",
            "com.example.app:/cb",
            "urn:ietf:wg:oauth:2.0:oob",
        ] {
            assert!(check(good), "{good}");
        }
        let long = format!("https://a/{}", "x".repeat(LONGEST_URI));
        for bad in [
            "",
            "/cb",
            "a.example/cb",
            "https:///cb",
            "https:cb",
            "https://user@a/cb",
            "https://a:/cb",
            "https://[::1/cb",
            "https://a#b",
            "https://a b",
            "1a:/x",
            "x:",
            "h\u{e4}:x",
            &long,
        ] {
            assert!(!check(bad), "{bad}");
        }
        assert!(RedirectUris::try_from(vec!["a:b".to_owned(); 33]).is_err());
    }

    #[test]
    fn the_one_grant_stands_alone() {
        let grants = |texts: &[&str]| Grants::try_from(texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>());
        assert!(grants(&["client_credentials"]).is_ok());
        for bad in [&[][..], &["authorization_code"], &["client_credentials", "refresh_token"]] {
            assert!(grants(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_is_kept_unjudged_is_bounded() {
        let fits = |seconds| UpToAYear::try_from(Seconds(seconds)).is_ok();
        assert!(fits(1) && fits(31_622_400) && !fits(0) && !fits(31_622_401));
    }

    #[test]
    fn seconds_are_whole_however_they_are_written() {
        let read = |text: &str| serde_json::from_str::<Seconds>(text).ok().map(|seconds| seconds.0);
        for text in ["556", "556.0", "5.56e2"] {
            assert_eq!(read(text), Some(556), "{text}");
        }
        for bad in ["556.5", "-1", "-1.0", "1e300", "\"556\"", "null", "true"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
