//! What cannot stand together in a configuration: upstreams that share their place, rules that tie, rules outside
//! their upstream, anything under Portcullis' own paths.

use std::collections::HashMap;

use super::{
    MethodSet, PathPattern, Rule, UpstreamRules,
    own::own_root_of,
    path::{is_ascii, segment_key},
    pattern::Segment,
};

/// A place in a configuration that cannot stand, often because of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableError {
    /// Index of the upstream, and of its rule if it is about one.
    pub upstream: usize,
    /// Index of the rule in that upstream; none if it is about the upstream itself.
    pub rule: Option<usize>,
    /// The reason, for people; names the other place.
    pub message: String,
}

/// All of them, in the order of the configuration.
pub(super) fn conflicts(upstreams: &[UpstreamRules], expose_management: bool) -> Vec<TableError> {
    let mut errors = shared_places(upstreams);
    for (index, upstream) in upstreams.iter().enumerate() {
        let error = |rule, message| TableError { upstream: index, rule, message };
        let all = PathPattern::all_of(&upstream.path);
        if let Some(message) = under_own_paths(&all, upstream.path.as_str(), expose_management) {
            errors.push(error(None, message));
        } else {
            let rules = upstream.rules.iter().enumerate();
            errors.extend(
                rules.filter_map(|(rule, it)| Some(error(Some(rule), misplacement(upstream, it, expose_management)?))),
            );
        }
        errors.extend(ties(upstream).into_iter().map(|(rule, message)| error(Some(rule), message)));
    }
    errors.sort_by_key(|error| (error.upstream, error.rule));
    errors
}

fn shared_places(upstreams: &[UpstreamRules]) -> Vec<TableError> {
    let mut places: HashMap<_, Vec<&UpstreamRules>> = HashMap::new();
    let mut errors = Vec::new();
    for (index, upstream) in upstreams.iter().enumerate() {
        let path = segment_key(upstream.path.as_str(), true).into_owned();
        let here = places.entry((upstream.host.to_string(), path)).or_default();
        let same = |other: &&&UpstreamRules| {
            let ignores_case = upstream.case_insensitive || other.case_insensitive;
            ignores_case || segment_key(other.path.as_str(), false) == segment_key(upstream.path.as_str(), false)
        };
        if let Some(other) = here.iter().find(same) {
            let message = format!(
                "host `{}` and path `{}` belong to upstream `{}` already: give one of the two another host or path",
                upstream.host, upstream.path, other.policy.name
            );
            errors.push(TableError { upstream: index, rule: None, message });
        }
        here.push(upstream);
    }
    errors
}

fn misplacement(upstream: &UpstreamRules, rule: &Rule, expose_management: bool) -> Option<String> {
    if !rule.path.is_within_as(&upstream.path, upstream.case_insensitive) {
        return Some(format!(
            "`{}` lies outside of `{}`, the path of its upstream: rule paths are written whole, as clients send them",
            rule.path, upstream.path
        ));
    }
    if upstream.case_insensitive && !is_ascii(rule.path.as_str()) {
        return Some(format!(
            "`{}` is not ASCII, but its upstream ignores case: no request can reach it, because what counts as one \
             letter beyond ASCII differs from server to server",
            rule.path
        ));
    }
    under_own_paths(&rule.path, rule.path.as_str(), expose_management)
}

fn under_own_paths(pattern: &PathPattern, text: &str, expose_management: bool) -> Option<String> {
    let root = own_root_of(pattern, expose_management)?;
    Some(format!("`{text}` lies under `{root}`, which Portcullis keeps for its own endpoints: choose another path"))
}

/// Rules that cover the same paths and share a method with an earlier one.
fn ties(upstream: &UpstreamRules) -> Vec<(usize, String)> {
    let mut shapes: HashMap<_, Vec<(usize, &Rule)>> = HashMap::new();
    let mut errors = Vec::new();
    for (index, rule) in upstream.rules.iter().enumerate() {
        let here = shapes.entry(shape(&rule.path, upstream.case_insensitive)).or_default();
        if let Some((other, earlier)) = here.iter().find(|(_, earlier)| overlap(earlier, rule)) {
            let message = format!(
                "`{}` covers the same paths and methods as rule {}, `{}`: leave one out, or give them different methods",
                rule.path,
                other + 1,
                earlier.path
            );
            errors.push((index, message));
        }
        here.push((index, rule));
    }
    errors
}

fn overlap(a: &Rule, b: &Rule) -> bool {
    let every = |methods: &Option<MethodSet>| methods.is_none();
    every(&a.methods) || every(&b.methods) || a.methods.iter().zip(&b.methods).any(|(a, b)| a.overlaps(b))
}

/// Equal for patterns that cover the same paths: the keys of the literals, and whether all below is covered.
fn shape(pattern: &PathPattern, ignores_case: bool) -> (Vec<Option<String>>, bool) {
    let key = |segment: &Segment| match segment {
        Segment::Literal(literal) => Some(segment_key(literal, ignores_case).into_owned()),
        Segment::Parameter => None,
    };
    (pattern.segments().iter().map(key).collect(), pattern.is_open())
}

#[cfg(test)]
mod tests {
    use super::{super::samples::upstream, *};

    fn errors(upstreams: &[UpstreamRules]) -> Vec<(usize, Option<usize>, String)> {
        conflicts(upstreams, false).into_iter().map(|error| (error.upstream, error.rule, error.message)).collect()
    }

    fn places(upstreams: &[UpstreamRules]) -> Vec<(usize, Option<usize>)> {
        conflicts(upstreams, false).iter().map(|error| (error.upstream, error.rule)).collect()
    }

    #[test]
    fn two_upstreams_have_different_places() {
        let mut all = [upstream("a", "*", "/x", &[]), upstream("b", "*", "/x/", &[]), upstream("c", "*", "/X", &[])];
        let message = "host `*` and path `/x` belong to upstream `a` already: give one of the two another host or path";
        assert_eq!(errors(&all), [(1, None, message.to_owned())]);
        all[0].case_insensitive = true;
        assert_eq!(places(&all), [(1, None), (2, None)]);
        let apart = [upstream("a", "h", "/x", &[]), upstream("b", "*.h", "/x", &[]), upstream("c", "h", "/x/y", &[])];
        assert_eq!(places(&apart), []);
    }

    #[test]
    fn rules_that_tie_are_an_error() {
        let rules = ["GET /a/{x}", "GET /a/{y}/", "POST /a/{z}", "HEAD /a/{h}", "GET /a/**", "GET /a", "* /{q}/b"];
        let found = errors(&[upstream("u", "*", "/", &rules)]);
        let message = "`/a/{y}` covers the same paths and methods as rule 1, `/a/{x}`: leave one out, or give them \
                       different methods";
        assert_eq!(found.first(), Some(&(0, Some(1), message.to_owned())));
        assert_eq!(found.iter().map(|(_, rule, _)| *rule).collect::<Vec<_>>(), [Some(1), Some(3)]);
    }

    #[test]
    fn every_method_overlaps_any() {
        assert_eq!(places(&[upstream("u", "*", "/", &["GET /a", "* /a"])]), [(0, Some(1))]);
        assert_eq!(places(&[upstream("u", "*", "/", &["* /a", "* /a"])]), [(0, Some(1))]);
    }

    #[test]
    fn spelling_and_ignored_case_make_no_difference_to_a_tie() {
        let rules = ["GET /a:b", "GET /a%3ab", "GET /A:B"];
        let mut one = upstream("u", "*", "/", &rules);
        assert_eq!(places(&[one.clone()]), [(0, Some(1))]);
        one.case_insensitive = true;
        assert_eq!(places(&[one]), [(0, Some(1)), (0, Some(2))]);
    }

    #[test]
    fn a_rule_lies_within_its_upstream() {
        let mut one = upstream("u", "*", "/a", &["GET /a", "GET /A/b", "GET /ab", "GET /**", "GET /{x}/c"]);
        assert_eq!(places(&[one.clone()]), [(0, Some(1)), (0, Some(2)), (0, Some(3)), (0, Some(4))]);
        one.case_insensitive = true;
        assert_eq!(places(&[one]), [(0, Some(2)), (0, Some(3)), (0, Some(4))]);
    }

    #[test]
    fn where_case_is_ignored_rules_are_ascii() {
        let mut one = upstream("u", "*", "/", &["GET /a", "GET /%C3%A4"]);
        assert_eq!(places(&[one.clone()]), []);
        one.case_insensitive = true;
        assert_eq!(places(&[one]), [(0, Some(1))]);
    }

    #[test]
    fn nothing_lies_under_our_own_paths() {
        let all = [
            upstream("a", "h", "/oauth2/tokens", &["* /oauth2/tokens/x"]),
            upstream("b", "*", "/", &["* /oauth2/{x}", "* /**", "* /.well-known/{x}", "* /{a}/{b}"]),
        ];
        assert_eq!(places(&all), [(0, None), (1, Some(0))]);
    }

    #[test]
    fn all_errors_come_at_once_in_the_order_of_the_configuration() {
        let all = [upstream("a", "*", "/", &["* /x", "* /x"]), upstream("b", "*", "/", &["* /oauth2"])];
        assert_eq!(places(&all), [(0, Some(1)), (1, None), (1, Some(0))]);
    }
}
