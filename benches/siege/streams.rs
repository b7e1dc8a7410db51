//! Streams that end with their token: server-sent events and `WebSocket`, busy and silent, and how long they outlive it.

use std::{
    io::Write,
    process::Stdio,
    time::{Duration, Instant},
};

use tokio::{task::JoinSet, time::timeout};

use super::{
    Outcome, PORTCULLIS,
    command::portcullis,
    gateway::{Client, Gateway, Prepared},
    slow::ATTACKER,
    wire::{Connection, request},
};

/// Streams of each kind.
const EACH: usize = 5;
/// How long a stream may outlive its token that was revoked at the gateway.
const HERE: Duration = Duration::from_secs(1);
/// The same for a token that another process revoked: a second to learn of it, and a second to cut.
const ELSEWHERE: Duration = Duration::from_secs(2);
/// How long a stream is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// The kinds: a name, a path, and whether it is a WebSocket.
const KINDS: [(&str, &str, bool); 4] = [
    ("SSE", "/orders/events", false),
    ("silent SSE", "/orders/events/silent", false),
    ("WebSocket", "/orders/socket", true),
    ("silent WebSocket", "/orders/socket/silent", true),
];

/// Revokes a token here and another by the command line, under open streams. Prints the times, and gives back what was
/// not as it should be.
pub(super) async fn run(prepared: &Prepared, gateway: &Gateway, client: &Client) -> Outcome<Vec<String>> {
    println!(
        "\n{:<28} {:>18} {:>18} {:>18} {:>18}",
        "streams end after (s)", "SSE", "silent SSE", "WebSocket", "silent WS"
    );
    let token = prepared.token(client)?;
    let streams = open(gateway, &token).await?;
    let asked = Instant::now();
    revoke(gateway, client, &token).await?;
    let mut faults = ends("revoked at the endpoint", streams, asked, HERE).await?;
    refused(gateway, &token).await?;
    let token = prepared.token(client)?;
    let streams = open(gateway, &token).await?;
    let asked = Instant::now();
    revoke_by_command(gateway, &token)?;
    faults.extend(ends("revoked by the command line", streams, asked, ELSEWHERE).await?);
    refused(gateway, &token).await?;
    Ok(faults)
}

type Streams = JoinSet<(usize, Option<Instant>)>;

async fn open(gateway: &Gateway, token: &str) -> Outcome<Streams> {
    let bearer = format!("Authorization: Bearer {token}");
    let upgrade = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"];
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    let mut streams = Streams::new();
    for (kind, (name, path, websocket)) in KINDS.into_iter().enumerate() {
        let mut headers = vec![bearer.as_str()];
        if websocket {
            headers.extend(upgrade.into_iter().chain([key]));
        }
        for _ in 0..EACH {
            let mut connection = Connection::open(ATTACKER, gateway.process.address).await?;
            let answer = connection.begin(&request(&format!("GET {path}"), &headers, "")).await?;
            if !matches!((answer.status, websocket), (200, false) | (101, true)) {
                return Err(format!("{name}: {}", answer.status).into());
            }
            streams.spawn(async move {
                let ended = timeout(PATIENCE, connection.end()).await;
                (kind, ended.is_ok().then(Instant::now))
            });
        }
    }
    Ok(streams)
}

async fn revoke(gateway: &Gateway, client: &Client, token: &str) -> Outcome<()> {
    let headers = [&*client.basic(&client.secret), "Content-Type: application/x-www-form-urlencoded"];
    let revoke = request("POST /oauth2/tokens/revoke", &headers, &format!("token={token}"));
    let answer = Connection::open(ATTACKER, gateway.process.address).await?.ask(&revoke).await?;
    if answer.status == 200 { Ok(()) } else { Err(format!("a revocation got {}", answer.status).into()) }
}

fn revoke_by_command(gateway: &Gateway, token: &str) -> Outcome<()> {
    let mut command = portcullis(PORTCULLIS.as_ref(), &gateway.config);
    let command = command.args(["token", "revoke"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    writeln!(child.stdin.take().ok_or("no standard input")?, "{token}")?;
    let ended = child.wait()?;
    if ended.success() { Ok(()) } else { Err(format!("portcullis token revoke: {ended}").into()) }
}

/// Sees to it that the gateway is there, and that nothing but the token has ended.
async fn refused(gateway: &Gateway, token: &str) -> Outcome<()> {
    let request = request("GET /orders/7", &[&format!("Authorization: Bearer {token}")], "");
    let answer = Connection::open(ATTACKER, gateway.process.address).await?.ask(&request).await?;
    if answer.status == 401 { Ok(()) } else { Err(format!("a revoked token got {}", answer.status).into()) }
}

/// Waits for the streams' ends; the token's was between `asked` and now.
async fn ends(how: &str, mut streams: Streams, asked: Instant, bound: Duration) -> Outcome<Vec<String>> {
    let (revoked, mut faults) = (Instant::now(), Vec::new());
    let mut after = KINDS.map(|(name, ..)| (name, Duration::ZERO));
    while let Some(ended) = streams.join_next().await {
        let (kind, ended) = ended?;
        if let (Some((name, ..)), Some(_)) = (KINDS.get(kind), ended.filter(|ended| *ended < asked)) {
            faults.push(format!("{name}, {how}: a stream ended before its token"));
        }
        let outlived = ended.map_or(Duration::MAX, |ended| ended.saturating_duration_since(revoked));
        if let Some((_, longest)) = after.get_mut(kind) {
            *longest = outlived.max(*longest);
        }
    }
    print!("{how:<28}");
    for (name, longest) in after {
        if longest > bound {
            faults.push(format!("{name}, {how}: a stream outlived its token by more than {bound:?}"));
        }
        if longest == Duration::MAX { print!(" {:>18}", "never") } else { print!(" {:>18.3}", longest.as_secs_f64()) }
    }
    println!();
    Ok(faults)
}
