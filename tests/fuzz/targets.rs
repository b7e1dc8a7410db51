//! What is fuzzed: each target gives one reader of text from outside some bytes, and holds what it makes of them
//! against what must be true of it. The fuzzer's programs (`fuzz_targets`) and the replay of their corpus (`main`)
//! share it.

use std::{fs, path::PathBuf, sync::LazyLock};

use data_encoding::BASE64;
use http::{HeaderMap, HeaderValue, Method, header};
use percent_encoding::percent_decode_str;
use portcullis::{
    config::{self, Environment, Purpose},
    edge::Live,
    guard,
    model::{CheckKey, ClientId, OrganizationId, RequestId, Scope, ScopeSet, SecretKind, TokenId, mask_secrets},
    oauth::{self, Form},
    policy::{Access, NormalPath, PathFeature, PathFeatures, RouteTable, Rule, UpstreamPolicy, UpstreamRules},
};

/// Tries a reader with some bytes.
pub type Target = fn(&[u8]);

/// All targets by name.
pub const ALL: [(&str, Target); 7] = [
    ("path", path),
    ("bearer", bearer),
    ("basic", basic),
    ("form", form),
    ("scope", scope),
    ("configuration", configuration),
    ("token", token),
];

/// Rules that a path could be spelt around.
static TABLES: LazyLock<[RouteTable; 2]> = LazyLock::new(|| {
    let everything = PathFeature::ALL.iter().fold(PathFeatures::default(), |all, (_, feature)| all.with(*feature));
    [PathFeatures::default(), everything].map(|allow_in_path| {
        let rule = |path: &str| Rule::new(path.parse().unwrap(), Access::Token);
        let rules = ["/**", "/a", "/a/b/**", "/{x}/c", "/admin/**"].map(rule).to_vec();
        let all = UpstreamRules::new(UpstreamPolicy::new("api"), "/".parse().unwrap(), rules);
        RouteTable::compile(vec![UpstreamRules { allow_in_path, ..all }], false).unwrap()
    })
});

/// A path has one form, holds nothing that a server may climb by however often it decodes, and each of its decodings
/// leads to the rule that it was let through by.
pub fn path(input: &[u8]) {
    let Ok(path) = NormalPath::parse(input) else { return };
    let text = path.as_str();
    assert!(text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'?' && byte != b'#'));
    assert_eq!(NormalPath::parse(text.as_bytes()).as_ref(), Ok(&path), "it changes when it is read again");
    let once = percent_decode_str(text).decode_utf8().expect("it decodes to UTF-8").into_owned();
    let twice = percent_decode_str(&once).decode_utf8().expect("it decodes to UTF-8 twice").into_owned();
    for reading in [text, &once, &twice] {
        assert!(!reading.contains('\\') && !reading.chars().any(char::is_control), "{reading:?}");
        assert!(!reading.split('/').any(|segment| matches!(segment, "." | "..")), "{reading:?}");
    }
    let host = "a.example".parse().unwrap();
    for table in &*TABLES {
        let Ok(route) = table.find(&host, &path, &Method::GET) else { continue };
        for reading in [&once, &twice] {
            // What was decoded is written as it may be in a request.
            let written = reading.replace('%', "%25").replace(['?', '#', ' ', '"', '<', '>', '`'], "x");
            let written: String = written.chars().map(|c| if c.is_ascii() { c } else { 'x' }).collect();
            let read = NormalPath::parse(written.as_bytes()).expect("no decoding makes it refused");
            if let Ok(other) = table.find(&host, &read, &Method::GET) {
                assert_eq!(other.rule, route.rule, "{text} is read as {reading}");
            }
        }
    }
}

/// A token is taken from exactly one `Authorization`, and never beside one in the query. A line that begins with `?` is
/// the query, every other one a header.
pub fn bearer(input: &[u8]) {
    let (mut headers, mut query) = (HeaderMap::new(), None);
    for line in input.split(|byte| *byte == b'\n') {
        if let Some(text) = line.strip_prefix(b"?") {
            query = std::str::from_utf8(text).ok();
        } else if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(header::AUTHORIZATION, value);
        }
    }
    let named =
        query.is_some_and(|query| form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "access_token"));
    let count = headers.get_all(header::AUTHORIZATION).iter().count();
    match guard::bearer(&headers, query) {
        Ok(_) if named || count > 1 => panic!("more than one credential, or one in the query, passed"),
        Err(_) | Ok(None) => {}
        Ok(Some(token)) => {
            let value = headers[header::AUTHORIZATION].as_bytes();
            let (scheme, rest) = value.split_at(6);
            assert!(scheme.eq_ignore_ascii_case(b"bearer"));
            assert_eq!(std::str::from_utf8(rest).map(|rest| rest.trim_matches([' ', '\t'])), Ok(token));
        }
    }
}

/// Credentials are read in one or two ways, of which the last is what was written; and whatever has an id and a secret
/// can be written so.
pub fn basic(input: &[u8]) {
    if let Ok(value) = HeaderValue::from_bytes(input)
        && let Ok(readings) = oauth::basic(&value)
    {
        assert!(matches!(readings.len(), 1 | 2));
        let raw = readings.last().unwrap();
        let written = BASE64.encode(format!("{}:{}", raw.id, raw.secret.expose()).as_bytes());
        assert_eq!(value.to_str().unwrap().split_once(' ').unwrap().1.trim(), written);
    }
    let Ok(text) = std::str::from_utf8(input) else { return };
    let value = HeaderValue::try_from(format!("Basic {}", BASE64.encode(input))).unwrap();
    let last = oauth::basic(&value).ok().and_then(|mut readings| readings.pop());
    let last = last.map(|raw| format!("{}:{}", raw.id, raw.secret.expose()));
    assert_eq!(last.as_deref(), text.contains(':').then_some(text));
}

/// A form that is taken says what any other reader of forms finds in it, and repeats only what may be repeated.
pub fn form(input: &[u8]) {
    let Ok(form) = Form::parse(input) else { return };
    for (name, value) in form_urlencoded::parse(input).filter(|(_, value)| !value.is_empty()) {
        let found = form.all(&name);
        assert!(found.iter().any(|known| *known == value), "{name} = {value} is lost");
        assert!(found.len() == 1 || matches!(&*name, "resource" | "audience"), "{name} is repeated");
        assert_eq!(form.get(&name), found.first().map(String::as_str));
    }
}

/// The grammar of RFC 6749 section 3.3, and that a set has one text.
pub fn scope(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let grammar = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\');
    let one = |text: &str| (1..=Scope::MAX_LENGTH).contains(&text.len()) && grammar(text);
    assert_eq!(text.parse::<Scope>().is_ok(), one(text));
    let Ok(set) = text.parse::<ScopeSet>() else {
        assert!(text.len() > ScopeSet::MAX_LENGTH || !text.split(' ').all(one), "refused without a reason");
        return;
    };
    assert!(text.is_empty() || text.split(' ').all(one));
    let canonical = set.to_string();
    assert!(canonical.len() <= ScopeSet::MAX_LENGTH);
    assert_eq!(canonical.parse::<ScopeSet>().as_ref(), Ok(&set));
    assert!(set.iter().is_sorted() && set.contains_all(&set) && set.intersection(&set) == set);
}

/// A configuration that is taken can be put in force; every mistake of one that is refused has a place in it.
pub fn configuration(input: &[u8]) {
    static FILE: LazyLock<(tempfile::TempDir, PathBuf)> = LazyLock::new(|| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("portcullis.toml");
        (folder, file)
    });
    let text = String::from_utf8_lossy(input);
    // Files that are named are read, and these may have no end.
    if text.contains("/dev") || text.contains("/proc") || text.contains("\\u") {
        return;
    }
    fs::write(&FILE.1, input).unwrap();
    match config::load(&FILE.1, &Environment::default(), Purpose::Check) {
        Ok(loaded) => {
            let settings = loaded.settings;
            Live::build(settings.live, settings.server.expose_management).expect("the rules are sound");
        }
        Err(report) => {
            let lines = text.split('\n').count();
            let mistakes = report.diagnostics();
            assert!(!mistakes.is_empty(), "refused without a reason");
            for mistake in mistakes {
                assert!(!mistake.message.is_empty() && !mistake.help.is_empty(), "{mistake:?}");
                assert!(mistake.line.is_none_or(|line| (1..=lines).contains(&line)), "{mistake:?}");
            }
            assert!(!report.to_string().is_empty());
        }
    }
}

/// No text is a token but one that the key made, and none survives the mask. Identifiers have one text.
pub fn token(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let key = CheckKey::new([7; 32]);
    let kinds = [SecretKind::AccessToken, SecretKind::ClientSecret, SecretKind::OrganizationKey];
    for kind in kinds {
        assert!(key.examine(kind, &text).is_none() || text.len() == kind.prefix().len() + 32);
    }
    // One that the key made is spoilt by any change of its text.
    if let [place, bit, ..] = *input {
        let (made, _) = key.mint(kinds[usize::from(bit % 3)]).unwrap();
        let mut bytes = made.expose().as_bytes().to_vec();
        let place = usize::from(place) % bytes.len();
        bytes[place] ^= 1 << (bit % 7);
        let spoilt = String::from_utf8(bytes).unwrap();
        assert!(kinds.iter().all(|kind| key.examine(*kind, &spoilt).is_none()), "a spoilt secret passes");
    }
    let masked = mask_secrets(&text);
    assert!(!masked.to_ascii_lowercase().replace("prt_***", "").contains("prt_"), "{masked}");
    identifiers(&text);
}

fn identifiers(text: &str) {
    if let Ok(id) = text.parse::<ClientId>() {
        assert_eq!(id.to_string(), text);
    }
    if let Ok(id) = text.parse::<OrganizationId>() {
        assert_eq!(id.to_string(), text);
    }
    if let Ok(id) = text.parse::<TokenId>() {
        assert_eq!(id.to_string(), text);
    }
    if let Some(id) = RequestId::from_caller(text) {
        assert_eq!(id.as_str(), text);
        assert!(!text.to_ascii_lowercase().contains("prt_"));
    }
}
