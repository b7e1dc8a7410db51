//! `report`: what observing upstreams would have refused.

use std::{sync::Arc, time::Duration};

use clap::Args;

use super::{
    Context,
    output::{Failure, columns, show},
};
use crate::{
    manage::{ObservedView, ReportView},
    model::{Clock, SystemClock, parse_duration},
    store::OBSERVED_KEPT,
};

#[derive(Debug, Args)]
pub(super) struct Report {
    /// How far back, such as 12h; at most 90d
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = window)]
    since: Duration,
}

fn window(text: &str) -> Result<Duration, String> {
    let window = parse_duration(text).map_err(|error| error.to_string())?;
    if window > OBSERVED_KEPT { Err("counts are kept for 90d".to_owned()) } else { Ok(window) }
}

/// Shows the report, whether the gateway runs or not.
pub(super) fn run(report: &Report, context: &Context) -> Result<(), Failure> {
    context.with_services(async |services, loaded| {
        let policies = loaded.settings.live.upstreams.iter().map(|upstream| &upstream.rules.policy);
        let observing = policies.filter(|policy| policy.observes()).map(|policy| policy.name.clone()).collect();
        let report = ReportView::read(&*services.store, SystemClock.now(), report.since, None, observing).await?;
        show(context.format, &report, in_words)
    })
}

fn in_words(report: &ReportView) -> String {
    let mut words = vec![heading(report)];
    let place_of = |row: &ObservedView| (row.upstream.clone(), place_name(row).to_owned());
    words.extend(report.would_deny.chunk_by(|a, b| place_of(a) == place_of(b)).map(place));
    if report.truncated {
        words.push(format!("Only the {} most frequent are shown.", report.would_deny.len()));
    }
    if !report.would_deny.is_empty() {
        words.push(
            "Counts are of whole days (UTC). When what is left should be refused, set mode = \"enforce\" and reload."
                .to_owned(),
        );
    }
    words.join("\n\n")
}

fn heading(report: &ReportView) -> String {
    let observing = match report.observing.iter().map(Arc::as_ref).collect::<Vec<&str>>().join(", ") {
        names if names.is_empty() => {
            "No upstream observes: mode = \"observe\" under [upstreams.NAME] makes one.".to_owned()
        }
        names => format!("Observing: {names}."),
    };
    let found =
        if report.would_deny.is_empty() { "Nothing would have been refused" } else { "Would have been refused" };
    format!("{observing}\n{found} since {}.", report.since)
}

/// The rule, in words. Without a method, it is what was too much to be kept apart.
fn place_name(row: &ObservedView) -> &str {
    match (&row.rule, &row.method) {
        (Some(rule), _) => rule,
        (None, Some(_)) => "(no rule)",
        (None, None) => "(any rule: too many kinds of requests to be told apart)",
    }
}

/// The requests of one upstream and rule.
fn place(rows: &[ObservedView]) -> String {
    let title = rows.first().map(|row| format!("{}  {}", row.upstream, place_name(row)));
    let header = ["COUNT", "METHOD", "REASON", "CLIENT", "OWNER", "FIRST SEEN", "LAST SEEN", "WOULD LET IT THROUGH"];
    let mut table = vec![header.map(str::to_owned)];
    table.extend(rows.iter().map(|row| {
        let client = match (row.client_id, &row.client_name) {
            (Some(id), Some(name)) => format!("{id} ({name})"),
            (Some(id), None) => format!("{id} (deleted)"),
            (None, _) => "-".to_owned(),
        };
        [
            row.count.to_string(),
            row.method.clone().unwrap_or_else(|| "various".to_owned()),
            row.reason.clone(),
            client,
            row.owner.map_or_else(|| "-".to_owned(), |owner| owner.to_string()),
            row.first_seen.to_string(),
            row.last_seen.to_string(),
            row.fix.clone(),
        ]
    }));
    format!("{}\n{}", title.unwrap_or_default(), columns(&table))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    fn report(observing: &[&str], would_deny: Vec<ObservedView>) -> ReportView {
        let (since, until) = (Timestamp::from_seconds(0), Timestamp::from_seconds(60));
        let observing = observing.iter().map(|name| (*name).into()).collect();
        ReportView { since, until, observing, would_deny, truncated: false }
    }

    fn row(rule: Option<&str>, reason: &str) -> ObservedView {
        ObservedView {
            upstream: "orders".into(),
            rule: rule.map(str::to_owned),
            method: Some("GET".to_owned()),
            reason: reason.to_owned(),
            client_id: None,
            client_name: None,
            owner: None,
            missing_scopes: None,
            missing_any_scope: None,
            count: 12,
            first_seen: Timestamp::from_seconds(1),
            last_seen: Timestamp::from_seconds(2),
            fix: "do this".to_owned(),
        }
    }

    #[test]
    fn nothing_is_told_from_nobody_looking() {
        let quiet = in_words(&report(&["orders"], Vec::new()));
        assert_eq!(quiet, "Observing: orders.\nNothing would have been refused since 1970-01-01T00:00:00Z.");
        assert!(in_words(&report(&[], Vec::new())).starts_with("No upstream observes"));
    }

    #[test]
    fn rows_stand_below_their_upstream_and_rule() {
        let rows = vec![row(None, "not_found"), row(Some("/a"), "missing_token"), row(Some("/a"), "invalid_token")];
        let words = in_words(&report(&["orders"], rows));
        assert_eq!((words.matches("orders  (no rule)\n").count(), words.matches("orders  /a\n").count()), (1, 1));
        let first = "12     GET     missing_token  -       -      1970-01-01T00:00:01Z  1970-01-01T00:00:02Z  do this";
        assert!(words.lines().any(|line| line.trim_start() == first), "{words}");
    }

    #[test]
    fn what_was_too_much_to_be_kept_apart_is_not_told_as_being_of_no_rule() {
        let various = ObservedView { method: None, ..row(None, "missing_token") };
        let words = in_words(&report(&["orders"], vec![row(None, "not_found"), various]));
        let (no_rule, any_rule) = words.split_once("orders  (any rule: too many kinds").unwrap();
        assert!(no_rule.contains("not_found") && !no_rule.contains("missing_token"), "{words}");
        assert!(any_rule.contains("various") && !any_rule.contains("not_found"), "{words}");
    }

    #[test]
    fn the_window_is_bounded() {
        assert_eq!(window("90d"), Ok(OBSERVED_KEPT));
        assert!(window("91d").is_err() && window("soon").is_err());
    }
}
