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
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

pub use readiness::{NotReady, Readiness};
pub use record::recorded;

use crate::{
    observe::Metrics,
    registry::Passwords,
    web::{DescribedResponses, Refusal, alias, describe_refusals},
};

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

/// The endpoints' routes, each with its description; [`crate::web::desk`] makes them whole.
pub fn router<S: Clone + Send + Sync + 'static>(ops: Ops) -> OpenApiRouter<S> {
    OpenApiRouter::new()
        .routes(routes!(metrics))
        .routes(alias("/healthz", routes!(alive)))
        .routes(alias("/readyz", routes!(ready)))
        .with_state(Arc::new(ops))
}

/// That all is well.
#[derive(Serialize, ToSchema)]
struct Status {
    /// Always `ok`.
    #[schema(pattern = "^ok$")]
    status: &'static str,
}

enum Broken {}

impl utoipa::IntoResponses for Broken {
    fn responses() -> DescribedResponses {
        describe_refusals([(500, "The metrics cannot be written; the log says why.")])
    }
}

enum Unready {}

impl utoipa::IntoResponses for Unready {
    fn responses() -> DescribedResponses {
        describe_refusals([(
            503,
            "New requests are not welcome: the process is stopping, or the store does not answer.",
        )])
    }
}

/// The metrics, in Prometheus' text form.
#[utoipa::path(
    get, path = "/metrics", tag = "Operation",
    responses((status = 200, description = "The metrics.", body = String, content_type = "text/plain"), Broken),
)]
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

/// Answers as long as the process does.
#[utoipa::path(
    get, path = "/health/alive", tag = "Operation",
    responses((status = 200, description = "The process answers.", body = Status)),
)]
async fn alive() -> Json<Status> {
    Json(Status { status: "ok" })
}

/// Tells whether new requests are welcome.
#[utoipa::path(
    get, path = "/health/ready", tag = "Operation",
    responses((status = 200, description = "They are.", body = Status), Unready),
)]
async fn ready(State(ops): State<Arc<Ops>>) -> Result<Json<Status>, Refusal> {
    match ops.readiness.check().await {
        Ok(()) => Ok(Json(Status { status: "ok" })),
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
    use axum::Router;
    use serde_json::json;

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
