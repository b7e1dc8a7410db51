//! nginx beside the gateway, if it is installed: plain, and with `auth_request`, which asks the gateway's introspection,
//! whose answers are kept for a minute or not at all.
//!
//! Without a module that runs scripts nginx cannot read in the answer whether the token is active, so this is the least
//! that such a check costs; the CPU time of the gateway that is asked counts, too. One process without a master does all
//! the work, keeps connections to both open, and writes no log.

use std::{
    fs,
    net::SocketAddr,
    process::{Command, Stdio},
};

use tempfile::TempDir;

use super::{
    Outcome,
    gateway::Gateway,
    process::{Process, free_address},
    requests::basic,
};

pub(super) const PLAIN: &str = "nginx";
pub(super) const CACHED: &str = "nginx, auth_request kept for 60 s";
pub(super) const UNCACHED: &str = "nginx, auth_request each time";

/// The three of them, running.
pub(super) struct Nginx {
    pub(super) plain: Process,
    pub(super) cached: Process,
    pub(super) uncached: Process,
    _folder: TempDir,
}

impl Nginx {
    /// Before this upstream, with this gateway to be asked. Nothing if there is no nginx on this machine.
    pub(super) fn start(upstream: SocketAddr, gateway: &Gateway, introspection: SocketAddr) -> Outcome<Option<Self>> {
        if Command::new("nginx").arg("-v").stderr(Stdio::null()).status().is_err() {
            return Ok(None);
        }
        let folder = TempDir::new()?;
        let client = basic(&gateway.client.id, &gateway.client.secret);
        let start = |name: &str, guard: &str, keep: &str| {
            let address = free_address()?;
            let home = folder.path().join(name);
            fs::create_dir(&home)?;
            let text = CONFIGURATION
                .replace("{home}", &home.display().to_string())
                .replace("{address}", &address.to_string())
                .replace("{upstream}", &upstream.to_string())
                .replace("{introspection}", &introspection.to_string())
                .replace("{client}", &client)
                .replace("{guard}", guard)
                .replace("{keep}", keep);
            let path = home.join("nginx.conf");
            fs::write(&path, text)?;
            Process::start(Command::new("nginx").arg("-c").arg(path).stdin(Stdio::null()), address)
        };
        let guard = "auth_request /check;";
        let keep = "proxy_cache answers; proxy_cache_key $http_authorization; proxy_cache_valid 200 60s; \
                    proxy_ignore_headers Cache-Control Expires Set-Cookie Vary;";
        let (plain, cached) = (start("plain", "", "")?, start("cached", guard, keep)?);
        Ok(Some(Self { plain, cached, uncached: start("uncached", guard, "")?, _folder: folder }))
    }
}

/// Each name in braces is replaced.
const CONFIGURATION: &str = r#"
daemon off; master_process off; pid {home}/pid; error_log {home}/errors error;
events { worker_connections 1024; }
http {
    access_log off; keepalive_requests 100000000;
    client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
    proxy_cache_path {home}/cache keys_zone=answers:10m use_temp_path=off;
    map $http_authorization $token { "~^Bearer (?<bearer>[0-9A-Za-z_-]+)$" $bearer; }
    upstream api { server {upstream}; keepalive 64; keepalive_requests 100000000; }
    upstream introspection { server {introspection}; keepalive 64; keepalive_requests 100000000; }
    proxy_http_version 1.1; proxy_set_header Connection "";
    server {
        listen {address};
        location / { {guard} proxy_pass http://api; }
        location = /check {
            internal;
            proxy_pass http://introspection/oauth2/introspect;
            proxy_method POST;
            proxy_set_header Connection "";
            proxy_set_header Authorization "Basic {client}";
            proxy_set_header Content-Type application/x-www-form-urlencoded;
            proxy_set_body token=$token;
            {keep}
        }
    }
}
"#;
