//! `health`: for a container's health check.

use bytes::Bytes;
use clap::Args;
use http::Request;
use http_body_util::Full;

use super::{
    Context,
    http_client::send,
    output::{Failure, say},
};
use crate::config::Purpose;

/// Where the private listener is when nothing says otherwise.
const DEFAULT: &str = "http://127.0.0.1:9090";

#[derive(Debug, Args)]
pub(super) struct Health {
    /// The private listener [default: the configured one, else port 9090 of this machine]
    #[arg(long, value_name = "URL")]
    admin: Option<String>,
}

/// Succeeds when the gateway is ready.
pub(super) fn run(health: &Health, context: &Context) -> Result<(), Failure> {
    let url = match &health.admin {
        Some(url) => url.clone(),
        None => configured(context)?.unwrap_or_else(|| DEFAULT.to_owned()),
    };
    let uri: http::Uri = url.parse().map_err(|_| Failure::Usage(format!("{url} is not a URL")))?;
    let (Some("http"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(Failure::Usage(format!("{url} is not a URL such as {DEFAULT}")));
    };
    let authority = if authority.port().is_some() { authority.to_string() } else { format!("{authority}:80") };
    let request = Request::get("/health/ready").header("host", &authority).body(Full::new(Bytes::new()));
    let request = request.map_err(Failure::failed)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::failed)?;
    match runtime.block_on(send(&authority, request)) {
        Ok(response) if response.status().is_success() => {
            say("ready");
            Ok(())
        }
        Ok(response) => Err(Failure::Failed(format!("{url} is not ready: it answers {}", response.status()))),
        Err(reason) => Err(Failure::Failed(format!("{url} does not answer: {reason}"))),
    }
}

/// The private listener of the configuration, if there is one.
fn configured(context: &Context) -> Result<Option<String>, Failure> {
    if !context.has_source() {
        return Ok(None);
    }
    let loaded = context.load(Purpose::Check)?;
    let mut listen = loaded.settings.admin_listen;
    if listen.ip().is_unspecified() {
        listen.set_ip(if listen.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
    }
    Ok(Some(format!("http://{listen}")))
}
