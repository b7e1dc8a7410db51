//! The plan: which steps lead from the clients that there are to those that a list declares. Touches nothing.

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

use serde_json::{Value, json};

use crate::{
    config::DeclaredClient,
    model::{Client, ClientId, Name},
};

/// What is to become of one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// It is declared and not there.
    Create(DeclaredClient),
    /// It is there, and otherwise than declared.
    Update(Client, DeclaredClient),
    /// It is there, not declared, and to go.
    Delete(Client),
    /// It is there as declared.
    Keep(Client),
    /// It is there, not declared, and stays.
    Leave(Client),
}

/// The kinds of steps, in the order in which they are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Create,
    Update,
    Delete,
    Unchanged,
    Unlisted,
}

impl Action {
    pub(super) const ALL: [Self; 5] = [Self::Create, Self::Update, Self::Delete, Self::Unchanged, Self::Unlisted];

    /// Its name in JSON.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Unchanged => "unchanged",
            Self::Unlisted => "unlisted",
        }
    }

    pub(super) const fn is_change(self) -> bool {
        matches!(self, Self::Create | Self::Update | Self::Delete)
    }
}

/// A field that is to be another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    /// Its key in the file.
    pub(super) key: &'static str,
    /// Its name in the API.
    pub(super) field: &'static str,
    /// What it is, as the API shows it; null if there is none.
    pub(super) from: Value,
    /// What it is to be.
    pub(super) to: Value,
}

impl Step {
    pub(super) const fn action(&self) -> Action {
        match self {
            Self::Create(_) => Action::Create,
            Self::Update(..) => Action::Update,
            Self::Delete(_) => Action::Delete,
            Self::Keep(_) => Action::Unchanged,
            Self::Leave(_) => Action::Unlisted,
        }
    }

    pub(super) const fn name(&self) -> &Name {
        match self {
            Self::Create(declared) => &declared.name,
            Self::Update(client, _) | Self::Delete(client) | Self::Keep(client) | Self::Leave(client) => &client.name,
        }
    }

    /// The id of the client, if it is there.
    pub(super) const fn id(&self) -> Option<ClientId> {
        match self {
            Self::Create(_) => None,
            Self::Update(client, _) | Self::Delete(client) | Self::Keep(client) | Self::Leave(client) => {
                Some(client.id)
            }
        }
    }

    /// Field by field, what it makes of the client.
    pub(super) fn changes(&self) -> Vec<Change> {
        match self {
            Self::Create(declared) => changes(None, declared),
            Self::Update(client, declared) => changes(Some(client), declared),
            Self::Delete(_) | Self::Keep(_) | Self::Leave(_) => Vec::new(),
        }
    }
}

fn changes(client: Option<&Client>, declared: &DeclaredClient) -> Vec<Change> {
    let from = |value: fn(&Client) -> Value| client.map_or(Value::Null, value);
    let all = [
        ("scopes", "scopes", from(|client| json!(client.scopes)), json!(declared.scopes)),
        (
            "default_scopes",
            "default_scopes",
            from(|client| json!(client.default_scopes)),
            json!(declared.default_scopes),
        ),
        ("audiences", "audiences", from(|client| json!(client.audiences)), json!(declared.audiences)),
        (
            "token_duration",
            "access_token_duration",
            from(|client| json!(client.token_duration.as_secs())),
            json!(declared.token_duration.as_secs()),
        ),
        ("enabled", "enabled", from(|client| json!(client.enabled)), json!(declared.enabled)),
    ];
    let changed = all.into_iter().filter(|(_, _, from, to)| from != to);
    changed.map(|(key, field, from, to)| Change { key, field, from, to }).collect()
}

/// Several clients of one name that the list means: which one?
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ambiguous {
    name: Name,
    ids: Vec<ClientId>,
}

impl fmt::Display for Ambiguous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<String> = self.ids.iter().map(ToString::to_string).collect();
        write!(f, "the organisation has {} clients named `{}`: {}", ids.len(), self.name, ids.join(", "))
    }
}

/// The steps that lead from `existing` to `declared`, in the order of [`Action::ALL`]. Clients that are not declared go
/// with `prune`, else they stay.
pub(super) fn plan(
    declared: Vec<DeclaredClient>,
    existing: Vec<Client>,
    prune: bool,
) -> Result<Vec<Step>, Vec<Ambiguous>> {
    let names: HashSet<Name> = declared.iter().map(|declared| declared.name.clone()).collect();
    let (listed, unlisted): (Vec<_>, Vec<_>) = existing.into_iter().partition(|client| names.contains(&client.name));
    let mut by_name: HashMap<Name, Vec<Client>> = HashMap::new();
    for client in listed {
        by_name.entry(client.name.clone()).or_default().push(client);
    }
    let (mut creates, mut updates, mut kept, mut ambiguous) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for declared in declared {
        let mut found = by_name.remove(&declared.name).unwrap_or_default();
        match (found.pop(), found.is_empty()) {
            (None, _) => creates.push(Step::Create(declared)),
            (Some(client), true) if changes(Some(&client), &declared).is_empty() => kept.push(Step::Keep(client)),
            (Some(client), true) => updates.push(Step::Update(client, declared)),
            (Some(last), false) => {
                let ids = found.iter().chain([&last]).map(|client| client.id).collect();
                ambiguous.push(Ambiguous { name: declared.name, ids });
            }
        }
    }
    if !ambiguous.is_empty() {
        return Err(ambiguous);
    }
    let (deleted, left) = if prune { (unlisted, Vec::new()) } else { (Vec::new(), unlisted) };
    let deleted = deleted.into_iter().map(Step::Delete);
    let left = left.into_iter().map(Step::Leave);
    Ok(creates.into_iter().chain(updates).chain(deleted).chain(kept).chain(left).collect())
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::model::{AudienceSet, OrganizationId, Timestamp};

    pub(in crate::cli::apply) fn declared(name: &str, scopes: &str) -> DeclaredClient {
        DeclaredClient {
            name: name.parse().unwrap(),
            scopes: scopes.parse().unwrap(),
            default_scopes: None,
            audiences: AudienceSet::default(),
            token_duration: Duration::from_hours(24),
            enabled: true,
        }
    }

    /// The client that has become of a declaration.
    pub(in crate::cli::apply) fn made(declared: &DeclaredClient) -> Client {
        Client {
            id: ClientId::random().unwrap(),
            organization: OrganizationId::random().unwrap(),
            name: declared.name.clone(),
            scopes: declared.scopes.clone(),
            default_scopes: declared.default_scopes.clone(),
            audiences: declared.audiences.clone(),
            token_duration: declared.token_duration,
            enabled: declared.enabled,
            token_epoch: 3,
            refresh_token_duration: Some(Duration::from_secs(1)),
            redirect_uris: None,
            created_at: Timestamp::from_seconds(0),
            last_used: None,
        }
    }

    #[test]
    fn each_client_takes_the_step_that_it_needs_and_creations_come_first() {
        let (same, other, new) = (declared("same", "a"), declared("other", "a"), declared("new", "a"));
        let (kept, updated, left) = (made(&same), made(&declared("other", "b")), made(&declared("left", "a")));
        let existing = vec![left.clone(), kept.clone(), updated.clone()];
        let wanted = vec![same, other.clone(), new.clone()];
        let steps = [Step::Create(new), Step::Update(updated, other)];
        let (keep, leave, delete) = (Step::Keep(kept), Step::Leave(left.clone()), Step::Delete(left));
        let expected = steps.iter().cloned().chain([keep.clone(), leave]).collect();
        assert_eq!(plan(wanted.clone(), existing.clone(), false), Ok(expected));
        let pruned = steps.into_iter().chain([delete, keep]).collect();
        assert_eq!(plan(wanted, existing, true), Ok(pruned));
    }

    #[test]
    fn every_field_that_differs_is_a_change_from_old_to_new() {
        let wanted = DeclaredClient {
            default_scopes: Some("b".parse().unwrap()),
            audiences: "https://o".parse().unwrap(),
            token_duration: Duration::from_hours(1),
            enabled: false,
            ..declared("a", "a b")
        };
        let step = Step::Update(made(&declared("a", "a")), wanted.clone());
        let shown: Vec<_> = step.changes().into_iter().map(|c| (c.key, c.field, c.from, c.to)).collect();
        let expected = [
            ("scopes", "scopes", json!(["a"]), json!(["a", "b"])),
            ("default_scopes", "default_scopes", Value::Null, json!(["b"])),
            ("audiences", "audiences", json!([]), json!(["https://o"])),
            ("token_duration", "access_token_duration", json!(86400), json!(3600)),
            ("enabled", "enabled", json!(true), json!(false)),
        ];
        assert_eq!(shown, expected);
        assert!(Step::Create(wanted).changes().iter().all(|change| change.from.is_null()));
    }

    #[test]
    fn no_default_scopes_differ_from_all_and_from_none_at_all() {
        let all = declared("a", "a");
        let named = DeclaredClient { default_scopes: Some("a".parse().unwrap()), ..all.clone() };
        let none = DeclaredClient { default_scopes: Some("".parse().unwrap()), ..all.clone() };
        for (from, to) in [(&all, &named), (&named, &all), (&all, &none), (&none, &named)] {
            assert_eq!(changes(Some(&made(from)), to).len(), 1, "{from:?} {to:?}");
        }
    }

    #[test]
    fn a_name_that_several_clients_have_is_refused_with_their_ids_if_the_list_means_it() {
        let (a, b) = (declared("a", "a"), declared("b", "a"));
        let existing = vec![made(&a), made(&b), made(&a), made(&b), made(&a)];
        let ids = [existing[0].id, existing[2].id, existing[4].id].map(|id| id.to_string()).join(", ");
        let refused = plan(vec![a, declared("c", "a")], existing.clone(), true).unwrap_err();
        let shown: Vec<String> = refused.iter().map(ToString::to_string).collect();
        assert_eq!(shown, [format!("the organisation has 3 clients named `a`: {ids}")]);
        assert_eq!(plan(Vec::new(), existing.clone(), true).unwrap().len(), existing.len());
    }

    proptest! {
        #[test]
        fn what_was_brought_to_a_list_needs_no_second_time(
            names in prop::collection::btree_map("[a-d]", ("[x-z]", any::<bool>()), 0..4),
            before in prop::collection::btree_map("[a-f]", "[x-z]", 0..6),
        ) {
            let wanted: Vec<_> = names.iter().map(|(name, (scope, enabled))| DeclaredClient {
                enabled: *enabled, ..declared(name, scope)
            }).collect();
            let existing: Vec<_> = before.iter().map(|(name, scope)| made(&declared(name, scope))).collect();
            let steps = plan(wanted.clone(), existing, true).unwrap();
            let after = steps.into_iter().filter_map(|step| match step {
                Step::Create(declared) => Some(made(&declared)),
                Step::Update(client, declared) => Some(Client { id: client.id, ..made(&declared) }),
                Step::Keep(client) | Step::Leave(client) => Some(client),
                Step::Delete(_) => None,
            });
            let again = plan(wanted.clone(), after.collect(), true).unwrap();
            prop_assert_eq!(again.len(), wanted.len());
            prop_assert!(again.iter().all(|step| step.action() == Action::Unchanged));
        }
    }
}
