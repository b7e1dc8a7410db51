//! Callers as plain as can be: on each of a few connections that stay open, one request after the other, either at once
//! or at a fixed pace.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

use super::{
    connection::{Connection, HOME},
    requests::Requests,
};

/// When callers stop.
#[derive(Debug, Clone, Copy)]
pub(super) enum Until {
    /// After so long.
    Over(Duration),
    /// After so many requests.
    Asked(usize),
}

/// The request is sent once, over a connection of its own.
///
/// # Errors
/// An answer that is not as expected, or none.
pub(super) async fn ask_once(to: SocketAddr, requests: &Requests) -> io::Result<u16> {
    let mut request = Vec::new();
    requests.write_next(&mut request);
    Connection::new(HOME, to).ask(&request, requests.expected).await
}

/// Sends requests over so many connections, each as soon as the answer before it has come. How long each took.
///
/// # Errors
/// The first answer that is not as expected, or did not come.
pub(super) async fn drive(
    to: SocketAddr,
    requests: &Arc<Requests>,
    connections: usize,
    until: Until,
) -> io::Result<Vec<Duration>> {
    let asked = Arc::new(AtomicUsize::new(0));
    let start = Instant::now();
    let callers = (0..connections).map(|_| {
        let (requests, asked) = (requests.clone(), asked.clone());
        async move {
            let (mut connection, mut request, mut times) = (Connection::new(HOME, to), Vec::new(), Vec::new());
            let mut now = Instant::now();
            while match until {
                Until::Over(time) => now < start + time,
                Until::Asked(number) => asked.fetch_add(1, Ordering::Relaxed) < number,
            } {
                requests.write_next(&mut request);
                connection.ask(&request, requests.expected).await?;
                let answered = Instant::now();
                times.push(answered - now);
                now = answered;
            }
            Ok(times)
        }
    });
    all(callers.collect()).await
}

/// Sends a request over each of so many connections every so often, for so long. How long each took: from the moment
/// when it was sent, or should have been, had the answer before it not been late.
///
/// # Errors
/// As [`drive`].
pub(super) async fn pace(
    to: SocketAddr,
    requests: &Arc<Requests>,
    connections: u32,
    every: Duration,
    time: Duration,
) -> io::Result<Vec<Duration>> {
    let start = Instant::now();
    let callers = (0..connections).map(|number| {
        let requests = requests.clone();
        // Spread out, so that they do not come in bursts.
        let mut due = start + every * number / connections;
        async move {
            let (mut connection, mut request, mut times) = (Connection::new(HOME, to), Vec::new(), Vec::new());
            while due < start + time {
                let mut began = due;
                if Instant::now() < due {
                    tokio::time::sleep_until(due.into()).await;
                    began = Instant::now();
                }
                requests.write_next(&mut request);
                connection.ask(&request, requests.expected).await?;
                times.push(began.elapsed());
                due += every;
            }
            Ok(times)
        }
    });
    all(callers.collect()).await
}

async fn all(mut callers: JoinSet<io::Result<Vec<Duration>>>) -> io::Result<Vec<Duration>> {
    let mut times = Vec::new();
    while let Some(caller) = callers.join_next().await {
        times.extend(caller??);
    }
    Ok(times)
}
