//! Floor 4, for those who run it: metrics and health, on the private listener alone.
//!
//! | path | alias | answer |
//! |---|---|---|
//! | `GET /metrics` | | the metrics in Prometheus' text form |
//! | `GET /health/alive` | `/healthz` | 200 as long as the process answers |
//! | `GET /health/ready` | `/readyz` | 200 while new requests are welcome, else 503 |

mod readiness;
mod record;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{StatusCode, header};
use serde_json::{Value, json};

pub use readiness::{NotReady, Readiness};
pub use record::recorded;

use crate::{observe::Metrics, registry::Passwords, web::Refusal};

/// What the endpoints work with.
#[derive(Debug)]
pub struct Ops {
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The pool whose queue is shown.
    pub passwords: Passwords,
    /// Whether new requests are welcome.
    pub readiness: Arc<Readiness>,
}

/// The endpoints' routes; [`crate::web::desk`] makes them whole.
pub fn router(ops: Ops) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/health/alive", get(alive))
        .route("/healthz", get(alive))
        .route("/health/ready", get(ready))
        .route("/readyz", get(ready))
        .with_state(Arc::new(ops))
}

async fn metrics(State(ops): State<Arc<Ops>>) -> Response {
    ops.metrics.argon2_queue_depth.set(i64::try_from(ops.passwords.queue_depth()).unwrap_or(i64::MAX));
    match ops.metrics.encode() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response(),
        Err(error) => {
            let words = "The metrics cannot be written; the log says why.";
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", words).caused_by(error).into_response()
        }
    }
}

async fn alive() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

async fn ready(State(ops): State<Arc<Ops>>) -> Result<Json<Value>, Refusal> {
    match ops.readiness.check().await {
        Ok(()) => Ok(Json(json!({"status": "ok"}))),
        Err(reason) => Err(Refusal::unavailable("unavailable", reason.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        tokens::testing::{World, passwords},
        web::{
            desk,
            testing::{request, send},
        },
    };

    fn face() -> (World, Router, Arc<Readiness>) {
        let world = World::new();
        let readiness = Arc::new(Readiness::new(world.registry.store().clone()));
        let metrics = world.registry.metrics().clone();
        let routes = router(Ops { metrics, passwords: passwords(), readiness: readiness.clone() });
        (world, desk(routes), readiness)
    }

    #[tokio::test]
    async fn metrics_are_prometheus_text() {
        let (_world, routes, _) = face();
        let answer = send(&routes, request("GET /metrics"), "").await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("content-type")),
            (200, "text/plain; version=0.0.4; charset=utf-8")
        );
        assert!(answer.text.contains("portcullis_argon2_queue_depth "));
    }

    #[tokio::test]
    async fn readiness_ends_before_the_process_and_liveness_with_it() {
        let (_world, routes, readiness) = face();
        let status = async |path: &str| send(&routes, request(&format!("GET {path}")), "").await.status.as_u16();
        for path in ["/health/alive", "/healthz", "/health/ready", "/readyz"] {
            let answer = send(&routes, request(&format!("GET {path}")), "").await;
            assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({"status": "ok"})), "{path}");
        }
        readiness.stop();
        for (path, expected) in [("/health/alive", 200), ("/healthz", 200), ("/health/ready", 503), ("/readyz", 503)] {
            assert_eq!(status(path).await, expected, "{path}");
        }
        let answer = send(&routes, request("GET /readyz"), "").await;
        assert_eq!(answer.outcome(), (503, "unavailable".to_owned()));
    }
}
