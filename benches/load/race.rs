//! Contenders that are driven in turn, round after round, in an order that rotates: whatever slows the machine slows all
//! of them. What counts is the CPU time of their processes, and ratios within the same rounds, of which the median stands.

use std::{sync::Arc, time::Duration};

use super::{
    Outcome,
    figures::{figure, median, p99},
    generator::{Until, drive},
    process::{Cpu, Process},
    requests::Requests,
};

/// For how long each is driven before the first round, uncounted.
const WARM_UP: Duration = Duration::from_secs(1);

/// One that is driven, and what it did in each round.
pub(super) struct Contender<'a> {
    name: &'static str,
    /// The first one is asked; the CPU time of all of them counts.
    processes: Vec<&'a Process>,
    requests: Arc<Requests>,
    connections: usize,
    rounds: Vec<Round>,
}

/// What was done in one round.
#[derive(Debug, Clone, Copy)]
pub(super) struct Round {
    answers: f64,
    time: f64,
    cpu: Cpu,
    /// In milliseconds.
    pub(super) p99: f64,
}

impl Round {
    /// CPU time of one request, in microseconds.
    pub(super) fn cost(&self) -> f64 {
        self.user() + self.system()
    }

    fn user(&self) -> f64 {
        self.cpu.user * 1e6 / self.answers
    }

    fn system(&self) -> f64 {
        self.cpu.system * 1e6 / self.answers
    }

    fn rate(&self) -> f64 {
        self.answers / self.time
    }
}

impl Contender<'_> {
    async fn measure(&self, time: Duration) -> Outcome<Round> {
        let process = self.processes.first().ok_or("a contender without a process")?;
        let before = self.cpu()?;
        let times = drive(process.address, &self.requests, self.connections, Until::Over(time)).await;
        let times = times.map_err(|error| format!("{}: {error}", self.name))?;
        let cpu = self.cpu()? - before;
        Ok(Round { answers: figure(times.len()), time: time.as_secs_f64(), cpu, p99: p99(times) })
    }

    fn cpu(&self) -> Outcome<Cpu> {
        let none = Cpu { user: 0.0, system: 0.0 };
        self.processes.iter().try_fold(none, |sum, process| Ok(sum + process.cpu()?))
    }

    fn median(&self, of: impl Fn(&Round) -> f64) -> f64 {
        median(self.rounds.iter().map(of))
    }
}

/// All of them.
#[derive(Default)]
pub(super) struct Race<'a>(Vec<Contender<'a>>);

impl<'a> Race<'a> {
    /// One more, driven over so many connections.
    pub(super) fn enter(
        &mut self,
        name: &'static str,
        processes: Vec<&'a Process>,
        requests: &Arc<Requests>,
        connections: usize,
    ) {
        self.0.push(Contender { name, processes, requests: requests.clone(), connections, rounds: Vec::new() });
    }

    /// Drives all of them so often, for so long each time.
    pub(super) async fn run(&mut self, rounds: usize, time: Duration) -> Outcome<()> {
        for contender in &self.0 {
            contender.measure(WARM_UP).await?;
        }
        for round in 0..rounds {
            for place in 0..self.0.len() {
                let index = (place + round) % self.0.len();
                let Some(contender) = self.0.get_mut(index) else { continue };
                let round = contender.measure(time).await?;
                contender.rounds.push(round);
            }
        }
        Ok(())
    }

    /// The median of what one did, over the rounds.
    pub(super) fn median(&self, name: &str, of: impl Fn(&Round) -> f64) -> Outcome<f64> {
        Ok(self.find(name)?.median(of))
    }

    /// The median of what is made of one and another in the same round.
    pub(super) fn compare(&self, name: &str, to: &str, of: impl Fn(&Round, &Round) -> f64) -> Outcome<f64> {
        let pairs = self.find(name)?.rounds.iter().zip(&self.find(to)?.rounds);
        Ok(median(pairs.map(|(one, other)| of(one, other))))
    }

    /// How many times the CPU time of the other a request takes here.
    pub(super) fn ratio(&self, name: &str, to: &str) -> Outcome<f64> {
        self.compare(name, to, |one, other| one.cost() / other.cost())
    }

    fn find(&self, name: &str) -> Outcome<&Contender<'a>> {
        self.0.iter().find(|contender| contender.name == name).ok_or_else(|| format!("nobody is {name}").into())
    }

    /// Prints what each did.
    pub(super) fn print(&self, base: &str) -> Outcome<()> {
        println!(
            "{:<44} {:>10} {:>9} {:>7} {:>7} {:>8} {:>14}",
            "", "requests/s", "CPU us", "user", "system", "p99 ms", "ratio to bare"
        );
        for contender in &self.0 {
            println!(
                "{:<44} {:>10.0} {:>9.1} {:>7.1} {:>7.1} {:>8.2} {:>14.2}",
                contender.name,
                contender.median(Round::rate),
                contender.median(Round::cost),
                contender.median(Round::user),
                contender.median(Round::system),
                contender.median(|round| round.p99),
                self.ratio(contender.name, base)?,
            );
        }
        Ok(())
    }
}
