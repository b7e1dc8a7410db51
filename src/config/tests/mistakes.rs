//! Mistakes are all found at once, each at its place and with its way out.

use super::*;

#[test]
fn six_mistakes_are_six_errors_each_at_its_place() {
    let text = "\
[server]
lissten = ['127.0.0.1:8080']
max_body = \"10 MB\"
threads = 'four'

[upstreams.orders]
path = \"/orders\"

[[upstreams.orders.rules]]
path = \"/orders/**\"
scopes = [ \"ä\", \"orders:read\", \"a b\" ]

[log]
level = \"inof\"
";
    let found: Vec<_> = mistakes_of(text, &[])
        .into_iter()
        .map(|found| format!("{}:{} {} | {}", found.line.unwrap(), found.column.unwrap(), found.key, found.help))
        .collect();
    let expected = [
        "2:1 server.lissten | did you mean `listen`?",
        "3:12 server.max_body | write a whole number and one of `B`, `KiB`, `MiB`, `GiB`, such as \"10MiB\"",
        "4:11 server.threads | write an integer without quotes",
        "6:1 upstreams.orders.servers | write the servers, such as servers = [\"127.0.0.1:9000\"]",
        "11:12 upstreams.orders.rules[0].scopes[0] | write a scope such as \"orders:read\"",
        "11:32 upstreams.orders.rules[0].scopes[2] | write a scope such as \"orders:read\"",
        "14:9 log.level | did you mean `info`?",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_syntax_error_is_one_error_at_its_place() {
    for (text, line, column) in [("[server]\nlisten = \n", 2, 10), ("a = 1\na = 2", 2, 1), ("[server\n", 1, 8)] {
        let found = mistake(text, &[]);
        assert_eq!((found.line, found.column), (Some(line), Some(column)), "{found}");
        assert!(found.message.starts_with("not TOML"), "{found}");
    }
}

/// A section, a line in it, the column of its mistake, and a part of the reason.
const MISTAKES: &[(&str, &str, usize, &str)] = &[
    ("server", "listen = []", 10, "empty"),
    ("server", "listen = ['localhost:80']", 11, "not an address"),
    ("server", "listen = ['0.0.0.0:80', '127.0.0.1:80']", 25, "taken by another"),
    ("server", "public_url = 'api.example.com'", 14, "https://"),
    ("server", "public_url = 'https://u@h'", 14, "a user"),
    ("server", "public_url = 'https://h/?q'", 14, "a query"),
    ("server", "public_url = 'https://h:99999'", 14, "port"),
    ("server", "public_url = 'https://h/a//b'", 14, "plain segments"),
    ("server", "tls = []", 7, "empty"),
    ("server", "h2c = 1", 7, "`true` or `false`"),
    ("server", "threads = -1", 11, "out of bounds"),
    ("server", "trusted_proxies = ['10.0.0.0/33']", 20, "not a network"),
    ("server", "expose_management = 'yes'", 21, "`true` or `false`"),
    ("server", "methods = ['TRACE']", 12, "never let in"),
    ("server", "methods = ['get']", 12, "not a method"),
    ("server", "max_header_bytes = '1GiB'", 20, "out of bounds"),
    ("server", "max_headers = 257", 15, "out of bounds"),
    ("server", "max_target_bytes = 8192", 20, "a string"),
    ("server", "max_body = '0B'", 12, "out of bounds"),
    ("server", "header_timeout = '0s'", 18, "out of bounds"),
    ("server", "idle_timeout = '1 minute'", 16, "not a duration"),
    ("server", "body_timeout = 30", 16, "a string"),
    ("server", "min_body_rate = '1'", 17, "not a size"),
    ("server", "max_connections_per_address = 0", 31, "out of bounds"),
    ("server", "max_requests_per_connection = 0", 31, "out of bounds"),
    ("server", "max_connections = 0", 19, "out of bounds"),
    ("server", "max_connections = 99999999999999999999", 19, "64 bits"),
    ("server", "shutdown_grace = '99999d'", 18, "out of bounds"),
    ("admin", "listen = '127.0.0.1:8080'", 10, "`server.listen`"),
    ("store", "sqlite = ''", 10, "no name"),
    ("store", "postgres = { env = 'X' }", 12, "not supported yet"),
    ("tokens", "duration = '31d'", 12, "longer than"),
    ("tokens", "duration = '500ms'", 12, "out of bounds"),
    ("tokens", "max_duration = '1h'", 16, "longer than"),
    ("tokens", "secret_overlap = 1.5", 18, "found a float"),
    ("tokens", "max_live_per_client = 0", 23, "out of bounds"),
    ("tokens", "cache = '1KiB'", 9, "out of bounds"),
    ("identity", "preset = 'konk'", 10, "not a known value"),
    ("identity", "owner = 'Authorization'", 9, "another meaning"),
    ("identity", "owner_name = 'a b'", 14, "not a header name"),
    ("identity", "client = 'X_Request_Id'", 10, "another meaning"),
    ("identity", "client_name = 'Proxy-User'", 15, "connection"),
    ("identity", "scopes = ['X']", 10, "a string"),
    ("identity", "audience = 'X-Portcullis-Owner'", 12, "tells something else"),
    ("identity", "token_id = 'TE'", 12, "connection"),
    ("log", "format = 'xml'", 10, "not a known value"),
    ("log", "level = 3", 9, "a string"),
    ("log", "access = 2020-01-01", 10, "date"),
    ("", "server = 1", 10, "a table"),
    ("", "admin = 1", 9, "a table"),
    ("", "store = 1", 9, "a table"),
    ("", "tokens = 1", 10, "a table"),
    ("", "identity = 1", 12, "a table"),
    ("", "limits = 1", 10, "a table"),
    ("limits", "rate = '10/d'", 8, "a rate is"),
    ("limits", "rate = '0/s'", 8, "a rate is"),
    ("limits", "burst = 0", 9, "out of bounds"),
    ("limits", "per = 'ip'", 7, "not a known value"),
    ("limits", "token_requests = { burst = 5 }", 18, "`rate` is missing"),
    ("limits", "token_requests = { rate = '1/s', per = 'address' }", 34, "unknown key"),
    ("", "log = 1", 7, "a table"),
    ("", "upstreams = 1", 13, "a table"),
    ("", "upstreams.'a b' = { servers = ['h:1'], rules = [{ access = 'token' }] }", 11, "not a name"),
    ("", "upstreams.portcullis = { servers = ['h:1'], rules = [{ access = 'token' }] }", 11, "not a name"),
    ("upstreams.orders", "servers = ['h']", 12, "not a server"),
    ("upstreams.orders", "servers = ['h:1', 'h:1']", 19, "twice"),
    ("upstreams.orders", "servers = ['h:1', 'https://h:1']", 19, "twice"),
    ("upstreams.orders", "servers = ['ftp://h:1']", 12, "not a server"),
    ("upstreams.orders", "servers = ['https://']", 12, "not a server"),
    ("upstreams.orders", "servers = ['https://h:0']", 12, "not a server"),
    ("upstreams.orders", "servers = ['https://a_b.c:1']", 11, "no certificate"),
    ("upstreams.orders", "servers = ['h:1/path']", 12, "not a server"),
    ("upstreams.orders", "servers = ['fd00::1:80']", 12, "not a server"),
    ("upstreams.orders", "servers = []", 11, "empty"),
    ("upstreams.orders", "rules = []", 9, "empty"),
    ("upstreams.orders", "balance = 'random'", 11, "not a known value"),
    ("upstreams.orders", "host = 'a..b'", 8, "not a host"),
    ("upstreams.orders", "path = 'orders'", 8, "a path starts with"),
    ("upstreams.orders", "strip_prefix = 0", 16, "`true` or `false`"),
    ("upstreams.orders", "case_insensitive_paths = 0", 26, "`true` or `false`"),
    ("upstreams.orders", "allow_in_path = ['double-slsh']", 18, "not a known value"),
    ("upstreams.orders", "pass_override_headers = 0", 25, "`true` or `false`"),
    ("upstreams.orders", "keep_header_case = 0", 20, "`true` or `false`"),
    ("upstreams.orders", "audience = 'a b'", 12, "an audience is"),
    ("upstreams.orders", "owners = ['me']", 11, "not an organisation id"),
    ("upstreams.orders", "owners = []", 10, "empty"),
    ("upstreams.orders", "mode = 'watch'", 8, "not a known value"),
    ("upstreams.orders", "forward_authorization = 0", 25, "`true` or `false`"),
    ("upstreams.orders", "set_headers = { Transfer_Encoding = 'x' }", 17, "connection"),
    ("upstreams.orders", "set_headers = { X-A = 'x', x_a = 'y' }", 28, "named twice"),
    ("upstreams.orders", "set_headers = { X-Portcullis-New = 'x' }", 17, "identity"),
    ("upstreams.orders", "set_headers = { X-A = \"a\\nb\" }", 23, "cannot stand in a header"),
    ("upstreams.orders", "set_headers = { X-A = { env = 'A', file = 'b' } }", 23, "exactly one"),
    ("upstreams.orders", "set_headers = { X-A = { env = 'A', fil = 'b' } }", 36, "unknown key"),
    ("upstreams.orders", "set_headers = { X-A = {} }", 23, "exactly one"),
    ("upstreams.orders", "set_headers = { X-A = { file = 'none' } }", 32, "cannot be read"),
    ("upstreams.orders", "set_headers = { X-A = { file = '/dev/null' } }", 32, "no regular file"),
    ("upstreams.orders", "set_headers = { X-A = 1 }", 23, "a string"),
    ("upstreams.orders", "remove_headers = ['Connection']", 19, "connection"),
    ("upstreams.orders", "remove_headers = ['-']", 19, "not a header name"),
    ("upstreams.orders", "host_header = 'a b'", 15, "not a host"),
    ("upstreams.orders", "connect_timeout = '0s'", 19, "out of bounds"),
    ("upstreams.orders", "timeout = '0s'", 11, "out of bounds"),
    ("upstreams.orders", "retries = 11", 11, "out of bounds"),
    ("upstreams.orders", "stream_idle_timeout = '0s'", 23, "out of bounds"),
    ("upstreams.orders", "health_check = { interval = '5s' }", 16, "`path` is missing"),
    ("upstreams.orders", "health_check = { path = 'ping' }", 25, "not a path"),
    ("upstreams.orders", "health_check = { path = '/a b' }", 25, "not a path"),
    ("upstreams.orders", "health_check = { path = '/', interval = '1ms' }", 41, "out of bounds"),
    ("upstreams.orders", "health_check = { path = '/', interval = '1s', timeout = '2s' }", 57, "longer than"),
    ("upstreams.orders", "health_check = { path = '/', port = 1 }", 30, "unknown key"),
    ("upstreams.orders", "close_on_revoke = 0", 19, "`true` or `false`"),
    ("upstreams.orders", "tls = { server_name = 'a' }", 7, "speaks TLS"),
    ("upstreams.orders", "tls = 'ca.pem'", 7, "a table"),
    ("upstreams.orders", "limits = {}", 10, "`rate` is missing"),
    ("upstreams.orders", "limits = { rate = 100 }", 19, "a string"),
    ("upstreams.orders", "identity = { presett = 'kong' }", 14, "unknown key"),
    ("upstreams.orders.rules", "path = 'x'", 8, "a path starts with"),
    ("upstreams.orders.rules", "path = '/other'", 8, "lies outside"),
    ("upstreams.orders.rules", "methods = []", 11, "empty"),
    ("upstreams.orders.rules", "methods = ['PURGE']", 12, "not let in"),
    ("upstreams.orders.rules", "scopes = []", 10, "empty"),
    ("upstreams.orders.rules", "any_scope = ['a', '']", 19, "a scope is"),
    ("upstreams.orders.rules", "access = 'publik'", 10, "not a known value"),
    ("upstreams.orders.rules", "limits = { per = 'owner' }", 10, "`rate` is missing"),
    ("upstreams.orders.rules", "limits = { rate = '1/s', brust = 5 }", 26, "unknown key"),
];

/// A document that is right but for `line` in `section`, and the number of that line.
fn document(section: &str, line: &str) -> (String, usize) {
    let names = |key: &str| line.starts_with(&format!("{key} = "));
    let upstream = |extra: &str, rules: &str| {
        let servers = if names("servers") { "" } else { "servers = ['h:1']" };
        let path = if section.is_empty() || line.starts_with("path = 'orders'") { "" } else { "path = '/orders'" };
        let variables = format!("[upstreams.orders]\n{extra}\n{servers}\n{path}\n{rules}");
        if section.starts_with("upstreams") { variables } else { String::new() }
    };
    let access = "[[upstreams.orders.rules]]\naccess = 'token'\n";
    match section {
        "" => (format!("{line}\n"), 1),
        "upstreams.orders" => (upstream(line, if names("rules") { "" } else { access }), 2),
        "upstreams.orders.rules" => {
            let access = if ["scopes", "any_scope", "access"].into_iter().any(names) { "" } else { "access = 'token'" };
            (upstream("", &format!("[[upstreams.orders.rules]]\n{line}\n{access}")), 6)
        }
        section => (format!("[{section}]\n{line}\n"), 2),
    }
}

#[test]
fn a_mistake_in_any_key_is_found_at_its_place() {
    for (section, line, column, part) in MISTAKES {
        let (text, number) = document(section, line);
        let found = mistake(&text, &[("A", "secret")]);
        assert_eq!((found.line, found.column), (Some(number), Some(*column)), "{text}\n{found}");
        assert!(found.message.contains(part), "{text}\n{found}");
        assert!(!found.help.is_empty(), "{text}\n{found}");
    }
}

#[test]
fn every_key_has_a_mistake_above() {
    for (section, key) in reference::known_keys() {
        let has_one =
            MISTAKES.iter().any(|(other, line, ..)| *other == section && line.starts_with(&format!("{key} = ")));
        assert!(has_one, "[{section}] {key}");
    }
}

#[test]
fn a_missing_key_is_told_at_its_tables_header() {
    let found = mistake("[upstreams.a]\nservers = ['h:1']", &[]);
    assert_eq!((found.line, found.column, found.key.as_str()), (Some(1), Some(1), "upstreams.a.rules"));
    let found = mistake("[upstreams.a]\nservers = ['h:1']\n[[upstreams.a.rules]]\npath = '/'", &[]);
    assert_eq!((found.line, found.column, found.key.as_str()), (Some(3), Some(1), "upstreams.a.rules[0]"));
}

#[test]
fn a_rule_says_what_it_asks_for_exactly_once() {
    for second in ["access = 'token'", "any_scope = ['b']"] {
        let text = format!("[upstreams.a]\nservers = ['h:1']\n[[upstreams.a.rules]]\nscopes = ['a']\n{second}");
        let found = mistake(&text, &[]);
        assert_eq!((found.line, found.column), (Some(5), Some(1)), "{found}");
    }
}

#[test]
fn management_never_shares_the_public_port_even_by_default() {
    let found = mistake("[server]\nlisten = ['0.0.0.0:9090']\n", &[]);
    assert_eq!(found.key, "admin.listen");
}

#[test]
fn what_the_route_table_refuses_is_told_at_the_rules_path() {
    let text = "\
[upstreams.a]
servers = ['h:1']
zz = 1
[[upstreams.a.rules]]
access = 'publik'
[[upstreams.a.rules]]
path = '/x/{id}'
access = 'token'
[[upstreams.a.rules]]
path = '/x/{name}'
access = 'public'
[[upstreams.a.rules]]
path = '/oauth2/token'
access = 'public'
";
    let found: Vec<_> = mistakes_of(text, &[]).into_iter().map(|found| (found.line.unwrap(), found.key)).collect();
    let twins = "upstreams.b = { servers = ['h:1'], path = '/x', rules = [{ access = 'token' }] }
upstreams.c = { servers = ['h:1'], path = '/x', rules = [{ access = 'token' }] }";
    let twin = mistake(twins, &[]);
    assert_eq!((twin.line, twin.column, twin.key.as_str()), (Some(2), Some(43), "upstreams.c.path"));
    let key = |rule| format!("upstreams.a.rules[{rule}].{}", if rule == 0 { "access" } else { "path" });
    assert_eq!(found, [(3, "upstreams.a.zz".to_owned()), (5, key(0)), (10, key(2)), (13, key(3))]);
}
