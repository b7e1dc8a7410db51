//! Active health checks: each server of an upstream that has them is asked at an interval, whether requests come or
//! not.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use http::{
    HeaderValue, StatusCode, Uri, header,
    uri::{PathAndQuery, Scheme},
};
use pingora::{Error, ErrorType, OrErr, Result, connectors::http::Connector, http::RequestHeader};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use super::{
    super::{HostHeader, Live},
    Upstream,
    place::Place,
};
use crate::edge::failure;

/// How soon the checks of a configuration that was reloaded begin.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// What servers know the checks by in their logs.
const USER_AGENT: &str = concat!("portcullis-health-check/", env!("CARGO_PKG_VERSION"));

/// How the servers of an upstream are asked whether they are well. An answer of 2xx or 3xx is a yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// The target, as the server knows it.
    pub path: PathAndQuery,
    /// From the begin of one check to that of the next.
    pub interval: Duration,
    /// Time for the whole check; at most the interval.
    pub timeout: Duration,
}

/// Checks the servers of whatever is in force; never returns.
pub async fn check_health(live: Arc<ArcSwap<Live>>) {
    let mut checks = JoinSet::new();
    let mut connector: Option<Arc<Connector>> = None;
    loop {
        let mut next = Instant::now() + LOOK_AGAIN;
        for upstream in &live.load_full().upstreams {
            let Some(check) = &upstream.settings().health_check else { continue };
            if connector.is_none() {
                connector = new_connector().await;
            }
            let Some(connector) = &connector else { continue };
            for place in &upstream.places {
                if place.health.take_check(check.interval) {
                    checks.spawn(one(connector.clone(), upstream.clone(), place.clone(), check.clone()));
                }
                next = next.min(place.health.next_check());
            }
        }
        while checks.try_join_next().is_some() {}
        sleep_until(next).await;
    }
}

/// Made when the first check is, since it reads the system's trust store; none if that cannot be read.
async fn new_connector() -> Option<Arc<Connector>> {
    // pingora panics then.
    let made = tokio::task::spawn_blocking(|| Connector::new(None)).await;
    if made.is_err() {
        tracing::error!("no server is checked: the system's TLS roots cannot be read");
    }
    made.ok().map(Arc::new)
}

async fn one(connector: Arc<Connector>, upstream: Arc<Upstream>, place: Arc<Place>, check: HealthCheck) {
    let outcome = match timeout(check.timeout, ask(&connector, &upstream, &place, &check.path)).await {
        Ok(Ok(status)) if status.is_success() || status.is_redirection() => Ok(()),
        Ok(Ok(status)) => Err(format!("it answers {}", status.as_u16())),
        Ok(Err(error)) => Err(failure::cause(&error.into_up())),
        Err(_) => Err("no answer in time".to_owned()),
    };
    if place.health.checked(outcome.is_ok()) {
        let (upstream, server) = (upstream.name(), &*place.label);
        match outcome {
            Ok(()) => tracing::info!(upstream, server, "a server is back: it passes its health check"),
            Err(cause) => tracing::warn!(upstream, server, %cause, "a server is down: it fails its health check"),
        }
    }
}

/// Asks as a request would: on the same terms, with the host and the headers that the upstream is configured to get.
async fn ask(connector: &Connector, upstream: &Upstream, place: &Place, path: &PathAndQuery) -> Result<StatusCode> {
    let address = place.address().ok_or_else(|| Error::explain(ErrorType::ConnectError, "no known address"))?;
    let mut peer = place.peer(address);
    // A connection for one request alone is not kept.
    peer.options.max_h2_streams = 1;
    let (mut session, _) = connector.get_http_session(&peer).await?;
    let mut request = request(upstream, place, path)?;
    if session.as_http2().is_some()
        && let Some(host) = request.remove_header(&header::HOST)
    {
        // HTTP/2 names it in the target, and many a server takes both for one too many.
        let scheme = if peer.is_tls() { Scheme::HTTPS } else { Scheme::HTTP };
        let target = Uri::builder().scheme(scheme).authority(host.as_bytes()).path_and_query(path.clone());
        request.set_uri(target.build().or_err(ErrorType::InvalidHTTPHeader, "the host of a health check")?);
    }
    session.write_request_header(Box::new(request)).await?;
    session.finish_request_body().await?;
    session.read_response_header().await?;
    session.response_header().map(|answer| answer.status).ok_or_else(|| Error::new(ErrorType::ReadError))
}

fn request(upstream: &Upstream, place: &Place, path: &PathAndQuery) -> Result<RequestHeader> {
    let settings = upstream.settings();
    let mut request = RequestHeader::build("GET", path.as_str().as_bytes(), None)?;
    request.insert_header(header::USER_AGENT, HeaderValue::from_static(USER_AGENT))?;
    for (name, value) in &settings.set_headers {
        request.insert_header(name.clone(), value.clone())?;
    }
    let host = match &settings.host_header {
        HostHeader::Literal(host) => Some(host),
        HostHeader::Client | HostHeader::Upstream => place.authority.as_ref(),
    };
    if let Some(host) = host {
        request.insert_header(header::HOST, host.clone())?;
    }
    Ok(request)
}
