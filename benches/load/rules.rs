//! Upstreams with many rules, and a path that each rule covers.

use std::{fmt::Write as _, net::SocketAddr};

/// Rules of each upstream.
pub(super) const RULES: usize = 10;

/// So many upstreams, all of one server.
pub(super) fn upstreams(count: usize, server: SocketAddr) -> String {
    let mut text = String::new();
    for upstream in 0..count {
        let name = name(upstream);
        // Nothing that is written to a text can fail.
        let _ = write!(text, "[upstreams.{name}]\nservers = [\"{server}\"]\npath = \"/{name}\"\n");
        for rule in 0..RULES {
            let _ = write!(
                text,
                "[[upstreams.{name}.rules]]\npath = \"/{name}/orders{rule}/{{id}}\"\nmethods = [\"GET\"]\n\
                 scopes = [\"orders:read\"]\n"
            );
        }
    }
    text
}

/// The paths, all of one length.
pub(super) fn paths(upstreams: usize) -> Vec<String> {
    let each = (0..upstreams).flat_map(|upstream| (0..RULES).map(move |rule| (name(upstream), rule)));
    each.map(|(name, rule)| format!("/{name}/orders{rule}/4711")).collect()
}

fn name(upstream: usize) -> String {
    format!("api{upstream:04}")
}
