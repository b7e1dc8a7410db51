//! `[[upstreams.NAME.rules]]`: which paths and methods, and what is asked for.

use http::Method;

use super::{
    limits::caller_limit,
    reader::{Reported, Table, Value},
    sections::method,
    values::{one_of, parsed, some_of},
};
use crate::{
    model::{Scope, ScopeSet},
    policy::{Access, MethodSet, PathPattern, PathPrefix, Rule},
};

/// A rule and where it stands.
pub(super) struct PlacedRule<'a> {
    pub(super) rule: Rule,
    table: Table<'a>,
}

impl PlacedRule<'_> {
    /// Puts a mistake on record at the rule's path.
    pub(super) fn refuse(&self, message: impl Into<String>, help: impl Into<String>) -> Reported {
        self.table.refuse("path", message, help)
    }
}

/// The good rules of an upstream that owns `prefix` (none if that is a mistake itself). An error if there is none.
pub(super) fn rules<'a>(
    upstream: &mut Table<'a>,
    prefix: Option<&PathPrefix>,
    methods: &[Method],
) -> Result<Vec<PlacedRule<'a>>, Reported> {
    let help = "without a rule nothing is let through: write a [[rules]] table with `scopes`, `any_scope` or `access`";
    let mut good = Vec::new();
    upstream.required("rules", help, |value| {
        some_of(&value, help, |item| {
            if let Ok(rule) = rule(&item, prefix, methods) {
                good.push(rule);
            }
            Ok(())
        })
    })?;
    if good.is_empty() { Err(Reported) } else { Ok(good) }
}

fn rule<'a>(value: &Value<'a>, prefix: Option<&PathPrefix>, allowed: &[Method]) -> Result<PlacedRule<'a>, Reported> {
    let mut table = value.table()?;
    let path = table.optional("path", |value| path(&value, prefix));
    let methods = table.optional("methods", |value| {
        let help = "name a method, or remove the key to cover every one";
        some_of(&value, help, |item| listed_method(&item, allowed)).map(MethodSet::new)
    });
    let access = access(&mut table);
    let limit = table.optional("limits", |value| caller_limit(&value));
    let placed = value.table()?;
    table.finish();
    let path = path?.or_else(|| prefix.map(PathPattern::all_of)).ok_or(Reported)?;
    let rule = Rule { methods: methods?, limit: limit?, ..Rule::new(path, access?) };
    Ok(PlacedRule { rule, table: placed })
}

fn path(value: &Value<'_>, prefix: Option<&PathPrefix>) -> Result<PathPattern, Reported> {
    let help = "write a path such as \"/orders/{id}\" or \"/orders/**\"";
    let pattern: PathPattern = parsed(value, help)?;
    match prefix {
        Some(prefix) if !pattern.is_within(prefix) => {
            let reason = format!("`{pattern}` lies outside of the upstream's `path`, which is `{prefix}`");
            Err(value.refuse(reason, "write the whole path as clients send it, also under `strip_prefix`"))
        }
        _ => Ok(pattern),
    }
}

fn listed_method(value: &Value<'_>, allowed: &[Method]) -> Result<Method, Reported> {
    let method = method(value)?;
    if allowed.contains(&method) {
        return Ok(method);
    }
    let reason = format!("{method} is not let in at the door, so no request ever meets this rule");
    Err(value.refuse(reason, format!("add \"{method}\" to `server.methods`")))
}

/// What a rule asks for, said in exactly one of three ways.
fn access(table: &mut Table<'_>) -> Result<Access, Reported> {
    const WORDS: [(&str, Word); 3] = [("public", Word::Public), ("token", Word::Token), ("optional", Word::Optional)];
    let all = table.optional("scopes", |value| scopes(&value).map(Access::AllScopes));
    let any = table.optional("any_scope", |value| scopes(&value).map(Access::AnyScope));
    let word = table.optional("access", |value| one_of(&value, &WORDS).map(Access::from));
    let said: Vec<&str> = ["scopes", "any_scope", "access"].into_iter().filter(|key| table.has(key)).collect();
    match said.as_slice() {
        [_] => all?.or(any?).or(word?).ok_or(Reported),
        [] => {
            let help = "write scopes = [\"…\"], any_scope = [\"…\"], or access = \"token\", \"optional\" or \"public\"";
            Err(table.refuse_whole("a rule says what it asks for: `scopes`, `any_scope` or `access` is missing", help))
        }
        [.., last] => {
            let reason = format!("a rule says only one of `scopes`, `any_scope` and `access`, not {}", said.len());
            Err(table.refuse_name(last, reason, "keep one of them"))
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Word {
    Public,
    Token,
    Optional,
}

impl From<Word> for Access {
    fn from(word: Word) -> Self {
        match word {
            Word::Public => Self::Public,
            Word::Token => Self::Token,
            Word::Optional => Self::Optional,
        }
    }
}

fn scopes(value: &Value<'_>) -> Result<ScopeSet, Reported> {
    let help = "name a scope, or write access = \"token\" to ask for any valid token";
    let scopes = some_of(value, help, |item| parsed::<Scope>(&item, "write a scope such as \"orders:read\""))?;
    ScopeSet::new(scopes).map_err(|error| value.refuse(error.to_string(), "ask for fewer scopes"))
}
