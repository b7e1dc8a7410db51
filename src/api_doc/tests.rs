//! The document against the routes, and the page against the document.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;
use crate::{
    manage::{self, Manage, Observing},
    oauth::{self, Oauth},
    ops::{self, Ops, Readiness},
    policy::{NormalPath, is_own_path},
    tokens::testing::{World, passwords},
    web::{
        desk,
        testing::{Answer, request, send},
    },
};

const METHODS: [&str; 6] = ["get", "post", "put", "patch", "delete", "options"];

struct Face {
    _world: World,
    routes: Router,
}

impl Face {
    /// What the private listener serves, or what the public door does where management is exposed.
    fn new(private: bool) -> Self {
        let world = World::new();
        let (registry, tokens) = (world.registry.clone(), world.tokens.clone());
        let metrics = registry.metrics().clone();
        let readiness = Arc::new(Readiness::new(registry.store().clone()));
        let public_url = "https://gate.example".into();
        let oauth = Oauth {
            registry: registry.clone(),
            tokens: tokens.clone(),
            public_url,
            token_requests: None,
            organizations_introspect: true,
        };
        let manage = || Manage { registry: registry.clone(), tokens: tokens.clone() };
        let both = oauth::router(oauth).merge(manage::router(manage()));
        let routes = if private {
            let ops = Ops { metrics, passwords: passwords(), readiness };
            let report = manage::report_router(manage(), Observing::new(Vec::new));
            described_with_page(both.merge(report).merge(ops::router(ops)), "/")
        } else {
            described(both, "https://gate.example")
        };
        Self { _world: world, routes: desk(routes) }
    }

    async fn get(&self, path: &str) -> Answer {
        send(&self.routes, request(&format!("GET {path}")), "").await
    }

    async fn document(&self) -> Value {
        let answer = self.get("/openapi.json").await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/json"));
        answer.json()
    }
}

/// Every path and method of a document.
fn operations(document: &Value) -> BTreeSet<(String, String)> {
    let paths = document["paths"].as_object().unwrap();
    let methods = |item: &Value| item.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    paths.iter().flat_map(|(path, item)| methods(item).into_iter().map(|method| (path.clone(), method))).collect()
}

/// A path with something in the place of each parameter.
fn filled(path: &str) -> String {
    path.replace("{id}", "cl_aaaaaaaaaaaaa").replace("{secret_id}", "sec_aaaaaaaaaaaaa").replace("{jti}", "tok_x")
}

#[tokio::test]
async fn the_document_names_each_route_and_nothing_more() {
    for private in [true, false] {
        let face = Face::new(private);
        let named = operations(&face.document().await);
        for path in named.iter().map(|(path, _)| path).collect::<BTreeSet<_>>() {
            for method in METHODS {
                let line = format!("{} {}", method.to_uppercase(), filled(path));
                let served = send(&face.routes, request(&line), "").await.status != 405;
                assert_eq!(served, named.contains(&(path.clone(), method.to_owned())), "{line}");
            }
        }
        assert_eq!(named.contains(&("/metrics".to_owned(), "get".to_owned())), private);
    }
}

#[tokio::test]
async fn the_public_doors_own_paths_are_those_of_its_document() {
    let face = Face::new(false);
    for (path, _) in operations(&face.document().await) {
        let normal = NormalPath::parse(filled(&path).as_bytes()).unwrap();
        assert!(is_own_path(&normal, true), "{path}");
    }
    assert_eq!(face.get("/reference").await.status, 404);
}

#[tokio::test]
async fn the_document_is_whole() {
    let face = Face::new(true);
    let document = face.document().await;
    assert_eq!(document["openapi"], "3.1.0");
    let text = document.to_string();
    for target in text.split("\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(document.pointer(target).is_some(), "{target} is referred to and not there");
    }
    let mut ids = BTreeSet::new();
    for (path, method) in operations(&document) {
        let operation = &document["paths"][&path][&method];
        assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{method} {path} shares its id");
        for (status, response) in operation["responses"].as_object().unwrap() {
            assert!(!response["description"].as_str().unwrap().is_empty(), "{method} {path} {status}");
            let refused = status.as_str() >= "400";
            let schema = &response["content"]["application/json"]["schema"]["$ref"];
            assert_eq!(refused, schema == "#/components/schemas/Refusal", "{method} {path} {status}");
        }
        let open = ["Metadata", "Operation", "Users"].contains(&operation["tags"][0].as_str().unwrap());
        assert_eq!(operation["security"].as_array().is_none_or(Vec::is_empty), open, "{method} {path}");
    }
    assert_eq!(document["components"]["schemas"]["TokenDuration"]["maximum"], 30 * 24 * 60 * 60);
}

#[tokio::test]
async fn the_page_shows_every_operation_and_needs_nothing_from_elsewhere() {
    let face = Face::new(true);
    let page = face.get("/reference").await;
    assert_eq!(page.header("content-security-policy"), "default-src 'none'; style-src 'unsafe-inline'");
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let document = face.document().await;
    for (path, method) in operations(&document) {
        let id = document["paths"][&path][&method]["operationId"].as_str().unwrap();
        assert!(page.text.contains(&format!("<section id=\"{id}\">")), "{id}");
    }
    let anchors = page.text.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap());
    for anchor in anchors {
        assert!(page.text.contains(&format!("id=\"{anchor}\"")), "{anchor} is linked and not there");
    }
    for foreign in ["src=", "http:", "https:", "//", "url(", "<script", "<link", "@import"] {
        assert!(!page.text.replace("[Hh][Tt][Tt][Pp][Ss]?://", "").contains(foreign), "{foreign}");
    }
}

#[test]
fn what_looks_like_markup_is_shown_as_text() {
    let nasty = "<b onclick='x' title=\"y\">&";
    let document = serde_json::json!({
        "info": {"title": nasty, "version": nasty, "description": nasty},
        "tags": [{"name": nasty, "description": nasty}],
        "paths": {nasty: {"get": {
            "operationId": nasty, "summary": nasty, "description": nasty, "tags": [nasty], "security": [{nasty: []}],
            "parameters": [{"name": nasty, "in": nasty, "description": nasty, "schema": {"type": nasty}}],
            "requestBody": {"content": {nasty: {"schema": {"$ref": nasty}}}},
            "responses": {nasty: {"description": nasty}},
        }}},
        "components": {"securitySchemes": {nasty: {"description": nasty}}, "schemas": {nasty: {
            "description": nasty, "properties": {nasty: {"type": [nasty], "pattern": nasty, "enum": [nasty]}},
        }}},
    });
    let page = page::write(&document);
    assert!(page.contains("&lt;b onclick=&#39;x&#39; title=&quot;y&quot;&gt;&amp;"));
    assert!(!page.contains("<b ") && !page.contains("'x'") && !page.contains("\"y\""), "{page}");
}
