//! What a request costs: the built portcullis beside a bare pingora that only passes requests on, in one run.
//!
//! Both stand before the same small upstream and answer the same authenticated GET over a few connections that stay
//! open. Each proxies on one thread; portcullis has its metrics on, and is driven with the access log off and on. The
//! CPU time of the proxy's process is what counts: the generator here and the upstream share the machine with it, so
//! the rate says less. They are driven in turn, in an order that rotates, and the ratio is the median over the rounds.
//!
//! `benches/load/run` builds and runs it. It fails if an answer is not a 200 with the upstream's body. All parts are
//! built alike, by the profile of releases: with thin LTO, one codegen unit, the system's allocator.

#![expect(clippy::print_stdout, reason = "the figures are what this is for")]

mod command;
mod gateway;
mod generator;
mod head;
mod pass_through;
mod process;
mod upstream;

use std::{env, error::Error, time::Duration};

use tokio::runtime::Builder;

use self::{
    gateway::Gateway,
    generator::{drive, get, status},
    process::{Cpu, Process, free_address},
};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// How often each proxy is driven.
const ROUNDS: usize = 9;
/// For how long each time.
const TIME: Duration = Duration::from_secs(3);
/// For how long before the first time, uncounted.
const WARM_UP: Duration = Duration::from_secs(1);

/// A proxy that is driven, and what it did in each round.
struct Contender<'a> {
    name: &'static str,
    process: &'a Process,
    rounds: Vec<Round>,
}

/// What a proxy did while it was driven once.
#[derive(Clone, Copy)]
struct Round {
    answers: f64,
    cpu: Cpu,
}

impl Round {
    fn rate(&self) -> f64 {
        self.answers / TIME.as_secs_f64()
    }

    /// CPU time of one request, in microseconds.
    fn cost(&self) -> f64 {
        self.user() + self.system()
    }

    fn user(&self) -> f64 {
        self.cpu.user * 1e6 / self.answers
    }

    fn system(&self) -> f64 {
        self.cpu.system * 1e6 / self.answers
    }
}

impl Contender<'_> {
    #[expect(clippy::cast_precision_loss, reason = "counts of answers are far below 2^52")]
    async fn measure(&mut self, request: &str, time: Duration) -> Outcome<Round> {
        let before = self.process.cpu()?;
        let answers =
            drive(self.process.address, request, time).await.map_err(|error| format!("{}: {error}", self.name))?;
        Ok(Round { answers: answers as f64, cpu: self.process.cpu()? - before })
    }

    fn median(&self, of: impl Fn(&Round) -> f64) -> f64 {
        median(self.rounds.iter().map(of))
    }

    /// How much more a request costs here than at the other, in the same rounds.
    fn ratio_to(&self, other: &[Round]) -> f64 {
        median(self.rounds.iter().zip(other).map(|(here, there)| here.cost() / there.cost()))
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn print(contenders: &[Contender<'_>]) {
    let Some(bare) = contenders.first() else { return };
    println!(
        "{:<28} {:>10} {:>12} {:>7} {:>7} {:>15}",
        "", "requests/s", "CPU us/req", "user", "system", "ratio to bare"
    );
    for contender in contenders {
        println!(
            "{:<28} {:>10.0} {:>12.1} {:>7.1} {:>7.1} {:>15.2}",
            contender.name,
            contender.median(Round::rate),
            contender.median(Round::cost),
            contender.median(Round::user),
            contender.median(Round::system),
            contender.ratio_to(&bare.rounds),
        );
    }
}

async fn compare() -> Outcome<()> {
    let upstream = Process::of_this_program(&["upstream"], free_address()?)?;
    let behind = upstream.address.to_string();
    let bare = Process::of_this_program(&["pass-through", &behind], free_address()?)?;
    let gateway = Gateway::prepare(upstream.address)?;
    let (quiet, logging) = (gateway.serve(false)?, gateway.serve(true)?);

    for proxy in [&quiet, &logging] {
        let without_token = status(proxy.address, &get(None)).await?;
        if without_token != 401 {
            return Err(format!("a request without a token got {without_token}").into());
        }
    }
    let contender = |name, process| Contender { name, process, rounds: Vec::new() };
    let mut contenders = [
        contender("bare pingora", &bare),
        contender("portcullis", &quiet),
        contender("portcullis with access log", &logging),
    ];
    let request = get(Some(gateway.token()));
    for contender in &mut contenders {
        contender.measure(&request, WARM_UP).await?;
    }
    for round in 0..ROUNDS {
        for place in 0..contenders.len() {
            let index = (place + round) % contenders.len();
            let Some(contender) = contenders.get_mut(index) else { continue };
            let round = contender.measure(&request, TIME).await?;
            contender.rounds.push(round);
        }
    }
    print(&contenders);
    Ok(())
}

/// Cargo gives `--bench`; the other words are those with which this program starts itself again.
fn main() -> Outcome<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *words.as_slice() {
        ["upstream", address] => upstream::run(address.parse()?),
        ["pass-through", behind, address] => pass_through::run(address.parse()?, behind.parse()?),
        [.., "--bench"] => Builder::new_current_thread().enable_all().build()?.block_on(compare()),
        _ => Err("run it by benches/load/run".into()),
    }
}
