//! The configuration from its text to its settings.

mod mistakes;
mod reference;
mod servers;
mod tls;

use std::{path::Path, time::Duration};

use http::{HeaderName, HeaderValue, Method};
use proptest::prelude::*;

use super::{Diagnostic, Environment, Loaded, Purpose, Report, Severity, WatchedFile, interpret, load, restart_needed};
use crate::{
    edge::{Balance, HostHeader, ListStyle, Scheme, Server},
    model::RateLimit,
    policy::{Access, CallerLimit, Per},
};

/// An upstream that is right, in three lines; more keys may follow.
const UPSTREAM: &str = "[upstreams.a]\nservers = ['h:1']\nrules = [{ access = 'token' }]\n";

fn read_with(text: &str, variables: &[(&str, &str)], purpose: Purpose) -> Result<Loaded, Report> {
    let environment = variables.iter().copied().collect();
    interpret(Path::new("/etc/p/a.toml"), text, &environment, purpose)
}

fn read(text: &str) -> Loaded {
    read_with(text, &[], Purpose::Serve).unwrap_or_else(|report| panic!("{report}"))
}

fn mistakes_of(text: &str, variables: &[(&str, &str)]) -> Vec<Diagnostic> {
    let report = read_with(text, variables, Purpose::Serve).expect_err(text);
    report.diagnostics().to_vec()
}

fn mistake(text: &str, variables: &[(&str, &str)]) -> Diagnostic {
    let found = mistakes_of(text, variables);
    assert_eq!(found.len(), 1, "{text}\n{found:#?}");
    found.into_iter().next().unwrap()
}

#[test]
fn an_empty_file_has_every_default_and_warns_of_the_url() {
    let Loaded { settings, warnings } = read("");
    assert_eq!(settings.server.listen, ["0.0.0.0:8080".parse().unwrap()]);
    assert_eq!(settings.public_url, "http://127.0.0.1:8080");
    assert_eq!(settings.admin_listen, "127.0.0.1:9090".parse().unwrap());
    assert_eq!(settings.store, Path::new("/etc/p/portcullis.db"));
    assert_eq!(settings.tokens.max_token_duration, Duration::from_hours(720));
    assert!(settings.live.upstreams.is_empty());
    assert!(settings.server.threads >= 1);
    assert_eq!(warnings.diagnostics().len(), 1);
    assert_eq!(warnings.diagnostics()[0].key, "server.public_url");
    assert_eq!(warnings.diagnostics()[0].severity, Severity::Warning);
}

#[test]
fn an_upstream_is_read_whole() {
    let text = "[server]\npublic_url = 'https://api.example.com/gate/'\nmethods = ['PROPFIND']
        [upstreams.orders]
        servers = ['10.0.0.5:8080', 'h2c://[fd00::1]', 'http://Name:1', 'https://name']
        balance = 'client-hash'\nhealth_check = { path = '/ping?x', interval = '1s' }\ntls = { server_name = 'b.c' }
        host = '*.Example.com'\npath = '/orders'\nmode = 'observe'\nhost_header = 'legacy:81'
        set_headers = { X-Plain = 'text' }\nremove_headers = ['X-Debug']
        [[upstreams.orders.rules]]
        methods = ['GET', 'PROPFIND']\nany_scope = ['b', 'a']
        [[upstreams.orders.rules]]
        path = '/orders/ping'\naccess = 'public'";
    let settings = read(text).settings;
    assert_eq!(settings.public_url, "https://api.example.com/gate");
    let upstream = &settings.live.upstreams[0];
    let server = |scheme, host: &str, port| Server { scheme, host: host.into(), port };
    let servers = [
        server(Scheme::Http, "10.0.0.5", 8080),
        server(Scheme::H2c, "fd00::1", 80),
        server(Scheme::Http, "name", 1),
        server(Scheme::Https, "name", 443),
    ];
    assert_eq!(upstream.servers, servers);
    assert_eq!(upstream.balance, Balance::ClientHash);
    let check = upstream.health_check.as_ref().unwrap();
    assert_eq!((check.path.as_str(), check.interval), ("/ping?x", Duration::from_secs(1)));
    assert_eq!(check.timeout, Duration::from_secs(1), "never longer than the interval");
    assert!(upstream.tls.has_server_name());
    assert_eq!(upstream.host_header, HostHeader::Literal(HeaderValue::from_static("legacy:81")));
    assert!(!upstream.set_headers[0].1.is_sensitive());
    assert_eq!(upstream.remove_headers, [HeaderName::from_static("x-debug")]);
    assert_eq!(upstream.rules.host.to_string(), "*.example.com");
    assert!(upstream.rules.policy.observes() && !read(UPSTREAM).settings.live.upstreams[0].rules.policy.observes());
    let [first, second] = &*upstream.rules.rules else { panic!() };
    assert_eq!(first.path.to_string(), "/orders/**");
    assert!(first.methods.as_ref().unwrap().contains(&Method::HEAD));
    assert_eq!(first.access, Access::AnyScope("a b".parse().unwrap()));
    assert_eq!((second.methods.as_ref(), &second.access), (None, &Access::Public));
}

fn with_secret(purpose: Purpose, variables: &[(&str, &str)]) -> Result<Loaded, Report> {
    let text = format!("{UPSTREAM}set_headers = {{ Authorization = {{ env = 'BASIC' }} }}");
    read_with(&text, variables, purpose)
}

#[test]
fn a_secret_from_the_environment_is_sensitive_and_never_shown() {
    let loaded = with_secret(Purpose::Serve, &[("BASIC", "Basic hunter2")]).unwrap();
    let (name, value) = &loaded.settings.live.upstreams[0].set_headers[0];
    assert_eq!((name, value.as_bytes()), (&http::header::AUTHORIZATION, b"Basic hunter2".as_slice()));
    assert!(value.is_sensitive());
    let report = with_secret(Purpose::Serve, &[("BASIC", "hunter2\u{e4}")]).unwrap_err();
    assert!(!report.to_string().contains("hunter2"), "{report}");
}

#[test]
fn a_secret_that_is_not_set_is_a_warning_in_a_check_and_else_an_error() {
    for variables in [&[][..], &[("BASIC", "")]] {
        let loaded = with_secret(Purpose::Check, variables).unwrap();
        assert!(loaded.settings.live.upstreams[0].set_headers.is_empty());
        let warning = loaded.warnings.diagnostics().iter().find(|found| found.key.contains("set_headers")).unwrap();
        assert_eq!((warning.line, warning.column), (Some(4), Some(41)));
        let report = with_secret(Purpose::Serve, variables).unwrap_err();
        assert!(report.diagnostics().iter().any(|found| found.message.contains("`BASIC` is not set")));
    }
}

#[test]
fn a_secret_from_a_file_loses_one_newline() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("a.toml");
    std::fs::write(&source, format!("{UPSTREAM}set_headers = {{ X-Key = {{ file = 'key' }} }}")).unwrap();
    for (content, value) in [("abc\r\n", Some("abc")), ("abc", Some("abc")), ("a\n\n", None), ("", None)] {
        std::fs::write(folder.path().join("key"), content).unwrap();
        let loaded = load(&source, &Environment::default(), Purpose::Check);
        let found = loaded.ok().map(|loaded| loaded.settings.live.upstreams[0].set_headers[0].1.clone());
        assert_eq!(found.as_ref().map(HeaderValue::as_bytes), value.map(str::as_bytes), "{content:?}");
        assert!(found.is_none_or(|value| value.is_sensitive()));
    }
}

#[test]
fn a_literal_header_does_not_show_in_a_quoted_line() {
    let report =
        read_with(&format!("{UPSTREAM}set_headers = {{ X-A = 'Basic hunter2', Host = 'x' }}"), &[], Purpose::Serve);
    let text = report.unwrap_err().to_string();
    assert!(text.contains("X-A = ") && !text.contains("hunter2"), "{text}");
}

#[test]
fn variables_override_keys_of_every_type() {
    let text = format!("[server]\nlisten = ['1.1.1.1:1']\n{UPSTREAM}");
    let variables = [
        ("PORTCULLIS_SERVER__LISTEN", "127.0.0.1:81, 127.0.0.1:82"),
        ("PORTCULLIS_SERVER__MAX_HEADERS", "7"),
        ("PORTCULLIS_LOG__ACCESS", "false"),
        ("PORTCULLIS_UPSTREAMS__A__TIMEOUT", "9s"),
        ("PORTCULLIS_UPSTREAMS__A__SET_HEADERS__X", "hunter2"),
        ("PORTCULLIS_CONFIG", "elsewhere"),
    ];
    let settings = read_with(&text, &variables, Purpose::Serve).unwrap().settings;
    assert_eq!(settings.server.listen.len(), 2);
    assert_eq!(settings.server.max_headers, 7);
    assert!(!settings.log.access);
    assert_eq!(settings.live.upstreams[0].timeout, Duration::from_secs(9));
    assert!(settings.live.upstreams[0].set_headers[0].1.is_sensitive());
}

#[test]
fn a_mistake_in_a_variable_names_the_variable() {
    for (name, value, key) in [
        ("PORTCULLIS_SERVER__LISTN", "x", "server.listn"),
        ("PORTCULLIS_SERVER__MAX_HEADERS", "many", "server.max_headers"),
        ("PORTCULLIS_SERVER__LISTEN", "127.0.0.1:1,x", "server.listen[1]"),
        ("PORTCULLIS_SERVER__LISTEN__0", "127.0.0.1:1", "server.listen"),
        ("PORTCULLIS_UPSTREAMS__A__RULES", "x", "upstreams.a.rules[0]"),
        ("PORTCULLIS__CONFIG", "x", "_config"),
        ("PORTCULLIS_LIMITS__RATE", "fast", "limits.rate"),
    ] {
        let found = mistake(UPSTREAM, &[(name, value)]);
        assert_eq!((found.file.as_str(), found.line, found.key.as_str()), (name, None, key), "{found}");
    }
    let found = mistake("", &[("PORTCULLIS_SERVER__LISTN", "x")]);
    assert_eq!(found.help, "did you mean `listen`?");
}

#[test]
fn a_file_that_cannot_be_read_is_one_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("bad.toml");
    std::fs::write(&bad, b"[server]\n# \xff\n").unwrap();
    for (path, part, place) in [
        (folder.path().join("none.toml"), "No such file", None),
        (folder.path().to_owned(), "directory", None),
        (bad, "not UTF-8", Some((2, 3))),
    ] {
        let report = load(&path, &Environment::default(), Purpose::Check).unwrap_err();
        let [found] = report.diagnostics() else { panic!("{report}") };
        assert!(found.message.contains(part), "{report}");
        assert_eq!(found.line.zip(found.column), place);
    }
}

#[test]
fn presets_name_the_headers_of_other_gateways() {
    let names = |text: &str| {
        let settings = read(&format!("{text}\n{UPSTREAM}")).settings;
        (settings.live.upstreams[0].identity.clone(), settings.live.reserved)
    };
    let (kong, reserved) = names("[identity]\npreset = 'kong'\nclient = 'X-App'");
    assert_eq!(kong.owner, ["x-consumer-id", "x-consumer-custom-id"].map(HeaderName::from_static));
    assert_eq!(kong.client, [HeaderName::from_static("x-app")]);
    assert_eq!(kong.scopes, [(HeaderName::from_static("x-authenticated-scope"), ListStyle::Commas)]);
    for name in ["X-Consumer-Groups", "x_anonymous_consumer", "X-App", "X-Portcullis-Owner", "X-Credential-Y"] {
        assert!(reserved.covers(name), "{name}");
    }
    assert!(!reserved.covers("X-Auth-Request-User"));
    let (proxy, reserved) = names("[identity]\npreset = 'oauth2-proxy'");
    assert_eq!(proxy.owner_name, [HeaderName::from_static("x-forwarded-preferred-username")]);
    assert!(reserved.covers("X-Auth-Request-User") && reserved.covers("X-Forwarded-Email"));
    assert!(!reserved.covers("X-Forwarded-For"));
    let (none, reserved) = names("[identity]\npreset = 'none'");
    assert_eq!(none, crate::edge::IdentityNames::default());
    assert!(reserved.covers("X-Portcullis-Scopes"));
}

#[test]
fn an_upstreams_own_identity_replaces_the_common_one_whole() {
    let text = format!("[identity]\nowner = 'X-Common'\n{UPSTREAM}identity = {{ preset = 'none', client = 'X-C' }}");
    let live = read(&text).settings.live;
    assert!(live.upstreams[0].identity.owner.is_empty());
    assert_eq!(live.upstreams[0].identity.client, [HeaderName::from_static("x-c")]);
    assert!(live.reserved.covers("X-Common") && live.reserved.covers("X-C"));
}

#[test]
fn limits_are_read_where_they_stand_and_a_burst_is_the_rates_number_by_default() {
    let text = "[limits]\nrate = '600/m'\nburst = 50\ntoken_requests = { rate = '10/h' }
        [upstreams.a]\nservers = ['h:1']\nlimits = { rate = '100/s', per = 'owner' }
        rules = [{ access = 'token', limits = { rate = '5/s', burst = 1, per = 'address' } }, { path = '/x', access = 'token' }]";
    let limit = |rate: &str, burst: u32| {
        let (rate, burst) = (rate.parse().unwrap(), burst.try_into().unwrap());
        RateLimit { rate, burst }
    };
    let of_caller = |rate, burst, per| Some(CallerLimit { limit: limit(rate, burst), per });
    let settings = read(text).settings;
    let rules = &settings.live.upstreams[0].rules;
    assert_eq!(settings.token_requests, Some(limit("10/h", 10)));
    assert_eq!(settings.live.limit, of_caller("600/m", 50, Per::Client));
    assert_eq!(rules.policy.limit, of_caller("100/s", 100, Per::Owner));
    assert_eq!([rules.rules[0].limit, rules.rules[1].limit], [of_caller("5/s", 1, Per::Address), None]);
    let none = read(UPSTREAM).settings;
    assert_eq!((none.live.limit, none.live.upstreams[0].rules.policy.limit, none.token_requests), (None, None, None));
}

#[test]
fn a_burst_or_a_caller_without_a_rate_is_a_mistake() {
    for line in ["burst = 5", "per = 'owner'"] {
        let found = mistake(&format!("[limits]\n{line}\n{UPSTREAM}"), &[]);
        assert_eq!((found.key.as_str(), found.line), ("limits.rate", Some(1)), "{found}");
    }
}

/// One change of every key that only a restart brings into force.
const FIXED: [(&str, &str); 30] = [
    ("server", "listen = ['127.0.0.1:81']"),
    ("server", "public_url = 'https://b'"),
    ("server", "h2c = true"),
    ("server", "threads = 999"),
    ("server", "trusted_proxies = ['10.0.0.0/8']"),
    ("server", "expose_management = true"),
    ("server", "methods = ['PROPFIND']"),
    ("server", "max_header_bytes = '1KiB'"),
    ("server", "max_headers = 1"),
    ("server", "max_target_bytes = '1KiB'"),
    ("server", "max_body = '1KiB'"),
    ("server", "header_timeout = '1s'"),
    ("server", "idle_timeout = '1s'"),
    ("server", "body_timeout = '1s'"),
    ("server", "min_body_rate = '1B'"),
    ("server", "max_connections = 1"),
    ("server", "max_connections_per_address = 1"),
    ("server", "max_requests_per_connection = 1"),
    ("server", "shutdown_grace = '1s'"),
    ("admin", "listen = '127.0.0.1:91'"),
    ("store", "sqlite = 'b.db'"),
    ("tokens", "duration = '1h'"),
    ("tokens", "max_duration = '31d'"),
    ("tokens", "secret_overlap = '1h'"),
    ("tokens", "max_live_per_client = 10"),
    ("tokens", "cache = '16MiB'"),
    ("limits", "token_requests = { rate = '1/s' }"),
    ("log", "format = 'text'"),
    ("log", "level = 'warn'"),
    ("log", "access = false"),
];

#[test]
fn what_a_reload_does_not_bring_into_force_is_named() {
    let public_url = "[server]\npublic_url = 'http://a'";
    let old = read(public_url).settings;
    assert_eq!(restart_needed(&old, &read(&format!("{public_url}\n{UPSTREAM}")).settings), Vec::<&str>::new());
    for (section, line) in FIXED {
        let text = match section {
            "server" if line.starts_with("public_url") => format!("[server]\n{line}"),
            "server" => format!("{public_url}\n{line}"),
            _ => format!("{public_url}\n[{section}]\n{line}"),
        };
        let key = line.split(' ').next().unwrap();
        assert_eq!(restart_needed(&old, &read(&text).settings), [format!("{section}.{key}")], "{line}");
    }
}

#[test]
fn every_fixed_key_is_compared() {
    // What `tls` fixes is whether it is there, which `tls` has a test of.
    let later = ["tls", "postgres"];
    for (section, key) in reference::known_keys() {
        let fixed = ["server", "admin", "store", "tokens", "log"].contains(&section.as_str())
            || (section.as_str(), key.as_str()) == ("limits", "token_requests");
        let compared = FIXED.iter().any(|(other, line)| *other == section && line.starts_with(&format!("{key} = ")));
        assert_eq!(compared, fixed && !later.contains(&key.as_str()), "{section}.{key}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(\\PC|[\r\n\t\0]){0,80}") {
        let _ = read_with(&text, &[], Purpose::Check).map_err(|report| (report.render(true), report.to_json()));
    }

    #[test]
    fn no_likely_text_makes_it_panic(lines in prop::collection::vec(
        "\\[\\[?(server|upstreams|upstreams.a|upstreams.a.rules|x)\\]\\]?|\
         (listen|public_url|max_body|servers|rules|path|scopes|set_headers|preset) = (['\"]\\PC{0,9}['\"]|\\[\\]|\\{\\}|-?[0-9]{1,20}|\\['\\PC{0,9}'\\]|\\{ env = 'X' \\})",
        0..12,
    ), value in "\\PC{0,9}") {
        let variables = [("PORTCULLIS_SERVER__LISTEN", value.as_str()), ("PORTCULLIS_UPSTREAMS__A__PATH", value.as_str())];
        let report = read_with(&lines.join("\n"), &variables, Purpose::Check);
        let _ = report.map_err(|report| (report.render(true), report.to_json()));
    }
}
