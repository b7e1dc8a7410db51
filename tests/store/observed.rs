//! What observing upstreams would have refused: added up, bounded, told to whom it concerns, and forgotten in time.

use portcullis::store::{Missing, OBSERVED_KEPT, Observed, ObservedCount, ObservedDetails, ObservedKind};

use super::*;

const DAY: i64 = 24 * 60 * 60;

fn details(rule: &str) -> ObservedDetails {
    ObservedDetails { rule: Some(rule.to_owned()), method: "GET".into(), client: None, missing: None }
}

fn kind(details: impl Into<Option<ObservedDetails>>) -> ObservedKind {
    ObservedKind { upstream: "api".into(), reason: "missing_token".into(), details: details.into() }
}

fn seen(kind: &ObservedKind, count: u64, first: i64, last: i64) -> ObservedCount {
    ObservedCount { kind: kind.clone(), count, first_seen: at(first), last_seen: at(last) }
}

/// What is known of all organisations since then.
async fn known(store: &dyn Store, since: i64) -> Vec<ObservedCount> {
    let found = store.observations(at(since), None, 1000).await.unwrap();
    found.into_iter().map(|observed| observed.total).collect()
}

#[tokio::test]
async fn what_was_seen_is_added_up_by_kind_over_processes_and_days() {
    for Engine { store, other, .. } in engines() {
        let (a, b) = (kind(details("/a")), kind(details("/b")));
        store.record_observations(vec![seen(&a, 2, 10, 20), seen(&b, 1, 15, 15)], 100).await.unwrap();
        other.record_observations(vec![seen(&a, 3, 5, 12)], 100).await.unwrap();
        assert_eq!(known(&*store, 0).await, [seen(&a, 5, 5, 20), seen(&b, 1, 15, 15)]);
        store.record_observations(vec![seen(&b, 9, DAY, DAY + 7)], 100).await.unwrap();
        assert_eq!(known(&*other, 0).await, [seen(&b, 10, 15, DAY + 7), seen(&a, 5, 5, 20)]);
        assert_eq!(known(&*store, DAY + 7).await, [seen(&b, 9, DAY, DAY + 7)], "of that day");
        assert_eq!(known(&*store, DAY + 8).await, [], "none since");
        assert_eq!(store.observations(at(0), None, 1).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn every_part_of_a_kind_sets_it_apart_and_comes_back() {
    for Engine { store, .. } in engines() {
        let owner = organization(&*store, None).await;
        let client = client(&*store, owner).await;
        let basis = details("/a");
        let kinds = [
            basis.clone(),
            ObservedDetails { rule: None, ..basis.clone() },
            ObservedDetails { method: "other".into(), ..basis.clone() },
            ObservedDetails { client: Some((client.id, owner)), ..basis.clone() },
            ObservedDetails { client: Some((ClientId::from_bytes([7; 8]), owner)), ..basis.clone() },
            ObservedDetails { missing: Some(Missing::All("a b".parse().unwrap())), ..basis.clone() },
            ObservedDetails { missing: Some(Missing::Any("a b".parse().unwrap())), ..basis },
        ];
        let mut kinds: Vec<ObservedKind> = kinds.into_iter().map(kind).collect();
        kinds.push(ObservedKind { upstream: "other".into(), ..kinds[0].clone() });
        kinds.push(ObservedKind { reason: "not_found".into(), ..kinds[0].clone() });
        kinds.push(kind(None));
        for _ in 0..2 {
            store.record_observations(kinds.iter().map(|kind| seen(kind, 1, 5, 5)).collect(), 100).await.unwrap();
        }
        let found = store.observations(at(0), None, 100).await.unwrap();
        let expected: Vec<ObservedCount> = kinds.iter().map(|kind| seen(kind, 2, 5, 5)).collect();
        assert_eq!(found.iter().map(|observed| observed.total.clone()).collect::<Vec<_>>(), expected);
        let names: Vec<_> = found.into_iter().filter_map(|observed| observed.client_name).collect();
        assert_eq!(names, [client.name], "of the client that there is");
    }
}

#[tokio::test]
async fn beyond_the_bound_of_a_day_kinds_are_counted_together() {
    for Engine { store, .. } in engines() {
        let kinds: Vec<ObservedKind> = (0..5).map(|rule| kind(details(&format!("/{rule}")))).collect();
        store.record_observations(kinds.iter().map(|kind| seen(kind, 1, 5, 5)).collect(), 2).await.unwrap();
        store.record_observations(kinds.iter().map(|kind| seen(kind, 1, 6, 6)).collect(), 2).await.unwrap();
        let expected = [seen(&kind(None), 6, 5, 6), seen(&kinds[0], 2, 5, 6), seen(&kinds[1], 2, 5, 6)];
        assert_eq!(known(&*store, 0).await, expected);
        store.record_observations(vec![seen(&kinds[4], 1, DAY, DAY)], 2).await.unwrap();
        assert!(known(&*store, DAY).await.contains(&seen(&kinds[4], 1, DAY, DAY)), "the next day has room");
    }
}

#[tokio::test]
async fn an_organisation_is_told_of_its_own_tree_and_of_what_is_nobodys() {
    for Engine { store, .. } in engines() {
        let top = organization(&*store, None).await;
        let below = organization(&*store, Some(top)).await;
        let stranger = organization(&*store, None).await;
        let of = |owner| kind(ObservedDetails { client: Some((ClientId::from_bytes([1; 8]), owner)), ..details("/a") });
        let kinds = [of(top), of(below), of(stranger), kind(details("/a"))];
        store.record_observations(kinds.iter().map(|kind| seen(kind, 1, 5, 5)).collect(), 100).await.unwrap();
        assert!(matches!(store.delete_organization(below, audit(50)).await, Ok(DeleteOrganization::Deleted(_))));
        for (caller, told) in [(top, &[0, 1, 3][..]), (stranger, &[2, 3]), (below, &[1, 3])] {
            let found = store.observations(at(0), Some(caller), 100).await.unwrap();
            let found: Vec<ObservedKind> = found.into_iter().map(|Observed { total, .. }| total.kind).collect();
            assert_eq!(found, told.iter().map(|index| kinds[*index].clone()).collect::<Vec<_>>(), "{caller}");
        }
    }
}

#[tokio::test]
async fn old_days_are_swept() {
    for Engine { store, .. } in engines() {
        let now = at(7 * DAY) + OBSERVED_KEPT;
        let (old, kept) =
            (seen(&kind(details("/a")), 1, 7 * DAY - 1, 7 * DAY - 1), seen(&kind(None), 1, 7 * DAY, 7 * DAY));
        store.record_observations(vec![old, kept.clone()], 100).await.unwrap();
        assert_eq!(store.sweep(now, 10).await, Ok(1));
        assert_eq!(known(&*store, 0).await, [kept]);
    }
}
