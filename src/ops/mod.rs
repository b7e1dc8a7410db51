//! Floor 4, for those who run it: metrics and health, on the private listener alone.
//!
//! | path | alias | answer |
//! |---|---|---|
//! | `GET /metrics` | | the metrics in Prometheus' text form |
//! | `GET /health/alive` | `/healthz` | 200 as long as the process answers |
//! | `GET /health/ready` | `/readyz` | 200 while new requests are welcome, else 503 |

mod readiness;

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
#[must_use]
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
