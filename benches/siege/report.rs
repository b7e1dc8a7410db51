//! What is measured while a siege lasts, and the table that is made of it.

use std::{collections::BTreeMap, pin::pin, time::Duration};

use tokio::time::{interval, sleep};

use super::{Outcome, honest::Honest, process::Process};

/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// After a siege, until memory is looked at for the last time.
const REST: Duration = Duration::from_millis(700);
/// How many of the honest failures of a siege are told one by one.
const SHOWN: usize = 5;
/// How much the gateway may grow during a siege, in MiB.
const BOUND: f64 = 64.0;

/// How it ended for each attacker: in which way, and after how long.
#[derive(Default)]
pub(super) struct Fates(BTreeMap<String, Vec<Duration>>);

impl Fates {
    pub(super) fn add(&mut self, way: impl Into<String>, after: Duration) {
        self.0.entry(way.into()).or_default().push(after);
    }

    /// All of them on one line.
    pub(super) fn line(&self) -> String {
        let each = self.0.iter().map(|(way, times)| {
            let seconds = |time: Option<&Duration>| time.copied().unwrap_or_default().as_secs_f64();
            let (first, last) = (seconds(times.iter().min()), seconds(times.iter().max()));
            format!("{} {way} after {first:.2} to {last:.2} s", times.len())
        });
        each.collect::<Vec<_>>().join("; ")
    }
}

/// Prints the names of the columns.
pub(super) fn print_names() {
    println!(
        "{:<22} {:>7} {:>8} {:>8} {:>8} {:>8}   {:>5} {:>5} {:>5}   {:>6}  attackers",
        "siege", "honest", "failures", "p50 ms", "p99 ms", "max ms", "MiB", "peak", "after", "CPU s"
    );
}

/// Measures while the siege lasts, prints its line, and gives back what was not as it should be.
pub(super) async fn measure(
    name: &str,
    process: &Process,
    honest: &Honest,
    siege: impl Future<Output = Outcome<String>>,
) -> Outcome<Vec<String>> {
    honest.take();
    let (before, cpu) = (process.memory()?, process.cpu()?);
    let mut peak = before;
    let mut siege = pin!(siege);
    let mut look = interval(LOOK);
    let attackers = loop {
        tokio::select! {
            attackers = &mut siege => break attackers?,
            _ = look.tick() => peak = process.memory()?.max(peak),
        }
    };
    sleep(REST).await;
    let (after, cpu, tally) = (process.memory()?, process.cpu()? - cpu, honest.take());
    let millis = |permille| tally.within(permille).as_secs_f64() * 1e3;
    println!(
        "{name:<22} {:>7} {:>8} {:>8.1} {:>8.1} {:>8.1}   {before:>5.0} {peak:>5.0} {after:>5.0}   {:>6.1}  {attackers}",
        tally.times.len(),
        tally.failures.len(),
        millis(500),
        millis(990),
        millis(1000),
        cpu.user + cpu.system,
    );
    let shown = tally.failures.iter().take(SHOWN);
    let mut faults: Vec<String> = shown.map(|failure| format!("{name}: honest: {failure}")).collect();
    if tally.times.is_empty() {
        faults.push(format!("{name}: no honest answer at all"));
    }
    if peak - before > BOUND {
        faults.push(format!("{name}: memory grew by {:.0} MiB, more than {BOUND}", peak - before));
    }
    Ok(faults)
}
