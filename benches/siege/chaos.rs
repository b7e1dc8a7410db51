//! Two servers behind one upstream, of which one is killed, stopped, or answers badly, under load: what callers get, that
//! no POST is executed twice, and how long it takes until a server that is well again is asked.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};

use super::{
    Outcome,
    gateway::{Client, Gateway},
    process::Process,
    slow::ATTACKER,
    upstream::{self, GARBAGE, HALF_CLOSING, WELL},
    wire::{Connection, request},
};

/// Callers of each method.
const CALLERS: usize = 10;
/// How often each asks.
const EVERY: Duration = Duration::from_millis(100);
/// How long something goes wrong.
const TROUBLE: Duration = Duration::from_millis(2500);
/// How long a server that is well again may go without being asked.
const PATIENCE: Duration = Duration::from_secs(8);

/// The name of the server that gets into trouble, and of the other.
const NAMES: [&str; 2] = ["one", "other"];

struct Reply {
    asked: Instant,
    answered: Instant,
    method: &'static str,
    /// Nothing if no answer came.
    status: Option<u16>,
    server: Option<String>,
}

/// Callers at work.
struct Load {
    replies: Arc<Mutex<Vec<Reply>>>,
    _callers: JoinSet<()>,
}

impl Load {
    fn start(gateway: &Gateway, client: &Client) -> Self {
        let replies = Arc::<Mutex<Vec<Reply>>>::default();
        let mut callers = JoinSet::new();
        for number in 0..CALLERS * 2 {
            let method = if number % 2 == 0 { "GET" } else { "POST" };
            callers.spawn(call(gateway.process.address, method, number, client.bearer(), replies.clone()));
        }
        Self { replies, _callers: callers }
    }

    fn take(&self) -> Vec<Reply> {
        std::mem::take(&mut self.replies.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Until the first answer by the server that was in trouble, to a request that was sent since.
    async fn recovery(&self, since: Instant) -> Option<Duration> {
        loop {
            sleep(Duration::from_millis(5)).await;
            let replies = self.replies.lock().unwrap_or_else(PoisonError::into_inner);
            let by_it = |reply: &&Reply| reply.server.as_deref() == NAMES.first().copied() && reply.asked > since;
            if let Some(first) = replies.iter().find(by_it) {
                return Some(first.answered.saturating_duration_since(since));
            }
            if since.elapsed() > PATIENCE {
                return None;
            }
        }
    }
}

async fn call(to: SocketAddr, method: &'static str, number: usize, bearer: String, replies: Arc<Mutex<Vec<Reply>>>) {
    let mut turns = interval(EVERY);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut open = None;
    for turn in 0_usize.. {
        turns.tick().await;
        let id = format!("X-Number: {number}.{turn}");
        let body = if method == "POST" { "an order" } else { "" };
        let request = request(&format!("{method} /shaky/7"), &[&bearer, &id], body);
        let asked = Instant::now();
        let answer = async {
            let mut connection = match open.take() {
                Some(connection) => connection,
                None => Connection::open(ATTACKER, to).await.ok()?,
            };
            let answer = connection.ask(&request).await.ok()?;
            open = (answer.header("connection") != Some("close")).then_some(connection);
            Some(answer)
        };
        let answer = answer.await;
        let reply = Reply {
            asked,
            answered: Instant::now(),
            method,
            status: answer.as_ref().map(|answer| answer.status),
            server: answer.and_then(|answer| Some(answer.header("x-server")?.to_owned())),
        };
        replies.lock().unwrap_or_else(PoisonError::into_inner).push(reply);
    }
}

/// The two servers, and what is measured of them.
struct Stage {
    addresses: [SocketAddr; 2],
    journal: PathBuf,
    load: Load,
    faults: Vec<String>,
}

impl Stage {
    fn server(&self, index: usize, manner: &str) -> Outcome<Process> {
        let (Some(name), Some(address)) = (NAMES.get(index), self.addresses.get(index)) else {
            return Err("there are two servers".into());
        };
        upstream::start(name, manner, &self.journal, *address)
    }

    /// Prints what callers got since the last time, and notes what is not allowed to be among it.
    fn report(&mut self, name: &str, allowed: [&[u16]; 2], recovery: Option<Duration>) {
        let replies = self.load.take();
        let mut got = BTreeMap::<_, usize>::new();
        for reply in &replies {
            *got.entry((reply.method, reply.status)).or_default() += 1;
        }
        let mut line = BTreeMap::<&str, Vec<String>>::new();
        for ((method, status), number) in got {
            let text = status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
            let [for_get, for_post] = allowed;
            let allowed = if method == "GET" { for_get } else { for_post };
            if !status.is_some_and(|status| allowed.contains(&status)) {
                self.faults.push(format!("{name}: {method} got {text}, {number} times"));
            }
            line.entry(method).or_default().push(format!("{number} x {text}"));
        }
        let of = |method: &str| line.get(method).map(|parts| parts.join(", ")).unwrap_or_default();
        let longest =
            replies.iter().map(|reply| reply.answered.saturating_duration_since(reply.asked)).max().unwrap_or_default();
        let recovery = recovery.map_or_else(String::new, |time| format!("{:.2}", time.as_secs_f64()));
        let (get, post) = (of("GET"), of("POST"));
        println!("{name:<22} {get:<32} {post:<32} {:>9.0} {recovery:>11}", longest.as_secs_f64() * 1e3);
    }

    /// Waits until the server is asked again, and reports.
    async fn recover(&mut self, name: &str, allowed: [&[u16]; 2]) {
        let recovery = self.load.recovery(Instant::now()).await;
        if recovery.is_none() {
            self.faults.push(format!("{name}: it was not asked again"));
        }
        self.report(name, allowed, recovery);
    }
}

fn signal(process: &Process, signal: Signal) -> Outcome<()> {
    let pid = Pid::from_raw(i32::try_from(process.id())?).ok_or("no process")?;
    Ok(kill_process(pid, signal)?)
}

/// Runs it all, prints it, and gives back what was not as it should be.
pub(super) async fn run(
    gateway: &Gateway,
    client: &Client,
    addresses: [SocketAddr; 2],
    journal: PathBuf,
) -> Outcome<Vec<String>> {
    println!("\n{:<22} {:<32} {:<32} {:>9} {:>11}", "one server of two", "GET", "POST", "max ms", "recovery s");
    let mut stage = Stage { addresses, journal, load: Load::start(gateway, client), faults: Vec::new() };
    let mut one = stage.server(0, WELL)?;
    let mut other = stage.server(1, WELL)?;
    stage.load.recovery(Instant::now()).await;
    stage.load.take();
    sleep(TROUBLE / 2).await;
    stage.report("well", [&[200], &[200]], None);

    drop(one);
    sleep(TROUBLE).await;
    one = stage.server(0, WELL)?;
    stage.recover("killed", [&[200], &[200, 502]]).await;

    signal(&one, Signal::STOP)?;
    sleep(TROUBLE).await;
    signal(&one, Signal::CONT)?;
    stage.recover("hanging", [&[200, 504], &[200, 504]]).await;

    for (manner, allowed) in [(HALF_CLOSING, [&[200][..], &[200, 502]]), (GARBAGE, [&[200, 502], &[200, 502]])] {
        drop(one);
        one = stage.server(0, manner)?;
        sleep(TROUBLE).await;
        drop(one);
        one = stage.server(0, WELL)?;
        stage.recover(manner, allowed).await;
    }

    drop((one, other));
    sleep(TROUBLE).await;
    one = stage.server(0, WELL)?;
    other = stage.server(1, WELL)?;
    stage.recover("both killed", [&[200, 502], &[200, 502]]).await;
    stage.load.take();
    sleep(TROUBLE / 2).await;
    stage.report("well again", [&[200], &[200]], None);
    drop((one, other));
    stage.count_posts()?;
    Ok(stage.faults)
}

impl Stage {
    fn count_posts(&mut self) -> Outcome<()> {
        let journal = fs::read_to_string(&self.journal)?;
        let mut times = BTreeMap::<&str, usize>::new();
        for id in journal.lines() {
            *times.entry(id).or_default() += 1;
        }
        let repeated = times.values().filter(|times| **times > 1).count();
        println!("{} POSTs executed, {repeated} of them more than once", times.len());
        if times.is_empty() {
            self.faults.push("no POST was executed at all".to_owned());
        }
        if repeated > 0 {
            self.faults.push(format!("{repeated} POSTs were executed more than once"));
        }
        Ok(())
    }
}
