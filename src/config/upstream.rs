//! `[upstreams.NAME]` and its rules: what a reload replaces.

use std::time::Duration;

use http::{HeaderValue, Method};

use super::{
    headers::header_changes,
    identity::{Identity, identity},
    limits::caller_limit,
    reader::{Reported, Table, Value},
    rule::{PlacedRule, rules},
    servers::reached,
    values::{count, one_of, parsed, some_of, some_time},
};
use crate::{
    edge::{HostHeader, LiveSettings, ReservedNames, UpstreamSettings},
    policy::{
        Host, HostPattern, Mode, PathFeature, PathFeatures, PathPrefix, RouteTable, UpstreamPolicy, UpstreamRules,
    },
};

/// The names that metrics give to Portcullis' own endpoints, and to requests that belong to no upstream.
const OWN_NAMES: [&str; 2] = ["portcullis", "none"];

/// What all upstreams are read with.
pub(super) struct Shared<'s> {
    /// The identity of those that have none of their own.
    pub(super) identity: &'s Identity,
    /// The methods that the door lets in.
    pub(super) methods: &'s [Method],
    /// Whether the management API answers at the public door too.
    pub(super) expose_management: bool,
}

/// An upstream and where it stands, for what is found out when all are put together.
struct Placed<'a> {
    settings: UpstreamSettings,
    identity: Identity,
    table: Table<'a>,
    rules: Vec<PlacedRule<'a>>,
}

/// `[upstreams]`: all of them.
pub(super) fn upstreams(table: &Table<'_>, shared: &Shared<'_>) -> LiveSettings {
    let mut placed: Vec<Placed<'_>> = Vec::new();
    for (name, value) in table.entries() {
        if !is_name(name) {
            let help = "write 1 to 64 of A-Z, a-z, 0-9, `_` and `-`; not `portcullis` or `none`, which metrics need";
            table.refuse_name(name, "not a name for an upstream", help);
        }
        if let Ok(upstream) = upstream(name, placed.len(), &value, shared) {
            placed.push(upstream);
        }
    }
    refuse_ties(&placed, shared.expose_management);
    let mut reserved = ReservedNames::default();
    shared.identity.reserve(&mut reserved);
    for upstream in &placed {
        upstream.identity.reserve(&mut reserved);
    }
    let upstreams = placed.into_iter().map(|upstream| upstream.settings).collect();
    LiveSettings { upstreams, reserved, ..LiveSettings::default() }
}

fn is_name(name: &str) -> bool {
    let fits = (1..=64).contains(&name.len());
    fits && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') && !OWN_NAMES.contains(&name)
}

/// Puts on record what the route table refuses: rules that tie, rules under Portcullis' own paths.
fn refuse_ties(placed: &[Placed<'_>], expose_management: bool) {
    let all = placed.iter().map(|upstream| upstream.settings.rules.clone()).collect();
    for error in RouteTable::compile(all, expose_management).err().unwrap_or_default() {
        let help = "change one of them, or remove it";
        let Some(upstream) = placed.get(error.upstream) else { continue };
        match error.rule.and_then(|rule| upstream.rules.get(rule)) {
            Some(rule) => rule.refuse(error.message, help),
            None => upstream.table.refuse("path", error.message, help),
        };
    }
}

fn upstream<'a>(name: &str, index: usize, value: &Value<'a>, shared: &Shared<'_>) -> Result<Placed<'a>, Reported> {
    let mut table = value.table()?;
    let reached = reached(&mut table);
    let rules = routes(name, index, &mut table, shared);
    let own = table.get("identity").map(|value| value.table().map(identity));
    let identity = own.transpose().ok().flatten().unwrap_or_else(|| shared.identity.clone());
    let mut told = ReservedNames::default();
    identity.reserve(&mut told);
    let headers = header_changes(&mut table, &told);
    let strip_prefix = table.or("strip_prefix", false, |value| value.boolean());
    let pass_override_headers = table.or("pass_override_headers", false, |value| value.boolean());
    let keep_header_case = table.or("keep_header_case", false, |value| value.boolean());
    let forward_authorization = table.or("forward_authorization", false, |value| value.boolean());
    let host_header = table.or("host_header", HostHeader::Client, |value| host_header(&value));
    let connect_timeout = table.or("connect_timeout", Duration::from_secs(2), |value| some_time(&value));
    let timeout = table.or("timeout", Duration::from_secs(30), |value| some_time(&value));
    let retries = table.or("retries", 1, |value| count(&value, 0..=10));
    let stream_idle_timeout = table.or("stream_idle_timeout", Duration::from_mins(5), |value| some_time(&value));
    let close_on_revoke = table.or("close_on_revoke", true, |value| value.boolean());
    table.finish();
    let (rules, placed_rules) = rules?;
    let settings = UpstreamSettings {
        rules,
        servers: reached.servers,
        balance: reached.balance,
        health_check: reached.health_check,
        tls: reached.tls,
        strip_prefix,
        pass_override_headers,
        keep_header_case,
        forward_authorization,
        set_headers: headers.set,
        remove_headers: headers.remove,
        host_header,
        connect_timeout,
        timeout,
        stream_idle_timeout,
        close_on_revoke,
        retries,
        identity: identity.names.clone(),
    };
    Ok(Placed { settings, identity, table: value.table()?, rules: placed_rules })
}

/// An upstream's part of the route table.
fn routes<'a>(
    name: &str,
    index: usize,
    table: &mut Table<'a>,
    shared: &Shared<'_>,
) -> Result<(UpstreamRules, Vec<PlacedRule<'a>>), Reported> {
    let host = table.optional("host", |value| {
        parsed::<HostPattern>(&value, "write a name such as \"api.example.com\", or \"*.example.com\"")
    });
    let path = table.optional("path", |value| parsed::<PathPrefix>(&value, "write a path such as \"/orders\""));
    let case_insensitive = table.or("case_insensitive_paths", false, |value| value.boolean());
    let allow_in_path = table.or("allow_in_path", PathFeatures::default(), |value| {
        let features = value.each(|item| one_of(&item, &PathFeature::ALL))?;
        Ok(features.into_iter().fold(PathFeatures::default(), PathFeatures::with))
    });
    let audience = table.optional("audience", |value| parsed(&value, "write it as the token's `aud` has it"));
    let owners = table.or("owners", Vec::new(), |value| {
        some_of(&value, "name an organisation, or remove the key to let in every one", |item| {
            parsed(&item, "`portcullis org list` shows the ids")
        })
    });
    let limit = table.optional("limits", |value| caller_limit(&value)).ok().flatten();
    let mode = table
        .or("mode", Mode::Enforce, |value| one_of(&value, &[("enforce", Mode::Enforce), ("observe", Mode::Observe)]));
    let path = match path {
        Ok(path) => path.map_or_else(|| "/".parse().map_err(|_| Reported), Ok),
        Err(reported) => Err(reported),
    };
    let placed = rules(table, path.as_ref().ok(), shared.methods);
    let policy = UpstreamPolicy { name: name.into(), index, audience: audience.ok().flatten(), owners, limit, mode };
    let placed = placed?;
    let rules = UpstreamRules {
        policy,
        host: host?.unwrap_or(HostPattern::Any),
        path: path?,
        case_insensitive,
        allow_in_path,
        rules: placed.iter().map(|placed| placed.rule.clone()).collect(),
    };
    Ok((rules, placed))
}

fn host_header(value: &Value<'_>) -> Result<HostHeader, Reported> {
    match value.text()? {
        "client" => Ok(HostHeader::Client),
        "upstream" => Ok(HostHeader::Upstream),
        literal => {
            let header = HeaderValue::from_str(literal).ok().filter(|_| literal.parse::<Host>().is_ok());
            header.map(HostHeader::Literal).ok_or_else(|| {
                let help = "write \"client\", \"upstream\" or a host such as \"legacy.example.com\"";
                value.refuse(format!("`{literal}` is not a host"), help)
            })
        }
    }
}
