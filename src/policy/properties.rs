//! What holds for every path and every table, tried on random ones: the compiled table against a scan that is too
//! simple to be wrong, and the promise that no reading of a path that is let through leads to another rule.

use http::Method;
use percent_encoding::percent_decode_str;
use proptest::{collection::vec, prelude::*, sample::select};

use super::{
    Host, HostPattern, Miss, NormalPath, PathFeatures, RouteTable, Rule, UpstreamRules,
    readings::readings,
    samples::{all_features, upstream},
};

const PARTS: [&str; 34] = [
    "/", "/", "/", "/", "a", "a", "b", "A", "%41", "a:b", "a%3Ab", "%2F", "%2f", ".", "%2e", "..", ";", ";x", "%3B",
    "%3F", "%23", "%25", "41", "%20", "%C3%A4", "%c0%af", "{", "%5C", "%00", "+", "%2B", "/a", "/b", "//",
];

const HOSTS: [&str; 5] = ["*", "h.example", "*.example", "*.h.example", "other"];

fn paths() -> impl Strategy<Value = String> {
    vec(select(&PARTS[..]), 0..9).prop_map(|parts| format!("/{}", parts.concat()))
}

fn rules(prefix: &'static str) -> impl Strategy<Value = Vec<String>> {
    let segments = vec(select(vec!["a", "b", "A", "a:b", "{x}", "{y}", "+"]), 0..4);
    let rule = (select(vec!["*", "GET", "POST", "GET,PUT"]), segments, any::<bool>());
    vec(rule, 0..8).prop_map(move |rules| {
        let text = |(methods, segments, open): (&str, Vec<&str>, bool)| {
            let named = segments.iter().enumerate().map(|(index, segment)| segment.replace('}', &format!("{index}}}")));
            let mut path = prefix.trim_end_matches('/').to_owned();
            path.extend(named.flat_map(|segment| ["/".to_owned(), segment]));
            path.push_str(if open { "/**" } else { "" });
            format!("{methods} {}", if path.is_empty() { "/" } else { &path })
        };
        rules.into_iter().map(text).collect()
    })
}

fn upstreams(allow: PathFeatures) -> impl Strategy<Value = Vec<UpstreamRules>> {
    let one = (select(&HOSTS[..]), select(vec!["/", "/a", "/a/b", "/a:b"]), any::<bool>())
        .prop_flat_map(|(host, path, folded)| (Just((host, path, folded)), rules(path)))
        .prop_map(move |((host, path, folded), rules)| {
            let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
            UpstreamRules { case_insensitive: folded, allow_in_path: allow, ..upstream("u", host, path, &rules) }
        });
    vec(one, 1..5)
}

/// Leaves out what conflicts.
fn compile(mut upstreams: Vec<UpstreamRules>) -> (Vec<UpstreamRules>, RouteTable) {
    for error in RouteTable::compile(upstreams.clone(), false).err().unwrap_or_default().into_iter().rev() {
        match error.rule {
            Some(rule) => drop(upstreams[error.upstream].rules.remove(rule)),
            None => drop(upstreams.remove(error.upstream)),
        }
    }
    for (index, upstream) in upstreams.iter_mut().enumerate() {
        upstream.policy.index = index;
    }
    let table = RouteTable::compile(upstreams.clone(), false).unwrap();
    (upstreams, table)
}

fn keys(text: &str, folded: bool) -> Vec<String> {
    let text = text.strip_prefix('/').unwrap_or(text);
    let text = text.strip_suffix('/').unwrap_or(text);
    let key = |segment: &str| {
        let key = percent_decode_str(segment).decode_utf8().unwrap().into_owned();
        if folded { key.to_ascii_lowercase() } else { key }
    };
    if text.is_empty() { Vec::new() } else { text.split('/').map(key).collect() }
}

/// How specifically a pattern covers a path; more is greater.
fn specificity(pattern: &str, path: &str, folded: bool) -> Option<Vec<u8>> {
    let (closed, open) = pattern.strip_suffix("/**").map_or((pattern, false), |closed| (closed, true));
    let (pattern, path) = (keys(closed, folded), keys(path, folded));
    let fits = if open { path.len() >= pattern.len() } else { path.len() == pattern.len() };
    let mut ranks = Vec::new();
    for (expected, segment) in pattern.iter().zip(&path) {
        match expected {
            name if name.starts_with('{') && !segment.is_empty() => ranks.push(1),
            literal if literal == segment => ranks.push(2),
            _ => return None,
        }
    }
    ranks.push(if open { 0 } else { 3 });
    fits.then_some(ranks)
}

/// The upstream and the rules of the path that it should lead to.
fn scan<'a>(all: &'a [UpstreamRules], host: &Host, path: &str) -> Option<(usize, Vec<&'a Rule>)> {
    let width = |pattern: &HostPattern| match pattern {
        HostPattern::Any => 0,
        HostPattern::Wildcard(suffix) => suffix.len(),
        HostPattern::Exact(_) => 1000,
    };
    let covering = all.iter().filter(|upstream| upstream.host.covers(host));
    let narrowest = covering.clone().map(|upstream| width(&upstream.host)).max()?;
    let owner = covering
        .filter(|upstream| width(&upstream.host) == narrowest)
        .filter(|upstream| {
            let (own, path) =
                (keys(upstream.path.as_str(), upstream.case_insensitive), keys(path, upstream.case_insensitive));
            path.starts_with(&own)
        })
        .max_by_key(|upstream| keys(upstream.path.as_str(), false).len())?;
    let rank = |rule: &Rule| specificity(rule.path.as_str(), path, owner.case_insensitive);
    let best = owner.rules.iter().filter_map(rank).max();
    let chosen = owner.rules.iter().filter(|rule| best.is_some() && rank(rule) == best).collect();
    Some((owner.policy.index, chosen))
}

/// What the table says of the same question, whatever the method.
fn place(found: &Result<super::Route, Miss>) -> Option<usize> {
    match found {
        Ok(route) => Some(route.upstream.index),
        Err(Miss::NoRule(upstream) | Miss::Method(upstream, ..)) => Some(upstream.index),
        Err(Miss::NoUpstream | Miss::Path(_)) => None,
    }
}

/// Some of what a server may make of a text, by other means than the code under test.
fn server_readings(path: &str) -> Vec<String> {
    let decode = |text: &str| percent_decode_str(text).decode_utf8().unwrap().into_owned();
    let once = decode(path);
    let mut all = vec![path.to_owned(), once.clone(), decode(&once)];
    let changes: [fn(&str) -> String; 4] = [
        |text| text.split(['?', '#']).next().unwrap().to_owned(),
        |text| text.split('/').map(|part| part.split(';').next().unwrap()).collect::<Vec<_>>().join("/"),
        |text| text.split('/').map(|part| part.trim_end_matches(['.', ' '])).collect::<Vec<_>>().join("/"),
        |text| format!("/{}", text.split('/').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")),
    ];
    for change in changes {
        all.extend(all.clone().iter().map(|text| change(text)));
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_parsed_or_refused_and_parsing_again_changes_nothing(
        raw in prop_oneof![vec(any::<u8>(), 0..40), paths().prop_map(String::into_bytes)]
    ) {
        if let Ok(path) = NormalPath::parse(&raw) {
            prop_assert_eq!(NormalPath::parse(path.as_str().as_bytes()), Ok(path));
        }
    }

    #[test]
    fn no_reading_of_a_parsed_path_holds_what_is_always_refused(raw in paths()) {
        let Ok(path) = NormalPath::parse(raw.as_bytes()) else { return Ok(()) };
        for reading in readings(path.as_str()).unwrap_or_default().iter().chain(&server_readings(path.as_str())) {
            prop_assert!(!reading.split('/').any(|segment| segment == "." || segment == ".."), "{reading}");
            prop_assert!(!reading.contains('\\') && !reading.chars().any(char::is_control), "{reading}");
        }
    }

    #[test]
    fn the_compiled_table_finds_what_a_scan_finds(
        all in upstreams(PathFeatures::default()), raw in paths(), host in select(vec!["h.example", "a.h.example", "x"]),
        method in select(vec![Method::GET, Method::POST, Method::HEAD]),
    ) {
        let Ok(path) = NormalPath::parse(raw.as_bytes()) else { return Ok(()) };
        let (all, table) = compile(all);
        let host = host.parse().unwrap();
        let found = table.find(&host, &path, &method);
        let Some((index, rules)) = scan(&all, &host, path.as_str()) else {
            let expected = if path.features().is_empty() { matches!(found, Err(Miss::NoUpstream)) }
                else { matches!(found, Err(Miss::Path(None))) };
            prop_assert!(expected, "{found:?}");
            return Ok(());
        };
        let beyond_ascii = all[index].case_insensitive && percent_decode_str(path.as_str()).any(|byte| !byte.is_ascii());
        if !path.features().is_empty() || beyond_ascii {
            prop_assert!(matches!(found, Err(Miss::Path(Some(upstream))) if upstream.index == index));
            return Ok(());
        }
        prop_assert_eq!(place(&found), Some(index));
        let takes = |rule: &&&Rule| rule.methods.as_ref().is_none_or(|methods| methods.contains(&method));
        match (rules.is_empty(), rules.iter().find(takes)) {
            (true, _) => prop_assert!(matches!(found, Err(Miss::NoRule(_)))),
            (_, None) => prop_assert!(matches!(found, Err(Miss::Method(..)))),
            (_, Some(rule)) => prop_assert_eq!(&*found.unwrap().rule, *rule),
        }
    }

    #[test]
    fn every_reading_of_a_path_that_is_let_through_leads_to_the_same_rule(
        all in upstreams(all_features()), raw in paths()
    ) {
        let Ok(path) = NormalPath::parse(raw.as_bytes()) else { return Ok(()) };
        let (all, table) = compile(all);
        let host = "h.example".parse().unwrap();
        if matches!(table.find(&host, &path, &Method::GET), Err(Miss::Path(_) | Miss::NoUpstream)) {
            return Ok(());
        }
        let expected = scan(&all, &host, path.as_str());
        for reading in server_readings(path.as_str()) {
            prop_assert_eq!(scan(&all, &host, &reading), expected.clone(), "{}", reading);
        }
    }
}

#[test]
fn ten_thousand_rules_find_each_their_own() {
    let all: Vec<UpstreamRules> = (0..1000)
        .map(|number| {
            let host = if number % 2 == 0 { format!("h{number}.example") } else { "*".to_owned() };
            let rule = |rule| match rule % 2 {
                0 => format!("GET /u{number}/r{rule}/{{id}}"),
                _ => format!("GET /u{number}/{{id}}/r{rule}/**"),
            };
            let rules: Vec<String> = (0..10).map(rule).collect();
            let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
            upstream(&format!("u{number}"), &host, &format!("/u{number}"), &rules)
        })
        .collect();
    let table = RouteTable::compile(all.clone(), false).unwrap();
    for one in &all {
        let host = if one.host == HostPattern::Any { "other".to_owned() } else { one.host.to_string() };
        for rule in &one.rules {
            let path = rule.path.as_str().replace("{id}", "5").replace("**", "x/y");
            let path = NormalPath::parse(path.as_bytes()).unwrap();
            let route = table.find(&host.parse().unwrap(), &path, &Method::GET).unwrap();
            assert_eq!((&route.upstream.name, &route.rule.path), (&one.policy.name, &rule.path));
        }
    }
}

/// Characters that servers take for more than a letter, as they are and in every spelling that some decoder undoes.
fn spellings() -> Vec<String> {
    let mut all: Vec<String> =
        ["", "a", "x/..", "%c0%ae", "%c0%af", "%e0%80%ae", "%ef%bc%8f", "%u002e", "%u2215", "%%32%65"]
            .map(str::to_owned)
            .into();
    for byte in *b"./\\;%?#\0\n a" {
        let raw = char::from(byte);
        let (high, low) = (byte >> 4, byte & 15);
        all.extend([
            raw.to_string(),
            format!("%{byte:02x}"),
            format!("%{byte:02X}"),
            format!("%25{byte:02x}"),
            format!("%2525{byte:02x}"),
            format!("%%3{high:x}%3{low:x}"),
            format!("%25u00{byte:02x}"),
        ]);
    }
    all
}

/// What a server that decodes so often makes of a path, when it resolves it like a file's.
fn resolved(path: &str, decodings: usize) -> String {
    let mut text = path.to_owned();
    for _ in 0..decodings {
        text = percent_decode_str(&text).decode_utf8_lossy().into_owned();
    }
    let text = text.replace('\\', "/");
    let text = text.split(['?', '#', '\0']).next().unwrap_or_default();
    let mut segments: Vec<&str> = Vec::new();
    for segment in text.split('/').map(|segment| segment.split(';').next().unwrap_or_default()) {
        match segment.trim_end_matches(' ') {
            "" | "." => {}
            ".." => drop(segments.pop()),
            name => segments.push(name),
        }
    }
    format!("/{}", segments.join("/"))
}

#[test]
fn a_server_that_decodes_zero_one_or_two_times_resolves_to_a_path_of_the_same_rule() {
    let rules = ["* /a", "* /a/b/**", "* /a/{x}/c", "* /admin/**", "* /**"];
    let tables = [PathFeatures::default(), all_features()]
        .map(|allow_in_path| compile(vec![UpstreamRules { allow_in_path, ..upstream("u", "*", "/", &rules) }]));
    let host = "h.example".parse().unwrap();
    let spellings = spellings();
    let (mut tried, mut passed) = (0, 0);
    for (one, two) in spellings.iter().flat_map(|one| spellings.iter().map(move |two| (one, two))) {
        let paths = [
            format!("/a/{one}{two}/admin"),
            format!("/a{one}{two}"),
            format!("/a{one}b{two}c"),
            format!("/{one}admin{two}x"),
            format!("/a/{one}/{two}/c"),
        ];
        tried += paths.len();
        for path in paths.iter().filter_map(|path| NormalPath::parse(path.as_bytes()).ok()) {
            for (all, table) in &tables {
                let Ok(route) = table.find(&host, &path, &Method::GET) else { continue };
                passed += 1;
                for decodings in 0..=2 {
                    let read = resolved(path.as_str(), decodings);
                    let covering = scan(all, &host, &read).map(|(_, rules)| rules);
                    assert_eq!(covering, Some(vec![&*route.rule]), "{path} is read as {read}");
                }
            }
        }
    }
    assert!(tried > 30_000 && passed > 500, "{tried} tried, {passed} passed");
}
