//! A list of clients, as `client apply` takes it: `[[clients]]` tables, each the whole truth about one client.
//!
//! What a client leaves out has its default, so that the list alone says how things are to be. It holds no secrets.

use std::{path::Path, str::FromStr, time::Duration};

use super::{
    Environment, Purpose,
    reader::{Reading, Reported, Table, Value, suggest},
    report::Report,
    source,
    values::{duration, parsed},
};
use crate::{
    model::{Audience, AudienceSet, Name, Scope, ScopeSet},
    registry::RegistrySettings,
};

const NAME_HELP: &str = "write name = \"…\": a client is known by its name";
const SCOPE_HELP: &str = "write a scope such as \"orders:read\"";
const AUDIENCE_HELP: &str = "write an audience such as \"https://orders\"";

/// A client as a list says that it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredClient {
    /// Its name, which no other client of the list has.
    pub name: Name,
    /// The most that a token of it can have.
    pub scopes: ScopeSet,
    /// What a token gets whose request names no scope, some of `scopes`; all of them if none are set.
    pub default_scopes: Option<ScopeSet>,
    /// The audiences that a token of it can have.
    pub audiences: AudienceSet,
    /// How long a token of it lives; in whole seconds, within the configured maximum.
    pub token_duration: Duration,
    /// Whether it may ask for tokens and its tokens are honoured.
    pub enabled: bool,
}

/// Loads the list of clients in `source`; lifetimes have the default and the bound of `tokens`.
///
/// # Errors
/// A [`Report`] of every mistake in it, or of the one reason why it cannot be read.
pub fn load_clients(source: &Path, tokens: &RegistrySettings) -> Result<Vec<DeclaredClient>, Report> {
    let text = source::read(source, &source::CLIENTS)?;
    interpret(&source.display().to_string(), &text, tokens)
}

fn interpret(file: &str, text: &str, tokens: &RegistrySettings) -> Result<Vec<DeclaredClient>, Report> {
    let tree = source::parse(file, text)?;
    let environment = Environment::default();
    let reading = Reading::new(&environment, Path::new(""), Purpose::Check);
    let read = Value::root(&tree, &reading).table().and_then(|root| clients(root, tokens));
    let (errors, _) = reading.diagnostics(file, text);
    match read {
        Ok(clients) if errors.is_empty() => Ok(clients),
        Ok(_) | Err(Reported) => Err(Report::new(errors)),
    }
}

/// Reads the whole document. The key must be there, so that a file cut short never means that no client is to be left.
fn clients(mut root: Table<'_>, tokens: &RegistrySettings) -> Result<Vec<DeclaredClient>, Reported> {
    let mut names = Vec::new();
    let help = "write a [[clients]] table for each client, or clients = [] if there is to be none";
    let clients = root.required("clients", help, |value| value.each(|item| client(&item, tokens, &mut names)));
    root.finish();
    clients
}

fn client(value: &Value<'_>, tokens: &RegistrySettings, names: &mut Vec<Name>) -> Result<DeclaredClient, Reported> {
    let mut table = value.table()?;
    let name = table.required("name", NAME_HELP, |value| name(&value, names));
    let help = "write the most that its tokens may have, such as scopes = [\"orders:read\"]";
    let scopes = table.required("scopes", help, |value| scopes(&value));
    let most = scopes.as_ref().ok();
    let default_scopes = table.optional("default_scopes", |value| default_scopes(&value, most));
    let audiences = table.optional("audiences", |value| audiences(&value));
    let token_duration =
        table.or("token_duration", tokens.token_duration, |value| token_duration(&value, tokens.max_token_duration));
    let enabled = table.or("enabled", true, |value| value.boolean());
    for (_, value) in table.entries().filter(|(key, _)| key.contains("secret")) {
        value.keep_secret();
    }
    table.finish();
    Ok(DeclaredClient {
        name: name?,
        scopes: scopes?,
        default_scopes: default_scopes?,
        audiences: audiences?.unwrap_or_default(),
        token_duration,
        enabled,
    })
}

fn name(value: &Value<'_>, names: &mut Vec<Name>) -> Result<Name, Reported> {
    let name: Name = parsed(value, NAME_HELP)?;
    if names.contains(&name) {
        let help = "give each client a name of its own, or remove one of them";
        return Err(value.refuse("another client above has this name", help));
    }
    names.push(name.clone());
    Ok(name)
}

fn scopes(value: &Value<'_>) -> Result<ScopeSet, Reported> {
    let scopes = distinct::<Scope>(value, SCOPE_HELP)?;
    ScopeSet::new(scopes).map_err(|error| value.refuse(error.to_string(), "name fewer scopes"))
}

/// Some of the client's scopes, which are `most` (none if they are a mistake themselves).
fn default_scopes(value: &Value<'_>, most: Option<&ScopeSet>) -> Result<ScopeSet, Reported> {
    let defaults = scopes(value)?;
    let Some(most) = most else { return Ok(defaults) };
    let known: Vec<&str> = most.iter().map(Scope::as_str).collect();
    value.each(|item| match item.text()? {
        scope if known.contains(&scope) => Ok(()),
        scope => Err(item.refuse(format!("`{scope}` is none of the client's `scopes`"), suggest(scope, &known))),
    })?;
    Ok(defaults)
}

fn audiences(value: &Value<'_>) -> Result<AudienceSet, Reported> {
    let audiences = distinct::<Audience>(value, AUDIENCE_HELP)?;
    let texts = audiences.iter().map(Audience::as_str);
    AudienceSet::from_texts(texts).map_err(|error| value.refuse(error.to_string(), "name fewer audiences"))
}

/// A list whose items are parsed and stand in it once each.
fn distinct<T: FromStr<Err: std::fmt::Display> + PartialEq + Clone>(
    value: &Value<'_>,
    help: &str,
) -> Result<Vec<T>, Reported> {
    let mut seen = Vec::new();
    value.each(|item| {
        let one: T = parsed(&item, help)?;
        if seen.contains(&one) {
            return Err(item.refuse("this stands in the list twice", "remove one of them"));
        }
        seen.push(one.clone());
        Ok(one)
    })
}

fn token_duration(value: &Value<'_>, max: Duration) -> Result<Duration, Reported> {
    let duration = duration(value, Duration::from_secs(1)..=max)?;
    if duration.subsec_nanos() == 0 {
        return Ok(duration);
    }
    Err(value.refuse("a token lives for whole seconds", "write a whole number of `s`, `m`, `h` or `d`, such as \"1h\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = include_str!("../../config/clients.toml");

    const TOKENS: RegistrySettings = RegistrySettings {
        token_duration: Duration::from_hours(24),
        max_token_duration: Duration::from_hours(720),
        secret_overlap: Duration::from_hours(24),
        max_live_per_client: 100_000,
        token_cache: 1 << 20,
    };

    fn read(text: &str) -> Vec<DeclaredClient> {
        interpret("c.toml", text, &TOKENS).unwrap_or_else(|report| panic!("{report}"))
    }

    /// Each mistake as `LINE:COLUMN KEY | REASON | HELP`.
    fn mistakes(text: &str) -> Vec<String> {
        let report = interpret("c.toml", text, &TOKENS).expect_err(text);
        let place = |found: &super::super::Diagnostic| format!("{}:{}", found.line.unwrap(), found.column.unwrap());
        let found = report.diagnostics().iter();
        found.map(|d| format!("{} {} | {} | {}", place(d), d.key, d.message, d.help)).collect()
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let clients = read("[[clients]]\nname = ' Käse AG '\nscopes = ['b', 'a']");
        let expected = DeclaredClient {
            name: "Käse AG".parse().unwrap(),
            scopes: "a b".parse().unwrap(),
            default_scopes: None,
            audiences: AudienceSet::default(),
            token_duration: TOKENS.token_duration,
            enabled: true,
        };
        assert_eq!(clients, [expected]);
    }

    #[test]
    fn every_key_is_read() {
        let clients = read(
            "[[clients]]\nname = 'a'\nscopes = ['x', 'y']\ndefault_scopes = ['y']\naudiences = ['https://o']\n\
             token_duration = '1h'\nenabled = false",
        );
        let [client] = clients.as_slice() else { panic!("{clients:?}") };
        assert_eq!(client.default_scopes, Some("y".parse().unwrap()));
        assert_eq!(client.audiences.to_string(), "https://o");
        assert_eq!((client.token_duration, client.enabled), (Duration::from_hours(1), false));
    }

    #[test]
    fn a_list_may_be_empty_but_not_missing() {
        assert_eq!(read("clients = []"), []);
        let expected = "write a [[clients]] table for each client, or clients = [] if there is to be none";
        for text in ["", "# cut short\n", "[[client]]\nname = 'a'"] {
            assert!(mistakes(text).iter().any(|found| found.ends_with(expected)), "{text}");
        }
    }

    #[test]
    fn every_mistake_is_told_at_once_with_its_place_and_its_way_out() {
        let text = "\
[[clients]]
name = 'one'
scope = ['a']
scopes = ['orders:read', 'a b', 7, 'orders:read']
audiences = 'https://orders'
token_duration = '31d'

[[clients]]
name = ' one '
scopes = ['orders:read']
default_scopes = ['orders:raed', 'orders:read']
token_duration = '1500ms'
enabled = 'yes'

[[clients]]
audiences = ['a', 'b c', 'a']
";
        let expected = [
            "3:1 clients[0].scope | unknown key `scope` | did you mean `scopes`?",
            "4:26 clients[0].scopes[1] | a scope is 1 to 128 visible ASCII characters without blanks, `\"` and `\\` \
             (RFC 6749 section 3.3) | write a scope such as \"orders:read\"",
            "4:33 clients[0].scopes[2] | expected a string in quotes, found an integer | write a string in quotes",
            "4:36 clients[0].scopes[3] | this stands in the list twice | remove one of them",
            "5:13 clients[0].audiences | expected a list in brackets, found a string | write a list in brackets",
            "6:18 clients[0].token_duration | `31d` is out of bounds | write a duration from 1s to 30d",
            "9:8 clients[1].name | another client above has this name | give each client a name of its own, or remove \
             one of them",
            "11:19 clients[1].default_scopes[0] | `orders:raed` is none of the client's `scopes` | did you mean \
             `orders:read`?",
            "12:18 clients[1].token_duration | a token lives for whole seconds | write a whole number of `s`, `m`, \
             `h` or `d`, such as \"1h\"",
            "13:11 clients[1].enabled | expected `true` or `false`, found a string | write `true` or `false`",
            "15:1 clients[2].name | `name` is missing | write name = \"…\": a client is known by its name",
            "15:1 clients[2].scopes | `scopes` is missing | write the most that its tokens may have, such as scopes = \
             [\"orders:read\"]",
            "16:19 clients[2].audiences[1] | an audience is 1 to 256 visible ASCII characters without blanks | write \
             an audience such as \"https://orders\"",
            "16:26 clients[2].audiences[2] | this stands in the list twice | remove one of them",
        ];
        assert_eq!(mistakes(text), expected);
    }

    #[test]
    fn what_is_no_list_of_clients_is_refused() {
        for (text, part) in [
            ("clients = 1", "1:11 clients | expected a list"),
            ("clients = ['a']", "1:12 clients[0] | expected a table"),
            ("clients = []\n[upstreams]", "2:2 upstreams | unknown key"),
            ("clients = [", "not TOML"),
            ("[[clients]]\nname = ''\nscopes = []", "2:8 clients[0].name | a name is 1 to 200"),
        ] {
            let found = mistakes(text);
            assert!(found.len() == 1 && found[0].contains(part), "{text}: {found:?}");
        }
    }

    #[test]
    fn a_secret_in_the_list_is_refused_and_not_repeated() {
        let text = "[[clients]]\nname = 'a'\nscopes = []\nclient_secret = 'hunter2'";
        let report = interpret("c.toml", text, &TOKENS).unwrap_err().to_string();
        assert!(report.contains("unknown key `client_secret`") && !report.contains("hunter2"), "{report}");
    }

    #[test]
    fn the_sample_passes_and_names_every_key() {
        let clients = read(SAMPLE);
        assert!(clients.len() > 1, "{clients:?}");
        let help = mistakes(&SAMPLE.replacen("\n[[clients]]", "\n[[clients]]\nzzzzzzzz = 1", 1)).remove(0);
        let (_, keys) = help.split_once("known here: ").unwrap();
        for key in keys.split(", ") {
            assert!(SAMPLE.lines().any(|line| line.split(' ').next() == Some(key)), "{key}");
        }
    }
}
