//! A gateway that starts: when it is ready, and what memory it then has, with few tokens in its store and very many.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use portcullis::model::{Clock, SystemClock};
use tokio::time::sleep;

use super::{
    Outcome,
    field::CONNECTIONS,
    figures::median,
    gateway::{Gateway, orders},
    generator::{Until, drive},
    process::Process,
    requests::gets,
    store::add_tokens,
    table::{Line, Unit},
};

/// Tokens that are known.
const KNOWN: usize = 100_000;
/// Tokens of the large store.
const VERY_MANY: usize = 10_000_000;
/// Disk space that each of them takes, at most: some 250 bytes, and once more while its indexes are made.
const BYTES: u64 = 600;
/// How often it is started.
const STARTS: usize = 5;
/// How long it is left alone before its memory is looked at.
const REST: Duration = Duration::from_secs(5);
/// A start that takes longer has failed.
const PATIENCE: Duration = Duration::from_mins(1);
const LIFE: Duration = Duration::from_hours(24);

/// The lines of memory and of the start.
pub(super) async fn measure(program: &Path, upstream: SocketAddr) -> Outcome<Vec<Line>> {
    let gateway = Gateway::prepare(program, orders(upstream))?;
    let tokens = add_tokens(&gateway.store(), KNOWN, SystemClock.now() + LIFE, true)?;
    let (process, _) = start(&gateway)?;
    sleep(REST).await;
    let idle = process.memory()?;
    drive(process.address, &Arc::new(gets(tokens)), CONNECTIONS, Until::Asked(KNOWN)).await?;
    sleep(REST).await;
    let known = process.memory()? - idle;
    drop(process);
    let mut lines = vec![
        Line::new("resident memory, idle", Unit::Mebibytes, idle, 30.0, Some(20.0)),
        Line::new("  100,000 known tokens take, in addition", Unit::Mebibytes, known, 40.0, Some(25.0)),
    ];
    lines.extend(with_very_many(&gateway).await?);
    Ok(lines)
}

async fn with_very_many(gateway: &Gateway) -> Outcome<[Line; 2]> {
    const MEMORY: &str = "  with 10,000,000 tokens in the store, idle";
    const START: &str = "start to ready with 10,000,000 tokens in the store";
    let (free, needed) = (free_space(gateway.folder())?, BYTES * VERY_MANY as u64);
    if free < needed {
        let why = format!("{} MiB of disk are free, {} are needed", free >> 20, needed >> 20);
        return Ok([
            Line::skipped(MEMORY, Unit::Mebibytes, why.clone(), 30.0, Some(20.0)),
            Line::skipped(START, Unit::Seconds, why, 1.0, Some(0.2)),
        ]);
    }
    add_tokens(&gateway.store(), VERY_MANY, SystemClock.now() + LIFE, false)?;
    let (mut times, mut memory) = (Vec::new(), f64::NAN);
    for _ in 0..STARTS {
        let (process, took) = start(gateway)?;
        times.push(took.as_secs_f64());
        sleep(REST).await;
        memory = process.memory()?;
    }
    fs::remove_file(gateway.store())?;
    Ok([
        Line::new(MEMORY, Unit::Mebibytes, memory, 30.0, Some(20.0)),
        Line::new(START, Unit::Seconds, median(times), 1.0, Some(0.2)),
    ])
}

/// Starts a gateway, and gives it back with the time until it was ready.
fn start(gateway: &Gateway) -> Outcome<(Process, Duration)> {
    let configured = gateway.configure(false)?;
    let mut command = gateway.command(&configured)?;
    let start = Instant::now();
    let process = Process::start_without_waiting(&mut command, configured.public)?;
    while !is_ready(configured.admin) {
        if start.elapsed() > PATIENCE {
            return Err(format!("{command:?} is not ready after {PATIENCE:?}").into());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok((process, start.elapsed()))
}

fn is_ready(admin: SocketAddr) -> bool {
    let mut answer = String::new();
    let asked = TcpStream::connect(admin).and_then(|mut stream| {
        stream.write_all(b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        stream.read_to_string(&mut answer)
    });
    asked.is_ok() && answer.starts_with("HTTP/1.1 200 ")
}

/// Bytes that are free where this folder is, as df(1) tells.
fn free_space(folder: &Path) -> Outcome<u64> {
    let told = Command::new("df").arg("-Pk").arg(folder).output()?;
    let text = String::from_utf8(told.stdout)?;
    let kibibytes = text.lines().nth(1).and_then(|line| line.split_whitespace().nth(3));
    Ok(kibibytes.ok_or("df does not tell what is free")?.parse::<u64>()? * 1024)
}
