//! What a request asks to become: a `WebSocket`, the one other protocol that passes, or nothing.
//!
//! Looked at before any rule. Whatever asks in another way is a plain request, to pingora too.

use http::{HeaderMap, Version, header};

/// Whether a request asks for a `WebSocket` (RFC 6455 section 4.1, RFC 9110 section 7.8).
///
/// pingora looks at `Upgrade` alone, which some proxy in front may have left there when it took `Connection` away: an
/// answer of 101 would open a way through a connection of that proxy's which other clients share.
pub(super) fn asks_for_web_socket(version: Version, headers: &HeaderMap) -> bool {
    let mut protocols = headers.get_all(header::UPGRADE).iter();
    let web_socket = protocols.next().is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"));
    let mut options =
        headers.get_all(header::CONNECTION).iter().flat_map(|value| value.as_bytes().split(|b| *b == b','));
    version == Version::HTTP_11
        && web_socket
        && protocols.next().is_none()
        && options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    #[test]
    fn a_web_socket_is_asked_for_in_two_headers_of_http_1_1() {
        let asks = |version, upgrades: &[&'static str], connections: &[&'static str]| {
            let with = |name: HeaderName, values: &[&'static str]| {
                values.iter().map(|value| (name.clone(), HeaderValue::from_static(value))).collect::<Vec<_>>()
            };
            let mut headers = HeaderMap::new();
            for (name, value) in
                with(header::UPGRADE, upgrades).into_iter().chain(with(header::CONNECTION, connections))
            {
                headers.append(name, value);
            }
            asks_for_web_socket(version, &headers)
        };
        assert!(asks(Version::HTTP_11, &["WebSocket"], &["keep-alive, upgrade"]));
        assert!(asks(Version::HTTP_11, &["websocket"], &["keep-alive", "Upgrade"]));
        assert!(!asks(Version::HTTP_10, &["websocket"], &["Upgrade"]));
        for connections in [&[][..], &["keep-alive"], &["upgraded"], &["\"upgrade\""]] {
            assert!(!asks(Version::HTTP_11, &["websocket"], connections), "{connections:?}");
        }
        for upgrades in [&[][..], &["h2c"], &["h2c, websocket"], &["websocket", "h2c"]] {
            assert!(!asks(Version::HTTP_11, upgrades, &["Upgrade"]), "{upgrades:?}");
        }
    }
}
