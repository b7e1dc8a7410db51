//! How long good traffic waits while something else goes on: a sweep of expired tokens, wrong secrets, and clients that
//! present a right secret for the first time.
//!
//! The good traffic is a few thousand GETs a second over connections that stay open, at a fixed pace: that the machine
//! has less time left for it then is no fault, that answers are late is one.

use std::{
    fmt::Write as _,
    fs, io,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use portcullis::model::{Clock, SecretKind, SystemClock};
use tokio::{runtime::Builder, task::JoinSet, time::sleep};

use super::{
    Outcome,
    command::told,
    connection::Connection,
    figures::{median, p99},
    gateway::{Gateway, orders},
    generator::pace,
    process::Process,
    requests::{Requests, gets, token_requests},
    store::{add_tokens, check_key, ended_by},
    table::{Line, Unit},
};

/// Good callers, and how often each asks: 2,000 GETs a second in all.
const CALLERS: (u32, Duration) = (8, Duration::from_millis(4));
/// How long each measurement takes, and how many of each there are.
const WINDOW: Duration = Duration::from_secs(4);
const WINDOWS: usize = 3;
/// The most that the 99th percentile may be in the quiet, in milliseconds, for a comparison with it to say anything.
const QUIET: f64 = 2.0;
/// Tokens that expire at once.
const EXPIRED: usize = 1_000_000;
/// Time from then until the sweep must have begun.
const SWEEP_BEGINS: Duration = Duration::from_secs(15);
/// Clients that present their secret, and how many of them at once.
const CLIENTS: (usize, usize) = (1_000, 32);
/// Callers with wrong secrets.
const ATTACKERS: u8 = 8;

/// The time of good traffic, at the 99th percentile in milliseconds.
async fn window(process: &Process, requests: &Arc<Requests>) -> Outcome<f64> {
    let (callers, every) = CALLERS;
    Ok(p99(pace(process.address, requests, callers, every, WINDOW).await?))
}

async fn windows(process: &Process, requests: &Arc<Requests>) -> Outcome<f64> {
    let mut each = Vec::new();
    for _ in 0..WINDOWS {
        each.push(window(process, requests).await?);
    }
    Ok(median(each))
}

fn line(what: &'static str, [quiet, beside]: [f64; 2], bar: f64, aim: f64) -> Line {
    println!("{what}: p99 {beside:.2} ms, quiet {quiet:.2} ms");
    if quiet > QUIET {
        let why = format!("something else is at work here, p99 is {quiet:.1} ms in the quiet");
        return Line::skipped(what, Unit::Ratio, why, bar, Some(aim));
    }
    Line::new(what, Unit::Ratio, beside / quiet, bar, Some(aim))
}

/// All lines.
pub(super) async fn measure(program: &Path, upstream: SocketAddr) -> Outcome<Vec<Line>> {
    let prepare = || Gateway::prepare(program, orders(upstream));
    let sweep = sweep(&prepare()?).await?;
    let gateway = prepare()?;
    let (here, everywhere) = (guesses(&gateway, Origin::Here).await?, guesses(&gateway, Origin::Everywhere).await?);
    Ok(vec![sweep, here, everywhere, first_times(&gateway).await?])
}

async fn sweep(gateway: &Gateway) -> Outcome<Line> {
    // As long as it takes to make them and to look at the quiet first.
    let end = SystemClock.now() + Duration::from_mins(1);
    add_tokens(&gateway.store(), EXPIRED, end, false)?;
    let process = gateway.serve(false)?;
    let requests = Arc::new(gets(vec![gateway.client.token.clone()]));
    window(&process, &requests).await?;
    let quiet = windows(&process, &requests).await?;
    let left = end.since(SystemClock.now());
    if left.is_zero() {
        return Err("this machine is too slow: tokens expired before the sweep was waited for".into());
    }
    sleep(left + Duration::from_secs(1)).await;
    let expired = ended_by(&gateway.store(), end)?;
    let deadline = SystemClock.now() + SWEEP_BEGINS;
    while ended_by(&gateway.store(), end)? == expired {
        if SystemClock.now() > deadline {
            return Err("the sweep does not begin".into());
        }
        sleep(Duration::from_millis(200)).await;
    }
    let beside = windows(&process, &requests).await?;
    println!("of {expired} expired tokens {} were left after the last look", ended_by(&gateway.store(), end)?);
    Ok(line("GETs beside a sweep of 1,000,000 expired tokens: p99 against quiet", [quiet, beside], 2.0, 1.1))
}

/// Where wrong secrets come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// A few addresses, which soon have guessed too often: then they are refused unseen, as fast as they ask.
    Here,
    /// New addresses all the time: each is left as soon as it has guessed too often, so that secrets are looked at.
    Everywhere,
}

/// Good traffic beside wrong secrets at full speed.
async fn guesses(gateway: &Gateway, from: Origin) -> Outcome<Line> {
    let process = gateway.serve(false)?;
    let requests = Arc::new(gets(vec![gateway.client.token.clone()]));
    window(&process, &requests).await?;
    let quiet = windows(&process, &requests).await?;
    // Well made, so that nothing but its hash tells that it is wrong.
    let (wrong, _) = check_key(&gateway.store())?.mint(SecretKind::ClientSecret)?;
    let guesses = token_requests(&[(gateway.client.id.clone(), wrong.expose().to_owned())], &[401, 429, 503]);
    let stop = Arc::new(AtomicBool::new(false));
    let attack = thread::spawn({
        let (to, stop) = (process.address, stop.clone());
        move || attack(to, from, &Arc::new(guesses), &stop).map_err(|error| error.to_string())
    });
    let beside = windows(&process, &requests).await;
    stop.store(true, Ordering::Relaxed);
    let sent = attack.join().map_err(|_| "the attack broke off")??;
    println!("{sent} wrong secrets were sent meanwhile");
    let what = match from {
        Origin::Here => "GETs beside wrong secrets of a few addresses: p99 against quiet",
        Origin::Everywhere => "GETs beside wrong secrets of ever new addresses: p99 against quiet",
    };
    Ok(line(what, [quiet, beside?], 3.0, 1.5))
}

/// Guesses until it is told to stop. How many were sent.
fn attack(to: SocketAddr, from: Origin, guesses: &Arc<Requests>, stop: &Arc<AtomicBool>) -> Outcome<usize> {
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let mut attackers = JoinSet::new();
        for attacker in 0..ATTACKERS {
            attackers.spawn(guess(attacker, to, from, guesses.clone(), stop.clone()));
        }
        let mut sent = 0;
        while let Some(number) = attackers.join_next().await {
            sent += number??;
        }
        Ok(sent)
    })
}

async fn guess(
    attacker: u8,
    to: SocketAddr,
    from: Origin,
    guesses: Arc<Requests>,
    stop: Arc<AtomicBool>,
) -> io::Result<usize> {
    let (mut request, mut sent, mut address) = (Vec::new(), 0, 0_u16);
    while !stop.load(Ordering::Relaxed) {
        address = address.wrapping_add(1);
        let [high, low] = address.to_be_bytes();
        let mut connection = Connection::new(Ipv4Addr::new(127, 1 + attacker, high, low.max(1)), to);
        let mut leaves = false;
        while !leaves && !stop.load(Ordering::Relaxed) {
            guesses.write_next(&mut request);
            let status = connection.ask(&request, guesses.expected).await?;
            leaves = from == Origin::Everywhere && status == 429;
            sent += 1;
        }
    }
    Ok(sent)
}

async fn first_times(gateway: &Gateway) -> Outcome<Line> {
    let requests = Arc::new(gets(vec![gateway.client.token.clone()]));
    let credentials = clients(gateway)?;
    let (mut quiet, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..WINDOWS {
        // What one process has seen before, another has not.
        let process = gateway.serve(false)?;
        window(&process, &requests).await?;
        quiet.push(window(&process, &requests).await?);
        let coming = thread::spawn({
            let (to, credentials) = (process.address, credentials.clone());
            move || present(to, &credentials).map_err(|error| error.to_string())
        });
        beside.push(window(&process, &requests).await?);
        coming.join().map_err(|_| "the clients broke off")??;
    }
    let what = "GETs beside 1,000 clients with new, right secrets: p99 against quiet";
    Ok(line(what, [median(quiet), median(beside)], 3.0, 1.5))
}

/// Clients with their secrets.
fn clients(gateway: &Gateway) -> Outcome<Vec<(String, String)>> {
    let mut text = String::new();
    for number in 0..CLIENTS.0 {
        // Nothing that is written to a text can fail.
        let _ = write!(text, "[[clients]]\nname = \"client {number}\"\nscopes = [\"orders:read\"]\n");
    }
    let file = gateway.folder().join("clients.toml");
    fs::write(&file, text)?;
    let made = told(gateway.verb()?.args(["client", "apply", "--org", &gateway.client.organization]).arg(&file))?;
    let made = made.as_array().ok_or("apply gave no list")?;
    let text = |entry: &serde_json::Value, name| entry.get(name)?.as_str().map(str::to_owned);
    let made: Vec<_> =
        made.iter().filter_map(|entry| Some((text(entry, "client_id")?, text(entry, "client_secret")?))).collect();
    if made.len() == CLIENTS.0 { Ok(made) } else { Err("apply did not make all clients".into()) }
}

/// Every client asks for a token until it gets one, some of them at once.
fn present(to: SocketAddr, credentials: &[(String, String)]) -> Outcome<()> {
    let requests = Arc::new(token_requests(credentials, &[200, 503]));
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let (clients, at_once) = CLIENTS;
        let mut asking = JoinSet::new();
        for _ in 0..at_once {
            let requests = requests.clone();
            asking.spawn(async move {
                let (mut connection, mut request) = (Connection::new(Ipv4Addr::LOCALHOST, to), Vec::new());
                for _ in 0..clients.div_ceil(at_once) {
                    requests.write_next(&mut request);
                    while connection.ask(&request, requests.expected).await? == 503 {
                        sleep(Duration::from_millis(50)).await;
                    }
                }
                io::Result::Ok(())
            });
        }
        while let Some(asked) = asking.join_next().await {
            asked??;
        }
        Ok(())
    })
}
