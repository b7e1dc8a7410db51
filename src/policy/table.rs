//! The route table: from host, path and method to the one rule that applies.
//!
//! Compiled once from the configuration, then only read. A find costs two or three hash look-ups and one walk along
//! the segments, however many upstreams and rules there are.

use std::{ptr, sync::Arc};

use foldhash::HashMap;
use http::Method;

use super::{
    Host, HostPattern, MethodSet, NormalPath, PathFeatures, PathPattern, Rule, TableError, UpstreamPolicy,
    UpstreamRules, conflicts::conflicts, path::split_after, readings::readings, trie::Trie,
};

/// The rule that applies to a request.
#[derive(Debug, Clone)]
pub struct Route {
    /// Its upstream.
    pub upstream: Arc<UpstreamPolicy>,
    /// The rule.
    pub rule: Arc<Rule>,
}

/// Why no rule applies.
#[derive(Debug, Clone)]
pub enum Miss {
    /// No upstream owns this host and path: 404.
    NoUpstream,
    /// The upstream has no rule for the path: 404.
    NoRule(Arc<UpstreamPolicy>),
    /// The path's rules, of which this is one, do not list the method: 405 with these.
    Method(Arc<UpstreamPolicy>, Arc<Rule>, MethodSet),
    /// The path holds what its upstream (none, if there is none) does not allow, or could be read so that another rule
    /// covers it: 400.
    Path(Option<Arc<UpstreamPolicy>>),
}

/// All rules, compiled.
#[derive(Debug, Clone, Default)]
pub struct RouteTable {
    exact: HashMap<Box<str>, Domain>,
    /// By what follows the `*`.
    wildcard: HashMap<Box<str>, Domain>,
    any: Domain,
}

/// The upstreams of one host pattern.
#[derive(Debug, Clone)]
struct Domain {
    case_sensitive: Trie<Upstream>,
    case_insensitive: Trie<Upstream>,
}

#[derive(Debug, Clone)]
struct Upstream {
    policy: Arc<UpstreamPolicy>,
    /// Segments of the path that it owns.
    depth: usize,
    allow_in_path: PathFeatures,
    rules: Trie<PathRules>,
    case_insensitive: bool,
}

/// The rules of one path, with different methods.
#[derive(Debug, Clone, Default)]
struct PathRules {
    rules: Vec<Arc<Rule>>,
    methods: MethodSet,
}

/// Where a path leads.
#[derive(Clone, Copy)]
struct Place<'a> {
    upstream: &'a Upstream,
    rules: Option<&'a PathRules>,
}

impl RouteTable {
    /// Compiles. With `expose_management`, the paths of the management API are Portcullis' own too.
    ///
    /// # Errors
    /// All that is wrong, in the order of the configuration: upstreams with the same host and path; rules of the same
    /// paths with a method in common; rules outside their upstream's path; anything under Portcullis' own paths.
    pub fn compile(upstreams: Vec<UpstreamRules>, expose_management: bool) -> Result<Self, Vec<TableError>> {
        let errors = conflicts(&upstreams, expose_management);
        if !errors.is_empty() {
            return Err(errors);
        }
        let mut table = Self::default();
        for upstream in upstreams {
            let domain = match &upstream.host {
                HostPattern::Any => &mut table.any,
                HostPattern::Exact(host) => table.exact.entry(host.as_str().into()).or_default(),
                HostPattern::Wildcard(suffix) => table.wildcard.entry(suffix.as_str().into()).or_default(),
            };
            domain.add(upstream);
        }
        Ok(table)
    }

    /// Finds the rule of a request: by host, then by path, and only then by method.
    ///
    /// # Errors
    /// [`Miss`]: what refuses the path stands before what does not find it.
    pub fn find(&self, host: &Host, path: &NormalPath, method: &Method) -> Result<Route, Miss> {
        let domain = self.domain(host);
        let place = domain.locate(path.as_str());
        if !path.features().is_empty() && !place.is_some_and(|place| domain.is_plain(path, place)) {
            return Err(Miss::Path(place.map(|place| place.upstream.policy.clone())));
        }
        let Place { upstream, rules } = place.ok_or(Miss::NoUpstream)?;
        // Which letters beyond ASCII are one letter in two cases is for each server to say: no rule can be sure of it.
        if upstream.case_insensitive && !path.is_ascii() {
            return Err(Miss::Path(Some(upstream.policy.clone())));
        }
        let rules = rules.ok_or_else(|| Miss::NoRule(upstream.policy.clone()))?;
        let takes = |rule: &&Arc<Rule>| rule.methods.as_ref().is_none_or(|methods| methods.contains(method));
        let policy = upstream.policy.clone();
        match (rules.rules.iter().find(takes), rules.rules.first()) {
            (Some(rule), _) => Ok(Route { upstream: policy, rule: rule.clone() }),
            (None, Some(other)) => Err(Miss::Method(policy, other.clone(), rules.methods.clone())),
            (None, None) => Err(Miss::NoRule(policy)),
        }
    }

    /// The first kind of host pattern that covers `host` shuts out the wider ones, whatever its upstreams own.
    fn domain(&self, host: &Host) -> &Domain {
        let name = host.as_str();
        let wildcard = || {
            // Most tables have none: then no dot is looked for.
            if self.wildcard.is_empty() {
                return None;
            }
            let mut suffixes = name.match_indices('.').map(|(dot, _)| name.split_at(dot).1);
            suffixes.find_map(|suffix| self.wildcard.get(suffix))
        };
        self.exact.get(name).or_else(wildcard).unwrap_or(&self.any)
    }
}

impl Domain {
    fn add(&mut self, upstream: UpstreamRules) {
        let mut rules: Trie<PathRules> = Trie::new(upstream.case_insensitive);
        for rule in upstream.rules {
            let here = rules.entry(&rule.path).get_or_insert_default();
            here.methods = here.methods.union(rule.methods.as_ref().unwrap_or(&MethodSet::default()));
            here.rules.push(Arc::new(rule));
        }
        let upstreams = if upstream.case_insensitive { &mut self.case_insensitive } else { &mut self.case_sensitive };
        *upstreams.entry(&PathPattern::all_of(&upstream.path)) = Some(Upstream {
            policy: Arc::new(upstream.policy),
            depth: upstream.path.segments().count(),
            case_insensitive: upstream.case_insensitive,
            allow_in_path: upstream.allow_in_path,
            rules,
        });
    }

    /// The upstream with the longest path, and its most specific rules.
    fn locate(&self, path: &str) -> Option<Place<'_>> {
        let found = [self.case_sensitive.find(path), self.case_insensitive.find(path)];
        let upstream = found.into_iter().flatten().max_by_key(|upstream| upstream.depth)?;
        Some(Place { upstream, rules: upstream.rules.find(path) })
    }

    /// Whether the upstream allows what `path` holds, and all that a server may make of it leads to `place`.
    fn is_plain(&self, path: &NormalPath, place: Place<'_>) -> bool {
        if !place.upstream.allow_in_path.contains_all(path.features()) {
            return false;
        }
        // The upstream's own path holds no features, and may have been cut off when the server reads the rest.
        let (owned, rest) = split_after(path.as_str(), place.upstream.depth);
        let leads_here = |rest: &String| self.locate(&format!("{owned}{rest}")).is_some_and(|read| read.is(place));
        readings(rest).is_some_and(|readings| readings.iter().all(leads_here))
    }
}

impl Default for Domain {
    fn default() -> Self {
        Self { case_sensitive: Trie::new(false), case_insensitive: Trie::new(true) }
    }
}

impl Place<'_> {
    fn is(self, other: Self) -> bool {
        let rules = |place: Self| place.rules.map(ptr::from_ref);
        ptr::eq(self.upstream, other.upstream) && rules(self) == rules(other)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::samples::{all_features, upstream},
        *,
    };

    fn table(upstreams: &[UpstreamRules]) -> RouteTable {
        RouteTable::compile(upstreams.to_vec(), false).unwrap()
    }

    /// `upstream rule`, or the status with what comes with it.
    fn find(table: &RouteTable, method: &str, url: &str) -> String {
        let (host, path) = url.split_at(url.find('/').unwrap());
        let path = NormalPath::parse(path.as_bytes()).unwrap();
        match table.find(&host.parse().unwrap(), &path, &method.parse().unwrap()) {
            Ok(route) => format!("{} {}", route.upstream.name, route.rule.path),
            Err(Miss::NoUpstream) => "404".to_owned(),
            Err(Miss::NoRule(upstream)) => format!("404 {}", upstream.name),
            Err(Miss::Method(upstream, _, methods)) => format!("405 {} {methods}", upstream.name),
            Err(Miss::Path(None)) => "400".to_owned(),
            Err(Miss::Path(Some(upstream))) => format!("400 {}", upstream.name),
        }
    }

    fn assert_all(table: &RouteTable, expected: &[(&str, &str)]) {
        for (request, outcome) in expected {
            let (method, url) = request.split_once(' ').unwrap();
            assert_eq!(find(table, method, url), *outcome, "{request}");
        }
    }

    #[test]
    fn the_first_kind_of_host_that_matches_shuts_out_the_wider_ones() {
        let table = table(&[
            upstream("any", "*", "/", &["* /**"]),
            upstream("wide", "*.example.com", "/", &["* /**"]),
            upstream("long", "*.b.example.com", "/x", &["* /x/**"]),
            upstream("exact", "api.example.com", "/x", &["* /x"]),
        ]);
        assert_all(
            &table,
            &[
                ("GET api.example.com/x", "exact /x"),
                ("GET api.example.com/y", "404"),
                ("GET api.example.com/x/y", "404 exact"),
                ("GET a.b.example.com/x", "long /x/**"),
                ("GET c.a.b.example.com/y", "404"),
                ("GET b.example.com/y", "wide /**"),
                ("GET example.com/y", "any /**"),
                ("GET API.example.com.:8443/x", "exact /x"),
            ],
        );
    }

    #[test]
    fn then_the_upstream_with_the_longest_path_owns_the_request() {
        let table = table(&[
            upstream("root", "*", "/", &["* /**"]),
            upstream("a", "*", "/a", &["* /a/**"]),
            upstream("ab", "*", "/a/b", &["* /a/b/c"]),
        ]);
        assert_all(
            &table,
            &[
                ("GET h/", "root /**"),
                ("GET h/ax", "root /**"),
                ("GET h/a", "a /a/**"),
                ("GET h/a/bx", "a /a/**"),
                ("GET h/a/b/c", "ab /a/b/c"),
                ("GET h/a/b", "404 ab"),
            ],
        );
    }

    #[test]
    fn then_the_most_specific_path_and_only_then_the_method() {
        let rules = ["GET /orders/**", "GET,PUT /orders/{id}", "DELETE /orders/{other}", "* /orders/ping"];
        let table = table(&[upstream("o", "*", "/orders", &rules)]);
        assert_all(
            &table,
            &[
                ("GET h/orders", "o /orders/**"),
                ("HEAD h/orders/5/items", "o /orders/**"),
                ("POST h/orders/5/items", "405 o GET, HEAD"),
                ("DELETE h/orders/5", "o /orders/{other}"),
                ("HEAD h/orders/5", "o /orders/{id}"),
                ("POST h/orders/5", "405 o DELETE, GET, HEAD, PUT"),
                ("PATCH h/orders/ping", "o /orders/ping"),
                ("GET h/order", "404"),
            ],
        );
    }

    #[test]
    fn an_upstream_without_rules_refuses_everything() {
        assert_all(&table(&[upstream("u", "*", "/a", &[])]), &[("GET h/a", "404 u"), ("GET h/a/b", "404 u")]);
    }

    #[test]
    fn a_slash_at_the_end_changes_nothing() {
        let table = table(&[upstream("u", "*", "/a", &["* /a", "* /a/{x}", "* /a/{x}/**"])]);
        for path in ["h/a", "h/a/b", "h/a/b/c"] {
            assert_eq!(find(&table, "GET", path), find(&table, "GET", &format!("{path}/")), "{path}");
        }
    }

    #[test]
    fn case_is_ignored_where_the_upstream_does() {
        let mut folded = upstream("folded", "*", "/Api", &["* /API/Admin", "* /api/**"]);
        folded.case_insensitive = true;
        let table = table(&[folded, upstream("exact", "*", "/api/v1", &["* /api/v1/Admin", "* /api/v1/**"])]);
        assert_all(
            &table,
            &[
                ("GET h/api/aDMIN", "folded /API/Admin"),
                ("GET h/aPI/x", "folded /api/**"),
                ("GET h/api/v1/admin", "exact /api/v1/**"),
                ("GET h/api/V1/admin", "folded /api/**"),
            ],
        );
    }

    #[test]
    fn an_escape_leads_where_its_character_does() {
        let table = table(&[upstream("u", "*", "/", &["* /a:b", "* /%C3%A4", "* /**"])]);
        for (path, rule) in [("/a%3ab", "/a:b"), ("/a:b", "/a:b"), ("/%c3%a4", "/%C3%A4"), ("/a%25b", "/**")] {
            assert_eq!(find(&table, "GET", &format!("h{path}")), format!("u {rule}"), "{path}");
        }
    }

    const AMBIGUOUS: [&str; 7] = ["/x%2Fy", "//x", "/x;y", "/x%3Fy", "/x%3By", "/x.", "/x%20"];

    #[test]
    fn where_case_is_ignored_letters_beyond_ascii_are_refused() {
        let mut api = upstream("api", "*", "/", &["* /pub/**", "* /pub/keys/**"]);
        api.case_insensitive = true;
        assert_all(
            &table(&[api]),
            &[
                ("GET h/PUB/Keys/1", "api /pub/keys/**"),
                // The Kelvin sign, a long s and a capital umlaut are `k`, `s` and `ä` to some servers.
                ("GET h/pub/%E2%84%AAeys/1", "400 api"),
                ("GET h/pub/key%C5%BF/1", "400 api"),
                ("GET h/pub/%C3%84", "400 api"),
            ],
        );
    }

    #[test]
    fn what_an_upstream_does_not_allow_is_refused_before_anything_is_missed() {
        let table = table(&[upstream("u", "h", "/", &["GET /a"])]);
        for path in AMBIGUOUS {
            assert_eq!(find(&table, "PUT", &format!("h{path}")), "400 u", "{path}");
            assert_eq!(find(&table, "PUT", &format!("other{path}")), "400", "{path}");
        }
    }

    #[test]
    fn what_an_upstream_allows_is_let_through_where_one_rule_covers_all_readings() {
        let mut one = upstream("u", "*", "/", &["GET /**"]);
        one.allow_in_path = all_features();
        let table = table(&[one]);
        for path in AMBIGUOUS {
            assert_eq!(find(&table, "GET", &format!("h{path}")), "u /**", "{path}");
            assert_eq!(find(&table, "PUT", &format!("h{path}")), "405 u GET, HEAD", "{path}");
        }
    }

    #[test]
    fn what_another_rule_may_cover_is_refused_although_it_is_allowed() {
        let mut one = upstream("u", "*", "/api", &["* /api/**", "* /api/admin", "* /api/{x}/{y}", "* /api/admin/keys"]);
        one.allow_in_path = all_features();
        let table = table(&[one, upstream("root", "*", "/", &["* /**"])]);
        for path in [
            "/api/admin;x",
            "/api//admin",
            "/api/admin.",
            "/api/admin%20",
            "/api/admin%3Fx",
            "/api/admin%23x",
            "/api/admin%3Bx",
            "/api/a%2Fb",
            "/api/admin%2Fkeys",
            "/api/%2Fadmin",
            "/api//x/admin",
            "/api/admin%3Bx/keys",
            "/api/a./%20",
        ] {
            assert_eq!(find(&table, "GET", &format!("h{path}")), "400 u", "{path}");
        }
        for path in ["//api/admin", "/api;x/admin", "/api%2Fadmin", "/api./admin"] {
            assert_eq!(find(&table, "GET", &format!("h{path}")), "400 root", "{path}");
        }
        assert_all(
            &table,
            &[
                ("GET h/api/a;v=1/b", "u /api/{x}/{y}"),
                ("GET h/api/a/b/c%2Fd", "u /api/**"),
                ("GET h/api/b;x", "u /api/**"),
            ],
        );
    }
}
