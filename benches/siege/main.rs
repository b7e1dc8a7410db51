//! What the built portcullis stands: sieges of its door, trouble behind it, and tokens that end under open streams, while
//! honest callers go on asking.
//!
//! `cargo bench --bench siege` builds and runs it, in about two minutes, on the loopback interface of this machine alone.
//! Gateway, upstreams and callers share the machine: the times say less than the counts. It prints a line for each siege
//! and fails if an honest request did, if the gateway grew by more than 64 MiB in one of them, if a caller got what the
//! trouble does not explain, if a POST was executed twice, or none, or if a stream ended before its token or outlived it
//! by more than a second (two, where another process ended it).

#![expect(clippy::print_stdout, reason = "the figures are what this is for")]

mod chaos;
#[path = "../load/command.rs"]
mod command;
mod frames;
mod gateway;
mod guesses;
#[path = "../load/head.rs"]
mod head;
mod honest;
#[path = "../load/process.rs"]
mod process;
mod report;
mod slow;
mod streams;
mod upstream;
mod wire;

use std::{env, error::Error, net::SocketAddr, time::Duration};

use tokio::{runtime::Builder, time::sleep};

use self::{
    gateway::{Client, Gateway, PER_ADDRESS, Prepared},
    guesses::token_request,
    honest::{Caller, Honest},
    process::free_address,
    report::measure,
    wire::request,
};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The binary that is besieged.
const PORTCULLIS: &str = env!("CARGO_BIN_EXE_portcullis");
/// Honest callers of each kind, and how often each asks: 200 requests a second in all.
const CALLERS: (usize, Duration) = (2, Duration::from_millis(20));
/// How often an honest client asks for a token.
const TOKEN: Duration = Duration::from_millis(500);
/// The descriptors of a gateway that has few.
const FEW: u32 = 256;

/// A GET with the client's token.
fn get(path: &str, client: &Client) -> Vec<u8> {
    request(&format!("GET {path}"), &[&client.bearer()], "")
}

/// Callers whose connections stay open, and others that open a new one each time.
fn callers(to: SocketAddr, client: &Client, anew: &[bool]) -> Vec<Caller> {
    let (number, every) = CALLERS;
    let caller = |anew| Caller { to, request: get("/orders/7", client), every, anew };
    anew.iter().flat_map(|anew| vec![caller(*anew); number]).collect()
}

/// Lays all sieges that the door's bounds are for.
async fn besiege(gateway: &Gateway, client: &Client, other: &Client) -> Outcome<Vec<String>> {
    let (process, to) = (&gateway.process, gateway.process.address);
    let asks_for_tokens =
        Caller { to, request: token_request(&client.basic(&client.secret)), every: TOKEN, anew: true };
    let honest = Honest::start([callers(to, client, &[false, true]), vec![asks_for_tokens]].concat())?;
    sleep(Duration::from_secs(1)).await;
    let head = b"GET /orders/7 HTTP/1.1\r\nHost: api.example.com\r\nX-Slow: ".to_vec();
    let wrong = token_request(&client.basic(&other.secret));
    let mut faults = measure("none", process, &honest, async {
        sleep(Duration::from_secs(3)).await;
        Ok(String::new())
    })
    .await?;
    faults.extend(measure("slow headers", process, &honest, slow::slow_senders(to, 500, head)).await?);
    let body = slow::body_begun(&client.bearer());
    faults.extend(measure("slow bodies", process, &honest, slow::slow_senders(to, 200, body)).await?);
    let large = get("/orders/large", client);
    // Of a large answer each of them keeps some two thirds of a MiB waiting.
    faults.extend(measure("slow readers", process, &honest, slow::slow_readers(to, gateway.admin, 80, large)).await?);
    let small = get("/orders/7", client);
    faults.extend(measure("idle connections", process, &honest, slow::idle(to, PER_ADDRESS, small)).await?);
    faults.extend(measure("connection flood", process, &honest, slow::too_many(to, PER_ADDRESS * 2)).await?);
    for (name, frames) in frames::floods() {
        faults.extend(measure(name, process, &honest, frames::flood(to, frames)).await?);
    }
    faults.extend(measure("wrong secrets", process, &honest, guesses::guess(to, wrong)).await?);
    Ok(faults)
}

/// Takes all connections that a gateway with few descriptors has. Whoever is connected goes on, administration too.
async fn besiege_with_few_descriptors(prepared: &Prepared, client: &Client) -> Outcome<Vec<String>> {
    let gateway = prepared.serve("few", Some(FEW))?;
    let to = gateway.process.address;
    let health = Caller { to: gateway.admin, request: request("GET /health/ready", &[], ""), every: TOKEN, anew: true };
    let honest = Honest::start([callers(to, client, &[false]), vec![health]].concat())?;
    sleep(Duration::from_secs(1)).await;
    measure("256 descriptors", &gateway.process, &honest, slow::too_many_from_everywhere(to, 1000)).await
}

async fn run() -> Outcome<Vec<String>> {
    let (orders, shaky) = (free_address()?, [free_address()?, free_address()?]);
    let prepared = Prepared::new(orders, shaky)?;
    let journal = prepared.folder().join("journal");
    let _orders = upstream::start("orders", upstream::WELL, &prepared.folder().join("unread"), orders)?;
    let (client, other) = (prepared.client()?, prepared.client()?);
    let gateway = prepared.serve("siege", None)?;
    report::print_names();
    let mut faults = besiege(&gateway, &client, &other).await?;
    faults.extend(besiege_with_few_descriptors(&prepared, &client).await?);
    faults.extend(chaos::run(&gateway, &client, shaky, journal).await?);
    faults.extend(streams::run(&prepared, &gateway, &client).await?);
    Ok(faults)
}

/// Cargo gives `--bench`; the other words are those with which this program starts itself again.
fn main() -> Outcome<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *words.as_slice() {
        ["upstream", name, manner, journal, address] => upstream::run(name, manner, journal, address.parse()?),
        [.., "--bench"] => {
            let faults = Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(run())?;
            if faults.is_empty() { Ok(()) } else { Err(format!("not as it should be:\n{}", faults.join("\n")).into()) }
        }
        _ => Err("run it by cargo bench --bench siege".into()),
    }
}
