//! How a step is told: as an entry of the JSON document, or in words.

use serde_json::{Map, Value, json};

use super::{
    super::output::fields,
    plan::{Action, Change, Step},
    work::{Done, NewSecret},
};

/// Whether a step is told before or after it is taken.
#[derive(Debug, Clone, Copy)]
pub(super) enum Tense {
    Planned,
    Done,
}

/// What becomes of a client, in words.
const fn words(action: Action, tense: Tense) -> &'static str {
    match (action, tense) {
        (Action::Create, Tense::Planned) => "to create",
        (Action::Create, Tense::Done) => "created",
        (Action::Update, Tense::Planned) => "to update",
        (Action::Update, Tense::Done) => "updated",
        (Action::Delete, Tense::Planned) => "to delete",
        (Action::Delete, Tense::Done) => "deleted",
        (Action::Unchanged, _) => "unchanged",
        (Action::Unlisted, _) => "not in the file",
    }
}

/// An entry of the document: `{action, client_id, client_name, changes: {field: {from, to}}, client_secret}`. The id of
/// a client that is not there yet is null; the secret is there only if it is new and stands nowhere else.
pub(super) fn as_json(step: &Step, done: Option<&Done<'_>>) -> Value {
    let change = |change: Change| (change.field.to_owned(), json!({ "from": change.from, "to": change.to }));
    let mut entry = json!({
        "action": step.action().name(),
        "client_id": step.id().or(done.and_then(|done| done.id)),
        "client_name": step.name(),
        "changes": step.changes().into_iter().map(change).collect::<Map<_, _>>(),
    });
    if let (Some(NewSecret::Shown(secret)), Some(entry)) = (done.map(|done| &done.secret), entry.as_object_mut()) {
        entry.insert("client_secret".to_owned(), json!(secret.show()));
    }
    entry
}

/// What becomes of the client, its name and its id.
pub(super) fn in_a_line(step: &Step, done: Option<&Done<'_>>, tense: Tense) -> String {
    let id = step.id().or(done.and_then(|done| done.id));
    let id = id.map(|id| format!("  {id}")).unwrap_or_default();
    format!("{:15}  {}{id}", words(step.action(), tense), step.name())
}

/// The same with the fields that change and the new secret below.
pub(super) fn in_words(step: &Step, done: Option<&Done<'_>>, tense: Tense) -> String {
    let is_new = step.action() == Action::Create;
    let changes = step.changes();
    let row = |change: &Change| {
        let to = value(&change.to);
        (change.key, Some(if is_new { to } else { format!("{} -> {to}", value(&change.from)) }))
    };
    let mut rows: Vec<(&str, Option<String>)> = changes.iter().map(row).collect();
    match done.map(|done| &done.secret) {
        Some(NewSecret::Shown(secret)) => rows.push(("client secret", Some(secret.show().to_string()))),
        Some(NewSecret::Kept(place)) => rows.push(("client secret", Some(format!("in {}", place.display())))),
        Some(NewSecret::None) | None => {}
    }
    let lines = [in_a_line(step, done, tense), fields(&rows)];
    lines.join("\n").trim_end().replace('\n', "\n    ")
}

/// A value as the API shows it, for people.
fn value(value: &Value) -> String {
    match value {
        // Only `default_scopes` may have none of its own.
        Value::Null => "all scopes".to_owned(),
        Value::Number(seconds) => format!("{seconds} s"),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

/// How many steps there are of each kind.
pub(super) fn summary(steps: &[Step], tense: Tense) -> String {
    let count = |action: Action| steps.iter().filter(|step| step.action() == action).count();
    let counts = Action::ALL.map(|action| format!("{} {}", count(action), words(action, tense))).join(", ");
    let hint = if count(Action::Unlisted) > 0 { " (--prune deletes those)" } else { "" };
    counts + hint
}

#[cfg(test)]
mod tests {
    use super::{
        super::plan::tests::{declared, made},
        *,
    };
    use crate::model::{ClientId, SecretText};

    #[test]
    fn a_field_that_changes_is_told_with_what_it_was() {
        let wanted = crate::config::DeclaredClient { enabled: false, ..declared("a", "a b") };
        let client = made(&declared("a", "a"));
        let id = client.id;
        let step = Step::Update(client, wanted);
        let expected = format!("to update        a  {id}\n    scopes   a -> a b\n    enabled  true -> false");
        assert_eq!(in_words(&step, None, Tense::Planned), expected);
    }

    #[test]
    fn a_creation_is_told_with_its_fields_and_its_secret() {
        let step = Step::Create(declared("Käse AG", "b a"));
        let planned = "to create        Käse AG\n    scopes          a b\n    audiences       none\n    \
                       token_duration  86400 s\n    enabled         true";
        assert_eq!(in_words(&step, None, Tense::Planned), planned);
        let id = ClientId::random().unwrap();
        let done = Done { step: &step, id: Some(id), secret: NewSecret::Shown(SecretText::new("s3cret".to_owned())) };
        let told = in_words(&step, Some(&done), Tense::Done);
        assert!(told.starts_with(&format!("created          Käse AG  {id}\n")), "{told}");
        assert!(told.ends_with("\n    client secret   s3cret"), "{told}");
        let json = as_json(&step, Some(&done));
        let scopes = json!({ "from": null, "to": ["a", "b"] });
        let seen = (&json["action"], &json["client_id"], &json["changes"]["scopes"], &json["client_secret"]);
        assert_eq!(seen, (&json!("create"), &json!(id), &scopes, &json!("s3cret")));
        let kept = Done { secret: NewSecret::Kept("dir/cl".into()), ..done };
        assert!(in_words(&step, Some(&kept), Tense::Done).ends_with("\n    client secret   in dir/cl"));
        assert!(as_json(&step, Some(&kept)).get("client_secret").is_none());
        assert_eq!(as_json(&step, None)["client_id"], Value::Null);
    }
}
