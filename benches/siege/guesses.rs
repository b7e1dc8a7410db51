//! A siege by guesses: a known client's id with the wrong secret, as fast as the token endpoint answers.

use std::{collections::BTreeMap, net::SocketAddr, time::Instant};

use tokio::task::JoinSet;

use super::{
    Outcome,
    slow::{ATTACKER, SIEGE},
    wire::{Connection, request},
};

/// Attackers at once.
const ATTACKERS: usize = 8;

/// Asks for a token.
pub(super) fn token_request(basic: &str) -> Vec<u8> {
    let form = "Content-Type: application/x-www-form-urlencoded";
    request("POST /oauth2/tokens", &[basic, form], "grant_type=client_credentials")
}

/// Guesses for the time of a siege. The secret is well made, so that nothing but its hash can tell that it is wrong.
pub(super) async fn guess(to: SocketAddr, wrong: Vec<u8>) -> Outcome<String> {
    let mut attackers: JoinSet<Vec<u16>> = (0..ATTACKERS).map(|_| again(to, wrong.clone())).collect();
    let mut statuses = BTreeMap::<u16, usize>::new();
    while let Some(answers) = attackers.join_next().await {
        for status in answers? {
            *statuses.entry(status).or_default() += 1;
        }
    }
    let each: Vec<String> = statuses.iter().map(|(status, number)| format!("{number} got {status}")).collect();
    Ok(each.join("; "))
}

async fn again(to: SocketAddr, wrong: Vec<u8>) -> Vec<u16> {
    let (start, mut statuses, mut open) = (Instant::now(), Vec::new(), None);
    while start.elapsed() < SIEGE {
        let mut connection = match open.take() {
            Some(connection) => connection,
            None => match Connection::open(ATTACKER, to).await {
                Ok(connection) => connection,
                Err(_) => continue,
            },
        };
        if let Ok(answer) = connection.ask(&wrong).await {
            statuses.push(answer.status);
            open = (answer.header("connection") != Some("close")).then_some(connection);
        }
    }
    statuses
}
