//! One record of each request to the private listener, as the edge leaves one of each at the public door.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use axum::{
    Router,
    extract::{ConnectInfo, Request, State},
    middleware::{self, Next},
    response::Response,
};
use http::HeaderValue;

use crate::observe::{AccessLine, AccessLog, Metrics, OWN, method_label, milliseconds};

#[derive(Clone)]
struct Recorder {
    metrics: Arc<Metrics>,
    log: Option<AccessLog>,
}

/// The same routes, each request counted and, if there is one, given a line of the access `log`. A handler finds the
/// caller's [`std::net::IpAddr`] among the request's extensions.
pub fn recorded(routes: Router, metrics: Arc<Metrics>, log: Option<AccessLog>) -> Router {
    routes.layer(middleware::from_fn_with_state(Recorder { metrics, log }, record))
}

async fn record(State(recorder): State<Recorder>, mut request: Request, next: Next) -> Response {
    let start = Instant::now();
    let method = method_label(request.method());
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| *peer);
    if let Some(peer) = peer {
        request.extensions_mut().insert(peer.ip());
    }
    let response = next.run(request).await;
    let (status, took) = (response.status(), start.elapsed());
    recorder.metrics.requests.with_label_values(&[OWN, method, status.as_str()]).inc();
    recorder.metrics.request_duration.with_label_values(&[OWN]).observe(took.as_secs_f64());
    if let Some(log) = recorder.log {
        log.write(&AccessLine {
            request_id: response.headers().get("x-request-id").map(HeaderValue::to_str).and_then(Result::ok),
            upstream: OWN,
            listener: Some("private"),
            method,
            status: status.as_u16(),
            duration_ms: milliseconds(took),
            peer,
            ..AccessLine::default()
        });
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{body::Body, routing::get};
    use tower::ServiceExt;

    #[tokio::test]
    async fn each_request_is_counted_under_our_own_name() {
        let metrics = Arc::new(Metrics::new().unwrap());
        let routes = recorded(Router::new().route("/x", get(async || "x")), metrics.clone(), None);
        for (method, path) in [("GET", "/x"), ("BREW", "/x"), ("GET", "/absent")] {
            let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
            routes.clone().oneshot(request).await.unwrap();
        }
        for (method, status) in [("GET", "200"), ("other", "405"), ("GET", "404")] {
            assert_eq!(metrics.requests.with_label_values(&[OWN, method, status]).get(), 1, "{method} {status}");
        }
    }
}
