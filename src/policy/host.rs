//! Hosts: the authority of a request, and the patterns that upstreams are chosen by.

use std::{fmt, str::FromStr};

use memchr::memrchr;

/// The host of a request, for matching: lower case, without port, trailing dot and user information. An IPv6 address
/// keeps its brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host(String);

/// A text that is not a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a host: expected a name such as `api.example.com`, an address, or `*.example.com` in a configuration")]
pub struct HostError;

impl Host {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Host {
    type Err = HostError;

    /// Reads the value of `Host` or `:authority`.
    fn from_str(text: &str) -> Result<Self, HostError> {
        let (name, port) = match memrchr(b':', text.as_bytes()) {
            Some(colon) if !text.ends_with(']') => {
                let (name, port) = text.split_at(colon);
                (name, port.get(1..).unwrap_or_default())
            }
            _ => (text, ""),
        };
        let is_number = port.bytes().all(|b| b.is_ascii_digit());
        if !port.is_empty() && (!is_number || port.parse::<u16>().is_err()) {
            return Err(HostError);
        }
        if let Some(address) = name.strip_prefix('[') {
            let address = address.strip_suffix(']').ok_or(HostError)?;
            let address: std::net::Ipv6Addr = address.parse().map_err(|_| HostError)?;
            return Ok(Self(format!("[{address}]")));
        }
        let name = name.strip_suffix('.').unwrap_or(name);
        let label = |label: &[u8]| {
            (1..=63).contains(&label.len())
                && label.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        };
        if name.len() > 253 || !name.as_bytes().split(|b| *b == b'.').all(label) {
            return Err(HostError);
        }
        Ok(Self(name.to_ascii_lowercase()))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which hosts an upstream answers for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPattern {
    /// Every host.
    Any,
    /// This one.
    Exact(Host),
    /// `*.example.com`: one or more labels before this suffix (which starts with its dot), not the bare name.
    Wildcard(String),
}

impl HostPattern {
    /// Whether it covers `host`.
    #[must_use]
    pub fn covers(&self, host: &Host) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => exact == host,
            Self::Wildcard(suffix) => host.0.len() > suffix.len() && host.0.ends_with(suffix.as_str()),
        }
    }
}

impl FromStr for HostPattern {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        // A port does not count for matching, so one in a pattern would be a promise that is not kept.
        let has_port = text.contains(':') && !(text.starts_with('[') && text.ends_with(']'));
        match text.strip_prefix("*.") {
            _ if has_port => Err(HostError),
            Some(rest) => Ok(Self::Wildcard(format!(".{}", rest.parse::<Host>()?))),
            None => text.parse().map(Self::Exact),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Exact(host) => host.fmt(f),
            Self::Wildcard(suffix) => write!(f, "*{suffix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_compare_without_port_dot_and_case() {
        for text in ["API.example.com", "api.example.com.", "api.example.com:8080", "api.example.com.:1"] {
            assert_eq!(text.parse::<Host>().unwrap().as_str(), "api.example.com", "{text}");
        }
        assert_eq!("[::0001]:80".parse::<Host>().unwrap().as_str(), "[::1]");
    }

    #[test]
    fn malformed_hosts_are_refused() {
        for text in [
            "", ":80", ".", "a..b", "u@h", "a/b", "a b", "h:80x", "h:+80", "h:65536", "h:1:2", "[::1", "::1", "a\\b",
            "ä.de", "*.a",
        ] {
            assert_eq!(text.parse::<Host>(), Err(HostError), "{text}");
        }
    }

    #[test]
    fn a_pattern_has_no_port() {
        for text in ["a.example:80", "[::1]:80", "*.example.com:80", "*.[::1]", "*", "*.", "*.*.a", "a.*"] {
            assert_eq!(text.parse::<HostPattern>(), Err(HostError), "{text}");
        }
        assert_eq!("[::1]".parse::<HostPattern>().unwrap().to_string(), "[::1]");
    }

    #[test]
    fn a_wildcard_covers_labels_before_it_and_not_the_bare_name() {
        let pattern: HostPattern = "*.Example.com".parse().unwrap();
        let covers = |text: &str| pattern.covers(&text.parse().unwrap());
        assert!(covers("a.example.com") && covers("a.b.example.com"));
        assert!(!covers("example.com") && !covers("aexample.com"));
    }
}
