//! All who are driven side by side: the bare proxy, and gateways before the same upstream.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use portcullis::model::{Clock, SystemClock};

use super::{
    Outcome,
    gateway::{Gateway, orders},
    generator::{Until, ask_once, drive},
    process::{Process, free_address},
    race::Race,
    requests::{Requests, get_without_token, gets, gets_of, introspections, token_requests},
    rules::{paths, upstreams},
    store::add_tokens,
};

pub(super) const BARE: &str = "bare pingora";
pub(super) const QUIET: &str = "portcullis";
pub(super) const UNPROFILED: &str = "portcullis by cargo build --release";
pub(super) const LOGGING: &str = "portcullis with access log";
pub(super) const DISTINCT: &str = "portcullis, a token of very many each time";
pub(super) const FEW_RULES: &str = "portcullis, 10 rules";
pub(super) const MANY_RULES: &str = "portcullis, 10,000 rules of 1,000 upstreams";
pub(super) const ISSUE: &str = "portcullis, a token is issued (64 callers)";
pub(super) const INTROSPECTION: &str = "portcullis, a token is introspected";

/// Connections of most.
pub(super) const CONNECTIONS: usize = 8;
/// Connections of those that are issued tokens.
const ISSUED_AT_ONCE: usize = 64;
/// Upstreams of the gateway with many rules.
const UPSTREAMS: usize = 1_000;
/// How long the many tokens live.
const LIFE: Duration = Duration::from_hours(24);

/// One that is running, and what it is asked.
pub(super) struct Runner {
    gateway: Gateway,
    pub(super) process: Process,
    pub(super) requests: Arc<Requests>,
}

impl Runner {
    fn start(gateway: Gateway, requests: Requests) -> Outcome<Self> {
        let process = gateway.serve(false)?;
        Ok(Self { gateway, process, requests: Arc::new(requests) })
    }

    /// Another build, which is asked with one token.
    pub(super) async fn of_another(program: &Path, server: SocketAddr) -> Outcome<Self> {
        let gateway = Gateway::prepare(program, orders(server))?;
        let requests = gets(vec![gateway.client.token.clone()]);
        let runner = Self::start(gateway, requests)?;
        ask_once(runner.process.address, &get_without_token()).await?;
        Ok(runner)
    }
}

/// All of them, running.
pub(super) struct Field {
    bare: Process,
    /// One token; the other gateway of the same store has its access log on.
    one: Runner,
    logging: Process,
    distinct: Runner,
    few_rules: Runner,
    many_rules: Runner,
    issue: Runner,
    introspections: Arc<Requests>,
}

impl Field {
    /// Starts them before this server, one with so many living tokens.
    pub(super) fn start(program: &Path, server: SocketAddr, tokens: usize) -> Outcome<Self> {
        let bare = Process::of_this_program(&["pass-through", &server.to_string()], free_address()?)?;
        let prepare = || Gateway::prepare(program, orders(server));
        let (one, distinct, issue) = (prepare()?, prepare()?, prepare()?);
        let texts = add_tokens(&distinct.store(), tokens, SystemClock.now() + LIFE, true)?;
        let with_rules = |count| {
            let gateway = Gateway::prepare(program, upstreams(count, server))?;
            let requests = gets_of(paths(count), &gateway.client.token);
            Runner::start(gateway, requests)
        };
        let asked_of_one = gets(vec![one.client.token.clone()]);
        let introspections = introspections(&one.client.id, &one.client.secret, &one.client.token);
        let credentials = [(issue.client.id.clone(), issue.client.secret.clone())];
        Ok(Self {
            logging: one.serve(true)?,
            one: Runner::start(one, asked_of_one)?,
            distinct: Runner::start(distinct, gets(texts))?,
            few_rules: with_rules(1)?,
            many_rules: with_rules(UPSTREAMS)?,
            issue: Runner::start(issue, token_requests(&credentials, &[200]))?,
            introspections: Arc::new(introspections),
            bare,
        })
    }

    /// The gateway that answers introspections.
    pub(super) const fn introspecting(&self) -> (&Gateway, &Process) {
        (&self.one.gateway, &self.one.process)
    }

    /// What most are asked.
    pub(super) const fn requests(&self) -> &Arc<Requests> {
        &self.one.requests
    }

    /// Asks for everything once, so that all is known where it can be, and lets all of them enter.
    pub(super) async fn race(&self) -> Outcome<Race<'_>> {
        for process in [&self.one.process, &self.logging] {
            ask_once(process.address, &get_without_token()).await?;
        }
        for runner in [&self.distinct, &self.few_rules, &self.many_rules] {
            let all = Until::Asked(runner.requests.different());
            drive(runner.process.address, &runner.requests, CONNECTIONS, all).await?;
        }
        let mut race = Race::default();
        race.enter(BARE, vec![&self.bare], &self.one.requests, CONNECTIONS);
        race.enter(QUIET, vec![&self.one.process], &self.one.requests, CONNECTIONS);
        race.enter(LOGGING, vec![&self.logging], &self.one.requests, CONNECTIONS);
        let each = [(DISTINCT, &self.distinct), (FEW_RULES, &self.few_rules), (MANY_RULES, &self.many_rules)];
        for (name, runner) in each {
            race.enter(name, vec![&runner.process], &runner.requests, CONNECTIONS);
        }
        race.enter(ISSUE, vec![&self.issue.process], &self.issue.requests, ISSUED_AT_ONCE);
        race.enter(INTROSPECTION, vec![&self.one.process], &self.introspections, CONNECTIONS);
        Ok(race)
    }
}
