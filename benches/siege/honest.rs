//! Honest callers, who go on asking whatever happens around them: some on connections that stay open, some on a new one
//! each time. They have a thread of their own, so that the sieges do not keep them waiting.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tokio::{
    runtime::Builder,
    sync::oneshot,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use super::{Outcome, wire::Connection};

/// Where they come from: not from where the attackers do.
const HOME: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// One who asks the same over and over.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) to: SocketAddr,
    pub(super) request: Vec<u8>,
    pub(super) every: Duration,
    /// On a new connection each time.
    pub(super) anew: bool,
}

/// What came of it.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) times: Vec<Duration>,
    pub(super) failures: Vec<String>,
}

impl Tally {
    /// The time within which this part of the answers came.
    pub(super) fn within(&self, permille: usize) -> Duration {
        let mut sorted = self.times.clone();
        sorted.sort_unstable();
        sorted.get((sorted.len() * permille / 1000).min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
    }
}

/// The callers at work. They stop when this is dropped.
pub(super) struct Honest {
    tally: Arc<Mutex<Tally>>,
    _stop: oneshot::Sender<()>,
}

impl Honest {
    /// Sets them to work.
    pub(super) fn start(callers: Vec<Caller>) -> Outcome<Self> {
        let tally = Arc::new(Mutex::new(Tally::default()));
        let (stop, stopped) = oneshot::channel::<()>();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let shared = tally.clone();
        thread::spawn(move || {
            runtime.block_on(async {
                let mut working = JoinSet::new();
                for caller in callers {
                    working.spawn(work(caller, shared.clone()));
                }
                let _dropped = stopped.await;
            });
        });
        Ok(Self { tally, _stop: stop })
    }

    /// What came of it since the last time.
    pub(super) fn take(&self) -> Tally {
        std::mem::take(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn work(caller: Caller, tally: Arc<Mutex<Tally>>) {
    let mut turns = interval(caller.every);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut open = None;
    loop {
        turns.tick().await;
        let start = Instant::now();
        let asked = ask(&caller, open.take()).await;
        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        match asked {
            Ok(left) => {
                tally.times.push(start.elapsed());
                open = left;
            }
            Err(failure) => tally.failures.push(format!("{failure} after {:?}", start.elapsed())),
        }
    }
}

/// Asks once. The connection, if it is to be used again.
async fn ask(caller: &Caller, open: Option<Connection>) -> Result<Option<Connection>, String> {
    let mut connection = match open {
        Some(connection) => connection,
        None => Connection::open(HOME, caller.to).await.map_err(|error| format!("no connection: {error}"))?,
    };
    let answer = connection.ask(&caller.request).await.map_err(|error| format!("no answer: {error}"))?;
    if answer.status != 200 {
        return Err(format!("status {}", answer.status));
    }
    let stays = !caller.anew && answer.header("connection") != Some("close");
    Ok(stays.then_some(connection))
}
