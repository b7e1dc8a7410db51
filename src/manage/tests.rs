//! The endpoints over the real services, as tables of what is sent and what comes back.

mod access;
mod clients;
mod credentials;
mod organizations;
mod report;

use axum::{Router, body::Body};
use http::request::Builder;
use serde_json::{Value, json};

use super::{Manage, Observing, report_router, router};
use crate::{
    registry::NewOrganizationKey,
    tokens::{IssueRequest, testing::World},
    web::{
        desk,
        testing::{Answer, request, send},
    },
};

struct Face {
    world: World,
    routes: Router,
    root: NewOrganizationKey,
    observing: Observing,
}

fn by(line: &str, organization: &NewOrganizationKey) -> Builder {
    request(line)
        .header("x-org-id", organization.organization.id.to_string())
        .header("x-api-key", organization.key.expose())
}

fn draft(more: &Value) -> String {
    let mut draft = json!({"client_name": "c", "scopes": ["b", "a"], "grant_types": ["client_credentials"]});
    for (name, value) in more.as_object().unwrap() {
        draft[name] = value.clone();
    }
    draft.to_string()
}

impl Face {
    async fn new() -> Self {
        let world = World::new();
        let root = world.organization(None).await;
        let (registry, tokens) = (world.registry.clone(), world.tokens.clone());
        let manage = || Manage { registry: registry.clone(), tokens: tokens.clone() };
        let observing = Observing::new(|| vec!["orders".into()]);
        let report = report_router(manage(), observing.clone());
        Self { routes: desk(router(manage()).merge(report)), world, root, observing }
    }

    async fn call(&self, line: &str, organization: &NewOrganizationKey, body: impl Into<Body>) -> Answer {
        send(&self.routes, by(line, organization), body).await
    }

    async fn root(&self, line: &str, body: impl Into<Body>) -> Answer {
        self.call(line, &self.root, body).await
    }

    /// The path of a new client of an organisation.
    async fn client(&self, owner: &NewOrganizationKey) -> String {
        let client = self.world.client(owner.organization.id, "a b", "https://x").await;
        format!("/oauth2/clients/{}", client.client.id)
    }

    /// Issues a token to the client of this path.
    async fn issue(&self, path: &str) -> String {
        let id = path.rsplit('/').next().unwrap().parse().unwrap();
        let client = self.world.registry.vouch_for(id).await.unwrap();
        let issued = self.world.tokens.issue(&client, &IssueRequest::default()).await.unwrap();
        issued.text.expose().to_owned()
    }
}
