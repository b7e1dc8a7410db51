//! The two forms of the comparison: the full one, with every line of the table and the chart, and a short one of ratios
//! alone, for machines that do other things besides.

use std::{fs, net::SocketAddr, path::Path, time::Duration};

use super::{
    Outcome, beside,
    chart::{Bar, chart},
    field::{
        BARE, CONNECTIONS, DISTINCT, FEW_RULES, Field, INTROSPECTION, ISSUE, LOGGING, MANY_RULES, QUIET, Runner,
        UNPROFILED,
    },
    machine::{machine, versions},
    nginx::{self, Nginx},
    process::{Process, free_address},
    race::{Race, Round},
    startup,
    table::{self, Line, Unit},
};

/// Rounds of the full form, and their time.
const FULL: (usize, Duration) = (9, Duration::from_secs(3));
/// Rounds of the short form, and their time.
const SHORT: (usize, Duration) = (7, Duration::from_secs(1));
/// Tokens of the gateway that has many, in the full form and in the short one.
const TOKENS: (usize, usize) = (1_000_000, 50_000);
/// How many times a bar the short form lets pass: the machine is noisy.
const TOLERANCE: f64 = 1.25;
/// What a request takes of the bare proxy in the measurement that the bars come from, in microseconds: turns bars of
/// time into ratios.
const REFERENCE: f64 = 40.0;
/// The most that issuing and introspecting may take, in microseconds.
const ISSUE_BAR: f64 = 250.0;
const INTROSPECTION_BAR: f64 = 120.0;
/// Where the chart goes, beside this program.
const CHART: &str = "benches/load/chart.svg";

/// Measures everything, prints it, and draws the chart. Beside the portcullis that is released another build takes part,
/// if there is one that is not optimised by a profile.
pub(super) async fn full(program: &Path, unprofiled: Option<&Path>) -> Outcome<()> {
    let (machine, versions) = (machine(), versions(program)?);
    println!("{machine}\n{versions}\n");
    let upstream = upstream()?;
    let (mut lines, bars) = side_by_side(program, unprofiled, upstream.address).await?;
    lines.extend(startup::measure(program, upstream.address).await?);
    lines.extend(beside::measure(program, upstream.address).await?);
    table::print(&lines);
    fs::write(CHART, chart(&bars, &format!("{versions}; {machine}")))?;
    println!("\nThe chart is {CHART}.");
    Ok(())
}

/// All that is a race, with nginx where it is installed.
async fn side_by_side(
    program: &Path,
    unprofiled: Option<&Path>,
    upstream: SocketAddr,
) -> Outcome<(Vec<Line>, Vec<Bar>)> {
    let field = Field::start(program, upstream, TOKENS.0)?;
    let (gateway, introspecting) = field.introspecting();
    let nginx = Nginx::start(upstream, gateway, introspecting.address)?;
    let unprofiled = match unprofiled {
        Some(program) => Some(Runner::of_another(program, upstream).await?),
        None => None,
    };
    let mut race = field.race().await?;
    if let Some(Runner { process, requests, .. }) = &unprofiled {
        race.enter(UNPROFILED, vec![process], requests, CONNECTIONS);
    }
    if let Some(Nginx { plain, cached, uncached, .. }) = &nginx {
        race.enter(nginx::PLAIN, vec![plain], field.requests(), CONNECTIONS);
        race.enter(nginx::CACHED, vec![cached, introspecting], field.requests(), CONNECTIONS);
        race.enter(nginx::UNCACHED, vec![uncached, introspecting], field.requests(), CONNECTIONS);
    } else {
        println!("SKIPPED: there is no nginx here to compare with");
    }
    let (rounds, time) = FULL;
    race.run(rounds, time).await?;
    race.print(BARE)?;
    println!();
    let mut lines = ratios(&race)?;
    lines.extend(times(&race)?);
    Ok((lines, bars(&race, unprofiled.is_some(), nginx.is_some())?))
}

/// Measures ratios, prints them, and fails if one is a quarter above its bar.
pub(super) async fn short(program: &Path) -> Outcome<()> {
    println!("{}\n{}\n", machine(), versions(program)?);
    let upstream = upstream()?;
    let field = Field::start(program, upstream.address, TOKENS.1)?;
    let mut race = field.race().await?;
    let (rounds, time) = SHORT;
    race.run(rounds, time).await?;
    race.print(BARE)?;
    let mut lines = ratios(&race)?;
    let to_bare = |what, name, bar: f64, aim: f64| -> Outcome<Line> {
        Ok(Line::new(what, Unit::Ratio, race.ratio(name, BARE)?, bar / REFERENCE, Some(aim / REFERENCE)))
    };
    lines.push(to_bare("token issue, against a request through the bare proxy", ISSUE, ISSUE_BAR, 100.0)?);
    lines.push(to_bare("introspection, against the same", INTROSPECTION, INTROSPECTION_BAR, 60.0)?);
    table::print(&lines);
    let beyond: Vec<&str> = lines.iter().filter_map(|line| line.is_beyond(TOLERANCE)).collect();
    if beyond.is_empty() { Ok(()) } else { Err(format!("a quarter above the bar: {}", beyond.join("; ")).into()) }
}

fn upstream() -> Outcome<Process> {
    Process::of_this_program(&["upstream"], free_address()?)
}

fn ratios(race: &Race<'_>) -> Outcome<Vec<Line>> {
    let line = |what, name, to, bar, aim| -> Outcome<Line> {
        Ok(Line::new(what, Unit::Ratio, race.ratio(name, to)?, bar, Some(aim)))
    };
    Ok(vec![
        line("authenticated GET, CPU against bare pingora", QUIET, BARE, 1.00, 0.82)?,
        line("  with the access log on", LOGGING, BARE, 1.10, 0.92)?,
        line("  of very many living tokens in turn, against one token", DISTINCT, QUIET, 1.10, 1.03)?,
        line("  with 10,000 rules of 1,000 upstreams, against 10 rules", MANY_RULES, FEW_RULES, 1.05, 1.00)?,
    ])
}

fn times(race: &Race<'_>) -> Outcome<Vec<Line>> {
    let added = race.compare(QUIET, BARE, |one, other| one.p99 - other.p99)?;
    let (issue, introspection) = (race.median(ISSUE, Round::cost)?, race.median(INTROSPECTION, Round::cost)?);
    let late = race.median(ISSUE, |round| round.p99)?;
    Ok(vec![
        Line::new("  p99 added to that of bare pingora, 8 connections", Unit::Millis, added, 0.15, Some(0.05)),
        Line::new("token issue, durable, 64 connections: CPU", Unit::Micros, issue, ISSUE_BAR, Some(100.0)),
        Line::new("  p99", Unit::Millis, late, 20.0, None),
        Line::new("introspection: CPU", Unit::Micros, introspection, INTROSPECTION_BAR, Some(60.0)),
    ])
}

fn bars(race: &Race<'_>, with_unprofiled: bool, with_nginx: bool) -> Outcome<Vec<Bar>> {
    let bar = |name, title, remark, ours| -> Outcome<Bar> {
        Ok(Bar { name: title, remark, value: race.median(name, Round::cost)?, ours })
    };
    let mut bars = vec![
        bar(BARE, "bare pingora", "checks nothing", false)?,
        bar(QUIET, "Portcullis", "revocation at once", true)?,
        bar(LOGGING, "Portcullis, access log on", "revocation at once", true)?,
    ];
    if with_unprofiled {
        bars.push(bar(UNPROFILED, "Portcullis, plain build", "by cargo build --release", true)?);
    }
    if with_nginx {
        bars.extend([
            bar(nginx::PLAIN, "nginx", "checks nothing", false)?,
            bar(nginx::CACHED, "nginx, auth_request, cached", "revocation up to 60 s late", false)?,
            bar(nginx::UNCACHED, "nginx, auth_request", "revocation at once; with what it asks", false)?,
        ]);
    }
    Ok(bars)
}
