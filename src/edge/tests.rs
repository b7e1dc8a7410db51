//! Settings for the tests of this floor.
use std::time::Duration;
use http::{HeaderValue, Method};
use super::*;
use crate::policy::{Access, HostPattern, PathFeatures, Rule, UpstreamPolicy, UpstreamRules};

/// Small limits, long times.
pub(super) fn server_settings() -> ServerSettings {
    ServerSettings {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        threads: 1,
        expose_management: false,
        trusted_proxies: Vec::new(),
        methods: vec![
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
            Method::OPTIONS,
        ],
        max_header_bytes: 4096,
        max_headers: 20,
        max_target_bytes: 1024,
        max_body: 1_000_000,
        header_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(60),
        body_timeout: Duration::from_secs(30),
        max_connections: 100,
        shutdown_grace: Duration::from_secs(30),
    }
}

/// An upstream at a port of this machine, public as a whole.
pub(super) fn upstream_settings(name: &str, path: &str, port: u16) -> UpstreamSettings {
    let prefix: crate::policy::PathPrefix = path.parse().unwrap();
    let all = crate::policy::PathPattern::all_of(&prefix);
    UpstreamSettings {
        rules: UpstreamRules {
            policy: UpstreamPolicy { name: name.into(), index: 0, audience: None, owners: Vec::new() },
            host: HostPattern::Any,
            path: prefix,
            case_insensitive: false,
            allow_in_path: PathFeatures::default(),
            rules: vec![Rule { path: all, methods: None, access: Access::Public }],
        },
        servers: vec![UpstreamServer { host: "127.0.0.1".into(), port }],
        strip_prefix: false,
        pass_override_headers: false,
        forward_authorization: false,
        set_headers: Vec::new(),
        remove_headers: Vec::new(),
        host_header: HostHeader::Client,
        connect_timeout: Duration::from_secs(2),
        timeout: Duration::from_secs(30),
        stream_idle_timeout: Duration::from_secs(300),
        retries: 1,
        identity: IdentityNames::default(),
    }
}
