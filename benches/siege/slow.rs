//! Sieges by many connections: what comes too slowly, what is taken too slowly, what does nothing, and too many of all.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::sleep,
};

use super::{
    Outcome,
    report::Fates,
    wire::{Answer, Connection, connect, request, text},
};

/// Where the attackers come from.
pub(super) const ATTACKER: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// How long a siege lasts at most.
pub(super) const SIEGE: Duration = Duration::from_secs(5);
/// A connection that is closed sooner than this was not let in.
const AT_ONCE: Duration = Duration::from_secs(1);
/// Between two bytes of what comes slowly.
const DRIP: Duration = Duration::from_secs(1);

/// How often the gateway is asked for its gauge.
const SAMPLE: Duration = Duration::from_millis(50);

type Fate = (String, Duration);

/// Lets so many attackers do this at once.
async fn crowd<F>(number: usize, attacker: impl Fn(usize) -> F) -> Outcome<String>
where
    F: Future<Output = Fate> + Send + 'static,
{
    let mut attackers: JoinSet<Fate> = (0..number).map(attacker).collect();
    let mut fates = Fates::default();
    while let Some(fate) = attackers.join_next().await {
        let (way, after) = fate?;
        fates.add(way, after);
    }
    Ok(fates.line())
}

/// Sends this, and then a byte now and then.
pub(super) async fn slow_senders(to: SocketAddr, number: usize, opening: Vec<u8>) -> Outcome<String> {
    crowd(number, |_| drip(ATTACKER, to, opening.clone(), Some(DRIP))).await
}

/// Connects and sends nothing.
pub(super) async fn too_many(to: SocketAddr, number: usize) -> Outcome<String> {
    crowd(number, |_| drip(ATTACKER, to, Vec::new(), None)).await
}

/// The same, from many addresses.
pub(super) async fn too_many_from_everywhere(to: SocketAddr, number: usize) -> Outcome<String> {
    let from = |number: usize| Ipv4Addr::new(127, 0, 1, u8::try_from(number % 200).unwrap_or_default());
    crowd(number, |number| drip(from(number), to, Vec::new(), None)).await
}

/// Asks once, and then sends nothing.
pub(super) async fn idle(to: SocketAddr, number: usize, request: Vec<u8>) -> Outcome<String> {
    crowd(number, |_| rest(to, request.clone())).await
}

/// Asks for much, and takes next to nothing of it. What is on the way to a reader hides from it whether it was cut: the
/// gateway is asked.
pub(super) async fn slow_readers(
    to: SocketAddr,
    admin: SocketAddr,
    number: usize,
    request: Vec<u8>,
) -> Outcome<String> {
    let mut readers: JoinSet<_> = (0..number).map(|_| sip(to, request.clone())).collect();
    let let_go = let_go(admin, number).await?;
    let mut seen = 0;
    while let Some(cut) = readers.join_next().await {
        seen += usize::from(cut?.is_some());
    }
    let by_gauge = let_go.map_or_else(
        || "still served".to_owned(),
        |(there, gone)| {
            format!("all there after {:.2} s, let go after {:.2} s", there.as_secs_f64(), gone.as_secs_f64())
        },
    );
    Ok(format!("{number} {by_gauge}; {seen} saw it"))
}

async fn drip(from: Ipv4Addr, to: SocketAddr, opening: Vec<u8>, pause: Option<Duration>) -> Fate {
    let Ok(mut socket) = connect(from, to).await else { return ("not connected".to_owned(), Duration::ZERO) };
    let start = Instant::now();
    // What is closed already shows when it is read.
    let _closed = socket.write_all(&opening).await;
    let (mut reading, mut writing) = socket.split();
    let mut received = [0; 1024];
    let dripping = async {
        let Some(pause) = pause else { return std::future::pending().await };
        loop {
            sleep(pause).await;
            let _closed = writing.write_all(b"x").await;
        }
    };
    let read = tokio::select! {
        read = reading.read(&mut received) => read.unwrap_or(0),
        () = sleep(SIEGE) => return ("still there".to_owned(), start.elapsed()),
        () = dripping => 0,
    };
    let way = match received.get(..read).and_then(Answer::read) {
        Some(answer) => format!("got {}", answer.status),
        None if start.elapsed() < AT_ONCE => "not let in".to_owned(),
        None => "cut".to_owned(),
    };
    (way, start.elapsed())
}

async fn rest(to: SocketAddr, request: Vec<u8>) -> Fate {
    let start = Instant::now();
    let Ok(mut connection) = Connection::open(ATTACKER, to).await else {
        return ("not connected".to_owned(), start.elapsed());
    };
    match connection.ask(&request).await {
        Ok(answer) if answer.status == 200 => {}
        _ => return ("not answered".to_owned(), start.elapsed()),
    }
    let start = Instant::now();
    let way = tokio::select! {
        () = connection.end() => "closed",
        () = sleep(SIEGE) => "still there",
    };
    (way.to_owned(), start.elapsed())
}

async fn sip(to: SocketAddr, request: Vec<u8>) -> Option<Duration> {
    let start = Instant::now();
    let mut socket = narrow(to).await.ok()?;
    let _closed = socket.write_all(&request).await;
    let mut sip = [0; 64];
    while start.elapsed() < SIEGE {
        if !socket.read(&mut sip).await.is_ok_and(|read| read > 0) {
            return Some(start.elapsed());
        }
        sleep(DRIP).await;
    }
    None
}

/// When the gateway had all of so many connections, and when it had next to none of them any more: its gauge.
async fn let_go(admin: SocketAddr, number: usize) -> Outcome<Option<(Duration, Duration)>> {
    let (start, mut all_there) = (Instant::now(), None);
    while start.elapsed() < SIEGE {
        let metrics = text(ATTACKER, admin, &request("GET /metrics", &["Connection: close"], "")).await?;
        let gauge = metrics.lines().find_map(|line| line.strip_prefix("portcullis_connections "));
        let open: f64 = gauge.ok_or("no portcullis_connections in /metrics")?.trim().parse()?;
        let most = f64::from(u32::try_from(number)?) * 0.95;
        match all_there {
            None if open >= most => all_there = Some(start.elapsed()),
            Some(there) if open < most / 10.0 => return Ok(Some((there, start.elapsed()))),
            _ => {}
        }
        sleep(SAMPLE).await;
    }
    Ok(None)
}

/// A connection that takes little at a time.
async fn narrow(to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4096)?;
    socket.bind((ATTACKER, 0).into())?;
    socket.connect(to).await
}

/// What a slow sender of a body begins with.
pub(super) fn body_begun(bearer: &str) -> Vec<u8> {
    request("POST /orders/7", &[bearer, "Content-Length: 100000"], "")
}
