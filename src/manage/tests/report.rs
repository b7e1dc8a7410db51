//! The report: who sees what of it.

use serde_json::json;

use super::{super::ReportView, *};
use crate::{
    model::{ClientId, Clock, OrganizationId},
    store::{Missing, ObservedCount, ObservedDetails, ObservedKind},
};
use std::time::Duration;

impl Face {
    /// Counts requests of a client, or of nobody, at a rule.
    async fn observe(
        &self,
        reason: &'static str,
        rule: &str,
        client: Option<(ClientId, OrganizationId)>,
        missing: Option<Missing>,
        count: u64,
    ) {
        let now = self.world.clock.now();
        let rule = (!rule.is_empty()).then(|| rule.to_owned());
        let details = ObservedDetails { rule, method: "GET".into(), client, missing };
        let kind = ObservedKind { upstream: "orders".into(), reason: reason.into(), details: Some(details) };
        let count = ObservedCount { kind, count, first_seen: now, last_seen: now };
        self.world.registry.store().record_observations(vec![count], 100).await.unwrap();
    }
}

#[tokio::test]
async fn an_organisation_sees_its_own_tree_and_what_names_nobody() {
    let face = Face::new().await;
    let below = face.world.organization(Some(&face.root)).await;
    let stranger = face.world.organization(None).await;
    for organization in [&face.root, &below, &stranger] {
        let client = face.world.client(organization.organization.id, "a", "https://x").await.client.id;
        face.observe("access_denied", "/orders", Some((client, organization.organization.id)), None, 1).await;
    }
    face.observe("missing_token", "/orders", None, None, 5).await;
    let owners = async |caller: &NewOrganizationKey| {
        let answer = face.call("GET /report", caller, "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let rows = answer.result()["would_deny"].as_array().unwrap().clone();
        let mut owners: Vec<String> =
            rows.iter().map(|row| row["owner"].as_str().unwrap_or_default().to_owned()).collect();
        owners.sort();
        owners
    };
    let id = |of: &NewOrganizationKey| of.organization.id.to_string();
    let mut expected = vec![String::new(), id(&face.root), id(&below)];
    expected.sort();
    assert_eq!(owners(&face.root).await, expected);
    assert_eq!(owners(&below).await, [String::new(), id(&below)]);
    assert_eq!(owners(&stranger).await, [String::new(), id(&stranger)]);
}

#[tokio::test]
async fn a_row_says_who_where_why_how_often_and_what_to_do() {
    let face = Face::new().await;
    let owner = face.root.organization.id;
    let client = face.world.client(owner, "a", "https://x").await.client.id;
    let who = Some((client, owner));
    let all = Missing::All("b c".parse().unwrap());
    let any = Missing::Any("d e".parse().unwrap());
    face.observe("insufficient_scope", "/orders/**", who, Some(all), 3).await;
    face.observe("insufficient_scope", "/orders/x", who, Some(any), 2).await;
    face.observe("not_found", "", None, None, 1).await;
    face.world.clock.advance(Duration::from_mins(1));
    face.observe("not_found", "", None, None, 6).await;
    let report = face.root("GET /report?since=1h", "").await.result();
    let (since, now) = ("2023-11-14T21:14:20Z", "2023-11-14T22:14:20Z");
    assert_eq!((&report["since"], &report["until"]), (&json!(since), &json!(now)));
    assert_eq!((&report["observing"], &report["truncated"]), (&json!(["orders"]), &json!(false)));
    let first = "2023-11-14T22:13:20Z";
    let row = |more: Value| {
        let mut row = json!({"upstream": "orders", "method": "GET", "first_seen": first, "last_seen": first});
        row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        row
    };
    let known = json!({"client_id": client, "client_name": "Partner", "owner": owner, "reason": "insufficient_scope"});
    let scoped = |more: Value| {
        let mut row = row(known.clone());
        row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        row
    };
    let expected = json!([
        row(json!({"reason": "not_found", "count": 7, "last_seen": now,
            "fix": "no rule covers the path: add one; your API gets each with X-Portcullis-Would-Deny: not_found"})),
        scoped(json!({"rule": "/orders/**", "count": 3, "missing_scopes": ["b", "c"], "fix": "a token with b c"})),
        scoped(json!({"rule": "/orders/x", "count": 2, "missing_any_scope": ["d", "e"],
            "fix": "a token with one of d e"})),
    ]);
    assert_eq!(report["would_deny"], expected);
}

#[tokio::test]
async fn the_window_is_bounded_and_leaves_out_what_is_over() {
    let face = Face::new().await;
    face.observe("missing_token", "/orders", None, None, 1).await;
    face.world.clock.advance(Duration::from_hours(30));
    for (query, rows) in [("", 1), ("?since=2d", 1), ("?since=1h", 0), ("?since=0s", 0)] {
        let answer = face.root(&format!("GET /report{query}"), "").await;
        assert_eq!(answer.result()["would_deny"].as_array().map(Vec::len), Some(rows), "{query}");
    }
    for query in ["since=", "since=91d", "since=7", "since=100ms"] {
        let answer = face.root(&format!("GET /report?{query}"), "").await;
        assert_eq!(answer.outcome(), (400, "invalid_request".to_owned()), "{query}");
    }
}

#[tokio::test]
async fn beyond_its_bound_a_report_shows_the_most_frequent_and_says_so() {
    let face = Face::new().await;
    let now = face.world.clock.now();
    let counts = (0..1001_u64).map(|number| {
        let details =
            ObservedDetails { rule: Some(format!("/{number}")), method: "GET".into(), client: None, missing: None };
        let kind = ObservedKind { upstream: "orders".into(), reason: "missing_token".into(), details: Some(details) };
        ObservedCount { kind, count: number + 1, first_seen: now, last_seen: now }
    });
    let store = face.world.registry.store();
    store.record_observations(counts.collect(), 5000).await.unwrap();
    let window = Duration::from_hours(1);
    let report = ReportView::read(&**store, now, window, None, Vec::new()).await.unwrap();
    assert!(report.truncated && report.would_deny.len() == 1000);
    assert!(report.would_deny.iter().all(|row| row.count > 1), "the least frequent is left out");
}

#[tokio::test]
async fn one_report_is_made_at_a_time_so_that_others_still_reach_the_store() {
    let face = Face::new().await;
    let turn = face.observing.turn.clone().try_acquire_owned().unwrap();
    let refused = face.root("GET /report", "").await;
    assert_eq!(refused.outcome(), (503, "temporarily_unavailable".to_owned()));
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(face.root("GET /oauth2/clients", "").await.status, 200);
    drop(turn);
    for _ in 0..2 {
        assert_eq!(face.root("GET /report", "").await.status, 200, "its turn ends with it");
    }
}
