//! What tests of this module build tables from.

use http::Method;

use super::{Access, MethodSet, Mode, PathFeature, PathFeatures, Rule, UpstreamPolicy, UpstreamRules};

/// An upstream on `host` (`*` is any) with rules written as `METHOD,METHOD /path`, where `*` is every method.
pub(super) fn upstream(name: &str, host: &str, path: &str, rules: &[&str]) -> UpstreamRules {
    UpstreamRules {
        policy: UpstreamPolicy {
            name: name.into(),
            index: 0,
            audience: None,
            owners: Vec::new(),
            limit: None,
            mode: Mode::Enforce,
        },
        host: if host == "*" { super::HostPattern::Any } else { host.parse().unwrap() },
        path: path.parse().unwrap(),
        case_insensitive: false,
        allow_in_path: PathFeatures::default(),
        rules: rules.iter().map(|text| rule(text)).collect(),
    }
}

pub(super) fn all_features() -> PathFeatures {
    PathFeature::ALL.iter().fold(PathFeatures::default(), |all, (_, feature)| all.with(*feature))
}

fn rule(text: &str) -> Rule {
    let (methods, path) = text.split_once(' ').unwrap();
    let methods =
        (methods != "*").then(|| MethodSet::new(methods.split(',').map(|name| name.parse::<Method>().unwrap())));
    Rule { path: path.parse().unwrap(), methods, access: Access::Token, limit: None, index: 0 }
}
