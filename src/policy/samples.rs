//! What tests of this module build tables from.

use http::Method;

use super::{Access, MethodSet, PathFeature, PathFeatures, Rule, UpstreamPolicy, UpstreamRules};

/// An upstream on `host` (`*` is any) with rules written as `METHOD,METHOD /path`, where `*` is every method.
pub(super) fn upstream(name: &str, host: &str, path: &str, rules: &[&str]) -> UpstreamRules {
    let rules = rules.iter().map(|text| rule(text)).collect();
    let host = if host == "*" { super::HostPattern::Any } else { host.parse().unwrap() };
    UpstreamRules { host, ..UpstreamRules::new(UpstreamPolicy::new(name), path.parse().unwrap(), rules) }
}

pub(super) fn all_features() -> PathFeatures {
    PathFeature::ALL.iter().fold(PathFeatures::default(), |all, (_, feature)| all.with(*feature))
}

fn rule(text: &str) -> Rule {
    let (methods, path) = text.split_once(' ').unwrap();
    let methods =
        (methods != "*").then(|| MethodSet::new(methods.split(',').map(|name| name.parse::<Method>().unwrap())));
    Rule { methods, ..Rule::new(path.parse().unwrap(), Access::Token) }
}
